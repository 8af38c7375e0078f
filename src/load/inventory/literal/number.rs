//! Python's numbers.

use crate::load::node::{Kind, TextStyle};

/// A number of Python's, before it is known whether it stands alone.
pub(super) enum Number {
    Whole(i128),
    /// Beyond what any JSON reader keeps exactly: its digits.
    Huge(String),
    Real(f64),
    Imaginary(f64),
}

/// What a token of digits means.
pub(super) fn number(token: &str) -> Option<Number> {
    let lower = token.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let digits = grouped(digits.strip_prefix('_').unwrap_or(digits))?;
            return Some(Number::Whole(i128::from_str_radix(&digits, radix).ok()?));
        }
    }
    if !lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let (body, imaginary) = match lower.strip_suffix('j') {
        Some(body) => (body, true),
        None => (lower.as_str(), false),
    };
    let is_whole = body.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if is_whole && !imaginary {
        let digits = grouped(body)?;
        // Python allows leading zeros only where nothing follows them.
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|b| b != b'0') {
            return None;
        }
        return Some(match digits.parse::<i128>() {
            Ok(number) => Number::Whole(number),
            Err(_) => Number::Huge(digits),
        });
    }
    let (mantissa, exponent) = match body.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    for digits in [whole, part].into_iter().filter(|digits| !digits.is_empty()) {
        grouped(digits)?;
    }
    if let Some(exponent) = exponent {
        grouped(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))?;
    }
    let number: f64 = body.replace('_', "").parse().ok()?;
    Some(if imaginary { Number::Imaginary(number) } else { Number::Real(number) })
}

/// Digits without the underscores that may stand between two of them.
fn grouped(digits: &str) -> Option<String> {
    let sound = !digits.is_empty()
        && !digits.starts_with('_')
        && !digits.ends_with('_')
        && !digits.contains("__")
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    sound.then(|| digits.replace('_', ""))
}

/// A whole number; one that JSON readers would round stays a text.
pub(super) fn whole(number: i128) -> Kind {
    if let Ok(number) = i64::try_from(number) {
        return Kind::Number(number.into());
    }
    match u64::try_from(number) {
        Ok(number) => Kind::Number(number.into()),
        Err(_) => Kind::Text(number.to_string(), TextStyle::Quoted),
    }
}

/// A number with a fraction; what JSON cannot write stays a text.
pub(super) fn real(number: f64) -> Kind {
    match serde_json::Number::from_f64(number) {
        Some(number) => Kind::Number(number.into()),
        None => Kind::Text(python_float(number), TextStyle::Quoted),
    }
}

/// As Python writes a complex number, which Ansible keeps as a text.
pub(super) fn complex(real: f64, imaginary: f64) -> String {
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", python_float(imaginary));
    }
    format!("({}{:+}j)", python_float(real), imaginary)
}

fn python_float(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    number.to_string()
}
