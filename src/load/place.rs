//! Finds where the values of a document stand.
//!
//! serde_yaml lends out a scalar as a slice of the document wherever the scalar
//! stands there verbatim, and the address of that slice is its position: that
//! covers every key and nearly every text in one pass. A value that is not lent
//! out (a number, a block scalar) is found behind its key. Numbers that no key
//! precedes are found by the module `numbers`; for the few other items of lists, a
//! second walk stops at the item with an error, and the error has the position.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;

use super::node::{Kind, Node, TextStyle};
use super::numbers::places_of_numbers;
use super::source::Span;
use super::walk::position_of;
use super::yaml_1_1;

/// What an unquoted scalar means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scalars {
    /// YAML 1.2, and JSON.
    #[default]
    Core,
    /// YAML 1.1 as Ansible reads it: `yes` and `on` are booleans, `0644` is octal.
    Ansible,
}

/// How many items of a document are looked for by a walk of their own.
const MOST_WALKS: usize = 100;

/// What building a tree needs to know of its document.
pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) whole: Span,
    scalars: Scalars,
    is_yaml: bool,
    counted: Cell<usize>,
    walks: Cell<usize>,
    numbers: OnceCell<HashMap<usize, Range<usize>>>,
    duplicates: RefCell<Vec<(String, Option<Span>)>>,
    /// The places of keys that are mappings or lists.
    pub(super) compound_keys: RefCell<Vec<Option<Span>>>,
}

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str, whole: Span, is_yaml: bool, scalars: Scalars) -> Self {
        Self {
            text,
            whole,
            scalars,
            is_yaml,
            counted: Cell::new(0),
            walks: Cell::new(0),
            numbers: OnceCell::new(),
            duplicates: RefCell::default(),
            compound_keys: RefCell::default(),
        }
    }

    /// Notes that a node is about to be read.
    pub(super) fn count(&self) {
        self.counted.set(self.counted.get() + 1);
    }

    /// How many nodes were read so far, which is the next one's ordinal.
    pub(super) fn counted(&self) -> usize {
        self.counted.get()
    }

    /// Notes a key that stands twice in one mapping.
    pub(super) fn duplicate(&self, key: String, span: Option<Span>) {
        self.duplicates.borrow_mut().push((key, span));
    }

    /// Keys that stand twice in one mapping.
    pub(super) fn duplicates(self) -> Vec<(String, Option<Span>)> {
        self.duplicates.into_inner()
    }

    /// The place of a text that serde lent out of the document.
    pub(super) fn locate(&self, lent: &str) -> Option<Span> {
        let start = (lent.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        let inside = start + lent.len() <= self.text.len();
        // An empty slice may point anywhere.
        (inside && !lent.is_empty()).then_some(Span {
            file: self.whole.file,
            start,
            len: lent.len(),
        })
    }

    pub(super) fn style(&self, span: Span) -> TextStyle {
        let before = span.start.checked_sub(1).map(|at| self.text.as_bytes()[at]);
        match before {
            Some(b'"' | b'\'') => TextStyle::Quoted,
            _ if self.text[..span.start].trim_end().ends_with("!!str") => TextStyle::Quoted,
            _ => TextStyle::Plain,
        }
    }

    /// The place of a value that was not lent out: what stands behind its key on
    /// the same line, or else the key.
    pub(super) fn behind(&self, key: Option<Span>) -> Option<Span> {
        let key = key?;
        let rest = &self.text[key.start + key.len..];
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let value = line.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
        let value = value.trim_start();
        let start = key.start + key.len + (line.len() - value.len());
        match token(value) {
            0 => Some(key),
            len => Some(Span { file: key.file, start, len }),
        }
    }

    /// The place of the node with this ordinal, by a walk of its own.
    pub(super) fn marked(&self, ordinal: usize) -> Option<Span> {
        if !self.is_yaml || self.walks.get() >= MOST_WALKS {
            return None;
        }
        self.walks.set(self.walks.get() + 1);
        let start = byte_offset(self.text, position_of(self.text, ordinal)?);
        let line = self.text[start..].split(['\n', '\r']).next().unwrap_or_default();
        match token(line) {
            0 => None,
            len => Some(Span { start, len, ..self.whole }),
        }
    }

    /// A key as it is written: keys are texts to everything that reads these trees,
    /// so that `8080`, `1.10` and `on` may be names.
    pub(super) fn key_name(&self, key: &mut Node, ordinal: usize) -> String {
        if let Kind::Text(text, _) = &key.kind {
            return text.clone();
        }
        if matches!(key.kind, Kind::Number(_)) {
            key.span = key.span.or_else(|| self.number(ordinal));
        }
        match (&key.kind, key.span) {
            (Kind::Bool(_) | Kind::Number(_), Some(span)) => {
                let text = &self.text[span.start..span.start + span.len];
                let name = text.split(':').next().unwrap_or_default().trim_end();
                key.span = Some(Span { len: name.len(), ..span });
                name.to_owned()
            }
            (Kind::Map(_) | Kind::List(_), span) => {
                self.compound_keys.borrow_mut().push(span);
                String::new()
            }
            _ => key.to_json().to_string(),
        }
    }

    /// Gives back their text to numbers: what is written `1.10` may be meant so, and
    /// some of what is a number to YAML 1.2 is a text to YAML 1.1.
    pub(super) fn renumber(&self, node: &mut Node, ordinal: usize) {
        let Kind::Number(number) = &node.kind else { return };
        let is_number = |span: &Span| looks_like_a_number(self.written(*span));
        let Some(span) = node.span.filter(is_number).or_else(|| self.number(ordinal)) else {
            return;
        };
        let written = self.written(span);
        node.span = Some(span);
        node.kind = match self.scalars {
            Scalars::Ansible if yaml_1_1::is_text(written) => {
                Kind::Text(written.to_owned(), TextStyle::Plain)
            }
            Scalars::Ansible => return,
            Scalars::Core => Kind::Number(number.clone().written(written)),
        };
    }

    /// The place of the number with this ordinal.
    fn number(&self, ordinal: usize) -> Option<Span> {
        if !self.is_yaml {
            return None;
        }
        let places = self.numbers.get_or_init(|| places_of_numbers(self.text));
        places.get(&ordinal).map(|place| Span {
            start: place.start,
            len: place.len(),
            ..self.whole
        })
    }

    fn written(&self, span: Span) -> &'t str {
        self.text.get(span.start..span.start + span.len).unwrap_or_default()
    }

    /// What an unquoted text means.
    pub(super) fn plain(&self, text: &str) -> Kind {
        match self.scalars {
            Scalars::Core => Kind::Text(text.to_owned(), TextStyle::Plain),
            Scalars::Ansible => yaml_1_1::plain(text),
        }
    }
}

