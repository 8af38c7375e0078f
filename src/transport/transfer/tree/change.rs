//! Small changes on the host: modes, owners and symbolic links.

use super::many::each;
use super::owner::{self, Owner};
use super::survey::misplaced;
use crate::failure::Failure;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::naming::{join, spare_name, split};
use crate::transport::transfer::packet::{self, Attributes, Response};
use crate::transport::transfer::trouble::{Trouble, status};

/// Fails unless the host did `what` with `path`.
pub(super) fn expect_ok(
    job: &Job<'_>,
    response: Response,
    what: &str,
    path: &str,
) -> Result<(), Failure> {
    match response {
        Response::Status { code: status::OK, .. } => Ok(()),
        Response::Status { code, message } => {
            Err(job.remote(Trouble::Status { code, message }, what, path))
        }
        _ => Err(job.interrupted(misplaced())),
    }
}

/// Sets the attributes of files and directories, in that order.
pub(super) fn set(job: &mut Job<'_>, wanted: Vec<(String, Attributes)>) -> Result<(), Failure> {
    each(
        job,
        wanted,
        |sftp, (path, attributes)| sftp.queue_set(packet::SETSTAT, path, *attributes),
        |job, (path, attributes), response| match response {
            Response::Status { code, .. } if code != status::OK && attributes.owner.is_some() => {
                Err(owner::denied(&path))
            }
            response => expect_ok(job, response, "change the mode of", &path),
        },
    )
}

/// Puts a symbolic link to `target` in the place of what is at `path`, in one step.
pub(super) fn replace_link(job: &mut Job<'_>, path: &str, target: &str) -> Result<(), Failure> {
    let (directory, name) = split(path).expect("an entry has a name");
    let staged = join(directory, &spare_name(name, target));
    each(
        job,
        [()],
        |sftp, ()| sftp.queue_symlink(target, &staged),
        |job, (), response| expect_ok(job, response, "create the symbolic link", path),
    )?;
    let mut renamed = job.sftp.rename(&mut job.wire, &staged, path);
    if matches!(renamed, Err(Trouble::Status { .. })) && !job.sftp.renames_over() {
        renamed = job
            .sftp
            .remove(&mut job.wire, path)
            .and_then(|()| job.sftp.rename(&mut job.wire, &staged, path));
    }
    renamed.map_err(|trouble| {
        let failure = job.remote(trouble, "replace", path);
        // There is nobody to tell but a user who already reads of a failure.
        let _ = job.sftp.remove(&mut job.wire.grace(), &staged);
        failure
    })
}

/// Gives symbolic links to `owner`, where they are not its own.
pub(super) fn give_links(job: &mut Job<'_>, paths: &[String], owner: Owner) -> Result<(), Failure> {
    let mut foreign = Vec::new();
    each(
        job,
        paths,
        |sftp, path| sftp.queue_at(packet::LSTAT, path),
        |job, path, response| match response {
            Response::Attributes(now) => {
                let missing = now.owner.and_then(|now| owner.missing_from(now));
                foreign.extend(missing.map(|owner| (path, owner)));
                Ok(())
            }
            response => expect_ok(job, response, "look at", path),
        },
    )?;
    each(
        job,
        foreign,
        |sftp, (path, owner)| sftp.queue_lsetstat(path, owner::attributes(*owner)),
        |_, (path, _), response| match response {
            Response::Status { code: status::OK, .. } => Ok(()),
            _ => Err(owner::denied(path)),
        },
    )
}
