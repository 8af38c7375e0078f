//! What reports call tasks.

use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::playbook::RawTask;
use crate::load::request::FILE_TRANSFER;
use crate::load::values::OperationName;

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
