//! Parses a text into a tree, and says where and why it cannot be parsed.

use std::path::Path;

use serde::de::DeserializeSeed;

use super::error::LoadError;
use super::node::{Kind, Node, NodeSeed};
use super::place::{Document, Scalars, byte_offset};
use super::source::{FileId, Sources, Span};
use super::warning::LoadWarning;
use crate::diagnostic::Problem;

/// The syntax of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML.
    Yaml(Scalars),
    /// JSON, strictly.
    Json,
}

impl Format {
    /// JSON is parsed as JSON, for YAML rejects some of it (surrogate pairs). A
    /// text whose name tells nothing is judged by how it begins.
    pub(super) fn of(name: &str, text: &str) -> Self {
        let looks_json = text.trim_start().starts_with(['{', '[']);
        let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
        match name.ends_with(".json") || (looks_json && !is_yaml) {
            true => Self::Json,
            false => Self::Yaml(Scalars::Core),
        }
    }

    /// What unquoted scalars mean among the variables of such a document.
    pub(super) fn of_variables(self) -> Scalars {
        match self {
            Self::Json => Scalars::Core,
            Self::Yaml(_) => Scalars::Ansible,
        }
    }

    /// The format of a file with variables, which YAML reads as Ansible does.
    pub(super) fn of_vars(path: &Path) -> Self {
        match path.extension().is_some_and(|extension| extension == "json") {
            true => Self::Json,
            false => Self::Yaml(Scalars::Ansible),
        }
    }
}

/// Reads a text of `sources` into a tree. An empty document is null.
///
/// # Errors
/// The text is not of the format, or a key stands twice where Ansible has no say.
pub fn document(sources: &Sources, file: FileId, format: Format) -> Result<Node, Vec<Problem>> {
    let source = sources.get(file);
    let text = source.text.as_str();
    let whole = Span::whole(file);
    let scalars = match format {
        Format::Yaml(scalars) => scalars,
        Format::Json => Scalars::Core,
    };
    let tree = Document::new(text, whole, format != Format::Json, scalars);
    let parsed = match format {
        Format::Json => parse_json(&tree),
        Format::Yaml(_) => parse_yaml(&tree),
    };
    let node = parsed.map_err(|problem| vec![problem])?;
    let compound = tree.compound_keys.take();
    if !compound.is_empty() {
        let place = |span: Span| with_braces(text, span);
        let problem = |span: Option<Span>| {
            Problem::new(LoadError::CompoundKey, Some(span.map_or(whole, place)))
        };
        return Err(compound.into_iter().map(problem).collect());
    }
    let duplicates = tree.duplicates();
    if duplicates.is_empty() {
        return Ok(node);
    }
    let duplicates = duplicates.into_iter().map(|(key, span)| (key, span.or(Some(whole))));
    if scalars == Scalars::Ansible {
        for (key, span) in duplicates {
            sources.warn(Problem::new(LoadWarning::DuplicateKey { key }, span));
        }
        return Ok(node);
    }
    let problem = |(key, span)| Problem::new(LoadError::DuplicateKey { key }, span);
    Err(duplicates.map(problem).collect())
}

/// Writes a value as YAML.
///
/// # Errors
/// The value has no YAML form.
pub fn to_yaml<T: serde::Serialize>(value: &T) -> Result<String, String> {
    serde_yaml::to_string(value).map_err(|error| error.to_string())
}

fn parse_json(tree: &Document<'_>) -> Result<Node, Problem> {
    let text = tree.text;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = NodeSeed(tree).deserialize(&mut deserializer);
    parsed.and_then(|node| deserializer.end().map(|()| node)).map_err(|error| {
        let line_start: usize =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = byte_offset(text, line_start + error.column().saturating_sub(1));
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        let help = json_advice(&message).to_owned();
        Problem::new(LoadError::JsonSyntax { message, help }, Some(visible(tree, at)))
    })
}

fn json_advice(message: &str) -> &'static str {
    match message {
        _ if message.starts_with("EOF") => "the text ends too early: close what is still open",
        _ if message.contains("trailing comma") => "remove the comma before this bracket",
        _ if message.contains("trailing characters") => {
            "one file holds one value: put several requests into a list `[…]`"
        }
        "key must be a string" => "put the key in double quotes",
        _ => "check the commas, the quotes and the brackets at and before this place",
    }
}

