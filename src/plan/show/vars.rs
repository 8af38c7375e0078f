//! The variables that a request brings along: those of conditions and templates that
//! are only evaluated in the run.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::sketch::template_text;
use crate::load::decode::{At, OneOrMany, is_template};
use crate::load::playbook::Condition;
use crate::plan::model::Conduct;
use crate::plan::spec::Action;
use crate::plan::task::HostTask;
use crate::resolve::frame::Frame;
use crate::resolve::uses;

/// The values of what a task's conditions and its template look up, as far as they
/// are known. Results are not among them: requests register their own.
pub(super) fn of(
    action: Option<&Action>,
    conduct: Option<&Conduct>,
    task: &HostTask,
    frame: &Arc<Frame>,
) -> Map<String, Value> {
    let raw = &task.raw.value;
    let retry = conduct.and_then(|conduct| conduct.retry.as_ref());
    let until = retry.and_then(|retry| retry.until.as_ref());
    let own = [
        (&raw.until, until),
        (&raw.changed_when, conduct.and_then(|conduct| conduct.changed_when.as_ref())),
        (&raw.failed_when, conduct.and_then(|conduct| conduct.failed_when.as_ref())),
    ];
    let mut used = BTreeSet::new();
    for (at, condition) in own {
        if condition.is_none_or(|condition| condition.constant().is_none()) {
            used.extend(at.iter().flat_map(of_conditions));
        }
    }
    if let Some(name) = &raw.register {
        used.remove(&name.value);
    } else {
        used.remove("result");
    }
    if let Some(Action::FileTransfer(spec)) = action
        && spec.content.is_some()
        && let Some(text) = template_text(frame, &spec.local_path)
    {
        used.extend(uses::of_template(&text));
    }
    let mut vars = Map::new();
    for name in used {
        if !frame.knows(&name) || task.pending.contains(&*name) {
            continue;
        }
        if let Ok(value) = frame.evaluate(&format!("{{{{ {name} }}}}"), None)
            && let Ok(value) = serde_json::to_value(&value)
        {
            vars.insert(name, literal(value));
        }
    }
    vars
}

fn of_conditions(at: &At<OneOrMany<Condition>>) -> BTreeSet<String> {
    let names = at.each().into_iter().map(|at| match &at.value {
        Condition::Constant(_) => BTreeSet::new(),
        Condition::Expression(text) => uses::of_expression(text),
    });
    names.flatten().collect()
}

/// A value whose texts mean themselves, though variables are templates.
fn literal(value: Value) -> Value {
    match value {
        Value::String(text) if is_template(&text) => {
            Value::String(format!("{{% raw %}}{text}{{% endraw %}}"))
        }
        Value::Array(items) => items.into_iter().map(literal).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, literal(value))).collect(),
        other => other,
    }
}
