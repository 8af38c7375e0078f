//! One task of one host: rendered as far as it can be, now or when the results
//! that it waits for are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use minijinja::value::{Serde, Value, ValueKind};

use super::collect::Collect;
use super::error::PlanError;
use super::model::{DeferredBody, Registered, Resolution, Step};
use super::spec::{Action, ConnectionSpec, QueueStrategy};
use super::store::Store;
use super::{action, connection};
use crate::diagnostic::Problem;
use crate::failure::{ErrorCode, Failure};
use crate::load::decode::{At, OneOrMany};
use crate::load::layer::Layer;
use crate::load::playbook::{Condition, LoopItems, RawTask};
use crate::load::request::{ConnectionArgs, DriverArgs, Options, QueueStrategyName};
use crate::resolve::render::Miss;
use crate::resolve::scope::{Frame, Scope};

/// Request arguments that no task's own stand in: those from command-line flags.
#[derive(Debug, Clone, Default)]
pub struct FlagArgs {
    /// `-u`, `-k`, `--private-key`, `-T`, `--host-key-policy`.
    pub connection: ConnectionArgs,
    /// `-K`.
    pub driver: DriverArgs,
}

/// What all tasks of a host in a play share.
#[derive(Debug)]
pub(super) struct HostBase {
    /// Its variables.
    pub(super) scope: Arc<Scope>,
    /// Where it is reached unless `connection_args.host` says otherwise; requests
    /// must say so themselves.
    pub(super) default_address: Option<Arc<str>>,
    /// Merged from inventory, play and variable files.
    pub(super) connection: ConnectionArgs,
    /// Merged from inventory, play and variable files.
    pub(super) driver: DriverArgs,
    /// Merged from inventory, play and variable files.
    pub(super) options: Options,
    /// The connection of every task without `connection_args` of its own, built once.
    pub(super) spec: OnceLock<Option<Arc<ConnectionSpec>>>,
}

/// One task of one host, before rendering.
pub(super) struct HostTask {
    pub(super) base: Arc<HostBase>,
    pub(super) raw: Arc<At<RawTask>>,
    /// The task's own variables.
    pub(super) layer: Option<Arc<Layer>>,
    /// Names that earlier tasks register.
    pub(super) pending: Arc<BTreeSet<Arc<str>>>,
    pub(super) flags: Arc<FlagArgs>,
    pub(super) store: Arc<Store>,
}

/// What a task is once rendered.
#[derive(Debug)]
pub(super) enum Expansion {
    /// Its `when` is false.
    Skipped,
    /// What to do.
    Steps(Vec<Step>),
    /// It uses results that are not there yet.
    Pending(Vec<Arc<str>>),
    /// It is wrong; `condition` tells whether `when` was.
    Wrong { problems: Vec<Problem>, condition: bool },
}

impl HostTask {
    /// Renders the task. Without results, names that earlier tasks register are
    /// pending; with them, they have values.
    pub(super) fn expand(&self, results: Option<&Registered>) -> Expansion {
        let registered: BTreeMap<Arc<str>, Value> = results
            .into_iter()
            .flat_map(Registered::iter)
            .map(|(name, value)| (name.into(), Value::from(Serde(value))))
            .collect();
        let pending = match results {
            Some(_) => Arc::default(),
            None => Arc::clone(&self.pending),
        };
        let scope = Arc::clone(&self.base.scope);
        let frame = Frame::new(scope, self.layer.clone(), None, pending, registered);
        let mut collect = Collect::default();
        let mut condition_failed = false;
        let mut steps = Vec::new();
        match self.items(&frame, &mut collect) {
            Some(Items::None) => match self.holds(&frame, &mut collect) {
                Some(false) => return Expansion::Skipped,
                holds => {
                    condition_failed = holds.is_none() && !collect.problems.is_empty();
                    steps.extend(self.step(&frame, None, &mut collect));
                }
            },
            Some(Items::List(items)) => {
                for item in items {
                    let frame = frame.with_item(item.clone());
                    let shown = serde_json::to_value(&item).unwrap_or_default();
                    let holds = self.holds(&frame, &mut collect);
                    condition_failed |= holds.is_none() && !collect.problems.is_empty();
                    if let Some(mut step) = self.step(&frame, Some(shown), &mut collect) {
                        step.skip = holds == Some(false);
                        steps.push(step);
                    }
                }
            }
            // The rest of the task is looked at all the same, as for an item that
            // is not known yet.
            None if results.is_none() && collect.problems.is_empty() => {
                let mut ahead = Collect::default();
                let frame = frame.with_pending_item();
                if self.holds(&frame, &mut ahead) != Some(false) {
                    let _ = self.step(&frame, None, &mut ahead);
                }
                collect.problems.extend(ahead.problems);
            }
            None => {}
        }
        if !collect.problems.is_empty() {
            let host = &self.base.scope.host;
            let problems = collect.problems.into_iter().map(|problem| problem.on_host(host));
            return Expansion::Wrong { problems: problems.collect(), condition: condition_failed };
        }
        match collect.pending.is_empty() {
            true => Expansion::Steps(steps),
            false => Expansion::Pending(collect.pending),
        }
    }