/// A parser's position, which may be beyond the end, in the text.
pub(crate) fn byte_offset(text: &str, index: usize) -> usize {
    let mut at = index.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Whether a text that was found where a number stands is just that number.
fn looks_like_a_number(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || b"+-._xo".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && text.bytes().all(is_part)
}

/// The length of the value that a line begins with.
fn token(line: &str) -> usize {
    match line.chars().next() {
        Some(quote @ ('"' | '\'')) => closing_quote(line, quote).unwrap_or(line.trim_end().len()),
        Some('[' | '{') => closing_bracket(line).unwrap_or(line.trim_end().len()),
        Some('#') => 0,
        Some('|' | '>') => line.split([' ', '\t']).next().unwrap_or_default().len(),
        _ => {
            let value = line.split(" #").next().unwrap_or_default();
            let value = value.split([',', '}', ']']).next().unwrap_or_default();
            value.trim_end().len()
        }
    }
}

/// The length of a quoted text with both quotes, if it ends in `text`.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            // Two single quotes stand for one.
            if quote == '\'' && chars.next_if(|(_, next)| *next == '\'').is_some() {
                continue;
            }
            return Some(at + 1);
        }
    }
    None
}

fn closing_bracket(line: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in line.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' if depth == 1 => return Some(at + 1),
            ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The place in `source` of a part of a text that was read from `span`.
///
/// A block, or a text with escapes, does not stand there as it was read; but the
/// part does, as a rule, and after as many of its like as in the text.
pub(crate) fn part(source: &str, span: Span, text: &str, part: Range<usize>) -> Option<Span> {
    let place = |start: usize, len: usize| Some(Span { file: span.file, start, len });
    if source.get(span.start..span.start + span.len) == Some(text) {
        return place(span.start + part.start, part.len());
    }
    let wanted = text.get(part.clone())?.lines().next()?.trim();
    if wanted.is_empty() {
        return None;
    }
    let before = text[..part.start].matches(wanted).count();
    let extent = extent(source, span.start)?;
    let (at, _) = extent.match_indices(wanted).nth(before)?;
    place(span.start + at, wanted.len())
}

/// The text of the scalar that begins at `start`, as far as it can reach.
fn extent(source: &str, start: usize) -> Option<&str> {
    let rest = source.get(start..)?;
    if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
        return closing_quote(rest, quote).map(|len| &rest[..len]);
    }
    let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let outer = indent(&source[line_start..]);
    let mut len = 0;
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        if number > 0 && !line.trim().is_empty() && indent(line) <= outer {
            break;
        }
        len += line.len();
    }
    Some(&rest[..len])
}
