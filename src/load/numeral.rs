//! A number that remembers how it was written.

use std::fmt;
use std::ops::Deref;

/// A number, and how it was written where that is known: `1.10` is a version to
/// whoever reads a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Numeral {
    value: serde_json::Number,
    written: Option<Box<str>>,
}

impl Numeral {
    /// The number itself.
    #[must_use]
    pub fn value(&self) -> serde_json::Number {
        self.value.clone()
    }

    /// How it was written, where that is known.
    #[must_use]
    pub fn as_written(&self) -> Option<&str> {
        self.written.as_deref()
    }

    /// The same number, written like this.
    #[must_use]
    pub fn written(self, text: &str) -> Self {
        Self { written: Some(text.into()), ..self }
    }
}

impl<N: Into<serde_json::Number>> From<N> for Numeral {
    fn from(value: N) -> Self {
        Self { value: value.into(), written: None }
    }
}

impl Deref for Numeral {
    type Target = serde_json::Number;

    fn deref(&self) -> &serde_json::Number {
        &self.value
    }
}

impl fmt::Display for Numeral {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.written {
            Some(text) => f.write_str(text),
            None => self.value.fmt(f),
        }
    }
}
