//! Values with a form of their own: durations, permission bits, choices,
//! environments.

mod pause;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{At, Decode, Decoder, Templated, is_plain};
use super::error::LoadError;
use super::node::{Kind, Node};
pub use pause::{Pause, Retries};

/// Declares a text with a fixed set of values.
macro_rules! choices {
    ($( $(#[$meta:meta])* $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )* } )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
        pub enum $name { $( $(#[$variant_meta])* #[schemars(rename = $text)] $variant, )* }

        impl $name {
            /// The texts that stand for the values.
            pub const NAMES: &'static [&'static str] = &[$($text),*];
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $( $text => Ok(Self::$variant), )*
                    _ => Err(format!("one of {}", Self::NAMES.join(", "))),
                }
            }
        }

        impl Decode for $name {
            fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
                if let Kind::Text(text, _) = &node.kind && let Ok(value) = text.parse() {
                    return Some(value);
                }
                let written = match &node.kind { Kind::Text(text, _) => text.as_str(), _ => "" };
                let help = match super::decode::nearest(written, Self::NAMES.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "choose one of these".to_owned(),
                };
                decoder.wrong_type(node, what, &format!("one of {}", Self::NAMES.join(", ")), &help);
                None
            }
        }
    )*};
}

choices! {
    /// `host_key_policy`.
    HostKeyPolicyName {
        /// Accept and save unknown keys.
        AutoAdd = "auto_add",
        /// Refuse unknown keys.
        Reject = "reject",
        /// Accept unknown keys with a warning, and do not save them.
        Warning = "warning",
    }
    /// `queue_strategy`.
    QueueStrategyName {
        /// One connection for a host's tasks of a play.
        Fifo = "fifo",
        /// The connection stays for the whole run.
        Pinned = "pinned",
    }
    /// What standard output holds.
    OutputName {
        /// Text for people.
        Text = "text",
        /// The JSON report alone.
        Json = "json",
        /// Events as JSON lines.
        Ndjson = "ndjson",
    }
    /// `operation` of a file transfer.
    OperationName {
        /// To the host.
        Upload = "upload",
        /// From the host.
        Download = "download",
    }
}

/// A duration of more than zero seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(pub f64);

/// Longer than any run; keeps arithmetic on clocks within its range.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

impl Seconds {
    /// Checks the range.
    #[must_use]
    pub fn new(seconds: f64) -> Option<Self> {
        (seconds > 0.0 && seconds <= LONGEST).then_some(Self(seconds))
    }

    /// The range in words.
    pub const EXPECTED: &'static str = "a number of seconds above 0";
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0 })
    }
}

impl Decode for Seconds {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let seconds = match &node.kind {
            Kind::Number(number) => number.as_f64().and_then(Self::new),
            _ => None,
        };
        if seconds.is_none() {
            decoder.wrong_type(node, what, Self::EXPECTED, "write a plain number such as `30`");
        }
        seconds
    }
}

/// A duration, or null for no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit(pub Option<Seconds>);

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "null"], "exclusiveMinimum": 0 })
    }
}

impl Decode for Limit {
    const TAKES_NULL: bool = true;

    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match node.kind {
            Kind::Null => Some(Self(None)),
            _ => Seconds::decode(node, what, decoder).map(|seconds| Self(Some(seconds))),
        }
    }
}

/// Permission bits, written as a quoted octal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Reads octal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bits = u32::from_str_radix(text, 8).ok()?;
        (bits <= 0o7777 && !text.starts_with('+')).then_some(Self(bits))
    }

    /// The form in words.
    pub const EXPECTED: &'static str = "permission bits in octal, in quotes";
}

impl JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-7]{1,5}$|\{[{%]", "examples": ["0644", "0755"] })
    }
}

impl Decode for Mode {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        if let Kind::Text(text, _) = &node.kind
            && !is_plain(node)
            && let Some(mode) = Self::parse(text)
        {
            return Some(mode);
        }
        let help =
            "quote it, for YAML reads an unquoted 0644 in more than one way: `mode: \"0644\"`";
        if is_plain(node) {
            let written = match &node.kind {
                Kind::Number(number) => number.to_string(),
                Kind::Text(text, _) => text.clone(),
                _ => String::new(),
            };
            let error = LoadError::WrongType {
                what: what.to_owned(),
                expected: Self::EXPECTED.to_owned(),
                found: format!("`{written}` without quotes"),
                help: help.to_owned(),
            };
            decoder.report(error, node.span);
        } else {
            decoder.wrong_type(node, what, Self::EXPECTED, help);
        }
        None
    }
}

/// Environment variables, in the order written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnvironmentMap(pub IndexMap<String, At<Templated<String>>>);

impl JsonSchema for EnvironmentMap {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Environment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
            "examples": [{ "LANG": "C.UTF-8" }],
        })
    }
}

/// Whether a shell can export a variable of this name.
#[must_use]
pub fn is_exportable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Decode for EnvironmentMap {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let map = decoder.map(node, what)?;
        let mut variables = IndexMap::new();
        for (name, entry) in map {
            if !is_exportable(name) {
                let error = LoadError::Conflict {
                    message: format!("`{name}` is not a name that a shell can export"),
                    help: "use letters, digits and `_`, and no digit first".to_owned(),
                };
                decoder.report(error, entry.key);
                continue;
            }
            let value = match &entry.value.kind {
                // The text of a boolean is what a shell script compares with.
                Kind::Bool(value) => Some(At {
                    value: Templated::Value(value.to_string()),
                    span: entry.value.span,
                    key: entry.key,
                }),
                Kind::Null => Some(At {
                    value: Templated::Value(String::new()),
                    span: entry.key,
                    key: entry.key,
                }),
                _ => decoder.field(name, entry),
            };
            variables.extend(value.map(|value| (name.clone(), value)));
        }
        Some(Self(variables))
    }
}
