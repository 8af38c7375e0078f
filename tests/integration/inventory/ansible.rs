//! The real Ansible, which `tests/run` installs below `target/ansible`, and what
//! it makes of inventories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What Ansible shows of one inventory.
pub(super) struct Shown {
    /// `--list`; `None` where it refuses.
    pub(super) list: Option<Value>,
    /// `--graph`.
    pub(super) graph: String,
    /// What each pattern selects, one name per line.
    pub(super) selected: Vec<String>,
}

/// What Ansible is asked of one inventory.
pub(super) struct Question {
    /// Where its files are.
    pub(super) directory: PathBuf,
    /// `-i`, each below that directory unless it has a comma.
    pub(super) sources: Vec<String>,
    /// Patterns to select hosts with.
    pub(super) patterns: Vec<String>,
}

/// Asks everything in one process, for starting one takes Ansible half a second.
///
/// # Panics
/// When Ansible is missing, or does not run.
pub(super) fn ask(questions: &[Question]) -> Vec<Shown> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ansible/bin/python");
    assert!(
        python.exists(),
        "`{}` is missing: run the tests by `tests/run`, which installs it",
        python.display()
    );
    let home = crate::lab::directory("ansible");
    let asked: Vec<Value> = questions
        .iter()
        .map(|question| {
            serde_json::json!({
                "directory": question.directory,
                "sources": question.sources,
                "patterns": question.patterns,
            })
        })
        .collect();
    let input = home.path().join("questions.json");
    fs::write(&input, Value::from(asked).to_string()).unwrap();
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/inventory/ask.py"))
        .arg(&input)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_LOCAL_TEMP", home.path().join("tmp"))
        .env("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "1")
        .env("ANSIBLE_DEPRECATION_WARNINGS", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Ansible does not run:\n{complaint}");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}\n{complaint}", String::from_utf8_lossy(&output.stdout))
    });
    assert_eq!(answers.len(), questions.len());
    answers.into_iter().map(shown).collect()
}

fn shown(answer: Value) -> Shown {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = answer["list"].as_str().map(|list| serde_json::from_str(list).unwrap());
    if list.is_none() {
        return Shown { list: None, graph: String::new(), selected: Vec::new() };
    }
    Shown {
        list,
        graph: text(&answer["graph"]),
        selected: answer["selected"].as_array().unwrap().iter().map(text).collect(),
    }
}
