//! What a lane has to do with other hosts, whether it waits for a password that one of
//! them proves or for what one of them runs, and with its handlers.

use std::sync::Arc;

use rayon::ScopeFifo;

use super::attempt::interrupted;
use super::barrier::{Failed, Shared, Turn, not_run};
use super::canary::Credential;
use super::lane::LaneRun;
use crate::event::Outcome;
use crate::failure::Failure;
use crate::plan::model::{Notify, PlannedTask, Role, Step, TaskBody};

/// Whom a host runs a task for.
pub(super) enum Part {
    /// Itself, as hosts do unless the task says otherwise.
    ForItself,
    /// All of its batch.
    ForAll,
    /// Nobody: another host has run it, and this is how it went.
    Follower(Arc<Shared>),
}

impl<'a> LaneRun<'a> {
    /// Gives the lane back when `steps` may use their passwords.
    pub(super) fn enter_or_wait(self, steps: &[Step]) -> Option<Self> {
        if self.entered.is_some() {
            return Some(self);
        }
        let mut wanted = Vec::new();
        for step in steps.iter().filter(|step| !step.skip) {
            let is_connected = self.host.connections.has(step);
            let login = Credential::login(step).filter(|_| !is_connected);
            for credential in login.into_iter().chain(Credential::sudo(step)) {
                if !wanted.contains(&credential) {
                    wanted.push(credential);
                }
            }
        }
        if wanted.is_empty() {
            return Some(self);
        }
        let (parking, canaries) = (self.parking, self.context.canaries);
        parking.enter_or_wait(self, wanted, canaries)
    }

    /// Makes room for other lanes, now that the task has ended.
    pub(super) fn leave(&mut self, scope: &ScopeFifo<'a>) {
        let entered = self.entered.take().unwrap_or_default();
        if !entered.is_empty() {
            self.context.canaries.leave(&self.lane.host, entered);
            self.wake(scope);
        }
    }

    fn wake(&self, scope: &ScopeFifo<'a>) {
        self.parking.wake(self.context.canaries, &self.context.options.cancel, scope);
    }

    pub(super) fn reason_not_to_run(&self) -> Option<Failure> {
        if let Some(task) = &self.host.stopped_by {
            return Some(not_run(format!("`{task}` failed")));
        }
        if self.halted.is_some() {
            return self.halted.clone();
        }
        let is_cancelled = self.context.options.cancel.is_cancelled();
        is_cancelled
            .then(interrupted)
            .or_else(|| self.context.canaries.stopped())
            .or_else(|| self.context.abort.get().cloned())
    }

    /// Finds out whom the host runs `task` for. `None` when another host of the batch
    /// is to run it and has not yet: then the barrier has the lane.
    pub(super) fn take_part(self, task: &PlannedTask) -> Option<(Self, Part)> {
        if !task.header.run_once || self.reason_not_to_run().is_some() {
            return Some((self, Part::ForItself));
        }
        let (barrier, index) = (self.barrier, self.next);
        match barrier.turn(self, index) {
            Turn::Wait => None,
            Turn::Run(lane) => Some((lane, Part::ForAll)),
            Turn::Follow(lane, shared) => Some((lane, Part::Follower(shared))),
        }
    }

    /// Lets the other hosts of the batch know how the task `name` ended, as far as
    /// that matters to them.
    pub(super) fn tell_others(
        &mut self,
        task: &PlannedTask,
        name: Arc<str>,
        outcome: Outcome,
        part: &Part,
        scope: &ScopeFifo<'a>,
    ) {
        let failed = self.host.stopped_by.is_some();
        let host = &self.lane.host;
        let register = task.header.register.as_ref();
        match part {
            Part::ForItself => {}
            Part::ForAll => {
                let did = if failed { "failed" } else { "did not run" };
                let is_over = failed || outcome == Outcome::Cancelled;
                let shared = Shared {
                    value: register.and_then(|name| self.host.registered.get(name).cloned()),
                    failure: is_over
                        .then(|| not_run(format!("`{name}` {did} on `{host}` (`run_once`)"))),
                };
                self.barrier.share(self.next, shared, scope);
            }
            Part::Follower(shared) => {
                if let (Some(name), Some(value)) = (register, &shared.value) {
                    self.host.registered.insert(name.clone(), value.clone());
                }
            }
        }
        if self.reason_not_to_run().is_some() {
            let failed = failed.then(|| Failed { host: host.clone(), task: name });
            self.barrier.leave(self.place, failed, scope);
        }
    }

    /// The handlers that the task notifies if it changes something.
    pub(super) fn notices_of(&self, task: &PlannedTask) -> Result<Vec<usize>, Failure> {
        match &task.notify {
            Notify::Known(places) => Ok(places.clone()),
            Notify::Deferred(later) => later.resolve(&self.host.registered),
        }
    }

    /// The first step after the task at hand, if it is known by now that it is next.
    pub(super) fn step_after(&self) -> Option<&'a Step> {
        let tasks = &self.lane.tasks;
        for (place, task) in tasks.iter().enumerate().skip(self.next + 1) {
            // What other hosts do may keep it from being run here.
            if self.barrier.is_strict() || task.header.run_once {
                return None;
            }
            if task.header.role == Role::Handler && !self.notified.contains(&place) {
                continue;
            }
            match &task.body {
                TaskBody::Skipped => {}
                TaskBody::Ready(steps) => {
                    if let Some(step) = steps.iter().find(|step| !step.skip) {
                        return Some(step);
                    }
                }
                TaskBody::Deferred(_) => return None,
            }
        }
        None
    }
}
