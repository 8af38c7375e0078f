//! What a task is called and how its result is treated, on one host.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::task::HostTask;
use crate::diagnostic::Problem;
use crate::load::decode::Templated;
use crate::load::playbook::LoopItems;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;

const IGNORE_ADVICE: &str = "`ignore_errors` is known before the run, once for all items: it sees the variables of the host, but no results and no `item`";

impl HostTask {
    /// What the task sees besides results, for what is not part of its steps.
    fn outline(&self) -> Arc<Frame> {
        let scope = Arc::clone(&self.base.scope);
        let pending = Arc::clone(&self.pending);
        let frame = Frame::new(scope, self.layer.clone(), pending, BTreeMap::new());
        match self.raw.value.loop_items {
            Some(_) => self.with_coming_item(&frame),
            None => frame,
        }
    }

    /// The frame for the items of the task's loop, which are not known.
    pub(super) fn with_coming_item(&self, frame: &Arc<Frame>) -> Arc<Frame> {
        let items = self.raw.value.loop_items.as_ref();
        frame.with_coming_item(items.and_then(|at| match &at.value {
            LoopItems::Template(text) => Some((text.as_str(), at.span)),
            LoopItems::List(_) => None,
        }))
    }

    /// The task's name on this host; `None` when it waits for a result.
    pub(super) fn name(&self, problems: &mut Vec<Problem>) -> Option<Arc<str>> {
        let at = self.raw.value.name.as_ref()?;
        match self.outline().value(at, "`name`") {
            Ok(name) => Some(name.into()),
            Err(Miss::Pending(_)) => None,
            Err(Miss::Problems(found)) => {
                problems.extend(
                    found.into_iter().map(|problem| problem.on_host(&self.base.scope.host)),
                );
                None
            }
        }
    }

    /// How long the result is kept.
    pub(super) fn ttl(&self, problems: &mut Vec<Problem>) -> Option<Duration> {
        let at = self.options().ttl?;
        match self.outline().value(&at, "`ttl`") {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(Miss::Pending(_)) => None,
            Err(Miss::Problems(found)) => {
                problems.extend(
                    found.into_iter().map(|problem| problem.on_host(&self.base.scope.host)),
                );
                None
            }
        }
    }

    /// Whether a failure leaves the host in the play, which has to be known before
    /// the task runs and holds for all of its items.
    pub(super) fn ignores_errors(&self, is_skipped: bool, problems: &mut Vec<Problem>) -> bool {
        let Some(at) = &self.raw.value.ignore_errors else { return false };
        match &at.value {
            Templated::Value(ignores) => return *ignores,
            Templated::Template(_) if is_skipped => return false,
            Templated::Template(_) => {}
        }
        let mut scope = Scope::clone(&self.base.scope);
        scope.advice = Some(IGNORE_ADVICE);
        let scope = Arc::new(scope);
        let frame = Frame::new(scope, self.layer.clone(), Arc::default(), BTreeMap::new());
        match frame.value(at, "`ignore_errors`") {
            Ok(ignores) => ignores,
            Err(Miss::Pending(_)) => false,
            Err(Miss::Problems(found)) => {
                problems.extend(
                    found.into_iter().map(|problem| problem.on_host(&self.base.scope.host)),
                );
                false
            }
        }
    }

    /// Whether nothing that the task says may be shown. What is not known yet, or
    /// not worth knowing because the task is skipped, counts as true.
    pub(super) fn no_log(&self, is_skipped: bool, problems: &mut Vec<Problem>) -> bool {
        let Some(at) = &self.raw.value.no_log else { return false };
        match &at.value {
            Templated::Value(no_log) => return *no_log,
            Templated::Template(_) if is_skipped => return true,
            Templated::Template(_) => {}
        }
        match self.outline().value(at, "`no_log`") {
            Ok(no_log) => no_log,
            Err(Miss::Pending(_)) => true,
            Err(Miss::Problems(found)) => {
                problems.extend(
                    found.into_iter().map(|problem| problem.on_host(&self.base.scope.host)),
                );
                true
            }
        }
    }
}
