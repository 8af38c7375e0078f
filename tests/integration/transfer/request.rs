//! File transfers as users write them: the request, its report, and what is refused
//! before anything connects.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

use super::rig::{SlowLine, noise};
use crate::lab::{Lab, Sshoal};

fn transfer(connection: &Value, transfer: &Value, driver: &Value) -> Value {
    let mut driver = driver.clone();
    driver["file_transfer"] = transfer.clone();
    json!({ "connection_args": connection, "command": ["__FILE_TRANSFER__"], "driver_args": driver })
}

#[test]
fn a_tree_through_sudo_is_one_result_and_shows_no_password() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let scratch = lab.scratch();
    let source = scratch.path().join("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    for name in ["a", "sub/b"] {
        fs::write(source.join(name), name.repeat(600)).unwrap();
    }
    let target = scratch.path().join("target");
    let request = transfer(
        &user.password_args(lab.sshd()),
        &json!({
            "operation": "upload", "local_path": source, "remote_path": target,
            "recursive": true, "owner": "daemon", "mode": "0640",
        }),
        &json!({ "sudo": true, "sudo_password": user.password }),
    );
    for (outcome, said) in
        [("changed", "uploaded 2 files, 3.6 kB, to "), ("ok", "unchanged: 2 files in ")]
    {
        let finished = Sshoal::new().request(&request).forbid(&user.password).run();
        finished.expect_status(0);
        let report = finished.report();
        assert_eq!(report.only_task()["outcome"], outcome);
        let result = &report.only_results()[0];
        assert!(result["output"].as_str().unwrap().starts_with(said), "{result:#}");
        assert_eq!(result["transfer"]["total_bytes"], 3600);
        assert_eq!(result["transfer"]["sha256"], Value::Null);
        assert_eq!(result["transfer"]["verified"], true);
    }
    let metadata = fs::metadata(target.join("sub/b")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (1, 0, 0o640));
    assert_eq!(fs::metadata(target.join("sub")).unwrap().mode() & 0o777, 0o750);
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_connects() {
    let scratch = tempfile::tempdir().unwrap();
    let target = scratch.path().join("x");
    let nowhere =
        json!({ "host": "127.0.0.1", "port": 1, "username": "x", "password": "a-password" });
    let file = json!({ "operation": "upload", "local_path": "/etc/hosts", "remote_path": target });
    let with = |changes: Value| {
        let mut merged = file.clone();
        merged.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        merged
    };
    let none = json!({});
    for (transfer_args, driver, said) in [
        (with(json!({ "recursive": true })), &none, "it is no directory"),
        (with(json!({ "local_path": "/etc" })), &none, "recursive: true"),
        (
            with(json!({ "recursive": true, "local_path": "/etc", "template": true })),
            &none,
            "`template` renders one file",
        ),
        (
            with(json!({ "operation": "download", "owner": "root" })),
            &none,
            "`owner` is for uploads",
        ),
        (with(json!({ "group": "a:b" })), &none, "no name of a user or a group"),
        (
            file.clone(),
            &json!({ "sudo": true, "sudo_shell": false }),
            "`sudo_shell` has no meaning for a file transfer",
        ),
        (file.clone(), &json!({ "get_pty": true }), "`get_pty` has no meaning for a file transfer"),
        (
            with(json!({ "recursive": true, "local_path": "/etc" })),
            &json!({ "sudo": true, "sudo_user": "daemon" }),
            "leave `sudo_user` out",
        ),
    ] {
        let finished = Sshoal::new().request(&transfer(&nowhere, &transfer_args, driver)).run();
        finished.expect_status(1);
        assert!(finished.stderr.contains(said), "{said}: {}", finished.stderr);
    }
    assert!(!target.exists());
}

#[test]
fn chunks_of_every_size_carry_the_same_file() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let scratch = lab.scratch();
    let (local, back) = (scratch.path().join("local"), scratch.path().join("back"));
    let content = noise(300_001);
    fs::write(&local, &content).unwrap();
    for chunk_size in [1000, 32768, 1 << 20] {
        let remote = user.home.join(format!("chunked-{chunk_size}"));
        for (operation, local) in [("upload", &local), ("download", &back)] {
            let args = json!({
                "operation": operation, "local_path": local, "remote_path": remote,
                "chunk_size": chunk_size,
            });
            let request = transfer(&user.password_args(lab.sshd()), &args, &json!({}));
            let report = Sshoal::new().request(&request).status(0).run().report();
            let record = &report.only_results()[0]["transfer"];
            assert_eq!(record["bytes_transferred"], 300_001, "{chunk_size}");
        }
        assert!(fs::read(&remote).unwrap() == content && fs::read(&back).unwrap() == content);
        fs::remove_file(&back).unwrap();
    }
}

#[test]
fn a_transfers_own_timeout_holds_whatever_the_commands_is() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let scratch = lab.scratch();
    let local = scratch.path().join("local");
    let run = |size: usize, speed: u64, own: Option<u32>, commands: u32| {
        fs::write(&local, noise(size)).unwrap();
        let line = SlowLine::to(lab.sshd(), speed);
        let mut connection = user.password_args(lab.sshd());
        connection["port"] = line.address.port().into();
        let remote = user.home.join("timed");
        let mut args = json!({
            "operation": "upload", "local_path": local, "remote_path": remote,
        });
        if let Some(own) = own {
            args["timeout"] = json!(own);
        }
        let request = transfer(&connection, &args, &json!({ "timeout": commands }));
        let report = Sshoal::new().request(&request).run().report();
        let task = report.only_task();
        (task["outcome"].clone(), task["error"]["code"].clone())
    };
    let late = (json!("timed_out"), json!("transfer_timeout"));
    // A minute's worth of sending.
    assert_eq!(run(60_000_000, 1_000_000, Some(3), 50), late);
    assert_eq!(run(60_000_000, 1_000_000, None, 3), late);
    // Five seconds' worth, of which the command's limit would allow one.
    assert_eq!(run(5_000_000, 1_000_000, Some(50), 1), (json!("changed"), json!(null)));
}
