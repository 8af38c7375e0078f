//! This machine's side of a download: the target and the temporary file beside it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::job::Job;
use crate::failure::{ErrorCode, Failure};
use crate::local_file::refuse_special;

/// The mode of a temporary file: nobody else may read what is not yet in place.
const STAGING_MODE: u32 = 0o600;

/// What the request's local path means.
pub(super) struct LocalFile {
    /// With symbolic links followed at its end.
    pub(super) path: PathBuf,
    metadata: Option<Metadata>,
}

impl LocalFile {
    /// Looks up the target, and makes its directory where the request says so.
    pub(super) fn find(job: &Job<'_>) -> Result<Self, Failure> {
        // A rename onto a symbolic link would replace the link.
        let path =
            fs::canonicalize(&job.spec.local_path).unwrap_or_else(|_| job.spec.local_path.clone());
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => {
                refuse_special(&metadata).map_err(|error| {
                    job.local(&error, "write", &path)
                        .with_help("name the file, as in `local_path: backup/app.conf`")
                })?;
                Some(metadata)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(job.local(&error, "look at", &path)),
        };
        if path.file_name().is_none() || job.spec.local_path_shown.ends_with('/') {
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("`{}` is a directory", job.spec.local_path_shown),
            )
            .with_help("name the file, as in `local_path: backup/app.conf`"));
        }
        let file = Self { path, metadata };
        let directory = file.directory();
        if !directory.is_dir() {
            if !job.spec.create_dirs {
                return Err(Failure::new(
                    ErrorCode::TransferFailed,
                    format!(
                        "the directory `{}` does not exist on this machine",
                        directory.display()
                    ),
                )
                .with_help("set `create_dirs: true` to create it"));
            }
            fs::create_dir_all(directory)
                .map_err(|error| job.local(&error, "create the directory", directory))?;
        }
        Ok(file)
    }

    /// The file at `path` in a tree, where no symbolic link is followed: what stands
    /// there instead is replaced.
    pub(super) fn within_tree(path: PathBuf) -> Self {
        let metadata = fs::symlink_metadata(&path).ok().filter(Metadata::is_file);
        Self { path, metadata }
    }

    pub(super) fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Its size, if it exists.
    pub(super) fn size(&self) -> Option<u64> {
        self.metadata.as_ref().map(Metadata::len)
    }

    /// Its permission bits, if it exists.
    pub(super) fn mode(&self) -> Option<u32> {
        self.metadata.as_ref().map(|metadata| metadata.permissions().mode() & 0o7777)
    }

    /// Its owner, if it exists.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        self.metadata.as_ref().map(|metadata| (metadata.uid(), metadata.gid()))
    }
}

/// A temporary file on this machine.
pub(super) struct LocalStaging {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl LocalStaging {
    /// Opens a temporary file that must not exist; `None` when it does, or when
    /// another process took it the moment it appeared.
    pub(super) fn create(path: PathBuf) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(STAGING_MODE).open(&path) {
            Ok(file) => Ok(lock(&file).then_some(Self { path, file })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What an earlier attempt has left, with its size: a regular file of our own
    /// that no symbolic link leads to, and that no attempt is writing to.
    pub(super) fn left_behind(path: &Path) -> Option<(File, u64)> {
        let no_links = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(no_links.bits().cast_signed());
        let file = options.open(path).ok()?;
        let is_idle = lock(&file);
        let metadata = file.metadata().ok()?;
        let ours = metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw();
        // The attempt that wrote to it may have put it into place meanwhile.
        let there = fs::symlink_metadata(path).ok()?;
        let stays = (there.dev(), there.ino()) == (metadata.dev(), metadata.ino());
        (ours && is_idle && stays).then_some((file, metadata.len()))
    }

    /// Goes on with what [`LocalStaging::left_behind`] found.
    pub(super) fn reopened(path: PathBuf, file: File) -> Self {
        Self { path, file }
    }

    /// A temporary file that begins with the first `count` bytes of `source`.
    pub(super) fn copied(path: PathBuf, source: &mut File, count: u64) -> io::Result<Option<Self>> {
        let Some(mut staging) = Self::create(path)? else { return Ok(None) };
        if io::copy(&mut source.take(count), &mut staging.file)? == count {
            return Ok(Some(staging));
        }
        fs::remove_file(&staging.path).map(|()| None)
    }

    /// Cuts off what lies behind `length`, and goes on there.
    pub(super) fn continue_at(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length)).map(drop)
    }
}

/// Keeps other attempts off the file for as long as it is open; `false` when one of
/// them does so already. Where the file system knows no locks there is nothing to keep.
fn lock(file: &File) -> bool {
    !matches!(flock(file, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK))
}
