//! Twelve hosts that share a password: it is proven on one of them before the
//! others see it, and a wrong one reaches two.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::lab::{Finished, Lab, LabHandle, Report, Sshd, SshdOptions, Sshoal, User};

const HOSTS: usize = 12;

/// Twelve addresses of one server, each a host of the inventory.
struct Fleet {
    sshd: Sshd,
    lab: LabHandle,
}

impl Fleet {
    fn start() -> Self {
        let addresses: Vec<_> = (1..=HOSTS).map(|host| format!("127.0.9.{host}")).collect();
        let addresses = addresses.iter().map(String::as_str);
        Self { lab: Lab::get(), sshd: SshdOptions::default().addresses(addresses).start() }
    }

    /// Runs two tasks on all hosts, with more lines of the inventory's variables.
    /// The host names in `down` are addresses at which nothing listens.
    fn run(&self, user: &User, variables: &str, down: &[usize], flags: &[&str]) -> Finished {
        let mut inventory = format!(
            "all:\n  vars:\n    connection_args:\n      username: {}\n      port: {}\n{variables}  hosts:\n",
            user.name,
            self.sshd.port()
        );
        for host in 1..=HOSTS {
            let network = if down.contains(&host) { 10 } else { 9 };
            let address = format!("127.0.{network}.{host}");
            writeln!(inventory, "    host-{host:02}: {{ connection_args: {{ host: {address} }} }}")
                .unwrap();
        }
        Sshoal::new()
            .file("inventory.yml", inventory)
            .file(
                "site.yml",
                "- hosts: all\n  tasks:\n    - { name: who, config: id -un }\n    - { name: end, command: echo end }\n",
            )
            .args(["run", "-i", "inventory.yml", "site.yml", "-o", "json"])
            .args(flags.iter().copied())
            .run()
    }

    /// The addresses at which the server saw a failed login.
    fn failed_logins(&self) -> BTreeSet<String> {
        let log = self.sshd.log();
        // «Connection from C port P on A port Q», and later «Failed password for U
        // from C port P»: the client's port tells which belong together.
        let failed: BTreeSet<_> = log
            .lines()
            .filter(|line| line.starts_with("Failed password") || line.contains("Failed keyboard"))
            .filter_map(|line| word_after(line, "port"))
            .collect();
        log.lines()
            .filter(|line| line.starts_with("Connection from"))
            .filter(|line| word_after(line, "port").is_some_and(|port| failed.contains(port)))
            .filter_map(|line| word_after(line, "on"))
            .map(str::to_owned)
            .collect()
    }
}

fn word_after<'l>(line: &'l str, word: &str) -> Option<&'l str> {
    line.split_whitespace().skip_while(|found| *found != word).nth(1)
}

/// The code of every task that did not succeed, sorted. Every planned task must
/// be in the report, once.
#[track_caller]
fn codes(report: &Report) -> Vec<&str> {
    let hosts = report.at("/plays/0/hosts").as_array().unwrap();
    assert_eq!(hosts.len(), HOSTS);
    let mut codes = Vec::new();
    for host in hosts {
        let tasks = host["tasks"].as_array().unwrap();
        let ids: Vec<_> = tasks.iter().map(|task| &task["id"]).collect();
        assert_eq!(ids, ["1.1", "1.2"]);
        codes.extend(tasks.iter().filter_map(|task| task["error"]["code"].as_str()));
    }
    codes.sort_unstable();
    codes
}

fn count(codes: &[&str], code: &str) -> usize {
    codes.iter().filter(|found| **found == code).count()
}

fn password(password: &str) -> String {
    format!(
        "      password: {}\n      allow_agent: false\n      look_for_keys: false\n",
        Value::from(password)
    )
}

