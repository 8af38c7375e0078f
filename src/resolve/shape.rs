//! What is known of a value before the run: everything, or of a result that is not
//! there yet its fields, or nothing.

use std::sync::Arc;

use minijinja::value::Value;

use super::advice::{FIELDS, field_advice, method_advice};

/// The fields that each of a result's `results` has beside its own.
const ITEM_FIELDS: [&str; 3] = ["item", "command", "transfer"];

/// Of how many values one is known to be it.
const MOST_VALUES: usize = 4;

/// What `loop` has.
const LOOP_FIELDS: [&str; 9] =
    ["index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0"];

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// All of it.
    Known(Value),
    /// That it is one of these, as a result decides.
    OneOf(Arc<[Value]>),
    /// It is not there; nobody has been told.
    Undefined,
    /// It may be there or not; nobody has been told.
    Perhaps,
    /// It is what `x if false` gives: not there, and that is fine.
    Blank,
    /// The result of a task.
    Result,
    /// The `results` of a result, or some of them.
    Results,
    /// One of them.
    Item,
    /// A text.
    Text,
    /// A number, true or false, or none.
    Plain,
    /// What `loop` is in a loop.
    Round,
    /// Whether it counts as true, and no more.
    Counts(bool),
    /// A list or a mapping that is written out, with something in it.
    Mixed,
    /// Nothing, though it may hang on what is known.
    Vague,
    /// Nothing, for it hangs on a result.
    Any,
}

