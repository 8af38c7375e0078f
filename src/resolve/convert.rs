//! What a template's value can become.

use minijinja::value::{Value, ValueKind};

use crate::load::batch::{BatchSize, Percentage};
use crate::load::parse_bool;
use crate::load::values::{
    HostKeyPolicyName, Limit, Mode, OperationName, Pause, QueueStrategyName, Retries, Seconds,
};

/// A type that a template's value can become.
pub trait FromValue: Sized {
    /// The type in words.
    const EXPECTED: &'static str;

    /// The value, if it fits. Texts that spell a value are taken for it.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for String {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::String | ValueKind::Number | ValueKind::Bool => Some(value.to_string()),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_value(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::Bool => Some(value.is_true()),
            _ => parse_bool(value.as_str()?.trim()),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    }
}

macro_rules! integers_from_values {
    ($($type:ty, $expected:literal;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value) -> Option<Self> {
                match value.as_str() {
                    Some(text) => text.trim().parse().ok(),
                    None => value.as_i64()?.try_into().ok(),
                }
            }
        }
    )*};
}

integers_from_values! {
    u16, "an integer from 1 to 65535";
    u32, "an integer of 0 or more";
    u64, "an integer of 0 or more";
    i64, "an integer";
}

impl FromValue for Seconds {
    const EXPECTED: &'static str = Seconds::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        number(value).and_then(Self::new)
    }
}

impl FromValue for Pause {
    const EXPECTED: &'static str = Pause::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        number(value).and_then(Self::new)
    }
}

impl FromValue for Retries {
    const EXPECTED: &'static str = Retries::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        u32::from_value(value).map(Self)
    }
}

impl FromValue for Limit {
    const EXPECTED: &'static str = Seconds::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value.is_none() {
            true => Some(Self(None)),
            false => Seconds::from_value(value).map(|seconds| Self(Some(seconds))),
        }
    }
}

impl FromValue for Mode {
    const EXPECTED: &'static str = Mode::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        value.as_str().and_then(Self::parse)
    }
}

impl FromValue for BatchSize {
    const EXPECTED: &'static str = BatchSize::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some(text) => text.parse().ok(),
            None => value.as_i64()?.try_into().ok().map(Self::Count),
        }
    }
}

impl FromValue for Percentage {
    const EXPECTED: &'static str = Percentage::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some(text) => text.parse().ok(),
            None => number(value).and_then(Self::new),
        }
    }
}

macro_rules! choices_from_values {
    ($($type:ty, $expected:literal;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value) -> Option<Self> {
                value.as_str()?.parse().ok()
            }
        }
    )*};
}

choices_from_values! {
    HostKeyPolicyName, "one of auto_add, reject, warning";
    QueueStrategyName, "one of fifo, pinned";
    OperationName, "one of upload, download";
}

/// What messages call a template's value.
#[must_use]
pub fn describe(value: &Value) -> String {
    match value.kind() {
        ValueKind::None => "nothing (none)".to_owned(),
        ValueKind::Seq | ValueKind::Iterable => "a list".to_owned(),
        ValueKind::Map => "a mapping".to_owned(),
        // The value itself might be a secret.
        kind => format!("a {kind}"),
    }
}

/// Whether a condition's value holds. A text that spells a boolean is one.
pub(super) fn truth(value: &Value) -> bool {
    match value.as_str() {
        Some(text) => parse_bool(text.trim()).unwrap_or(!text.is_empty()),
        None => value.is_true(),
    }
}
