//! Directories of inventory sources.

use std::path::{Path, PathBuf};

use super::{Known, RawInventory, source_at};
use crate::diagnostic::Problem;
use crate::load::file::unreadable;
use crate::load::source::Sources;

/// What lies beside the sources and is none.
const NO_SOURCES: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
/// Files of these endings are none either: Ansible's list.
const IGNORED_ENDINGS: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// Reads the sources in a directory, by name, and in the directories in it.
pub(super) fn read(
    sources: &Sources,
    path: &Path,
    known: &mut Known,
) -> Result<Vec<RawInventory>, Vec<Problem>> {
    let mut inventories = Vec::new();
    let mut problems = Vec::new();
    let paths =
        entries(path).map_err(|error| vec![Problem::new(unreadable(path, &error), None)])?;
    for path in paths {
        match source_at(sources, &path, known) {
            Ok(loaded) => inventories.extend(loaded),
            Err(errors) => problems.extend(errors),
        }
    }
    if problems.is_empty() { Ok(inventories) } else { Err(problems) }
}

fn entries(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if is_source(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
    }
    paths.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(paths)
}

fn is_source(name: &str) -> bool {
    !name.starts_with('.')
        && !NO_SOURCES.contains(&name)
        && !IGNORED_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_sources_is_left_out() {
        for name in ["hosts", "10-web.yml", "a.ini", "b.json", "hosts.example", "x.group_vars"] {
            assert!(is_source(name), "{name}");
        }
        for name in
            [".git", "group_vars", "host_vars", "README.md", "hosts~", "a.bak", "ansible.cfg"]
        {
            assert!(!is_source(name), "{name}");
        }
    }
}
