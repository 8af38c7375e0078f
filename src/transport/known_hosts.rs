//! known_hosts files: who is known by which key, and remembering newcomers.
//!
//! The files are parsed once per run and shared by all connections. What to do
//! about an answer is not decided here.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Cancel;
use crate::local_file;

mod files;
mod index;
mod lock;
mod pattern;

pub(super) use files::KnownHostsFiles;
use index::Index;
pub(super) use index::{Place, key_type, name_of};
use lock::FileLock;

/// The known_hosts files of a run.
pub(super) struct KnownHosts {
    user: Vec<PathBuf>,
    system: Vec<PathBuf>,
    state: OnceLock<RwLock<State>>,
    lock: FileLock,
    /// Whether it was told that newcomers cannot be saved.
    complained: AtomicBool,
}

/// What the files say about a host and the key that it presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is a known key of this host.
    Known,
    /// Nothing is known about this host.
    Unknown,
    /// Other keys of this host are known, and this is not one of them.
    Changed {
        /// Where a known one stands, of the same type if there is one.
        place: Place,
        /// That key, in SSH's wire format.
        known: Vec<u8>,
    },
    /// The key is marked as revoked for this host.
    Revoked(Place),
}

struct State {
    index: Index,
    /// How far the file that newcomers are appended to has been read.
    read: Option<ReadSoFar>,
}

#[derive(Clone, Copy)]
struct ReadSoFar {
    device: u64,
    inode: u64,
    bytes: u64,
    lines: usize,
    ends_in_newline: bool,
}

impl KnownHosts {
    /// The user's files, of which the first takes newcomers, and the system's.
    pub(super) fn new(user: Vec<PathBuf>, system: Vec<PathBuf>) -> Self {
        Self {
            user,
            system,
            state: OnceLock::new(),
            lock: FileLock::default(),
            complained: AtomicBool::new(false),
        }
    }

    /// What is known about `host` at `port`, which presents `key`.
    pub(super) fn look_up(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        self.state().index.look_up(host, port, key)
    }

    /// The types of the keys that are known for `host` at `port`.
    pub(super) fn key_types(&self, host: &str, port: u16) -> Vec<String> {
        self.state().index.key_types(host, port)
    }

    /// Whether this is the first time that a newcomer cannot be saved: what keeps one
    /// from being saved keeps all.
    pub(super) fn is_first_complaint(&self) -> bool {
        !self.complained.swap(true, Ordering::Relaxed)
    }

    /// The file that takes newcomers.
    pub(super) fn file(&self) -> &Path {
        self.user.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// Appends the key of an unknown host, unless another connection or process
    /// was faster; the verdict is what the file says in the end.
    ///
    /// The lock on the file is waited for as [`FileLock::take`] says; meanwhile
    /// others look up what they like.
    ///
    /// # Errors
    /// When the file cannot be locked, read or written.
    pub(super) fn remember(
        &self,
        host: &str,
        port: u16,
        key: &[u8],
        deadline: Instant,
        cancel: &Cancel,
    ) -> io::Result<Verdict> {
        let name = name_of(host, port);
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '*' | '?' | '!' | '|');
        if host.is_empty() || !name.chars().all(plain) || name.starts_with(['#', '@']) {
            return Err(io::Error::other("the host name does not fit into the file"));
        }
        let mut file = open_for_append(self.file())?;
        let _turn = self.lock.take(&file, deadline, cancel)?;
        let mut state = self.parsed().write().unwrap_or_else(PoisonError::into_inner);
        self.catch_up(&mut state, &mut file)?;
        let verdict = state.index.look_up(host, port, key);
        if verdict != Verdict::Unknown {
            return Ok(verdict);
        }
        let key_type = key_type(key).ok_or_else(|| io::Error::other("no key type"))?;
        let mut line = format!("{name} {key_type} {}\n", STANDARD.encode(key));
        if state.read.is_some_and(|read| read.bytes > 0 && !read.ends_in_newline) {
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes())?;
        self.catch_up(&mut state, &mut file)?;
        Ok(Verdict::Known)
        // Closing the file gives the lock back.
    }

    /// Reads what was appended to the file since it was last read, or everything
    /// anew where it is another file or has shrunk.
    fn catch_up(&self, state: &mut State, file: &mut File) -> io::Result<()> {
        let metadata = file.metadata()?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        let known = state.read.filter(|read| {
            (read.device, read.inode) == (device, inode) && read.bytes <= metadata.len()
        });
        let mut read = match known {
            Some(read) => read,
            None => {
                state.index = Index::default();
                for path in self.user.iter().skip(1).chain(&self.system) {
                    read_whole(&mut state.index, path);
                }
                ReadSoFar { device, inode, bytes: 0, lines: 0, ends_in_newline: true }
            }
        };
        if metadata.len() > read.bytes {
            let mut appended = Vec::new();
            file.seek(SeekFrom::Start(read.bytes))?;
            file.read_to_end(&mut appended)?;
            // After a last line without a newline, the first break only ends it.
            let text = String::from_utf8_lossy(&appended);
            let first = if read.ends_in_newline { read.lines + 1 } else { read.lines };
            read.lines = state.index.read(&text, self.file(), first);
            read.bytes += appended.len() as u64;
            read.ends_in_newline = appended.ends_with(b"\n");
        }
        state.read = Some(read);
        Ok(())
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.parsed().read().unwrap_or_else(PoisonError::into_inner)
    }

    fn parsed(&self) -> &RwLock<State> {
        self.state.get_or_init(|| {
            let mut state = State { index: Index::default(), read: None };
            let caught_up = local_file::open(self.file())
                .and_then(|mut file| self.catch_up(&mut state, &mut file))
                .is_ok();
            if !caught_up {
                for path in self.user.iter().skip(1).chain(&self.system) {
                    read_whole(&mut state.index, path);
                }
            }
            RwLock::new(state)
        })
    }
}

/// A file that is missing or unreadable knows nobody, as with OpenSSH.
fn read_whole(index: &mut Index, path: &Path) {
    if let Ok(bytes) = local_file::read(path) {
        index.read(&String::from_utf8_lossy(&bytes), path, 1);
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(dir) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            open()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
