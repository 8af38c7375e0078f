//! What holds for all hosts of a play, and so sees no host: flags of tasks, and the
//! texts of `hosts`.

use std::sync::Arc;

use minijinja::value::{Value, ValueKind};

use super::Planner;
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::layer::Layer;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;
use crate::resolve::{FromValue as _, ResolveError, describe};

const ADVICE: &str = "this is the same for all hosts of a play: it sees the `vars` of the play and of the task, and `-e NAME=…`";

impl Planner {
    /// A flag of a task.
    pub(super) fn flag(
        &self,
        at: &At<Templated<bool>>,
        key: &str,
        play: Option<&Arc<Layer>>,
        task: Option<&Arc<Layer>>,
        problems: &mut Vec<Problem>,
    ) -> bool {
        if let Templated::Value(value) = at.value {
            return value;
        }
        let mut scope = Scope::of_run(&self.world, ADVICE);
        scope.layers.extend(play.into_iter().chain(task).cloned());
        match Frame::of_scope(scope).value(at, &format!("`{key}`")) {
            Ok(value) => value,
            Err(Miss::Problems(found)) => {
                problems.extend(found);
                false
            }
            // Nothing is registered where no host is known.
            Err(Miss::Pending(_)) => false,
        }
    }
}

/// A pattern of `hosts`, or those of a template that gives a list.
pub(super) fn patterns(
    frame: &Arc<Frame>,
    at: &At<Templated<String>>,
) -> Result<Vec<String>, Miss> {
    let what = "`hosts`";
    let Templated::Template(text) = &at.value else { return Ok(vec![frame.value(at, what)?]) };
    let value = frame.evaluate(text, at.span)?;
    let (ValueKind::Seq | ValueKind::Iterable, Ok(items)) = (value.kind(), value.try_iter()) else {
        return Ok(vec![frame.value(at, what)?]);
    };
    let pattern = |item: Value| {
        String::from_value(&item).ok_or_else(|| {
            let (what, expected) = (format!("an item of {what}"), String::EXPECTED.to_owned());
            let error = ResolveError::TemplateType { what, expected, found: describe(&item) };
            Problem::new(error, at.span).into()
        })
    };
    items.map(pattern).collect()
}
