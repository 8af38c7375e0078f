//! Values of INI inventories: Python literals, as `ast.literal_eval` reads them.
//! What is no literal is the text that it is.

use crate::load::node::{Entry, Kind, Map, Node, TextStyle, UNSAFE};
use crate::load::source::Span;

/// How deep brackets may nest. Python gives up at a like depth.
const DEEPEST: usize = 90;

/// What a value means: `5`, `True`, `[1, 'a']`, `{'a': 0x1f}` and their like are
/// Python's; anything else, `yes` and `0644` among them, is a text.
pub(super) fn value(text: &str, span: Option<Span>) -> Node {
    let kind = literal(text).unwrap_or_else(|| Kind::Text(text.to_owned(), TextStyle::Quoted));
    Node { kind, span }
}

fn literal(text: &str) -> Option<Kind> {
    let mut parser = Parser { rest: text.trim_start_matches([' ', '\t']), depth: 0 };
    let kind = parser.several(None)?;
    parser.skip();
    parser.rest.is_empty().then_some(kind)
}

/// A number of Python's, before it is known whether it stands alone.
enum Number {
    Whole(i128),
    /// Beyond what any JSON reader keeps exactly: its digits.
    Huge(String),
    Real(f64),
    Imaginary(f64),
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    /// Skips blanks, and a comment, which ends the line.
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\x0c']);
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// Values with commas between them up to `close`, or to the end: with a comma
    /// they are a list (Python's tuple), without one a single value.
    fn several(&mut self, close: Option<&str>) -> Option<Kind> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.skip();
            let ends = close.map_or(self.rest.is_empty(), |close| self.rest.starts_with(close));
            if ends {
                break;
            }
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(node(self.value()?));
            comma = self.take(",");
            if !comma {
                break;
            }
        }
        if let Some(close) = close
            && !self.take(close)
        {
            return None;
        }
        match items.len() {
            0 => close.map(|_| Kind::List(Vec::new())),
            1 if !comma => items.pop().map(|item| item.kind),
            _ => Some(Kind::List(items)),
        }
    }

    fn value(&mut self) -> Option<Kind> {
        if self.depth >= DEEPEST {
            return None;
        }
        self.depth += 1;
        let value = self.value_within();
        self.depth -= 1;
        value
    }

    fn value_within(&mut self) -> Option<Kind> {
        self.skip();
        if self.take("(") {
            return self.several(Some(")"));
        }
        if self.take("[") {
            return self.items("]").map(Kind::List);
        }
        if self.take("{") {
            return self.map_or_set();
        }
        if let Some((text, is_bytes)) = self.text() {
            let text = Kind::Text(text, TextStyle::Quoted);
            // To Ansible bytes are what no template may be in.
            return Some(if is_bytes {
                Kind::Tagged(UNSAFE.into(), Box::new(node(text)))
            } else {
                text
            });
        }
        if self.take("...") {
            return Some(Kind::Text("...".to_owned(), TextStyle::Quoted));
        }
        let word = self.word();
        match word {
            "" => self.number(),
            "None" => Some(Kind::Null),
            "True" => Some(Kind::Bool(true)),
            "False" => Some(Kind::Bool(false)),
            "set" => (self.take("(") && self.take(")")).then(|| Kind::List(Vec::new())),
            _ => None,
        }
    }

    fn items(&mut self, close: &str) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            if self.take(close) {
                return Some(items);
            }
            items.push(node(self.value()?));
            if !self.take(",") {
                return self.take(close).then_some(items);
            }
        }
    }

    fn map_or_set(&mut self) -> Option<Kind> {
        let mut map = Map::new();
        let mut set = Vec::new();
        loop {
            if self.take("}") {
                break;
            }
            let key = self.value()?;
            if self.take(":") {
                let entry = Entry { key: None, value: node(self.value()?) };
                map.insert(key_text(&key)?, entry);
            } else if !set.contains(&node(key.clone())) {
                set.push(node(key));
            }
            if !self.take(",") {
                if !self.take("}") {
                    return None;
                }
                break;
            }
        }
        match (map.is_empty(), set.is_empty()) {
            (_, true) => Some(Kind::Map(map)),
            (true, false) => Some(Kind::List(set)),
            (false, false) => None,
        }
    }

    /// A name at this place; nothing is taken where a number or a sign stands.
    fn word(&mut self) -> &'t str {
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// One text, or several that stand side by side and are one.
    fn text(&mut self) -> Option<(String, bool)> {
        let mut whole: Option<(String, bool)> = None;
        loop {
            self.skip();
            let before = self.rest;
            let Some((part, is_bytes)) = self.text_part() else {
                self.rest = before;
                return whole;
            };
            whole = match whole {
                None => Some((part, is_bytes)),
                Some((text, was_bytes)) if was_bytes == is_bytes => Some((text + &part, is_bytes)),
                Some(_) => return None,
            };
        }
    }

    fn text_part(&mut self) -> Option<(String, bool)> {
        let prefix = self.rest.find(['"', '\''])?;
        let (prefix, rest) = self.rest.split_at(prefix);
        let (raw, bytes) = match prefix.to_ascii_lowercase().as_str() {
            "" | "u" => (false, false),
            "r" => (true, false),
            "b" => (false, true),
            "br" | "rb" => (true, true),
            _ => return None,
        };
        let quote = &rest[..1];
        let triple = quote.repeat(3);
        let quote = if rest.starts_with(&triple) { triple.as_str() } else { quote };
        let body = &rest[quote.len()..];
        let mut end = 0;
        while !body.get(end..)?.starts_with(quote) {
            let c = body[end..].chars().next()?;
            end += c.len_utf8();
            if c == '\\' {
                end += body[end..].chars().next()?.len_utf8();
            }
        }
        self.rest = &body[end + quote.len()..];
        let body = &body[..end];
        if bytes && !body.is_ascii() {
            return None;
        }
        let text = if raw { body.to_owned() } else { unescaped(body, bytes)? };
        Some((text, bytes))
    }

    /// A number with at most one sign, or the sum of a real and an imaginary one.
    fn number(&mut self) -> Option<Kind> {
        let first = self.signed()?;
        let real = match first {
            Number::Whole(number) => {
                self.skip();
                if !self.rest.starts_with(['+', '-']) {
                    return Some(whole(number));
                }
                number as f64
            }
            Number::Huge(digits) => return Some(Kind::Text(digits, TextStyle::Quoted)),
            Number::Imaginary(part) => {
                return Some(Kind::Text(complex(0.0, part), TextStyle::Quoted));
            }
            Number::Real(number) => {
                self.skip();
                if !self.rest.starts_with(['+', '-']) {
                    return Some(real(number));
                }
                number
            }
        };
        let minus = self.rest.starts_with('-');
        self.rest = &self.rest[1..];
        self.skip();
        match self.unsigned()? {
            Number::Imaginary(part) => {
                let part = if minus { -part } else { part };
                Some(Kind::Text(complex(real, part), TextStyle::Quoted))
            }
            _ => None,
        }
    }

    fn signed(&mut self) -> Option<Number> {
        let minus = self.take("-");
        if !minus {
            self.take("+");
        }
        self.skip();
        Some(match (minus, self.unsigned()?) {
            (false, number) => number,
            (true, Number::Whole(number)) => Number::Whole(-number),
            (true, Number::Huge(digits)) => Number::Huge(format!("-{digits}")),
            (true, Number::Real(number)) => Number::Real(-number),
            (true, Number::Imaginary(number)) => Number::Imaginary(-number),
        })
    }

    fn unsigned(&mut self) -> Option<Number> {
        let bytes = self.rest.as_bytes();
        let mut end = 0;
        while let Some(&byte) = bytes.get(end) {
            let sign = matches!(byte, b'+' | b'-')
                && end > 0
                && matches!(bytes[end - 1], b'e' | b'E')
                && !self.rest[..end].starts_with(['x', 'X'])
                && !matches!(bytes.get(1), Some(b'x' | b'X'));
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || sign) {
                break;
            }
            end += 1;
        }
        let (token, rest) = self.rest.split_at(end);
        // A letter that is not ASCII would make a name of it, which no number is.
        if rest.starts_with(char::is_alphanumeric) {
            return None;
        }
        self.rest = rest;
        number(token)
    }
}

