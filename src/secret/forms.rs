//! The forms in which a secret may turn up: as it is, quoted, encoded.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// What `set -x`, `printf %q` and their like leave without a backslash before it.
const BARE: &str = "_-./:=@%+^~,";
/// What a text in double quotes has a backslash before it for, in shells.
const SPECIAL_IN_QUOTES: &str = "\"$`\\";

/// Every form of `text`; some may be the same.
pub(super) fn encoded_forms(text: &str) -> Vec<String> {
    let mut forms = vec![
        text.to_owned(),
        text.replace('\'', r"'\''"),
        text.replace('\'', r#"'"'"'"#),
        escaped(text, |c| c.is_ascii() && !c.is_ascii_alphanumeric() && !BARE.contains(c)),
        escaped(text, |c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./".contains(c)),
        escaped(text, |c| SPECIAL_IN_QUOTES.contains(c)),
        // Between the quotes of `$'…'`, where the locale knows no such letters, and of
        // Python's `b'…'`.
        escaped(text, |c| "\\'".contains(c)),
        ascii(&escaped(text, |c| "\\'".contains(c)), |byte| format!("\\{byte:03o}")),
        ascii(&escaped(text, |c| "\\'".contains(c)), |byte| format!("\\x{byte:02x}")),
        json(text, false),
        json(text, true),
        hexadecimal(text),
        hexadecimal(text).to_uppercase(),
    ];
    forms.extend(url_forms(text));
    // Between other text, as in the `user:password` of an HTTP header, base64 looks
    // different for each of three offsets.
    for engine in [&STANDARD, &URL_SAFE] {
        forms.push(engine.encode(text));
        forms.extend((0..3).map(|offset| within_base64(engine, offset, text)));
    }
    forms
}

/// `text` with a backslash before the characters that are special.
fn escaped(text: &str, is_special: impl Fn(char) -> bool) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if is_special(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// `text` with every byte that is no letter of ASCII's written by `code`.
fn ascii(text: &str, code: impl Fn(u8) -> String) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte.is_ascii() {
            true => out.push(byte.into()),
            false => out.push_str(&code(byte)),
        }
        out
    })
}

/// `text` within a JSON text; some writers keep to ASCII.
fn json(text: &str, ascii: bool) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let inner = &quoted[1..quoted.len() - 1];
    if !ascii {
        return inner.to_owned();
    }
    inner.chars().fold(String::new(), |mut out, c| {
        let mut units = [0; 2];
        match c {
            '\0'..='\x7f' => out.push(c),
            _ => c.encode_utf16(&mut units).iter().for_each(|unit| {
                write!(out, "\\u{unit:04x}").expect("a String takes any text");
            }),
        }
        out
    })
}

fn hexadecimal(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a String takes any text");
        out
    })
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
    percent_encoded(text, "-_.~")
}

/// What languages make of `text` in a URL: they differ about slashes, spaces and
/// marks, and in the case of the digits.
fn url_forms(text: &str) -> Vec<String> {
    let slashes = percent_encoded(text, "-_.~/");
    let marks = percent_encoded(text, "-_.~!'()*");
    let mut forms = vec![url_encoded(text), slashes, marks];
    forms.extend(forms.clone().iter().map(|form| form.replace("%20", "+")));
    forms.extend(forms.clone().iter().map(|form| with_small_digits(form)));
    forms
}

fn percent_encoded(text: &str, bare: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || c.is_ascii() && bare.contains(c) => out.push(c),
            _ => write!(out, "%{byte:02X}").expect("a String takes any text"),
        }
        out
    })
}

/// A percent-encoded text with the digits in lower case.
fn with_small_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('%').enumerate() {
        match at {
            0 => out.push_str(part),
            _ => {
                let (digits, rest) = part.split_at(2);
                out.push('%');
                out.push_str(&digits.to_lowercase());
                out.push_str(rest);
            }
        }
    }
    out
}
