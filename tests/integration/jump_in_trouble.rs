//! Jump hosts that grant little, are lost, or have something to tell: what the hosts
//! behind them report.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sshoal::failure::ErrorCode;
use sshoal::plan::spec::ConnectionSpec;
use sshoal::plan::spec::TransferSpec;
use sshoal::secret::Secret;
use sshoal::transfer::TransferOperation;
use sshoal::transport::Cancel;

use crate::in_process::{Fault, Reply, Server, ServerOptions};
use crate::jump::{Bench, black_hole, spec, through};
use crate::lab::processes::wait_until;
use crate::lab::{Finished, Report, Sshoal};

const USER: &str = "deploy";
const PASSWORD: &str = "a-password-behind-jump-hosts";
/// How long something may take that is known to happen, on a machine that is slow.
const PATIENCE: Duration = Duration::from_secs(40);

fn options() -> ServerOptions {
    ServerOptions::default().password(USER, PASSWORD)
}

/// `connection_args` for a server behind a jump host.
fn behind(bastion: &Server, host: &str, port: u16) -> Value {
    json!({
        "host": host, "port": port, "username": USER, "password": PASSWORD,
        "look_for_keys": false, "timeout": 60,
        "proxy_host": bastion.host(), "proxy_port": bastion.port(), "proxy_password": PASSWORD,
    })
}

fn reach(bastion: &Server, target: &Server) -> Value {
    behind(bastion, &target.host(), target.port())
}

fn with(mut args: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no object") };
    args.as_object_mut().unwrap().extend(more);
    args
}

/// A run of the task `it` on these hosts.
fn run<'h>(hosts: impl IntoIterator<Item = (&'h str, Value)>, command: &str) -> Sshoal {
    let plays = json!([{"hosts": "all", "tasks": [{"name": "it", "command": command}]}]);
    run_plays(hosts, &plays)
}

fn run_plays<'h>(hosts: impl IntoIterator<Item = (&'h str, Value)>, plays: &Value) -> Sshoal {
    let hosts: serde_json::Map<_, _> = hosts
        .into_iter()
        .map(|(name, args)| (name.to_owned(), json!({ "connection_args": args })))
        .collect();
    Sshoal::new()
        .file("hosts.yml", json!({"all": {"hosts": hosts}}).to_string())
        .file("site.yml", plays.to_string())
        .args(["run", "site.yml", "-i", "hosts.yml", "-o", "json"])
        .limit(Duration::from_secs(180))
}

/// Code and message of a task's error.
#[track_caller]
fn error<'r>(report: &'r Report, host: &str, task: &str) -> (&'r str, &'r str) {
    let error = &report.task(host, task)["error"];
    match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), Some(message)) => (code, message),
        _ => panic!("no error of `{host}` in {:#}", report.0),
    }
}

#[track_caller]
fn assert_ok(finished: &Finished, host: &str) {
    let report = finished.report();
    assert_eq!(report.host(host)["outcome"], "ok", "{}", finished.transcript());
}

#[test]
fn hosts_that_wait_for_others_end_at_their_own_limits() {
    let bastion = options().connections_at_most(1).start();
    let target = options().respond(|_| Some(Reply::ok("here\n"))).start();
    let (hole, _listener, _fill) = black_hole();
    let dead = || with(behind(&bastion, "127.0.0.1", hole.port()), json!({"timeout": 2}));
    let hosts = [("a-dead", dead()), ("b-dead", dead()), ("c-live", reach(&bastion, &target))];
    let finished = run(hosts, "true").args(["-f", "3", "--no-canary"]).status(4).run();
    let report = finished.report();
    for host in ["a-dead", "b-dead"] {
        let (code, message) = error(&report, host, "it");
        assert_eq!(code, "proxy_failed", "{message}");
        assert!(message.contains("no answer from") || message.contains("no turn for"), "{message}");
        assert!(message.contains("within 2 s"), "{message}");
        let took = report.task(host, "it")["duration_seconds"].as_f64().unwrap();
        assert!(took < PATIENCE.as_secs_f64(), "{host}: {took} s");
    }
    assert_ok(&finished, "c-live");
    assert!(finished.duration < PATIENCE, "{:?}", finished.duration);
}

