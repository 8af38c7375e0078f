//! What playbooks make of secrets, and where it may be seen.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Secrets, awkward_sudoer};
use crate::lab::processes::{processes_that_mention, wait_until};
use crate::lab::{Lab, Sshoal, User, random_text};

/// An inventory with one host that `user` logs in to, by password.
fn inventory(lab: &Lab, user: &User) -> String {
    let mut args = user.password_args(lab.sshd());
    args["password"] = json!("{{ login }}");
    json!({"all": {"hosts": {"one": {"connection_args": args}}}}).to_string()
}

/// `sshoal` with a playbook, and with the variables `login` and `token` from a file.
fn sshoal(lab: &Lab, user: &User, token: &str, playbook: &Value, words: &[&str]) -> Sshoal {
    Sshoal::new()
        .file("inventory.yml", inventory(lab, user))
        .file("play.yml", playbook.to_string())
        .file("vars.json", json!({"login": user.password, "token": token}).to_string())
        .args([words[0], "-i", "inventory.yml", "-e", "@vars.json", "play.yml"])
        .args(&words[1..])
}

#[test]
fn no_process_list_shows_what_environment_and_templates_were_given() {
    let lab = Lab::get();
    let user = awkward_sudoer(&lab);
    let token = format!("{}'\" $x", random_text(24));
    let secrets = Secrets::new(&[("password", &user.password), ("token", &token)]);
    let mark = format!("sleep 4714.{}", std::process::id());
    let wait = format!("{mark} & wait");
    let environment = json!({"TOKEN": "{{ token }}", "BOTH": "<{{ token }}{{ login }}>"});
    let playbook = json!([{
        "hosts": "all",
        "driver_args": {"sudo": true, "sudo_password": "{{ login }}", "timeout": 8,
            "environment": environment},
        "tasks": [
            {"file_transfer": {"operation": "upload", "local_path": "conf.j2", "template": true,
                "remote_path": "/tmp/sshoal-secrets-{{ run_id }}", "mode": "0600"}},
            {"config": "rm /tmp/sshoal-secrets-{{ run_id }}"},
            {"command": "test -n \"$TOKEN\""},
            {"config": wait},
        ],
    }]);
    let running = sshoal(&lab, &user, &token, &playbook, &["run", "-o", "json"])
        .file("conf.j2", "token: {{ token }}\npassword: {{ login }}\n")
        .start();
    let asleep = || processes_that_mention(&mark).len() > 1;
    let mut seen = 0;
    let reached = wait_until(Duration::from_secs(60), || {
        seen += super::runs::look_at_processes(&secrets);
        asleep()
    });
    for _ in 0..20 {
        seen += super::runs::look_at_processes(&secrets);
    }
    let finished = running.wait();
    assert!(reached, "sudo did not come so far\n{}", finished.transcript());
    assert!(seen > 100, "{seen} command lines are too few to have seen it");
    let report = finished.report();
    let outcomes = report.at("/plays/0/hosts/0/tasks").as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes.map(|task| task["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["changed", "changed", "changed", "timed_out"]);
    assert_eq!(report.at("/warnings"), &json!([]), "what goes by environment is no leak");
}

#[test]
fn a_secret_in_a_command_line_is_warned_of_before_and_in_the_run() {
    let lab = Lab::get();
    let user = awkward_sudoer(&lab);
    let secrets = Secrets::new(&[("password", &user.password)]);
    let upper = Secrets::new(&[("password in capitals", &user.password.to_uppercase())]);
    let playbook = json!([{
        "hosts": "all",
        "tasks": [
            {"command": "printf %s {{ login | upper | quote }}", "register": "told"},
            {"command": "true {{ told.exit_status }} {{ login | quote }}"},
        ],
    }]);
    for (words, warnings) in
        [(&["check"][..], 1), (&["plan"], 1), (&["run"], 2), (&["run", "-o", "json"], 2)]
    {
        let finished = sshoal(&lab, &user, "a-token", &playbook, words).run();
        for secrets in [&secrets, &upper] {
            secrets.assert_unseen(&words.join(" "), &finished);
        }
        finished.expect_status(0);
        let all = format!("{}{}", finished.stdout, finished.stderr);
        let told = all.matches("`command` is made of a secret").count();
        assert_eq!(told, warnings, "{}", finished.transcript());
        assert!(all.contains("play.yml:1:"), "{}", finished.transcript());
    }
    let report = sshoal(&lab, &user, "a-token", &playbook, &["run", "-o", "json"]).run().report();
    assert_eq!(report.at("/plays/0/hosts/0/tasks/0/results/0/output"), "***");
}

#[test]
fn a_task_with_no_log_shows_nothing_of_what_it_does() {
    let lab = Lab::get();
    let user = awkward_sudoer(&lab);
    // It is no secret that anything would recognise.
    let hush = random_text(20);
    let said = Secrets::new(&[("hushed text", &hush)]);
    let playbook = json!([{
        "hosts": "all",
        "vars": {"hush": hush, "quiet": true},
        "tasks": [
            {"name": "of {{ hush }}", "no_log": true, "register": "told",
                "command": "echo {{ item }}; echo {{ item }} >&2", "loop": ["{{ hush }}"]},
            {"no_log": "yes", "command": "echo {{ hush }}; false", "ignore_errors": true},
            {"no_log": "{{ quiet }}", "file_transfer": {"operation": "upload",
                "local_path": "conf.j2", "template": true, "remote_path": "/tmp/{{ hush }}"}},
            {"no_log": true, "command": "rm /tmp/{{ hush }}"},
            {"no_log": "{{ told.ok }}", "command": "echo {{ told.output | trim }}"},
            {"command": "exit {{ told.results[0].output | trim | length }}"},
        ],
    }]);
    for (words, status) in [
        (&["plan"][..], 0),
        (&["plan", "-o", "json"], 0),
        (&["run", "-v"], 2),
        (&["run", "-o", "json", "--report", "report.json"], 2),
        (&["run", "-o", "ndjson"], 2),
    ] {
        let finished =
            sshoal(&lab, &user, "a-token", &playbook, words).file("conf.j2", "{{ hush }}").run();
        said.assert_unseen(&words.join(" "), &finished);
        finished.expect_status(status);
        assert!(finished.stdout.contains("censored"), "{}", finished.transcript());
        let Ok(report) = fs::read_to_string(finished.home().join("report.json")) else { continue };
        let report: Value = serde_json::from_str(&report).unwrap();
        let tasks = &report["plays"][0]["hosts"][0]["tasks"];
        assert_eq!(tasks[0]["name"], "of {{ hush }}");
        assert_eq!(tasks[1]["error"]["code"], "command_failed");
        assert_eq!(tasks[1]["results"][0]["exit_status"], 1);
        assert_eq!(tasks[5]["results"][0]["exit_status"], 20, "templates see what was said");
    }
}
