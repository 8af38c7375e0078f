//! Where a report says that its playbook came from.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::lab::processes::tool;
use crate::lab::{Lab, Sshoal};

fn git(directory: &Path, args: &[&str]) -> String {
    let words = [&["-C", directory.to_str().unwrap()], args].concat();
    tool("git", &words, "").trim().to_owned()
}

#[test]
fn a_report_names_hash_commit_and_branch_and_whether_the_tree_is_dirty() {
    let lab = Lab::get();
    let repository = lab.scratch();
    let dir = repository.path();
    let playbook = "- hosts: all\n  tasks:\n    - { name: who, command: id -un }\n";
    fs::write(dir.join("site.yml"), playbook).unwrap();
    let inventory = json!({"all": {"hosts": {"web": {
        "connection_args": lab.users.plain.key_args(lab.sshd()),
    }}}});
    fs::write(dir.join("hosts.yml"), inventory.to_string()).unwrap();
    let source = || -> Value {
        let args = ["run", "site.yml", "-i", "hosts.yml", "-o", "json"];
        let report = Sshoal::new().directory(dir).args(args).status(0).run().report();
        report.at("/source").clone()
    };
    let sha256 = |name: &str| {
        let sum = tool("sha256sum", &[dir.join(name)], "");
        sum.split_whitespace().next().unwrap().to_owned()
    };

    let before = source();
    assert_eq!(before["git"], Value::Null);
    assert_eq!(before["playbooks"], json!([{"path": "site.yml", "sha256": sha256("site.yml")}]));

    git(dir, &["init", "-q", "-b", "rollout"]);
    git(dir, &["add", "site.yml"]);
    let author = ["-c", "user.name=lab", "-c", "user.email=lab@example.com"];
    git(dir, &[&author[..], &["commit", "-q", "-m", "site"]].concat());
    let commit = git(dir, &["rev-parse", "HEAD"]);
    let expected = |dirty: bool| json!({"commit": commit, "branch": "rollout", "dirty": dirty});
    // What git does not have is no change of what it has.
    assert_eq!(source()["git"], expected(false));

    fs::write(dir.join("site.yml"), format!("{playbook}# changed\n")).unwrap();
    let changed = source();
    assert_eq!(changed["git"], expected(true));
    assert_eq!(changed["playbooks"][0]["sha256"], sha256("site.yml"));
    assert_ne!(changed["playbooks"], before["playbooks"]);

    git(dir, &["checkout", "-q", "--", "site.yml"]);
    git(dir, &["checkout", "-q", "--detach"]);
    let detached = json!({"commit": commit, "branch": null, "dirty": false});
    assert_eq!(source()["git"], detached);
}
