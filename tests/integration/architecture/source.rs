//! A Rust file as the rules see it: without comments, texts and test code.

use std::iter;

/// What is left of a file, line by line as in the file.
pub(super) struct Source {
    code: String,
    /// Lines outside of test items, blank and comment lines included.
    pub(super) lines: usize,
    /// The module, such as `["load", "playbook"]`; empty for the crate's root.
    module: Vec<String>,
}

impl Source {
    /// Reads the text of the file at `path`, which starts at `src/`.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let (code, test_lines) = without_tests(&without_comments(text));
        let lines = text.lines().count() - test_lines;
        let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<_> = inner.split('/').map(str::to_owned).collect();
        if ["mod", "lib", "main"].contains(&module.last().map_or("", String::as_str)) {
            module.pop();
        }
        Self { code, lines, module }
    }

    /// The numbers of the lines where a path begins with the crate `name`.
    pub(super) fn uses_of_crate(&self, name: &str) -> Vec<usize> {
        self.words()
            .filter(|(at, word)| {
                let after = self.code[at + word.len()..].trim_start();
                let before = self.code[..*at].trim_end();
                *word == name && (after.starts_with("::") || before.ends_with("use"))
            })
            .map(|(at, _)| self.line(at))
            .collect()
    }

    /// The numbers of the lines that call the macro `name`.
    pub(super) fn calls_of_macro(&self, name: &str) -> Vec<usize> {
        self.words()
            .filter(|(at, word)| *word == name && self.code[at + word.len()..].starts_with('!'))
            .map(|(at, _)| self.line(at))
            .collect()
    }

    /// The numbers of the lines with this word.
    pub(super) fn word(&self, name: &str) -> Vec<usize> {
        self.words().filter(|(_, word)| *word == name).map(|(at, _)| self.line(at)).collect()
    }

    /// The numbers of the lines with `extern crate`.
    pub(super) fn extern_crates(&self) -> Vec<usize> {
        let is_crate = |at: usize, word: &str| {
            word == "extern" && self.code[at + word.len()..].trim_start().starts_with("crate ")
        };
        let words = self.words().filter(|(at, word)| is_crate(*at, word));
        words.map(|(at, _)| self.line(at)).collect()
    }

    /// The numbers of the lines with this path, such as `std::thread`, or with one that
    /// has it in it; groups are taken apart.
    pub(super) fn path(&self, path: &str) -> Vec<usize> {
        let wanted = format!("::{path}::");
        let paths = self.paths().into_iter();
        paths
            .filter(|(found, _)| format!("::{found}::").contains(&wanted))
            .map(|(_, line)| line)
            .collect()
    }

    /// Every path, as if each stood alone: `std::{io::{self, stdout}, thread}` is
    /// `std::io`, `std::io::stdout` and `std::thread`. With the numbers of their lines.
    pub(super) fn paths(&self) -> Vec<(String, usize)> {
        let (mut paths, mut end) = (Vec::new(), 0);
        for (at, _) in self.words() {
            // The rest of a path that has been taken apart is no other one.
            if at >= end {
                end = self.expand(at, String::new(), &mut paths);
            }
        }
        paths
    }

    /// Adds the paths that begin at `at` below `prefix`; gives where they end.
    fn expand(&self, at: usize, prefix: String, paths: &mut Vec<(String, usize)>) -> usize {
        let rest = &self.code[at..];
        let start = at + rest.len() - rest.trim_start().len();
        let rest = &self.code[start..];
        if rest.starts_with('{') {
            let mut end = start;
            // After the brace and after each comma there is a path, or the end.
            while self.code[end..].trim_start().starts_with(['{', ',']) {
                let mark = self.code[end..].find(['{', ',']).unwrap_or_default();
                end = self.expand(end + mark + 1, prefix.clone(), paths);
            }
            return end + self.code[end..].find('}').map_or(0, |brace| brace + 1);
        }
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = match rest.starts_with('*') {
            true => 1,
            false => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
        };
        let path = match &rest[..length] {
            "" => return start,
            "self" if !prefix.is_empty() => prefix.clone(),
            name if prefix.is_empty() => name.to_owned(),
            name => format!("{prefix}::{name}"),
        };
        let after = rest[length..].trim_start();
        if let Some(more) = after.strip_prefix("::")
            && more.trim_start().starts_with(|c: char| is_name(c) || c == '{' || c == '*')
        {
            return self.expand(self.code.len() - more.len(), path, paths);
        }
        paths.push((path, self.line(start)));
        let end = start + length;
        // Another name for it is no path.
        match after.strip_prefix("as ") {
            Some(name) => {
                let name = name.trim_start();
                self.code.len() - name.len() + name.find(|c| !is_name(c)).unwrap_or(name.len())
            }
            None => end,
        }
    }

    /// Every module of the crate's root that a path names, with the line's number.
    pub(super) fn layers_used(&self) -> Vec<(String, usize)> {
        let mut used = Vec::new();
        for (at, word) in self.words() {
            let mut rest = &self.code[at + word.len()..];
            let root = match word {
                "crate" => true,
                // Only the first of a chain counts; each further one goes up, too.
                "super" if !self.code[..at].ends_with("super::") => {
                    let mut up = 1;
                    while let Some(more) = rest.strip_prefix("::super") {
                        (rest, up) = (more, up + 1);
                    }
                    up == self.module.len()
                }
                _ => false,
            };
            if let (true, Some(rest)) = (root, rest.strip_prefix("::")) {
                used.extend(first_names(rest).map(|name| (name, self.line(at))));
            }
        }
        used
    }

    fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut rest = 0;
        iter::from_fn(move || {
            let start = rest + self.code[rest..].find(is_word)?;
            let length = self.code[start..].find(|c| !is_word(c));
            rest = length.map_or(self.code.len(), |length| start + length);
            Some((start, &self.code[start..rest]))
        })
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

/// The first name of a path, or of each path in a group.
fn first_names(path: &str) -> impl Iterator<Item = String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = Vec::new();
    match path.trim_start().strip_prefix('{') {
        None => names.push(name(path)),
        Some(group) => {
            let mut depth = 0;
            names.push(name(group));
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(name(&group[at + 1..])),
                    _ => {}
                }
            }
        }
    }
    names.into_iter().filter(|name| !name.is_empty())
}

/// The text with everything in comments, texts and characters made blank. Line
/// ends stay.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_word = code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => 1 + quoted(&rest[1..], '"'),
            'r' | 'b' | 'c' if !in_word && raw_text(rest).is_some() => {
                raw_text(rest).unwrap_or_default()
            }
            // A lifetime has no closing quote near it.
            '\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => {
                1 + quoted(&rest[1..], '\'')
            }
            _ => 0,
        };
        match length {
            0 => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            }
            length => {
                code.extend(rest[..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
                rest = &rest[length..];
            }
        }
    }
    code
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

/// The length up to and with the closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw text, with or without hashes, that `text` begins with.
fn raw_text(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inner = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(text.len() - inner.len() + length)
}

/// The code without the items that only tests have, and how many lines those are.
fn without_tests(code: &str) -> (String, usize) {
    const MARK: &str = "#[cfg(test)]";
    let (mut kept, mut lines) = (String::new(), 0);
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let item = &rest[at..];
        let length = item_length(item);
        kept.push_str(&rest[..at]);
        kept.extend(item[..length].chars().filter(|c| *c == '\n'));
        lines += item[..length].lines().count();
        rest = &item[length..];
    }
    (kept + rest, lines)
}

/// The length of an item: to its semicolon, or to the end of its block.
fn item_length(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    item.len()
}