fn number(token: &str) -> Option<Number> {
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

fn whole(number: i128) -> Kind {
    if let Ok(number) = i64::try_from(number) {
        return Kind::Number(number.into());
    }
    match u64::try_from(number) {
        Ok(number) => Kind::Number(number.into()),
        Err(_) => Kind::Text(number.to_string(), TextStyle::Quoted),
    }
}

fn real(number: f64) -> Kind {
    match serde_json::Number::from_f64(number) {
        Some(number) => Kind::Number(number),
        None => Kind::Text(python_float(number), TextStyle::Quoted),
    }
}

/// As Python writes a complex number, which Ansible keeps as a text.
fn complex(real: f64, imaginary: f64) -> String {
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

fn node(kind: Kind) -> Node {
    Node { kind, span: None }
}

/// A key as JSON has it, which knows texts only.
fn key_text(key: &Kind) -> Option<String> {
    Some(match key {
        Kind::Text(text, _) => text.clone(),
        Kind::Number(number) => number.to_string(),
        Kind::Bool(value) => value.to_string(),
        Kind::Null => "null".to_owned(),
        Kind::List(_) | Kind::Map(_) | Kind::Tagged(..) => return None,
    })
}

fn unescaped(body: &str, bytes: bool) -> Option<String> {
    let mut out: Vec<u8> = Vec::with_capacity(body.len());
    let push = |out: &mut Vec<u8>, code: u32| -> Option<()> {
        if bytes {
            out.push(u8::try_from(code & 0xff).ok()?);
        } else {
            out.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Some(())
    };
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.extend(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let c = rest.chars().next()?;
        let width = match c {
            'x' => 2,
            'u' if !bytes => 4,
            'U' if !bytes => 8,
            _ => 0,
        };
        if width > 0 {
            let digits = rest.get(1..=width)?;
            push(&mut out, u32::from_str_radix(digits, 16).ok()?)?;
            rest = &rest[1 + width..];
            continue;
        }
        if c.is_digit(8) {
            let len = rest.bytes().take(3).take_while(|byte| (b'0'..b'8').contains(byte)).count();
            push(&mut out, u32::from_str_radix(&rest[..len], 8).ok()?)?;
            rest = &rest[len..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            'r' => out.push(b'\r'),
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'v' => out.push(11),
            '\\' | '\'' | '"' => out.push(c as u8),
            // The names of characters would take a table; such a text stays as it is.
            'N' if !bytes => return None,
            // What Python does not know keeps its backslash.
            _ => {
                out.push(b'\\');
                out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    out.extend(rest.as_bytes());
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_python_makes_of_them() {
        let cases = [
            ("5", "5"),
            ("-5", "-5"),
            ("- 5", "-5"),
            ("+5", "5"),
            ("--5", "\"--5\""),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("0b11", "3"),
            ("0644", "\"0644\""),
            ("000", "0"),
            ("1_000", "1000"),
            ("1__0", "\"1__0\""),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("1.", "1.0"),
            (".5", "0.5"),
            (".", "\".\""),
            ("10.0.0.1", "\"10.0.0.1\""),
            ("1e", "\"1e\""),
            ("18446744073709551616", "\"18446744073709551616\""),
            ("9223372036854775808", "9223372036854775808"),
            ("True", "true"),
            ("true", "\"true\""),
            ("yes", "\"yes\""),
            ("None", "null"),
            ("null", "\"null\""),
            ("", "\"\""),
            ("'a b'", "\"a b\""),
            ("\"it's\"", "\"it's\""),
            ("'a' 'b'", "\"ab\""),
            ("'a", "\"'a\""),
            ("'a'b", "\"'a'b\""),
            (r"'a\tb\x41\u00e9\101'", "\"a\\tbAéA\""),
            (r"r'\d+'", "\"\\\\d+\""),
            (r"'\d'", "\"\\\\d\""),
            ("b'x'", "\"x\""),
            ("f'x'", "\"f'x'\""),
            ("[1, 'a', None,]", "[1,\"a\",null]"),
            ("[]", "[]"),
            ("()", "[]"),
            ("(1)", "1"),
            ("(1,)", "[1]"),
            ("1, 2", "[1,2]"),
            ("1,", "[1]"),
            (",", "\",\""),
            ("{'a': [1], 2: True}", "{\"a\":[1],\"2\":true}"),
            ("{1, 2, 1}", "[1,2]"),
            ("{}", "{}"),
            ("set()", "[]"),
            ("[1", "\"[1\""),
            ("[a]", "\"[a]\""),
            ("1 # one", "1"),
            ("one # one", "\"one # one\""),
            ("{{ x }}", "\"{{ x }}\""),
            ("2j", "\"2j\""),
            ("1+2j", "\"(1+2j)\""),
            ("1+2", "\"1+2\""),
            ("5x", "\"5x\""),
            ("...", "\"...\""),
            ("a=b", "\"a=b\""),
            ("1 if True else 2", "\"1 if True else 2\""),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text, None).to_json().to_string(), expected, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(value(&deep, None).to_json().is_string());
    }
}
