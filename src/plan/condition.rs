//! Conditions over a task's own result: `until`, `changed_when`, `failed_when`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Serde, Value};

use super::collect::Collect;
use super::error::PlanError;
use super::model::{Registered, ResultCondition};
use super::task::HostTask;
use crate::diagnostic::Problem;
use crate::failure::{ErrorCode, Failure};
use crate::load::decode::{At, OneOrMany};
use crate::load::layer::Layer;
use crate::load::playbook::{Condition, RawTask};
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;

/// What conditions call the task's own result, beside the name that the task
/// registers. With such a name, another variable of this name keeps its meaning.
const OWN: &str = "result";

/// One of a task's conditions over its own result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Until,
    ChangedWhen,
    FailedWhen,
}

impl Key {
    fn of(self, raw: &RawTask) -> Option<&At<OneOrMany<Condition>>> {
        match self {
            Self::Until => raw.until.as_ref(),
            Self::ChangedWhen => raw.changed_when.as_ref(),
            Self::FailedWhen => raw.failed_when.as_ref(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Until => "until",
            Self::ChangedWhen => "changed_when",
            Self::FailedWhen => "failed_when",
        }
    }
}

/// A condition, and what it sees besides results.
struct OwnCondition {
    scope: Arc<Scope>,
    layer: Option<Arc<Layer>>,
    item: Option<Value>,
    raw: Arc<At<RawTask>>,
    key: Key,
    /// The names of the own result.
    own: Vec<Arc<str>>,
    constant: Option<bool>,
}

impl HostTask {
    /// Checks a condition as far as it can be without the result.
    pub(super) fn condition(
        &self,
        key: Key,
        frame: &Arc<Frame>,
        collect: &mut Collect,
    ) -> Option<Arc<dyn ResultCondition>> {
        let at = key.of(&self.raw.value)?;
        let register = self.raw.value.register.as_ref().map(|register| Arc::from(&*register.value));
        let implicit = (register.is_none() || !frame.knows(OWN)).then(|| Arc::from(OWN));
        let own: Vec<Arc<str>> = register.into_iter().chain(implicit).collect();
        let sees = own.iter().fold(Arc::clone(frame), |frame, name| frame.with_pending(name));
        let constant = match all_hold(&sees, at) {
            Ok(value) => Some(value),
            Err(Miss::Pending(_)) => None,
            Err(Miss::Problems(problems)) => {
                collect.problems.extend(problems);
                return None;
            }
        };
        if (key, constant) == (Key::Until, Some(false)) {
            collect.error(PlanError::NeverHolds { own: own[0].to_string() }, Some(at));
        }
        Some(Arc::new(OwnCondition {
            scope: Arc::clone(frame.scope()),
            layer: self.layer.clone(),
            item: frame.item().cloned(),
            raw: Arc::clone(&self.raw),
            key,
            own,
            constant,
        }))
    }
}

/// Whether all of a list hold. The first that does not decides; until then, what
/// is wrong counts before what is not known yet.
fn all_hold(frame: &Arc<Frame>, at: &At<OneOrMany<Condition>>) -> Result<bool, Miss> {
    let mut waiting = None;
    for at in at.each() {
        match frame.condition(&at.value, at.span) {
            Ok(true) => {}
            Ok(false) if waiting.is_none() => return Ok(false),
            Ok(false) => {}
            Err(Miss::Pending(_)) if frame.never_holds(&at.value, at.span) => return Ok(false),
            Err(Miss::Pending(pending)) => waiting = Some(pending),
            Err(problem) => return Err(problem),
        }
    }
    waiting.map_or(Ok(true), |pending| Err(Miss::Pending(pending)))
}

impl ResultCondition for OwnCondition {
    fn holds(&self, registered: &Registered, own: &serde_json::Value) -> Result<bool, Failure> {
        if let Some(constant) = self.constant {
            return Ok(constant);
        }
        let mut results: BTreeMap<Arc<str>, Value> = registered
            .iter()
            .map(|(name, value)| (name.into(), Value::from(Serde(value))))
            .collect();
        let own = Value::from(Serde(own));
        results.extend(self.own.iter().map(|name| (Arc::clone(name), own.clone())));
        let scope = Arc::clone(&self.scope);
        let frame = Frame::new(scope, self.layer.clone(), Arc::default(), results);
        let frame = match &self.item {
            Some(item) => frame.with_item(item.clone()),
            None => frame,
        };
        let key = self.key.name();
        let Some(at) = self.key.of(&self.raw.value) else { return Ok(true) };
        all_hold(&frame, at).map_err(|miss| match miss {
            Miss::Problems(problems) => {
                let sources = &self.scope.world.sources;
                let problem = problems.first();
                let told = problem.map(|problem| problem.one_line(sources)).unwrap_or_default();
                Failure {
                    help: problem.and_then(Problem::advice),
                    ..Failure::new(ErrorCode::ConditionFailed, format!("`{key}`: {told}"))
                }
            }
            Miss::Pending(name) => {
                let message = format!("`{key}` needs `{}`, which has no result", name.0);
                Failure::new(ErrorCode::ConditionFailed, message)
            }
        })
    }

    fn constant(&self) -> Option<bool> {
        self.constant
    }
}

impl fmt::Debug for OwnCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCondition").field("key", &self.key).finish_non_exhaustive()
    }
}
