//! What is known of a task when its turn comes.

use std::borrow::Cow;

use super::record::masked;
use super::{Context, RunMode, check};
use crate::event::Event;
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::{PlannedTask, Registered, Resolution, Step, TaskBody};

/// What is known of a task when its turn comes.
pub(super) enum Known<'t> {
    /// What there is to do; nothing where it is skipped.
    Steps(Cow<'t, [Step]>),
    /// That it cannot be known, and why.
    Not(String),
}

impl<'t> Known<'t> {
    /// What is known of `task` with the host's results so far.
    pub(super) fn of(
        task: &'t PlannedTask,
        registered: &Registered,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        Ok(Self::Steps(match &task.body {
            TaskBody::Skipped => Cow::Borrowed(&[]),
            TaskBody::Ready(steps) => Cow::Borrowed(steps),
            TaskBody::Deferred(body) => match body.resolve(registered)? {
                Resolution::Skipped => Cow::Borrowed(&[]),
                Resolution::Steps { steps, warnings } => {
                    for warning in warnings {
                        let message = masked(&context.options.redactor, warning);
                        context.emit(Event::Warned { host: None, message });
                    }
                    Cow::Owned(steps)
                }
                Resolution::Awaits(names) if context.options.mode == RunMode::Check => {
                    return Ok(Self::Not(check::awaits(&names)));
                }
                Resolution::Awaits(names) => {
                    let message = format!("`{}` has no result on this host", names.join("`, `"));
                    return Err(Failure::new(ErrorCode::TemplateFailed, message));
                }
            },
        }))
    }
}
