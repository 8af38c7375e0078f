//! Guards: one shell command that tells whether a task has anything to do.
//!
//! Paths and commands travel as encoded arguments, so that any character in them
//! means itself to every login shell. Nothing that a guard prints is of interest;
//! what the script finds is a line of its own.

use super::quote::encode;
use super::{Cancel, Connection, Ending, Execution, PasswordWatch};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::{ExecOptions, Guards};

/// What the answer's line begins with.
const MARK: &str = "sshoal-guard:";

/// `there` tells whether a path or a pattern is there, be it a dangling link;
/// without field separators a pattern expands to names and to nothing else.
/// `holds` tells whether a command succeeds. No quote, backslash, newline or
/// exclamation mark may stand here: login shells disagree about them.
const FUNCTIONS: &str = "say() { echo \"sshoal-guard:$1\"; exit 0; }; \
    is() { [ -e \"$1\" ] || [ -h \"$1\" ]; }; \
    there() { f=$(printf %bx \"$1\"); f=${f%x}; \
    case $f in \"~\") f=$HOME;; \"~/\"*) f=$HOME/${f#\"~/\"};; esac; \
    if is \"$f\"; then return 0; fi; \
    case $f in *[*?[]*) ;; *) return 1;; esac; IFS=; \
    for g in $f; do if is \"$g\"; then return 0; fi; done; return 1; }; \
    holds() { c=$(printf %bx \"$1\"); \
    ( \"${SHELL:-/bin/sh}\" -c \"${c%x}\" ) </dev/null >/dev/null 2>&1; }; ";

/// Which guard holds a task back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// All paths of `creates` exist.
    Creates,
    /// No path of `removes` exists.
    Removes,
    /// The command of `unless` with this index succeeded.
    Unless(usize),
    /// The command of `only_if` with this index failed.
    OnlyIf(usize),
}

/// What asking the guards gave.
#[derive(Debug)]
pub struct Looked {
    /// The guard that holds the task back, if one does.
    pub held: Result<Option<HeldBack>, Failure>,
    /// Such as processes that could not be ended after a timeout.
    pub warnings: Vec<String>,
}

/// Asks `guards` by one command.
pub(super) fn ask<C: Connection + ?Sized>(
    connection: &mut C,
    guards: &Guards,
    options: &ExecOptions,
    passwords: &dyn PasswordWatch,
    cancel: &Cancel,
) -> Looked {
    let options = ExecOptions { script: None, stdin_open: false, ..options.clone() };
    let Execution { output, error, ending, warnings, .. } =
        connection.execute_watched(&line(guards), &options, true, passwords, cancel);
    let said = String::from_utf8_lossy(&output.bytes);
    let held = match ending {
        Ending::Failed(failure) => {
            let message = format!("while the task's guards were asked: {}", failure.message);
            Err(Failure { message, ..failure })
        }
        ending => said.lines().rev().find_map(read).ok_or_else(|| {
            let error = String::from_utf8_lossy(&error.bytes);
            let mut words = error.lines().chain(said.lines()).map(str::trim);
            let why = match (words.rfind(|line| !line.is_empty()), ending) {
                (Some(words), _) => words.to_owned(),
                (None, Ending::Exited(status)) => format!("the shell exited with status {status}"),
                (None, _) => "the shell was killed".to_owned(),
            };
            Failure::new(ErrorCode::ConditionFailed, format!("the guards gave no answer: {why}"))
                .with_help("check `working_directory`, and that the host has a POSIX shell")
        }),
    };
    Looked { held, warnings }
}

/// The command that asks `guards`.
fn line(guards: &Guards) -> String {
    let Guards { creates, removes, unless, only_if } = guards;
    let mut number = 0;
    let mut calls = |function: &str, texts: &[String]| -> Vec<String> {
        let call = texts.iter().map(|_| {
            number += 1;
            format!("{function} \"${{{number}}}\"")
        });
        call.collect()
    };
    let mut script = FUNCTIONS.to_owned();
    let all = calls("there", creates);
    if !all.is_empty() {
        script += &format!("{} && say creates; ", all.join(" && "));
    }
    let any = calls("there", removes);
    if !any.is_empty() {
        script += &format!("{} || say removes; ", any.join(" || "));
    }
    for (index, call) in calls("holds", unless).iter().enumerate() {
        script += &format!("{call} && say unless:{index}; ");
    }
    for (index, call) in calls("holds", only_if).iter().enumerate() {
        script += &format!("{call} || say only_if:{index}; ");
    }
    let texts = [creates, removes, unless, only_if].into_iter().flatten();
    let args: String = texts.map(|text| format!(" {}", encode(text))).collect();
    format!("/bin/sh -c '{script}say none' sshoal{args}")
}

