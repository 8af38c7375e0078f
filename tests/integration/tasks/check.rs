//! Check mode and diffs: nothing changes, and what would is said.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;

use super::{Site, tree};

/// Tasks of every kind that would change something in the site's directory.
fn tasks(site: &Site) -> serde_json::Value {
    let upload = |local: &str, remote: &str| json!({ "operation": "upload", "local_path": local, "remote_path": site.path(remote) });
    let with = |mut transfer: serde_json::Value, more: serde_json::Value| {
        transfer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        transfer
    };
    json!([
        { "name": "command", "command": format!("touch {}", site.path("made")), "register": "made" },
        { "name": "needs it", "command": "echo {{ made.output }}" },
        { "name": "guarded", "command": "true", "creates": site.path("same.txt") },
        { "name": "same", "file_transfer": upload("same.txt", "same.txt") },
        { "name": "other", "file_transfer": upload("other.txt", "other.txt") },
        { "name": "mode", "file_transfer": with(upload("same.txt", "same.txt"), json!({ "mode": "0600" })) },
        { "name": "new", "file_transfer": upload("same.txt", "new.txt") },
        { "name": "deep", "file_transfer": upload("same.txt", "deep/new.txt"), "ignore_errors": true },
        { "name": "made dirs", "file_transfer": with(upload("same.txt", "deep/new.txt"), json!({ "create_dirs": true })) },
        { "name": "same tree", "file_transfer": with(upload("tree", "tree"), json!({ "recursive": true })) },
        { "name": "other tree", "file_transfer": with(upload("tree", "tree2"), json!({ "recursive": true })) },
        { "name": "same down", "file_transfer": { "operation": "download", "local_path": "same.txt", "remote_path": site.path("same.txt") } },
        { "name": "new down", "file_transfer": { "operation": "download", "local_path": "down.txt", "remote_path": site.path("same.txt") } },
        { "name": "tree down", "file_transfer": { "operation": "download", "local_path": "tree", "remote_path": site.path("tree2"), "recursive": true } },
    ])
}

