//! Runs that log in, elevate, fail and repeat what they were given.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Secrets, awkward_sudoer, encrypted_key, merged};
use crate::lab::processes::{processes_that_mention, wait_until};
use crate::lab::{Lab, Sshoal, UserOptions, random_text};

/// Every way to show a run.
const VIEWS: [&[&str]; 5] = [&[], &["-v"], &["-q"], &["-o", "json"], &["-o", "ndjson"]];

/// Runs a request in every view, and looks for the secrets in all that it left.
#[track_caller]
fn assert_unseen(what: &str, request: &Value, status: i32, code: Option<&str>, secrets: &Secrets) {
    std::thread::scope(|scope| {
        let views = VIEWS.map(|view| {
            scope.spawn(move || assert_unseen_in(view, what, request, status, code, secrets))
        });
        views.into_iter().for_each(|view| view.join().unwrap());
    });
}

#[track_caller]
fn assert_unseen_in(
    view: &[&str],
    what: &str,
    request: &Value,
    status: i32,
    code: Option<&str>,
    secrets: &Secrets,
) {
    let finished = Sshoal::new()
        .file("request.json", serde_json::to_string_pretty(request).unwrap())
        .args(["request", "request.json", "--report", "report.json"])
        .args(view)
        .run();
    let what = format!("{what} {view:?}");
    secrets.assert_unseen(&what, &finished);
    finished.expect_status(status);
    let report = fs::read_to_string(finished.home().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let error = &report["plays"][0]["hosts"][0]["tasks"][0]["error"];
    assert_eq!(error["code"].as_str(), code, "{what}\n{}", finished.transcript());
}

#[test]
fn a_host_that_repeats_its_login_is_masked() {
    let lab = Lab::get();
    let user = awkward_sudoer(&lab);
    let secrets = Secrets::new(&[("password", &user.password)]);
    let request = json!({
        "connection_args": user.password_args(lab.sshd()),
        "command": [
            "echo \"$LEAK\"; echo \"$LEAK\" >&2; env; printf '%s\\n' \"before $LEAK after\"",
            "printf %s \"$LEAK\" | base64 -w0; export; set",
            format!("echo \"{}\"; false", user.password.replace(['"', '$'], "\\$0")),
            format!("cat <<'X'\n{}\nX", user.password),
        ],
        "driver_args": {"environment": {"LEAK": user.password}},
    });
    assert_unseen("a repeated password", &request, 2, Some("command_failed"), &secrets);

    // The masked lines are still there: what is around a secret is not lost.
    let finished = Sshoal::new().request(&request).run();
    let output = finished.report().only_results()[0]["output"].as_str().unwrap().to_owned();
    assert!(output.starts_with("***\n"), "{output}");
    assert!(output.ends_with("before *** after\n"), "{output}");
    let encoded = finished.report().only_results()[1]["output"].as_str().unwrap().to_owned();
    assert!(encoded.starts_with("***"), "{encoded}");
    assert_eq!(finished.report().only_results()[3]["output"], "***\n");
}

#[test]
fn half_a_secret_at_the_end_of_what_is_kept_is_masked() {
    let lab = Lab::get();
    let user = lab.add_user("cut", UserOptions::default().password("SuperSecretPassword"));
    let request = |command: &str, driver_args: Value| {
        json!({
            "connection_args": user.password_args(lab.sshd()),
            "command": command,
            "driver_args": driver_args,
        })
    };
    let printed = "printf 'aaaa%s bbbbbbbb %sdddd' SuperSecretPassword SuperSecretPassword";
    for (what, request, shown) in [
        (
            "output that is too long",
            request(printed, json!({"max_output": 30})),
            "aaaa***\n[… 26 bytes left out …]\n***dddd",
        ),
        (
            "output of a command that was ended",
            request("printf 'aaaaSuperSecret'; sleep 60", json!({"timeout": 3})),
            "aaaa***",
        ),
    ] {
        let finished = Sshoal::new().request(&request).run();
        assert_eq!(finished.report().only_results()[0]["output"], shown, "{what}");
    }
}

#[test]
fn secrets_are_masked_as_programs_on_the_host_write_them() {
    let lab = Lab::get();
    let password = format!("{}/ \"pass\" & \\ $word+é", random_text(12));
    let user = lab.add_user("forms", UserOptions::default().password(&password));
    let python = "python3 -c 'import os,json,shlex,urllib.parse as u; p=os.environ[\"P\"]; \
        print(json.dumps(p), json.dumps(p, ensure_ascii=False), shlex.quote(p), u.quote(p), \
        u.quote_plus(p), u.quote(p, safe=\"\"), p.encode().hex(), sep=\"\\n\")'";
    let request = json!({
        "connection_args": user.password_args(lab.sshd()),
        "command": ["printf '%q\\n' \"$P\"; declare -p P; set | grep ^P=; export -p | grep ' P='", python],
        "driver_args": {"environment": {"P": password}},
    });
    let finished = Sshoal::new().request(&request).status(0).run();
    let part = &password[..12];
    let shown = &finished.stdout;
    assert!(!shown.contains(part) && !shown.contains(&hex_of(part)), "{shown}");
    let python = finished.report().only_results()[1]["output"].as_str().unwrap().to_owned();
    let kept: Vec<_> = python.lines().map(|line| line.trim_matches(['"', '\''])).collect();
    assert_eq!(kept, ["***"; 7]);
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn keys_and_passphrases_are_masked_too() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let (key, passphrase, _scratch) = encrypted_key(&lab, user);
    let text = key.private();
    let secrets = Secrets::new(&[("key", &text), ("passphrase", &passphrase)]);
    let connection = json!({
        "host": lab.sshd().address(),
        "port": lab.sshd().port(),
        "username": user.name,
        "passphrase": passphrase,
    });
    let repeating = json!({
        "command": ["echo \"$KEY\"; echo \"$PASS\"", "echo \"$KEY\" | sed -n 5,8p; env >&2"],
        "driver_args": {"environment": {"KEY": text, "PASS": passphrase}},
    });
    for (what, credential) in [
        ("a key in the request", json!({"pkey": text})),
        ("a key file", json!({"key_filename": key.path})),
    ] {
        let request = merged(repeating.clone(), json!({"connection_args": connection}));
        let request = merged(request, json!({"connection_args": credential}));
        assert_unseen(what, &request, 0, None, &secrets);
    }
}

#[test]
fn sudo_right_or_wrong_shows_no_password() {
    let lab = Lab::get();
    let user = awkward_sudoer(&lab);
    let wrong = random_text(16);
    let secrets = Secrets::new(&[("password", &user.password), ("wrong password", &wrong)]);
    let request = |password: &str, pty: bool, shell: bool| {
        json!({
            "connection_args": user.key_args(lab.sshd()),
            "config": match shell {
                true => "cat; echo \"$LEAK\" | tee /dev/stderr; env; id -un",
                false => "env",
            },
            "driver_args": {
                "sudo": true, "sudo_shell": shell, "sudo_password": password, "get_pty": pty,
                "environment": {"LEAK": password},
            },
        })
    };
    for pty in [false, true] {
        for shell in [false, true] {
            let what = format!("sudo, pty {pty}, shell {shell}");
            assert_unseen(&what, &request(&user.password, pty, shell), 0, None, &secrets);
        }
        let what = format!("wrong sudo, pty {pty}");
        assert_unseen(&what, &request(&wrong, pty, true), 2, Some("sudo_auth_failed"), &secrets);
    }
}

#[test]
fn a_refused_login_shows_nothing_of_what_was_tried() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let (wrong, other) = (random_text(16), random_text(16));
    // This key is nobody's.
    let scratch = lab.scratch();
    let stray = crate::lab::KeyPair::generate(
        &scratch.path().join("stray"),
        crate::lab::KeyType::Ed25519,
        crate::lab::KeyFormat::OpenSsh,
        &other,
    );
    let text = stray.private();
    let secrets = Secrets::new(&[
        ("password", &user.password),
        ("wrong password", &wrong),
        ("stray key", &text),
        ("passphrase", &other),
    ]);
    let base = json!({"connection_args": user.password_args(lab.sshd()), "command": "true"});
    for (what, change, code) in [
        ("a wrong password", json!({"password": wrong}), "auth_failed"),
        (
            "a stray key",
            json!({"password": wrong, "pkey": text, "passphrase": other}),
            "auth_failed",
        ),
        (
            "a wrong proxy password",
            json!({"proxy_host": lab.bastion().address(), "proxy_port": lab.bastion().port(),
                "proxy_password": wrong}),
            "proxy_failed",
        ),
        ("a login as root", json!({"username": "root", "password": wrong}), "auth_failed"),
    ] {
        let request = merged(base.clone(), json!({"connection_args": change}));
        assert_unseen(what, &request, 4, Some(code), &secrets);
    }
}

