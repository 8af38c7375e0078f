//! Host patterns: `web:db`, `web:!web-03`, `web:&staging`, `web[0:2]`, `~regex`.

mod members;
mod split;

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;

use super::error::ResolveError;
use super::inventory::{ALL, Inventory};
use crate::event::HostName;
use crate::load::decode::nearest;
use crate::load::pattern_file;
use members::members;
use split::parts;

/// The hosts that a pattern selects, in the order in which it names them; hosts of
/// one group are in the group's order.
///
/// As Ansible reads it: first everything plain is joined, then the `&` parts cut
/// it down, then the `!` parts take away, wherever they stand in the pattern. A
/// pattern with only `&` and `!` parts starts from all hosts. `@file` stands for
/// the lines of a file, or for the hosts that failed in a report; `locate` tells
/// where a relative path starts.
///
/// # Errors
/// A part that cannot be read, or names nothing in the inventory; each with its
/// place in the pattern. An empty pattern, which a missing value easily gives, is
/// an error too and never means all hosts.
pub fn select(
    inventory: &Inventory,
    pattern: &str,
    locate: Locate<'_>,
) -> Result<Vec<HostName>, Vec<(ResolveError, Range<usize>)>> {
    let mut parts = Parts::default();
    parts.read(inventory, pattern, Some(locate));
    if !parts.errors.is_empty() {
        return Err(parts.errors);
    }
    if !parts.has_any {
        return Err(vec![(ResolveError::EmptyPattern, 0..pattern.len())]);
    }
    Ok(parts.hosts(inventory).into_iter().map(|at| HostName::clone(inventory.name(at))).collect())
}

/// Where a path that a pattern names is.
type Locate<'l> = &'l dyn Fn(&str) -> PathBuf;

/// What the parts of a pattern select, each host by its number.
#[derive(Default)]
struct Parts {
    joined: Option<Vec<usize>>,
    kept: Vec<HashSet<usize>>,
    removed: HashSet<usize>,
    has_any: bool,
    errors: Vec<(ResolveError, Range<usize>)>,
}

impl Parts {
    /// Without `locate` no part may be a file: one that names itself would never end.
    fn read(&mut self, inventory: &Inventory, pattern: &str, locate: Option<Locate<'_>>) {
        for (at, part) in parts(pattern) {
            let (sign, name) = match part.split_at_checked(1) {
                Some(("!", name)) => ('!', name),
                Some(("&", name)) => ('&', name),
                _ => ('+', part),
            };
            let place = at + part.len() - name.len()..at + part.len();
            let found = match name.strip_prefix('@') {
                Some(path) => match locate {
                    Some(locate) => self.file(inventory, sign, path, locate),
                    None => {
                        let reason = "a file of patterns cannot name another".to_owned();
                        Err(ResolveError::PatternFile { path: path.to_owned(), reason })
                    }
                },
                None => members(inventory, name, pattern).map(Some),
            };
            match found {
                Err(error) => self.errors.push((error, place)),
                Ok(Some(hosts)) => self.put(sign, hosts),
                Ok(None) => {}
            }
        }
    }

    fn put(&mut self, sign: char, hosts: Vec<usize>) {
        self.has_any = true;
        match sign {
            '!' => self.removed.extend(hosts),
            '&' => self.kept.push(hosts.into_iter().collect()),
            _ => self.joined.get_or_insert_default().extend(hosts),
        }
    }

    /// The lines of a file: without a sign they are parts like any other.
    fn file(
        &mut self,
        inventory: &Inventory,
        sign: char,
        path: &str,
        locate: Locate<'_>,
    ) -> Result<Option<Vec<usize>>, ResolveError> {
        let lines = pattern_file::read(&locate(path))
            .map_err(|reason| ResolveError::PatternFile { path: path.to_owned(), reason })?;
        let mut inner = Self::default();
        for line in lines.lines {
            // A file that names files could name itself.
            inner.read(inventory, &line.text, None);
            if let Some((error, _)) = inner.errors.pop() {
                let place = match line.number {
                    Some(number) => format!("line {number} of `{path}`"),
                    None => format!("the report `{path}`"),
                };
                return Err(ResolveError::InPatternFile { place, error: Box::new(error) });
            }
        }
        // A report in which nothing failed selects nobody, and not all.
        if lines.is_report {
            inner.joined.get_or_insert_default();
            inner.has_any = true;
        }
        if !inner.has_any {
            let reason = "it names no host".to_owned();
            return Err(ResolveError::PatternFile { path: path.to_owned(), reason });
        }
        if sign != '+' {
            return Ok(Some(inner.hosts(inventory)));
        }
        self.has_any = true;
        if let Some(joined) = inner.joined {
            self.joined.get_or_insert_default().extend(joined);
        }
        self.kept.extend(inner.kept);
        self.removed.extend(inner.removed);
        Ok(None)
    }

    fn hosts(self, inventory: &Inventory) -> Vec<usize> {
        let mut selected = self.joined.unwrap_or_else(|| group(inventory, ALL));
        let mut seen = HashSet::new();
        selected.retain(|host| {
            seen.insert(*host)
                && self.kept.iter().all(|kept| kept.contains(host))
                && !self.removed.contains(host)
        });
        selected
    }
}

/// The hosts of a group, in its order.
fn group(inventory: &Inventory, name: &str) -> Vec<usize> {
    let hosts = inventory.group(name).map(|group| group.hosts.as_slice()).unwrap_or_default();
    hosts.iter().filter_map(|host| inventory.position(host)).collect()
}

fn unknown(inventory: &Inventory, name: &str) -> ResolveError {
    let names = inventory.groups().map(|(name, _)| &**name);
    let names = names.chain(inventory.hosts().map(|(name, _)| &**name));
    let help = match nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => known_groups(inventory),
    };
    ResolveError::UnknownHost { name: name.to_owned(), help }
}

/// The error for a glob or regex that no name matches.
fn unmatched(inventory: &Inventory, pattern: &str) -> ResolveError {
    ResolveError::NothingMatches { pattern: pattern.to_owned(), help: known_groups(inventory) }
}

/// The error for a name that no host has.
#[must_use]
pub fn unknown_host(inventory: &Inventory, name: &str) -> ResolveError {
    let help = match nearest(name, inventory.hosts().map(|(name, _)| &**name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`sshoal inventory graph` shows the hosts".to_owned(),
    };
    ResolveError::UnknownHost { name: name.to_owned(), help }
}

/// What to say to those who name a group that is not there.
#[must_use]
pub fn group_advice(inventory: &Inventory, name: &str) -> String {
    match nearest(name, inventory.groups().map(|(name, _)| &**name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => known_groups(inventory),
    }
}

fn known_groups(inventory: &Inventory) -> String {
    let groups: Vec<&str> = inventory.groups().map(|(name, _)| &**name).collect();
    format!("known groups: {}", groups.join(", "))
}
