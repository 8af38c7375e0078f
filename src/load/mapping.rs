//! Mappings of known keys, declared once: the type, its schema, how to read it, and
//! how one lays over another.

/// Declares a mapping of optional keys: the struct, its schema, how to read it,
/// and how one lays over another key by key. `together` says what its keys have to
/// do with each other, within one mapping and with those that it inherits.
macro_rules! mapping {
    (
        $(#[$meta:meta])*
        $what:literal struct $name:ident {
            $( $(#[$field_meta:meta])* $field:ident $([$key:literal])? : $type:ty, )*
        }
        $( together { check: $check:path, inherited: $inherited:path, } )?
    ) => {
        #[derive(Debug, Clone, Default, PartialEq, schemars::JsonSchema)]
        $(#[$meta])*
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $( $(#[$field_meta])* $(#[schemars(rename = $key)])? pub $field: Option<$crate::load::decode::At<$type>>, )*
            /// What else there was.
            #[schemars(skip)]
            pub rejected: $crate::load::decode::Rejected,
        }

        impl $name {
            /// The keys that it knows.
            pub const KEYS: &'static [&'static str] =
                &[$( $crate::load::mapping::mapping!(@key $field $($key)?) ),*];

            /// This mapping, with `lower` where it has no value of its own.
            #[must_use]
            pub fn over(self, lower: &Self) -> Self {
                $( let lower = &*$inherited(&self, lower); )?
                Self {
                    $( $field: self.$field.or_else(|| lower.$field.clone()), )*
                    rejected: self.rejected,
                }
            }
        }

        impl $crate::load::texts::Texts for $name {
            fn texts<'t>(
                &'t self,
                span: Option<$crate::load::source::Span>,
                visit: &mut dyn FnMut($crate::load::texts::Text<'t>),
            ) {
                $( $crate::load::texts::Texts::texts(&self.$field, span, visit); )*
            }
        }

        impl $crate::load::decode::Decode for $name {
            fn decode(
                node: &$crate::load::node::Node,
                what: &str,
                decoder: &mut $crate::load::decode::Decoder,
            ) -> Option<Self> {
                let map = decoder.map(node, what)?;
                let mut decoded = Self::default();
                for (key, entry) in map {
                    let key = key.as_str();
                    $( if key == $crate::load::mapping::mapping!(@key $field $($key)?) {
                        decoded.$field = decoder.field(key, entry);
                        if decoded.$field.is_none() && !entry.is_null() {
                            let key = $crate::load::mapping::mapping!(@key $field $($key)?);
                            decoded.rejected.unreadable.push(key);
                        }
                        continue;
                    } )*
                    decoded.rejected.has_unknown = true;
                    decoder.unknown_key(key, entry.key, $what, Self::KEYS);
                }
                $( $check(&decoded, decoder); )?
                Some(decoded)
            }
        }
    };
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
}
pub(crate) use mapping;
