//! How long to wait between two tries.

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
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

impl Decode for Pause {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let seconds = match &node.kind {
            Kind::Number(number) => number.as_f64().and_then(Self::new),
            _ => None,
        };
        if seconds.is_none() {
            decoder.wrong_type(node, what, Self::EXPECTED, "write a plain number such as `5`");
        }
        seconds
    }
}
