//! A parsed document as a tree of values that know where they stand.
//!
//! serde_yaml gives no positions with its values. It does lend out a scalar as a
//! slice of the document wherever the scalar stands there verbatim, and the
//! address of that slice is its position: that covers every key and nearly every
//! string in one pass. A value that is not lent out (a number, a block scalar)
//! is found behind its key.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: Kind,
    /// Where it stands, where that is known.
    pub span: Option<Span>,
}

/// The kinds of value that YAML and JSON share.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String, TextStyle),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written.
    Map(Map),
    /// A value with a local YAML tag such as `!vault`.
    Tagged(String, Box<Node>),
}

/// How a text was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextStyle {
    /// Without quotes, on one line.
    Plain,
    /// In quotes, as a block, or over several lines.
    Quoted,
}

/// A mapping, in the order written.
pub type Map = IndexMap<String, Entry>;

/// A value of a mapping, with the place of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where the key stands.
    pub key: Option<Span>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A text without a place.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: Kind::Text(text.into(), TextStyle::Quoted), span: None }
    }

    /// What messages call a value of this kind.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing (null)".to_owned(),
            Kind::Bool(value) => format!("the boolean `{value}`"),
            Kind::Number(number) => format!("the number `{number}`"),
            Kind::Text(text, _) if text.chars().count() <= 40 && !text.contains('\n') => {
                format!("the text \"{text}\"")
            }
            Kind::Text(..) => "a text".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Tagged(tag, _) => format!("a `!{}` value", tag.trim_start_matches('!')),
        }
    }

    /// The value as JSON; a tagged value as its content.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text, _) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(map) => Value::Object(
                map.iter().map(|(key, entry)| (key.clone(), entry.value.to_json())).collect(),
            ),
            Kind::Tagged(_, inner) => inner.to_json(),
        }
    }

    /// A value without a place, from JSON.
    #[must_use]
    pub fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.clone()),
            Value::String(text) => Kind::Text(text.clone(), TextStyle::Quoted),
            Value::Array(items) => Kind::List(items.iter().map(Self::from_json).collect()),
            Value::Object(map) => Kind::Map(
                map.iter()
                    .map(|(key, value)| {
                        (key.clone(), Entry { key: None, value: Self::from_json(value) })
                    })
                    .collect(),
            ),
        };
        Self { kind, span: None }
    }
}

/// What building a tree needs to know of its document.
pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) whole: Span,
    pub(super) scalars: Scalars,
    /// Keys that stand twice in one mapping.
    pub(super) duplicates: std::cell::RefCell<Vec<(String, Option<Span>)>>,
}

/// What an unquoted scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalars {
    /// YAML 1.2, and JSON.
    Core,
    /// YAML 1.1 as Ansible reads it: `yes` and `on` are booleans, `0644` is octal.
    Ansible,
}

impl Document<'_> {
    /// The place of a text that serde lent out of the document.
    fn locate(&self, lent: &str) -> Option<Span> {
        let start = (lent.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        let inside = start + lent.len() <= self.text.len();
        // An empty slice may point anywhere.
        (inside && !lent.is_empty()).then_some(Span {
            file: self.whole.file,
            start,
            len: lent.len(),
        })
    }

    fn style(&self, span: Span) -> TextStyle {
        let before = span.start.checked_sub(1).map(|at| self.text.as_bytes()[at]);
        match before {
            Some(b'"' | b'\'') => TextStyle::Quoted,
            _ => TextStyle::Plain,
        }
    }

    /// The place of a value that was not lent out: what stands behind its key on
    /// the same line, or else the key.
    fn behind(&self, key: Option<Span>) -> Option<Span> {
        let key = key?;
        let rest = &self.text[key.start + key.len..];
        let line = rest.split('\n').next().unwrap_or_default();
        let value = line.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
        let value = value.trim_start();
        let start = key.start + key.len + (line.len() - value.len());
        let value = value.split(" #").next().unwrap_or_default();
        let value = value.trim_end_matches(|c: char| c.is_whitespace() || ",}]".contains(c));
        match value.is_empty() {
            true => Some(key),
            false => Some(Span { file: key.file, start, len: value.len() }),
        }
    }

    fn plain(&self, text: &str) -> Kind {
        match self.scalars {
            Scalars::Core => Kind::Text(text.to_owned(), TextStyle::Plain),
            Scalars::Ansible => yaml_1_1(text),
        }
    }
}

