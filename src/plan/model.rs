//! The plan of one run: what the planner hands to the executor.
//!
//! Everything that can be known before the first connection is checked and
//! rendered here; what needs a result of the run waits in a [`DeferredBody`].
//! The executor needs to know nothing of templates, inventories or files.

mod conduct;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use conduct::{Conduct, ResultCondition, Retry};
use indexmap::IndexMap;
use serde_json::Value;

pub use super::outline::Outline;
use super::spec::{Action, ConnectionSpec, QueueStrategy};
use crate::event::{ActionKind, HostName, TaskId};
use crate::failure::Failure;

/// A complete, checked plan of one run.
#[derive(Debug, Default)]
pub struct Plan {
    /// The plays, run one after the other.
    pub plays: Vec<PlannedPlay>,
    /// What the user should know before anything happens, one sentence each.
    pub warnings: Vec<String>,
}

/// One play: hosts and what each of them does.
#[derive(Debug)]
pub struct PlannedPlay {
    /// The play's name.
    pub name: Arc<str>,
    /// Its tasks, in order, and then its handlers, in order.
    pub tasks: Vec<Arc<TaskHeader>>,
    /// One per host, in the order in which the pattern selects them. No host has two.
    pub lanes: Vec<Lane>,
    /// How its hosts wait for each other.
    pub pace: Pace,
}

impl PlannedPlay {
    /// The batches, in order: where each begins and ends among the lanes.
    pub fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        let sizes = self.pace.batches.as_deref();
        let whole = [self.lanes.len()];
        let sizes = sizes.unwrap_or(&whole).to_vec();
        sizes.into_iter().scan(0, |end, size| {
            let start = *end;
            *end += size;
            Some(start..*end)
        })
    }
}

/// How the hosts of a play wait for each other. By default none does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pace {
    /// The sizes of the batches that run one after the other, which add up to all
    /// lanes; `None` without `serial`.
    pub batches: Option<Vec<usize>>,
    /// How many failures of a batch end the run.
    pub limit: FailureLimit,
}

/// How many hosts of a batch may fail before the run ends. Where there is a limit,
/// every host of the batch ends a task before any begins the next.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum FailureLimit {
    /// Any number.
    #[default]
    None,
    /// Not more than this share of a hundred (`max_fail_percentage`).
    Percent(f64),
    /// Not one (`any_errors_fatal`).
    Any,
}

/// What a task is on every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHeader {
    /// Play and task counted from one, as `2.3`, or `2.h3` for a handler.
    pub id: TaskId,
    /// The task's name as written; [`PlannedTask::name`] is the rendered one.
    pub name: Arc<str>,
    /// What the task does.
    pub action: ActionKind,
    /// The name that later tasks of the host know its result by.
    pub register: Option<Arc<str>>,
    /// Whether it runs in its turn, or only if notified.
    pub role: Role,
    /// Whether one host of the batch runs it for all.
    pub run_once: bool,
    /// Its tags, those of its play included.
    pub tags: Arc<[String]>,
}

/// When a task runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// In its turn.
    #[default]
    Task,
    /// After the tasks, on hosts where one that changed something has notified it.
    Handler,
}

/// One host's ordered tasks.
#[derive(Debug)]
pub struct Lane {
    /// The host's name in the inventory.
    pub host: HostName,
    /// Where it is reached: `address:port`, or `[address]:port` for IPv6.
    pub address: Arc<str>,
    /// One per task of the play, in order, and then one per handler.
    pub tasks: Vec<PlannedTask>,
    /// The same as written, for whoever shows them.
    pub outline: Outline,
}

/// A task of one host.
#[derive(Debug)]
pub struct PlannedTask {
    /// What the task is on every host.
    pub header: Arc<TaskHeader>,
    /// Its name on this host.
    pub name: Arc<str>,
    /// How long the result is kept; `None` keeps it.
    pub ttl: Option<Duration>,
    /// Whether nothing that the task says or is told may be shown.
    pub no_log: bool,
    /// Whether a failure leaves the host in the play.
    pub ignore_errors: bool,
    /// What there is to do.
    pub body: TaskBody,
    /// The handlers to run if it changes something.
    pub notify: Notify,
}

