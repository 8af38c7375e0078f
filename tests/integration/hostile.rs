//! Hosts that mean harm, and agents that keep one waiting: what that costs in time and
//! memory, what the report says, and that it costs no other host anything.

mod server;

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use self::server::{Deed, Hostile, IGNORE, UNKNOWN, When};
use crate::in_process::{Fault, Server, ServerOptions};
use crate::lab::processes::wait_until;
use crate::lab::{Finished, KeyFormat, KeyPair, KeyType, Sshoal};

const USER: &str = "deploy";
const PASSWORD: &str = "a-password-for-hostile-hosts";
const MEGABYTE: u64 = 1024 * 1024;
/// Far more than `sshoal` needs for two hosts, far less than a flood makes of it.
const MEMORY: u64 = 400 * MEGABYTE;

fn sound() -> Server {
    ServerOptions::default().password(USER, PASSWORD).start()
}

/// A run over hosts that are tried at the same time.
struct Crowd {
    hosts: serde_json::Map<String, Value>,
    _sound: Server,
}

impl Crowd {
    /// One sound host.
    fn new() -> Self {
        let sound = sound();
        let mut crowd = Self { hosts: serde_json::Map::new(), _sound: sound };
        let (host, port) = (crowd._sound.host(), crowd._sound.port());
        crowd.add("fine", &host, port, json!({}), 50);
        crowd
    }

    /// With a hostile one.
    fn with(hostile: &Hostile, connection: Value, timeout: u32) -> Self {
        let mut crowd = Self::new();
        let host = hostile.address.ip().to_string();
        crowd.add("hostile", &host, hostile.address.port(), connection, timeout);
        crowd
    }

    fn add(&mut self, name: &str, host: &str, port: u16, connection: Value, timeout: u32) {
        let mut args = json!({"host": host, "port": port, "username": USER, "password": PASSWORD});
        args.as_object_mut().unwrap().extend(connection.as_object().unwrap().clone());
        let variables = json!({"connection_args": args, "limit": timeout});
        self.hosts.insert(name.to_owned(), variables);
    }

    fn invocation(&self) -> Sshoal {
        let play = json!([{"hosts": "all", "tasks": [{
            "name": "it", "command": "echo fine", "driver_args": {"timeout": "{{ limit }}"},
        }]}]);
        Sshoal::new()
            .file("site.yml", play.to_string())
            .file("hosts.yml", json!({"all": {"hosts": self.hosts}}).to_string())
            .args(["run", "site.yml", "-i", "hosts.yml", "-o", "json"])
            .forbid(PASSWORD)
    }

    /// Runs it; the sound host must have its result. Gives the largest size that the
    /// process had.
    fn run(&self) -> (Finished, u64) {
        let running = self.invocation().start();
        let status = PathBuf::from(format!("/proc/{}/status", running.pid()));
        let watcher = thread::spawn(move || peak(&status));
        let finished = running.wait();
        let report = finished.report();
        let fine = report.task("fine", "it");
        assert_eq!(fine["results"][0]["output"], "fine\n", "{}", finished.transcript());
        (finished, watcher.join().unwrap())
    }
}

/// The largest size of a process, in bytes, watched until it ends.
fn peak(status: &Path) -> u64 {
    let mut largest = 0;
    loop {
        let text = fs::read_to_string(status).unwrap_or_default();
        let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) else {
            return largest;
        };
        let kilobytes = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
        largest = largest.max(kilobytes * 1024);
        thread::sleep(Duration::from_millis(20));
    }
}

/// Checks what the report says about the hostile host, and how long that took.
#[track_caller]
fn expect(finished: &Finished, code: &str, message: &str, longest: u64) -> Value {
    let report = finished.report();
    let task = report.task("hostile", "it");
    let words = finished.transcript();
    assert_eq!(task["error"]["code"], code, "{words}");
    let said = task["error"]["message"].as_str().unwrap();
    assert!(said.contains(message), "not `{message}`: {words}");
    let took = task["duration_seconds"].as_f64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let longest = longest as f64;
    assert!(took < longest, "took {took} s: {words}");
    task.clone()
}

/// Floods a client in the place of an answer.
#[track_caller]
fn flood(when: When, deed: Deed, code: &str, message: &str, most: u64) {
    let hostile = Hostile::start(when, deed);
    let crowd = Crowd::with(&hostile, json!({"timeout": 30, "auth_timeout": 30}), 30);
    let (finished, memory) = crowd.run();
    expect(&finished, code, message, 25);
    finished.expect_status(4);
    let sent = hostile.sent.load(Ordering::Relaxed);
    // What waits in the sockets' buffers comes on top.
    assert!(sent < most + 32 * MEGABYTE, "took {sent} bytes");
    assert!(memory < MEMORY, "grew to {memory} bytes");
}

#[test]
fn a_flood_before_the_keys_is_given_up_early() {
    for (kind, size) in [(IGNORE, 0), (IGNORE, 30_000), (UNKNOWN, 0), (UNKNOWN, 30_000)] {
        let deed = Deed::Flood(kind, size);
        let words = "the server sent more than 1 MiB and no answer";
        flood(When::BeforeKeys, deed, "handshake_failed", words, MEGABYTE);
    }
}

