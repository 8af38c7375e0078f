//! The host's side of a transfer: the file that a remote path means, and the
//! temporary file beside it.

use super::job::Job;
use super::naming::{join, split, without_tilde};
use super::packet::Attributes;
use super::requests::{Handle, OpenAs};
use super::trouble::{Trouble, status};
use crate::failure::{ErrorCode, Failure};

/// The mode of directories that `create_dirs` makes, before the host's umask.
const DIRECTORY_MODE: u32 = 0o755;
/// The mode of a temporary file: nobody else may read what is not yet in place.
const STAGING_MODE: u32 = 0o600;

/// What a remote path means on this host.
pub(super) struct RemoteFile {
    /// Absolute, with symbolic links followed at its end.
    pub(super) path: String,
    /// What is known about it; `None` when it does not exist.
    pub(super) attributes: Option<Attributes>,
}

impl RemoteFile {
    /// Looks up what the request's remote path means.
    pub(super) fn find(job: &mut Job<'_>) -> Result<Self, Failure> {
        let shown = job.spec.remote_path.as_str();
        if shown.contains('\0') {
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("the remote path {shown:?} contains a NUL character"),
            ));
        }
        let mut path = without_tilde(shown).to_owned();
        if !path.starts_with('/') {
            let home = job.sftp.realpath(&mut job.wire, ".");
            let home = home.map_err(|trouble| job.remote(trouble, "resolve", "."))?;
            path = join(&home, &path);
        }
        if split(&path).is_none() {
            return Err(is_directory(shown));
        }
        let mut attributes = Self::look(job, &path)?;
        if attributes.is_some_and(|attributes| attributes.is_symlink())
            && let Ok(end) = job.sftp.realpath(&mut job.wire, &path)
            && split(&end).is_some()
        {
            // Writing goes to the file that the link names, as `scp` and `cp` do;
            // a rename onto the link itself would replace it.
            attributes = Self::look(job, &end)?;
            path = end;
        }
        match attributes {
            Some(attributes) if attributes.is_directory() => Err(is_directory(shown)),
            Some(attributes) if !attributes.is_plain() => Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("`{shown}` on the host is no regular file"),
            )),
            _ => Ok(Self { path, attributes }),
        }
    }

    fn look(job: &mut Job<'_>, path: &str) -> Result<Option<Attributes>, Failure> {
        match job.sftp.lstat(&mut job.wire, path) {
            Ok(attributes) => Ok(Some(attributes)),
            Err(trouble) if trouble.is_missing() => Ok(None),
            Err(trouble) => Err(job.remote(trouble, "look at", path)),
        }
    }

    /// Its directory and its name.
    pub(super) fn parts(&self) -> (&str, &str) {
        split(&self.path).expect("checked when it was looked up")
    }

    /// Its size, if it exists and the server tells.
    pub(super) fn size(&self) -> Option<u64> {
        self.attributes?.size
    }
}

/// Makes `directory` and the missing ones above it.
pub(super) fn make_directories(job: &mut Job<'_>, directory: &str) -> Result<(), Failure> {
    let mut missing = Vec::new();
    let mut above = Some(directory);
    while let Some(path) = above {
        match job.sftp.stat(&mut job.wire, path) {
            Ok(_) => break,
            Err(trouble) if trouble.is_missing() => missing.push(path),
            Err(trouble) => return Err(job.remote(trouble, "look at", path)),
        }
        above = split(path).map(|(above, _)| above).filter(|above| *above != path);
    }
    for path in missing.into_iter().rev() {
        if let Err(trouble) = job.sftp.mkdir(&mut job.wire, path, DIRECTORY_MODE) {
            // Another transfer may have made it in the meantime.
            match job.sftp.stat(&mut job.wire, path) {
                Ok(there) if there.is_directory() => {}
                _ => return Err(job.remote(trouble, "create the directory", path)),
            }
        }
    }
    Ok(())
}

/// A temporary file on the host.
pub(super) struct RemoteStaging {
    pub(super) path: String,
    handle: Option<Handle>,
}