/// The handlers that a task notifies, by their places among the lane's tasks.
#[derive(Debug, Clone)]
pub enum Notify {
    /// These.
    Known(Vec<usize>),
    /// It depends on a registered result.
    Deferred(Arc<dyn DeferredNotify>),
}

impl Default for Notify {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

/// Names of handlers that can only be rendered once registered results are known.
pub trait DeferredNotify: Send + Sync + fmt::Debug {
    /// The handlers, by their places among the lane's tasks.
    ///
    /// # Errors
    /// A [`Failure`] with the code `TemplateFailed`; so is one for an unknown name.
    fn resolve(&self, registered: &Registered) -> Result<Vec<usize>, Failure>;

    /// The registered names that it waits for.
    fn awaits(&self) -> &[Arc<str>] {
        &[]
    }
}

/// What a task does on its host, as far as it is known before the run.
#[derive(Debug)]
pub enum TaskBody {
    /// Nothing: its `when` is known to be false.
    Skipped,
    /// One step without a `loop`, otherwise one per item. No step at all (an
    /// empty loop) counts as skipped.
    Ready(Vec<Step>),
    /// It mentions a registered result.
    Deferred(Arc<dyn DeferredBody>),
}

/// A task that can only be rendered once registered results are known.
pub trait DeferredBody: Send + Sync + fmt::Debug {
    /// Renders the task with the host's registered results so far.
    ///
    /// # Errors
    /// A [`Failure`] with the code `TemplateFailed` or `ConditionFailed`.
    fn resolve(&self, registered: &Registered) -> Result<Resolution, Failure>;

    /// The registered names that it waits for.
    fn awaits(&self) -> &[Arc<str>] {
        &[]
    }
}

/// What a deferred task turned out to be.
#[derive(Debug)]
pub enum Resolution {
    /// Nothing: its `when` is false.
    Skipped,
    /// As [`TaskBody::Ready`].
    Steps {
        /// What to do, in order.
        steps: Vec<Step>,
        /// What the user should know, one sentence each.
        warnings: Vec<String>,
    },
    /// It still waits for these results, of tasks that did not run.
    Awaits(Vec<Arc<str>>),
}

/// What to do for one loop item, or for a task without a loop.
#[derive(Debug, Clone)]
pub struct Step {
    /// The loop item; `None` without a loop.
    pub item: Option<Value>,
    /// Whether the item's own `when` is false. Nothing but the item counts then.
    pub skip: bool,
    /// Where to do it.
    pub connection: Arc<ConnectionSpec>,
    /// How long to keep the connection.
    pub strategy: QueueStrategy,
    /// What to do.
    pub action: Action,
    /// What is special about how to do it; `None` where nothing is.
    pub conduct: Option<Arc<Conduct>>,
}

/// The registered results of one host so far: by name, values of the shape
/// `{output, error, exit_status, ok, changed, failed, skipped, results: […]}`.
///
/// They hold what the host really answered, unmasked, for templates need it;
/// never show them.
#[derive(Clone, Default)]
pub struct Registered(IndexMap<Arc<str>, Value>);

impl Registered {
    /// The result registered as `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Those of `names` that have no result.
    #[must_use]
    pub fn missing(&self, names: &BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
        names.iter().filter(|name| !self.0.contains_key(*name)).cloned().collect()
    }

    /// Forgets what is registered as `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.shift_remove(name);
    }

    /// Registers `result` as `name`, in place of an earlier one.
    pub fn insert(&mut self, name: Arc<str>, result: Value) {
        self.0.insert(name, result);
    }

    /// All results, in the order in which their names first appeared.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

/// Shows names only: results are unmasked.
impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