#[test]
fn a_flood_before_the_user_is_let_in_is_given_up_early() {
    for (kind, size) in [(IGNORE, 30_000), (UNKNOWN, 10), (UNKNOWN, 30_000)] {
        let deed = Deed::Flood(kind, size);
        let words = "after one attempt (`password`) (the server sent more than 1 MiB and no answer); \
                     it offers password";
        flood(When::AtPassword, deed, "connection_lost", words, MEGABYTE);
    }
}

#[test]
fn a_flood_in_the_place_of_a_commands_output_is_given_up() {
    let floods = [(IGNORE, 30_000), (UNKNOWN, 10), (UNKNOWN, 30_000)];
    let floods = floods.map(|(kind, size)| Deed::Flood(kind, size));
    for deed in floods.into_iter().chain([Deed::FloodWithData(UNKNOWN, 30_000)]) {
        let words = "the server sent more than 16 MiB and no answer";
        flood(When::AtCommand, deed, "connection_lost", words, 16 * MEGABYTE);
    }
}

#[test]
fn a_jump_host_that_floods_is_given_up() {
    for (when, most) in [(When::AtTunnel, 16), (When::InTunnel, 2 * 18)] {
        let floods = [(IGNORE, 30_000), (UNKNOWN, 10), (UNKNOWN, 30_000)];
        let floods = floods.map(|(kind, size)| Deed::Flood(kind, size));
        for deed in floods.into_iter().chain([Deed::FloodWithData(UNKNOWN, 30_000)]) {
            let hostile = Hostile::start(when, deed);
            let mut crowd = Crowd::new();
            let jump = json!({
                "proxy_host": hostile.address.ip().to_string(),
                "proxy_port": hostile.address.port(), "proxy_password": PASSWORD, "timeout": 60,
            });
            crowd.add("hostile", "127.0.0.1", 9, jump, 60);
            let (finished, memory) = crowd.run();
            expect(&finished, "proxy_failed", "it sent more than 16 MiB and no answer", 50);
            finished.expect_status(4);
            let sent = hostile.sent.load(Ordering::Relaxed);
            assert!(sent < (most + 32) * MEGABYTE, "took {sent} bytes");
            assert!(memory < MEMORY, "grew to {memory} bytes");
        }
    }
}

#[test]
fn output_beyond_the_window_and_packets_without_meaning_hold_up_no_deadline() {
    for deed in [Deed::Overflow, Deed::Trickle] {
        let hostile = Hostile::start(When::AtCommand, deed);
        let (finished, memory) = Crowd::with(&hostile, json!({}), 3).run();
        let task = expect(&finished, "command_timeout", "took longer than 3 s", 25);
        assert!(task["duration_seconds"].as_f64().unwrap() >= 3.0, "{task:#}");
        finished.expect_status(2);
        assert!(memory < MEMORY, "grew to {memory} bytes");
    }
}

#[test]
fn a_trickle_before_the_user_is_let_in_ends_with_the_stage() {
    for (when, code, words) in [
        (When::BeforeKeys, "handshake_failed", "did not finish within 2 s"),
        (
            When::AtPassword,
            "auth_timeout",
            "no decision within 2 s, after one attempt (`password`); it offers password",
        ),
    ] {
        let hostile = Hostile::start(when, Deed::Trickle);
        let crowd = Crowd::with(&hostile, json!({"timeout": 2, "auth_timeout": 2}), 30);
        expect(&crowd.run().0, code, words, 25);
    }
}

