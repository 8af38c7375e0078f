//! Tasks that can only be rendered once results of the run are known.

use std::fmt;
use std::sync::Arc;

use super::model::{DeferredBody, Registered, Resolution};
use super::task::{Expansion, HostTask};
use crate::failure::{ErrorCode, Failure};

/// A task that waits for results of earlier ones.
pub(super) struct Deferred {
    pub(super) task: HostTask,
    pub(super) awaits: Vec<Arc<str>>,
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("awaits", &self.awaits).finish_non_exhaustive()
    }
}

impl DeferredBody for Deferred {
    fn resolve(&self, registered: &Registered) -> Result<Resolution, Failure> {
        match self.task.expand(Some(registered)) {
            Expansion::Skipped => Ok(Resolution::Skipped),
            Expansion::Steps(steps) => {
                let sources = &self.task.base.scope.world.sources;
                let warnings = self.task.store.take_warnings();
                let warnings = warnings.iter().map(|warning| warning.in_words(sources)).collect();
                Ok(Resolution::Steps { steps, warnings })
            }
            Expansion::Pending(names) => Ok(Resolution::Awaits(names)),
            Expansion::Wrong { problems, condition } => {
                let code = match condition {
                    true => ErrorCode::ConditionFailed,
                    false => ErrorCode::TemplateFailed,
                };
                let sources = &self.task.base.scope.world.sources;
                let mut failure = Failure::new(code, "the task cannot be rendered");
                if let Some(problem) = problems.first() {
                    failure.message = problem.one_line(sources);
                    failure.help = problem.advice();
                }
                Err(failure)
            }
        }
    }

    fn awaits(&self) -> &[Arc<str>] {
        &self.awaits
    }
}
