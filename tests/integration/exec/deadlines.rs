//! Commands that are given up: what is kept of them and what is left of them.

use std::time::{Duration, Instant};

use sshoal::plan::spec::{ExecOptions, SudoSpec};
use sshoal::secret::Secret;
use sshoal::transport::{Cancel, Connection};

use super::{
    connect, elevated, failure, options, output, plain, run, shown, text, wait_for, words,
};
use crate::lab::processes::{kill_all, processes_that_mention, wait_until};
use crate::lab::{Lab, Sudo, User, UserOptions};

/// Far longer than it takes to give up a command, however busy the machine is, and
/// far shorter than what these commands would go on for.
const SOON: Duration = Duration::from_secs(60);
/// Long enough for what was printed to arrive.
const A_MOMENT: Duration = Duration::from_secs(2);
/// A limit within which a command begins, however busy the machine is.
const TIME_TO_BEGIN: Duration = Duration::from_secs(8);

/// A `sleep` that no other test has.
fn unique_sleep(seconds: u32) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("sleep {seconds}.{}{count:04}", std::process::id())
}

fn assert_gone(sleep: &str) {
    let gone = wait_until(Duration::from_secs(30), || processes_that_mention(sleep).is_empty());
    if !gone {
        let list =
            crate::lab::processes::tool("ps", &["-eo", "pid,ppid,pgid,sid,stat,user,args"], "");
        panic!("`{sleep}` is still there:\n{list}");
    }
}

#[test]
fn the_limit_is_total_and_what_was_printed_is_kept() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let options = ExecOptions { timeout: Some(TIME_TO_BEGIN), ..options() };
    let began = Instant::now();
    let line = "while :; do echo tick; sleep 0.1; done";
    let execution = run(&mut connection, line, &options);
    assert_eq!(failure(&execution), "command_timeout");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(text(&execution.output.bytes).starts_with("tick\ntick\n"));
    assert_eq!(execution.warnings, [""; 0]);
    // The connection is as good as before.
    assert_eq!(output(&mut connection, "echo on", &super::options()), "on\n");
}

#[test]
fn a_flood_does_not_outrun_the_limit() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let options = ExecOptions { timeout: Some(Duration::from_secs(1)), ..options() };
    let began = Instant::now();
    assert_eq!(failure(&run(&mut connection, "yes", &options)), "command_timeout");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(output(&mut connection, "echo on", &super::options()), "on\n");
}

#[test]
fn children_are_gone_after_the_limit() {
    let lab = Lab::get();
    for user in [&lab.users.plain, &lab.users.sh] {
        let mut connection = connect(lab.sshd(), user);
        for pty in [false, true] {
            let sleep = unique_sleep(300);
            let line =
                format!("trap '' HUP; (timeout 400 {sleep} & {sleep}) & {sleep} | cat; echo never");
            let options = ExecOptions { timeout: Some(Duration::from_secs(1)), pty, ..options() };
            let execution = run(&mut connection, &line, &options);
            assert_eq!(failure(&execution), "command_timeout");
            assert_eq!(execution.warnings, [""; 0], "{}", shown(&execution));
            assert_gone(&sleep);
        }
    }
}

#[test]
fn a_command_that_ignores_term_is_killed() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let sleep = unique_sleep(300);
    let line = format!("trap '' TERM HUP INT; {sleep}; {sleep}");
    let options = ExecOptions { timeout: Some(Duration::from_millis(700)), ..options() };
    let execution = run(&mut connection, &line, &options);
    assert_eq!(failure(&execution), "command_timeout");
    assert_eq!(execution.warnings, [""; 0]);
    assert!(execution.duration < SOON, "{:?}", execution.duration);
    assert_gone(&sleep);
}

/// The same, given up once they have begun.
fn in_time(options: ExecOptions) -> ExecOptions {
    ExecOptions { timeout: Some(TIME_TO_BEGIN), ..options }
}

/// Runs `test` as a user whom sudo asks for a password and as one whom it does not, with a
/// terminal and without, all at a time.
fn as_each_user(test: impl Fn(&mut Box<dyn Connection>, Option<&str>, bool) + Sync) {
    let lab = Lab::get();
    let (asked, trusted) = (&lab.users.sudoer, &lab.users.nopasswd);
    let test = &test;
    std::thread::scope(|scope| {
        for (user, password) in [(asked, Some(asked.password.as_str())), (trusted, None)] {
            for pty in [false, true] {
                let mut connection = connect(lab.sshd(), user);
                scope.spawn(move || test(&mut connection, password, pty));
            }
        }
    });
}

#[test]
fn children_of_root_are_gone_too() {
    as_each_user(|connection, password, pty| {
        let sleep = unique_sleep(300);
        let line = format!("echo on; (timeout 400 {sleep} & {sleep}) & {sleep} | cat");
        let execution = run(connection, &line, &in_time(elevated(password, pty)));
        assert_eq!(failure(&execution), "command_timeout");
        assert_eq!(text(&execution.output.bytes), "on\n");
        assert_eq!(execution.warnings, [""; 0], "pty: {pty}");
        assert_gone(&sleep);
    });
}

