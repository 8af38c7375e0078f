//! The texts within a value, and other texts in their places.

use minijinja::value::{Value, ValueKind};

use crate::resolve::frame::Frame;
use crate::resolve::lazy::{HostVars, LazyMap};
use crate::secret::Secret;

/// Calls `each` with every text and number in a value. What is rendered when it is
/// read is left alone: it speaks for itself then.
pub(super) fn texts(value: &Value, each: &mut impl FnMut(&str)) {
    match value.kind() {
        ValueKind::String => each(value.as_str().unwrap_or_default()),
        ValueKind::Number => each(&value.to_string()),
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter().into_iter().flatten().for_each(|item| texts(&item, each));
        }
        ValueKind::Map if !is_lazy(value) => {
            for key in value.try_iter().into_iter().flatten() {
                if let Ok(item) = value.get_item(&key) {
                    texts(&item, each);
                }
            }
        }
        _ => {}
    }
}

/// A value with other texts and numbers; `None` where all stay as they are.
pub(super) fn swapped(
    value: &Value,
    other: &mut impl FnMut(&str) -> Option<String>,
) -> Option<Value> {
    match value.kind() {
        ValueKind::String => other(value.as_str()?).map(Value::from),
        ValueKind::Number => {
            let text = other(&value.to_string())?;
            Some(text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from))
        }
        ValueKind::Seq => {
            let mut any = false;
            let items = value.try_iter().ok()?.map(|item| {
                let new = swapped(&item, other);
                any |= new.is_some();
                new.unwrap_or(item)
            });
            let items: Vec<Value> = items.collect();
            any.then(|| Value::from(items))
        }
        ValueKind::Map if !is_lazy(value) => {
            let mut any = false;
            let pairs = value.try_iter().ok()?.map(|key| {
                let item = value.get_item(&key).unwrap_or_default();
                let new = swapped(&item, other);
                any |= new.is_some();
                (key, new.unwrap_or(item))
            });
            let pairs: Vec<(Value, Value)> = pairs.collect();
            any.then(|| Value::from_pairs(pairs))
        }
        _ => None,
    }
}

fn is_lazy(value: &Value) -> bool {
    value.downcast_object_ref::<Frame>().is_some()
        || value.downcast_object_ref::<LazyMap>().is_some()
        || value.downcast_object_ref::<HostVars>().is_some()
}

/// A text of the same length and look, but another one.
pub(super) fn stand_in(text: &str, all: &mut Vec<Secret>) -> String {
    let turn = |c: char| match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        '0'..='4' => char::from(c as u8 + 5),
        '5'..='9' => char::from(c as u8 - 5),
        other => other,
    };
    let mut other: String = text.chars().map(turn).collect();
    if other == text {
        other = "x".repeat(text.len());
    }
    all.push(Secret::new(other.as_str()));
    other
}
