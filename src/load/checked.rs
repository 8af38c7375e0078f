//! Files that no run reads by themselves, but that can be checked: lists of tasks,
//! and variables.

use std::path::Path;

use super::check;
use super::decode::{At, Decoder};
use super::document::{Format, document};
use super::file::{decode_all, items, read, vars_layer};
use super::import::Importer;
use super::node::{Kind, Node};
use super::playbook::RawTask;
use super::source::{FileId, Sources, Span};
use crate::diagnostic::Problem;

/// Whether a file is named as one with the variables of a group or host.
pub(super) fn is_vars(path: &Path) -> bool {
    let mut above = path.ancestors().skip(1).filter_map(Path::file_name);
    above.any(|name| name == "group_vars" || name == "host_vars")
}

/// How many variables a file has; one that is encrypted has none to be seen.
pub(super) fn vars(sources: &Sources, path: &Path) -> Result<usize, Vec<Problem>> {
    let file = read(sources, path)?;
    if sources.get(file).text.starts_with("$ANSIBLE_VAULT;") {
        return Ok(0);
    }
    vars_layer(sources, path).map(|layer| layer.vars.0.len())
}

/// Whether a document is what `import_tasks` takes: a list in which nothing is a play,
/// and nothing names a host as requests do.
pub(super) fn is_tasks(node: &Node) -> bool {
    const TASK: [&str; 6] =
        ["command", "config", "file_transfer", "driver_args", "import_tasks", "name"];
    let Kind::List(items) = &node.kind else { return false };
    !items.is_empty()
        && items.iter().all(|item| match &item.kind {
            Kind::Map(map) => {
                let has = |key: &&str| map.contains_key(*key);
                let names_host = map.get("connection_args").is_some_and(
                    |args| matches!(&args.value.kind, Kind::Map(args) if args.contains_key("host")),
                );
                TASK.iter().any(&has)
                    && !["hosts", "tasks", "handlers", "import_playbook"].iter().any(has)
                    && !names_host
            }
            _ => false,
        })
}

/// Reads a list of tasks, with those that they import.
pub(super) fn tasks(sources: &Sources, file: FileId) -> Result<Vec<At<RawTask>>, Vec<Problem>> {
    let format = Format::of(&sources.get(file).name, "");
    let node = document(sources, file, format)?;
    let mut decoder = Decoder::of_playbook(true, Some(Span::whole(file)), format);
    let tasks = decode_all(&items(&node), "a task", &mut decoder, check::task);
    let mut importer = Importer::new(sources, file);
    let tasks = importer.tasks(tasks);
    let problems: Vec<Problem> = decoder.finish().into_iter().chain(importer.problems).collect();
    if problems.is_empty() { Ok(tasks) } else { Err(problems) }
}

/// Whether a directory holds playbooks, requests or tasks rather than inventories.
#[must_use]
pub fn holds_playbooks(sources: &Sources, directory: &Path) -> bool {
    let list = |path: &Path| {
        let read = read(sources, path);
        let node = read.and_then(|file| document(sources, file, Format::of_vars(path)));
        node.is_ok_and(|node| matches!(node.kind, Kind::List(_)))
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| path.extension().is_some_and(|e| e == "yml" || e == "yaml") && list(&path))
}
