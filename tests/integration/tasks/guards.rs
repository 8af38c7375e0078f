//! Guards, as the login user and through sudo.

use std::fs;

use serde_json::{Value, json};

use super::Site;
use crate::lab::UserOptions;

/// Outcome and note of a task.
fn of(report: &crate::lab::Report, name: &str) -> (String, String) {
    let task = report.task("web", name);
    let text = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("note"))
}

#[test]
fn paths_and_commands_decide_whether_there_is_anything_to_do() {
    let site = Site::plain();
    let odd = "it's \"a\"\n$(touch made) `id` -n *";
    fs::write(site.dir.join(odd), "").unwrap();
    fs::write(site.dir.join("app-12.conf"), "").unwrap();
    fs::write(site.dir.join("-n"), "").unwrap();
    let there = site.path("app-12.conf");
    let directory = json!({ "working_directory": site.dir, "environment": { "WANTED": "a b" } });
    let task = |name: &str, guards: Value| {
        let mut task = json!({ "name": name, "command": "echo ran", "driver_args": directory });
        task.as_object_mut().unwrap().extend(guards.as_object().unwrap().clone());
        task
    };
    let tasks = json!([
        task("odd", json!({ "creates": site.path(odd) })),
        task("dash", json!({ "creates": "-n" })),
        task("glob", json!({ "creates": "app-*.conf" })),
        task("absent", json!({ "creates": "app-*.txt" })),
        task("removes", json!({ "removes": site.path("nothing") })),
        task("removes there", json!({ "removes": there })),
        task("unless", json!({ "unless": "test \"$WANTED\" = 'a b' && test -e app-12.conf" })),
        task("unless not", json!({ "unless": ["false", "echo noise; echo more >&2; exit 3"] })),
        task("only_if", json!({ "only_if": "cat | grep -q x", "unless": "false" })),
        task("all", json!({ "creates": [there, site.path("absent")], "only_if": ["true", "test -d ."] })),
        { "name": "transfer", "creates": there,
          "file_transfer": { "operation": "upload", "local_path": "site.yml", "remote_path": site.path("up") } },
    ]);
    let report = site.run(&tasks).status(0).run().report();
    let skipped = |note: &str| ("skipped".to_owned(), note.to_owned());
    let ran = ("changed".to_owned(), String::new());
    assert_eq!(of(&report, "odd").0, "skipped");
    assert_eq!(of(&report, "dash"), skipped("`-n` exists"));
    assert_eq!(of(&report, "glob"), skipped("`app-*.conf` exists"));
    assert_eq!(of(&report, "absent"), ran);
    let nothing = site.path("nothing");
    assert_eq!(of(&report, "removes"), skipped(&format!("`{nothing}` does not exist")));
    assert_eq!(of(&report, "removes there"), ran);
    assert_eq!(of(&report, "unless").0, "skipped");
    assert_eq!(of(&report, "unless not"), ran);
    assert_eq!(of(&report, "only_if"), skipped("`only_if` does not hold: cat | grep -q x"));
    assert_eq!(of(&report, "all"), ran);
    assert_eq!(of(&report, "transfer").0, "skipped");
    assert!(!site.dir.join("made").exists() && !site.dir.join("up").exists());
}

#[test]
fn guards_of_an_elevated_task_are_elevated() {
    for site in [Site::of(|lab| &lab.users.sudoer), Site::of(|lab| &lab.users.nopasswd)] {
        let secret = site.dir.join("secret");
        fs::create_dir(&secret).unwrap();
        fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        fs::write(secret.join("it's"), "").unwrap();
        let path = secret.join("it's").display().to_string();
        for pty in [false, true] {
            let args =
                json!({ "sudo": true, "sudo_password": site.user().password, "get_pty": pty });
            let tasks = json!([
                { "name": "creates", "config": "id -u", "creates": path, "driver_args": args },
                { "name": "only_if", "config": "id -u", "only_if": "test $(id -u) = 0", "driver_args": args },
                { "name": "plain", "command": "id -u", "unless": "test $(id -u) = 0", "creates": path },
            ]);
            let report = site.run(&tasks).status(0).run().report();
            assert_eq!(of(&report, "creates"), ("skipped".into(), format!("`{path}` exists")));
            assert_eq!(report.task("web", "only_if")["results"][0]["output"], "0\n");
            assert_eq!(of(&report, "plain").0, "changed");
        }
    }
}

#[test]
fn guards_work_in_any_login_shell() {
    let site = Site::plain();
    for shell in ["/bin/sh", "/bin/bash"] {
        let user = site.lab.add_user("guard", UserOptions::default().shell(shell));
        let args = user.password_args(site.lab.sshd());
        let file = user.write("it's! there", "");
        let tasks = json!([
            { "name": "there", "command": "true", "creates": file },
            { "name": "home", "command": "true", "creates": "~/it*there" },
            { "name": "not", "command": "true", "creates": "~/nowhere" },
        ]);
        let play = json!([{ "hosts": "all", "connection_args": args, "tasks": tasks }]);
        let finished = crate::lab::Sshoal::new()
            .file("site.yml", play.to_string())
            .args(["run", "-i", "web,", "site.yml", "-o", "json"])
            .status(0)
            .run();
        let report = finished.report();
        let outcome = |name| of(&report, name).0;
        assert_eq!(
            [outcome("there"), outcome("home"), outcome("not")],
            ["skipped", "skipped", "changed"]
        );
    }
}

#[test]
fn a_guard_that_cannot_be_asked_fails_the_task() {
    let site = Site::plain();
    let mark = site.path("ran");
    let run = |args: Value, guards: Value| {
        let mut task =
            json!({ "name": "guarded", "command": format!("touch {mark}"), "driver_args": args });
        task.as_object_mut().unwrap().extend(guards.as_object().unwrap().clone());
        let report = site.run(&json!([task])).run().report();
        assert!(!site.dir.join("ran").exists());
        let task = report.task("web", "guarded");
        (task["outcome"].clone(), task["error"]["code"].clone())
    };
    assert_eq!(
        run(json!({ "timeout": 1 }), json!({ "unless": "sleep 50", "failed_when": false })),
        (json!("timed_out"), json!("command_timeout"))
    );
    assert_eq!(
        run(json!({ "working_directory": "/no/such" }), json!({ "creates": "x" })),
        (json!("failed"), json!("condition_failed"))
    );
}
