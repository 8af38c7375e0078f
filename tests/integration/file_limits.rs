//! Open files: what hosts that wait for each other need is known before anything
//! happens, and what is missing all the same is not blamed on a host.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::in_process::{Reply, Server, ServerOptions};
use crate::lab::Sshoal;
use crate::lab::processes::wait_until;

const USER: &str = "deploy";
const PASSWORD: &str = "a-password-of-few-files";

fn options() -> ServerOptions {
    ServerOptions::default().password(USER, PASSWORD)
}

fn run(server: &Server, count: usize, play: Value) -> Sshoal {
    let args = json!({
        "host": server.host(), "port": server.port(), "username": USER, "password": PASSWORD,
    });
    let hosts: serde_json::Map<_, _> = (0..count)
        .map(|number| (format!("host-{number:02}"), json!({"connection_args": args})))
        .collect();
    Sshoal::new()
        .file("hosts.yml", json!({"all": {"hosts": hosts}}).to_string())
        .file("site.yml", json!([play]).to_string())
        .args(["run", "site.yml", "-i", "hosts.yml", "-o", "json"])
}

/// A play of two tasks with these further keys of the play and of the second task.
fn play(of_the_play: Value, of_the_task: Value) -> Value {
    let mut play = json!({"hosts": "all", "tasks": [
        {"name": "one", "command": "true"}, {"name": "two", "command": "true"},
    ]});
    for (target, more) in [("", of_the_play), ("/tasks/1", of_the_task)] {
        let Value::Object(more) = more else { panic!("no object") };
        play.pointer_mut(target).unwrap().as_object_mut().unwrap().extend(more);
    }
    play
}

#[test]
fn hosts_that_wait_for_each_other_need_files_while_they_do() {
    let server = options().respond(|_| Some(Reply::ok(""))).start();
    let few = |play: Value, forks: &str| {
        run(&server, 40, play).args(["-f", forks]).files_at_most(64).run()
    };
    for play in [
        play(json!({"any_errors_fatal": true}), json!({})),
        play(json!({"max_fail_percentage": 10}), json!({})),
        play(json!({}), json!({"run_once": true})),
    ] {
        let finished = few(play, "5");
        finished.expect_status(1);
        let told = "40 hosts that wait for each other may need 167 open files";
        assert!(finished.stderr.contains(told), "{}", finished.transcript());
        assert!(finished.stderr.contains("`serial`"), "{}", finished.transcript());
        assert_eq!(server.accepted(), 0);
    }
    let batches = play(json!({"any_errors_fatal": true, "serial": 8}), json!({}));
    let finished = few(batches.clone(), "5");
    finished.expect_status(1);
    assert!(finished.stderr.contains("use `--forks 2`"), "{}", finished.transcript());
    for (play, forks) in [(batches, "2"), (play(json!({}), json!({})), "5")] {
        let finished = few(play, forks);
        let report = finished.expect_status(0).report();
        assert_eq!(report.at("/stats/hosts/ok"), 40, "{}", finished.transcript());
    }
}

#[test]
fn a_shortage_of_files_is_not_a_defect_and_not_the_hosts_fault() {
    let reply = || Reply { delay: Duration::from_secs(6), ..Reply::ok("") };
    let server = options().respond(move |_| Some(reply())).start();
    let play = json!({"hosts": "all", "tasks": [{"name": "it", "command": "wait"}]});
    let running = run(&server, 2, play).args(["-f", "1", "--no-canary"]).start();
    assert!(wait_until(Duration::from_secs(30), || !server.commands().is_empty()));
    // From now on it can open nothing at all.
    let pid = running.pid().to_string();
    let limited = Command::new("prlimit").args(["--nofile=3:3", "--pid", &pid]).status();
    assert!(limited.unwrap().success());
    let finished = running.wait();
    let report = finished.expect_status(4).report();
    assert_eq!(report.host("host-00")["outcome"], "ok", "{}", finished.transcript());
    let error = &report.task("host-01", "it")["error"];
    assert_eq!(error["code"], "connect_failed", "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("no more open files"), "{error:#}");
    assert!(error["help"].as_str().unwrap().contains("ulimit -n"), "{error:#}");
}
