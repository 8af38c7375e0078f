//! What a transfer would do, told without doing it: by the same scripts, run through
//! sudo where the transfer goes through sudo, and as the login user otherwise.

pub(super) mod tree;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::rc::Rc;

use super::words::Answers;
use super::{Job, scripts, upload};
use crate::failure::{ErrorCode, Failure};
use crate::local_file;
use crate::transfer::TransferOperation;
use crate::transport::bootstrap::Launch;
use crate::transport::capture::Capture;
use crate::transport::quote::encode;
use crate::transport::{Comparison, Content, FileCount, Transferred};

/// Compares both sides of the job's transfer.
pub(super) fn compare(job: &mut Job<'_>, contents: bool) -> Result<Comparison, Failure> {
    match (job.spec.operation, job.spec.recursive) {
        (TransferOperation::Upload, false) => upload_of_file(job, contents),
        (TransferOperation::Download, false) => download_of_file(job),
        (_, true) => tree::compare(job),
    }
}

/// A file on the host.
struct There {
    size: u64,
    mode: u32,
    owner: (String, String),
    /// `None` where the host has no program for it, or was not asked.
    sum: Option<String>,
}

fn upload_of_file(job: &mut Job<'_>, contents: bool) -> Result<Comparison, Failure> {
    let (size, _) = upload::source(job)?;
    let path = job.remote_path();
    if path.ends_with('/') {
        return Err(upload::is_directory(job));
    }
    let named = |name: &Option<String>| name.clone().unwrap_or_default();
    let (owner, group) = (named(&job.spec.owner), named(&job.spec.group));
    let args = [&*path, &size.to_string(), "", &owner, &group];
    let script = format!("{}{}", scripts::PROBE, scripts::WANTED);
    let answers = match job.ask(&script, &args) {
        Ok(answers) if answers.get("is").is_some() => answers,
        Ok(_) => return Ok(unknown(job, size, "the host offers no shell")),
        Err(failure) if is_about_looking(&failure) => {
            return Ok(unknown(job, size, &failure.message));
        }
        Err(failure) => return Err(failure),
    };
    let there = match answers.get("is") {
        Some("directory") => return Err(upload::is_directory(job)),
        Some("special") => return Err(upload::is_special(job)),
        Some(is) => There::read(is),
        None => None,
    };
    if answers.get("orphan").is_some() && !job.spec.create_dirs {
        let message = format!("{} would fail: its directory does not exist", job.subject());
        return Err(Failure::new(ErrorCode::TransferFailed, message)
            .with_help("set `create_dirs: true` to create it"));
    }
    let sum = upload::hash(job)?;
    let is_same =
        there.as_ref().is_some_and(|there| there.size == size && there.sum.as_ref() == Some(&sum));
    let is_unlike = there.as_ref().is_none_or(|there| {
        job.spec.mode.is_some_and(|mode| mode != there.mode)
            || answers.get("user").is_some_and(|user| user != there.owner.0)
            || answers.get("group").is_some_and(|group| group != there.owner.1)
    });
    let transferred = predicted(job, size, Some(sum), !is_same || is_unlike);
    let contents = match contents && !is_same {
        true => Some((before(job, &path, there.as_ref())?, after(job, size)?)),
        false => None,
    };
    Ok(Comparison { transferred, contents })
}

fn download_of_file(job: &mut Job<'_>) -> Result<Comparison, Failure> {
    let path = &job.spec.local_path;
    let here = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Some(metadata),
        Ok(_) => {
            let message = format!("`{}` is no regular file", path.display());
            return Err(Failure::new(ErrorCode::TransferFailed, message));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(upload::unreadable(path, &error)),
    };
    let is_orphan = path.parent().is_some_and(|above| !above.is_dir());
    if is_orphan && !job.spec.create_dirs {
        let message = format!("{} would fail: its directory does not exist", job.subject());
        return Err(Failure::new(ErrorCode::TransferFailed, message)
            .with_help("set `create_dirs: true` to create it"));
    }
    let remote = job.remote_path();
    let size = here.as_ref().map(|metadata| metadata.len().to_string()).unwrap_or_default();
    let answers = match job.ask(scripts::PROBE, &[&remote, &size, ""]) {
        Ok(answers) if answers.get("is").is_some() => answers,
        Ok(_) => return Ok(unknown(job, 0, "the host offers no shell")),
        Err(failure) => return Err(failure),
    };
    let Some(there) = answers.get("is").and_then(There::read) else {
        let what = match answers.get("is") {
            Some("directory") => "is a directory on the host",
            Some("special") => "is no regular file on the host",
            _ => "does not exist on the host",
        };
        let message = format!("`{}` {what}", job.spec.remote_path);
        return Err(Failure::new(ErrorCode::TransferFailed, message));
    };
    let is_same = match &here {
        Some(metadata) if metadata.len() == there.size => Some(upload::hash_of(path)?) == there.sum,
        _ => false,
    };
    let mode = here.map(|metadata| metadata.permissions().mode() & 0o7777);
    let is_unlike = job.spec.mode.is_some_and(|wanted| mode != Some(wanted));
    let transferred = predicted(job, there.size, there.sum, !is_same || is_unlike);
    Ok(Comparison { transferred, contents: None })
}