#[test]
fn targets_that_are_down_cost_eight_sessions_at_most() {
    let bastion = options().start();
    let (hole, _listener, _fill) = black_hole();
    let names: Vec<_> = (0..14).map(|number| format!("dead-{number}")).collect();
    let dead = behind(&bastion, "127.0.0.1", hole.port());
    let hosts = names.iter().map(|name| (name.as_str(), dead.clone()));
    let running = run(hosts, "true").arg("--no-canary").start();
    assert!(wait_until(PATIENCE, || bastion.accepted() == 8), "{}", bastion.accepted());
    thread::sleep(Duration::from_secs(4));
    assert_eq!(bastion.accepted(), 8);
    drop(running);
}

#[test]
fn a_jump_host_that_takes_no_more_bytes_delays_no_answer() {
    let (bastion, target) = (options().start(), options().start());
    let login = |server: &Server| ConnectionSpec {
        credentials: sshoal::plan::spec::Credentials {
            password: Some(Secret::new(PASSWORD)),
            ..Default::default()
        },
        ..spec(&server.host(), server.port(), USER)
    };
    let bench = Bench::new();
    let mut proxy = login(&bastion);
    proxy.keepalive = Duration::from_secs(300);
    let proxy = Arc::new(proxy);
    let mut sender = through(&proxy, login(&target));
    sender.keepalive = Duration::from_secs(300);
    let mut other = through(&proxy, login(&target));
    other.timeouts.connect = Duration::from_secs(2);
    let content = vec![7; 64 << 20].into();
    let upload = |number| TransferSpec {
        operation: TransferOperation::Upload,
        local_path: "big".into(),
        local_path_shown: "big".to_owned(),
        content: Some(Arc::clone(&content)),
        remote_path: format!("big-{number}"),
        resume: false,
        chunk_size: 32768,
        timeout: None,
        mode: None,
        create_dirs: false,
        verify: false,
        recursive: false,
        owner: None,
        group: None,
        sudo: None,
        pty: false,
    };
    let cancel = Cancel::default();
    thread::scope(|scope| {
        // Each may send no more than its channel's window ahead: together that is more
        // than the kernel keeps for a peer that does not read.
        let uploads: Vec<_> = (0..10)
            .map(|number| {
                let mut connected =
                    bench.connect(&sender).unwrap_or_else(|failure| panic!("{failure:?}"));
                let (spec, cancel) = (upload(number), &cancel);
                scope.spawn(move || connected.connection.transfer(&spec, cancel).map(drop))
            })
            .collect();
        let begun = || std::fs::read_dir(target.home()).unwrap().count() >= uploads.len();
        assert!(wait_until(PATIENCE, begun));
        bastion.silence_connections();
        // By now what is sent fills all buffers, one after the other.
        thread::sleep(Duration::from_secs(3));
        let began = Instant::now();
        let failure = bench.connect(&other).err().expect("connected, although it must fail");
        let took = began.elapsed();
        cancel.cancel();
        assert!(uploads.into_iter().all(|upload| upload.join().unwrap().is_err()));
        assert_eq!(failure.code, ErrorCode::ProxyFailed, "{failure:?}");
        assert!(took < PATIENCE, "{took:?}: {failure:?}");
    });
}

#[test]
fn hosts_that_differ_in_patience_share_a_session() {
    let bastion = options().start();
    let target = options().respond(|_| Some(Reply::ok("here\n"))).start();
    let variants = |args: Value| {
        [
            ("a", with(args.clone(), json!({"timeout": 50}))),
            ("b", with(args.clone(), json!({"timeout": 60, "keepalive": 20}))),
            ("c", with(args, json!({"timeout": 70, "auth_timeout": 40}))),
        ]
    };
    run(variants(reach(&bastion, &target)), "true").status(0).run();
    assert_eq!(bastion.accepted(), 1);

    // A refused identity is refused for all of them.
    let args = with(reach(&bastion, &target), json!({"proxy_password": "wrong"}));
    let finished = run(variants(args), "true").status(4).run();
    for host in ["a", "b", "c"] {
        assert_eq!(error(&finished.report(), host, "it").0, "proxy_failed");
    }
    assert_eq!(bastion.accepted(), 2);
}

