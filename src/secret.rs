//! Values that must never be shown: passwords, passphrases, key material.
//!
//! [`Secret`] hides itself from `Debug`, `Display` and `Serialize`; the only way
//! to its text is the deliberately loud [`Secret::reveal`]. [`Redactor`] takes
//! the known secrets of a run and masks them wherever a remote host or an error
//! message repeats one.

mod redactor;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use zeroize::Zeroizing;

pub use redactor::Redactor;

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// Secrets shorter than this many bytes are masked only where they make up a
/// whole line: masking every `1` would destroy the output it hides in.
pub const SHORTEST_MASKED_ANYWHERE: usize = 4;

/// A text that never shows itself; cleared from memory when the last clone goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The text itself. Hand it to a protocol, never to a message, a log or an
    /// argument list.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.reveal().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// The forms in which a secret may turn up: as it is, quoted, encoded.
fn encoded_forms(text: &str) -> Vec<String> {
    let mut forms = vec![
        text.to_owned(),
        text.replace('\'', r"'\''"),
        STANDARD.encode(text),
        URL_SAFE.encode(text),
        url_encoded(text),
    ];
    // Between other text, as in the `user:password` of an HTTP header, base64 looks
    // different for each of three offsets.
    forms.extend((0..3).map(|offset| within_base64(&STANDARD, offset, text)));
    forms.extend((0..3).map(|offset| within_base64(&URL_SAFE, offset, text)));
    forms
}

/// The characters of an encoded text that hold nothing but `text`, when it begins
/// `offset` bytes behind a group of three; empty where they would be too few to be
/// told from other text.
fn within_base64(engine: &impl base64::Engine, offset: usize, text: &str) -> String {
    const FEWEST: usize = 6;
    let bytes = [&b"\0\0"[..offset], text.as_bytes()].concat();
    let encoded = engine.encode(&bytes);
    // A character holds six bits; those at the ends share theirs with the neighbours.
    let whole = (offset * 8).div_ceil(6)..bytes.len() * 8 / 6;
    let form = encoded.get(whole).unwrap_or_default();
    if form.len() < FEWEST { String::new() } else { form.to_owned() }
}

/// `text` as one part of a URL.
pub(crate) fn url_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte.into());
            }
            _ => write!(out, "%{byte:02X}").expect("a String takes any text"),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_secret_hides_from_every_formatter() {
        let secret = Secret::new("hunter22");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }

    #[test]
    fn every_form_is_masked() {
        let redactor = Redactor::new([&Secret::new("pa ss'w/rd")]);
        for form in ["pa ss'w/rd", r"pa ss'\''w/rd", "cGEgc3Mndy9yZA==", "pa%20ss%27w%2Frd"] {
            assert_eq!(redactor.mask(&format!("<{form}>")), "<***>", "{form}");
        }
    }

    #[test]
    fn base64_is_masked_wherever_the_secret_begins() {
        let redactor = Redactor::new([&Secret::new("pa ss'w/rd?~")]);
        for around in ["", "a", "me:", "user:", "\n", "x-y-z\n"] {
            for engine in [&STANDARD, &URL_SAFE] {
                let encoded = engine.encode(format!("{around}pa ss'w/rd?~{around}"));
                let masked = redactor.mask(&encoded);
                assert!(masked.len() + 11 <= encoded.len(), "{around}: {masked}");
            }
        }
    }

    #[test]
    fn a_short_secret_is_masked_only_as_a_whole_line() {
        let redactor = Redactor::new([&Secret::new("1")]);
        assert_eq!(redactor.mask("11 of 121\n1\nend 1"), "11 of 121\n***\nend 1");
    }

    #[test]
    fn the_lines_of_a_key_are_masked_but_its_armour_is_not() {
        let key = Secret::new("-----BEGIN X-----\nAAAABBBB\nCCCCDDDD\n-----END X-----\n");
        let masked = Redactor::new([&key]).mask("-----BEGIN X-----\nAAAABBBB").into_owned();
        assert_eq!(masked, "-----BEGIN X-----\n***");
    }

    #[test]
    fn text_without_secrets_is_not_copied() {
        let redactor = Redactor::new([&Secret::new("hunter22")]);
        assert!(matches!(redactor.mask("plain"), Cow::Borrowed("plain")));
    }
}
