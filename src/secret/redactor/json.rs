//! Masks what is in structured values.

use std::borrow::Cow;

use serde_json::Value;

use super::Redactor;

impl Redactor {
    /// `value` with every known secret masked in its texts, keys and numbers.
    #[must_use]
    pub fn mask_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(match self.mask(&text) {
                Cow::Borrowed(_) => text,
                Cow::Owned(masked) => masked,
            }),
            Value::Array(items) => items.into_iter().map(|item| self.mask_value(item)).collect(),
            Value::Object(fields) => {
                let masked = |(key, value): (String, Value)| {
                    (self.mask(&key).into_owned(), self.mask_value(value))
                };
                Value::Object(fields.into_iter().map(masked).collect())
            }
            // A number may be a secret too: a PIN that YAML read as an integer.
            Value::Number(number) => match self.mask(&number.to_string()) {
                Cow::Borrowed(_) => Value::Number(number),
                Cow::Owned(masked) => Value::String(masked),
            },
            plain @ (Value::Null | Value::Bool(_)) => plain,
        }
    }
}
