//! What reports call plays and tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Planner;
use super::play::TaskShape;
use super::task::HostBase;
use crate::diagnostic::Problem;
use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::layer::Layer;
use crate::load::playbook::{RawPlay, RawTask};
use crate::load::request::FILE_TRANSFER;
use crate::load::values::OperationName;
use crate::resolve::render::Miss;
use crate::resolve::scope::Frame;

impl Planner {
    /// The play's name, which may use the play's variables, or else its pattern.
    pub(super) fn play_name(
        &self,
        raw: &RawPlay,
        play_layer: Option<&Arc<Layer>>,
        pattern: &str,
        problems: &mut Vec<Problem>,
    ) -> Arc<str> {
        let frame = self.global_frame(play_layer);
        match raw.name.as_ref().map(|name| frame.value(name, "`name`")) {
            Some(Ok(name)) => name.into(),
            Some(Err(Miss::Problem(problem))) => {
                problems.push(*problem);
                pattern.into()
            }
            _ => pattern.into(),
        }
    }

    /// The task's name on this host. One that waits for a result keeps its text.
    pub(super) fn task_name(
        &self,
        shape: &TaskShape,
        base: &Arc<HostBase>,
        names: &Arc<BTreeSet<Arc<str>>>,
        problems: &mut Vec<Problem>,
    ) -> Arc<str> {
        let Some(at @ At { value: Templated::Template(_), .. }) = &shape.raw.value.name else {
            return Arc::clone(&shape.header.name);
        };
        let scope = Arc::clone(&base.scope);
        let frame =
            Frame::new(scope, shape.layer.clone(), None, Arc::clone(names), BTreeMap::new());
        match frame.value(at, "`name`") {
            Ok(name) => name.into(),
            Err(Miss::Pending(_)) => Arc::clone(&shape.header.name),
            Err(Miss::Problem(problem)) => {
                problems.push(problem.on_host(&base.scope.host));
                Arc::clone(&shape.header.name)
            }
        }
    }
}

/// What reports call a task: its name, or what it does.
pub(super) fn written_name(raw: &RawTask) -> String {
    let text = |text: &Templated<String>| match text {
        Templated::Value(text) | Templated::Template(text) => text.clone(),
    };
    if let Some(name) = &raw.name {
        return text(&name.value);
    }
    if let Some(transfer) = raw.transfer() {
        let path = |at: &Option<At<Templated<String>>>| {
            at.as_ref().map(|at| text(&at.value)).unwrap_or_default()
        };
        let operation = match &transfer.value.operation {
            Some(At { value: Templated::Value(operation), .. }) => match operation {
                OperationName::Upload => "upload",
                OperationName::Download => "download",
            },
            _ => "transfer",
        };
        return format!("{operation} {}", path(&transfer.value.remote_path));
    }
    let commands = raw.command.as_ref().or(raw.config.as_ref());
    let first = match commands.map(|at| &at.value) {
        Some(OneOrMany::One(one)) => text(one),
        Some(OneOrMany::Many(many)) => many.first().map(|at| text(&at.value)).unwrap_or_default(),
        None => FILE_TRANSFER.to_owned(),
    };
    let line = first.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.len() < first.trim_end().len() => format!("{line} …"),
        None => line.to_owned(),
    }
}