fn read(line: &str) -> Option<Option<HeldBack>> {
    let (_, answer) = line.split_once(MARK)?;
    let (kind, index) = answer.trim_end().split_once(':').unwrap_or((answer.trim_end(), "0"));
    let index = index.parse().ok()?;
    match kind {
        "none" => Some(None),
        "creates" => Some(Some(HeldBack::Creates)),
        "removes" => Some(Some(HeldBack::Removes)),
        "unless" => Some(Some(HeldBack::Unless(index))),
        "only_if" => Some(Some(HeldBack::OnlyIf(index))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    /// What a real shell finds in a directory of its own.
    fn held(files: &[&str], guards: &Guards) -> Option<HeldBack> {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(directory.path().join(file), "").unwrap();
        }
        let line = line(guards);
        let output = Command::new("/bin/sh")
            .args(["-c", &line])
            .current_dir(directory.path())
            .env("HOME", directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.lines().rev().find_map(read).unwrap_or_else(|| panic!("no answer: {output:?}"))
    }

    fn creates(paths: &[&str]) -> Guards {
        Guards { creates: texts(paths), ..Guards::default() }
    }

    fn removes(paths: &[&str]) -> Guards {
        Guards { removes: texts(paths), ..Guards::default() }
    }

    #[test]
    fn a_path_is_there_whatever_its_characters() {
        for name in ["a b", "-n", "it's", "a\nb", "$(id)", "`id`", "*", "a\\b", "!x", "ä", "(", "~"]
        {
            let path = if name == "~" { "./~" } else { name };
            assert_eq!(held(&[name], &creates(&[path])), Some(HeldBack::Creates), "{name:?}");
            let other = if name == "*" { &[][..] } else { &["other"][..] };
            assert_eq!(held(other, &creates(&[path])), None, "{name:?}");
        }
        assert_eq!(held(&["x"], &creates(&["~/x"])), Some(HeldBack::Creates));
        assert_eq!(held(&[], &creates(&["~"])), Some(HeldBack::Creates));
    }

    #[test]
    fn patterns_find_names_and_run_nothing() {
        assert_eq!(held(&["app-1"], &creates(&["app-*"])), Some(HeldBack::Creates));
        assert_eq!(held(&["a b 1"], &creates(&["a b ?"])), Some(HeldBack::Creates));
        assert_eq!(held(&["app-1"], &creates(&["app-[2-9]"])), None);
        assert_eq!(held(&[], &creates(&["$(touch made)*"])), None);
        assert_eq!(held(&[], &removes(&["app-*"])), Some(HeldBack::Removes));
        assert_eq!(held(&["app-1"], &removes(&["app-*"])), None);
    }

    #[test]
    fn of_a_list_all_count_or_any() {
        assert_eq!(held(&["a"], &creates(&["a", "b"])), None);
        assert_eq!(held(&["a", "b"], &creates(&["a", "b"])), Some(HeldBack::Creates));
        assert_eq!(held(&["a"], &removes(&["a", "b"])), None);
        assert_eq!(held(&[], &removes(&["a", "b"])), Some(HeldBack::Removes));
        let many = |unless: &[&str], only_if: &[&str]| Guards {
            unless: texts(unless),
            only_if: texts(only_if),
            ..Guards::default()
        };
        let mut twelve = vec!["false"; 11];
        twelve.push("test 'a b' = \"a b\" && ! false");
        assert_eq!(held(&[], &many(&twelve, &[])), Some(HeldBack::Unless(11)));
        assert_eq!(held(&[], &many(&["false"], &["true", "exit 3"])), Some(HeldBack::OnlyIf(1)));
        assert_eq!(held(&[], &many(&["false"], &["echo sshoal-guard:creates; true"])), None);
        assert_eq!(held(&[], &many(&["cat"], &[])), Some(HeldBack::Unless(0)));
        assert_eq!(held(&[], &many(&["exit 1; echo 'x"], &["echo 'x\ny'"])), None);
    }
}
