//! Which handlers a task notifies on a host, now or when the results are there
//! that their names depend on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Serde, Value};

use super::error::PlanError;
use super::model::{DeferredNotify, Notify, PlannedTask, Registered, Role};
use super::task::HostTask;
use crate::diagnostic::Problem;
use crate::failure::{ErrorCode, Failure};
use crate::load::handler_help;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;

/// The handlers of a lane: the names that each goes by, and its place among the
/// lane's tasks.
pub(super) struct Handlers(Vec<(Vec<Arc<str>>, usize)>);

impl Handlers {
    /// Those among `tasks`. One goes by its name as written and as rendered.
    pub(super) fn among(tasks: &[PlannedTask]) -> Self {
        let handlers = tasks.iter().enumerate();
        let handlers = handlers.filter(|(_, task)| task.header.role == Role::Handler);
        Self(
            handlers
                .map(|(place, task)| {
                    (vec![Arc::clone(&task.header.name), Arc::clone(&task.name)], place)
                })
                .collect(),
        )
    }

    /// The place of the handler `name`, for a notice from the task at `from`.
    fn find(&self, name: &str, from: usize) -> Result<usize, PlanError> {
        let found = self.0.iter().find(|(names, _)| names.iter().any(|known| **known == *name));
        match found {
            Some((_, place)) if *place > from => Ok(*place),
            Some(_) => Err(PlanError::LateNotice { name: name.to_owned() }),
            None => {
                let known: Vec<&str> = self.0.iter().map(|(names, _)| &*names[1]).collect();
                let help = handler_help(name, &known);
                Err(PlanError::UnknownHandler { name: name.to_owned(), help })
            }
        }
    }
}

/// What the task at `place` of a lane notifies.
pub(super) fn notify(
    task: &HostTask,
    place: usize,
    handlers: &Arc<Handlers>,
    problems: &mut Vec<Problem>,
) -> Notify {
    match notified(task, place, handlers, None) {
        Ok(places) => Notify::Known(places),
        Err(Miss::Pending(name)) => {
            let (task, handlers) = (task.clone(), Arc::clone(handlers));
            Notify::Deferred(Arc::new(Later { task, place, handlers, awaits: [name.0] }))
        }
        Err(Miss::Problems(found)) => {
            problems
                .extend(found.into_iter().map(|problem| problem.on_host(&task.base.scope.host)));
            Notify::default()
        }
    }
}

fn notified(
    task: &HostTask,
    place: usize,
    handlers: &Handlers,
    results: Option<&Registered>,
) -> Result<Vec<usize>, Miss> {
    let Some(at) = &task.raw.value.notify else { return Ok(Vec::new()) };
    let registered: BTreeMap<Arc<str>, Value> = results
        .into_iter()
        .flat_map(Registered::iter)
        .map(|(name, value)| (name.into(), Value::from(Serde(value))))
        .collect();
    let pending = match results {
        Some(_) => Arc::default(),
        None => Arc::clone(&task.pending),
    };
    let frame = Frame::new(Arc::clone(&task.base.scope), task.layer.clone(), pending, registered);
    let mut places = Vec::new();
    let (mut problems, mut waiting) = (Vec::new(), None);
    for part in at.each() {
        match frame.value::<String>(&part, "`notify`") {
            Ok(name) => match handlers.find(&name, place) {
                Ok(found) => places.push(found),
                Err(error) => problems.push(Problem::new(error, part.span)),
            },
            Err(Miss::Pending(name)) => waiting = Some(name),
            Err(Miss::Problems(found)) => problems.extend(found),
        }
    }
    match (problems.is_empty(), waiting) {
        (false, _) => Err(Miss::Problems(problems)),
        (true, Some(name)) => Err(Miss::Pending(name)),
        (true, None) => Ok(places),
    }
}

/// Names of handlers that wait for results.
struct Later {
    task: HostTask,
    place: usize,
    handlers: Arc<Handlers>,
    awaits: [Arc<str>; 1],
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("awaits", &self.awaits).finish_non_exhaustive()
    }
}

impl DeferredNotify for Later {
    fn resolve(&self, registered: &Registered) -> Result<Vec<usize>, Failure> {
        let failure = |message| Failure::new(ErrorCode::TemplateFailed, message);
        match notified(&self.task, self.place, &self.handlers, Some(registered)) {
            Ok(places) => Ok(places),
            Err(Miss::Pending(name)) => {
                Err(failure(format!("`{}` has no result on this host", name.0)))
            }
            Err(Miss::Problems(found)) => {
                let sources = &self.task.base.scope.world.sources;
                let problem = found.first();
                let told = problem.map(|problem| problem.one_line(sources)).unwrap_or_default();
                Err(Failure { help: problem.and_then(Problem::advice), ..failure(told) })
            }
        }
    }

    fn awaits(&self) -> &[Arc<str>] {
        &self.awaits
    }
}
