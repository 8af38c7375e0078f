//! Texts, booleans and numbers.

use super::ansible;
use super::decode::{Decode, Decoder};
use super::node::{Kind, Node};

impl Decode for String {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::Text(text, _) => Some(text.clone()),
            // `password: 12345` and `VERSION: 1.10` mean their text to everyone but YAML.
            Kind::Number(number) => Some(number.to_string()),
            _ => {
                let help = match &node.kind {
                    Kind::Map(map)
                        if ["`command`", "`config`"].contains(&what) && ansible::is_module(map) =>
                    {
                        &ansible::as_text(what.trim_matches('`'))
                    }
                    Kind::List(_) | Kind::Map(_) => "write a single text",
                    _ => "put it in quotes",
                };
                decoder.wrong_type(node, what, "a text", help);
                None
            }
        }
    }
}

impl Decode for bool {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let value = match &node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Text(text, _) => parse_bool(text),
            _ => None,
        };
        if value.is_none() {
            decoder.wrong_type(node, what, "true or false", "write `true` or `false`, unquoted");
        }
        value
    }
}

/// The booleans that playbooks accept.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

macro_rules! decode_numbers {
    ($($type:ty, $read:ident, $expected:literal;)*) => {$(
        impl Decode for $type {
            fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
                if let Kind::Number(number) = &node.kind
                    && let Some(value) = number.$read()
                    && let Ok(value) = value.try_into()
                {
                    return Some(value);
                }
                let help = match &node.kind {
                    Kind::Text(text, _) if text.parse::<f64>().is_ok() => "write it without quotes",
                    _ => "write a plain number",
                };
                decoder.wrong_type(node, what, $expected, help);
                None
            }
        }
    )*};
}

decode_numbers! {
    u16, as_u64, "an integer from 1 to 65535";
    u32, as_u64, "an integer of 0 or more";
    u64, as_u64, "an integer of 0 or more";
    i64, as_i64, "an integer";
    f64, as_f64, "a number";
}
