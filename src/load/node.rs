//! A parsed document as a tree of values that know where they stand.
//!
//! serde gives no positions with its values; the module `place` finds them.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::numeral::Numeral;
use super::place::Document;
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
    Number(Numeral),
    /// A text.
    Text(String, TextStyle),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written.
    Map(Map),
    /// A value with a local YAML tag such as `!vault`.
    Tagged(String, Box<Node>),
}

/// The tag of a text in which nothing is a template.
pub const UNSAFE: &str = "unsafe";

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

impl Entry {
    /// Whether the key has no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.value.kind, Kind::Null)
    }
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
            Kind::Number(number) => Value::Number(number.value()),
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
            Value::Number(number) => Kind::Number(number.clone().into()),
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

/// Builds a [`Node`] of `document`.
#[derive(Clone, Copy)]
pub(super) struct NodeSeed<'d, 't>(pub(super) &'d Document<'t>);

impl<'de> DeserializeSeed<'de> for NodeSeed<'_, '_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.0.count();
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

    /// A number beyond 64 bits stays a text: JSON's readers would round it.
    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node { kind: Kind::Text(value.to_string(), TextStyle::Plain), span: None })
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node { kind: Kind::Text(value.to_string(), TextStyle::Plain), span: None })
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let kind = match serde_json::Number::from_f64(value) {
            Some(number) => Kind::Number(number.into()),
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
        let mut items: Vec<Node> = Vec::new();
        let mut ordinal = self.0.counted();
        while let Some(mut item) = seq.next_element_seed(self)? {
            self.0.renumber(&mut item, ordinal);
            item.span = item.span.or_else(|| self.0.marked(ordinal));
            ordinal = self.0.counted();
            items.push(item);
        }
        let span = items.first().and_then(|item| item.span);
        Ok(Node { kind: Kind::List(items), span })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Map::new();
        let mut merges = Vec::new();
        let mut ordinal = self.0.counted();
        while let Some(mut key) = access.next_key_seed(self)? {
            let second = self.0.counted();
            let mut value = access.next_value_seed(self)?;
            let name = self.0.key_name(&mut key, ordinal);
            value.span = value.span.or_else(|| self.0.behind(key.span));
            self.0.renumber(&mut value, second);
            if name == "<<" {
                merges.push(value);
            } else {
                if map.contains_key(&name) {
                    self.0.duplicate(name.clone(), key.span);
                }
                // Where that is no error, the last one counts.
                map.insert(name, Entry { key: key.span, value });
            }
            ordinal = self.0.counted();
        }
        let span = map.values().find_map(|entry| entry.key);
        if !merges.is_empty() {
            // What is merged comes first, as to Ansible: the order of hosts follows.
            let mut merged = Map::new();
            merges.into_iter().for_each(|merge| merge_into(&mut merged, merge));
            merged.extend(map);
            map = merged;
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

/// YAML's merge key: of several mappings that are merged, the first wins.
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
