//! A sudo that is given up before it has started the command.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sshoal::plan::spec::ExecOptions;
use sshoal::transport::{Answer, Cancel, Connection, Execution, PasswordWatch, Purpose};

use super::{connect, elevated, failure, shown, with_sudo_of};
use crate::lab::processes::wait_until;
use crate::lab::{Lab, User};

/// A sudo that takes long to judge a password, and notes how often it is called and
/// what it is given.
pub(crate) const SLOW_SUDO: &str = r#"#!/bin/sh
echo called >> $HOME/calls
while [ $# -gt 0 ]; do
  case $1 in -p) prompt=$2; shift 2;; --) shift; break;; *) shift;; esac
done
printf %s "$prompt" >&2
IFS= read -r answer && echo "$answer" >> $HOME/answers
sleep 30
exec "$@"
"#;

fn lines(user: &User, name: &str) -> usize {
    std::fs::read_to_string(user.home.join(name)).map_or(0, |text| text.lines().count())
}

/// What came of a command whose sudo is still judging the password.
fn given_up(
    user: &User,
    options: &ExecOptions,
    watch: &dyn PasswordWatch,
    cancel: &Cancel,
) -> Execution {
    let lab = Lab::get();
    let mut connection: Box<dyn Connection> = connect(lab.sshd(), user);
    let began = Instant::now();
    let execution = connection.execute_watched("touch $HOME/begun", options, false, watch, cancel);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    assert!(shown(&execution).contains("had not started"), "{}", shown(&execution));
    assert_eq!(execution.warnings, [""; 0]);
    assert!(!user.home.join("begun").exists());
    execution
}

/// Lets passwords go out, or waits until the run is cancelled and keeps them.
struct Watch<'a> {
    lets: bool,
    cancel: &'a Cancel,
    asked: AtomicBool,
}

impl PasswordWatch for Watch<'_> {
    fn may_send(&self, _: Purpose) -> bool {
        self.asked.store(true, Ordering::Relaxed);
        let limit = Duration::from_secs(60);
        self.lets || !wait_until(limit, || self.cancel.is_cancelled())
    }

    fn answered(&self, _: Purpose, _: Answer) {}
}

#[test]
fn a_password_that_sudo_has_not_accepted_is_not_given_to_another_sudo() {
    let lab = Lab::get();
    for pty in [false, true] {
        let user = with_sudo_of(&lab, "slow", Some(SLOW_SUDO));
        let base = elevated(Some("never-accepted"), pty);
        let options = ExecOptions { timeout: Some(Duration::from_secs(3)), ..base.clone() };
        let cancel = Cancel::default();
        let execution = given_up(&user, &options, &sshoal::transport::Unwatched, &cancel);
        assert_eq!(failure(&execution), "command_timeout");
        assert!(lines(&user, "calls") <= 1 && lines(&user, "answers") <= 1, "pty {pty}");

        let user = with_sudo_of(&lab, "slower", Some(SLOW_SUDO));
        let watch = Watch { lets: true, cancel: &cancel, asked: AtomicBool::new(false) };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let limit = Duration::from_secs(50);
                wait_until(limit, || lines(&user, "answers") > 0);
                cancel.cancel();
            });
            let execution = given_up(&user, &base, &watch, &cancel);
            assert_eq!(failure(&execution), "cancelled");
        });
        assert_eq!((lines(&user, "calls"), lines(&user, "answers")), (1, 1), "pty {pty}");
    }
}

#[test]
fn a_password_that_is_withheld_stays_so_when_the_run_is_cancelled() {
    let lab = Lab::get();
    for pty in [false, true] {
        let user = with_sudo_of(&lab, "held", Some(SLOW_SUDO));
        let cancel = Cancel::default();
        let watch = Watch { lets: false, cancel: &cancel, asked: AtomicBool::new(false) };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let limit = Duration::from_secs(50);
                wait_until(limit, || watch.asked.load(Ordering::Relaxed));
                cancel.cancel();
            });
            let options = elevated(Some("withheld"), pty);
            let execution = given_up(&user, &options, &watch, &cancel);
            assert_eq!(failure(&execution), "cancelled");
        });
        assert_eq!((lines(&user, "calls"), lines(&user, "answers")), (1, 0), "pty {pty}");
    }
}

/// The limit is overshot by the second that a command has to end itself, and a little.
#[test]
fn what_ignores_the_end_overshoots_its_limit_by_little() {
    let lab = Lab::get();
    let limit = Duration::from_secs(2);
    for (user, base) in [
        (&lab.users.plain, super::options()),
        (&lab.users.sudoer, elevated(Some(&lab.users.sudoer.password), false)),
    ] {
        let mut connection = connect(lab.sshd(), user);
        let options = ExecOptions { timeout: Some(limit), ..base };
        let line = "trap '' TERM HUP INT; sleep 60.25; sleep 60.25";
        let execution = super::run(&mut connection, line, &options);
        assert_eq!(failure(&execution), "command_timeout");
        assert_eq!(execution.warnings, [""; 0]);
        println!("overshot by {:?}", execution.duration - limit);
        assert!(execution.duration < limit + Duration::from_secs(10), "{:?}", execution.duration);
    }
}
