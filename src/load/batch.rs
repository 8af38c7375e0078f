//! How a play is cut into batches, and how many failures it bears, as written.

use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{Decode, Decoder};
use super::node::{Kind, Node};

/// The size of a batch of hosts: one item of `serial`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BatchSize {
    /// So many hosts; zero stands for all that are left, as in Ansible.
    Count(usize),
    /// So many of a hundred of the play's hosts, rounded down, but one at least.
    Percent(f64),
}

impl BatchSize {
    /// The form in words.
    pub const EXPECTED: &'static str = "a number of hosts, or a percentage such as \"25%\"";
}

impl FromStr for BatchSize {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(drop),
            Some(number) => {
                let percent = number.trim_end().parse().map_err(drop)?;
                if percent > 0.0 && percent <= 100.0 { Ok(Self::Percent(percent)) } else { Err(()) }
            }
        }
    }
}

impl JsonSchema for BatchSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BatchSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A count, or a share of more than 0 and at most 100.
        let text = r"^\s*(\+?[0-9]+|0*([1-9][0-9]?(\.[0-9]*)?|100(\.0*)?|0?\.0*[1-9][0-9]*)\s*%)\s*$|\{[{%]";
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": text },
        ] })
    }
}

impl Decode for BatchSize {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let size = match &node.kind {
            Kind::Number(number) => {
                number.as_u64().and_then(|count| count.try_into().ok()).map(Self::Count)
            }
            Kind::Text(text, _) => text.parse().ok(),
            _ => None,
        };
        if size.is_none() {
            let help = "write `serial: 2`, `serial: \"25%\"`, or a list such as `serial: [1, \"25%\"]`, whose last item repeats";
            decoder.wrong_type(node, what, Self::EXPECTED, help);
        }
        size
    }
}

/// A share of hosts: `max_fail_percentage`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentage(pub f64);

impl Percentage {
    /// The range in words.
    pub const EXPECTED: &'static str = "a number from 0 to 100";

    /// Checks the range.
    #[must_use]
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }
}

impl FromStr for Percentage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        number.parse().ok().and_then(Self::new).ok_or(())
    }
}

impl JsonSchema for Percentage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percentage".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 100 },
            { "type": "string", "pattern": r"^\s*\+?([0-9]{1,2}(\.[0-9]*)?|100(\.0*)?)\s*%?\s*$" },
        ] })
    }
}

impl Decode for Percentage {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let percent = match &node.kind {
            Kind::Number(number) => number.as_f64().and_then(Self::new),
            Kind::Text(text, _) => text.parse().ok(),
            _ => None,
        };
        if percent.is_none() {
            let help = "write a plain number: `max_fail_percentage: 25`";
            decoder.wrong_type(node, what, Self::EXPECTED, help);
        }
        percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_batches_are_read_as_ansible_reads_them() {
        for (text, size) in [
            ("2", Ok(BatchSize::Count(2))),
            ("0", Ok(BatchSize::Count(0))),
            (" 25% ", Ok(BatchSize::Percent(25.0))),
            ("12.5 %", Ok(BatchSize::Percent(12.5))),
            ("-1", Err(())),
            ("0%", Err(())),
            ("101%", Err(())),
            ("NaN%", Err(())),
            ("half", Err(())),
            ("", Err(())),
        ] {
            assert_eq!(text.parse(), size, "{text}");
        }
    }
}