impl RemoteStaging {
    /// Opens a temporary file that must not exist; `None` when it does.
    pub(super) fn create(job: &mut Job<'_>, path: String) -> Result<Option<Self>, Failure> {
        match job.sftp.open_file(&mut job.wire, &path, OpenAs::New, STAGING_MODE) {
            Ok(handle) => Ok(Some(Self { path, handle: Some(handle) })),
            Err(Trouble::Status { code: status::FAILURE, message }) => {
                // Version 3 has no code for a file that exists.
                match job.sftp.lstat(&mut job.wire, &path) {
                    Ok(_) => Ok(None),
                    Err(_) => Err(Self::refused(
                        job,
                        Trouble::Status { code: status::FAILURE, message },
                        &path,
                    )),
                }
            }
            Err(trouble) => Err(Self::refused(job, trouble, &path)),
        }
    }

    /// Opens a temporary file that an earlier attempt has left.
    pub(super) fn reopen(job: &mut Job<'_>, path: String) -> Result<Self, Failure> {
        match job.sftp.open_file(&mut job.wire, &path, OpenAs::Existing, STAGING_MODE) {
            Ok(handle) => Ok(Self { path, handle: Some(handle) }),
            Err(trouble) => Err(Self::refused(job, trouble, &path)),
        }
    }

    fn refused(job: &mut Job<'_>, trouble: Trouble, path: &str) -> Failure {
        let directory = split(path).map_or(path, |(directory, _)| directory);
        if trouble.is_missing() {
            return Failure::new(
                ErrorCode::TransferFailed,
                format!("the directory `{directory}` does not exist on the host"),
            )
            .with_help("set `create_dirs: true` to create it");
        }
        if let Some(full) = job.full_file_system(&trouble, directory) {
            return full;
        }
        job.remote(trouble, "create a file in", directory)
    }

    /// The open file.
    pub(super) fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("it is open until it is closed")
    }

    /// Closes it, so that all of it is on its way to the disk.
    pub(super) fn close(&mut self, job: &mut Job<'_>) -> Result<(), Trouble> {
        match self.handle.take() {
            Some(handle) => job.sftp.close(&mut job.wire, &handle),
            None => Ok(()),
        }
    }

    /// Removes it as far as the link still allows, after a failure.
    pub(super) fn discard(mut self, job: &mut Job<'_>) {
        self.let_go(job, true);
    }

    /// Closes it after a failure and leaves it for a later attempt.
    pub(super) fn keep(mut self, job: &mut Job<'_>) {
        self.let_go(job, false);
    }

    fn let_go(&mut self, job: &mut Job<'_>, remove: bool) {
        job.sftp.abort();
        let mut wire = job.wire.grace();
        if let Some(handle) = self.handle.take()
            && job.sftp.close(&mut wire, &handle).is_err_and(|trouble| !trouble.leaves_a_link())
        {
            return;
        }
        if remove {
            // There is nobody to tell but a user who already reads of a failure.
            let _ = job.sftp.remove(&mut wire, &self.path);
        }
    }
}

impl Job<'_> {
    /// The failure to report when a write failed because the file system at `path`
    /// is full. SFTP has no status for that, so the free space is looked at, unless
    /// the server's words tell.
    pub(super) fn full_file_system(&mut self, trouble: &Trouble, path: &str) -> Option<Failure> {
        /// Less than this is as good as nothing.
        const NOTHING: u64 = 256 * 1024;
        let Trouble::Status { code: status::FAILURE, message } = trouble else { return None };
        let said = message.to_lowercase();
        if ["no space left", "disk quota exceeded"].iter().any(|words| said.contains(words)) {
            let path = &self.spec.remote_path;
            return Some(super::job::no_space(format!(
                "no space is left on the host for `{path}`: {message}"
            )));
        }
        let free = self.sftp.free_space(&mut self.wire, path).ok()??;
        (free < NOTHING).then(|| {
            super::job::no_space(format!(
                "no space is left on the host for `{}` ({free} bytes are free)",
                self.spec.remote_path
            ))
        })
    }
}

fn is_directory(path: &str) -> Failure {
    Failure::new(ErrorCode::TransferFailed, format!("`{path}` on the host is a directory"))
        .with_help("name the file, as in `remote_path: /srv/app/app.conf`")
}
