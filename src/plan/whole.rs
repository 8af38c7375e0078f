//! What holds for all hosts of a play, and so sees no host: flags and tags of tasks,
//! and lists that a template may give as a whole.

use std::sync::Arc;

use minijinja::value::{Value, ValueKind};

use super::Planner;
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::layer::Layer;
use crate::load::tags::{Tags, split};
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;
use crate::resolve::{FromValue, ResolveError, describe};

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
        match self.without_host(play, task).value(at, &format!("`{key}`")) {
            Ok(value) => value,
            Err(Miss::Problems(found)) => {
                problems.extend(found);
                false
            }
            // Nothing is registered where no host is known.
            Err(Miss::Pending(_)) => false,
        }
    }

    /// The tags of a play, or of a task.
    pub(super) fn tags(
        &self,
        at: Option<&At<Tags>>,
        play: Option<&Arc<Layer>>,
        task: Option<&Arc<Layer>>,
        problems: &mut Vec<Problem>,
    ) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for at in at.into_iter().flat_map(|tags| &tags.value.0) {
            if let Templated::Value(tag) = &at.value {
                tags.push(tag.clone());
                continue;
            }
            match each(&self.without_host(play, task), at, "`tags`") {
                Ok(texts) => {
                    tags.extend(texts.iter().flat_map(|text| split(text)).map(str::to_owned));
                }
                Err(Miss::Problems(found)) => problems.extend(found),
                Err(Miss::Pending(_)) => {}
            }
        }
        tags
    }

    fn without_host(&self, play: Option<&Arc<Layer>>, task: Option<&Arc<Layer>>) -> Arc<Frame> {
        let mut scope = Scope::of_run(&self.world, ADVICE);
        scope.layers.extend(play.into_iter().chain(task).cloned());
        Frame::of_scope(scope)
    }
}

/// A value, or those of a template that gives a list. `what` names them in errors.
pub(super) fn each<T: FromValue + Clone>(
    frame: &Arc<Frame>,
    at: &At<Templated<T>>,
    what: &str,
) -> Result<Vec<T>, Miss> {
    let Templated::Template(text) = &at.value else { return Ok(vec![frame.value(at, what)?]) };
    let value = frame.evaluate(text, at.span)?;
    let (ValueKind::Seq | ValueKind::Iterable, Ok(items)) = (value.kind(), value.try_iter()) else {
        return Ok(vec![frame.value(at, what)?]);
    };
    let one = |item: Value| {
        T::from_value(&item).ok_or_else(|| {
            let (what, expected) = (format!("an item of {what}"), T::EXPECTED.to_owned());
            let found = describe(&item);
            let error = ResolveError::TemplateType { what, expected, found, variable: None };
            Problem::new(error, at.span).into()
        })
    };
    items.map(one).collect()
}