#[test]
fn a_playbook_keeps_its_secrets_in_plan_and_run() {
    let lab = Lab::get();
    let user = awkward_sudoer(&lab);
    let (key, passphrase, _scratch) = encrypted_key(&lab, &user);
    let text = key.private();
    let secrets =
        Secrets::new(&[("password", &user.password), ("key", &text), ("passphrase", &passphrase)]);
    let inventory = json!({"all": {
        "vars": {
            "login": user.password,
            "connection_args": {"host": lab.sshd().address(), "port": lab.sshd().port(),
                "username": user.name},
        },
        "hosts": {
            "by-password": {"connection_args": {"password": "{{ login }}"}},
            "by-key": {"connection_args": {"pkey": text, "passphrase": passphrase}},
        },
    }});
    let playbook = json!([{
        "hosts": "all",
        "name": "a play of {{ login }}",
        "vars": {"login": user.password},
        "driver_args": {"sudo_password": "{{ login }}"},
        "tasks": [
            {"name": "say {{ login }}", "command": "echo {{ login | quote }}; echo \"$L\"",
             "register": "said", "driver_args": {"environment": {"L": "{{ login }}"}}},
            {"name": "elevate", "config": "echo {{ login | quote }}; id -un",
             "driver_args": {"sudo": true}},
            {"name": "loop", "command": "printf %s {{ item.it | quote }}; false",
             "loop": [{"it": "{{ login }}"}], "ignore_errors": true},
            {"name": "encode", "command": "echo {{ login | b64encode }} {{ login | urlencode }}"},
            {"name": "send", "file_transfer": {"operation": "upload", "local_path": "file.j2",
             "remote_path": "{{ login | b64encode | replace('/', '_') }}", "template": true}},
            {"name": "fail", "command": "cat {{ login | quote }}"},
        ],
    }]);
    let sshoal = |words: &[&str]| {
        Sshoal::new()
            .file("inventory.yml", serde_yaml::to_string(&inventory).unwrap())
            .file("play.yml", serde_yaml::to_string(&playbook).unwrap())
            .file("file.j2", "secret: {{ login }}\n")
            .args([words[0], "-i", "inventory.yml", "play.yml"])
            .args(&words[1..])
    };
    for (words, status) in [
        (&["plan"][..], 0),
        (&["plan", "-o", "json"], 0),
        (&["check"], 0),
        (&["run", "--report", "report.json"], 2),
        (&["run", "--report", "report.json", "-v"], 2),
        (&["run", "--report", "report.json", "-q"], 2),
        (&["run", "--report", "report.json", "-o", "json"], 2),
        (&["run", "--report", "report.json", "-o", "ndjson"], 2),
    ] {
        let finished = sshoal(words).run();
        secrets.assert_unseen(&words.join(" "), &finished);
        finished.expect_status(status);
    }
    let finished = sshoal(&["run", "-o", "json"]).run();
    let report = finished.report();
    for host in ["by-password", "by-key"] {
        let results = |task: &str| report.task(host, task)["results"].clone();
        assert_eq!(results("say ***")[0]["output"], "***\n***\n");
        assert_eq!(results("elevate")[0]["output"], "***\nroot\n");
        assert_eq!(results("loop")[0]["item"], json!({"it": "***"}));
        assert_eq!(results("encode")[0]["output"], "*** ***\n");
    }
}

