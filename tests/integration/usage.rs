//! The command line itself: flags, their variables, help, and who stops reading.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

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
fn a_wrong_value_of_a_variable_is_told_with_its_name() {
    let told = |name: &str, value: &str, args: &[&str]| {
        unreachable().env(name, value).args(args.iter().copied()).status(1).run().stderr
    };
    for (name, value) in [("SSHOAL_FORKS", "abc"), ("SSHOAL_CHECK", "maybe"), ("SSHOAL_QUIET", "x")]
    {
        let stderr = told(name, value, &[]);
        let expected = format!("invalid value '{value}' for '{name}'");
        assert!(stderr.contains(&expected), "{stderr}");
    }
    let stderr = told("SSHOAL_FORKS", "abc", &["--forks", "none"]);
    assert!(stderr.contains("invalid value 'none' for '--forks <N>'"), "{stderr}");
    unreachable().env("SSHOAL_CHECK", "off").run();
}

#[test]
fn usage_errors_exit_with_1() {
    for args in [&["run"][..], &["nothing"], &["run", "--nope"], &["exec", "all", "--forks", "0"]] {
        assert_eq!(Sshoal::new().args(args.iter().copied()).status(1).run().stdout, "");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_the_run() {
    let finished = unreachable().args(["--report", "/proc/report.json"]).status(1).run();
    assert!(finished.stderr.contains("cannot be written to `/proc/report.json`"));
    assert_eq!(finished.stdout, "");
}

#[test]
fn a_full_disk_under_standard_output_is_told() {
    for format in ["text", "json", "ndjson"] {
        let output = Command::new(env!("CARGO_BIN_EXE_sshoal"))
            .args(["request", "-", "-o", format])
            .env("HOME", "/nonexistent")
            .stdin(Stdio::piped())
            .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|mut sshoal| {
                let request = br#"{"connection_args": {"host": "127.0.0.1", "port": 1,
                    "username": "u", "password": "nothing"}, "command": "true"}"#;
                sshoal.stdin.take().unwrap().write_all(request)?;
                sshoal.wait_with_output()
            })
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("standard output could not be written"), "{format}: {stderr}");
        assert_eq!(output.status.code(), Some(4), "{format}: {stderr}");
    }
}

#[test]
fn requests_to_several_ports_of_an_address_are_those_of_several_hosts() {
    let request = |port: u16, user: &str| {
        json!({
            "connection_args": {"host": "127.0.0.1", "port": port, "username": user, "password": "nothing"},
            "command": "true",
        })
    };
    let requests = json!([request(1, "a"), request(2, "b"), request(1, "a")]);
    let finished = Sshoal::new().request(&requests).status(4).run();
    let report = finished.report();
    let hosts = report.at("/plays/0/hosts").as_array().unwrap();
    let names: Vec<_> = hosts.iter().map(|host| (&host["host"], &host["address"])).collect();
    let both = [json!("127.0.0.1:1"), json!("127.0.0.1:2")];
    assert_eq!(names, [(&both[0], &both[0]), (&both[1], &both[1])]);
    assert_eq!(hosts[1]["tasks"][0]["error"]["code"], "connect_refused");
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