#[test]
fn an_interrupt_ends_what_a_host_drags_out() {
    for (when, deed) in [
        (When::BeforeKeys, Deed::Trickle),
        (When::AtPassword, Deed::Trickle),
        (When::AtCommand, Deed::Trickle),
        (When::AtCommand, Deed::Overflow),
    ] {
        let hostile = Hostile::start(when, deed);
        let limits = json!({"timeout": 600, "banner_timeout": 600, "auth_timeout": 600});
        let running = Crowd::with(&hostile, limits, 600).invocation().start();
        thread::sleep(Duration::from_secs(3));
        let pid = rustix::process::Pid::from_raw(running.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let finished = running.wait();
        finished.expect_status(130);
        assert!(finished.duration < Duration::from_secs(40), "{:?}", finished.duration);
    }
}

#[test]
fn a_connection_that_ends_says_nothing_about_the_password() {
    // Two rejections would keep the password from all other hosts.
    let hostile: Vec<_> = (0..3).map(|_| Hostile::start(When::AtPassword, Deed::Reset)).collect();
    let mut crowd = Crowd::new();
    for (index, hostile) in hostile.iter().enumerate() {
        let (host, port) = (hostile.address.ip().to_string(), hostile.address.port());
        crowd.add(&format!("away-{index}"), &host, port, json!({}), 30);
    }
    let (finished, _) = crowd.run();
    let report = finished.expect_status(4).report();
    for index in 0..3 {
        let error = &report.task(&format!("away-{index}"), "it")["error"];
        assert_eq!(error["code"], "connection_lost", "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("lost after one attempt (`password`)"), "{error}");
    }
}

#[test]
fn a_server_that_says_why_it_goes_is_believed() {
    const FED_UP: &str = "Too many authentication failures";
    let hostile = Hostile::start(When::AtPassword, Deed::Farewell(FED_UP));
    let (finished, _) = Crowd::with(&hostile, json!({}), 30).run();
    let words = format!(
        "closed the connection after one attempt (`password`) with `{FED_UP}`; it offers password"
    );
    expect(&finished, "auth_failed", &words, 25);

    // Others just close it once they have said no.
    let hostile = Hostile::start(When::AtPassword, Deed::Refuse);
    let (finished, _) = Crowd::with(&hostile, json!({}), 30).run();
    let words = "closed the connection after one attempt (`password`); it offers password";
    expect(&finished, "auth_failed", words, 25);

    let hostile = Hostile::start(When::AtPassword, Deed::Farewell("the house is on fire"));
    let (finished, _) = Crowd::with(&hostile, json!({}), 30).run();
    expect(&finished, "connection_lost", "(the house is on fire)", 25);
}

#[test]
fn an_unknown_host_key_is_told_although_the_host_does_not_let_the_user_in() {
    let mut crowd = Crowd::new();
    let server = ServerOptions::default().password(USER, "another").start();
    let policy = json!({"host_key_policy": "warning"});
    crowd.add("hostile", &server.host(), server.port(), policy, 30);
    let (finished, _) = crowd.run();
    expect(&finished, "auth_failed", "did not accept `password`", 25);
    let told = finished.report().at("/warnings").to_string();
    assert!(told.contains("is not known and was accepted without being saved"), "{told}");
}

#[test]
fn a_host_that_hangs_up_is_tried_for_as_long_as_the_limit_allows() {
    let mut crowd = Crowd::new();
    let server = ServerOptions::default().password(USER, PASSWORD);
    let server = server.fault(Fault::ResetBeforeBanner).start();
    crowd.add("late", &server.host(), server.port(), json!({"timeout": 100}), 30);
    let running = crowd.invocation().limit(Duration::from_secs(150)).start();
    let tried = wait_until(Duration::from_secs(90), || server.accepted() >= 9);
    server.set_fault(None);
    let finished = running.wait();
    assert!(tried, "tried {} times: {}", server.accepted(), finished.transcript());
    assert_eq!(finished.report().task("late", "it")["outcome"], "changed");
}

/// An agent that lists one key, and never comes to sign anything.
struct StuckAgent {
    socket: PathBuf,
    asked: std::sync::Arc<AtomicU64>,
    dir: tempfile::TempDir,
}

impl StuckAgent {
    fn start() -> (Self, String) {
        let dir = tempfile::tempdir().unwrap();
        let pair =
            KeyPair::generate(&dir.path().join("key"), KeyType::Ed25519, KeyFormat::OpenSsh, "");
        let public = fs::read_to_string(pair.path.with_extension("pub")).unwrap();
        let blob = base64(public.split_whitespace().nth(1).unwrap());
        let socket = dir.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = std::sync::Arc::new(AtomicU64::new(0));
        let counter = std::sync::Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (blob, counter) = (blob.clone(), std::sync::Arc::clone(&counter));
                thread::spawn(move || list_and_stall(stream.unwrap(), &blob, &counter));
            }
        });
        (Self { socket, asked, dir }, public)
    }
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn list_and_stall(
    mut stream: std::os::unix::net::UnixStream,
    blob: &[u8],
    counter: &AtomicU64,
) -> Option<()> {
    use std::io::{Read as _, Write as _};
    let text = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).ok()?;
        if request[0] == 11 {
            let list = [&[12, 0, 0, 0, 1][..], &text(blob), &text(b"token")].concat();
            stream.write_all(&text(&list)).ok()?;
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_agent_that_never_signs_costs_the_limit_and_hears_an_interrupt() {
    let (agent, public) = StuckAgent::start();
    let server = ServerOptions::default().key(USER, public.trim()).start();
    let crowd = |limit: u32| {
        let mut crowd = Crowd::new();
        let limits = json!({"allow_agent": true, "password": null, "auth_timeout": limit});
        crowd.add("hostile", &server.host(), server.port(), limits, 30);
        crowd
    };
    let finished = crowd(2).invocation().env("SSH_AUTH_SOCK", &agent.socket).run();
    expect(
        &finished,
        "auth_timeout",
        "no decision within 2 s, after one attempt (agent key `token`)",
        25,
    );
    expect(&finished, "auth_timeout", "the SSH agent does not answer when asked to sign", 25);
    assert_eq!(finished.report().task("fine", "it")["outcome"], "changed");
    assert_eq!(agent.asked.load(Ordering::Relaxed), 1);

    let running = crowd(600).invocation().env("SSH_AUTH_SOCK", &agent.socket).start();
    assert!(wait_until(Duration::from_secs(40), || agent.asked.load(Ordering::Relaxed) == 2));
    let began = Instant::now();
    let pid = rustix::process::Pid::from_raw(running.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let finished = running.wait();
    finished.expect_status(130);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(agent.dir);
}
