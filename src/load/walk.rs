//! Finds the position of any node of a YAML document: a walk stops at it with an
//! error, and serde_yaml gives errors a position.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Where the node stands before which `ordinal` others were read, as libyaml counts.
pub(super) fn position_of(text: &str, ordinal: usize) -> Option<usize> {
    let left = Cell::new(ordinal);
    let walk = Walk { left: &left };
    let error = walk.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    Some(error.location()?.index())
}

/// Walks a document in the order in which a tree is built of it, until `left`
/// nodes have been passed.
#[derive(Clone, Copy)]
struct Walk<'w> {
    left: &'w Cell<usize>,
}

impl Walk<'_> {
    fn pass<E: serde::de::Error>(self) -> Result<(), E> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(E::custom("this is the place")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.pass()
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.pass()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.pass()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.pass()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.pass()
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<(), E> {
        self.pass()
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<(), E> {
        self.pass()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.pass()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.pass()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.pass()?;
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.pass()?;
        while map.next_key_seed(self)?.is_some() {
            map.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let (IgnoredAny, content) = access.variant()?;
        self.pass()?;
        content.newtype_variant_seed(self)
    }
}
