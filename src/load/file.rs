//! Reads documents: playbooks, requests, variable files.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use serde::de::DeserializeSeed;

use super::decode::{At, Decode, Decoder};
use super::error::LoadError;
use super::inventory::RawInventory;
use super::layer::Layer;
use super::node::{Document, Kind, Map, Node, NodeSeed, Scalars};
use super::playbook::{RawPlay, RawTask, Vars};
use super::source::{FileId, Sources, Span};
use super::{PlaybookContent, RawPlaybook};
use crate::diagnostic::Problem;

/// The syntax of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML.
    Yaml(Scalars),
    /// JSON, strictly.
    Json,
}

/// Reads a text of `sources` into a tree. An empty document is null.
///
/// # Errors
/// The text is not of the format, or a key stands twice.
pub fn document(sources: &Sources, file: FileId, format: Format) -> Result<Node, Vec<Problem>> {
    let source = sources.get(file);
    let text = source.text.as_str();
    let whole = Span::whole(file);
    let scalars = match format {
        Format::Yaml(scalars) => scalars,
        Format::Json => Scalars::Core,
    };
    let tree = Document { text, whole, scalars, duplicates: RefCell::default() };
    let parsed = match format {
        Format::Json => parse_json(&tree),
        Format::Yaml(_) => parse_yaml(&tree),
    };
    let node = parsed.map_err(|problem| vec![problem])?;
    let duplicates = tree.duplicates.into_inner();
    if duplicates.is_empty() {
        return Ok(node);
    }
    let problem = |(key, span): (String, Option<Span>)| {
        Problem::new(LoadError::DuplicateKey { key }, span.or(Some(whole)))
    };
    Err(duplicates.into_iter().map(problem).collect())
}

fn parse_json(tree: &Document<'_>) -> Result<Node, Problem> {
    let mut deserializer = serde_json::Deserializer::from_str(tree.text);
    let parsed = NodeSeed(tree).deserialize(&mut deserializer);
    parsed.and_then(|node| deserializer.end().map(|()| node)).map_err(|error| {
        let at = offset(tree.text, error.line(), error.column());
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        let span = Span { len: 1, start: at.min(tree.text.len().saturating_sub(1)), ..tree.whole };
        Problem::new(LoadError::JsonSyntax { message }, Some(span))
    })
}

fn parse_yaml(tree: &Document<'_>) -> Result<Node, Problem> {
    let empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if tree.text.lines().all(|line| empty(line) || line.trim_end() == "---") {
        return Ok(Node { kind: Kind::Null, span: None });
    }
    NodeSeed(tree).deserialize(serde_yaml::Deserializer::from_str(tree.text)).map_err(|error| {
        let start = error.location().map_or(0, |location| location.index());
        let (start, len) = visible(tree.text, start);
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let help = yaml_advice(tree.text, start, message);
        let error = LoadError::YamlSyntax { message: message.to_owned(), help };
        Problem::new(error, Some(Span { start, len, ..tree.whole }))
    })
}

/// The nearest place at or before `start` that an underline can show.
fn visible(text: &str, start: usize) -> (usize, usize) {
    let mut at = start.min(text.len());
    while at > 0
        && (at == text.len()
            || text[at..].starts_with(char::is_whitespace)
            || !text.is_char_boundary(at))
    {
        at -= 1;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
    }
    let len = text[at..].chars().next().map_or(0, char::len_utf8);
    (at, len)
}

/// What most often is behind an error that the parser can only describe.
fn yaml_advice(text: &str, at: usize, message: &str) -> String {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    if line.contains('\t') || message.contains("tab") {
        return "indent with spaces: YAML does not allow tabs there".to_owned();
    }
    if line.contains(": {{") || line.contains("- {{") || line.contains(": {%") {
        return "put a value that begins with a template in quotes: `key: \"{{ name }}\"`"
            .to_owned();
    }
    if message.contains("mapping values are not allowed") {
        return "a value that contains `: ` needs quotes; otherwise check the indentation"
            .to_owned();
    }
    if message.contains("more than one document") {
        return "one file holds one playbook: remove the second `---`".to_owned();
    }
    "check the indentation, the quotes and the brackets at and above this line".to_owned()
}

