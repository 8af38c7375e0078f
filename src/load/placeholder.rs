//! What a plan prints in place of what it does not know or does not tell. To run it as
//! it stands would log in as `***`, or worse.

use super::decode::Decoder;
use super::error::LoadError;
use super::node::{Kind, Node};
use crate::secret::MASK;

/// How a value begins that only a result will have.
pub const KNOWN_AFTER: &str = "<known after: ";

/// Reports placeholders wherever in a request they stand, but for its name.
pub(super) fn check(node: &Node, decoder: &mut Decoder) {
    match &node.kind {
        Kind::Text(text, _) if text == MASK || text.contains(KNOWN_AFTER) => {
            let secret = if text == MASK { "a secret" } else { "a result" };
            decoder.report(LoadError::Placeholder { stands_for: secret }, node.span);
        }
        Kind::List(items) => items.iter().for_each(|item| check(item, decoder)),
        Kind::Map(map) => {
            let others = map.iter().filter(|(key, _)| *key != "name");
            others.for_each(|(_, entry)| check(&entry.value, decoder));
        }
        _ => {}
    }
}
