//! The fault table: what goes wrong on the way to a host or there, what the
//! report says about it, and how long that took. Beside each faulty host stands a
//! healthy one, whose result must be there whatever happens to its neighbour.

mod peer;
mod table;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use self::peer::Peer;
use self::table::table;
use crate::in_process::{Server, ServerOptions};
use crate::lab::{Finished, Sshoal};

const USER: &str = "deploy";
const PASSWORD: &str = "a-password-of-the-fault-table";
/// How far behind its deadline a case may be, beside what the machine itself
/// takes: see [`Case::check`].
const TOLERANCE: f64 = 0.5;
/// Cases mostly wait, so a few of them run at a time.
const AT_A_TIME: usize = 6;

fn options() -> ServerOptions {
    ServerOptions::default().password(USER, PASSWORD)
}

/// One row of the table.
struct Case {
    name: &'static str,
    peer: fn() -> Peer,
    /// What the faulty host runs; the healthy one runs `echo fine`.
    command: &'static str,
    /// Set for a case about transfers: both hosts do this instead.
    file_transfer: Option<Value>,
    driver_args: Value,
    /// Beside the limits that every case has: 20 s for each stage of connecting.
    connection_args: Value,
    outcome: &'static str,
    /// The error's code; empty where the task succeeds.
    code: &'static str,
    /// What the error's message has to contain.
    message: &'static str,
    /// When the case has to be over, in seconds; as a rule its deadline.
    limit: f64,
    /// Whether it lasts until then.
    waits: bool,
    /// What else has to be true of the faulty host's task.
    also: fn(&Value, &Peer),
}

impl Case {
    /// Runs the case and gives its row of the table, or tells how late it was.
    ///
    /// # Panics
    /// When anything but that is wrong.
    fn check(&self) -> Result<String, String> {
        let peer = (self.peer)();
        let healthy = options().start();
        if self.file_transfer.as_ref().is_some_and(|transfer| transfer["operation"] == "download") {
            std::fs::write(healthy.home().join("data"), peer::data()).unwrap();
        }
        let finished = self.run(&peer, &healthy);
        let report = finished.report();
        let words = finished.transcript();
        let (task, fine) = (report.task("faulty", "it"), report.task("healthy", "it"));
        let name = self.name;

        assert_eq!(fine["outcome"], "changed", "{name}: the healthy host's result\n{words}");
        if self.file_transfer.is_none() {
            assert_eq!(fine["results"][0]["output"], "fine\n", "{name}\n{words}");
        }
        assert_eq!(task["outcome"], self.outcome, "{name}\n{words}");
        let (code, message) = (&task["error"]["code"], &task["error"]["message"]);
        assert_eq!(code.as_str().unwrap_or_default(), self.code, "{name}\n{words}");
        let said = message.as_str().unwrap_or_default();
        assert!(said.contains(self.message), "{name}: not `{}`\n{words}", self.message);
        let status = match self.outcome {
            "changed" => 0,
            "unreachable" => 4,
            _ => 2,
        };
        finished.expect_status(status);
        assert!(!finished.home().join("got-faulty").exists(), "{name}: half a file is there");

        let took = task["duration_seconds"].as_f64().unwrap();
        // What a connection and a command take on this machine just now.
        let usual = fine["duration_seconds"].as_f64().unwrap();
        // Beside connecting, a case may clean up by a command of its own.
        let latest = self.limit + TOLERANCE + 2.0 * usual;
        assert!(!self.waits || took >= self.limit, "{name}: only took {took} s\n{words}");
        (self.also)(task, &peer);
        if took > latest {
            return Err(format!("{name}: took {took} s of {latest} s\n{words}"));
        }
        Ok(format!("{name:<34}{:<13}{:<19}{took:>6.2} s  {said}", self.outcome, self.code))
    }

    fn run(&self, peer: &Peer, healthy: &Server) -> Finished {
        let connection = |host: &str, port: u16| {
            let mut args = json!({
                "host": host, "port": port, "username": USER, "password": PASSWORD,
                "timeout": 20, "banner_timeout": 20, "auth_timeout": 20,
            });
            let more = self.connection_args.as_object().cloned().unwrap_or_default();
            args.as_object_mut().unwrap().extend(more);
            args
        };
        let inventory = json!({"all": {"hosts": {
            "faulty": {
                "connection_args": connection(&peer.address.ip().to_string(), peer.address.port()),
                "line": self.command,
            },
            "healthy": {
                // It has time enough, however busy the machine is.
                "connection_args": {
                    "host": healthy.host(), "port": healthy.port(),
                    "username": USER, "password": PASSWORD,
                },
                "driver_args": {"timeout": 50},
                "line": "echo fine",
            },
        }}});
        let mut task = json!({"name": "it"});
        match &self.file_transfer {
            Some(transfer) => task["file_transfer"] = transfer.clone(),
            None => task["command"] = json!("{{ line }}"),
        }
        let mut args = self.driver_args.clone();
        if let Some(timeout) = args.get_mut("timeout").map(Value::take) {
            // The task's own would hold for the healthy host as well.
            args["timeout"] =
                json!(format!("{{{{ {timeout} if inventory_hostname == 'faulty' else 50 }}}}"));
        }
        if args != json!({}) {
            task["driver_args"] = args;
        }
        let play = json!([{"hosts": "all", "tasks": [task]}]);
        Sshoal::new()
            .file("site.yml", play.to_string())
            .file("hosts.yml", inventory.to_string())
            .file("data", peer::data())
            .known_hosts(&peer.known_hosts)
            .args(["run", "site.yml", "-i", "hosts.yml", "-o", "json"])
            .forbid(PASSWORD)
            .run()
    }
}

#[test]
fn no_fault_hangs_lies_or_costs_another_host_its_result() {
    let cases = table();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(vec![Err(String::new()); cases.len()]);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((index, case)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(index).map(|case| (index, case))
                } {
                    // A machine busy with other tests makes one try late, not three;
                    // what else is wrong once is wrong.
                    let check = || case.check().or_else(|_| case.check()).or_else(|_| case.check());
                    // Its panic tells what it is, and the others go on.
                    let row = catch_unwind(AssertUnwindSafe(check))
                        .unwrap_or_else(|_| Err(String::new()));
                    rows.lock().unwrap()[index] = row;
                }
            });
        }
    });
    let mut table = String::from("fault, outcome, code, time, what the report says\n");
    let mut failed = Vec::new();
    for (row, case) in rows.into_inner().unwrap().into_iter().zip(&cases) {
        match row {
            Ok(row) => writeln!(table, "{row}").unwrap(),
            Err(late) => {
                eprintln!("{late}");
                failed.push(case.name);
            }
        }
    }
    eprintln!("{table}");
    assert_eq!(failed, [] as [&str; 0]);
}