#[test]
fn every_host_behind_a_lost_jump_host_names_it_and_it_is_reached_anew_once() {
    let bastion = options().start();
    let endless = || Some(Reply { delay: Duration::from_secs(100), ..Reply::default() });
    let target = options()
        .respond(move |line| if line == "stay" { endless() } else { Some(Reply::ok("here\n")) })
        .start();
    let names = ["a", "b", "c", "d"];
    let args = reach(&bastion, &target);
    let hosts = names.iter().map(|name| (*name, args.clone()));
    let later = ["x", "y", "z"].map(|name| (name, args.clone()));
    let plays = json!([
        {"hosts": "a,b,c,d", "tasks": [{"name": "it", "command": "stay"}]},
        {"hosts": "x,y,z", "tasks": [{"name": "it", "command": "true"}]},
    ]);
    let running = run_plays(hosts.chain(later), &plays).start();
    assert!(wait_until(PATIENCE, || target.commands().len() >= names.len()));
    bastion.reset_connections();
    let finished = running.wait();
    let report = finished.expect_status(4).report();
    let jump_host = format!("jump host `{}` was lost: ", bastion.socket_address());
    for host in names {
        let (code, message) = error(&report, host, "it");
        assert_eq!(code, "connection_lost", "{message}");
        assert_eq!(message.matches(&jump_host).count(), 1, "{message}");
        assert!(message.contains("it closed the connection"), "{message}");
        assert!(message.contains("may still run on the host"), "{message}");
    }
    for host in ["x", "y", "z"] {
        assert_ok(&finished, host);
    }
    assert_eq!(bastion.accepted(), 2);
}

#[test]
fn a_jump_host_that_falls_silent_is_named() {
    let bastion = options().start();
    let endless = || Some(Reply { delay: Duration::from_secs(100), ..Reply::default() });
    let target = options().respond(move |_| endless()).start();
    let args = with(reach(&bastion, &target), json!({"keepalive": 6}));
    let running = run([("a", args.clone()), ("b", args)], "stay").start();
    assert!(wait_until(PATIENCE, || target.commands().len() >= 2));
    bastion.silence_connections();
    let finished = running.wait();
    let report = finished.expect_status(4).report();
    let jump_host = format!("jump host `{}` was lost: nothing heard", bastion.socket_address());
    for host in ["a", "b"] {
        let (code, message) = error(&report, host, "it");
        assert_eq!(
            (code, message.matches(&jump_host).count()),
            ("connection_lost", 1),
            "{message}"
        );
    }
}

#[test]
fn a_jump_host_that_is_lost_while_a_target_signs_in_is_named() {
    let bastion = options().start();
    let target = options().fault(Fault::StallInAuthentication).start();
    let running = run([("a", reach(&bastion, &target))], "true").start();
    assert!(wait_until(PATIENCE, || target.accepted() == 1));
    thread::sleep(Duration::from_secs(1));
    bastion.reset_connections();
    let finished = running.wait();
    let report = finished.expect_status(4).report();
    let (code, message) = error(&report, "a", "it");
    let jump_host = format!("jump host `{}` was lost: ", bastion.socket_address());
    assert_eq!((code, message.starts_with(&jump_host)), ("proxy_failed", true), "{message}");
}

#[test]
fn the_warning_about_a_jump_host_outlives_its_first_user() {
    let bastion = options().start();
    let target = options().respond(|_| Some(Reply::ok("here\n"))).start();
    let args = with(reach(&bastion, &target), json!({"host_key_policy": "warning"}));
    let wrong = with(args.clone(), json!({"password": "wrong"}));
    let hosts = [("a", wrong), ("b", args.clone()), ("c", args)];
    let finished = run(hosts, "true").args(["-f", "1", "--no-canary"]).status(4).run();
    let report = finished.report();
    assert_eq!(error(&report, "a", "it").0, "auth_failed");
    let key = format!("the host key of `{}` is not known", bastion.socket_address());
    let warnings = report.at("/warnings").as_array().unwrap();
    let about: Vec<_> =
        warnings.iter().filter(|warning| warning.as_str().unwrap().contains(&key)).collect();
    assert_eq!(about.len(), 1, "{warnings:#?}");
}
