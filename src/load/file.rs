//! Reads documents: playbooks, requests, variable files.

use std::path::{Path, PathBuf};

use super::decode::{At, Decode, Decoder};
use super::document::{Format, document};
use super::error::LoadError;
use super::import::Importer;
use super::inventory::RawInventory;
use super::layer::Layer;
use super::node::{Kind, Node};
use super::playbook::{RawTask, Vars};
use super::source::{FileId, Sources, Span, shown};
use super::{PlaybookContent, RawPlaybook};
use super::{check, checked, placeholder};
use crate::diagnostic::Problem;

/// Expands globs into the paths of playbooks, in the order given, without duplicates.
///
/// # Errors
/// A pattern is malformed or matches nothing.
pub fn playbook_paths(patterns: &[String]) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut problems = Vec::new();
    for pattern in patterns {
        // A file that is there under its literal name is meant, whatever its name
        // would mean as a pattern.
        let literal = Path::new(pattern);
        let matched: Vec<PathBuf> = match literal.exists() {
            true => vec![literal.to_owned()],
            false => glob::glob(pattern).map(|hits| hits.flatten().collect()).unwrap_or_default(),
        };
        if matched.is_empty() {
            let error = match pattern.contains(['*', '?', '[']) {
                true => LoadError::NoMatch { pattern: pattern.clone() },
                false => unreadable(literal, &std::io::ErrorKind::NotFound.into()),
            };
            problems.push(Problem::new(error, None));
        }
        for path in matched {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    if problems.is_empty() { Ok(paths) } else { Err(problems) }
}

/// Reads playbook files. What is wrong within one stands in it, beside what could be
/// read.
///
/// # Errors
/// A file cannot be read; then all that is wrong with any of them.
pub fn playbooks(sources: &Sources, paths: &[PathBuf]) -> Result<Vec<RawPlaybook>, Vec<Problem>> {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match read(sources, path) {
            Ok(file) => loaded.push(playbook(sources, file)),
            Err(errors) => problems.extend(errors),
        }
    }
    if problems.is_empty() {
        return Ok(loaded);
    }
    problems.extend(loaded.into_iter().flat_map(|playbook| playbook.problems));
    Err(problems)
}

/// A file of any kind that can be checked.
#[derive(Debug)]
pub enum CheckedFile {
    /// A playbook, or requests.
    Playbook(RawPlaybook),
    /// An inventory.
    Inventory(RawInventory),
    /// A list of tasks, for plays to import.
    Tasks(Vec<At<RawTask>>),
    /// So many variables of a group or a host.
    Vars(usize),
}

/// Reads a file as what it looks like: a mapping of groups, INI and an executable
/// script are inventories, what stands below `group_vars` has variables, a list of
/// tasks is for plays to import, and anything else is a playbook.
///
/// # Errors
/// All that is wrong with it, but for what stands in a playbook.
pub fn any_file(sources: &Sources, path: &Path) -> Result<CheckedFile, Vec<Problem>> {
    if super::inventory::is_script(path) {
        return super::inventory::script(sources, path).map(CheckedFile::Inventory);
    }
    if checked::is_vars(path) {
        return checked::vars(sources, path).map(CheckedFile::Vars);
    }
    any_text(sources, read(sources, path)?)
}

/// Reads a text as what it looks like, as [`any_file`] does.
///
/// # Errors
/// All that is wrong with it.
pub fn any_text(sources: &Sources, file: FileId) -> Result<CheckedFile, Vec<Problem>> {
    if super::inventory::is_ini(sources, file) {
        return super::inventory::parse_alone(sources, file).map(CheckedFile::Inventory);
    }
    let format = Format::of(&sources.get(file).name, "");
    let node = document(sources, file, format);
    let is_inventory = match node.as_ref().map(|node| &node.kind) {
        Ok(Kind::Map(map)) => map.values().any(|entry| match &entry.value.kind {
            Kind::Map(group) => ["hosts", "children"].iter().any(|key| group.contains_key(*key)),
            _ => false,
        }),
        _ => false,
    };
    if is_inventory {
        return super::inventory::parse_alone(sources, file).map(CheckedFile::Inventory);
    }
    if format != Format::Json && node.as_ref().is_ok_and(checked::is_tasks) {
        return checked::tasks(sources, file).map(CheckedFile::Tasks);
    }
    // Requests in JSON are what `sshoal request` takes, whose texts are literal.
    let is_json = format == Format::Json;
    if is_json && node.is_ok_and(|node| items(&node).iter().all(|item| is_request(item))) {
        let content = PlaybookContent::Requests(literal_requests(sources, file)?);
        return Ok(CheckedFile::Playbook(RawPlaybook::new(file, content, Vec::new())));
    }
    Ok(CheckedFile::Playbook(playbook(sources, file)))
}

