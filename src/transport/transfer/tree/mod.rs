//! Moving the files of a directory: what one side's directory contains becomes
//! what the other's contains, and what only the target has stays.
//!
//! Many files are moved at a time over one SFTP conversation, since each takes
//! several round trips, and are verified in batches by one shell. Each still goes
//! to a temporary name first and is renamed. Large ones are moved one by one, as
//! single files are.
//!
//! On both sides nothing is ever written through a symbolic link: not through one
//! that an earlier transfer has brought, and not through one that stands where the
//! source has a directory.

mod change;
mod compare;
mod download;
mod get;
mod listing;
mod local;
mod many;
mod owner;
mod put;
mod sums;
mod survey;
mod upload;

pub(super) use download::download;
pub(super) use owner::{Owner, attributes as owned_by, denied as owner_denied};
pub(super) use upload::upload;

use super::job::Job;
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::TransferSpec;
use crate::transport::FileCount;

/// From this size on, a file is moved as single files are: it can be resumed, and
/// is hashed while it is sent.
const LARGE: u64 = 8 * 1024 * 1024;
/// How many files of a tree may be open on the host. Servers allow a thousand or
/// so, and other transfers may be under way.
const MOST_OPEN: usize = 100;
/// The most entries that a tree may have. A server that invents more must not use
/// up this machine's memory.
const MOST_ENTRIES: usize = 1_000_000;
/// The longest path within a tree, in bytes; Linux takes no longer one.
const LONGEST_PATH: usize = 4096;
/// The most bytes that the paths of a tree may have together, for the same reason.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Something in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path below the tree's root, the names joined by `/`.
    pub(super) path: String,
    pub(super) kind: Kind,
}

/// What is transferred of a tree. Devices, pipes and sockets are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory { mode: u32 },
    File { size: u64, mode: u32 },
    Link { target: String },
}

/// All that is transferred, each directory before what it contains.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) entries: Vec<Entry>,
    /// The first path that was passed over, and how many were.
    special: Option<String>,
    passed_over: usize,
    /// How many bytes all paths have together.
    bytes: usize,
}

impl Tree {
    /// Adds an entry, as long as there are not too many.
    fn add(&mut self, path: String, kind: Kind) -> Result<(), Failure> {
        self.count_in(&path)?;
        self.entries.push(Entry { path, kind });
        Ok(())
    }

    /// Takes note of what is not transferred, at `path` on its side. It counts: a
    /// server may invent as much of it.
    fn pass_over(&mut self, path: String) -> Result<(), Failure> {
        self.count_in(&path)?;
        self.passed_over += 1;
        self.special.get_or_insert(path);
        Ok(())
    }

    fn count_in(&mut self, path: &str) -> Result<(), Failure> {
        if path.len() > LONGEST_PATH {
            let start: String = path.chars().take(60).collect();
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("the path `{start}…` has more than {LONGEST_PATH} bytes"),
            ));
        }
        self.bytes += path.len();
        if self.entries.len() + self.passed_over >= MOST_ENTRIES || self.bytes > MOST_BYTES {
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                format!(
                    "the tree has more than {MOST_ENTRIES} files, or their paths more than \
                     {MOST_BYTES} bytes"
                ),
            )
            .with_help("transfer its directories one by one, or an archive"));
        }
        Ok(())
    }

    /// The size of all files.
    fn size(&self) -> u64 {
        let size = |entry: &Entry| match entry.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        };
        self.entries.iter().map(size).fold(0, u64::saturating_add)
    }

    /// How many files and symbolic links there are.
    fn count(&self) -> u64 {
        let is_directory = |entry: &&Entry| matches!(entry.kind, Kind::Directory { .. });
        (self.entries.len() - self.entries.iter().filter(is_directory).count()) as u64
    }

    /// Says what was passed over.
    fn warn(&self, job: &mut Job<'_>) {
        let Some(first) = &self.special else { return };
        let more = match self.passed_over {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        job.warnings.push(format!(
            "`{first}`{more} was left out: only files, directories and symbolic links are transferred"
        ));
    }
}

/// The mode of a file that arrives.
fn file_mode(spec: &TransferSpec, source: u32) -> u32 {
    spec.mode.unwrap_or(source & 0o777)
}

/// The mode of a directory that is made: whoever may read it may also enter it.
fn directory_mode(spec: &TransferSpec, source: u32) -> u32 {
    match spec.mode {
        Some(mode) => (mode & 0o777) | (mode & 0o444) >> 2,
        None => source & 0o777,
    }
}

/// A directory's mode while it is being filled: its owner must be able to.
fn filling(mode: u32) -> u32 {
    mode | 0o700
}

/// `name` below the directory `path` of a tree, whose root is the empty path.
fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

/// How many directories are above an entry.
fn depth(path: &str) -> usize {
    path.bytes().filter(|&byte| byte == b'/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_over_counts_towards_the_bounds() {
        let mut tree = Tree::default();
        for number in 0..MOST_ENTRIES {
            let path = number.to_string();
            let added = match number % 2 {
                0 => tree.pass_over(path),
                _ => tree.add(path, Kind::Directory { mode: 0o755 }),
            };
            assert!(added.is_ok());
        }
        assert!(tree.pass_over("x".to_owned()).is_err());
        assert!(tree.add("x".to_owned(), Kind::Directory { mode: 0o755 }).is_err());

        let mut tree = Tree::default();
        assert!(tree.pass_over("x".repeat(LONGEST_PATH + 1)).is_err());
        let path = "x".repeat(LONGEST_PATH);
        let many = (0..MOST_BYTES).step_by(LONGEST_PATH);
        assert!(many.map(|_| tree.pass_over(path.clone())).all(|added| added.is_ok()));
        assert!(tree.pass_over(path).is_err());
    }
}
