//! The key `tags` of plays and tasks.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{At, Decode, Decoder, OneOrMany, Templated};
use super::node::Node;

/// Tags: a list, or one text with commas. What a template gives may have commas, too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tags(pub Vec<At<Templated<String>>>);

/// The tags in a text.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|tag| !tag.is_empty())
}

impl Tags {
    /// Whether a tag is among them, as written.
    #[must_use]
    pub fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|at| matches!(&at.value, Templated::Value(own) if own == tag))
    }
}

impl JsonSchema for Tags {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tags".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let tag = json_schema!({ "type": ["string", "number"] });
        json_schema!({ "anyOf": [tag, { "type": "array", "items": tag }] })
    }
}

impl Decode for Tags {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let value = OneOrMany::<Templated<String>>::decode(node, what, decoder)?;
        let texts = At { value, span: node.span, key: None }.each();
        let tags = texts.into_iter().flat_map(|at| {
            let parts: Vec<_> = match at.value {
                Templated::Value(text) => {
                    split(&text).map(|tag| Templated::Value(tag.to_owned())).collect()
                }
                template @ Templated::Template(_) => vec![template],
            };
            let (span, key) = (at.span, at.key);
            parts.into_iter().map(move |value| At { value, span, key })
        });
        Some(Self(tags.collect()))
    }
}