fn playbook(sources: &Sources, file: FileId) -> RawPlaybook {
    let format = Format::of(&sources.get(file).name, "");
    let node = match document(sources, file, format) {
        Ok(node) => node,
        Err(problems) => {
            return RawPlaybook::new(file, PlaybookContent::Plays(Vec::new()), problems);
        }
    };
    let mut decoder = Decoder::of_playbook(true, Some(Span::whole(file)), format);
    let items = items(&node);
    let content = if items.is_empty() {
        let error = LoadError::Conflict {
            message: "the playbook is empty".to_owned(),
            help: "a playbook is a list of plays: `- hosts: all`, with `tasks:` below".to_owned(),
        };
        decoder.report(error, None);
        PlaybookContent::Plays(Vec::new())
    } else if items.iter().all(|item| is_request(item)) {
        PlaybookContent::Requests(decode_all(&items, "a request", &mut decoder, check::request))
    } else {
        let plays = decode_all(&items, "a play", &mut decoder, check::play);
        let mut importer = Importer::new(sources, file);
        let content = PlaybookContent::Plays(importer.plays(plays));
        let problems = decoder.finish().into_iter().chain(importer.problems).collect();
        return RawPlaybook {
            imports: importer.files,
            ..RawPlaybook::new(file, content, problems)
        };
    };
    RawPlaybook::new(file, content, decoder.finish())
}

impl RawPlaybook {
    fn new(file: FileId, content: PlaybookContent, problems: Vec<Problem>) -> Self {
        Self { file, imports: Vec::new(), content, problems }
    }
}

/// Whether an item of a playbook is a request, by its keys.
fn is_request(item: &Node) -> bool {
    match &item.kind {
        Kind::Map(map) => {
            !map.contains_key("hosts") && !map.contains_key("tasks") && {
                let keys = ["command", "config", "connection_args", "file_transfer"];
                keys.iter().any(|key| map.contains_key(*key))
            }
        }
        _ => false,
    }
}

/// Reads requests whose texts are literal, never templates: what `sshoal
/// request` takes. JSON is read as JSON, anything else as YAML.
///
/// # Errors
/// All that is wrong with the document.
pub fn literal_requests(sources: &Sources, file: FileId) -> Result<Vec<At<RawTask>>, Vec<Problem>> {
    let source = sources.get(file);
    let format = Format::of(&source.name, &source.text);
    let node = document(sources, file, format)?;
    let mut decoder = Decoder::of_playbook(false, Some(Span::whole(file)), format);
    placeholder::check(&node, &mut decoder);
    let items = items(&node);
    if items.is_empty() {
        let error = LoadError::Conflict {
            message: "there is no request in it".to_owned(),
            help: "a request is a mapping with `connection_args` and `command` or `config`"
                .to_owned(),
        };
        decoder.report(error, None);
    }
    let requests = decode_all(&items, "a request", &mut decoder, check::request);
    finish(requests, decoder)
}

/// The variables of a file; relative to nothing, rendered by nobody yet.
///
/// # Errors
/// The file cannot be read, or is not a mapping.
pub fn vars_file(sources: &Sources, path: &Path) -> Result<(FileId, Vars), Vec<Problem>> {
    let file = read(sources, path)?;
    let node = document(sources, file, Format::of_vars(path))?;
    let mut decoder = Decoder::new(true, Some(Span::whole(file)));
    let vars = match node.kind {
        Kind::Null => Some(Vars::default()),
        _ => Vars::decode(&node, "a variables file", &mut decoder),
    };
    finish((file, vars.unwrap_or_default()), decoder)
}

/// The variables of a file as a layer.
///
/// # Errors
/// As [`vars_file`], and what is wrong with request defaults among them.
pub fn vars_layer(sources: &Sources, path: &Path) -> Result<Layer, Vec<Problem>> {
    let (file, vars) = vars_file(sources, path)?;
    layer(file, vars)
}

/// Variables as a layer, with the request defaults among them.
///
/// # Errors
/// What is wrong with those.
pub fn layer(file: FileId, vars: Vars) -> Result<Layer, Vec<Problem>> {
    let mut decoder = Decoder::new(true, Some(Span::whole(file)));
    let layer = Layer::decode(vars, &mut decoder);
    finish(layer, decoder)
}

pub(super) fn read(sources: &Sources, path: &Path) -> Result<FileId, Vec<Problem>> {
    sources.read(path).map_err(|error| vec![Problem::new(unreadable(path, &error), None)])
}

/// The error for a file that cannot be read, in the user's terms.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> LoadError {
    use std::io::ErrorKind;
    let (reason, help) = match error.kind() {
        ErrorKind::NotFound => ("there is no such file", "check the path"),
        ErrorKind::PermissionDenied => {
            ("permission denied", "check the permissions of the file and its directories")
        }
        ErrorKind::IsADirectory => ("it is a directory", "name the file in it"),
        ErrorKind::InvalidData => ("it is not UTF-8 text", "save it as UTF-8"),
        _ => ("the system refused", "check the file"),
    };
    let reason = match reason {
        "the system refused" => error.to_string(),
        known => known.to_owned(),
    };
    LoadError::Unreadable { path: shown(path), reason, help: help.to_owned() }
}

/// The items of a list, or the one thing that stands for a list of one.
pub(super) fn items(node: &Node) -> Vec<&Node> {
    match &node.kind {
        Kind::Null => Vec::new(),
        Kind::List(items) => items.iter().collect(),
        _ => vec![node],
    }
}

pub(super) fn decode_all<T: Decode>(
    items: &[&Node],
    what: &str,
    decoder: &mut Decoder,
    check: fn(&At<T>, &mut Decoder),
) -> Vec<At<T>> {
    let mut decoded = Vec::new();
    for item in items {
        if let Some(value) = T::decode(item, what, decoder) {
            let at = At { value, span: item.span, key: item.span };
            check(&at, decoder);
            decoded.push(at);
        }
    }
    decoded
}

pub(super) fn finish<T>(value: T, decoder: Decoder) -> Result<T, Vec<Problem>> {
    let problems = decoder.finish();
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}