/// What the tasks find on the host.
fn prepare(site: &Site) {
    fs::write(site.dir.join("same.txt"), "same\n").unwrap();
    fs::set_permissions(site.dir.join("same.txt"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(site.dir.join("other.txt"), "a\nold\nz\n").unwrap();
    for (name, text) in [("tree", "one"), ("tree2", "two")] {
        let inner = site.dir.join(name).join("in ner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("back\\slash"), text).unwrap();
        symlink("in ner", site.dir.join(name).join("link")).unwrap();
    }
}

#[test]
fn nothing_changes_in_check_mode_and_what_would_is_told() {
    let site = Site::plain();
    prepare(&site);
    let before = tree(&site.dir);
    let sshoal = site
        .run(&tasks(&site))
        .args(["--check", "--detailed-exitcode"])
        .file("same.txt", "same\n")
        .file("other.txt", "a\nnew\nz\n")
        .file("tree/in ner/back\\slash", "one");
    symlink("in ner", sshoal.home().join("tree/link")).unwrap();
    let here = tree(sshoal.home());
    let finished = sshoal.status(5).run();
    let mut after = tree(finished.home());
    after.retain(|path, _| here.contains_key(path));
    assert_eq!(tree(&site.dir), before, "nothing changes on the host");
    assert_eq!(after.keys().collect::<Vec<_>>(), here.keys().collect::<Vec<_>>());
    assert!(!finished.home().join("down.txt").exists());
    assert_eq!(fs::read_to_string(finished.home().join("tree/in ner/back\\slash")).unwrap(), "one");
    let report = finished.report();
    assert_eq!(report.at("/check_mode"), true);
    assert_eq!(report.at("/exit_code"), 5);
    let outcome = |name: &str| report.task("web", name)["outcome"].as_str().unwrap().to_owned();
    for (name, expected) in [
        ("command", "changed"),
        ("needs it", "skipped"),
        ("guarded", "skipped"),
        ("same", "ok"),
        ("other", "changed"),
        ("mode", "changed"),
        ("new", "changed"),
        ("deep", "failed"),
        ("made dirs", "changed"),
        ("same tree", "ok"),
        ("other tree", "changed"),
        ("same down", "ok"),
        ("new down", "changed"),
        ("tree down", "changed"),
    ] {
        assert_eq!(outcome(name), expected, "{name}: {:#}", report.task("web", name));
    }
    let note = report.task("web", "needs it")["note"].as_str().unwrap();
    assert!(note.contains("`made`"), "{note}");
    let output = &report.task("web", "other")["results"][0]["output"];
    assert_eq!(output, &json!(format!("would upload 8 B to {}", site.path("other.txt"))));
    assert_eq!(report.task("web", "other")["results"][0]["transfer"]["bytes_transferred"], 0);
}

#[test]
fn check_mode_looks_through_sudo_and_changes_nothing() {
    let site = Site::of(|lab| &lab.users.sudoer);
    let secret = site.dir.join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("a"), "old\n").unwrap();
    fs::create_dir(secret.join("tree")).unwrap();
    fs::write(secret.join("tree/x"), "x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).unwrap();
    let before = tree(&site.dir);
    for pty in [false, true] {
        let args = json!({ "sudo": true, "sudo_password": site.user().password, "get_pty": pty });
        let transfer = |local: &str, remote: &str, more: serde_json::Value| {
            let mut transfer = json!({ "operation": "upload", "local_path": local, "remote_path": site.path(remote) });
            transfer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "name": format!("{local} {remote} {more}"), "file_transfer": transfer, "driver_args": args })
        };
        let tasks = json!([
            transfer("old", "secret/a", json!({})),
            transfer("new", "secret/a", json!({})),
            transfer("old", "secret/a", json!({ "owner": "root", "group": "0" })),
            transfer("old", "secret/a", json!({ "owner": "daemon" })),
            transfer("tree", "secret/tree", json!({ "recursive": true })),
            { "name": "config", "config": format!("touch {}", site.path("secret/made")), "driver_args": args },
        ]);
        let report = site
            .run(&tasks)
            .args(["-C", "-D"])
            .file("old", "old\n")
            .file("new", "new\n")
            .file("tree/x", "x")
            .status(0)
            .run()
            .report();
        let tasks = report.at("/plays/0/hosts/0/tasks").as_array().unwrap().clone();
        let outcomes: Vec<_> = tasks.iter().map(|task| task["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["ok", "changed", "ok", "changed", "ok", "changed"], "{tasks:#?}");
        let diff = tasks[1]["results"][0]["transfer"]["diff"].as_str().unwrap();
        assert!(diff.ends_with("@@ -1 +1 @@\n-old\n+new\n"), "{diff}");
        assert_eq!(tree(&site.dir), before);
    }
}

#[test]
fn a_diff_shows_what_an_upload_changes_with_secrets_masked() {
    let site = Site::plain();
    let target = site.dir.join("app.conf");
    fs::write(&target, "user = app\npassword = older\nport = 1\n").unwrap();
    fs::write(site.dir.join("image"), b"\0\x01").unwrap();
    fs::write(site.dir.join("large"), vec![b'a'; 300 * 1024]).unwrap();
    let uid = site.user().uid;
    for name in ["app.conf", "image", "large"] {
        std::os::unix::fs::chown(site.dir.join(name), Some(uid), Some(uid)).unwrap();
    }
    let upload = |local: &str, remote: &str, template: bool| {
        json!({ "name": remote, "file_transfer": {
            "operation": "upload", "local_path": local, "remote_path": site.path(remote), "template": template } })
    };
    let mut tasks = json!([
        upload("app.conf.j2", "app.conf", true),
        upload("app.conf.j2", "image", false),
        upload("app.conf.j2", "large", false),
        upload("app.conf.j2", "fresh", false),
    ]);
    // Whoever is the login user's password is a secret in the file.
    tasks[0]["vars"] = json!({ "secret": site.user().password });
    let sshoal = |args: &[&str]| {
        site.sshoal(&tasks)
            .args(args)
            .file("app.conf.j2", "user = app\npassword = {{ secret }}\nport = 2\n")
            .status(0)
            .run()
    };
    let shown = sshoal(&["--check", "--diff"]);
    for line in
        ["- password = older", "-port = 1", "+port = 2", "+password = ***", "(not shown: binary)"]
    {
        let line = line.replace("- p", "-p");
        assert!(shown.stdout.contains(&line), "{line}\n{}", shown.transcript());
    }
    assert!(shown.stdout.contains("check mode: nothing was changed"), "{}", shown.transcript());
    assert_eq!(fs::read_to_string(&target).unwrap(), "user = app\npassword = older\nport = 1\n");

    let report = sshoal(&["-D", "-o", "json"]).report();
    let diff = |name: &str| report.task("web", name)["results"][0]["transfer"]["diff"].clone();
    let path = site.path("app.conf");
    assert_eq!(
        diff("app.conf"),
        format!(
            "--- {path} (on the host)\n+++ {path}\n@@ -1,3 +1,3 @@\n user = app\n-password = older\n\
             -port = 1\n+password = ***\n+port = 2\n"
        )
    );
    assert_eq!(diff("image"), "(not shown: binary)");
    assert!(diff("large").as_str().unwrap().contains("307200 bytes"), "{}", diff("large"));
    assert!(diff("fresh").as_str().unwrap().starts_with("--- /dev/null\n"), "{}", diff("fresh"));
    assert_eq!(report.at("/check_mode"), false);
    let text = fs::read_to_string(&target).unwrap();
    assert!(text.contains(&site.user().password));
    // What is the same has no diff.
    let report = sshoal(&["-D", "-o", "json"]).report();
    assert_eq!(report.task("web", "app.conf")["outcome"], "ok");
    assert!(report.task("web", "app.conf")["results"][0]["transfer"].get("diff").is_none());
}

#[test]
fn exec_knows_check_mode_too() {
    let site = Site::plain();
    let made = site.path("made");
    let vars = json!({ "connection_args": site.user().password_args(site.lab.sshd()) });
    let finished = crate::lab::Sshoal::new()
        .args(["exec", "-i", "web,", "-C", "all", "-o", "json"])
        .args(["-e", &vars.to_string()])
        .args(["--", "touch", &made])
        .status(0)
        .run();
    let report = finished.report();
    assert_eq!(
        (report.only_task()["outcome"].as_str(), report.at("/check_mode")),
        (Some("changed"), &json!(true))
    );
    assert!(!site.dir.join("made").exists());
}
