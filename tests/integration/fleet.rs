//! Playbooks over a fleet: nine hosts in three groups, of which one fails and one
//! cannot be reached, through the real program and a real server.

mod ad_hoc;
mod flow;
mod playbook;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::LazyLock;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use serde_json::{Value, json};

use crate::lab::{Finished, Lab, LabHandle, Report, Sshd, SshdOptions, Sshoal, User};

/// The server behind the hosts of `fleet/inventory.yml`.
struct Fleet {
    lab: LabHandle,
    sshd: Sshd,
    closed: (OwnedFd, u16),
}

impl Fleet {
    fn start() -> Self {
        let addresses = [
            "127.0.1.1",
            "127.0.1.2",
            "127.0.1.3",
            "127.0.1.4",
            "127.0.2.1",
            "127.0.2.2",
            "127.0.2.3",
            "127.0.3.1",
        ];
        let lab = Lab::get();
        Self { sshd: SshdOptions::default().addresses(addresses).start(), lab, closed: closed() }
    }

    /// `sshoal` with `words` over the fleet as the lab's plain user.
    fn sshoal(&self, words: &[&str]) -> Sshoal {
        self.sshoal_as(&self.lab.users.plain, words)
    }

    /// `sshoal` with `words` over the fleet; the first one is the subcommand.
    fn sshoal_as(&self, user: &User, words: &[&str]) -> Sshoal {
        let vars = json!({
            "fleet_user": user.name,
            "fleet_port": self.sshd.port(),
            "closed_port": self.closed.1,
        });
        Sshoal::new()
            .file("inventory.yml", include_str!("fleet/inventory.yml"))
            .file("site.yml", include_str!("fleet/site.yml"))
            .file("vars/common.yml", include_str!("fleet/common.yml"))
            .env("FLEET_PASSWORD", &user.password)
            .forbid(&user.password)
            .args([words[0], "-i", "inventory.yml", "-e", &vars.to_string()])
            .args(&words[1..])
    }
}

/// A port that refuses connections, and what keeps others from listening there.
fn closed() -> (OwnedFd, u16) {
    let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&held, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 3, 2), 0)).unwrap();
    let port = SocketAddrV4::try_from(getsockname(&held).unwrap()).unwrap().port();
    (held, port)
}

/// The report on stdout, which must be valid and count right.
#[track_caller]
fn report(finished: &Finished) -> Report {
    let report = finished.report();
    assert_sound(&report.0, finished);
    report
}

/// Whether a report follows its schema, and its sums its parts.
#[track_caller]
fn assert_sound(report: &Value, finished: &Finished) {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let printed = Sshoal::new().args(["schema", "report"]).status(0).run().stdout;
        jsonschema::validator_for(&serde_json::from_str(&printed).unwrap()).unwrap()
    });
    let errors: Vec<_> = SCHEMA.iter_errors(report).map(|error| error.to_string()).collect();
    assert_eq!(errors, [] as [String; 0], "{}", finished.transcript());
    assert_eq!(Some(report["exit_code"].as_i64().unwrap()), finished.status.map(i64::from));
    let tasks: Vec<_> = tasks(report).map(|(_, _, task)| task).collect();
    for (outcome, count) in report["stats"]["tasks"].as_object().unwrap() {
        let found = tasks.iter().filter(|task| task["outcome"] == outcome.as_str()).count();
        assert_eq!(count, found, "{outcome}\n{}", finished.transcript());
    }
}

/// Every task of a report with its play's name and its host.
fn tasks(report: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    report["plays"].as_array().unwrap().iter().flat_map(|play| {
        let name = play["name"].as_str().unwrap();
        play["hosts"].as_array().unwrap().iter().flat_map(move |host| {
            let of = host["host"].as_str().unwrap();
            host["tasks"].as_array().unwrap().iter().map(move |task| (name, of, task))
        })
    })
}

/// A play as text: a line per host, with the outcomes of its tasks.
fn outcomes(report: &Report, play: usize) -> String {
    let hosts = report.at(&format!("/plays/{play}/hosts")).as_array().unwrap();
    let lines = hosts.iter().map(|host| {
        let outcomes = host["tasks"].as_array().unwrap().iter().map(|task| {
            let ignored = if task["ignored"] == true { "(ignored)" } else { "" };
            format!(" {}{ignored}", task["outcome"].as_str().unwrap())
        });
        let outcomes: String = outcomes.collect();
        format!(
            "{} {}:{outcomes}\n",
            host["host"].as_str().unwrap(),
            host["outcome"].as_str().unwrap()
        )
    });
    lines.collect()
}

/// The outputs of a host's task, in order.
fn outputs(report: &Report, host: &str, task: &str) -> Vec<String> {
    let results = report.task(host, task)["results"].as_array().unwrap();
    results.iter().map(|result| result["output"].as_str().unwrap().to_owned()).collect()
}

/// Where the hosts of the inventory are.
fn address(host: &str) -> String {
    let group = match &host[..host.len() - 2] {
        "web" => 1,
        "app" => 2,
        _ => 3,
    };
    format!("127.0.{group}.{}", &host[host.len() - 1..])
}
