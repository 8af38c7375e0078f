//! From this machine through the login user's hands to where only another user may
//! write.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use openssl::sha::Sha256;
use uuid::Uuid;

use super::{Job, scripts};
use crate::failure::{ErrorCode, Failure};
use crate::local_file;
use crate::plan::spec::TransferSpec;
use crate::transport::{FileCount, Transferred};

/// The mode of a new file that is rendered from a template.
const RENDERED_MODE: u32 = 0o644;

pub(super) fn upload(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    match job.spec.recursive {
        true => tree(job),
        false => file(job),
    }
}

fn file(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let (size, source_mode) = source(job)?;
    let path = job.remote_path();
    if path.ends_with('/') {
        return Err(is_directory(job));
    }
    let probe = job.script(scripts::PROBE, &[&path, &size.to_string(), ""])?;
    let there = probe.get("is").unwrap_or_default().to_owned();
    let there: Vec<&str> = there.split(' ').collect();
    match there.as_slice() {
        ["directory", ..] => return Err(is_directory(job)),
        ["special", ..] => return Err(is_special(job)),
        ["file", length, _, _, _, sum] if *length == size.to_string() => {
            let here = hash(job)?;
            if *sum == here {
                return adjust(job, &path, size, here);
            }
        }
        _ => {}
    }
    let owned = |name: &Option<String>| name.clone().unwrap_or_default();
    let (owner, group) = (owned(&job.spec.owner), owned(&job.spec.group));
    let mode = job.spec.mode.map(octal).unwrap_or_default();
    let create = if job.spec.create_dirs { "yes" } else { "no" };
    job.with_stage(|job, stage| {
        let staged = format!("{stage}/{}", staged_name());
        let part = TransferSpec {
            remote_path: staged.clone(),
            mode: Some(if job.is_root() { 0o600 } else { 0o644 }),
            resume: false,
            create_dirs: false,
            ..job.spec.clone()
        };
        let sent = job.transfer(part)?;
        lend(job, stage)?;
        let sum = sent.record.sha256.clone().filter(|_| job.spec.verify).unwrap_or_default();
        let new_mode = octal(source_mode);
        let args = [&path, &mode, &owner, &group, create, &sum, &new_mode];
        let done = job.secretly(scripts::INSTALL, &args, &staged)?;
        if done.get("done").is_none() {
            return Err(unfinished(job));
        }
        let mut record = job.record(sent.record.bytes_transferred, size);
        record.verified = done.get("verified").is_some();
        record.sha256 = sent.record.sha256;
        Ok(Transferred { record, changed: true, files: None, warnings: sent.warnings })
    })
}

/// The content is there already; its mode and its owner may not be.
fn adjust(job: &mut Job<'_>, path: &str, size: u64, sum: String) -> Result<Transferred, Failure> {
    let owned = |name: &Option<String>| name.clone().unwrap_or_default();
    let mode = job.spec.mode.map(octal).unwrap_or_default();
    let (owner, group) = (owned(&job.spec.owner), owned(&job.spec.group));
    let mut changed = false;
    if !(mode.is_empty() && owner.is_empty() && group.is_empty()) {
        let done = job.script(scripts::ADJUST, &[path, &mode, &owner, &group])?;
        changed = done.get("done") == Some("yes");
    }
    let mut record = job.record(0, size);
    (record.verified, record.sha256) = (true, Some(sum));
    Ok(Transferred { record, changed, files: None, warnings: Vec::new() })
}