/// A plain scalar that YAML 1.2 reads as text, read as YAML 1.1.
fn yaml_1_1(text: &str) -> Kind {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Kind::Bool(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Kind::Bool(false),
        _ => {}
    }
    let octal = text.strip_prefix('0').filter(|digits| !digits.is_empty());
    if let Some(number) = octal.and_then(|digits| u64::from_str_radix(digits, 8).ok()) {
        return Kind::Number(number.into());
    }
    Kind::Text(text.to_owned(), TextStyle::Plain)
}

/// Builds a [`Node`] of `document`.
#[derive(Clone, Copy)]
pub(super) struct NodeSeed<'d, 't>(pub(super) &'d Document<'t>);

impl<'de> DeserializeSeed<'de> for NodeSeed<'_, '_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_, '_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node { kind: Kind::Null, span: None })
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node { kind: Kind::Null, span: None })
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node { kind: Kind::Bool(value), span: None })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node { kind: Kind::Number(value.into()), span: None })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node { kind: Kind::Number(value.into()), span: None })
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let kind = match serde_json::Number::from_f64(value) {
            Some(number) => Kind::Number(number),
            // `.inf` and `.nan` have no JSON form; as text they at least survive.
            None => Kind::Text(value.to_string(), TextStyle::Plain),
        };
        Ok(Node { kind, span: None })
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node, E> {
        let span = self.0.locate(text);
        let kind = match span.map(|span| self.0.style(span)) {
            Some(TextStyle::Plain) => self.0.plain(text),
            _ => Kind::Text(text.to_owned(), TextStyle::Quoted),
        };
        Ok(Node { kind, span })
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        let span = items.first().and_then(|item: &Node| item.span);
        Ok(Node { kind: Kind::List(items), span })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Map::new();
        let mut merges = Vec::new();
        while let Some(key) = access.next_key_seed(self)? {
            let mut value = access.next_value_seed(self)?;
            let name = key_name(&key);
            value.span = value.span.or_else(|| self.0.behind(key.span));
            if name == "<<" {
                merges.push(value);
            } else if map.contains_key(&name) {
                self.0.duplicates.borrow_mut().push((name, key.span));
            } else {
                map.insert(name, Entry { key: key.span, value });
            }
        }
        let span = map.values().find_map(|entry| entry.key);
        for merge in merges {
            merge_into(&mut map, merge);
        }
        Ok(Node { kind: Kind::Map(map), span })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Node, A::Error> {
        let (tag, content) = access.variant_seed(TagSeed)?;
        let inner = content.newtype_variant_seed(self)?;
        let span = inner.span;
        Ok(Node { kind: Kind::Tagged(tag, Box::new(inner)), span })
    }
}

/// The name of a local tag.
struct TagSeed;

impl<'de> DeserializeSeed<'de> for TagSeed {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        serde::Deserialize::deserialize(deserializer)
    }
}

/// Keys are texts to everything that reads these trees; `8080: x` has the key "8080".
fn key_name(key: &Node) -> String {
    match &key.kind {
        Kind::Text(text, _) => text.clone(),
        _ => match key.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        },
    }
}

/// YAML's merge key: what the mapping has itself wins.
fn merge_into(map: &mut Map, merge: Node) {
    match merge.kind {
        Kind::Map(lower) => {
            for (name, entry) in lower {
                map.entry(name).or_insert(entry);
            }
        }
        Kind::List(items) => items.into_iter().for_each(|item| merge_into(map, item)),
        _ => {}
    }
}
