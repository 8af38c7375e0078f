//! Outputs that are compared as if they did not end with a newline.

use std::collections::HashSet;

use super::{LintWarning, tasks};
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::part;
use crate::load::playbook::{RawPlay, RawTask};
use crate::load::source::Sources;
use crate::load::texts::Texts as _;
use crate::resolve::compared;

/// What a task's own result is called where nothing registers it.
const OWN: &str = "result";

/// Words of commands whose output may well end without a newline.
const WITHOUT_NEWLINE: [&str; 6] = ["printf", "-n", "-ne", "-en", "tr", "head"];

/// Reports comparisons of the output of a command that never hold, or always.
pub(super) fn untrimmed(sources: &Sources, plays: &[At<RawPlay>], problems: &mut Vec<Problem>) {
    let all = || plays.iter().flat_map(|play| tasks(&play.value)).map(|task| &task.value);
    let registered = |ends: bool| -> HashSet<&str> {
        let tasks = all().filter(|task| ends_with_newline(task) == ends);
        tasks.filter_map(|task| task.register.as_ref()).map(|name| name.value.as_str()).collect()
    };
    let (mut known, unknown) = (registered(true), registered(false));
    known.retain(|name| !unknown.contains(name));
    let mut places = HashSet::new();
    for task in all() {
        let is_own = |name: &str| {
            name == OWN
                && task.register.is_none()
                && !unknown.contains(OWN)
                && ends_with_newline(task)
        };
        task.texts(None, &mut |text| {
            for found in compared::of(text.text, text.is_condition) {
                if !known.contains(found.name.as_str()) && !is_own(&found.name) {
                    continue;
                }
                let span = text.span.map(|span| {
                    let source = sources.get(span.file);
                    part(&source.text, span, text.text, found.range).unwrap_or(span)
                });
                // What an import hands on stands on each of its tasks.
                if places.insert(span) {
                    let what = format!("{}.{}", found.name, found.stream);
                    problems.push(Problem::new(LintWarning::Untrimmed { what }, span));
                }
            }
        });
    }
}

/// Whether what a task prints ends with a newline, as far as its commands tell.
fn ends_with_newline(task: &RawTask) -> bool {
    let commands = [&task.command, &task.config].into_iter().flatten().flat_map(At::each);
    let commands: Vec<_> = commands.map(|at| at.value).collect();
    let is_plain = |command: &Templated<String>| {
        let (Templated::Value(text) | Templated::Template(text)) = command;
        let mut words = text.split(|c: char| c.is_whitespace() || "|;&(".contains(c));
        !words.any(|word| WITHOUT_NEWLINE.contains(&word))
    };
    task.transfer().is_none() && !commands.is_empty() && commands.iter().all(is_plain)
}
