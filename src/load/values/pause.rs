//! How often to try again, and how long to wait between two tries.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::LONGEST;
use crate::load::decode::{Decode, Decoder};
use crate::load::node::{Kind, Node};

/// A pause of zero seconds or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pause(pub f64);

impl Pause {
    /// Checks the range.
    #[must_use]
    pub fn new(seconds: f64) -> Option<Self> {
        (0.0..=LONGEST).contains(&seconds).then_some(Self(seconds))
    }

    /// The range in words.
    pub const EXPECTED: &'static str = "a number of seconds of 0 or more";
}

impl JsonSchema for Pause {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pause".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": r"^\s*\+?[0-9]+(\.[0-9]*)?\s*$" },
        ] })
    }
}

impl Decode for Pause {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let seconds = match &node.kind {
            Kind::Number(number) => number.as_f64().and_then(Self::new),
            Kind::Text(text, _) => text.trim().parse().ok().and_then(Self::new),
            _ => None,
        };
        if seconds.is_none() {
            decoder.wrong_type(node, what, Self::EXPECTED, "write a plain number such as `5`");
        }
        seconds
    }
}

/// How often to try again: 0 or more. As in Ansible it may stand in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries(pub u32);

impl Retries {
    /// The range in words.
    pub const EXPECTED: &'static str = "an integer of 0 or more";
}

impl JsonSchema for Retries {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Retries".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            { "type": "string", "pattern": r"^\s*\+?[0-9]{1,9}\s*$" },
        ] })
    }
}

impl Decode for Retries {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let retries = match &node.kind {
            Kind::Number(number) => number.as_u64().and_then(|retries| retries.try_into().ok()),
            Kind::Text(text, _) => text.trim().parse().ok(),
            _ => None,
        };
        if retries.is_none() {
            decoder.wrong_type(node, what, Self::EXPECTED, "write a plain number");
        }
        retries.map(Self)
    }
}
