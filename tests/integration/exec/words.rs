//! A sudo that runs a command's words: whose prompt is answered, and when.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use sshoal::plan::spec::ExecOptions;
use sshoal::transport::Ending;

use super::{connect, options, run, shown, text, with_sudo_of, words};
use crate::lab::{Lab, User};

/// A program that prints sudo's prompt as its own, and tells what it is answered.
fn impostor(user: &User) -> String {
    let script = "#!/bin/sh\n\
         prompt=$(tr '\\0' '\\n' </proc/$PPID/cmdline | grep ^sshoal-prompt)\n\
         printf 'before %s' \"$prompt\" >&2\n\
         IFS= read -r answer\n\
         echo \"got:$answer:\"\n\
         printf %s \"$prompt\" >&2\n\
         sleep 8\n";
    let path = user.write("impostor", script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_command_that_prints_the_prompt_is_not_answered() {
    let lab = Lab::get();
    for user in [&lab.users.nopasswd, &lab.users.sudoer] {
        let mut connection = connect(lab.sshd(), user);
        let line = impostor(user);
        for pty in [false, true] {
            let execution = run(&mut connection, &line, &words(Some(&user.password), pty));
            assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
            assert!(text(&execution.output.bytes).contains("got::"), "{}", shown(&execution));
            assert!(!shown(&execution).contains(&user.password));
            let stream = if pty { &execution.output } else { &execution.error };
            let said = text(&stream.bytes);
            assert!(said.starts_with("before sshoal-prompt-"), "{said}");
            run(&mut connection, "sudo -K", &options());
        }
    }
}

#[test]
fn the_input_of_a_command_that_needs_no_password_ends_soon() {
    let lab = Lab::get();
    let user = &lab.users.nopasswd;
    let mut connection = connect(lab.sshd(), user);
    // The best of several tries counts: a busy machine makes some of them slow.
    let took = || {
        let execution = run(&mut connection, "cat", &words(Some(&user.password), false));
        assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
        execution.duration
    };
    let best = std::iter::repeat_with(took).take(4).min().unwrap();
    assert!(best < Duration::from_secs(4), "{best:?}");
}

#[test]
fn the_prompt_of_a_sudo_that_is_not_answered_is_no_output() {
    let lab = Lab::get();
    let mut connection = connect(lab.sshd(), &lab.users.sudoer);
    let options = words(None, false);
    let execution = run(&mut connection, "id", &options);
    assert_eq!(super::failure(&execution), "sudo_password_required");
    assert!(!shown(&execution).contains("sshoal-prompt"), "{}", shown(&execution));
}

#[test]
fn a_sudo_that_asks_late_is_answered() {
    let lab = Lab::get();
    // Its name is that of the script, and it waits without a child.
    let script = "#!/bin/bash\n\
         while [ $# -gt 0 ]; do\n\
           case $1 in -p) prompt=$2; shift 2;; --) shift; break;; *) shift;; esac\n\
         done\n\
         mkfifo $HOME/nothing 2>/dev/null\n\
         read -t 8 nothing <>$HOME/nothing\n\
         printf %s \"$prompt\" >&2\n\
         IFS= read -r answer\n\
         [ \"$answer\" = late-but-right ] && exec \"$@\"\n";
    let user = with_sudo_of(&lab, "late", Some(script));
    let mut connection = connect(lab.sshd(), &user);
    let options = ExecOptions {
        timeout: Some(Duration::from_secs(90)),
        ..words(Some("late-but-right"), false)
    };
    let execution = run(&mut connection, "echo on", &options);
    assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
    assert_eq!(text(&execution.output.bytes), "on\n");
}