    /// The task's `driver_args`, merged along the whole chain.
    fn driver_args(&self) -> DriverArgs {
        let own = self.raw.value.driver_args.as_ref().map(|at| at.value.clone());
        let mut args = own.unwrap_or_default().over(&self.base.driver);
        for layer in &self.base.scope.world.extra {
            if let Some(extra) = &layer.driver {
                args = DriverArgs::clone(extra).over(&args);
            }
        }
        self.flags.driver.clone().over(&args)
    }

    fn options(&self) -> Options {
        let own = self.raw.value.options.as_ref().map(|at| at.value.clone());
        own.unwrap_or_default().over(&self.base.options)
    }

    fn items(&self, frame: &Arc<Frame>, collect: &mut Collect) -> Option<Items> {
        let Some(at) = &self.raw.value.loop_items else { return Some(Items::None) };
        let value = match &at.value {
            LoopItems::List(nodes) => {
                let items = nodes.iter().map(|node| collect.take(frame.tree(node)));
                return items.collect::<Option<Vec<Value>>>().map(Items::List);
            }
            LoopItems::Template(text) => collect.take(frame.evaluate(text, at.span))?,
        };
        match (value.kind(), value.try_iter()) {
            (ValueKind::Seq | ValueKind::Iterable, Ok(items)) => Some(Items::List(items.collect())),
            _ if frame.is_unread() => collect.take(Err(Miss::Pending(Frame::unread()))),
            (kind, _) => {
                let error = PlanError::LoopType { found: format!("a {kind}") };
                collect.error(error, Some(at));
                None
            }
        }
    }

    /// Whether every condition holds; `None` when one is pending or wrong.
    fn holds(&self, frame: &Arc<Frame>, collect: &mut Collect) -> Option<bool> {
        let Some(at) = &self.raw.value.when else { return Some(true) };
        let mut check =
            |condition: &Condition, span| collect.take(frame.condition(condition, span));
        match &at.value {
            OneOrMany::One(condition) => check(condition, at.span),
            OneOrMany::Many(conditions) => {
                let mut all = Some(true);
                for at in conditions {
                    match check(&at.value, at.span) {
                        // What follows may rely on this one: `x is defined` first.
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                }
                all
            }
        }
    }

    fn step(
        &self,
        frame: &Arc<Frame>,
        item: Option<serde_json::Value>,
        collect: &mut Collect,
    ) -> Option<Step> {
        let connection = self.connection(frame, collect);
        let strategy =
            collect.value(frame, self.options().queue_strategy.as_ref(), "queue_strategy");
        let mut action =
            action::build(&self.raw.value, &self.driver_args(), frame, &self.store, collect);
        if let (Some(connection), Some(Action::Config(config))) = (&connection, &mut action)
            && let Some(sudo) = &mut config.exec.sudo
            && sudo.password.is_none()
        {
            sudo.password.clone_from(&connection.credentials.sudo_password);
        }
        Some(Step {
            item,
            skip: false,
            connection: connection?,
            strategy: match strategy {
                Some(QueueStrategyName::Pinned) => QueueStrategy::Pinned,
                Some(QueueStrategyName::Fifo) | None => QueueStrategy::Fifo,
            },
            action: action?,
        })
    }

    fn connection(&self, frame: &Arc<Frame>, collect: &mut Collect) -> Option<Arc<ConnectionSpec>> {
        let own = self.raw.value.connection_args.as_ref();
        if let (None, Some(Some(spec))) = (own, self.base.spec.get()) {
            return Some(Arc::clone(spec));
        }
        let mut args = match own {
            Some(own) => own.value.clone().over(&self.base.connection),
            None => self.base.connection.clone(),
        };
        for layer in &self.base.scope.world.extra {
            if let Some(extra) = &layer.connection {
                args = ConnectionArgs::clone(extra).over(&args);
            }
        }
        let args = self.flags.connection.clone().over(&args);
        let default = self.base.default_address.as_deref();
        let mut found = Collect::default();
        let spec = connection::build(&args, default, frame, &self.store, &mut found);
        let spec = spec.filter(|_| found.is_clear()).map(Arc::new);
        // A connection that a task's own variables or items shaped is its own.
        if own.is_none() && self.layer.is_none() && self.raw.value.loop_items.is_none() {
            let _ = self.base.spec.set(spec.clone());
        }
        collect.problems.extend(found.problems);
        for pending in found.pending {
            if !collect.pending.contains(&pending) {
                collect.pending.push(pending);
            }
        }
        spec
    }

    /// How long the result is kept.
    pub(super) fn ttl(&self) -> Option<std::time::Duration> {
        let scope = Arc::clone(&self.base.scope);
        let frame =
            Frame::new(scope, self.layer.clone(), None, Arc::clone(&self.pending), BTreeMap::new());
        let mut collect = Collect::default();
        let ttl = collect.value(&frame, self.options().ttl.as_ref(), "ttl")?;
        Some(std::time::Duration::from_secs(ttl))
    }
}

enum Items {
    None,
    List(Vec<Value>),
}

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
        let before = self.task.store.secret_count();
        match self.task.expand(Some(registered)) {
            Expansion::Skipped => Ok(Resolution::Skipped),
            Expansion::Steps(steps) => {
                let secrets = self.task.store.secrets(before);
                Ok(Resolution::Steps { steps, secrets })
            }
            Expansion::Pending(names) => {
                let message = format!("`{}` has no result on this host", names.join("`, `"));
                Err(Failure::new(ErrorCode::TemplateFailed, message))
            }
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
