//! Inventories: read as the real Ansible reads them.

mod ansible;
mod cases;
mod commands;
mod tolerant;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Finished, Sshoal};
use ansible::{Question, Shown};
use cases::{Case, READ, REFUSED};

fn write(case: &Case) -> TempDir {
    let dir = crate::lab::directory("inventory");
    fs::create_dir(dir.path().join("cwd")).unwrap();
    for (name, text) in case.files {
        let path = dir.path().join(name.trim_end_matches('!'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if name.ends_with('!') {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    dir
}

fn asked(cases: &[Case]) -> Vec<(TempDir, Shown)> {
    let dirs: Vec<TempDir> = cases.iter().map(write).collect();
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let questions: Vec<Question> = cases
        .iter()
        .zip(&dirs)
        .map(|(case, dir)| Question {
            directory: dir.path().to_owned(),
            sources: owned(case.sources),
            patterns: owned(case.patterns),
        })
        .collect();
    let shown = ansible::ask(&questions);
    dirs.into_iter().zip(shown).collect()
}

fn sshoal(case: &Case, dir: &Path, args: &[&str]) -> Finished {
    let sources = case.sources.iter().flat_map(|source| ["-i", source]);
    Sshoal::new().directory(dir.join("cwd")).args(args.iter().copied()).args(sources).run()
}

/// Everything that differs, told at once.
#[test]
fn inventories_are_what_they_are_to_ansible() {
    let mut wrong = Vec::new();
    for (case, (dir, shown)) in READ.iter().zip(asked(&READ)) {
        let Some(expected) = shown.list else {
            wrong.push(format!("{}: Ansible refuses it", case.name));
            continue;
        };
        let listed = sshoal(case, dir.path(), &["inventory", "list"]);
        if listed.status != Some(0) {
            wrong.push(format!("{}: refused\n{}", case.name, listed.transcript()));
            continue;
        }
        let found: Value = serde_json::from_str(&listed.stdout).unwrap();
        differences(case.name, &expected, &found, &mut wrong);
        let graph = sshoal(case, dir.path(), &["inventory", "graph"]).stdout;
        if graph != shown.graph {
            wrong.push(format!("{}: graph\n{}\nand not\n{graph}", case.name, shown.graph));
        }
        // Each is a process of its own, and the list has had them all.
        for (name, vars) in expected["_meta"]["hostvars"].as_object().unwrap().iter().take(2) {
            let found = sshoal(case, dir.path(), &["inventory", "show", name]).stdout;
            let found = serde_json::from_str(&found).unwrap_or_default();
            differences(&format!("{} --host {name}", case.name), vars, &found, &mut wrong);
        }
        for (pattern, expected) in case.patterns.iter().zip(&shown.selected) {
            let found = sshoal(case, dir.path(), &["exec", pattern, "--list-hosts"]).stdout;
            if found != *expected {
                let shown = [expected, &found].map(|text| text.trim().replace('\n', " "));
                wrong
                    .push(format!("{}: `{pattern}`: {} and not {}", case.name, shown[0], shown[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_ansible_refuses_is_refused() {
    for (case, (dir, shown)) in REFUSED.iter().zip(asked(&REFUSED)) {
        assert!(shown.list.is_none(), "Ansible takes `{}`", case.name);
        let finished = sshoal(case, dir.path(), &["inventory", "list"]);
        finished.expect_status(1);
        assert_eq!(finished.stdout, "", "{}", case.name);
    }
}

fn differences(at: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                let part = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                match (part(left), part(right)) {
                    (Some(left), Some(right)) => {
                        differences(&format!("{at}.{key}"), &left, &right, wrong);
                    }
                    (left, right) => wrong.push(format!("{at}.{key}: {left:?} and not {right:?}")),
                }
            }
        }
        _ if expected != found => wrong.push(format!("{at}: {expected} and not {found}")),
        _ => {}
    }
}
