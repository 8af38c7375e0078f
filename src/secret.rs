//! Values that must never be shown: passwords, passphrases, key material.
//!
//! [`Secret`] hides itself from `Debug`, `Display` and `Serialize`; the only way
//! to its text is the deliberately loud [`Secret::reveal`]. [`Redactor`] takes
//! the known secrets of a run and masks them wherever a remote host or an error
//! message repeats one.

mod forms;
mod redactor;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use zeroize::Zeroizing;

pub(crate) use forms::url_encoded;
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    #[test]
    fn a_secret_hides_from_every_formatter() {
        let secret = Secret::new("hunter22");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }

    #[test]
    fn every_form_is_masked() {
        let secret = "pa ss'w/r\"d\\9$+é!";
        let redactor = Redactor::new([&Secret::new(secret)]);
        let forms = [
            secret,
            // Quoted by a shell in each of the usual ways, and by Python for one.
            "pa ss'\\''w/r\"d\\9$+é!",
            "pa ss'\"'\"'w/r\"d\\9$+é!",
            "pa\\ ss\\'w/r\\\"d\\\\9\\$+é\\!",
            "pa ss'w/r\\\"d\\\\9\\$+é!",
            "pa ss\\'w/r\"d\\\\9$+é!",
            // In JSON, with and without letters of other languages.
            "pa ss'w/r\\\"d\\\\9$+é!",
            "pa ss'w/r\\\"d\\\\9$+\\u00e9!",
            // In a URL, as languages differ about it.
            "pa%20ss%27w%2Fr%22d%5C9%24%2B%C3%A9%21",
            "pa%20ss%27w%2fr%22d%5c9%24%2b%c3%a9%21",
            "pa%20ss%27w/r%22d%5C9%24%2B%C3%A9%21",
            "pa+ss%27w%2Fr%22d%5C9%24%2B%C3%A9%21",
            "pa%20ss'w%2Fr%22d%5C9%24%2B%C3%A9!",
            // In hexadecimal.
            "706120737327772f7222645c39242bc3a921",
            "706120737327772F7222645C39242BC3A921",
        ];
        for form in forms {
            assert_eq!(redactor.mask(&format!("<{form}>")), "<***>", "{form}");
        }
        assert_eq!(redactor.mask(&STANDARD.encode(secret)), "***");
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
    fn base64_is_masked_across_the_lines_of_its_output() {
        let secret = "a longer secret, so that it is cut in two by the end of a line";
        let redactor = Redactor::new([&Secret::new(secret)]);
        for before in 0..80 {
            let whole = STANDARD.encode(format!("{}{secret} and more", "x".repeat(before)));
            for width in [64, 76] {
                let lines: Vec<&str> = whole.as_bytes().chunks(width).map(text_of).collect();
                for newline in ["\n", "\r\n"] {
                    let masked = redactor.mask(&lines.join(newline)).into_owned();
                    let left: String = masked.split_whitespace().collect();
                    assert!(left.len() + 75 <= whole.len(), "{before}, {width}: {masked}");
                }
            }
        }
        let harmless = format!("{}\nabc\n", "x".repeat(76));
        assert!(matches!(redactor.mask(&harmless), Cow::Borrowed(_)));
    }

    fn text_of(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
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
