//! Files that have a secret and something wrong beside it: the excerpt that shows
//! what is wrong must not show the secret.

use serde_json::json;

use super::Secrets;
use crate::lab::{Lab, Sshoal};

/// The secret; none of it may be seen, so it has no part that means anything.
const SECRET: &str = "hunter2-Zq8vKx";
/// One that is a number.
const PIN: &str = "8391746205";
/// One that is a number beyond what programs count with.
const LONG_PIN: &str = "98765432109876543210123";

fn secrets() -> Secrets {
    Secrets::new(&[("password", SECRET), ("pin", PIN), ("long pin", LONG_PIN)])
}

/// Checks, plans and runs a playbook with something wrong in it.
#[track_caller]
fn assert_hidden(what: &str, playbook: &str, complaint: &str) {
    let inventory = format!(
        "all:\n  hosts:\n    web: {{ connection_args: {{ username: u, password: {SECRET} }} }}\n"
    );
    for words in [
        &["check", "play.yml"][..],
        &["plan", "play.yml"],
        &["plan", "play.yml", "-o", "json"],
        &["run", "play.yml"],
        &["run", "play.yml", "-v"],
        &["run", "play.yml", "-o", "json"],
        &["run", "play.yml", "-o", "ndjson"],
    ] {
        let finished = Sshoal::new()
            .file("inventory.yml", &inventory)
            .file("play.yml", playbook)
            .args(words)
            .args(["-i", "inventory.yml"])
            .run();
        let what = format!("{what}: {}", words.join(" "));
        secrets().assert_unseen(&what, &finished);
        finished.expect_status(1);
        assert_eq!(finished.stdout, "", "{what}");
        assert!(finished.stderr.contains(complaint), "{what}\n{}", finished.transcript());
    }
}

#[test]
fn an_error_beside_a_password_does_not_show_it() {
    let args = |lines: &str| {
        let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
        format!("- hosts: all\n  connection_args:\n{lines}  tasks:\n    - command: echo\n")
    };
    let s = SECRET;
    for (what, lines, complaint) in [
        ("a typo in the key", format!("pasword: {s}"), "pasword"),
        ("a typo in the key, quoted", format!("passwort: \"{s}\""), "passwort"),
        ("a typo in another key", format!("passphrse: '{s}'"), "passphrse"),
        ("a typo in its case", format!("Password: {s}"), "Password"),
        ("a typo above", format!("prot: 22\npassword: {s}"), "prot"),
        ("a typo below", format!("password: {s}\nprot: 22"), "prot"),
        ("a typo on the same line", format!("{{password: {s}, prot: 22}}"), "prot"),
        ("a wrong type below", format!("passphrase: {s}\nport: twenty"), "port"),
        ("a list", format!("password: [{s}]"), "password"),
        ("a list in lines", format!("password:\n  - {s}"), "password"),
        ("a mapping", format!("password: {{ value: {s} }}"), "password"),
        ("a tag", format!("password: !vault {s}\nport: x"), "port"),
        ("a key that is none", format!("pkey: {s}"), "pkey"),
        ("a key that is none, in lines", format!("pkey: |\n  {s}\n  {s}\nport: x"), "port"),
        ("a duplicate", format!("password: {s}\npassword: {s}"), "password"),
        ("an unknown name in it", format!("password: \"{{{{ nope }}}}{s}\""), "nope"),
        (
            "an unknown name beside it",
            format!("password: \"{s}\"\nusername: \"{{{{ nope }}}}\""),
            "nope",
        ),
        ("a broken template in it", format!("password: \"{s}{{{{ nope \""), "template"),
        (
            "a default in it",
            format!("password: \"{{{{ nope | default('{s}') + port_ }}}}\""),
            "port_",
        ),
        ("an unclosed quote", format!("password: \"{s}"), "yml"),
        ("a wrong indentation", format!("password: {s}\n  port: 22"), "yml"),
        ("a NUL", format!("password: \"{s}\\0\""), "NUL"),
        ("a number of another kind", format!("password: {PIN}\nport: x"), "port"),
        ("a number of any length", format!("password: {LONG_PIN}\nport: x"), "port"),
        ("a folded text", format!("password: >-\n  {s}\nprot: 22"), "prot"),
    ] {
        assert_hidden(what, &args(&lines), complaint);
    }
}

#[test]
fn an_error_beside_what_a_password_is_made_of_does_not_show_it() {
    let play = |args: &str, task: &str| {
        format!(
            "- hosts: all\n  vars: {{ entry: {SECRET} }}\n  connection_args: {args}\n  tasks:\n    - {task}\n"
        )
    };
    let password = "{ password: \"{{ entry }}\" }";
    for (what, playbook, complaint) in [
        ("a typo beside", play(password, "comand: id"), "comand"),
        ("a template beside", play(password, "command: \"{{ nope }}\""), "nope"),
        (
            "a message about it",
            play("{ password: \"{{ entry }}\", key_filename: \"{{ entry }}\" }", "command: id"),
            "key",
        ),
        (
            "a message about what is made of it",
            play(
                password,
                "file_transfer: { operation: upload, local_path: \"{{ entry }}.txt\", remote_path: a }",
            ),
            ".txt",
        ),
    ] {
        assert_hidden(what, &playbook, complaint);
    }
}

