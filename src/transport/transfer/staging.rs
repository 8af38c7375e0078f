//! The temporary file of an upload, beside its target on the host.

use super::job::Job;
use super::naming::split;
use super::requests::{Handle, OpenAs};
use super::trouble::{Trouble, status};
use crate::failure::{ErrorCode, Failure};

/// The mode of a temporary file: nobody else may read what is not yet in place.
const STAGING_MODE: u32 = 0o600;

/// A temporary file on the host.
pub(super) struct RemoteStaging {
    pub(super) path: String,
    handle: Option<Handle>,
    /// The names that it has for this transfer alone and for every attempt, where it
    /// is shared with other attempts.
    names: Option<Names>,
}

/// The names of a shared temporary file.
struct Names {
    own: String,
    shared: String,
}

impl RemoteStaging {
    /// Opens a temporary file that must not exist; `None` when it does.
    pub(super) fn create(job: &mut Job<'_>, path: String) -> Result<Option<Self>, Failure> {
        let mut opened = job.sftp.open_file(&mut job.wire, &path, OpenAs::New, STAGING_MODE);
        if matches!(opened, Err(Trouble::Status { code: status::FAILURE, .. })) {
            // Version 3 has no code for a file that exists.
            if job.sftp.lstat(&mut job.wire, &path).is_ok() {
                return Ok(None);
            }
            // It may have gone in the meantime.
            opened = job.sftp.open_file(&mut job.wire, &path, OpenAs::New, STAGING_MODE);
        }
        match opened {
            Ok(handle) => Ok(Some(Self { path, handle: Some(handle), names: None })),
            Err(trouble) => Err(Self::refused(job, trouble, &path)),
        }
    }

    /// Opens a temporary file that an earlier attempt has left; `None` when it has
    /// gone: that attempt may still be under way, and finish.
    pub(super) fn reopen(job: &mut Job<'_>, path: String) -> Result<Option<Self>, Failure> {
        match job.sftp.open_file(&mut job.wire, &path, OpenAs::Existing, STAGING_MODE) {
            Ok(handle) => Ok(Some(Self { path, handle: Some(handle), names: None })),
            Err(trouble) if trouble.is_missing() => Ok(None),
            Err(trouble) => Err(Self::refused(job, trouble, &path)),
        }
    }

    /// Says that other attempts find it, until it gets the name `own`.
    pub(super) fn shared_until(mut self, own: String) -> Self {
        self.names = Some(Names { own, shared: self.path.clone() });
        self
    }

    /// Whether other attempts may find it.
    pub(super) fn is_shared(&self) -> bool {
        self.names.as_ref().is_some_and(|names| self.path == names.shared)
    }

    /// The name from which it will be moved into place.
    pub(super) fn last_path(&self) -> &str {
        self.names.as_ref().map_or(&self.path, |names| &names.own)
    }

    /// Takes what has the shared name for this transfer alone; tells whether there
    /// still was something.
    pub(super) fn claim(&mut self, job: &mut Job<'_>) -> Result<bool, Trouble> {
        if !self.is_shared() {
            return Ok(true);
        }
        let own = self.last_path().to_owned();
        match job.sftp.rename(&mut job.wire, &self.path, &own) {
            Ok(()) => {
                self.path = own;
                Ok(true)
            }
            Err(trouble) if trouble.is_missing() => Ok(false),
            Err(trouble) => Err(trouble),
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
        // There is nobody to tell but a user who already reads of a failure.
        if remove {
            let _ = job.sftp.remove(&mut wire, &self.path);
        } else if let Some(names) = &self.names
            && self.path != names.shared
        {
            let _ = job.sftp.rename(&mut wire, &self.path, &names.shared);
        }
    }
}
