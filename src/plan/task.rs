//! One task of one host: rendered as far as it can be, now or when the results
//! that it waits for are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use minijinja::value::{Serde, Value, ValueKind};

use super::collect::Collect;
use super::error::PlanError;
use super::model::{Registered, Step};
use super::spec::{ConnectionSpec, QueueStrategy};
use super::store::Store;
use super::warning::PlanWarning;
use super::{action, address, connection};
use crate::diagnostic::Problem;
use crate::load::decode::{At, OneOrMany};
use crate::load::layer::Layer;
use crate::load::playbook::{Condition, LoopItems, RawTask};
use crate::load::request::{ConnectionArgs, DriverArgs, Options};
use crate::load::source::Span;
use crate::load::values::QueueStrategyName;
use crate::resolve::describe;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;

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
#[derive(Clone)]
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
    /// Its `when` is false, for all items of its loop.
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
            // What check mode did not run has no result.
            Some(results) => Arc::new(results.missing(&self.pending)),
            None => Arc::clone(&self.pending),
        };
        let scope = Arc::clone(&self.base.scope);
        let frame = Frame::new(scope, self.layer.clone(), pending, registered);
        let mut collect = Collect::default();
        let mut condition_failed = false;
        let mut turns = Vec::new();
        // What is wrong with the loop hurts only those whom `when` does not exclude.
        let mut looped = Collect::default();
        let items = self.items(&frame, &mut looped);
        let is_one = matches!(items, None | Some(Items::None));
        let frames: Vec<(Arc<Frame>, Option<serde_json::Value>)> = match items {
            Some(Items::None) => vec![(frame, None)],
            Some(Items::List(items)) => {
                let item = |item: Value| {
                    let shown = serde_json::to_value(&item).unwrap_or_default();
                    (frame.with_item(item), Some(shown))
                };
                items.into_iter().map(item).collect()
            }
            // What there is to loop over is not known. The rest can be looked at.
            None => vec![(self.with_coming_item(&frame), None)],
        };
        let mut is_excluded = !frames.is_empty();
        for (frame, item) in frames {
            let mut decided = Collect::default();
            let holds = self.holds(&frame, &mut decided);
            condition_failed |= !decided.problems.is_empty();
            if holds == Some(false) && is_one && decided.problems.is_empty() {
                return Expansion::Skipped;
            }
            collect.absorb(std::mem::take(&mut looped));
            collect.absorb(decided);
            if holds == Some(false) {
                // It may lack what the others need, so nothing else of it is looked at.
                turns.push(Err(item));
                continue;
            }
            is_excluded = false;
            turns.extend(self.step(&frame, item, &mut collect).map(Ok));
        }
        if !collect.problems.is_empty() {
            let host = &self.base.scope.host;
            let problems = collect.problems.into_iter().map(|problem| problem.on_host(host));
            return Expansion::Wrong { problems: problems.collect(), condition: condition_failed };
        }
        if is_excluded {
            return Expansion::Skipped;
        }
        self.warn_of(&collect.exposures);
        match collect.pending.is_empty() {
            true => Expansion::Steps(steps(turns)),
            false => Expansion::Pending(
                // Names that are nobody's result only stopped the look ahead.
                collect.pending.into_iter().filter(|name| self.awaits(name)).collect(),
            ),
        }
    }

    /// Warns of secrets that process lists will show, once per task.
    fn warn_of(&self, exposures: &[(String, Option<Span>)]) {
        let Some((what, span)) = exposures.first() else { return };
        self.store.warn(Arc::as_ptr(&self.raw).addr(), || {
            Problem::new(PlanWarning::SecretInCommand { what: what.clone() }, *span)
        });
    }

    /// Whether the task can wait for this: a result, or a secret that is not read.
    fn awaits(&self, name: &Arc<str>) -> bool {
        self.pending.contains(name) || *name == Frame::unread().0
    }

    pub(super) fn items(&self, frame: &Arc<Frame>, collect: &mut Collect) -> Option<Items> {
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
            _ => {
                let error = PlanError::LoopType { found: describe(&value) };
                collect.error(error, Some(at));
                None
            }
        }
    }

    /// Whether every condition holds; `None` when one is pending or wrong.
    pub(super) fn holds(&self, frame: &Arc<Frame>, collect: &mut Collect) -> Option<bool> {
        let Some(at) = &self.raw.value.when else { return Some(true) };
        let mut check = |condition: &Condition, span| {
            let held = frame.condition(condition, span);
            let is_open = held.is_err();
            let held = collect.take(held);
            // It may ask for what is not there, whatever else it waits for.
            match is_open && frame.never_holds(condition, span) {
                true => Some(false),
                false => held,
            }
        };
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
        let login = connection.as_ref().map(|connection| &connection.credentials);
        let sudo_password = login.and_then(|login| login.sudo_password.as_ref());
        let args = self.driver_args();
        let action = action::build(&self.raw.value, &args, sudo_password, frame, collect);
        let conduct = self.conduct(frame, collect);
        Some(Step {
            item,
            skip: false,
            connection: connection?,
            strategy: match strategy {
                Some(QueueStrategyName::Pinned) => QueueStrategy::Pinned,
                Some(QueueStrategyName::Fifo) | None => QueueStrategy::Fifo,
            },
            action: action?,
            conduct,
        })
    }

    /// Where the host is reached, if the task is not to be run there.
    pub(super) fn address(&self) -> Option<String> {
        let frame = Frame::of_scope(Scope::clone(&self.base.scope));
        let default = self.base.default_address.as_deref();
        address::of_args(&self.connection_args(), default, &frame, &self.store)
    }

    pub(super) fn connection(
        &self,
        frame: &Arc<Frame>,
        collect: &mut Collect,
    ) -> Option<Arc<ConnectionSpec>> {
        // A connection that a task's own arguments, variables or items shape is its own.
        let raw = &self.raw.value;
        let is_shared =
            raw.connection_args.is_none() && self.layer.is_none() && raw.loop_items.is_none();
        if let (true, Some(Some(spec))) = (is_shared, self.base.spec.get()) {
            return Some(Arc::clone(spec));
        }
        let default = self.base.default_address.as_deref();
        let mut found = Collect::default();
        let args = self.connection_args();
        let spec = connection::build(&args, default, frame, &self.store, &mut found);
        let spec = spec.filter(|_| found.is_clear()).map(Arc::new);
        if is_shared {
            let _ = self.base.spec.set(spec.clone());
        }
        collect.absorb(found);
        spec
    }
}

/// One step per turn: that of an item to leave out borrows everything but the item
/// from another, so that results keep the places of their items. Where no turn is
/// taken at all there are no steps.
fn steps(turns: Vec<Result<Step, Option<serde_json::Value>>>) -> Vec<Step> {
    let Some(model) = turns.iter().find_map(|turn| turn.as_ref().ok()).cloned() else {
        return Vec::new();
    };
    let left_out = |item| Step { item, skip: true, ..model.clone() };
    turns.into_iter().map(|turn| turn.unwrap_or_else(left_out)).collect()
}

/// What a task loops over.
pub(super) enum Items {
    /// It has no loop.
    None,
    List(Vec<Value>),
}
