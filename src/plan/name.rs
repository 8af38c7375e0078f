//! What reports call plays and tasks.

use std::sync::Arc;

use super::Planner;
use crate::diagnostic::Problem;
use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::layer::Layer;
use crate::load::playbook::{RawPlay, RawTask};
use crate::load::values::OperationName;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;
use crate::transfer::TRANSFER_COMMAND;

const NAME_ADVICE: &str =
    "a play has one name for all its hosts: it sees the play's `vars` and `-e NAME=…`";

impl Planner {
    /// The play's name. It sees no host, for it is the same for all of them.
    pub(super) fn play_name(
        &self,
        raw: &RawPlay,
        layer: Option<&Arc<Layer>>,
        pattern: &str,
        problems: &mut Vec<Problem>,
    ) -> Arc<str> {
        let Some(name) = &raw.name else { return pattern.into() };
        let mut scope = Scope::of_run(&self.world, NAME_ADVICE);
        scope.layers.extend(layer.cloned());
        match Frame::of_scope(scope).value(name, "`name`") {
            Ok(name) => name.into(),
            Err(Miss::Problems(found)) => {
                problems.extend(found);
                pattern.into()
            }
            Err(Miss::Pending(_)) => pattern.into(),
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
    if raw.no_log.as_ref().is_some_and(|at| at.value != Templated::Value(false)) {
        return "(no_log)".to_owned();
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
    if raw.script().is_some() {
        return "script".to_owned();
    }
    let commands = raw.command.as_ref().or(raw.config.as_ref());
    let first = match commands.map(|at| &at.value) {
        Some(OneOrMany::One(one)) => text(one),
        Some(OneOrMany::Many(many)) => many.first().map(|at| text(&at.value)).unwrap_or_default(),
        None => TRANSFER_COMMAND.to_owned(),
    };
    let line = first.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.len() < first.trim_end().len() => format!("{line} …"),
        None => line.to_owned(),
    }
}
