//! Where an interrupted transfer goes on: only behind bytes whose hash equals that
//! of the same bytes of the source.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use openssl::sha::Sha256;

use super::job::Job;
use super::local::{LocalFile, LocalStaging};
use super::naming::hexadecimal;
use super::remote::RemoteFile;
use super::source::{Source, absorb};
use super::staging::RemoteStaging;
use super::trouble::Trouble;
use super::upload::read_through;
use crate::failure::Failure;

/// The note of a transfer whose temporary file another one took.
pub(super) const TAKEN: &str =
    "started over: another transfer to the same target took the temporary file";
const NOTHING_THERE: &str = "started from the beginning: there was nothing to continue";
const EARLIER_ATTEMPT: &str = "an earlier attempt had left";
const TARGET: &str = "the target had already";

/// Whether a partial file can be continued.
enum Verdict {
    Same(Sha256),
    Different,
    Unknown,
}

/// Looks for a part of the source on the host: what an earlier attempt left as
/// `staged`, else the target itself. Sets `hash` to that of the part.
pub(super) fn upload(
    job: &mut Job<'_>,
    source: &mut Source,
    target: &RemoteFile,
    staged: &str,
    hash: &mut Sha256,
) -> Result<Option<RemoteStaging>, Failure> {
    let lost = |job: &Job<'_>, trouble| job.interrupted(trouble);
    let mut note = NOTHING_THERE.to_owned();
    let left = match job.sftp.lstat(&mut job.wire, staged) {
        Ok(attributes) => attributes.size,
        Err(Trouble::Status { .. }) => None,
        Err(trouble) => return Err(lost(job, trouble)),
    };
    if let Some(size) = left {
        let verdict = match is_own(job, staged).map_err(|trouble| lost(job, trouble))? {
            true => compare_upload(job, source, staged, size)?,
            false => Verdict::Unknown,
        };
        note = started_over(&verdict, size, EARLIER_ATTEMPT);
        if let Verdict::Same(part) = verdict {
            if let Some(staging) = RemoteStaging::reopen(job, staged.to_owned())? {
                *hash = part;
                continue_at(job, size, EARLIER_ATTEMPT);
                return Ok(Some(staging));
            }
        } else {
            // Where it cannot be removed, another name is used.
            match job.sftp.remove(&mut job.wire, staged) {
                Ok(()) | Err(Trouble::Status { .. }) => {}
                Err(trouble) => return Err(lost(job, trouble)),
            }
        }
    }
    if let Some(size) = target.size().filter(|size| (1..job.total).contains(size)) {
        let verdict = compare_upload(job, source, &target.path, size)?;
        note = started_over(&verdict, size, TARGET);
        if let Verdict::Same(part) = verdict
            && copy(job, &target.path, staged, size)?
            && let Some(staging) = RemoteStaging::reopen(job, staged.to_owned())?
        {
            *hash = part;
            continue_at(job, size, TARGET);
            return Ok(Some(staging));
        }
    }
    job.resume_note = Some(note);
    Ok(None)
}

/// Looks for a part of the remote file on this machine, likewise.
pub(super) fn download(
    job: &mut Job<'_>,
    remote: &str,
    target: &LocalFile,
    staged: &std::path::Path,
    hash: &mut Sha256,
) -> Result<Option<LocalStaging>, Failure> {
    let mut note = NOTHING_THERE.to_owned();
    if let Some((mut file, size)) = LocalStaging::left_behind(staged) {
        let verdict = compare_download(job, remote, &mut file, size)?;
        note = started_over(&verdict, size, EARLIER_ATTEMPT);
        if let Verdict::Same(part) = verdict {
            *hash = part;
            continue_at(job, size, EARLIER_ATTEMPT);
            return Ok(Some(LocalStaging::reopened(staged.to_owned(), file)));
        }
        let _ = std::fs::remove_file(staged);
    }
    if let Some(size) = target.size().filter(|size| (1..job.total).contains(size))
        && let Ok(mut file) = File::open(&target.path)
    {
        let verdict = compare_download(job, remote, &mut file, size)?;
        note = started_over(&verdict, size, TARGET);
        if let Verdict::Same(part) = verdict {
            let copied = file
                .rewind()
                .and_then(|()| LocalStaging::copied(staged.to_owned(), &mut file, size));
            if let Some(staging) = copied.map_err(|error| job.local(&error, "write", staged))? {
                *hash = part;
                continue_at(job, size, TARGET);
                return Ok(Some(staging));
            }
        }
    }
    job.resume_note = Some(note);
    Ok(None)
}

