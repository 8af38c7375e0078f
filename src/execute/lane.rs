//! One host's tasks of one play, in order, each to exactly one end.

use std::any::Any;
use std::borrow::Cow;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use rayon::ScopeFifo;

use super::attempt::{Attempt, Gathered, interrupted};
use super::canary::Credential;
use super::connections::Connections;
use super::known::Known;
use super::parking::{CloseOnPanic, Parking};
use super::record::{joined, masked, masked_failure, masked_name, now, registered, seconds};
use super::verdict::outcome_of;
use super::{Context, retry};
use crate::event::{Event, Outcome, TaskRecord};
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::{Lane, PlannedTask, Registered, Step, TaskBody};

/// What a host keeps from play to play.
#[derive(Default)]
pub(super) struct HostState {
    pub(super) registered: Registered,
    pub(super) connections: Connections,
    /// The warnings that the user has seen about this host.
    pub(super) warned: HashSet<String>,
    /// The task whose failure took the host out of the run.
    stopped_by: Option<Arc<str>>,
}

/// A lane at work. While it waits for a password to be proven, this is all there
/// is of it: no thread.
pub(super) struct LaneRun<'a> {
    context: Context<'a>,
    parking: &'a Parking<'a>,
    /// Where the lane stands in the play.
    pub(super) place: usize,
    lane: &'a Lane,
    host: &'a mut HostState,
    /// Index of the task to begin next.
    next: usize,
    worst: Outcome,
    /// The passwords on trial that the task to begin next may use, once there is
    /// room for it.
    pub(super) entered: Option<Vec<Credential>>,
}

/// How a task went, before it is put on record.
struct Conclusion {
    outcome: Outcome,
    error: Option<Failure>,
    attempts: u32,
    gathered: Gathered,
}

impl<'a> LaneRun<'a> {
    /// A lane before its first task.
    pub(super) fn new(
        context: Context<'a>,
        parking: &'a Parking<'a>,
        place: usize,
        lane: &'a Lane,
        host: &'a mut HostState,
    ) -> Self {
        let worst = Outcome::Skipped;
        Self { context, parking, place, lane, host, next: 0, worst, entered: None }
    }

    /// Runs every task to its end, or as far as the passwords go that it may use:
    /// then `parking` has the lane.
    pub(super) fn run(self, scope: &ScopeFifo<'a>) {
        let _others = CloseOnPanic::new(self.parking);
        self.go_on(scope);
    }

    fn go_on(mut self, scope: &ScopeFifo<'a>) {
        let lane = self.lane;
        while let Some(task) = lane.tasks.get(self.next) {
            let began = (now(), Instant::now());
            let conclusion = match self.steps_to_run(task) {
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
            self.emit(|play, host| Event::TaskFinished { play, host, record: Box::new(record) });
            self.next += 1;
        }
        let closed = guarded(|| self.host.connections.end_play());
        if let Err(failure) = closed {
            let message = masked_failure(&self.context.options.redactor, failure).message;
            self.emit(|_, host| Event::Warned { host: Some(host), message });
        }
        let outcome = self.worst;
        self.emit(|play, host| Event::HostFinished { play, host, outcome });
    }

    /// What there is to do for the task, or how it ends without being begun.
    fn steps_to_run<'t>(&self, task: &'t PlannedTask) -> Result<Cow<'t, [Step]>, Box<Conclusion>> {
        let without_attempt =
            |outcome, error| Err(Box::new(Conclusion::without_attempt(outcome, error)));
        if let Some(reason) = self.reason_not_to_run() {
            return without_attempt(Outcome::Cancelled, Some(reason));
        }
        match guarded(|| Known::of(task, &self.host.registered, &self.context))
            .and_then(|known| known)
        {
            Ok(Known::Not(note)) => Err(Box::new(Conclusion::unknown(note))),
            Ok(Known::Steps(steps)) if steps.iter().any(|step| !step.skip) => Ok(steps),
            Ok(Known::Steps(_)) => without_attempt(Outcome::Skipped, None),
            Err(failure) => without_attempt(outcome_of(failure.code), Some(failure)),
        }
    }

    /// Gives the lane back when `steps` may use their passwords.
    fn enter_or_wait(self, steps: &[Step]) -> Option<Self> {
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
    fn leave(&mut self, scope: &ScopeFifo<'a>) {
        let entered = self.entered.take().unwrap_or_default();
        if !entered.is_empty() {
            self.context.canaries.leave(&self.lane.host, entered);
            self.wake(scope);
        }
    }

    fn wake(&self, scope: &ScopeFifo<'a>) {
        self.parking.wake(self.context.canaries, &self.context.options.cancel, scope);
    }

    fn reason_not_to_run(&self) -> Option<Failure> {
        if let Some(task) = &self.host.stopped_by {
            let message = format!("not run, because `{task}` failed");
            return Some(Failure::new(ErrorCode::Cancelled, message));
        }
        let is_cancelled = self.context.options.cancel.is_cancelled();
        is_cancelled.then(interrupted).or_else(|| self.context.canaries.stopped())
    }

    /// Tries the task: each step as often as it is to be tried.
    fn attempt(&mut self, task: &PlannedTask, steps: &[Step], scope: &ScopeFifo<'a>) -> Conclusion {
        let (id, name) = (task.header.id.clone(), self.name_of(task));
        self.emit(|play, host| Event::TaskStarted { play, host, task: id, name });
        let mut gathered = Gathered::default();
        let (parking, canaries) = (self.parking, self.context.canaries);
        let cancel = &self.context.options.cancel;
        let attempt = Attempt {
            context: &self.context,
            host: &self.lane.host,
            state: &mut *self.host,
            gathered: &mut gathered,
            keep_values: task.header.register.is_some() || steps.iter().any(retry::is_judged),
            wake: &|| parking.wake(canaries, cancel, scope),
            next: step_after(self.lane, self.next),
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
        let ignored = outcome.is_failure() && header.ignore_errors;
        if outcome.is_failure() && !ignored {
            self.host.stopped_by = Some(name.clone());
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
            error: error.map(|failure| masked_failure(redactor, failure)),
            note: joined(gathered.notes).map(|note| masked(redactor, note)),
        }
    }

    fn name_of(&self, task: &PlannedTask) -> Arc<str> {
        masked_name(&self.context.options.redactor, &task.name)
    }

    fn emit(&self, event: impl FnOnce(usize, Arc<str>) -> Event) {
        self.context.emit(event(self.context.play, self.lane.host.clone()));
    }
}

impl Conclusion {
    fn without_attempt(outcome: Outcome, error: Option<Failure>) -> Self {
        Self { outcome, error, attempts: 0, gathered: Gathered::default() }
    }

    /// Of a task that check mode can say nothing about.
    fn unknown(note: String) -> Self {
        let gathered = Gathered { notes: vec![note], unknown: true, ..Gathered::default() };
        Self { outcome: Outcome::Skipped, error: None, attempts: 0, gathered }
    }
}

/// The first step after task `index`, if it is known by now.
fn step_after(lane: &Lane, index: usize) -> Option<&Step> {
    for task in &lane.tasks[index + 1..] {
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

/// Turns a panic into a failure: a defect met on one host must not end the run
/// for the others.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        Failure::new(ErrorCode::Internal, format!("sshoal itself failed: {}", words_of(&*panic)))
            .with_help("this is a defect; please report it together with the task that shows it")
    })
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