#[test]
fn the_process_lists_show_no_secret() {
    let lab = Lab::get();
    let user = awkward_sudoer(&lab);
    let token = random_text(24);
    let secrets = Secrets::new(&[("password", &user.password), ("token", &token)]);
    let mark = format!("sleep 4713.{}", std::process::id());
    let request = json!({
        "connection_args": user.password_args(lab.sshd()),
        "config": [format!("echo \"$TOKEN\"; {mark}"), "id -un"],
        "driver_args": {
            "sudo": true, "sudo_password": user.password, "timeout": 10,
            "environment": {"TOKEN": token},
        },
    });
    let running = Sshoal::new()
        .file("request.json", request.to_string())
        .args(["request", "request.json", "-o", "json"])
        .start();
    // From the login to the elevated command, again and again.
    let mut seen = 0;
    let asleep = || processes_that_mention(&mark).len() > 1;
    let reached = wait_until(Duration::from_secs(40), || {
        seen += look_at_processes(&secrets);
        asleep()
    });
    for _ in 0..20 {
        seen += look_at_processes(&secrets);
    }
    let finished = running.wait();
    assert!(reached, "sudo did not come so far\n{}", finished.transcript());
    assert!(seen > 100, "{seen} command lines are too few to have seen it");
    let report = finished.report();
    assert_eq!(report.only_task()["outcome"], "timed_out", "{}", finished.transcript());
    assert_eq!(report.only_results()[0]["output"], format!("{token}\n"), "it is no credential");
    Secrets::new(&[("password", &user.password)]).assert_unseen("a time-out", &finished);
    let gone = wait_until(Duration::from_secs(30), || processes_that_mention(&mark).is_empty());
    assert!(gone, "root's process is still there");
}

/// Looks for secrets in the command line of every process; returns how many.
pub(super) fn look_at_processes(secrets: &Secrets) -> usize {
    let mut seen = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // It may have gone since.
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        secrets.assert_not_in(&format!("the command line of process {name}"), &line);
        seen += 1;
    }
    seen
}
