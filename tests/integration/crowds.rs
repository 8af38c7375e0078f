//! Many hosts at once: first contacts, one jump host, one server that turns most
//! of a crowd away, and links that died while nobody used them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::in_process::{Reply, Server, ServerOptions, loopback};
use crate::lab::processes::wait_until;
use crate::lab::{Finished, Lab, SshdOptions, Sshoal};

const USER: &str = "deploy";
const PASSWORD: &str = "a-password-of-the-crowd";

/// Servers that answer without a process, each on an address of its own.
fn fleet(first: usize, count: usize) -> Vec<Server> {
    (first..first + count)
        .map(|index| {
            ServerOptions::default()
                .address(loopback(index))
                .password(USER, PASSWORD)
                .respond(move |_| Some(Reply::ok(format!("{index}\n"))))
                .start()
        })
        .collect()
}

/// An inventory with these `connection_args` for `host-0`, `host-1` and so on.
fn inventory(hosts: impl IntoIterator<Item = Value>) -> String {
    let hosts: serde_json::Map<_, _> = hosts
        .into_iter()
        .enumerate()
        .map(|(number, args)| (format!("host-{number}"), json!({"connection_args": args})))
        .collect();
    json!({"all": {"hosts": hosts}}).to_string()
}

fn login(server: &Server) -> Value {
    json!({"host": server.host(), "port": server.port(), "username": USER, "password": PASSWORD})
}

fn run(inventory: String, tasks: Value) -> Sshoal {
    Sshoal::new()
        .file("hosts.yml", inventory)
        .file("site.yml", json!([{"hosts": "all", "tasks": tasks}]).to_string())
        .args(["run", "site.yml", "-i", "hosts.yml", "-o", "json"])
}

