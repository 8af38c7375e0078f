//! One host's tasks of one play, in order, each to exactly one end.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use rayon::ScopeFifo;

use super::attempt::{Attempt, Gathered};
use super::barrier::Barrier;
use super::canary::Credential;
use super::censor::{censored_failure, censored_note};
use super::conclusion::Conclusion;
use super::connections::Connections;
use super::guard::guarded;
use super::known::Known;
use super::parking::{CloseOnPanic, Parking};
use super::record::{joined, masked, masked_failure, masked_name, now, registered, seconds};
use super::together::Part;
use super::verdict::outcome_of;
use super::{Context, retry};
use crate::event::{Event, Outcome, TaskRecord};
use crate::failure::Failure;
use crate::plan::model::{Lane, PlannedTask, Registered, Role, Step};

/// What a host keeps from play to play.
#[derive(Default)]
pub(super) struct HostState {
    pub(super) registered: Registered,
    pub(super) connections: Connections,
    /// The warnings that the user has seen about this host.
    pub(super) warned: HashSet<String>,
    /// The task whose failure took the host out of the run.
    pub(super) stopped_by: Option<Arc<str>>,
}

impl HostState {
    /// Whether the host is still in the run.
    pub(super) fn is_in_play(&self) -> bool {
        self.stopped_by.is_none()
    }
}

/// A lane at work. While it waits for a password to be proven, or for other hosts,
/// this is all there is of it: no thread.
pub(super) struct LaneRun<'a> {
    pub(super) context: Context<'a>,
    pub(super) parking: &'a Parking<'a>,
    pub(super) barrier: &'a Barrier<'a>,
    /// Where the lane stands in its batch.
    pub(super) place: usize,
    pub(super) lane: &'a Lane,
    pub(super) host: &'a mut HostState,
    /// Index of the task to begin next.
    pub(super) next: usize,
    worst: Outcome,
    /// The handlers that were notified, by their places among the lane's tasks.
    pub(super) notified: HashSet<usize>,
    /// Those that the task being run notifies if it changes something.
    notices: Vec<usize>,
    /// Why the host runs no further task, where that is due to another host.
    pub(super) halted: Option<Failure>,
    /// The passwords on trial that the task to begin next may use, once there is
    /// room for it.
    pub(super) entered: Option<Vec<Credential>>,
}

impl<'a> LaneRun<'a> {
    /// A lane before its first task.
    pub(super) fn new(
        context: Context<'a>,
        parking: &'a Parking<'a>,
        barrier: &'a Barrier<'a>,
        place: usize,
        lane: &'a Lane,
        host: &'a mut HostState,
    ) -> Self {
        Self {
            context,
            parking,
            barrier,
            place,
            lane,
            host,
            next: 0,
            worst: Outcome::Skipped,
            notified: HashSet::new(),
            notices: Vec::new(),
            halted: None,
            entered: None,
        }
    }

    /// Runs every task to its end, or as far as the passwords go that it may use,
    /// or as far as other hosts let it: then `parking` or `barrier` has the lane.
    pub(super) fn run(self, scope: &ScopeFifo<'a>) {
        let _others = CloseOnPanic::new(self.parking, self.barrier);
        self.go_on(scope);
    }

    fn go_on(mut self, scope: &ScopeFifo<'a>) {
        let lane = self.lane;
        while let Some(task) = lane.tasks.get(self.next) {
            let part;
            (self, part) = match self.take_part(task) {
                Some(taken) => taken,
                None => return,
            };
            let began = (now(), Instant::now());
            let conclusion = match self.steps_to_run(task, &part) {
                Ok(steps) => {
                    let Some(ready) = self.enter_or_wait(&steps) else { return };
                    self = ready;
                    // Asked again: room may be what the host left whose answer
                    // has just ended the run.
                    match self.reason_not_to_run() {
                        Some(reason) => {
                            Conclusion::without_attempt(Outcome::Cancelled, Some(reason))
                        }
                        None => self.attempt(task, &steps, scope),
                    }
                }
                Err(conclusion) => *conclusion,
            };
            self.leave(scope);
            let record = self.put_on_record(task, began, conclusion);
            self.worst =
                self.worst.worst(if record.ignored { Outcome::Ok } else { record.outcome });
            let (name, outcome) = (record.name.clone(), record.outcome);
            self.emit(|play, host| Event::TaskFinished { play, host, record: Box::new(record) });
            self.tell_others(task, name, outcome, &part, scope);
            self.next += 1;
            match self.barrier.arrive(self, scope) {
                Some(lane) => self = lane,
                None => return,
            }
        }
        self.barrier.leave(self.place, None, scope);
        let closed = guarded(|| self.host.connections.end_play());
        if let Err(failure) = closed {
            let message = masked_failure(&self.context.options.redactor, failure).message;
            self.emit(|_, host| Event::Warned { host: Some(host), message });
        }
        let outcome = self.worst;
        self.emit(|play, host| Event::HostFinished { play, host, outcome });
    }

