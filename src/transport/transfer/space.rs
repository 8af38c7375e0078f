//! Whether there is room for what is to come, asked before anything is moved, and
//! after a write failed.

use std::path::Path;

use super::job::Job;
use super::trouble::{Trouble, status};
use super::words::no_space;
use crate::failure::Failure;

/// From this size on, the free space is asked for before anything is sent: below it
/// the question costs more than the attempt.
const WORTH_ASKING: u64 = 8 * 1024 * 1024;

impl Job<'_> {
    /// Fails when the host's file system at `directory` has no room for `needed`
    /// bytes more, as far as it tells.
    pub(super) fn check_remote_space(
        &mut self,
        directory: &str,
        needed: u64,
    ) -> Result<(), Failure> {
        if needed < WORTH_ASKING {
            return Ok(());
        }
        match self.sftp.free_space(&mut self.wire, directory) {
            Ok(Some(free)) if free < needed => Err(no_space(format!(
                "the host has {free} bytes free for `{}`, and {needed} are to be sent",
                self.spec.remote_path
            ))),
            Ok(_) | Err(Trouble::Status { .. }) => Ok(()),
            Err(trouble) => Err(self.interrupted(trouble)),
        }
    }

    /// Fails when this machine's file system at `directory` has no room for `needed`
    /// bytes more.
    pub(super) fn check_local_space(&self, directory: &Path, needed: u64) -> Result<(), Failure> {
        let Ok(system) = rustix::fs::statvfs(directory) else { return Ok(()) };
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        // A file system without blocks, such as sysfs, tells nothing by having none free.
        match system.f_blocks > 0 && free < needed {
            true => Err(no_space(format!(
                "this machine has {free} bytes free for `{}`, and {needed} are to be received",
                self.spec.local_path_shown
            ))),
            false => Ok(()),
        }
    }

    /// The failure to report when a write failed because the file system at `path`
    /// is full. SFTP has no status for that, so the free space is looked at, unless
    /// the server's words tell.
    pub(super) fn full_file_system(&mut self, trouble: &Trouble, path: &str) -> Option<Failure> {
        /// Less than this is as good as nothing.
        const NOTHING: u64 = 256 * 1024;
        let Trouble::Status { code: status::FAILURE, message } = trouble else { return None };
        let said = message.to_lowercase();
        if ["no space left", "disk quota exceeded"].iter().any(|words| said.contains(words)) {
            return Some(no_space(format!(
                "no space is left on the host for `{}`, of which {} bytes are to be sent: {message}",
                self.spec.remote_path, self.total
            )));
        }
        let free = self.sftp.free_space(&mut self.wire, path).ok()??;
        (free < NOTHING).then(|| {
            no_space(format!(
                "no space is left on the host for `{}`: {free} bytes are free, and {} are to be sent",
                self.spec.remote_path, self.total
            ))
        })
    }
}
