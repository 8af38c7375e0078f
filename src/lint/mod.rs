//! What is suspicious in a playbook, though it may be meant: `sshoal check` tells it,
//! and nothing is kept from running.
//!
//! It must be quiet: where something cannot be told for sure, nothing is said.

mod names;
mod outputs;
mod secrets;
mod warning;

use std::collections::HashSet;
use std::path::Path;

pub use warning::LintWarning;

use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::playbook::{Condition, RawPlay, RawTask};
use crate::load::source::{Sources, Span};
use crate::load::values::HostKeyPolicyName;
use crate::load::{PlaybookContent, RawPlaybook};
use crate::plan::model::{Plan, TaskBody, TaskHeader};
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
    plays.iter().for_each(|play| idle_handlers(&play.value, &mut problems));
    outputs::untrimmed(sources, plays, &mut problems);
    if plan.is_none() {
        auto_add_in_ci(plays, &mut problems);
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
        if planned.lanes.is_empty() {
            continue;
        }
        for (index, header) in planned.tasks.iter().enumerate() {
            let Some(task) = written(&play.value, header) else { continue };
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

/// The task that a header is of: tags may have left out others.
fn written<'p>(play: &'p RawPlay, header: &TaskHeader) -> Option<&'p At<RawTask>> {
    let (_, number) = header.id.rsplit_once('.')?;
    let (tasks, number) = match number.strip_prefix('h') {
        Some(number) => (&play.handlers, number),
        None => (&play.tasks, number),
    };
    tasks.as_ref()?.value.get(number.parse::<usize>().ok()?.checked_sub(1)?)
}

/// Handlers that no task of their play notifies.
fn idle_handlers(play: &RawPlay, problems: &mut Vec<Problem>) {
    let mut notified = HashSet::new();
    for at in tasks(play).filter_map(|task| task.value.notify.as_ref()).flat_map(At::each) {
        match at.value {
            Templated::Value(name) => notified.insert(name),
            // It may be any of them.
            Templated::Template(_) => return,
        };
    }
    for handler in play.handlers.iter().flat_map(|handlers| &handlers.value) {
        let Some(At { value: Templated::Value(name), span, .. }) = &handler.value.name else {
            continue;
        };
        if !notified.contains(name) {
            let warning = LintWarning::IdleHandler { name: name.clone() };
            problems.push(Problem::new(warning, span.or(handler.span)));
        }
    }
}

/// The same where there is no plan, as far as the plays say it themselves.
fn auto_add_in_ci(plays: &[At<RawPlay>], problems: &mut Vec<Problem>) {
    for play in plays.iter().filter(|play| is_for_ci(&play.value)) {
        let args = play.value.connection_args.as_ref().map(|at| &at.value);
        if let Some(at) = args.and_then(|args| args.host_key_policy.as_ref())
            && at.value == Templated::Value(HostKeyPolicyName::AutoAdd)
        {
            let name = HostKeyPolicyName::NAMES[0];
            problems.push(Problem::new(LintWarning::AutoAdd { name }, at.span));
        }
    }
}

fn is_for_ci(play: &RawPlay) -> bool {
    play.tags.as_ref().is_some_and(|tags| tags.value.has(CI))
}

/// Plays for CI that would believe any host key.
fn unknown_keys_in_ci(plays: &[At<RawPlay>], plan: &Plan, problems: &mut Vec<Problem>) {
    if plays.len() != plan.plays.len() {
        return;
    }
    for (play, planned) in plays.iter().zip(&plan.plays) {
        if !is_for_ci(&play.value) {
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
