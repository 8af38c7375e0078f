//! `--extra-vars` in each of its forms.

use std::path::Path;

use super::decode::{Decode, Decoder};
use super::document::{Format, document};
use super::error::LoadError;
use super::file::vars_file;
use super::node::{Entry, Node};
use super::place::Scalars;
use super::playbook::{Vars, is_variable_name};
use super::source::{FileId, Sources, Span};
use crate::diagnostic::Problem;

/// The variables of one `--extra-vars`: `k=v k2=v2`, `@file`, or a mapping in
/// JSON or YAML.
///
/// # Errors
/// The text has none of these forms, or its file cannot be read.
pub fn extra_vars(sources: &Sources, text: &str) -> Result<(FileId, Vars), Vec<Problem>> {
    if let Some(path) = text.strip_prefix('@') {
        return vars_file(sources, Path::new(path));
    }
    let here = std::path::absolute(".").unwrap_or_else(|_| Path::new(".").to_owned());
    let file = sources.add("<--extra-vars>", &here, text.to_owned());
    if text.trim_start().starts_with('{') {
        let node = document(sources, file, Format::Yaml(Scalars::Ansible))?;
        let mut decoder = Decoder::new(true, Some(Span::whole(file)));
        let vars = Vars::decode(&node, "`--extra-vars`", &mut decoder).unwrap_or_default();
        let problems = decoder.finish();
        return if problems.is_empty() { Ok((file, vars)) } else { Err(problems) };
    }
    let pairs = pairs(text).ok_or_else(|| {
        // Without a name and a value the text may be a secret that lacks its name.
        let message = match text.split_once('=') {
            Some((name, value))
                if !name.contains(char::is_whitespace) && !value.trim_matches('=').is_empty() =>
            {
                format!("`{name}` in `--extra-vars` is not a variable name")
            }
            _ => "an `--extra-vars` gives no variable".to_owned(),
        };
        let help = "write `-e name=value`, `-e @file.yml` or `-e '{\"name\": \"value\"}'`";
        vec![Problem::new(LoadError::Conflict { message, help: help.to_owned() }, None)]
    })?;
    let entry = |(name, start, value): (String, usize, String)| {
        // The place is that of the value, so that an error in it can be shown.
        let span = Span { file, start, len: value.len() };
        let span = (text.get(start..start + value.len()) == Some(value.as_str())).then_some(span);
        (name, Entry { key: None, value: Node { span, ..Node::text(value) } })
    };
    Ok((file, Vars(pairs.into_iter().map(entry).collect())))
}

/// `name=value` pairs, each with the offset of its value. Where some word is no
/// pair, the whole text is one, so that `-e message=hello world` means what it says.
fn pairs(text: &str) -> Option<Vec<(String, usize, String)>> {
    let words: Option<Vec<_>> = words(text).into_iter().map(|(at, word)| pair(at, word)).collect();
    words.filter(|pairs| !pairs.is_empty()).or_else(|| {
        let lead = text.len() - text.trim_start().len();
        Some(vec![pair(lead, text.trim())?])
    })
}

fn pair(at: usize, word: &str) -> Option<(String, usize, String)> {
    let (name, value) = word.split_once('=')?;
    if !is_variable_name(name) {
        return None;
    }
    let start = at + name.len() + 1;
    // As a shell would, quotes around the whole value go away.
    let unquoted = ['"', '\''].iter().find_map(|quote| {
        value.strip_prefix(*quote)?.strip_suffix(*quote).filter(|inner| !inner.contains(*quote))
    });
    Some(match unquoted {
        Some(inner) => (name.to_owned(), start + 1, inner.to_owned()),
        None => (name.to_owned(), start, value.to_owned()),
    })
}

/// Splits at blanks, but not within quotes.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c.is_whitespace() => {
                words.extend(start.take().map(|start| (start, &text[start..at])));
                continue;
            }
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
        start.get_or_insert(at);
    }
    words.extend(start.map(|start| (start, &text[start..])));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let sources = Sources::default();
        let (_, vars) = extra_vars(&sources, text).unwrap();
        let value = |entry: Entry| match entry.value.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        vars.0.into_iter().map(|(name, entry)| (name, value(entry))).collect()
    }

    #[test]
    fn words_are_pairs_when_all_of_them_are() {
        let cases: [(&str, &[(&str, &str)]); 14] = [
            ("a=1", &[("a", "1")]),
            ("a=1 b=2", &[("a", "1"), ("b", "2")]),
            ("  a=1   b=2 ", &[("a", "1"), ("b", "2")]),
            ("a=1 a=2", &[("a", "2")]),
            ("a=", &[("a", "")]),
            ("a=hello world", &[("a", "hello world")]),
            ("a='hello world' b=\"x y\"", &[("a", "hello world"), ("b", "x y")]),
            ("a=\"hello world\"", &[("a", "hello world")]),
            ("cmd=ls --color=auto", &[("cmd", "ls --color=auto")]),
            ("url=http://x/?q=1 b=2", &[("url", "http://x/?q=1"), ("b", "2")]),
            ("a=it's b=2", &[("a", "it's b=2")]),
            ("a='x'y", &[("a", "'x'y")]),
            ("j={\"x\": 1}", &[("j", "{\"x\": 1}")]),
            ("{a: yes, b: [1]}", &[("a", "true"), ("b", "[1]")]),
        ];
        for (text, expected) in cases {
            let expected: Vec<(String, String)> =
                expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_gives_no_variable_is_refused() {
        for text in ["", "a", "=1", "1a=2", "a b=1", "a-b=1", "[1]", "{a"] {
            assert!(extra_vars(&Sources::default(), text).is_err(), "{text}");
        }
    }
}