    /// What there is to do for the task, or how it ends without being begun.
    fn steps_to_run<'t>(
        &mut self,
        task: &'t PlannedTask,
        part: &Part,
    ) -> Result<Cow<'t, [Step]>, Box<Conclusion>> {
        let without_attempt =
            |outcome, error| Err(Box::new(Conclusion::without_attempt(outcome, error)));
        if let Some(reason) = self.reason_not_to_run() {
            return without_attempt(Outcome::Cancelled, Some(reason));
        }
        self.notices.clear();
        if let Part::Follower(shared) = part {
            self.halted = shared.failure.clone();
            return match shared.failure.clone() {
                None => without_attempt(Outcome::Skipped, None),
                failure => without_attempt(Outcome::Cancelled, failure),
            };
        }
        if task.header.role == Role::Handler && !self.notified.contains(&self.next) {
            return without_attempt(Outcome::Skipped, None);
        }
        match guarded(|| Known::of(task, &self.host.registered, &self.context))
            .and_then(|known| known)
        {
            Ok(Known::Not(note)) => Err(Box::new(Conclusion::unknown(note))),
            Ok(Known::Steps(steps)) if steps.iter().any(|step| !step.skip) => {
                // Asked before anything runs: a handler that is not there is better
                // known before the change than after it.
                match guarded(|| self.notices_of(task)).and_then(|notices| notices) {
                    Ok(notices) => self.notices = notices,
                    Err(failure) => {
                        return without_attempt(outcome_of(failure.code), Some(failure));
                    }
                }
                Ok(steps)
            }
            Ok(Known::Steps(_)) => without_attempt(Outcome::Skipped, None),
            Err(failure) => without_attempt(outcome_of(failure.code), Some(failure)),
        }
    }

    /// Tries the task: each step as often as it is to be tried.
    fn attempt(&mut self, task: &PlannedTask, steps: &[Step], scope: &ScopeFifo<'a>) -> Conclusion {
        let (id, name) = (task.header.id.clone(), self.name_of(task));
        self.emit(|play, host| Event::TaskStarted { play, host, task: id, name });
        let mut gathered = Gathered::default();
        let next = self.step_after();
        let (parking, canaries) = (self.parking, self.context.canaries);
        let cancel = &self.context.options.cancel;
        let attempt = Attempt {
            context: &self.context,
            host: &self.lane.host,
            state: &mut *self.host,
            gathered: &mut gathered,
            no_log: task.no_log,
            keep_values: task.header.register.is_some() || steps.iter().any(retry::is_judged),
            wake: &|| parking.wake(canaries, cancel, scope),
            next,
        };
        if let Err(failure) = guarded(|| attempt.run(steps)) {
            gathered.faults.add(failure);
        }
        let (outcome, error) = match std::mem::take(&mut gathered.faults).into_verdict() {
            Some((outcome, failure)) => (outcome, Some(failure)),
            None if !gathered.ran => (Outcome::Skipped, None),
            None if gathered.changed => (Outcome::Changed, None),
            None => (Outcome::Ok, None),
        };
        Conclusion { outcome, error, attempts: gathered.attempts, gathered }
    }

    fn put_on_record(
        &mut self,
        task: &PlannedTask,
        (started_at, began): (Timestamp, Instant),
        conclusion: Conclusion,
    ) -> TaskRecord {
        let Conclusion { outcome, error, attempts, gathered } = conclusion;
        let header = &task.header;
        let name = self.name_of(task);
        // A host that cannot be reached can do nothing that follows either.
        let ignored = task.ignore_errors && outcome.is_failure() && outcome != Outcome::Unreachable;
        if outcome.is_failure() && !ignored {
            self.host.stopped_by = Some(name.clone());
        }
        if outcome == Outcome::Changed {
            self.notified.extend(self.notices.drain(..));
        }
        if let Some(register) = &header.register
            && outcome != Outcome::Cancelled
        {
            match gathered.unknown {
                true => self.host.registered.remove(register),
                false => {
                    let value = registered(outcome, gathered.values);
                    self.host.registered.insert(register.clone(), value);
                }
            }
        }
        let redactor = &self.context.options.redactor;
        TaskRecord {
            id: header.id.clone(),
            name,
            action: header.action,
            outcome,
            ignored,
            attempts,
            started_at,
            duration_seconds: seconds(began.elapsed()),
            expires_at: task.ttl.and_then(|ttl| now().checked_add(ttl).ok()),
            results: gathered.results,
            error: error.map(|failure| match task.no_log {
                true => censored_failure(failure),
                false => masked_failure(redactor, failure),
            }),
            note: joined(gathered.notes).map(|note| match task.no_log {
                true => censored_note(),
                false => masked(redactor, note),
            }),
        }
    }

    fn name_of(&self, task: &PlannedTask) -> Arc<str> {
        masked_name(&self.context.options.redactor, &task.name)
    }

    fn emit(&self, event: impl FnOnce(usize, Arc<str>) -> Event) {
        self.context.emit(event(self.context.play, self.lane.host.clone()));
    }
}
