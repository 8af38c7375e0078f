//! Servers and accounts that are set up unusually.

use std::time::{Duration, Instant};

use sshoal::plan::spec::ExecOptions;

use super::{connect, elevated, failure, options, output, run, shown, text};
use crate::lab::{Lab, SshdOptions, UserOptions};

#[test]
fn keys_that_are_exchanged_anew_again_and_again_disturb_nothing() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let server = SshdOptions::default().line("RekeyLimit 32K").start();
    let mut connection = connect(&server, user);
    let value = "it's a value ".repeat(7_000);
    for base in [options(), elevated(Some(&user.password), false)] {
        let environment = vec![("LARGE".to_owned(), value.clone())];
        let options = ExecOptions { environment, max_output: 4 << 20, ..base };
        let line = "head -c 2000000 /dev/zero | tr '\\0' x; printf %s \"$LARGE\"";
        let found = output(&mut connection, line, &options);
        assert!(found == "x".repeat(2_000_000) + &value, "{}", found.len());
    }
    assert_eq!(output(&mut connection, "echo on", &options()), "on\n");
}

#[test]
fn a_restricted_account_is_warned_about_after_a_timeout() {
    let lab = Lab::get();
    let restricted = lab.add_user("rbash", UserOptions::default().shell("/bin/rbash"));
    let forced = SshdOptions::default().line("ForceCommand echo on; sleep 40.5").start();
    for (server, user) in [(lab.sshd(), &restricted), (&forced, &lab.users.plain)] {
        let mut connection = connect(server, user);
        let options = ExecOptions { timeout: Some(Duration::from_secs(2)), ..options() };
        let began = Instant::now();
        let execution = run(&mut connection, "echo on; sleep 40.5", &options);
        assert_eq!(failure(&execution), "command_timeout");
        assert_eq!(text(&execution.output.bytes), "on\n");
        let warnings = &execution.warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("may still run"), "{warnings:?}");
        assert!(shown(&execution).contains("could not be ended"), "{}", shown(&execution));
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
}
