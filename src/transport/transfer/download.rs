//! From the host to this machine: into a temporary file beside the target, which
//! takes the target's place when all of it has arrived.

use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use openssl::sha::Sha256;

use super::job::Job;
use super::local::{LocalFile, LocalStaging};
use super::naming::{hexadecimal, spare_name, staging_name};
use super::remote::RemoteFile;
use super::requests::{Handle, OpenAs};
use super::resume;
use super::source::{absorb, chunk};
use super::stream;
use crate::failure::{ErrorCode, Failure};
use crate::transport::Transferred;

/// Downloads what the job's spec says.
pub(super) fn download(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let target = LocalFile::find(job)?;
    let source = RemoteFile::find(job)?;
    download_to(job, &source, &target)
}

/// Downloads `source` to where `target` is or shall be.
pub(super) fn download_to(
    job: &mut Job<'_>,
    source: &RemoteFile,
    target: &LocalFile,
) -> Result<Transferred, Failure> {
    let Some(attributes) = source.attributes else {
        return Err(Failure::new(
            ErrorCode::TransferFailed,
            format!("`{}` does not exist on the host", job.spec.remote_path),
        ));
    };
    job.total = attributes.size.unwrap_or(0);
    if let Some(there) = already_there(job, source, target)? {
        return Ok(there);
    }
    let handle = job
        .sftp
        .open_file(&mut job.wire, &source.path, OpenAs::Source, 0)
        .map_err(|trouble| job.remote(trouble, "read", &source.path))?;
    let mut hash = Sha256::new();
    let mut staging = stage(job, source, target, &mut hash)?;
    let needed = job.total.saturating_sub(job.continued_at);
    job.check_local_space(target.directory(), needed).inspect_err(|_| {
        if !job.spec.resume {
            let _ = fs::remove_file(&staging.path);
        }
    })?;
    let kept = target.mode().or(attributes.permissions().map(|mode| mode & 0o777));
    let mode = job.spec.mode.or(kept).unwrap_or(0o644);
    let finished = receive(job, source, &handle, &mut staging, hash).and_then(|(sum, verified)| {
        publish(job, &staging, target, mode)?;
        Ok((sum, verified))
    });
    match finished {
        Ok((sum, verified)) => {
            // All of it is in place; a server that cannot close a file it has
            // only read from changes nothing about that.
            let _ = job.sftp.close(&mut job.wire, &handle);
            Ok(job.done(sum, verified))
        }
        Err(failure) => {
            // What is damaged is not worth continuing.
            if !job.spec.resume || failure.code == ErrorCode::TransferVerifyFailed {
                let _ = fs::remove_file(&staging.path);
            }
            Err(failure)
        }
    }
}

/// Leaves alone what is there already; only its mode may have to change.
fn already_there(
    job: &mut Job<'_>,
    source: &RemoteFile,
    target: &LocalFile,
) -> Result<Option<Transferred>, Failure> {
    // A size of zero may mean that the host does not know it.
    if job.total == 0 || target.size() != Some(job.total) {
        return Ok(None);
    }
    let path = &target.path;
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    let asked = job.ask_sum(&source.path, None).map_err(|trouble| job.interrupted(trouble))?;
    if !asked {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    absorb(&mut file, job.total, &mut hash, &job.wire)
        .map_err(|stop| job.interrupted(stop.into()))?
        .map_err(|error| job.local(&error, "read", path))?;
    let local = hexadecimal(&hash.finish());
    let remote = job.sum().map_err(|trouble| job.interrupted(trouble))?;
    if remote.as_deref() != Some(local.as_str()) {
        return Ok(None);
    }
    let wanted = job.spec.mode.filter(|mode| target.mode() != Some(*mode));
    if let Some(mode) = wanted {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(|error| job.local(&error, "change the mode of", path))?;
    }
    let mut transferred = job.done(Some(local), true);
    transferred.changed = wanted.is_some();
    Ok(Some(transferred))
}

/// Opens the temporary file, with what can be continued in it.
fn stage(
    job: &mut Job<'_>,
    source: &RemoteFile,
    target: &LocalFile,
    hash: &mut Sha256,
) -> Result<LocalStaging, Failure> {
    let name = target.path.file_name().unwrap_or_default().to_string_lossy();
    let directory = target.directory();
    let staged = directory.join(staging_name(&name, &source.path));
    if job.spec.resume
        && let Some(mut partial) = resume::download(job, &source.path, target, &staged, hash)?
    {
        let at_end = partial.continue_at(job.continued_at);
        at_end.map_err(|error| job.local(&error, "write", &partial.path))?;
        return Ok(partial);
    }
    let spare = directory.join(spare_name(&name, &source.path));
    for path in [staged, spare] {
        match LocalStaging::create(path) {
            Ok(Some(staging)) => return Ok(staging),
            Ok(None) => {}
            Err(error) => return Err(job.local(&error, "create a file in", directory)),
        }
    }
    Err(Failure::new(
        ErrorCode::TransferFailed,
        format!("no temporary file can be created in `{}`", directory.display()),
    ))
}

/// Receives the rest and verifies the whole; tells its hash and whether the host
/// confirmed it.
fn receive(
    job: &mut Job<'_>,
    source: &RemoteFile,
    handle: &Handle,
    staging: &mut LocalStaging,
    hash: Sha256,
) -> Result<(Option<String>, bool), Failure> {
    // The host hashes while it sends. Of a file that grows, the bytes it had at
    // first are what is transferred.
    let size_known = job.total > 0;
    let asked = job.spec.verify
        && size_known
        && job
            .ask_sum(&source.path, Some(job.total))
            .map_err(|trouble| job.interrupted(trouble))?;
    let mut sink = BufWriter::with_capacity(chunk(job.spec), &staging.file);
    let hash = stream::receive(job, handle, &mut sink, hash)?;
    sink.flush().map_err(|error| job.local(&error, "write", &job.spec.local_path))?;
    drop(sink);
    if !job.spec.verify {
        return Ok((None, false));
    }
    let sum = hexadecimal(&hash.finish());
    if !asked {
        if size_known {
            job.warn_unverified();
        }
        return Ok((Some(sum), false));
    }
    match job.sum().map_err(|trouble| job.interrupted(trouble))? {
        Some(found) if found == sum => Ok((Some(sum), true)),
        Some(found) => Err(job.differs(&found, &sum)),
        None => {
            job.warn_unverified();
            Ok((Some(sum), false))
        }
    }
}

/// Gives the temporary file its mode and owner and moves it into place.
fn publish(
    job: &mut Job<'_>,
    staging: &LocalStaging,
    target: &LocalFile,
    mode: u32,
) -> Result<(), Failure> {
    if let Some((user, group)) = target.owner() {
        // Without the right to, the file belongs to whoever runs this.
        let _ = std::os::unix::fs::fchown(&staging.file, Some(user), Some(group));
    }
    staging
        .file
        .set_permissions(Permissions::from_mode(mode))
        .map_err(|error| job.local(&error, "set the mode of", &staging.path))?;
    fs::rename(&staging.path, &target.path)
        .map_err(|error| job.local(&error, "replace", &target.path))
}
