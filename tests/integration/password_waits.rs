//! Passwords that wait for what other hosts say: what the wait costs, and what a wrong
//! password of several jump hosts reaches.

use std::thread;
use std::time::Duration;

use serde_json::json;
use sshoal::plan::spec::{ExecOptions, SudoSpec, TransferSpec};
use sshoal::secret::Secret;
use sshoal::transfer::TransferOperation;
use sshoal::transport::{Answer, Cancel, Connection, Ending, PasswordWatch, Purpose};

use crate::jump::{Bench, spec};
use crate::lab::{Finished, Lab, Sshd, SshdOptions, Sshoal, User};

/// More than what is left of the deadline when sudo asks.
const WAIT: Duration = Duration::from_secs(12);
const LIMIT: Duration = Duration::from_secs(10);

/// Lets passwords go out after a while, as if another host had to answer first.
struct Slow;

impl PasswordWatch for Slow {
    fn may_send(&self, _: Purpose) -> bool {
        thread::sleep(WAIT);
        true
    }

    fn answered(&self, _: Purpose, _: Answer) {}
}

fn sudo(user: &User) -> Option<SudoSpec> {
    let password = Some(Secret::new(user.password.as_str()));
    Some(SudoSpec { password, user: None, shell: true })
}

fn connect(server: &Sshd, user: &User) -> Box<dyn Connection> {
    let mut spec = spec(&server.address(), server.port(), &user.name);
    spec.credentials.password = Some(Secret::new(user.password.as_str()));
    let bench = Bench::new();
    bench.connect(&spec).unwrap_or_else(|failure| panic!("{failure:?}")).connection
}

#[test]
fn a_wait_for_other_hosts_does_not_count_as_the_commands_time() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let options = ExecOptions {
        timeout: Some(LIMIT),
        pty: false,
        stdin_open: false,
        environment: Vec::new(),
        working_directory: None,
        read_size: None,
        max_output: 1024,
        sudo: sudo(user),
        script: None,
    };
    let mut connection = connect(lab.sshd(), user);
    let done = connection.execute_watched("id -un", &options, false, &Slow, &Cancel::default());
    assert_eq!(done.ending, Ending::Exited(0), "{done:?}");
    assert_eq!(done.output.bytes, b"root\n");
}

#[test]
fn nor_as_the_time_of_a_transfer_through_sudo() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let dir = lab.scratch();
    let remote = dir.path().join("target");
    let upload = TransferSpec {
        operation: TransferOperation::Upload,
        local_path: "text".into(),
        local_path_shown: "text".to_owned(),
        content: Some(b"some text\n".as_slice().into()),
        remote_path: remote.to_str().unwrap().to_owned(),
        resume: false,
        chunk_size: 32768,
        // Several commands, each of which asks for the password anew.
        timeout: Some(LIMIT),
        mode: None,
        create_dirs: false,
        verify: true,
        recursive: false,
        owner: None,
        group: None,
        sudo: sudo(user),
        pty: false,
    };
    let mut connection = connect(lab.sshd(), user);
    let done = connection.transfer_watched(&upload, &Slow, &Cancel::default());
    assert!(done.is_ok_and(|done| done.changed));
    assert_eq!(std::fs::read(remote).unwrap(), b"some text\n");
}

/// Five hosts, each behind a jump host of its own.
fn run_behind(jump_hosts: &Sshd, target: &Sshd, user: &User, password: &str) -> Finished {
    let hosts: serde_json::Map<_, _> = jump_hosts
        .addresses()
        .enumerate()
        .map(|(number, jump_host)| {
            let args = json!({
                "host": target.address(), "port": target.port(), "username": user.name,
                "key_filename": user.key.path, "look_for_keys": false,
                "proxy_host": jump_host, "proxy_port": jump_hosts.port(),
                "proxy_password": password,
            });
            (format!("host-{number}"), json!({ "connection_args": args }))
        })
        .collect();
    Sshoal::new()
        .file("hosts.yml", json!({"all": {"hosts": hosts}}).to_string())
        .file("site.yml", r#"[{"hosts": "all", "tasks": [{"name": "it", "command": "id -un"}]}]"#)
        .args(["run", "site.yml", "-i", "hosts.yml", "-o", "json"])
        .run()
}

#[test]
fn a_wrong_password_of_many_jump_hosts_reaches_two() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let addresses: Vec<_> = (1..=5).map(|host| format!("127.0.11.{host}")).collect();
    let jump_hosts = SshdOptions::default()
        .addresses(addresses.iter().map(String::as_str))
        .line("KbdInteractiveAuthentication no")
        .start();
    run_behind(&jump_hosts, lab.sshd(), user, &user.password).expect_status(0);

    let finished = run_behind(&jump_hosts, lab.sshd(), user, "not-the-password");
    let report = finished.expect_status(3).report();
    let codes: Vec<_> = (0..5)
        .map(|number| report.task(&format!("host-{number}"), "it")["error"]["code"].clone())
        .collect();
    let count = |code: &str| codes.iter().filter(|found| *found == code).count();
    assert_eq!((count("proxy_failed"), count("canary_rejected")), (2, 3), "{codes:?}");
    assert_eq!(jump_hosts.log().matches("Failed password").count(), 2, "{}", jump_hosts.log());
    let refused = "other hosts have rejected it";
    assert_eq!(finished.stdout.matches(refused).count(), 3, "{}", finished.transcript());
}
