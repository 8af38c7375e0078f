//! What a part of a pattern names.

use std::collections::HashSet;

use regex::Regex;

use super::{group, unknown, unmatched};
use crate::resolve::error::ResolveError;
use crate::resolve::inventory::{ALL, Inventory};

/// The hosts that a part without its sign names.
pub(super) fn members(
    inventory: &Inventory,
    name: &str,
    pattern: &str,
) -> Result<Vec<usize>, ResolveError> {
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
        return matching(inventory, |name| regex.is_match(name))
            .ok_or_else(|| unmatched(inventory, name));
    }
    let is_name =
        |name: &str| inventory.group(name).is_some() || inventory.position(name).is_some();
    let (base, slice) = match subscript(name) {
        // `web-0[1-2]` is a class of characters where there is no `web-0`.
        Some((base, slice))
            if slice.contains(':') || slice.parse::<i64>().is_ok() || is_name(base) =>
        {
            (base, Some(slice))
        }
        _ => (name, None),
    };
    let hosts: Vec<usize> = if base == "*" {
        group(inventory, ALL)
    } else if base.contains(['*', '?', '[']) {
        let glob = glob(base).map_err(|error| bad(error.msg.to_owned()))?;
        matching(inventory, |name| glob.matches(name)).ok_or_else(|| unmatched(inventory, base))?
    } else if inventory.group(base).is_some() {
        group(inventory, base)
    } else if let Some(at) = inventory.position(base) {
        vec![at]
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
fn cut(hosts: &[usize], slice: &str) -> Option<Vec<usize>> {
    let count = i64::try_from(hosts.len()).ok()?;
    let index = |text: &str, default: i64| match text {
        "" => Some(default),
        _ => text.parse::<i64>().ok().map(|at| if at < 0 { at + count } else { at }),
    };
    // `[0-2]` is an old way to write `[0:2]`.
    let old = slice.split_once('-').filter(|(first, _)| !first.is_empty());
    let (first, last) = match slice.split_once(':').or(old) {
        Some((first, last)) => (index(first, 0)?, index(last, count - 1)?),
        None => {
            let only = index(slice, 0)?;
            (only, only)
        }
    };
    let inside = |at: i64| (first..=last).contains(&at);
    Some((0i64..).zip(hosts).filter(|(at, _)| inside(*at)).map(|(_, host)| *host).collect())
}

/// A glob as Ansible reads it: several stars in a row are one.
fn glob(pattern: &str) -> Result<glob::Pattern, glob::PatternError> {
    let mut single = pattern.to_owned();
    while single.contains("**") {
        single = single.replace("**", "*");
    }
    glob::Pattern::new(&single)
}

/// Hosts of groups whose name matches, and hosts whose name matches; `None` where no
/// name does.
fn matching(inventory: &Inventory, matches: impl Fn(&str) -> bool) -> Option<Vec<usize>> {
    let groups: Vec<&str> =
        inventory.groups().map(|(name, _)| &**name).filter(|name| matches(name)).collect();
    let has_group = !groups.is_empty();
    let groups = groups.into_iter();
    let mut found: Vec<usize> = groups.flat_map(|name| group(inventory, name)).collect();
    let hosts = inventory.hosts().enumerate().filter(|(_, (name, _))| matches(name));
    found.extend(hosts.map(|(at, _)| at));
    let mut seen = HashSet::new();
    found.retain(|host| seen.insert(*host));
    (has_group || !found.is_empty()).then_some(found)
}
