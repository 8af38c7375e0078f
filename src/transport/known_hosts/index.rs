//! The parsed lines, found by name: exact names in a map, the rest in lists.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha1::Sha1;
use ssh_key::known_hosts::{Entry, HostPatterns, Marker};

use super::Verdict;
use super::pattern;

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: Arc<Path>,
    /// The line, from 1.
    pub(crate) line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The lines of all files.
#[derive(Default)]
pub(super) struct Index {
    lines: Vec<Line>,
    exact: HashMap<String, Vec<usize>>,
    wild: Vec<(Vec<String>, usize)>,
    hashed: Vec<(Vec<u8>, [u8; 20], usize)>,
}

struct Line {
    key: Vec<u8>,
    revoked: bool,
    place: Place,
}

impl Index {
    /// Adds the lines of `text`, which begins at line `first` of `file`, and
    /// returns the number of its last line.
    ///
    /// A line that cannot be parsed is passed over, as are certificate
    /// authorities: no certificate is ever asked for.
    pub(super) fn read(&mut self, text: &str, file: &Path, first: usize) -> usize {
        let file: Arc<Path> = file.into();
        let mut last = first.saturating_sub(1);
        for (offset, line) in text.lines().enumerate() {
            last = first + offset;
            let Some(entry) = parse(line) else { continue };
            let revoked = match entry.marker() {
                None => false,
                Some(Marker::Revoked) => true,
                Some(Marker::CertAuthority) => continue,
            };
            let Ok(key) = entry.public_key().to_bytes() else { continue };
            let place = Place { file: Arc::clone(&file), line: last };
            self.add(Line { key, revoked, place }, entry.host_patterns());
        }
        last
    }

    fn add(&mut self, line: Line, names: &HostPatterns) {
        let number = self.lines.len();
        self.lines.push(line);
        match names {
            HostPatterns::HashedName { salt, hash } => {
                self.hashed.push((salt.clone(), *hash, number));
            }
            HostPatterns::Patterns(patterns) => {
                let patterns: Vec<_> = patterns.iter().map(|p| p.to_lowercase()).collect();
                if patterns.iter().any(|pattern| pattern::is_wild(pattern)) {
                    self.wild.push((patterns, number));
                } else {
                    for name in patterns {
                        self.exact.entry(name).or_default().push(number);
                    }
                }
            }
        }
    }

    /// What the lines say about `host` at `port`, which presents `key`.
    pub(super) fn look_up(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        let named = self.lines_for(&name_of(host, port));
        if let Some(verdict) = settled(&named, key) {
            return verdict;
        }
        let mut others = named.iter().filter(|line| !line.revoked).peekable();
        if let Some(first) = others.peek().copied() {
            let line = others.find(|line| key_type(&line.key) == key_type(key)).unwrap_or(first);
            return Verdict::Changed { place: line.place.clone(), known: line.key.clone() };
        }
        // As OpenSSH does: a key that is known for the host's usual port serves
        // its other ports too, though a different one proves nothing.
        if port != 22
            && let Some(verdict) = settled(&self.lines_for(&name_of(host, 22)), key)
        {
            return verdict;
        }
        Verdict::Unknown
    }

    /// The types of the keys that are known for `host` at `port`.
    pub(super) fn key_types(&self, host: &str, port: u16) -> Vec<String> {
        let mut lines = self.lines_for(&name_of(host, port));
        if lines.is_empty() && port != 22 {
            lines = self.lines_for(&name_of(host, 22));
        }
        let mut types: Vec<String> = Vec::new();
        for line in lines.iter().filter(|line| !line.revoked) {
            if let Some(kind) = key_type(&line.key)
                && !types.iter().any(|known| known == kind)
            {
                types.push(kind.to_owned());
            }
        }
        types
    }

    fn lines_for(&self, name: &str) -> Vec<&Line> {
        let exact = self.exact.get(name).into_iter().flatten().copied();
        let wild = self.wild.iter().filter(|(patterns, _)| pattern::matches(patterns, name));
        let hashed = self.hashed.iter().filter(|(salt, hash, _)| is_hash_of(hash, salt, name));
        exact
            .chain(wild.map(|(_, number)| *number))
            .chain(hashed.map(|(_, _, number)| *number))
            .map(|number| &self.lines[number])
            .collect()
    }
}

/// What is certain from `lines`: the key is revoked, or it is known.
fn settled(lines: &[&Line], key: &[u8]) -> Option<Verdict> {
    let same = || lines.iter().filter(|line| line.key == key);
    if let Some(revoked) = same().find(|line| line.revoked) {
        return Some(Verdict::Revoked(revoked.place.clone()));
    }
    same().next().map(|_| Verdict::Known)
}

fn parse(line: &str) -> Option<Entry> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    // Tabs and runs of spaces separate as well as one space, and the comment is
    // of no interest.
    let fields = if line.starts_with('@') { 4 } else { 3 };
    let mut clean = String::with_capacity(line.len());
    for field in line.split_ascii_whitespace().take(fields) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(field);
    }
    clean.parse().ok()
}

fn is_hash_of(hash: &[u8; 20], salt: &[u8], name: &str) -> bool {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).expect("HMAC takes keys of any length");
    mac.update(name.as_bytes());
    mac.verify_slice(hash).is_ok()
}

/// The name under which a host stands in the file.
pub(crate) fn name_of(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    match port {
        22 => host,
        _ => format!("[{host}]:{port}"),
    }
}

/// The type that a key in wire format begins with.
pub(crate) fn key_type(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}
