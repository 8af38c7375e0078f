//! Plain scalars as YAML 1.1 and Ansible read them, where YAML 1.2 differs.

use super::node::{Entry, Kind, Map, Node, TextStyle};
use super::place::Scalars;

impl Scalars {
    /// A mapping that was read as YAML 1.2, as these scalars have it.
    pub(super) fn reread_map(self, map: &Map) -> Map {
        let entry = |entry: &Entry| Entry { key: entry.key, value: self.reread(&entry.value) };
        map.iter().map(|(name, it)| (name.clone(), entry(it))).collect()
    }

    /// The same of a list.
    pub(super) fn reread_list(self, items: &[Node]) -> Vec<Node> {
        items.iter().map(|item| self.reread(item)).collect()
    }

    /// Numbers keep how they are written, for where a text is wanted.
    fn reread(self, node: &Node) -> Node {
        if self == Self::Core {
            return node.clone();
        }
        let kind = match &node.kind {
            Kind::Text(text, TextStyle::Plain) => match plain(text) {
                Kind::Number(number) => Kind::Number(number.written(text)),
                other => other,
            },
            Kind::Number(number) => match number.as_written() {
                Some(written) if is_text(written) => {
                    Kind::Text(written.to_owned(), TextStyle::Plain)
                }
                _ => Kind::Number(number.clone()),
            },
            Kind::List(items) => Kind::List(self.reread_list(items)),
            Kind::Map(map) => Kind::Map(self.reread_map(map)),
            Kind::Tagged(tag, inner) => Kind::Tagged(tag.clone(), Box::new(self.reread(inner))),
            other => other.clone(),
        };
        Node { kind, span: node.span }
    }
}

/// What a plain scalar means that YAML 1.2 takes for a text.
pub(super) fn plain(text: &str) -> Kind {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Kind::Bool(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Kind::Bool(false),
        _ => {}
    }
    let number = whole(text).map(serde_json::Number::from).or_else(|| {
        let number = real(text)?;
        serde_json::Number::from_f64(number)
    });
    match number {
        Some(number) => Kind::Number(number.into()),
        None => Kind::Text(text.to_owned(), TextStyle::Plain),
    }
}

/// Whether what YAML 1.2 takes for a number is a text to YAML 1.1: `0o17`, `+.5`, and
/// an exponent without a dot before or a sign behind its `e`.
pub(super) fn is_text(written: &str) -> bool {
    let body = written.strip_prefix(['+', '-']).unwrap_or(written);
    if body.starts_with("0o") || body.len() < written.len() && body.starts_with('.') {
        return true;
    }
    let exponent = match body.starts_with("0x") {
        true => None,
        false => body.split_once(['e', 'E']),
    };
    exponent.is_some_and(|(mantissa, exponent)| {
        !mantissa.contains('.') || !exponent.starts_with(['+', '-'])
    })
}

/// Octal by a leading zero, underscores between digits, and base 60.
fn whole(text: &str) -> Option<i64> {
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = body.replace('_', "");
    let number = if body.contains(':') {
        sixty(body)?
    } else if !body.contains('_') && (digits.len() == 1 || !digits.starts_with('0')) {
        // A number to YAML 1.2 as well: that it comes here as a text, its tag says.
        return None;
    } else if let Some(digits) = digits.strip_prefix("0x") {
        i64::from_str_radix(digits, 16).ok()?
    } else if let Some(digits) = digits.strip_prefix("0b") {
        i64::from_str_radix(digits, 2).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        let is_octal = digits.bytes().all(|byte| (b'0'..b'8').contains(&byte));
        is_octal.then(|| i64::from_str_radix(&digits, 8).ok()).flatten()?
    } else {
        let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_decimal.then(|| digits.parse().ok()).flatten()?
    };
    Some(sign * number)
}

/// `1:30:00` is five thousand four hundred: hours, minutes and seconds.
fn sixty(body: &str) -> Option<i64> {
    let mut parts = body.split(':');
    let first = parts.next()?.replace('_', "");
    if first.starts_with('0') || !first.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut number: i64 = first.parse().ok()?;
    for part in parts {
        let is_part = matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
        let part: i64 = part.parse().ok().filter(|part| is_part && *part < 60)?;
        number = number.checked_mul(60)?.checked_add(part)?;
    }
    Some(number)
}

/// A number with a dot and underscores, in base 60 too.
fn real(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, _) = body.split_once(['e', 'E']).unwrap_or((body, ""));
    let (whole_part, _) = mantissa.split_once('.')?;
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    match whole_part.rsplit_once(':') {
        Some((high, low)) => {
            let is_low = matches!(low.len(), 1 | 2)
                && body[whole_part.len() + 1..]
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'_');
            let number = sixty(&format!("{high}:{low}")).filter(|_| is_low)? as f64;
            let part: f64 =
                format!("0{}", &body[whole_part.len()..].replace('_', "")).parse().ok()?;
            Some(if text.starts_with('-') { -(number + part) } else { number + part })
        }
        None if digits(whole_part) && body.contains('_') => text.replace('_', "").parse().ok(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_they_mean_to_ansible() {
        let cases = [
            ("yes", "true"),
            ("Off", "false"),
            ("y", "\"y\""),
            ("0644", "420"),
            ("-0644", "-420"),
            ("08", "\"08\""),
            ("0_7", "7"),
            ("1_000", "1000"),
            ("1_000.5", "1000.5"),
            ("1:30", "90"),
            ("22:22", "1342"),
            ("1:30:00", "5400"),
            ("1:99", "\"1:99\""),
            ("01:30", "\"01:30\""),
            ("1:30.5", "90.5"),
            ("0x1_F", "31"),
            ("a1", "\"a1\""),
            ("1.2.3", "\"1.2.3\""),
            ("10.0.0.1", "\"10.0.0.1\""),
            ("::1", "\"::1\""),
            ("-", "\"-\""),
        ];
        for (text, expected) in cases {
            let node = crate::load::node::Node { kind: plain(text), span: None };
            assert_eq!(node.to_json().to_string(), expected, "{text}");
        }
        for text in ["0o17", "1e3", "1.5e3", "-1E5"] {
            assert!(is_text(text), "{text}");
        }
        for text in ["1", "1.5", "0x1e5", "1.5e+3", "-2.0e-3"] {
            assert!(!is_text(text), "{text}");
        }
    }
}
