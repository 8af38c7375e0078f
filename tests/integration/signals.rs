//! Signals: the first ends a run in order, however often it arrives at once, and one
//! that comes later ends the process.

use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::in_process::{Reply, ServerOptions};
use crate::lab::processes::{processes_that_mention, wait_until};
use crate::lab::{Lab, Sshoal};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn timeout_which_signals_twice_gets_a_report_and_leaves_nothing_behind() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    for round in 0..5 {
        // Told apart from the commands of all other tests and rounds.
        let command = format!("sleep {}", 41_000 + round);
        let request = json!({
            "connection_args": {
                "host": lab.sshd().address(), "port": lab.sshd().port(),
                "username": user.name, "key_filename": user.key.path,
            },
            "command": command,
        });
        let finished = Sshoal::new()
            .request(&request)
            .under(["timeout", "--preserve-status", "2"])
            .status(130)
            .run();
        let report = finished.report();
        assert_eq!(report.at("/outcome"), "interrupted", "{}", finished.transcript());
        let gone = wait_until(PATIENCE, || processes_that_mention(&command).is_empty());
        assert!(gone, "`{command}` still runs\n{}", finished.transcript());
    }
}

/// Ends its process when a test fails before it does.
struct Blocked(Child);

impl Drop for Blocked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Blocked {
    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }
}

#[test]
fn a_second_signal_after_a_while_ends_the_process() {
    // A report that is larger than a pipe and that nobody reads keeps the process.
    let server = ServerOptions::default()
        .anyone()
        .respond(|line| {
            Some(match line {
                "much" => Reply::ok("x".repeat(1 << 20)),
                _ => Reply { delay: Duration::from_secs(100), ..Reply::default() },
            })
        })
        .start();
    let home = tempfile::tempdir().unwrap();
    let request = json!({
        "connection_args": {
            "host": server.host(), "port": server.port(), "username": "deploy",
            "password": "anything",
        },
        "command": ["much", "endless"],
    });
    fs::write(home.path().join("request.json"), request.to_string()).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_sshoal"))
        .args(["request", "request.json", "-o", "json"])
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut blocked = Blocked(child);
    assert!(wait_until(PATIENCE, || server.commands().contains(&"endless".to_owned())));
    blocked.terminate();
    blocked.terminate();
    thread::sleep(Duration::from_secs(3));
    assert!(blocked.0.try_wait().unwrap().is_none(), "the first signal ended the process");
    blocked.terminate();
    assert!(wait_until(PATIENCE, || blocked.0.try_wait().unwrap().is_some()));
    assert_eq!(blocked.0.wait().unwrap().code(), Some(130));
}
