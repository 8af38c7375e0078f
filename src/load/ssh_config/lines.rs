//! The lines of a configuration, each with the blocks that it stands in.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::load::file::unreadable;

/// How deep files may include each other, as in OpenSSH.
const DEEPEST: usize = 16;

/// A keyword, its values, and when they apply.
#[derive(Debug)]
pub(super) struct Line {
    /// All of them must hold.
    pub(super) criteria: Vec<Arc<Criterion>>,
    /// In lower case.
    pub(super) keyword: String,
    pub(super) values: Vec<String>,
}

/// The head of a block.
#[derive(Debug)]
pub(super) enum Criterion {
    Host(Vec<String>),
    Match(Vec<Condition>),
}

/// One condition of a `Match`.
#[derive(Debug)]
pub(super) struct Condition {
    /// In lower case.
    pub(super) name: String,
    pub(super) negated: bool,
    pub(super) patterns: Vec<String>,
}

/// Reads a file, and what it includes. That there is no such file is no error.
pub(super) fn read(home: &Path, path: &Path, lines: &mut Vec<Line>) -> Result<(), Vec<Problem>> {
    read_within(home, path, &[], 0, lines)
}

fn read_within(
    home: &Path,
    path: &Path,
    outer: &[Arc<Criterion>],
    depth: usize,
    lines: &mut Vec<Line>,
) -> Result<(), Vec<Problem>> {
    let text = match crate::local_file::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let advice = "correct it, or leave it out with `--no-ssh-config`";
            let error = unreadable(path, &error).with_help(advice);
            return Err(vec![Problem::new(error, None)]);
        }
    };
    let mut criteria = outer.to_vec();
    for line in text.lines() {
        let Some((keyword, values)) = split(line) else { continue };
        match keyword.as_str() {
            "host" | "match" => {
                criteria.truncate(outer.len());
                criteria.push(Arc::new(match keyword.as_str() {
                    "host" => Criterion::Host(values),
                    _ => Criterion::Match(conditions(&values)),
                }));
            }
            "include" if depth < DEEPEST => {
                for pattern in values {
                    for path in included(home, &pattern) {
                        read_within(home, &path, &criteria, depth + 1, lines)?;
                    }
                }
            }
            _ => lines.push(Line { criteria: criteria.clone(), keyword, values }),
        }
    }
    Ok(())
}

/// The files that an `Include` names; a relative one is below `~/.ssh`.
fn included(home: &Path, pattern: &str) -> Vec<std::path::PathBuf> {
    let pattern = match pattern.strip_prefix("~/") {
        Some(below) => home.join(below),
        None => home.join(".ssh").join(pattern),
    };
    glob::glob(&pattern.to_string_lossy())
        .map(|paths| paths.flatten().collect())
        .unwrap_or_default()
}

/// The keyword and the values of a line.
fn split(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=' || c == '"').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let mut values: Vec<String> = Vec::new();
    let mut value: Option<String> = None;
    let mut quoted = false;
    for c in rest.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                value.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => values.extend(value.take()),
            '#' if !quoted && value.is_none() => break,
            c => value.get_or_insert_default().push(c),
        }
    }
    values.extend(value);
    Some((keyword.to_ascii_lowercase(), values))
}

fn conditions(words: &[String]) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (negated, name) = match word.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, word.as_str()),
        };
        let (name, given) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let name = name.to_ascii_lowercase();
        let patterns = match name.as_str() {
            "all" | "canonical" | "final" => Vec::new(),
            _ => {
                let list = given.or_else(|| words.next().cloned()).unwrap_or_default();
                list.split(',').map(|pattern| pattern.trim().to_owned()).collect()
            }
        };
        conditions.push(Condition { name, negated, patterns });
    }
    conditions
}

/// Whether one of the patterns matches, and none that begins with `!` does.
pub(super) fn matches(patterns: &[String], text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if wildcard(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= wildcard(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// Matches `*` and `?`, in time linear in the product of the lengths.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&c) if c == b'?' || c == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((starred, taken)) => {
                    star = Some((starred, taken + 1));
                    at = starred + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}
