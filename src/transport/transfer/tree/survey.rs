//! What the host has already where a tree will arrive.

use super::many::each;
use super::{Entry, Kind, LONGEST_PATH};
use crate::failure::{ErrorCode, Failure};
use crate::transport::transfer::job::Job;
use crate::transport::transfer::naming::{join, split, without_tilde};
use crate::transport::transfer::packet::{self, Attributes, Response};
use crate::transport::transfer::remote::make_directories;
use crate::transport::transfer::trouble::{Trouble, status};

/// The root of a tree on the host.
pub(super) struct Root {
    /// Absolute, and no `/` at its end.
    pub(super) path: String,
    /// Whether it was there.
    pub(super) existed: bool,
}

impl Root {
    /// Looks up the directory that the request's remote path names.
    pub(super) fn find(job: &mut Job<'_>) -> Result<Self, Failure> {
        let shown = job.spec.remote_path.as_str();
        let mut path = match shown.trim_end_matches('/') {
            "" => "/".to_owned(),
            "~" => ".".to_owned(),
            path => without_tilde(path).to_owned(),
        };
        if !path.starts_with('/') {
            let home = job.sftp.home(&mut job.wire);
            let home = home.map_err(|trouble| job.remote(trouble, "resolve", "."))?;
            path = join(&home, &path);
        }
        match job.sftp.stat(&mut job.wire, &path) {
            Ok(attributes) if attributes.is_directory() => Ok(Self { path, existed: true }),
            Ok(_) => Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("`{shown}` on the host is no directory"),
            )
            .with_help("name a directory, or leave `recursive` out")),
            Err(trouble) if trouble.is_missing() => Ok(Self { path, existed: false }),
            Err(trouble) => Err(job.remote(trouble, "look at", &path)),
        }
    }

    /// Makes it; the directories above only where the request says so.
    pub(super) fn make(&self, job: &mut Job<'_>, mode: u32) -> Result<(), Failure> {
        let above = split(&self.path).map_or("/", |(above, _)| above);
        if job.spec.create_dirs {
            make_directories(job, above)?;
        }
        match job.sftp.mkdir(&mut job.wire, &self.path, mode) {
            Ok(()) => Ok(()),
            Err(trouble) if trouble.is_missing() => Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("the directory `{above}` does not exist on the host"),
            )
            .with_help("set `create_dirs: true` to create it")),
            Err(trouble) => Err(job.remote(trouble, "create the directory", &self.path)),
        }
    }

    /// The path of an entry.
    pub(super) fn of(&self, entry: &Entry) -> String {
        join(&self.path, &entry.path)
    }
}

/// What stands in the place of each entry, be it a symbolic link.
pub(super) fn look(
    job: &mut Job<'_>,
    root: &Root,
    entries: &[Entry],
) -> Result<Vec<Option<Attributes>>, Failure> {
    let mut found = vec![None; entries.len()];
    if !root.existed {
        return Ok(found);
    }
    each(
        job,
        entries.iter().enumerate(),
        |sftp, (_, entry)| sftp.queue_at(packet::LSTAT, &root.of(entry)),
        |job, (index, entry), response| {
            found[index] = match response {
                Response::Attributes(attributes) => Some(attributes),
                // What is below something that is no directory is missing, too:
                // version 3 has no code of its own for that.
                Response::Status { code: status::NO_SUCH_FILE | status::FAILURE, .. } => None,
                Response::Status { code, message } => {
                    let trouble = Trouble::Status { code, message };
                    return Err(job.remote(trouble, "look at", &root.of(entry)));
                }
                _ => return Err(job.interrupted(misplaced())),
            };
            Ok(())
        },
    )?;
    for (entry, there) in entries.iter().zip(&found) {
        let Some(there) = there else { continue };
        let is_directory = matches!(entry.kind, Kind::Directory { .. });
        if is_directory != there.is_directory() {
            let path = root.of(entry);
            let wanted = if is_directory { "directory" } else { "file" };
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("what `{path}` is on the host is in the way of a {wanted} of that name"),
            )
            .with_help("remove it there, or upload to another directory"));
        }
    }
    Ok(found)
}

/// Where the symbolic links among `paths` lead to; `None` where that cannot be read.
pub(super) fn links(job: &mut Job<'_>, paths: &[String]) -> Result<Vec<Option<String>>, Failure> {
    let mut found = vec![None; paths.len()];
    each(
        job,
        paths.iter().enumerate(),
        |sftp, (_, path)| sftp.queue_at(packet::READLINK, path),
        |_, (index, _), response| {
            if let Response::Names(names) = response {
                let target =
                    names.into_iter().next().and_then(|(name, _)| String::from_utf8(name).ok());
                found[index] = target.filter(|target| {
                    (1..=LONGEST_PATH).contains(&target.len()) && !target.contains('\0')
                });
            }
            Ok(())
        },
    )?;
    Ok(found)
}

pub(super) fn misplaced() -> Trouble {
    Trouble::Protocol("an answer of it does not fit the request".to_owned())
}
