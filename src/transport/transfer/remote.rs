//! The host's side of a transfer: the file that a remote path means.

use super::job::Job;
use super::naming::{join, split, without_tilde};
use super::packet::Attributes;
use crate::failure::{ErrorCode, Failure};

/// The mode of directories that `create_dirs` makes, before the host's umask.
const DIRECTORY_MODE: u32 = 0o755;

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
            let home = job.sftp.home(&mut job.wire);
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

    /// The same file as it is by now.
    pub(super) fn looked_up_again(&self, job: &mut Job<'_>) -> Result<Self, Failure> {
        Ok(Self { path: self.path.clone(), attributes: Self::look(job, &self.path)? })
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

fn is_directory(path: &str) -> Failure {
    Failure::new(ErrorCode::TransferFailed, format!("`{path}` on the host is a directory"))
        .with_help("name the file, as in `remote_path: /srv/app/app.conf`")
}