fn compare_upload(
    job: &mut Job<'_>,
    source: &mut Source,
    path: &str,
    size: u64,
) -> Result<Verdict, Failure> {
    compare(job, path, size, |job, part| read_through(job, source, 0, size, part))
}

fn compare_download(
    job: &mut Job<'_>,
    remote: &str,
    file: &mut File,
    size: u64,
) -> Result<Verdict, Failure> {
    compare(job, remote, size, |job, part| {
        let read = absorb(file, size, part, &job.wire);
        let read = read.map_err(|stop| job.interrupted(stop.into()))?;
        let at_end = read.and_then(|()| file.seek(SeekFrom::Start(size)));
        at_end.map(drop).map_err(|error| job.local(&error, "read", &job.spec.local_path))
    })
}

/// Compares the first `size` bytes of the host's file at `path` with what `read_here`
/// feeds to the hash. Both sides hash at the same time.
fn compare(
    job: &mut Job<'_>,
    path: &str,
    size: u64,
    read_here: impl FnOnce(&Job<'_>, &mut Sha256) -> Result<(), Failure>,
) -> Result<Verdict, Failure> {
    if size == 0 {
        return Ok(Verdict::Same(Sha256::new()));
    }
    if size > job.total {
        return Ok(Verdict::Different);
    }
    if !job.ask_sum(path, Some(size)).map_err(|trouble| job.interrupted(trouble))? {
        return Ok(Verdict::Unknown);
    }
    let mut part = Sha256::new();
    read_here(job, &mut part)?;
    let here = hexadecimal(&part.clone().finish());
    Ok(match job.sum().map_err(|trouble| job.interrupted(trouble))? {
        Some(there) if there == here => Verdict::Same(part),
        Some(_) => Verdict::Different,
        None => Verdict::Unknown,
    })
}

fn is_own(job: &mut Job<'_>, path: &str) -> Result<bool, Trouble> {
    let Some((shell, wire)) = job.shell()? else { return Ok(false) };
    shell.is_own(wire, path).or_else(|trouble| job.without_shell(trouble, false))
}

fn copy(job: &mut Job<'_>, from: &str, to: &str, count: u64) -> Result<bool, Failure> {
    let copied = match job.shell() {
        Ok(Some((shell, wire))) => shell.copy(wire, from, to, count),
        Ok(None) => Ok(false),
        Err(trouble) => Err(trouble),
    };
    copied
        .or_else(|trouble| job.without_shell(trouble, false))
        .map_err(|trouble| job.interrupted(trouble))
}

fn continue_at(job: &mut Job<'_>, size: u64, whence: &str) {
    job.continued_at = size;
    job.resume_note = Some(match size {
        0 => NOTHING_THERE.to_owned(),
        _ => format!("continued after {size} bytes that {whence}"),
    });
}

fn started_over(verdict: &Verdict, size: u64, whence: &str) -> String {
    match verdict {
        Verdict::Unknown => {
            format!("started over: the host could not compare the {size} bytes that {whence}")
        }
        Verdict::Different => {
            format!("started over: the {size} bytes that {whence} differ from the source")
        }
        Verdict::Same(_) => {
            format!("started over: the {size} bytes that {whence} could not be used")
        }
    }
}
