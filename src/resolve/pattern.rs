//! Host patterns: `web:db`, `web:!web-03`, `web:&staging`, `web[0:2]`, `~regex`.

use std::collections::BTreeSet;
use std::ops::Range;

use regex::Regex;

use super::error::ResolveError;
use super::inventory::{ALL, Inventory};
use crate::event::HostName;
use crate::load::decode::nearest;

/// The hosts that a pattern selects, in inventory order.
///
/// As Ansible reads it: first everything plain is joined, then the `&` parts cut
/// it down, then the `!` parts take away, wherever they stand in the pattern. A
/// pattern with only `&` and `!` parts starts from all hosts.
///
/// # Errors
/// A part that cannot be read, or names nothing in the inventory; each with its
/// place in the pattern. An empty pattern, which a missing value easily gives, is
/// an error too and never means all hosts.
pub fn select(
    inventory: &Inventory,
    pattern: &str,
) -> Result<Vec<HostName>, Vec<(ResolveError, Range<usize>)>> {
    let mut errors = Vec::new();
    let parts = parts(pattern);
    if parts.is_empty() {
        return Err(vec![(ResolveError::EmptyPattern, 0..pattern.len())]);
    }
    let mut joined: Option<BTreeSet<usize>> = None;
    let mut kept: Vec<BTreeSet<usize>> = Vec::new();
    let mut removed = BTreeSet::new();
    for (at, part) in parts {
        let (sign, name) = match part.split_at_checked(1) {
            Some(("!", name)) => ('!', name),
            Some(("&", name)) => ('&', name),
            _ => ('+', part),
        };
        match members(inventory, name, pattern) {
            Err(error) => errors.push((error, at + part.len() - name.len()..at + part.len())),
            Ok(hosts) => match sign {
                '!' => removed.extend(hosts),
                '&' => kept.push(hosts),
                _ => joined.get_or_insert_default().extend(hosts),
            },
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let everything = || (0..inventory.hosts().count()).collect();
    let mut selected = joined.unwrap_or_else(everything);
    for kept in kept {
        selected.retain(|host| kept.contains(host));
    }
    selected.retain(|host| !removed.contains(host));
    let names: Vec<&HostName> = inventory.hosts().map(|(name, _)| name).collect();
    Ok(selected.into_iter().map(|at| HostName::clone(names[at])).collect())
}

/// Splits at `:` and `,`, but not within brackets (`web[0:2]`) nor in a regex.
fn parts(pattern: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        let body = rest.trim_start_matches(['!', '&']);
        let end = match body.starts_with('~') {
            // A regex may hold a colon; only a comma ends it.
            true => rest.find(',').unwrap_or(rest.len()),
            false => end_of_part(rest),
        };
        let part = rest[..end].trim();
        if !part.is_empty() {
            let lead = end - rest[..end].trim_start().len();
            parts.push((pattern.len() - rest.len() + lead, part));
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    parts
}

fn end_of_part(text: &str) -> usize {
    // An IPv6 address is a name with colons, not three patterns.
    let upto = text.find(',').unwrap_or(text.len());
    let word = text[..upto].trim().trim_start_matches(['!', '&']);
    if word.parse::<std::net::Ipv6Addr>().is_ok() {
        return upto;
    }
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ':' | ',' if depth <= 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn members(
    inventory: &Inventory,
    name: &str,
    pattern: &str,
) -> Result<BTreeSet<usize>, ResolveError> {
    let bad = |reason: String| ResolveError::BadPattern { pattern: pattern.to_owned(), reason };
    if name.is_empty() {
        return Err(bad("a part of it is empty".to_owned()));
    }
    if let Some(regex) = name.strip_prefix('~') {
        let regex = Regex::new(&format!("^(?:{regex})")).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim();
            bad(reason.trim_start_matches("error: ").to_owned())
        })?;
        return Ok(matching(inventory, |name| regex.is_match(name)));
    }
    let (base, slice) = match subscript(name) {
        Some((base, slice)) => (base, Some(slice)),
        None => (name, None),
    };
    let hosts: BTreeSet<usize> = if base == "*" || base == ALL {
        (0..inventory.hosts().count()).collect()
    } else if base.contains(['*', '?', '[']) {
        let glob = glob::Pattern::new(base).map_err(|error| bad(error.msg.to_owned()))?;
        matching(inventory, |name| glob.matches(name))
    } else if let Some(group) = inventory.group(base) {
        group.hosts.iter().filter_map(|host| inventory.position(host)).collect()
    } else if let Some(at) = inventory.position(base) {
        [at].into()
    } else {
        return Err(unknown(inventory, base));
    };
    match slice {
        None => Ok(hosts),
        Some(slice) => cut(&hosts, slice).ok_or_else(|| {
            bad(format!("`[{slice}]` is neither an index nor a range such as `[0:2]`"))
        }),
    }
}

/// Splits `web[0:2]` into its name and its index or range.
fn subscript(name: &str) -> Option<(&str, &str)> {
    let (base, slice) = name.strip_suffix(']')?.rsplit_once('[')?;
    let numeric = slice.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '-'));
    (numeric && slice.chars().any(|c| c.is_ascii_digit() || c == ':')).then_some((base, slice))
}

/// An index, or a range that includes both ends; negative ones count from the end.
fn cut(hosts: &BTreeSet<usize>, slice: &str) -> Option<BTreeSet<usize>> {
    let hosts: Vec<usize> = hosts.iter().copied().collect();
    let count = i64::try_from(hosts.len()).ok()?;
    let index = |text: &str, default: i64| match text {
        "" => Some(default),
        _ => text.parse::<i64>().ok().map(|at| if at < 0 { at + count } else { at }),
    };
    let (first, last) = match slice.split_once(':') {
        Some((first, last)) => (index(first, 0)?, index(last, count - 1)?),
        None => {
            let only = index(slice, 0)?;
            (only, only)
        }
    };
    let inside = |at: i64| (first..=last).contains(&at);
    Some((0i64..).zip(hosts).filter(|(at, _)| inside(*at)).map(|(_, host)| host).collect())
}

/// Hosts whose name matches, and hosts of groups whose name matches.
fn matching(inventory: &Inventory, matches: impl Fn(&str) -> bool) -> BTreeSet<usize> {
    let hosts = inventory.hosts().enumerate().filter(|(_, (name, _))| matches(name));
    let hosts = hosts.map(|(at, _)| at);
    let groups = inventory.groups().filter(|(name, _)| matches(name));
    let members = groups.flat_map(|(_, group)| &group.hosts);
    hosts.chain(members.filter_map(|host| inventory.position(host))).collect()
}

fn unknown(inventory: &Inventory, name: &str) -> ResolveError {
    let groups = || inventory.groups().map(|(name, _)| &**name);
    let hosts = inventory.hosts().map(|(name, _)| &**name);
    let help = match nearest(name, groups().chain(hosts)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known groups: {}", groups().collect::<Vec<_>>().join(", ")),
    };
    ResolveError::UnknownHost { name: name.to_owned(), help }
}
