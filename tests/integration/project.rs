//! The project file `sshoal.yml`, and what wins over it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::lab::{Finished, Sshoal};

const PLAY: &str = "- hosts: all\n  tasks: [{ command: 'echo {{ color }}' }]\n";

/// What `plan` says of the only host.
fn planned(sshoal: Sshoal) -> Value {
    let finished = sshoal.status(0).run();
    let plan: Value = serde_json::from_str(&finished.stdout).unwrap();
    plan["plays"][0]["hosts"][0].clone()
}

fn request(host: &Value) -> &Value {
    &host["tasks"][0]["requests"][0]
}

const LOGIN: &str = "connection_args: { username: deploy, password: pw, port: 1 }\n";

#[test]
fn of_two_neighbours_the_upper_wins() {
    let project = |text: &str| {
        let text = format!("{LOGIN}vars: {{ color: project }}\n{text}");
        let args = ["plan", "play.yml", "-o", "json"];
        Sshoal::new().file("play.yml", PLAY).file("sshoal.yml", text).args(args)
    };
    let host = |sshoal: Sshoal| planned(sshoal)["host"].as_str().unwrap().to_owned();

    // Which inventory: the file, the variable, the flag.
    let inventory = "inventory: ['from-project,']\n";
    assert_eq!(host(project(inventory)), "from-project");
    let with_variable = || project(inventory).env("SSHOAL_INVENTORY", "from-env,");
    assert_eq!(host(with_variable()), "from-env");
    assert_eq!(host(with_variable().args(["-i", "from-flag,"])), "from-flag");

    // A variable and a request default: the file, then the inventory.
    let lowest = planned(project(inventory));
    assert_eq!(request(&lowest)["command"][0], "echo project");
    assert_eq!(request(&lowest)["connection_args"]["port"], 1);
    let all = "all: { hosts: { a: }, vars: { color: all, connection_args: { port: 2 } } }\n";
    let above = planned(project("inventory: hosts.yml\n").file("hosts.yml", all));
    assert_eq!(request(&above)["command"][0], "echo all");
    assert_eq!(request(&above)["connection_args"]["port"], 2);
    assert_eq!(request(&above)["connection_args"]["username"], "deploy", "key by key");
}

/// A run that fails at once, below a project file that says how to tell of it.
fn run() -> Sshoal {
    Sshoal::new()
        .file("play.yml", "- hosts: all\n  tasks: [{ command: 'true' }]\n")
        .file(
            "sshoal.yml",
            format!("{LOGIN}inventory: '127.0.0.1,'\noutput: json\nreport: out/r.json\n"),
        )
        .file("out/keep", "")
        .args(["run", "play.yml"])
        .status(4)
}

#[test]
fn a_project_says_how_its_runs_are_told() {
    let is_report = |finished: &Finished| {
        serde_json::from_str::<Value>(&finished.stdout).is_ok_and(|it| it["stats"].is_object())
    };
    let from_file = run().run();
    assert!(is_report(&from_file), "{}", from_file.transcript());
    assert!(from_file.home().join("out/r.json").exists());
    let from_variable = run().env("SSHOAL_OUTPUT", "text").run();
    assert!(from_variable.stdout.contains("PLAY") || from_variable.stdout.contains("━━"));
    let from_flag = run().env("SSHOAL_OUTPUT", "text").args(["-o", "ndjson"]).run();
    assert!(from_flag.stdout.lines().all(|line| line.starts_with('{')));
    assert!(from_flag.stdout.lines().count() > 2);
    let elsewhere = run().args(["--report", "mine.json"]).run();
    assert!(elsewhere.home().join("mine.json").exists());
    assert!(!elsewhere.home().join("out/r.json").exists());
}

#[test]
fn it_is_found_from_below_as_far_as_the_work_tree_reaches() {
    let below = |marker: &str| {
        let sshoal = Sshoal::new()
            .file("sshoal.yml", format!("{LOGIN}vars: {{ color: blue }}\ninventory: hosts.yml\n"))
            .file("hosts.yml", "all: { hosts: { a: } }\n")
            .file("deep/er/play.yml", PLAY)
            .file(marker, "");
        let directory = sshoal.home().join("deep/er");
        sshoal.args(["plan", "play.yml"]).directory(directory)
    };
    let found = below("marker").status(0).run();
    assert!(found.stdout.contains("echo blue"), "{}", found.transcript());
    let beyond = below("deep/.git").status(1).run();
    assert!(beyond.stderr.contains("inventory"), "{}", beyond.transcript());
    let named = below("deep/.git").args(["--project", "../../sshoal.yml"]).status(0).run();
    assert!(named.stdout.contains("echo blue"), "{}", named.transcript());
}

#[test]
fn what_anybody_may_write_is_used_only_when_it_is_named() {
    let open = || {
        let sshoal = Sshoal::new()
            .file("play.yml", PLAY)
            .file("sshoal.yml", format!("{LOGIN}vars: {{ color: red }}\ninventory: 'a,'\n"));
        let path = sshoal.home().join("sshoal.yml");
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        sshoal.args(["plan", "play.yml"])
    };
    let refused = open().status(1).run();
    assert!(refused.stderr.contains("anybody may write it"), "{}", refused.transcript());
    let named = open().args(["--project", "sshoal.yml"]).status(0).run();
    assert!(named.stdout.contains("echo red"), "{}", named.transcript());
}

#[test]
fn requests_have_its_defaults_too_and_schemas_do_not_care() {
    let request = r#"{"connection_args": {"host": "127.0.0.1"}, "command": "true"}"#;
    let finished = Sshoal::new()
        .file("request.json", request)
        .file("sshoal.yml", format!("{LOGIN}inventory: nowhere.yml\n"))
        .args(["request", "request.json", "-o", "json"])
        .status(4)
        .run();
    assert_eq!(finished.report().only_task()["error"]["code"], "connect_refused");
    Sshoal::new()
        .file("sshoal.yml", "nonsense: true\n")
        .args(["schema", "project"])
        .status(0)
        .run();
}