impl There {
    /// Reads `file SIZE MODE UID GID SUM`.
    fn read(said: &str) -> Option<Self> {
        let words: Vec<&str> = said.split(' ').collect();
        let ["file", size, mode, user, group, sum] = words[..] else { return None };
        Some(Self {
            size: size.parse().ok()?,
            mode: u32::from_str_radix(mode, 8).ok()?,
            owner: (user.to_owned(), group.to_owned()),
            sum: (sum.len() == 64).then(|| sum.to_owned()),
        })
    }
}

/// What is in place now.
fn before(job: &mut Job<'_>, path: &str, there: Option<&There>) -> Result<Content, Failure> {
    match there {
        None => Ok(Content::Missing),
        Some(there) if there.size > Content::LIMIT => Ok(Content::TooLarge(there.size)),
        Some(_) => {
            let most = usize::try_from(Content::LIMIT).unwrap_or(usize::MAX);
            job.read("exec cat <\"$1\"\n", &[path], most).map(Content::Bytes)
        }
    }
}

/// What would be in place.
fn after(job: &Job<'_>, size: u64) -> Result<Content, Failure> {
    if size > Content::LIMIT {
        return Ok(Content::TooLarge(size));
    }
    match &job.spec.content {
        Some(content) => Ok(Content::Bytes(content.to_vec())),
        None => {
            let path = &job.spec.local_path;
            let bytes = local_file::read(path).map_err(|error| upload::unreadable(path, &error))?;
            Ok(Content::Bytes(bytes))
        }
    }
}

/// What the transfer would give.
fn predicted(job: &Job<'_>, size: u64, sha256: Option<String>, changed: bool) -> Transferred {
    let mut record = job.record(0, size);
    (record.resume_note, record.sha256) = (None, sha256);
    Transferred { record, changed, files: None, warnings: Vec::new() }
}

/// Where the host does not let itself be looked at, a change is assumed.
fn unknown(job: &Job<'_>, size: u64, why: &str) -> Comparison {
    let mut transferred = predicted(job, size, None, true);
    let path = &job.spec.remote_path;
    transferred.warnings.push(format!("`{path}` on the host cannot be compared: {why}"));
    transferred.files = job.spec.recursive.then(FileCount::default);
    Comparison { transferred, contents: None }
}

/// Whether a failure says that a file cannot be looked at, rather than that the
/// transfer would fail.
pub(super) fn is_about_looking(failure: &Failure) -> bool {
    use ErrorCode::*;
    matches!(failure.code, TransferFailed | TransferPermission | ChannelRefused)
}

impl Job<'_> {
    /// Runs a script as the transfer would.
    fn ask(&mut self, script: &str, args: &[&str]) -> Result<Answers, Failure> {
        self.ask_into(script, args, Capture::new(super::MAX_OUTPUT))
    }

    fn ask_into(&mut self, script: &str, args: &[&str], out: Capture) -> Result<Answers, Failure> {
        if self.spec.sudo.is_some() {
            return self.capture(script, args, out);
        }
        // Any login shell has to take it, so that nothing of it stands there plainly.
        let script = encode(&format!("{}{script}", scripts::PROLOGUE));
        let args: String = args.iter().map(|arg| format!(" {}", encode(arg))).collect();
        let decode = "s=$(printf %bx \"$1\"); shift; n=$#; \
            while [ $n -gt 0 ]; do a=$(printf %bx \"$1\"); shift; set -- \"$@\" \"${a%x}\"; \
            n=$((n-1)); done; eval \"${s%x}\"";
        let line = format!("exec /bin/sh -c '{decode}' sshoal {script}{args}");
        let options = self.options(None);
        self.carry_out(Launch::plain(&line), &options, out)
    }

    /// What a script prints, if that is not more than `most` bytes.
    pub(super) fn read(
        &mut self,
        script: &str,
        args: &[&str],
        most: usize,
    ) -> Result<Vec<u8>, Failure> {
        let bytes = Rc::new(RefCell::new(Vec::new()));
        let shared = Rc::clone(&bytes);
        let out = Capture::into_sink(move |more| {
            let mut bytes = shared.borrow_mut();
            bytes.extend_from_slice(more);
            bytes.len() <= most
        });
        let answers = self.ask_into(script, args, out);
        let bytes = bytes.take();
        if bytes.len() > most {
            let message = format!("{} cannot be compared: there is too much of it", self.subject());
            return Err(Failure::new(ErrorCode::TransferFailed, message));
        }
        answers.map(|_| bytes)
    }
}
