//! Values of INI inventories: Python literals, as `ast.literal_eval` reads them.
//! What is no literal is the text that it is.

mod number;
mod text;

use number::{Number, complex, number, real, whole};

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
            let Some((part, is_bytes, after)) = text::part(before) else {
                self.rest = before;
                return whole;
            };
            self.rest = after;
            whole = match whole {
                None => Some((part, is_bytes)),
                Some((text, was_bytes)) if was_bytes == is_bytes => Some((text + &part, is_bytes)),
                Some(_) => return None,
            };
        }
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