fn tree(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let path = job.remote_path();
    let owned = |name: &Option<String>| name.clone().unwrap_or_default();
    let (owner, group) = (owned(&job.spec.owner), owned(&job.spec.group));
    let create = if job.spec.create_dirs { "yes" } else { "no" };
    if let Some(unchanged) = super::unchanged::unchanged(job)? {
        return Ok(unchanged);
    }
    job.with_stage(|job, stage| {
        let staged = format!("{stage}/tree");
        let part = TransferSpec {
            remote_path: staged.clone(),
            resume: false,
            create_dirs: false,
            ..job.spec.clone()
        };
        let sent = job.transfer(part)?;
        let body = format!("{}{}", scripts::PROLOGUE, scripts::GRAFT_EACH);
        let done = job.script(scripts::GRAFT, &[&staged, &path, &owner, &group, create, &body])?;
        let mut files = FileCount::default();
        for counts in done.all("count") {
            let numbers: Vec<u64> = counts.split(' ').filter_map(|n| n.parse().ok()).collect();
            if let [new, same] = numbers[..] {
                files.total += new + same;
                files.moved += new;
            }
        }
        if done.get("count").is_none() {
            return Err(unfinished(job));
        }
        let changed = files.moved > 0 || done.get("changed").is_some();
        let record = sent.record;
        let mut record = crate::transfer::TransferRecord {
            verified: record.verified,
            ..job.record(record.bytes_transferred, record.total_bytes)
        };
        record.sha256 = None;
        Ok(Transferred { record, changed, files: Some(files), warnings: sent.warnings })
    })
}

/// A name that nobody can guess. Whoever knows it can read what is staged for another
/// user than root, so it must never be an argument of a process on the host.
fn staged_name() -> String {
    format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple())
}

/// Lets another user than root read what is staged, who knows its name: nobody but the
/// login user can list the directory.
fn lend(job: &mut Job<'_>, stage: &str) -> Result<(), Failure> {
    if !job.is_root() {
        job.plainly("try chmod 0711 -- \"$1\"\n", &[stage])?;
    }
    Ok(())
}

/// Size and mode of what is uploaded.
pub(super) fn source(job: &Job<'_>) -> Result<(u64, u32), Failure> {
    if let Some(content) = &job.spec.content {
        return Ok((content.len() as u64, RENDERED_MODE));
    }
    let opened = local_file::open_regular(&job.spec.local_path);
    let (_, metadata) = opened.map_err(|error| unreadable(&job.spec.local_path, &error))?;
    Ok((metadata.len(), metadata.permissions().mode() & 0o777))
}

/// The hash of what is uploaded.
pub(super) fn hash(job: &Job<'_>) -> Result<String, Failure> {
    let Some(content) = &job.spec.content else { return hash_of(&job.spec.local_path) };
    let mut hash = Sha256::new();
    hash.update(content);
    Ok(super::hexadecimal(&hash.finish()))
}

/// The hash of a file on this machine.
pub(super) fn hash_of(path: &Path) -> Result<String, Failure> {
    let mut hash = Sha256::new();
    super::read_all(path, |bytes| hash.update(bytes)).map_err(|error| unreadable(path, &error))?;
    Ok(super::hexadecimal(&hash.finish()))
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let code = match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorCode::TransferPermission,
        _ => ErrorCode::TransferFailed,
    };
    Failure::new(code, format!("cannot read `{}` on this machine: {error}", path.display()))
}

pub(super) fn is_special(job: &Job<'_>) -> Failure {
    let path = &job.spec.remote_path;
    Failure::new(ErrorCode::TransferFailed, format!("`{path}` on the host is no regular file"))
}

pub(super) fn is_directory(job: &Job<'_>) -> Failure {
    let path = &job.spec.remote_path;
    Failure::new(ErrorCode::TransferFailed, format!("`{path}` on the host is a directory"))
        .with_help("name the file, as in `remote_path: /srv/app/app.conf`")
}

fn unfinished(job: &Job<'_>) -> Failure {
    Failure::new(
        ErrorCode::TransferFailed,
        format!("{} did not end as it should: the host's shell ended early", job.subject()),
    )
}

/// A mode as `stat -c %a` tells it, with which scripts compare it.
fn octal(mode: u32) -> String {
    format!("{mode:o}")
}