#[test]
fn what_sudo_runs_without_a_shell_is_gone_too() {
    as_each_user(|connection, password, pty| {
        let sleep = unique_sleep(300);
        let line = format!("timeout 400 {sleep} | {sleep}");
        let execution = run(connection, &line, &in_time(words(password, pty)));
        assert_eq!(failure(&execution), "command_timeout");
        assert_eq!(execution.warnings, [""; 0], "pty: {pty}");
        assert!(shown(&execution).contains("was ended"), "{}", shown(&execution));
        assert_gone(&sleep);
    });
}

/// A user whom sudo lets run some things, and no shell of its own choice.
fn of_few_rights(lab: &Lab) -> User {
    let rule = "USER ALL=(root) NOPASSWD: /usr/bin/sleep, /bin/sleep, /bin/sh -c *";
    lab.add_user("fewrights", UserOptions::default().sudo(Sudo::Rules(rule.to_owned())))
}

#[test]
fn what_cannot_be_ended_is_told() {
    let lab = Lab::get();
    let user = of_few_rights(&lab);
    let mut connection = connect(lab.sshd(), &user);
    let (roots, own) = (unique_sleep(300), unique_sleep(300));
    let line = format!("/bin/sh -c 'trap \"\" TERM HUP; {roots}; {roots}' | {own}");
    let execution = run(&mut connection, &line, &in_time(words(None, false)));
    let runs = !processes_that_mention(&roots).is_empty();
    kill_all(&processes_that_mention(&roots));
    assert!(runs, "{}", shown(&execution));
    assert_gone(&own);
    assert_eq!(failure(&execution), "command_timeout");
    assert_eq!(execution.warnings.len(), 1, "{}", shown(&execution));
    assert!(execution.warnings[0].contains("and still run"), "{}", shown(&execution));
}

/// sudo passes on what its user's signals say, and the end of a terminal.
#[test]
fn what_heeds_a_signal_is_gone_without_a_shell_of_roots() {
    let lab = Lab::get();
    let user = of_few_rights(&lab);
    let mut connection = connect(lab.sshd(), &user);
    for pty in [false, true] {
        let sleep = unique_sleep(300);
        let execution = run(&mut connection, &sleep, &in_time(words(None, pty)));
        assert_eq!(failure(&execution), "command_timeout");
        assert_eq!(execution.warnings, [""; 0], "{}", shown(&execution));
        assert_gone(&sleep);
    }
}

#[test]
fn no_more_is_told_than_is_known_where_one_session_is_all_there_is() {
    let lab = Lab::get();
    let server = crate::lab::SshdOptions::default().line("MaxSessions 1").start();
    let mut connection = connect(&server, &lab.users.plain);
    let sleep = unique_sleep(20);
    let options = ExecOptions { timeout: Some(Duration::from_secs(2)), ..options() };
    let execution = run(&mut connection, &format!("{sleep} & echo x"), &options);
    kill_all(&processes_that_mention(&sleep));
    assert_eq!(failure(&execution), "command_timeout");
    let told = shown(&execution);
    assert!(told.contains("the command, or what it has started, held its channel"), "{told}");
    assert!(told.contains("MaxSessions 1"), "{told}");
}

#[test]
fn cancelling_ends_the_command_at_once() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let mut connection = connect(lab.sshd(), user);
    for options in [options(), elevated(Some(&user.password), true)] {
        let sleep = unique_sleep(300);
        let cancel = Cancel::default();
        let line = format!("echo on; {sleep}");
        let (execution, took) = std::thread::scope(|scope| {
            let running = scope.spawn(|| connection.execute(&line, &options, true, &cancel));
            wait_for(&sleep);
            // What was printed before is still on its way.
            std::thread::sleep(A_MOMENT);
            cancel.cancel();
            let began = Instant::now();
            (running.join().unwrap(), began.elapsed())
        });
        assert_eq!(failure(&execution), "cancelled");
        assert_eq!(text(&execution.output.bytes), "on\n");
        assert!(took < SOON, "{took:?}");
        assert_gone(&sleep);
    }
}

#[test]
fn a_lost_connection_keeps_the_output_and_leaves_the_command() {
    let lab = Lab::get();
    let server = crate::lab::SshdOptions::default().start();
    let mut connection = connect(&server, &lab.users.plain);
    let sleep = unique_sleep(100);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_for(&sleep);
            // The server has still to send what was printed before.
            std::thread::sleep(A_MOMENT);
            server.end_sessions();
        });
        let line = format!("echo on; {sleep}");
        let execution = connection.execute(&line, &options(), true, &Cancel::default());
        assert_eq!(failure(&execution), "connection_lost");
        assert_eq!(text(&execution.output.bytes), "on\n");
        assert!(shown(&execution).contains("may still run on the host"));
    });
}

#[test]
fn a_password_is_in_no_process_list_while_sudo_runs() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let mut connection = connect(lab.sshd(), user);
    let password = Secret::new(user.password.as_str());
    for pty in [false, true] {
        let sudo = Some(SudoSpec { password: Some(password.clone()), user: None, shell: true });
        let options = ExecOptions { pty, sudo, ..options() };
        let list = output(&mut connection, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", &options);
        assert!(list.contains("sudo -S -p"));
        assert!(!list.contains(&user.password));
    }
}