fn parse_yaml(tree: &Document<'_>) -> Result<Node, Problem> {
    let empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if tree.text.lines().all(|line| empty(line) || line.trim_end() == "---") {
        return Ok(Node { kind: Kind::Null, span: None });
    }
    NodeSeed(tree).deserialize(serde_yaml::Deserializer::from_str(tree.text)).map_err(|error| {
        let at = error.location().map(|location| byte_offset(tree.text, location.index()));
        let told = error.to_string();
        let (message, context) = told.split_once(" at line ").unwrap_or((&told, ""));
        // Its message would quote the value, which may be a secret.
        let is_unknown = message.starts_with("invalid type");
        let message = if is_unknown { "this is a value of an unknown kind" } else { message };
        let (message, help, at) = yaml_advice(tree.text, message, context, at);
        let error = LoadError::YamlSyntax { message, help: help.to_owned() };
        let place = match tree.text[at..].starts_with('\t') {
            true => Span { start: at, len: 1, ..tree.whole },
            false => visible(tree, at),
        };
        Problem::new(error, Some(place))
    })
}

/// The nearest place at or before `start` that an underline can show.
fn visible(tree: &Document<'_>, start: usize) -> Span {
    let shown = tree.text.get(..=start).unwrap_or(tree.text);
    let mut at = start.min(tree.text.len());
    while !tree.text.is_char_boundary(at) {
        at -= 1;
    }
    match tree.text[at..].chars().next() {
        Some(c) if !c.is_whitespace() => Span { start: at, len: c.len_utf8(), ..tree.whole },
        _ => match shown.trim_end().char_indices().next_back() {
            Some((start, c)) => Span { start, len: c.len_utf8(), ..tree.whole },
            None => tree.whole,
        },
    }
}

/// What most often is behind an error that the parser can only describe: the
/// message, the advice, and the place to point to.
fn yaml_advice(
    text: &str,
    message: &str,
    context: &str,
    at: Option<usize>,
) -> (String, &'static str, usize) {
    let start = at.unwrap_or(0).min(text.len());
    let say = |help, at| (message.to_owned(), help, at);
    if message.contains("more than one document") {
        let mut seconds = text.match_indices("\n---").map(|(at, _)| at + 1);
        let second = seconds.find(|at| has_content(&text[..*at]));
        let message = "there is more than one document".to_owned();
        let help = "one file holds one document: remove the second `---`, or split the file";
        return (message, help, second.unwrap_or(start));
    }
    if let Some(tab) = indenting_tab(text, start) {
        let message = "a tab stands in the indentation".to_owned();
        return (message, "indent with spaces: YAML does not allow tabs there", tab);
    }
    if context.contains("quoted scalar") && (message.contains("end of stream") || at.is_none()) {
        let opened = opening(text, context).unwrap_or(start);
        return ("a quote is not closed".to_owned(), "close the quote that opens here", opened);
    }
    if let Some(braces) = bare_template(text, start) {
        let help = "put a value that begins with a template in quotes: `key: \"{{ name }}\"`";
        return say(help, braces);
    }
    if message.contains("mapping values are not allowed") {
        let message = "a `:` stands where no value can begin".to_owned();
        let help = "a text that contains `: ` needs quotes; otherwise check the indentation";
        return (message, help, start);
    }
    let help = match context {
        _ if context.contains("flow sequence") => {
            "check the commas, and that every `[` has its `]`"
        }
        _ if context.contains("flow mapping") => "check the commas, and that every `{` has its `}`",
        _ => "check the indentation, the quotes and the brackets at and above this line",
    };
    say(help, start)
}

fn has_content(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && line != "---"
    })
}

/// The place that a context such as `5 column 3, while … at line 4 column 16` ends with.
fn opening(text: &str, context: &str) -> Option<usize> {
    let (_, place) = context.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.trim().parse().ok()?);
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let column = text[start..].char_indices().nth(column.checked_sub(1)?)?.0;
    Some(start + column)
}

/// A tab in the indentation of the line of `at`, or of the next that is not empty.
fn indenting_tab(text: &str, at: usize) -> Option<usize> {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let mut start = line_start;
    for line in text[line_start..].split_inclusive('\n').take(2) {
        let indentation = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        if let Some(tab) = indentation.find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// The template without quotes in whose braces something stands, if it does.
fn with_braces(text: &str, inner: Span) -> Span {
    let Some(start) = text[..inner.start].trim_end().strip_suffix("{{").map(str::len) else {
        return inner;
    };
    let line = text[start..].lines().next().unwrap_or_default();
    let len = line.find("}}").map_or(line.trim_end().len(), |end| end + 2);
    Span { start, len, ..inner }
}

/// The braces of a value that begins with a template and has no quotes, on the
/// line of `at` or the one before.
fn bare_template(text: &str, at: usize) -> Option<usize> {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let before = text[..line_start.saturating_sub(1)].rfind('\n').map_or(0, |newline| newline + 1);
    [line_start, before].into_iter().find_map(|start| {
        let line = text[start..].lines().next().unwrap_or_default();
        let begins = [": {{", "- {{", ": {%", "- {%"].iter().filter_map(|mark| line.find(mark));
        begins.min().map(|found| start + found + 2)
    })
}