/// What the task `it` of every host printed, in order.
#[track_caller]
fn outputs(finished: &Finished, count: usize) -> Vec<String> {
    let report = finished.report();
    assert_eq!(report.at("/stats/hosts/ok"), count, "{}", finished.stderr);
    (0..count)
        .map(|number| {
            let task = report.task(&format!("host-{number}"), "it");
            task["results"][0]["output"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn many_first_contacts_leave_one_clean_line_each() {
    const COUNT: usize = 200;
    let servers = fleet(1000, COUNT);
    let finished =
        run(inventory(servers.iter().map(login)), json!([{"name": "it", "command": "hostname"}]))
            // The last line of what was there has no end of line.
            .known_hosts("other.example.com ssh-ed25519 AAAA")
            .args(["-f", "200"])
            .status(0)
            .run();
    let expected: Vec<_> = (1000..1000 + COUNT).map(|index| format!("{index}\n")).collect();
    assert_eq!(outputs(&finished, COUNT), expected);

    let text = std::fs::read_to_string(finished.home().join(".ssh/known_hosts")).unwrap();
    assert!(text.ends_with('\n'));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (COUNT + 1, "other.example.com ssh-ed25519 AAAA"));
    let found: BTreeSet<_> = lines[1..].iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(found, servers.iter().map(Server::known_hosts_line).collect());
}

#[test]
fn hundreds_of_targets_share_one_session_with_their_jump_host() {
    const COUNT: usize = 200;
    let bastion = ServerOptions::default().password("jumper", "the-jumper's").start();
    let servers = fleet(1300, COUNT);
    let through = |server: &Server| {
        let mut args = login(server);
        args["proxy_host"] = json!(bastion.host());
        args["proxy_port"] = json!(bastion.port());
        args["proxy_username"] = json!("jumper");
        args["proxy_password"] = json!("the-jumper's");
        args["timeout"] = json!(60);
        args
    };
    let finished =
        run(inventory(servers.iter().map(through)), json!([{"name": "it", "command": "hostname"}]))
            .args(["-f", "200"])
            .status(0)
            .run();
    let expected: Vec<_> = (1300..1300 + COUNT).map(|index| format!("{index}\n")).collect();
    assert_eq!(outputs(&finished, COUNT), expected);
    // One, as a rule: a machine so busy that a tunnel takes a second to open gets
    // another one to help it out.
    assert!(bastion.accepted() <= 5, "{} sessions", bastion.accepted());
}

#[test]
fn a_server_that_turns_most_of_a_crowd_away_serves_all_of_it() {
    const COUNT: usize = 300;
    let lab = Lab::get();
    let sshd = SshdOptions::default().line("MaxStartups 10:30:60").pam(false).start();
    let user = &lab.users.plain;
    let args = json!({
        "host": sshd.address(), "port": sshd.port(), "username": user.name,
        "key_filename": user.key.path, "timeout": 60,
    });
    let finished = run(
        inventory(std::iter::repeat_n(args, COUNT)),
        json!([{"name": "it", "command": "echo here"}]),
    )
    .args(["-f", "100"])
    .status(0)
    .run();
    assert_eq!(outputs(&finished, COUNT), vec!["here\n"; COUNT]);
    // How many may come at a time is felt for: on average nobody is turned away twice,
    // where a hundred at a time would be again and again.
    let dropped = sshd.log().matches("past MaxStartups").count();
    assert!(dropped < COUNT, "{dropped} were turned away");
}

#[test]
fn a_connection_that_died_between_plays_is_opened_anew() {
    let server = ServerOptions::default()
        .password(USER, PASSWORD)
        .respond(|line| Some(Reply::ok(format!("{line}\n"))))
        .start();
    // The play between lasts until the first server's connections have gone.
    let other = ServerOptions::default().password(USER, PASSWORD).start();
    let inventory = inventory([login(&server), login(&other)]);
    let play = |host: &str, command: &str| {
        json!({"hosts": host, "options": {"queue_strategy": "pinned"},
            "tasks": [{"name": command, "command": command}]})
    };
    let wait = "touch begun; until [ -e gone ]; do sleep 0.05; done";
    let site = json!([play("host-0", "one"), play("host-1", wait), play("host-0", "two")]);
    let running = Sshoal::new()
        .file("hosts.yml", inventory)
        .file("site.yml", site.to_string())
        .args(["run", "site.yml", "-i", "hosts.yml", "-o", "json"])
        .start();
    let between = wait_until(Duration::from_secs(40), || other.home().join("begun").exists());
    server.reset_connections();
    std::fs::write(other.home().join("gone"), "").unwrap();
    let finished = running.wait();
    assert!(between, "it did not come so far\n{}", finished.transcript());
    let report = finished.expect_status(0).report();
    assert_eq!(report.task("host-0", "two")["results"][0]["output"], "two\n");
    // On a busy machine a slow answer makes the engine look after its command.
    let mut commands = server.commands();
    commands.retain(|command| ["one", "two"].contains(&command.as_str()));
    assert_eq!(
        (server.accepted(), commands.as_slice()),
        (2, &["one".to_owned(), "two".to_owned()][..])
    );
}

#[test]
fn a_limit_on_open_files_that_is_too_low_is_told_before_anything_happens() {
    let server = ServerOptions::default().password(USER, PASSWORD).start();
    let hosts = inventory(std::iter::repeat_n(login(&server), 20));
    let run = |forks: &str| {
        let sshoal = run(hosts.clone(), json!([{"name": "it", "command": "true"}]));
        sshoal.args(["-f", forks]).files_at_most(64).run()
    };
    let finished = run("20");
    finished.expect_status(1);
    assert_eq!(finished.stdout, "");
    for part in ["20 hosts at a time may need 152 open files", "may have 64", "--forks 5", "ulimit"]
    {
        assert!(finished.stderr.contains(part), "no `{part}` in {}", finished.stderr);
    }
    assert_eq!(server.accepted(), 0);
    assert_eq!(outputs(run("5").expect_status(0), 20).len(), 20);
}
