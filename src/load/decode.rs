//! From trees to types: every error of a document is reported, not just the first.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::document::Format;
use super::error::LoadError;
use super::node::{Kind, Map, Node, TextStyle};
use super::place::Scalars;
use super::source::Span;
use crate::diagnostic::Problem;

/// A value and the places it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where the value stands, or else its key.
    pub span: Option<Span>,
    /// Where its key stands.
    pub key: Option<Span>,
}

impl<T> At<T> {
    /// A value that was not read from a text.
    pub fn nowhere(value: T) -> Self {
        Self { value, span: None, key: None }
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A value, or a template that will give one.
#[derive(Debug, Clone, PartialEq)]
pub enum Templated<T> {
    /// The value.
    Value(T),
    /// The text of a minijinja template.
    Template(String),
}

impl<T: JsonSchema> JsonSchema for Templated<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Templated_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        super::shape::templated(generator.subschema_for::<T>())
    }
}

/// Whether a text is a template at all.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// A type that can be read from a [`Node`].
///
/// `None` means that the errors have been reported to the decoder.
pub trait Decode: Sized {
    /// Whether an explicit `null` is a value rather than an absent key.
    const TAKES_NULL: bool = false;

    /// Reads the value. `what` names it in errors, such as `` `port` ``.
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self>;
}

/// Collects the problems of a document while it is decoded.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Whether texts may be templates. Requests and ad hoc commands are literal.
    pub templates: bool,
    /// What unquoted scalars mean among variables and the items of loops.
    pub(super) variables: Scalars,
    /// Where to point when a node has no place of its own.
    fallback: Option<Span>,
    problems: Vec<Problem>,
}

/// What could not be made use of in a mapping. It has been reported.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rejected {
    /// Whether there were keys that nothing knows.
    pub has_unknown: bool,
    /// The keys whose values cannot be read.
    pub unreadable: Vec<&'static str>,
}

impl Rejected {
    /// Whether `key` is missing only as far as is known: it may be mistyped, or have a
    /// value of the wrong type.
    #[must_use]
    pub fn may_be(&self, key: &str) -> bool {
        self.has_unknown || self.unreadable.contains(&key)
    }
}

impl Decoder {
    /// A decoder for a document.
    #[must_use]
    pub fn new(templates: bool, fallback: Option<Span>) -> Self {
        Self { templates, fallback, ..Self::default() }
    }

    /// A decoder for a playbook or requests. Their variables mean what those of files
    /// with variables do: a `no` must not hold only because it moved.
    pub(super) fn of_playbook(templates: bool, fallback: Option<Span>, format: Format) -> Self {
        Self { variables: format.of_variables(), ..Self::new(templates, fallback) }
    }

    /// The problems found so far.
    pub fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// Reports an error at a place, or as near to it as is known.
    pub fn report(&mut self, error: LoadError, span: Option<Span>) {
        self.problems.push(Problem::new(error, span.or(self.fallback)));
    }

    /// Reports a value of the wrong type.
    pub fn wrong_type(&mut self, node: &Node, what: &str, expected: &str, help: &str) {
        let error = LoadError::WrongType {
            what: what.to_owned(),
            expected: expected.to_owned(),
            found: node.describe(),
            help: help.to_owned(),
        };
        self.report(error, node.span);
    }

    /// The node as a mapping.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Map> {
        match &node.kind {
            Kind::Map(map) => Some(map),
            _ => {
                self.wrong_type(node, what, "a mapping", "write `key: value` pairs");
                None
            }
        }
    }

    /// Decodes the value of a key.
    pub fn field<T: Decode>(&mut self, key: &str, entry: &super::node::Entry) -> Option<At<T>> {
        if entry.is_null() && !T::TAKES_NULL {
            return None;
        }
        let outer = self.fallback;
        self.fallback = entry.value.span.or(entry.key).or(outer);
        let value = T::decode(&entry.value, &format!("`{key}`"), self);
        self.fallback = outer;
        let span = entry.value.span.or(entry.key).or(outer);
        value.map(|value| At { value, span, key: entry.key.or(outer) })
    }

    /// Reports a key that nothing knows, with the nearest known one.
    pub fn unknown_key(&mut self, key: &str, span: Option<Span>, within: &str, known: &[&str]) {
        let help = Self::instead_of(key, within, known);
        let error = LoadError::UnknownKey { key: key.to_owned(), within: within.to_owned(), help };
        self.report(error, span);
    }

    /// What to write in place of a key that nothing knows.
    pub fn instead_of(key: &str, within: &str, known: &[&str]) -> String {
        match (nearest(key, known.iter().copied()), super::ansible::instead_of(key)) {
            (_, Some((place, instead))) if place.is_empty() || within == place => {
                instead.to_owned()
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, _) => format!("known keys: {}", known.join(", ")),
        }
    }
}

/// The known name that a mistyped one most resembles, if any does.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&lower, &known.to_lowercase());
            let part = known.len() > 3
                && lower.len() > 3
                && (known.contains(&lower) || lower.contains(known));
            (if part { distance.min(2) } else { distance }, known)
        })
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

impl<T: Decode> Decode for Templated<T> {
    const TAKES_NULL: bool = T::TAKES_NULL;

    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::Text(text, _) if decoder.templates && is_template(text) => {
                Some(Self::Template(text.clone()))
            }
            _ => T::decode(node, what, decoder).map(Self::Value),
        }
    }
}

impl Decode for Node {
    fn decode(node: &Node, _: &str, _: &mut Decoder) -> Option<Self> {
        Some(node.clone())
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq)]
pub enum OneOrMany<T> {
    /// A single value.
    One(T),
    /// A list.
    Many(Vec<At<T>>),
}

impl<T: Clone> At<OneOrMany<T>> {
    /// Each value, with its place.
    #[must_use]
    pub fn each(&self) -> Vec<At<T>> {
        match &self.value {
            OneOrMany::One(one) => vec![At { value: one.clone(), span: self.span, key: self.key }],
            OneOrMany::Many(many) => many.clone(),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::List(_) => Vec::decode(node, what, decoder).map(Self::Many),
            _ => T::decode(node, what, decoder).map(Self::One),
        }
    }
}

impl<T: Decode> Decode for Vec<At<T>> {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            decoder.wrong_type(node, what, "a list", "write one `- item` per line");
            return None;
        };
        let what = format!("an item of {what}");
        let decoded = items.iter().filter_map(|item| {
            let value = T::decode(item, &what, decoder)?;
            Some(At { value, span: item.span, key: item.span })
        });
        Some(decoded.collect())
    }
}

/// Whether a text stands in the document without quotes.
#[must_use]
pub fn is_plain(node: &Node) -> bool {
    matches!(node.kind, Kind::Text(_, TextStyle::Plain) | Kind::Number(_))
}