#[test]
fn an_error_beside_a_sudo_password_does_not_show_it() {
    let task = |args: &str| {
        format!("- hosts: all\n  tasks:\n    - config: id\n      driver_args: {args}\n")
    };
    for (what, args, complaint) in [
        ("a typo in the key", format!("{{ sudo: true, sudo_pasword: {SECRET} }}"), "sudo_pasword"),
        ("Ansible's word", format!("{{ sudo: true, become_pass: {SECRET} }}"), "become_pass"),
        ("a typo beside", format!("{{ sudo_password: {SECRET}, suod: true }}"), "suod"),
        ("a number of seconds", format!("{{ sudo_password: {SECRET}, timeout: -1 }}"), "timeout"),
    ] {
        assert_hidden(what, &task(&args), complaint);
    }
}

#[test]
fn a_request_on_one_line_shows_no_secret() {
    for (what, request, complaint) in [
        (
            "a typo",
            json!({"connection_args": {"host": "127.0.0.1", "username": "u", "password": SECRET, "prot": 22},
                "command": "id"}).to_string(),
            "prot",
        ),
        (
            "a typo in the key",
            json!({"connection_args": {"host": "127.0.0.1", "username": "u", "pasword": SECRET},
                "command": "id"}).to_string(),
            "pasword",
        ),
        (
            "a number for a text",
            json!({"connection_args": {"host": "127.0.0.1", "username": "u", "password": PIN.parse::<u64>().unwrap(),
                "port": "x"}, "command": "id"}).to_string(),
            "port",
        ),
        ("a comma too much", format!("{{\"connection_args\": {{\"password\": \"{SECRET}\",}}}}"), "json"),
        ("an end too early", format!("{{\"connection_args\": {{\"password\": \"{SECRET}"), "json"),
        ("both", json!({"connection_args": {"host": "h", "username": "u", "password": SECRET},
            "command": "id", "config": "id"}).to_string(), "config"),
    ] {
        let finished = Sshoal::new()
            .file("request.json", &request)
            .args(["request", "request.json", "-o", "json"])
            .run();
        secrets().assert_unseen(what, &finished);
        finished.expect_status(1);
        assert!(finished.stderr.contains(complaint), "{what}\n{}", finished.transcript());
    }
}

#[test]
fn inventories_and_variables_with_errors_show_no_secret() {
    let play = "- hosts: all\n  tasks:\n    - command: echo {{ nope }}\n";
    let vars = format!("db_password: {SECRET}\nbroken: [\n");
    for (what, inventory, flags, complaint) in [
        (
            "a typo in the inventory",
            format!(
                "all:\n  vars:\n    connection_args:\n      username: u\n      pasword: {SECRET}\n  hosts: {{ web: }}\n"
            ),
            &[][..],
            "pasword",
        ),
        (
            "an error beside Ansible's name",
            format!(
                "all:\n  vars:\n    ansible_ssh_pass: {SECRET}\n    connection_args: {{ prot: 1 }}\n  hosts: {{ web: }}\n"
            ),
            &[],
            "prot",
        ),
        (
            "a broken file of variables",
            "all:\n  hosts: { web: }\n".to_owned(),
            &["-e", "@vars.yml"],
            "vars.yml",
        ),
        (
            "a broken mapping on the command line",
            "all:\n  hosts: { web: }\n".to_owned(),
            &["-e", "{\"connection_args\": {\"password\": \"hunter2-Zq8vKx\""],
            "extra-vars",
        ),
        (
            "a word that is no variable",
            "all:\n  hosts: { web: }\n".to_owned(),
            &["-e", "db_password: hunter2-Zq8vKx\nx=[", "-e", "password hunter2-Zq8vKx"],
            "extra-vars",
        ),
    ] {
        let finished = Sshoal::new()
            .file("inventory.yml", &inventory)
            .file("play.yml", play)
            .file("vars.yml", &vars)
            .args(["run", "play.yml", "-i", "inventory.yml"])
            .args(flags)
            .run();
        secrets().assert_unseen(what, &finished);
        finished.expect_status(1);
        assert!(finished.stderr.contains(complaint), "{what}\n{}", finished.transcript());
    }
}

#[test]
fn a_wrong_passphrase_is_named_and_not_shown() {
    let lab = Lab::get();
    let (key, passphrase, _scratch) = super::encrypted_key(&lab, &lab.users.plain);
    let text = key.private();
    let secrets =
        Secrets::new(&[("key", &text), ("passphrase", &passphrase), ("password", SECRET)]);
    for credential in [json!({"pkey": text}), json!({"key_filename": key.path})] {
        for wrong in [json!({"passphrase": SECRET}), json!({})] {
            let args = json!({"host": "127.0.0.1", "username": "u"});
            let args = super::merged(super::merged(args, credential.clone()), wrong);
            let request = json!({"connection_args": args, "command": "id"});
            for text in [request.to_string(), serde_json::to_string_pretty(&request).unwrap()] {
                let finished = Sshoal::new()
                    .file("request.json", text)
                    .args(["request", "request.json", "-v"])
                    .run();
                secrets.assert_unseen("a wrong passphrase", &finished);
                finished.expect_status(1);
                assert!(finished.stderr.contains("passphrase"), "{}", finished.transcript());
            }
        }
    }
}
