//! Finds how the numbers of a YAML document are written.
//!
//! serde_yaml hands out a number without its text, but hands out any scalar as a
//! text where it is asked for one, and lends it out of the document. So a first
//! walk counts which nodes are numbers, and a second one asks for just those.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// Where each number of `text` stands, by how many nodes are read before it.
pub(super) fn places_of_numbers(text: &str) -> HashMap<usize, Range<usize>> {
    let walk = |walk: &Walk<'_>| {
        // A document that breaks off is told by whoever builds a tree of it.
        let _ = walk.deserialize(serde_yaml::Deserializer::from_str(text));
    };
    let count = Walk::new(text, HashSet::new());
    walk(&count);
    let ask = Walk::new(text, count.numbers.into_inner());
    walk(&ask);
    ask.places.into_inner()
}

/// A walk over a document in the order in which a tree is built of it.
struct Walk<'t> {
    text: &'t str,
    passed: Cell<usize>,
    /// The nodes to ask for as texts.
    wanted: HashSet<usize>,
    numbers: RefCell<HashSet<usize>>,
    places: RefCell<HashMap<usize, Range<usize>>>,
}

impl<'t> Walk<'t> {
    fn new(text: &'t str, wanted: HashSet<usize>) -> Self {
        let (passed, numbers, places) = Default::default();
        Self { text, passed, wanted, numbers, places }
    }

    /// The ordinal of the node that was read last.
    fn last(&self) -> usize {
        self.passed.get() - 1
    }

    fn number(&self) {
        self.numbers.borrow_mut().insert(self.last());
    }
}

impl<'de> DeserializeSeed<'de> for &Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let ordinal = self.passed.get();
        self.passed.set(ordinal + 1);
        match self.wanted.contains(&ordinal) {
            true => deserializer.deserialize_str(self),
            false => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for &Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, lent: &'de str) -> Result<(), E> {
        let ordinal = self.last();
        if self.wanted.contains(&ordinal)
            && let Some(start) = (lent.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)
        {
            self.places.borrow_mut().insert(ordinal, start..start + lent.len());
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(self)?.is_some() {
            map.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let (IgnoredAny, content) = access.variant()?;
        content.newtype_variant_seed(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_wherever_they_stand() {
        let text = "a: 1.10\nb: &x [0x1F, text, '5', 1e3, 99999999999999999999999, true]\n\
            c: *x\n7: {d: -0.50}\ne: !tag 08\nf: ~\ng: +12\n";
        let places = places_of_numbers(text);
        let mut found: Vec<_> = places.values().map(|place| &text[place.clone()]).collect();
        found.sort_unstable();
        let expected = [
            "+12",
            "-0.50",
            "0x1F",
            "0x1F",
            "1.10",
            "1e3",
            "1e3",
            "7",
            "99999999999999999999999",
            "99999999999999999999999",
        ];
        assert_eq!(found, expected);
    }
}
