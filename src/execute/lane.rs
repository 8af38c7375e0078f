//! One host's tasks of one play, in order, each to exactly one end.

use std::any::Any;
use std::borrow::Cow;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::Context;
use super::attempt::{Attempt, Gathered, interrupted};
use super::connections::Connections;
use super::record::{masked_failure, masked_name, now, registered, seconds};
use super::verdict::outcome_of;
use crate::event::{Event, Outcome, TaskRecord};
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::{Lane, PlannedTask, Registered, Resolution, Step, TaskBody};

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

/// A lane at work.
pub(super) struct LaneRun<'a> {
    pub(super) context: Context<'a>,
    pub(super) lane: &'a Lane,
    pub(super) host: &'a mut HostState,
}

/// How a task went, before it is put on record.
struct Conclusion {
    outcome: Outcome,
    error: Option<Failure>,
    attempts: u32,
    gathered: Gathered,
}

impl LaneRun<'_> {
    /// Runs every task to its end.
    pub(super) fn run(mut self) {
        let mut worst = Outcome::Skipped;
        for (index, task) in self.lane.tasks.iter().enumerate() {
            let began = (now(), Instant::now());
            let conclusion = self.run_task(index, task);
            let record = self.put_on_record(task, began, conclusion);
            worst = worst.worst(if record.ignored { Outcome::Ok } else { record.outcome });
            self.emit(|play, host| Event::TaskFinished { play, host, record: Box::new(record) });
        }
        let closed = guarded(|| self.host.connections.end_play());
        if let Err(failure) = closed {
            let message = masked_failure(&self.context.options.redactor, failure).message;
            self.emit(|_, host| Event::Warned { host: Some(host), message });
        }
        self.emit(|play, host| Event::HostFinished { play, host, outcome: worst });
    }

    fn run_task(&mut self, index: usize, task: &PlannedTask) -> Conclusion {
        if let Some(reason) = self.reason_not_to_run() {
            return Conclusion::without_attempt(Outcome::Cancelled, Some(reason));
        }
        match guarded(|| self.steps_of(task)).and_then(|steps| steps) {
            Ok(steps) if steps.iter().any(|step| !step.skip) => {
                self.attempt(task, &steps, step_after(self.lane, index))
            }
            Ok(_) => Conclusion::without_attempt(Outcome::Skipped, None),
            Err(failure) => Conclusion::without_attempt(outcome_of(failure.code), Some(failure)),
        }
    }

    fn reason_not_to_run(&self) -> Option<Failure> {
        if let Some(task) = &self.host.stopped_by {
            let message = format!("not run, because `{task}` failed");
            return Some(Failure::new(ErrorCode::Cancelled, message));
        }
        self.context.options.cancel.is_cancelled().then(interrupted)
    }

    /// What the task has to do on this host; nothing where it is skipped.
    fn steps_of<'t>(&self, task: &'t PlannedTask) -> Result<Cow<'t, [Step]>, Failure> {
        Ok(match &task.body {
            TaskBody::Skipped => Cow::Borrowed(&[]),
            TaskBody::Ready(steps) => Cow::Borrowed(steps),
            TaskBody::Deferred(body) => match body.resolve(&self.host.registered)? {
                Resolution::Skipped => Cow::Borrowed(&[]),
                Resolution::Steps { steps, secrets } => {
                    self.context.options.redactor.learn(&secrets);
                    Cow::Owned(steps)
                }
            },
        })
    }

    /// Tries the task once. Trying again, until a condition holds, is a loop
    /// around this.
    fn attempt(&mut self, task: &PlannedTask, steps: &[Step], next: Option<&Step>) -> Conclusion {
        let (id, name) = (task.header.id.clone(), self.name_of(task));
        self.emit(|play, host| Event::TaskStarted { play, host, task: id, name });
        let mut gathered = Gathered::default();
        let attempt = Attempt {
            context: &self.context,
            host: &self.lane.host,
            state: &mut *self.host,
            gathered: &mut gathered,
            keep_values: task.header.register.is_some(),
            next,
        };
        if let Err(failure) = guarded(|| attempt.run(steps)) {
            gathered.faults.add(failure);
        }
        let (outcome, error) = match std::mem::take(&mut gathered.faults).into_verdict() {
            Some((outcome, failure)) => (outcome, Some(failure)),
            None if gathered.changed => (Outcome::Changed, None),
            None => (Outcome::Ok, None),
        };
        Conclusion { outcome, error, attempts: 1, gathered }
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
            self.host.registered.insert(register.clone(), registered(outcome, gathered.values));
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