#[test]
fn a_wrong_password_reaches_two_hosts_and_the_right_one_all() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.plain;

    let finished = fleet.run(user, &password(&user.password), &[], &[]);
    finished.expect_status(0);
    assert_eq!(codes(&finished.report()), [] as [&str; 0]);
    assert_eq!(fleet.failed_logins().len(), 0);

    let finished = fleet.run(user, &password("not-the-password"), &[], &[]);
    let report = finished.expect_status(3).report();
    let found = codes(&report);
    assert_eq!(count(&found, "auth_failed"), 2, "{}", finished.transcript());
    assert_eq!(count(&found, "cancelled"), 2);
    assert_eq!(count(&found, "canary_rejected"), 20);
    assert_eq!(report.at("/outcome"), "aborted");
    assert_eq!(report.at("/stats/hosts/cancelled"), 10);
    assert_eq!(fleet.failed_logins().len(), 2, "{:?}", fleet.failed_logins());
    assert!(!finished.stdout.contains("not-the-password"));
}

#[test]
fn without_a_canary_a_wrong_password_reaches_every_host() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.plain;
    let finished = fleet.run(user, &password("not-the-password"), &[], &["--no-canary"]);
    let report = finished.expect_status(4).report();
    assert_eq!(count(&codes(&report), "auth_failed"), HOSTS);
    assert_eq!(fleet.failed_logins().len(), HOSTS);
}

#[test]
fn a_host_that_is_down_is_no_canary() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.plain;
    let finished = fleet.run(user, &password(&user.password), &[1], &[]);
    let report = finished.expect_status(4).report();
    assert_eq!(codes(&report), ["cancelled", "connect_refused"]);

    let finished = fleet.run(user, &password("not-the-password"), &[1, 2, 3], &[]);
    let report = finished.expect_status(3).report();
    assert_eq!(count(&codes(&report), "auth_failed"), 2, "{}", finished.transcript());
    assert_eq!(fleet.failed_logins().len(), 2);
}

#[test]
fn a_wrong_sudo_password_reaches_two_hosts() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.sudoer;
    for pty in [true, false] {
        let variables = |password: &str| {
            format!(
                "      key_filename: {}\n    driver_args: {{ sudo: true, sudo_password: {}, get_pty: {pty} }}\n",
                user.key.path.display(),
                Value::from(password)
            )
        };
        let finished = fleet.run(user, &variables("not-the-password"), &[], &[]);
        let found = finished.expect_status(3).report();
        let found = codes(&found);
        assert_eq!(count(&found, "sudo_auth_failed"), 2, "{}", finished.transcript());
        assert_eq!(count(&found, "canary_rejected"), 20);

        let finished = fleet.run(user, &variables(&user.password), &[], &[]);
        let report = finished.expect_status(0).report();
        assert_eq!(codes(&report), [] as [&str; 0]);
    }
}

#[test]
fn a_password_that_keys_make_needless_holds_nobody_up() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.nopasswd;
    let variables = format!(
        "{}      key_filename: {}\n    driver_args: {{ sudo: true, sudo_password: needless }}\n",
        password("needless-too"),
        user.key.path.display()
    );
    let finished = fleet.run(user, &variables, &[], &[]);
    let report = finished.expect_status(0).report();
    assert_eq!(codes(&report), [] as [&str; 0]);
    assert_eq!(fleet.failed_logins().len(), 0);
}

#[test]
fn a_password_is_the_fallback_of_a_key_and_counts_only_when_it_is_sent() {
    let fleet = Fleet::start();
    let (user, other) = (&fleet.lab.users.plain, &fleet.lab.users.sh);
    // A foreign key, which the server refuses, and a wrong password after it.
    let variables =
        format!("{}      key_filename: {}\n", password("not-it"), other.key.path.display());
    let finished = fleet.run(user, &variables, &[], &[]);
    let report = finished.expect_status(3).report();
    assert_eq!(count(&codes(&report), "auth_failed"), 2, "{}", finished.transcript());

    // A server that takes keys only never sees the password, so it is not to blame.
    let sshd = SshdOptions::default()
        .addresses(["127.0.9.1", "127.0.9.2", "127.0.9.3", "127.0.9.4"])
        .line("PasswordAuthentication no")
        .line("KbdInteractiveAuthentication no")
        .start();
    let fleet = Fleet { sshd, lab: Lab::get() };
    let finished = fleet.run(user, &variables, &[5, 6, 7, 8, 9, 10, 11, 12], &[]);
    let report = finished.expect_status(4).report();
    assert_eq!(count(&codes(&report), "auth_failed"), 4, "{}", finished.transcript());
}