impl Shape {
    /// Whether it counts as true, where that can be told.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Known(value) => Some(value.is_true()),
            Self::OneOf(values) => {
                let first = values.first()?.is_true();
                values.iter().all(|value| value.is_true() == first).then_some(first)
            }
            Self::Blank => Some(false),
            Self::Result | Self::Item | Self::Round | Self::Mixed => Some(true),
            Self::Counts(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Whether it is known, or the values that it may have are.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Known(_) | Self::OneOf(_))
    }

    /// Whether what is not known of it hangs on a result.
    pub(super) fn is_followed(&self) -> bool {
        !self.is_exact() && !matches!(self, Self::Mixed | Self::Vague)
    }

    /// Whether it may be that it is not there.
    pub(super) fn may_miss(&self) -> bool {
        matches!(self, Self::Undefined | Self::Perhaps | Self::Blank)
    }

    /// One of these values.
    pub(super) fn one_of(values: impl IntoIterator<Item = Value>) -> Self {
        let mut distinct: Vec<Value> = Vec::new();
        for value in values {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        match distinct.len() {
            1 => Self::Known(distinct.swap_remove(0)),
            2..=MOST_VALUES => Self::OneOf(distinct.into()),
            _ => Self::Vague,
        }
    }

    fn values(&self) -> Option<&[Value]> {
        match self {
            Self::Known(value) => Some(std::slice::from_ref(value)),
            Self::OneOf(values) => Some(values),
            _ => None,
        }
    }

    /// What is known of a value that has either shape.
    pub(super) fn or(self, other: Self) -> Self {
        if let (Some(ours), Some(others)) = (self.values(), other.values()) {
            return Self::one_of(ours.iter().chain(others).cloned());
        }
        let of_kind = |shape: &Self| match shape.values() {
            Some(values) if values.iter().all(|value| value.as_str().is_some()) => Self::Text,
            _ => shape.clone(),
        };
        let (this, that) = (of_kind(&self), of_kind(&other));
        if let (Self::Text, Self::Text) = (&this, &that) {
            return Self::Text;
        }
        match std::mem::discriminant(&self) == std::mem::discriminant(&other) {
            _ if matches!(self, Self::Vague) || matches!(other, Self::Vague) => Self::Vague,
            false if self.may_miss() || other.may_miss() => Self::Perhaps,
            true if !matches!(self, Self::Counts(_)) => self,
            _ => Self::Any,
        }
    }

    /// A part of it by name; an error says what to write instead. What has parts
    /// that are not known is left to others.
    pub(super) fn part(&self, name: &str, shown: &str) -> Result<Self, String> {
        let parts = |what: &str| Err(format!("`{shown}` is {what}, which has no parts"));
        match self {
            Self::Result | Self::Item => match name {
                "output" | "error" => Ok(Self::Text),
                "results" if matches!(self, Self::Result) => Ok(Self::Results),
                _ if FIELDS.contains(&name) && name != "results" => Ok(Self::Plain),
                "command" if matches!(self, Self::Item) => Ok(Self::Text),
                _ if ITEM_FIELDS.contains(&name) && matches!(self, Self::Item) => Ok(Self::Any),
                _ => Err(field_advice(name)),
            },
            Self::Results => Err(format!("`{shown}` is a list: `{shown}[0]` is the first of it")),
            Self::Text => Err(match method_advice(name) {
                Some(advice) => advice,
                None => format!("`{shown}` is a text, which has no parts"),
            }),
            Self::Plain => parts("a number, true or false, or nothing"),
            Self::Round => match name {
                _ if LOOP_FIELDS.contains(&name) => Ok(Self::Plain),
                "previtem" | "nextitem" | "cycle" | "changed" => Ok(Self::Vague),
                _ => Err(format!("`loop` has {}", LOOP_FIELDS.join(", "))),
            },
            Self::Mixed | Self::Vague | Self::OneOf(_) => Ok(Self::Vague),
            Self::Known(_)
            | Self::Undefined
            | Self::Perhaps
            | Self::Blank
            | Self::Counts(_)
            | Self::Any => Ok(Self::Any),
        }
    }

    /// What messages call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Result | Self::Item => "a result",
            Self::Results => "a list of results",
            Self::Text => "a text",
            _ => "a number, true or false, or nothing",
        }
    }

    /// What to do with it in place of calling a method that it does not have.
    pub(super) fn advice(&self, shown: &str) -> String {
        match self {
            Self::Result | Self::Item => format!("a result has {}", FIELDS.join(", ")),
            Self::Text => "texts have the methods of Python, such as `split`, `strip`, `startswith`; filters do the rest: `value | name`".to_owned(),
            Self::Results => format!("`{shown}[0]` is the first of them; `{shown} | length` counts them"),
            _ => format!("`{shown} | string` makes a text of it"),
        }
    }

    /// One of the things that a loop over it gives.
    pub(super) fn each(&self) -> Self {
        match self {
            Self::Results => Self::Item,
            Self::Result | Self::Item | Self::Text => Self::Text,
            shape if shape.is_followed() => Self::Any,
            _ => Self::Vague,
        }
    }

    /// Whether a loop over it runs; `None` where that cannot be told.
    pub(super) fn has_some(&self) -> Option<bool> {
        match self {
            Self::Known(value) => value.try_iter().ok().map(|mut items| items.next().is_some()),
            Self::Result | Self::Item | Self::Mixed => Some(true),
            Self::Blank => Some(false),
            _ => None,
        }
    }

    /// What a filter makes of it.
    pub(super) fn filtered(&self, filter: &str) -> Self {
        match (filter, self) {
            ("length" | "count" | "int" | "float" | "abs" | "round" | "bool", _) => Self::Plain,
            ("list" | "sort" | "reverse" | "unique", Self::Results) => Self::Results,
            ("select" | "reject" | "selectattr" | "rejectattr", Self::Results) => Self::Results,
            ("first" | "last", Self::Results) => Self::Item,
            ("trim" | "lower" | "upper" | "title" | "capitalize" | "replace", _) => Self::Text,
            ("join" | "string" | "indent" | "quote" | "b64encode" | "b64decode", _) => Self::Text,
            ("regex_replace" | "urlencode" | "to_json" | "tojson" | "to_yaml", _) => Self::Text,
            (_, Self::Mixed | Self::Vague) => Self::Vague,
            _ => Self::Any,
        }
    }
}

/// What a method of a text gives; `None` where it has none of this name.
pub(super) fn of_text_method(name: &str) -> Option<Shape> {
    Some(match name {
        "capitalize" | "format" | "join" | "lower" | "lstrip" | "replace" | "rstrip" | "strip"
        | "title" | "upper" => Shape::Text,
        "count" | "endswith" | "find" | "isalnum" | "isalpha" | "isascii" | "isdigit"
        | "islower" | "isnumeric" | "isspace" | "isupper" | "rfind" | "startswith" => Shape::Plain,
        "split" | "splitlines" => Shape::Any,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::engine;

    #[test]
    fn methods_of_texts_are_those_of_the_engine() {
        let environment = engine::environment();
        for name in ["split", "strip", "startswith", "find", "nomethod", "removeprefix", "encode"] {
            let code = format!("'a'.{name}('a')");
            let tried = environment.compile_expression(&code);
            let is_unknown = tried
                .and_then(|expression| expression.eval(()))
                .is_err_and(|error| error.kind() == minijinja::ErrorKind::UnknownMethod);
            assert_eq!(of_text_method(name).is_none(), is_unknown, "{name}");
        }
    }
}
