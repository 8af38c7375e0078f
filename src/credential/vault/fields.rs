//! The fields of a secret, which show their names and never their values.

use std::fmt;

use serde_json::{Map, Value};

use super::{Reference, VaultError};
use crate::secret::Secret;

/// The field that holds a login name unless a reference says otherwise.
pub(super) const USERNAME: &str = "username";

/// The fields of a secret.
#[derive(Clone, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Fields from what a vault answered.
    #[must_use]
    pub fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The value of a field, of any type. It is secret.
    #[must_use]
    pub fn reveal(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The text of a field; null counts as absent.
    ///
    /// # Errors
    /// It is neither a text nor a number.
    pub fn text(&self, name: &str, reference: &Reference) -> Result<Option<Secret>, VaultError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Secret::new(text))),
            Some(Value::Number(number)) => Ok(Some(Secret::new(number.to_string()))),
            Some(other) => Err(VaultError::FieldType {
                secret: reference.to_string(),
                field: name.to_owned(),
                found: match other {
                    Value::Array(_) => "a list",
                    Value::Object(_) => "a mapping",
                    _ => "a boolean",
                },
            }),
        }
    }

    /// That there is no field of this name, or nothing in it.
    #[must_use]
    pub fn missing(&self, name: &str, reference: &Reference) -> VaultError {
        if self.0.contains_key(name) {
            return VaultError::FieldValue {
                secret: reference.to_string(),
                field: name.to_owned(),
                reason: "is empty".to_owned(),
                help: "fill it in the vault; `credential_ref: {path: …, username_key: …, \
                       password_key: …}` names other fields"
                    .to_owned(),
            };
        }
        let known: Vec<&str> = self.names().collect();
        VaultError::MissingField {
            secret: reference.to_string(),
            field: name.to_owned(),
            known: match known.is_empty() {
                true => "no fields at all".to_owned(),
                false => format!("`{}`", known.join("`, `")),
            },
        }
    }

    /// Every text and number in the fields, whatever their depth, except in those
    /// at the top that hold a login name.
    pub(super) fn secrets(&self, is_name: impl Fn(&str) -> bool) -> Vec<Secret> {
        let fields = self.0.iter().filter(|(name, _)| !is_name(name));
        fields.flat_map(|(_, value)| Self::secrets_in(value)).collect()
    }

    /// Every text and number in a value, whatever its depth.
    pub(crate) fn secrets_in(value: &Value) -> Vec<Secret> {
        let mut secrets = Vec::new();
        let mut rest = vec![value];
        while let Some(value) = rest.pop() {
            match value {
                Value::String(text) => secrets.push(Secret::new(text)),
                Value::Number(number) => secrets.push(Secret::new(number.to_string())),
                Value::Array(items) => rest.extend(items),
                Value::Object(map) => rest.extend(map.values()),
                Value::Null | Value::Bool(_) => {}
            }
        }
        secrets
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
