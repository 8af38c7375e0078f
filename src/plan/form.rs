//! What is wrong with a playbook whatever its hosts are: the form of every template
//! of every task, also of those that run nowhere, and local files that are named
//! outright.

use std::sync::Arc;

use super::collect::Collect;
use super::error::PlanError;
use super::transfer;
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::playbook::{RawPlay, RawTask, Vars};
use crate::load::source::Span;
use crate::load::texts::Texts as _;
use crate::load::values::OperationName;
use crate::load::{PlaybookContent, RawPlaybook};
use crate::resolve::frame::Frame;
use crate::resolve::is_reserved;
use crate::resolve::scope::{Scope, World};

/// All that is wrong with a playbook on whatever host, and with its document.
#[must_use]
pub fn form(world: &Arc<World>, playbook: &RawPlaybook) -> Vec<Problem> {
    let frame = Frame::of_scope(Scope::of_run(world, ""));
    let mut problems = playbook.problems.clone();
    match &playbook.content {
        PlaybookContent::Plays(plays) => {
            plays.iter().for_each(|play| of_play(play, &frame, &mut problems));
        }
        PlaybookContent::Requests(requests) => {
            requests.texts(None, &mut |text| problems.extend(frame.form(text)));
            requests.iter().for_each(|task| of_task(&task.value, &frame, &mut problems));
        }
    }
    problems
}

fn of_play(play: &At<RawPlay>, frame: &Arc<Frame>, problems: &mut Vec<Problem>) {
    play.texts(None, &mut |text| problems.extend(frame.form(text)));
    let raw = &play.value;
    variables(raw.vars.as_ref(), problems);
    let tasks = raw.tasks.iter().chain(&raw.handlers).flat_map(|tasks| &tasks.value);
    tasks.for_each(|task| of_task(&task.value, frame, problems));
}

fn of_task(task: &RawTask, frame: &Arc<Frame>, problems: &mut Vec<Problem>) {
    files(task, frame, problems);
    variables(task.vars.as_ref(), problems);
    if let Some(register) = task.register.as_ref().filter(|at| is_reserved(&at.value)) {
        let (name, what) = (register.value.clone(), "result");
        problems.push(Problem::new(PlanError::ReservedName { name, what }, register.span));
    }
}

/// Variables that nobody would get to see, for their names have a meaning already.
fn variables(vars: Option<&At<Vars>>, problems: &mut Vec<Problem>) {
    let vars = vars.into_iter().flat_map(|vars| &vars.value.0);
    problems.extend(vars.filter(|(name, _)| is_reserved(name)).map(|(name, entry)| {
        let error = PlanError::ReservedName { name: name.clone(), what: "variable" };
        Problem::new(error, entry.key)
    }));
}

/// The file that a task uploads, where it is named outright.
fn files(task: &RawTask, frame: &Arc<Frame>, problems: &mut Vec<Problem>) {
    let Some(transfer) = task.transfer().map(|at| &at.value) else { return };
    let (Some(OperationName::Upload), Some(at)) =
        (literal(transfer.operation.as_ref()), transfer.local_path.as_ref())
    else {
        return;
    };
    let Some(path) = literal(Some(at)).filter(|path| !path.is_empty() && !path.contains('\0'))
    else {
        return;
    };
    let world = &frame.scope().world;
    let path = world.path(&path, at.span.map(|span| span.file));
    let flag = |at: &Option<At<Templated<bool>>>| match at {
        None => Some(false),
        at => literal(at.as_ref()),
    };
    let mut collect = Collect::default();
    match (flag(&transfer.template), flag(&transfer.recursive)) {
        (Some(true), Some(false)) => {
            if let Some(file) = transfer::template(&path, Some(at), frame, &mut collect) {
                let text = world.sources.get(file);
                collect.problems.extend(frame.form_of_file(&text.text, Span::whole(file)));
            }
        }
        (Some(false), Some(recursive)) => {
            transfer::check_source(&path, recursive, Some(at), &mut collect);
        }
        _ => {}
    }
    problems.extend(collect.problems);
}

fn literal<T: Clone>(at: Option<&At<Templated<T>>>) -> Option<T> {
    match &at?.value {
        Templated::Value(value) => Some(value.clone()),
        Templated::Template(_) => None,
    }
}