/// The byte offset of a line and column, both counted from one.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    start + column.saturating_sub(1)
}

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

/// Reads playbook files.
///
/// # Errors
/// All that is wrong with any of them.
pub fn playbooks(sources: &Sources, paths: &[PathBuf]) -> Result<Vec<RawPlaybook>, Vec<Problem>> {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match read(sources, path).and_then(|file| playbook(sources, file)) {
            Ok(playbook) => loaded.push(playbook),
            Err(errors) => problems.extend(errors),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// A file of any kind that can be checked.
#[derive(Debug)]
pub enum CheckedFile {
    /// A playbook, or requests.
    Playbook(RawPlaybook),
    /// An inventory.
    Inventory(RawInventory),
}

/// Reads a file as what it looks like: a mapping of groups is an inventory,
/// anything else a playbook.
///
/// # Errors
/// All that is wrong with it.
pub fn any_file(sources: &Sources, path: &Path) -> Result<CheckedFile, Vec<Problem>> {
    let file = read(sources, path)?;
    let node = document(sources, file, format_of(&sources.get(file).name, ""));
    let is_inventory = match node.as_ref().map(|node| &node.kind) {
        Ok(Kind::Map(map)) => map.values().any(|entry| match &entry.value.kind {
            Kind::Map(group) => ["hosts", "children"].iter().any(|key| group.contains_key(*key)),
            _ => false,
        }),
        _ => false,
    };
    match is_inventory {
        true => super::inventory::parse(sources, file).map(CheckedFile::Inventory),
        false => playbook(sources, file).map(CheckedFile::Playbook),
    }
}

fn playbook(sources: &Sources, file: FileId) -> Result<RawPlaybook, Vec<Problem>> {
    let format = format_of(&sources.get(file).name, "");
    let node = document(sources, file, format)?;
    let mut decoder = Decoder::new(true, Some(Span::whole(file)));
    let items = items(&node);
    let is_request = |item: &Node| match &item.kind {
        Kind::Map(map) => {
            !map.contains_key("hosts") && !map.contains_key("tasks") && {
                let keys = ["command", "config", "connection_args", "file_transfer"];
                keys.iter().any(|key| map.contains_key(*key))
            }
        }
        _ => false,
    };
    let content = if items.is_empty() {
        let error = LoadError::Conflict {
            message: "the playbook is empty".to_owned(),
            help: "a playbook is a list of plays: `- hosts: all`, with `tasks:` below".to_owned(),
        };
        decoder.report(error, None);
        PlaybookContent::Plays(Vec::new())
    } else if items.iter().all(|item| is_request(item)) {
        PlaybookContent::Requests(decode_all(&items, "a request", &mut decoder, RawTask::check))
    } else {
        PlaybookContent::Plays(decode_all(&items, "a play", &mut decoder, RawPlay::check))
    };
    finish(RawPlaybook { file, content }, decoder)
}

/// Reads requests whose texts are literal, never templates: what `sshoal
/// request` takes. JSON is read as JSON, anything else as YAML.
///
/// # Errors
/// All that is wrong with the document.
pub fn literal_requests(sources: &Sources, file: FileId) -> Result<Vec<At<RawTask>>, Vec<Problem>> {
    let source = sources.get(file);
    let node = document(sources, file, format_of(&source.name, &source.text))?;
    let mut decoder = Decoder::new(false, Some(Span::whole(file)));
    let requests = decode_all(&items(&node), "a request", &mut decoder, RawTask::check);
    finish(requests, decoder)
}

/// The variables of a file; relative to nothing, rendered by nobody yet.
///
/// # Errors
/// The file cannot be read, or is not a mapping.
pub fn vars_file(sources: &Sources, path: &Path) -> Result<(FileId, Vars), Vec<Problem>> {
    let file = read(sources, path)?;
    let node = document(sources, file, format_of_vars(path))?;
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

/// The variables of one `--extra-vars`: `k=v k2=v2`, `@file`, or a mapping in
/// JSON or YAML.
///
/// # Errors
/// The text has none of these forms, or its file cannot be read.
pub fn extra_vars(sources: &Sources, text: &str) -> Result<(FileId, Vars), Vec<Problem>> {
    if let Some(path) = text.strip_prefix('@') {
        return vars_file(sources, Path::new(path));
    }
    let here = Path::new(".");
    let file = sources.add("<--extra-vars>", here, text.to_owned());
    let trimmed = text.trim_start();
    if trimmed.starts_with('{') {
        let node = document(sources, file, Format::Yaml(Scalars::Ansible))?;
        let mut decoder = Decoder::new(true, Some(Span::whole(file)));
        let vars = Vars::decode(&node, "`--extra-vars`", &mut decoder).unwrap_or_default();
        return finish((file, vars), decoder);
    }
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            let entry = super::node::Entry { key: None, value: Node::text(value) };
            let vars = [(name.trim().to_owned(), entry)].into_iter().collect();
            Ok((file, Vars(vars)))
        }
        _ => {
            let error = LoadError::Conflict {
                // The text may be a secret that only lacks its name.
                message: "an `--extra-vars` gives no variable".to_owned(),
                help: "write `-e name=value`, `-e @file.yml` or `-e '{\"name\": \"value\"}'`"
                    .to_owned(),
            };
            Err(vec![Problem::new(error, None)])
        }
    }
}

/// Reads inventory files.
///
/// # Errors
/// All that is wrong with any of them.
pub fn inventory_files(
    sources: &Sources,
    paths: &[PathBuf],
) -> Result<Vec<RawInventory>, Vec<Problem>> {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match read(sources, path).and_then(|file| super::inventory::parse(sources, file)) {
            Ok(inventory) => loaded.push(inventory),
            Err(errors) => problems.extend(errors),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// Writes a value as YAML.
///
/// # Errors
/// The value has no YAML form.
pub fn to_yaml<T: serde::Serialize>(value: &T) -> Result<String, String> {
    serde_yaml::to_string(value).map_err(|error| error.to_string())
}

fn read(sources: &Sources, path: &Path) -> Result<FileId, Vec<Problem>> {
    sources.read(path).map_err(|error| vec![Problem::new(unreadable(path, &error), None)])
}

/// The error for a file that cannot be read, in the user's terms.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> LoadError {
    use std::io::ErrorKind;
    let (reason, help) = match error.kind() {
        ErrorKind::NotFound => {
            ("there is no such file", "check the path; it starts at the current directory")
        }
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
    LoadError::Unreadable { path: path.display().to_string(), reason, help: help.to_owned() }
}

/// JSON is parsed as JSON, for YAML rejects some of it (surrogate pairs).
fn format_of(name: &str, text: &str) -> Format {
    let looks_json = text.trim_start().starts_with(['{', '[']);
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    match name.ends_with(".json") || (looks_json && !is_yaml) {
        true => Format::Json,
        false => Format::Yaml(Scalars::Core),
    }
}

fn format_of_vars(path: &Path) -> Format {
    match path.extension().is_some_and(|extension| extension == "json") {
        true => Format::Json,
        false => Format::Yaml(Scalars::Ansible),
    }
}

/// The items of a list, or the one thing that stands for a list of one.
fn items(node: &Node) -> Vec<&Node> {
    match &node.kind {
        Kind::Null => Vec::new(),
        Kind::List(items) => items.iter().collect(),
        _ => vec![node],
    }
}

fn decode_all<T: Decode>(
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

fn finish<T>(value: T, decoder: Decoder) -> Result<T, Vec<Problem>> {
    let problems = decoder.finish();
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

/// The value behind a key, for callers that read a tree without types.
pub(super) fn entry_map(node: &Node) -> Option<&Map> {
    match &node.kind {
        Kind::Map(map) => Some(map),
        _ => None,
    }
}
