//! Splits the code of a template into words and marks, as far as looking at names
//! needs it. Texts, comments and raw blocks are passed over.

use std::ops::Range;

/// A word or mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Text,
    Mark(char),
}

/// The tokens of a bare expression.
pub(super) fn of_expression(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    scan(&mut tokens, text, 0, false);
    tokens
}

/// The tokens between the braces of a template.
pub(super) fn of_template(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|found| at + found) {
        at = match text.as_bytes().get(open + 1) {
            Some(b'{') => scan(&mut tokens, text, open + 2, true),
            Some(b'%') => {
                let end = scan(&mut tokens, text, open + 2, true);
                match statement(text, open) == "raw" {
                    true => end_of_raw(text, end),
                    false => end,
                }
            }
            Some(b'#') => text[open..].find("#}").map_or(text.len(), |end| open + end + 2),
            _ => open + 1,
        };
        // Blocks are apart: what follows one is no continuation of it.
        tokens.push(Token { kind: Kind::Mark(';'), range: at..at });
    }
    tokens
}

/// Reads tokens, in braces up to the closing ones, and returns where these end.
fn scan(tokens: &mut Vec<Token>, text: &str, from: usize, in_braces: bool) -> usize {
    let mut at = from;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if in_braces && (rest.starts_with("}}") || rest.starts_with("%}")) {
            return at + 2;
        }
        let (kind, len) = match c {
            '"' | '\'' => (Some(Kind::Text), end_of_text(rest, c)),
            _ if c.is_alphanumeric() || c == '_' => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let kind = if c.is_numeric() { Kind::Text } else { Kind::Name };
                (Some(kind), end.unwrap_or(rest.len()))
            }
            _ if c.is_whitespace() => (None, c.len_utf8()),
            _ => (Some(Kind::Mark(c)), c.len_utf8()),
        };
        tokens.extend(kind.map(|kind| Token { kind, range: at..at + len }));
        at += len;
    }
    text.len()
}

/// The length of the quoted text that `rest` begins with.
fn end_of_text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The first word of the statement whose braces open at `open`.
fn statement(text: &str, open: usize) -> &str {
    let inner = text[open + 2..].trim_start_matches(['-', '+']).trim_start();
    inner.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

/// The last statement of a template that opens a block which nothing closes.
pub(super) fn unclosed(text: &str) -> Option<Range<usize>> {
    let mut open: Vec<usize> = Vec::new();
    for (at, _) in text.match_indices("{%") {
        match statement(text, at) {
            "if" | "for" | "with" | "macro" | "call" | "filter" | "raw" | "autoescape" => {
                open.push(at);
            }
            word if word.starts_with("end") => {
                open.pop();
            }
            _ => {}
        }
    }
    let start = open.pop()?;
    let end = text[start..].find("%}").map_or(text.len(), |end| start + end + 2);
    Some(start..end)
}

/// Where the raw block that begins before `from` ends.
fn end_of_raw(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = text[at..].find("{%").map(|found| at + found) {
        if statement(text, open) == "endraw" {
            return text[open..].find("%}").map_or(text.len(), |end| open + end + 2);
        }
        at = open + 2;
    }
    text.len()
}
