//! One playbook over the fleet: values, outcomes, selections, exit codes, views.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::{Fleet, address, assert_sound, outcomes, outputs, report};
use crate::lab::Sshoal;

const WEB: [&str; 4] = ["web-1", "web-2", "web-3", "web-4"];

/// What `introduce` prints on a host.
fn introduction(host: &str, release: &str) -> String {
    let motto = match host {
        "web-2" => "of web-2",
        _ if host.starts_with("web") => "of web",
        _ if host.starts_with("db") => "of db",
        _ => "of all",
    };
    let address = address(host);
    format!("{host} from the file, {motto}, of the play, {release}, {address}\n")
}

#[test]
fn one_run_reports_every_host_whatever_happens_to_the_others() {
    let fleet = Fleet::start();
    let finished =
        fleet.sshoal(&["run", "site.yml", "-e", "release=2.0", "-o", "json"]).status(6).run();
    assert_eq!(finished.stderr, "", "the report is all there is to say");
    let report = report(&finished);
    let all_of_web = "changed changed changed changed failed(ignored) changed changed changed";
    let other = "changed skipped skipped changed failed(ignored) changed changed changed";
    assert_eq!(
        outcomes(&report, 0),
        format!(
            "web-1 ok: {all_of_web}\n\
             web-2 ok: {all_of_web}\n\
             web-3 ok: {all_of_web}\n\
             web-4 ok: {all_of_web}\n\
             app-1 ok: {other}\n\
             app-2 failed: changed skipped skipped changed failed(ignored) changed failed cancelled\n\
             app-3 ok: {other}\n\
             db-1 ok: {other}\n\
             db-2 unreachable: unreachable{}\n",
            " cancelled".repeat(7)
        ),
        "{}",
        finished.transcript()
    );
    assert_eq!(outcomes(&report, 1), "web-2 ok: changed\nweb-3 ok: changed\nweb-4 ok: changed\n");
    assert_eq!(report.at("/outcome"), "failed");
    assert_eq!(
        report.at("/stats"),
        &json!({
            "hosts": {"total": 9, "ok": 7, "failed": 1, "unreachable": 1, "cancelled": 0},
            "tasks": {"ok": 0, "changed": 49, "failed": 9, "timed_out": 0, "unreachable": 1,
                "skipped": 8, "cancelled": 8},
        })
    );
    assert_eq!(report.at("/plays/0/name"), "rollout of 2.0");

    // Variables of every kind arrive, and a later task sees an earlier one's result.
    for host in WEB.into_iter().chain(["app-1", "app-2", "app-3", "db-1"]) {
        let said = introduction(host, "2.0");
        assert_eq!(outputs(&report, host, "introduce"), [said.as_str()]);
        assert_eq!(outputs(&report, host, "go round"), ["small=2\n", "large=10\n"]);
        assert_eq!(outputs(&report, host, "go on"), ["went on after 3, oh\n"]);
        assert_eq!(
            report.host(host)["address"],
            format!("{}:{}", address(host), fleet.sshd.port())
        );
        if WEB.contains(&host) {
            assert_eq!(outputs(&report, host, "count workers"), ["8\n"]);
            assert_eq!(outputs(&report, host, "answer"), [format!("heard '{}'\n", said.trim())]);
        }
        if host != "app-2" {
            assert_eq!(outputs(&report, host, "finish"), ["app-1\n", "app-2\n", "app-3\n"]);
        }
    }
    assert_eq!(outputs(&report, "web-4", "remember"), ["True\n"]);
    let items: Vec<_> = report.task("web-1", "go round")["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["item"])
        .collect();
    assert_eq!(items, [&json!({"name": "small", "size": 1}), &json!({"name": "large", "size": 9})]);

    // Each failure says what it is; what never ran says why.
    let code = |host, task| report.task(host, task)["error"]["code"].as_str().unwrap();
    assert_eq!(code("app-2", "stumble"), "command_failed");
    assert_eq!(code("app-2", "finish"), "cancelled");
    assert_eq!(code("app-1", "shrug"), "command_failed");
    assert_eq!(code("db-2", "introduce"), "connect_refused");
    assert_eq!(code("db-2", "finish"), "cancelled");
    assert_eq!(report.task("db-2", "finish")["attempts"], 0);
    assert_eq!(report.task("db-2", "finish")["results"], json!([]));

    // Nine hosts, learnt at the same time, are each known once.
    let known = fs::read_to_string(finished.home().join(".ssh/known_hosts")).unwrap();
    assert_eq!(known.lines().count(), 8, "{known}");
}

#[test]
fn the_exit_code_says_what_happened_to_the_hosts_that_were_selected() {
    let fleet = Fleet::start();
    let run = |limit| fleet.sshoal(&["run", "site.yml", "-l", limit, "-o", "json"]);
    for (limit, status, outcome, hosts) in [
        ("web:!web-1", 0, "ok", &["web-2", "web-3", "web-4"][..]),
        ("app", 2, "failed", &["app-1", "app-2", "app-3"]),
        ("db", 4, "unreachable", &["db-1", "db-2"]),
        ("app-2,db-2", 6, "failed", &["app-2", "db-2"]),
    ] {
        let finished = run(limit).status(status).run();
        let report = report(&finished);
        assert_eq!(report.at("/outcome"), outcome);
        let named = report.at("/plays/0/hosts").as_array().unwrap();
        let named: Vec<_> = named.iter().map(|host| host["host"].as_str().unwrap()).collect();
        assert_eq!(named, hosts);
        let total = report.at("/stats/hosts/total");
        assert_eq!(total, hosts.len());
    }
    let finished = run("wbe").stdout("").status(1).run();
    assert!(finished.stderr.contains("wbe"), "{}", finished.transcript());
    assert_eq!(fleet.sshd.log().matches("wbe").count(), 0);
}

#[test]
fn tags_select_tasks() {
    let fleet = Fleet::start();
    let playbook = "
- hosts: web-1
  tags: [play]
  tasks:
    - { name: one, command: echo 1, tags: [a] }
    - { name: two, command: echo 2, tags: [a, b] }
    - { name: three, command: echo 3 }
";
    for (flags, expected) in [
        (&[][..], &["one", "two", "three"][..]),
        (&["--tags", "a"], &["one", "two"]),
        (&["-t", "a", "--skip-tags", "b"], &["one"]),
        (&["--skip-tags", "a"], &["three"]),
        (&["-t", "b,play"], &["one", "two", "three"]),
    ] {
        let words = [&["run", "tags.yml", "-o", "json"], flags].concat();
        let finished = fleet.sshoal(&words).file("tags.yml", playbook).status(0).run();
        let report = report(&finished);
        let names: Vec<_> = super::tasks(&report.0).map(|(_, _, task)| &task["name"]).collect();
        assert_eq!(names, expected, "{flags:?}");
    }
}

#[test]
fn the_stream_of_events_ends_every_planned_task_once() {
    let fleet = Fleet::start();
    let finished =
        fleet.sshoal(&["run", "site.yml", "-o", "ndjson", "--report", "out.json"]).status(6).run();
    assert_eq!(finished.stderr, "");
    let events: Vec<Value> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |event: &Value| event["event"].as_str().unwrap().to_owned();
    assert_eq!(kind(&events[0]), "run_started");
    assert_eq!(kind(events.last().unwrap()), "run_finished");

    let mut ended: BTreeMap<(u64, String, String), Value> = BTreeMap::new();
    for event in events.iter().filter(|event| kind(event) == "task_finished") {
        let key = |value: &Value| value.as_str().unwrap().to_owned();
        let task =
            (event["play"].as_u64().unwrap(), key(&event["host"]), key(&event["record"]["id"]));
        let before = ended.insert(task.clone(), event["record"].clone());
        assert_eq!(before, None, "{task:?} ended twice");
    }
    // Every host of every play, times every task of it: what `PlayStarted` announced.
    let mut planned = 0;
    for event in events.iter().filter(|event| kind(event) == "play_started") {
        let play = event["play"].as_u64().unwrap();
        for host in event["hosts"].as_array().unwrap() {
            for task in 1..=event["tasks"].as_u64().unwrap() {
                let id = format!("{}.{task}", play + 1);
                let of = host["host"].as_str().unwrap().to_owned();
                assert!(ended.contains_key(&(play, of.clone(), id.clone())), "{of} {id}");
                planned += 1;
            }
        }
    }
    assert_eq!((planned, ended.len()), (9 * 8 + 3, 9 * 8 + 3));

    // The report beside the stream is a fold of the same events.
    let text = fs::read_to_string(finished.home().join("out.json")).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_sound(&written, &finished);
    let records: Vec<_> = super::tasks(&written).map(|(_, _, task)| task).collect();
    assert_eq!(records.len(), planned);
    assert!(records.iter().all(|record| ended.values().any(|ended| ended == *record)));
}

#[test]
fn a_plan_shows_what_a_run_will_do_and_its_requests_run() {
    let fleet = Fleet::start();
    let text = fleet.sshoal(&["plan", "site.yml", "-l", "web-1,web-2,app-2"]).status(0).run();
    for expected in [
        "PLAY rollout of 1.0 · 3 hosts · 8 tasks",
        "$ echo \"web-2 from the file, of web-2, of the play, 1.0, $(echo $SSH_CONNECTION",
        "<known after: introduce>",
        "<known after: shrug>",
        "skipped: `when` is false",
        "$ echo small=2\n        $ echo large=10",
        "PLAY look again · 1 host · 1 task",
    ] {
        assert!(text.stdout.contains(expected), "no `{expected}`\n{}", text.transcript());
    }

    let finished = fleet.sshoal(&["plan", "site.yml", "-o", "json"]).status(0).run();
    assert_eq!(fleet.sshd.log().matches("Accepted").count(), 0, "a plan connects to nothing");
    let plan = finished.report();
    let hosts = plan.at("/plays/0/hosts").as_array().unwrap();
    let host = hosts.iter().find(|host| host["host"] == "web-2").unwrap();
    let states: Vec<_> =
        host["tasks"].as_array().unwrap().iter().map(|task| &task["state"]).collect();
    let after = |name: &str| json!(format!("<known after: {name}>"));
    let ready = json!("ready");
    let (who, shrug) = (after("introduce"), after("shrug"));
    assert_eq!(states, [&ready, &ready, &who, &ready, &ready, &shrug, &ready, &ready]);
    assert_eq!(host["tasks"][3]["requests"].as_array().unwrap().len(), 2, "one per loop item");

    let mut request = host["tasks"][0]["requests"][0].clone();
    assert_eq!(request["connection_args"]["password"], "***");
    let user = &fleet.lab.users.plain;
    request["connection_args"]["password"] = json!(user.password);
    let finished = Sshoal::new().request(&request).forbid(&user.password).status(0).run();
    let report = report(&finished);
    let output = &report.only_results()[0]["output"];
    assert_eq!(output, introduction("web-2", "1.0").as_str());
}

#[test]
fn a_check_proves_the_playbook_for_every_host_without_connecting() {
    let fleet = Fleet::start();
    let finished = fleet.sshoal(&["check", "site.yml", "inventory.yml"]).status(0).run();
    for expected in ["ok  inventory.yml  inventory of 9 hosts", "ok  site.yml  plays: 2, tasks: 9"]
    {
        assert!(finished.stdout.contains(expected), "no `{expected}`\n{}", finished.transcript());
    }
    assert_eq!(finished.stderr, "");
    // On one host of nine a variable is missing.
    let playbook =
        include_str!("site.yml").replace("'web' in group_names", "inventory_hostname != 'app-3'");
    let finished = fleet.sshoal(&["check", "site.yml"]).file("site.yml", playbook).status(1).run();
    for expected in ["workers", "site.yml:17:24", "undefined variable `workers`", "app-1"] {
        assert!(finished.stderr.contains(expected), "no `{expected}`\n{}", finished.transcript());
    }
    assert_eq!(fleet.sshd.log().matches("Accepted").count(), 0);
}
