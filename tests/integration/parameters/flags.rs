//! Flags that say how to log in, and what they win over.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::lab::{Finished, KeyType, Lab, Sshd, SshdOptions, Sshoal, User};

/// `sshoal run` on one host whose inventory has these `connection_args`.
fn run(server: &Sshd, args: &Value, flags: &[&str], task: &Value) -> Sshoal {
    let mut all = json!({
        "host": server.address(), "port": server.port(), "look_for_keys": false,
    });
    all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
    let inventory = json!({"all": {"hosts": {"web": {"connection_args": all}}}});
    Sshoal::new()
        .file("hosts.yml", inventory.to_string())
        .file("site.yml", json!([{"hosts": "all", "tasks": [task]}]).to_string())
        .args(["run", "site.yml", "-i", "hosts.yml", "--report", "report.json"])
        .args(flags.iter().copied())
}

fn who() -> Value {
    json!({"name": "who", "command": "id -un"})
}

/// The report that a run has written.
#[track_caller]
fn report(finished: &Finished) -> Value {
    let text = fs::read_to_string(finished.home().join("report.json"));
    let text = text.unwrap_or_else(|error| panic!("{error}\n{}", finished.transcript()));
    serde_json::from_str(&text).unwrap()
}

/// The only task in that.
#[track_caller]
fn task(finished: &Finished) -> Value {
    report(finished)["plays"][0]["hosts"][0]["tasks"][0].clone()
}

#[track_caller]
fn expect_user(sshoal: Sshoal, name: &str) -> Finished {
    let finished = sshoal.status(0).run();
    assert_eq!(task(&finished)["results"][0]["output"], format!("{name}\n"));
    finished
}

#[track_caller]
fn expect_code(sshoal: Sshoal, code: &str) -> String {
    let finished = sshoal.status(4).run();
    let error = task(&finished)["error"].clone();
    assert_eq!(error["code"], code, "{}", finished.transcript());
    error["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_user_and_a_key_on_the_command_line_win() {
    let lab = Lab::get();
    let (user, other) = (&lab.users.plain, &lab.users.sh);
    let key = |user: &User| user.key.path.to_str().unwrap().to_owned();
    let others = json!({"username": other.name, "key_filename": key(other)});
    expect_user(run(lab.sshd(), &others, &[], &who()), &other.name);
    let flags = ["-u", &user.name, "--private-key", &key(user)];
    expect_user(run(lab.sshd(), &others, &flags, &who()), &user.name);
    // Each alone does not fit the other one's.
    for flags in [["-u", &user.name], ["--private-key", &key(user)]] {
        expect_code(run(lab.sshd(), &others, &flags, &who()), "auth_failed");
    }
}

#[test]
fn passwords_are_asked_for_on_the_terminal_and_not_shown() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let args = json!({"username": user.name});
    let login = ("SSH password: ", user.password.as_str());
    let root = json!({
        "name": "root", "config": "id -un", "driver_args": {"sudo": true},
    });

    let asked = run(lab.sshd(), &args, &["-k"], &who()).terminal(&[login]);
    let finished = expect_user(asked, &user.name);
    assert!(finished.stdout.contains("SSH password: "), "{}", finished.transcript());
    let wrong = run(lab.sshd(), &args, &["-k"], &who()).terminal(&[(login.0, "not-the-password")]);
    expect_code(wrong, "auth_failed");

    let by_key = json!({"username": user.name, "key_filename": user.key.path});
    let sudo = run(lab.sshd(), &by_key, &["-K"], &root)
        .terminal(&[("sudo password: ", user.password.as_str())]);
    expect_user(sudo, "root");

    // With both, an empty second one is the first.
    for second in ["", user.password.as_str()] {
        let both = run(lab.sshd(), &args, &["-k", "-K"], &root)
            .terminal(&[login, ("sudo password (empty: the same): ", second)]);
        expect_user(both, "root");
    }
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_runs() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    for flag in ["-k", "-K"] {
        let args = json!({"username": user.name, "key_filename": user.key.path});
        let finished = run(lab.sshd(), &args, &[flag], &who()).without_terminal().status(1).run();
        assert!(finished.stderr.contains("cannot ask for a password"), "{}", finished.transcript());
    }
}

#[test]
fn a_file_of_known_hosts_and_a_policy_on_the_command_line_win() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let args = |policy: &str| json!({"username": user.name, "key_filename": user.key.path, "host_key_policy": policy});
    let other = SshdOptions::default().start();
    let changed = format!(
        "[{}]:{} {}\n",
        lab.sshd().address(),
        lab.sshd().port(),
        other.host_key(KeyType::Ed25519)
    );
    let known = lab.sshd().known_hosts();
    let named = ["--known-hosts", "known"];
    let run = |policy: &str, flags: &[&str]| run(lab.sshd(), &args(policy), flags, &who());

    // Only the named file counts: not the user's, be it right or wrong.
    expect_user(run("reject", &named).file("known", &known).known_hosts(&changed), &user.name);
    let only_users = run("reject", &named).file("known", "").known_hosts(&known);
    expect_code(only_users, "host_key_unknown");
    expect_code(run("auto_add", &named).file("known", &changed), "host_key_changed");
    // What is learnt goes there, too.
    let finished = expect_user(run("auto_add", &named).file("known", ""), &user.name);
    let learnt = fs::read_to_string(finished.home().join("known")).unwrap();
    assert!(learnt.lines().count() == 1 && known.contains(&learnt), "{learnt}");
    assert!(!finished.home().join(".ssh/known_hosts").exists());

    let flag = |policy| ["--host-key-policy", policy];
    expect_code(run("auto_add", &flag("reject")), "host_key_unknown");
    let finished = expect_user(run("reject", &flag("auto_add")), &user.name);
    assert!(finished.home().join(".ssh/known_hosts").exists());
    let finished = expect_user(run("reject", &flag("warning")), &user.name);
    assert!(!finished.home().join(".ssh/known_hosts").exists());
    assert!(report(&finished)["warnings"].to_string().contains("without being saved"));
}

#[test]
fn a_timeout_on_the_command_line_reaches_the_connection() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let inventory = json!({"all": {"hosts": {"web": {"connection_args": {
        "host": "127.0.0.1", "port": silent.local_addr().unwrap().port(),
        "username": "nobody", "password": "a-password", "timeout": 50,
    }}}}});
    let finished = Sshoal::new()
        .file("hosts.yml", inventory.to_string())
        .file("site.yml", json!([{"hosts": "all", "tasks": [who()]}]).to_string())
        .args(["run", "site.yml", "-i", "hosts.yml", "--report", "report.json", "-T", "2"])
        .status(4)
        .run();
    let error = task(&finished)["error"].clone();
    assert_eq!(error["code"], "banner_timeout");
    assert!(error["message"].as_str().unwrap().contains("within 2 s"), "{error}");
}
