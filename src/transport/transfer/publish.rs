//! The last step of an upload: the temporary file takes the target's place, if it is
//! what was sent.
//!
//! Attempts that may be resumed use a temporary name that others find, too, and two
//! transfers to one target may be under way at a time. So such a file is first taken
//! under a name of its own, and compared there: nothing but the whole source ever gets
//! into place, and whoever comes too late learns that, too.

use super::follow::Follower;
use super::job::Job;
use super::remote::RemoteFile;
use super::staging::RemoteStaging;
use super::trouble::Trouble;
use crate::failure::Failure;
use crate::transport::Transferred;

/// Moves the temporary file, which must have the hash `sum`, into the target's place.
/// `None` when another transfer that used the same file was faster, or wrote something
/// else into it.
pub(super) fn publish(
    job: &mut Job<'_>,
    staging: &mut RemoteStaging,
    target: &RemoteFile,
    sum: Option<String>,
    follower: Option<Follower>,
) -> Result<Option<Transferred>, Failure> {
    let was_shared = staging.is_shared();
    let claimed = staging.claim(job);
    if !claimed.map_err(|trouble| job.remote(trouble, "rename", &staging.path))? {
        return Ok(None);
    }
    let mut found = match follower {
        Some(follower) => follower.finish(job).map_err(|trouble| job.interrupted(trouble))?,
        None => None,
    };
    if sum.is_some() && found.is_none() {
        found = sum_of(job, &staging.path)?;
    }
    if was_shared && !is_whole(job, staging, sum.as_deref(), found.as_deref())? {
        let _ = job.sftp.remove(&mut job.wire, &staging.path);
        return Ok(None);
    }
    let mut verified = false;
    if let (Some(sum), Some(found)) = (&sum, &found) {
        if sum != found {
            return Err(job.differs(sum, found));
        }
        verified = true;
    }
    rename(job, staging, target).map_err(|trouble| job.remote(trouble, "replace", &target.path))?;
    if job.spec.verify && !verified {
        job.warn_unverified();
    }
    Ok(Some(job.done(sum, verified)))
}

/// Whether what was found under the shared name is what this transfer wrote. Without a
/// hash its size has to tell.
fn is_whole(
    job: &mut Job<'_>,
    staging: &RemoteStaging,
    sum: Option<&str>,
    found: Option<&str>,
) -> Result<bool, Failure> {
    if let (Some(sum), Some(found)) = (sum, found) {
        return Ok(sum == found);
    }
    let there = job.sftp.lstat(&mut job.wire, &staging.path);
    let there = there.map_err(|trouble| job.remote(trouble, "look at", &staging.path))?;
    Ok(there.size.is_none_or(|size| size == job.total))
}

fn sum_of(job: &mut Job<'_>, path: &str) -> Result<Option<String>, Failure> {
    let sum = match job.ask_sum(path, None) {
        Ok(true) => job.sum(),
        Ok(false) => Ok(None),
        Err(trouble) => Err(trouble),
    };
    sum.map_err(|trouble| job.interrupted(trouble))
}

fn rename(job: &mut Job<'_>, staging: &RemoteStaging, target: &RemoteFile) -> Result<(), Trouble> {
    match job.sftp.rename(&mut job.wire, &staging.path, &target.path) {
        // Version 3 alone cannot replace a file in one step. For a moment there is
        // none, but never half of one.
        Err(Trouble::Status { .. }) if !job.sftp.renames_over() && target.attributes.is_some() => {
            job.sftp.remove(&mut job.wire, &target.path)?;
            job.sftp.rename(&mut job.wire, &staging.path, &target.path)
        }
        renamed => renamed,
    }
}
