//! What is suspicious in a playbook, though it may be meant: `sshoal check` tells it,
//! and nothing is kept from running.
//!
//! It must be quiet: where something cannot be told for sure, nothing is said.

mod names;
mod secrets;
mod warning;

use std::collections::HashSet;
use std::path::Path;

pub use warning::LintWarning;

use crate::diagnostic::Problem;
use crate::load::decode::At;
use crate::load::playbook::{Condition, RawPlay, RawTask};
use crate::load::source::{Sources, Span};
use crate::load::values::HostKeyPolicyName;
use crate::load::{PlaybookContent, RawPlaybook};
use crate::plan::model::{Plan, TaskBody};
use crate::plan::spec::HostKeyPolicy;
use crate::resolve::mentions_a_variable;

/// The tag of plays that a CI system runs.
const CI: &str = "ci";

/// Looks at one playbook. `plan` is its plan over a whole inventory, where there is
/// one: what only some hosts would show must not be judged by fewer.
#[must_use]
pub fn playbook(sources: &Sources, playbook: &RawPlaybook, plan: Option<&Plan>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let PlaybookContent::Plays(plays) = &playbook.content else { return problems };
    names::unused(sources, plays, &mut problems);
    let mut constant = HashSet::new();
    for task in plays.iter().flat_map(|play| tasks(&play.value)) {
        if constant_condition(task, &mut problems) {
            constant.insert(task.span);
        }
    }
    if let Some(plan) = plan {
        never_run(plays, plan, &constant, &mut problems);
        unknown_keys_in_ci(plays, plan, &mut problems);
    }
    problems
}

/// Looks for secrets in plain text in every file read so far that `is_shared` says
/// others get to see.
#[must_use]
pub fn plain_secrets(sources: &Sources, is_shared: impl FnMut(&Path) -> bool) -> Vec<Problem> {
    secrets::plain(sources, is_shared)
}

/// A play's tasks and then its handlers, as a plan has them.
fn tasks(play: &RawPlay) -> impl Iterator<Item = &At<RawTask>> {
    play.tasks.iter().chain(&play.handlers).flat_map(|tasks| &tasks.value)
}

/// A condition that no variable has a part in. Says whether there was one.
fn constant_condition(task: &At<RawTask>, problems: &mut Vec<Problem>) -> bool {
    let Some(when) = &task.value.when else { return false };
    let mut found = false;
    for condition in when.each() {
        let value = match &condition.value {
            Condition::Constant(value) => Some(*value),
            Condition::Expression(text) if !mentions_a_variable(text) => None,
            Condition::Expression(_) => continue,
        };
        problems.push(Problem::new(LintWarning::constant(value), condition.span));
        found = true;
    }
    found
}

/// Tasks that are skipped on every host of their play.
fn never_run(
    plays: &[At<RawPlay>],
    plan: &Plan,
    constant: &HashSet<Option<Span>>,
    problems: &mut Vec<Problem>,
) {
    // Tags or limits leave plays and tasks out; then nothing can be paired.
    if plays.len() != plan.plays.len() {
        return;
    }
    for (play, planned) in plays.iter().zip(&plan.plays) {
        let written: Vec<_> = tasks(&play.value).collect();
        if written.len() != planned.tasks.len() || planned.lanes.is_empty() {
            continue;
        }
        for (index, task) in written.into_iter().enumerate() {
            let is_skipped = |body: &TaskBody| match body {
                TaskBody::Skipped => true,
                TaskBody::Ready(steps) => steps.iter().all(|step| step.skip),
                TaskBody::Deferred(_) => false,
            };
            let mut bodies = planned.lanes.iter().filter_map(|lane| lane.tasks.get(index));
            if !constant.contains(&task.span) && bodies.all(|task| is_skipped(&task.body)) {
                let when = task.value.when.as_ref().and_then(|when| when.span);
                let looped = task.value.loop_items.as_ref().and_then(|items| items.span);
                let hosts = planned.lanes.len();
                let warning = LintWarning::NeverRuns { hosts };
                problems.push(Problem::new(warning, when.or(looped).or(task.span)));
            }
        }
    }
}

/// Plays for CI that would believe any host key.
fn unknown_keys_in_ci(plays: &[At<RawPlay>], plan: &Plan, problems: &mut Vec<Problem>) {
    if plays.len() != plan.plays.len() {
        return;
    }
    for (play, planned) in plays.iter().zip(&plan.plays) {
        let tags = play.value.tags.as_ref().map(|tags| tags.value.0.as_slice());
        if !tags.unwrap_or_default().iter().any(|tag| tag == CI) {
            continue;
        }
        let steps =
            planned.lanes.iter().flat_map(|lane| &lane.tasks).flat_map(|task| match &task.body {
                TaskBody::Ready(steps) => steps.as_slice(),
                TaskBody::Skipped | TaskBody::Deferred(_) => &[],
            });
        let mut policies = steps.map(|step| step.connection.host_key_policy);
        if policies.any(|policy| policy == HostKeyPolicy::AutoAdd) {
            let args = play.value.connection_args.as_ref().map(|at| &at.value);
            let own = args.and_then(|args| args.host_key_policy.as_ref()).and_then(|at| at.span);
            let tags = play.value.tags.as_ref().and_then(|tags| tags.span);
            let name = HostKeyPolicyName::NAMES[0];
            problems.push(Problem::new(LintWarning::AutoAdd { name }, own.or(tags)));
        }
    }
}

#[cfg(test)]
mod tests;
