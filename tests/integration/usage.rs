//! The command line itself: flags, their variables, help, and who stops reading.

use std::process::{Command, Stdio};

use super::lab::Sshoal;

const PLAY: &str = "- hosts: all\n  tasks: [{ command: 'true' }]\n";

/// A run that fails at once: nobody listens there.
fn unreachable() -> Sshoal {
    Sshoal::new()
        .file("play.yml", PLAY)
        .args(["run", "play.yml", "-i", "127.0.0.1,", "-u", "nobody"])
        .args(["-e", "{connection_args: {port: 1, password: nothing-to-guess}}"])
        .status(4)
}

#[test]
fn a_flag_wins_over_the_variable_of_its_opposite() {
    let shows_plays = |sshoal: Sshoal| sshoal.run().stdout.contains("━━ all");
    assert!(shows_plays(unreachable()));
    assert!(!shows_plays(unreachable().env("SSHOAL_QUIET", "1")));
    assert!(!shows_plays(unreachable().env("SSHOAL_VERBOSE", "1").arg("-q")));
    assert!(!shows_plays(unreachable().env("SSHOAL_VERBOSE", "0").arg("-q")));
    assert!(shows_plays(unreachable().env("SSHOAL_QUIET", "1").arg("-v")));
}

#[test]
fn help_shows_no_value_of_a_variable_that_may_hold_a_secret() {
    let help = Sshoal::new().args(["run", "--help"]).env("SSHOAL_EXTRA_VARS", "pw=hunter22");
    let help = help.status(0).run();
    assert!(help.stdout.contains("SSHOAL_EXTRA_VARS") && !help.stdout.contains("hunter22"));
}

#[test]
fn usage_errors_exit_with_1() {
    for args in [&["run"][..], &["nothing"], &["run", "--nope"], &["exec", "all", "--forks", "0"]] {
        assert_eq!(Sshoal::new().args(args.iter().copied()).status(1).run().stdout, "");
    }
}

#[test]
fn a_reader_that_leaves_ends_nothing() {
    for args in [&["--help"][..], &["schema", "playbook"]] {
        let mut sshoal = Command::new(env!("CARGO_BIN_EXE_sshoal"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(sshoal.stdout.take());
        let output = sshoal.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{args:?}");
    }
}
