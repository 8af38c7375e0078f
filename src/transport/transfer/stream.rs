//! The bulk of a transfer: many requests in flight, little memory, one hash.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use openssl::sha::Sha256;

use super::follow::Follower;
use super::job::Job;
use super::packet::Response;
use super::requests::Handle;
use super::sftp::{BLOCK, IN_FLIGHT};
use super::source::{Source, fill};
use super::staging::RemoteStaging;
use super::trouble::{Trouble, status};
use crate::failure::{ErrorCode, Failure};

/// What was asked of the host: a place in the file and a length.
type Piece = (u64, u32);

/// Sends the source's bytes from where the job continues to its end, adds them to
/// `hash` where they are to be verified, and tells the follower what is written.
pub(super) fn send(
    job: &mut Job<'_>,
    source: &mut Source,
    staging: &RemoteStaging,
    mut hash: Sha256,
    mut follower: Option<&mut Follower>,
) -> Result<Sha256, Failure> {
    let path = &job.spec.local_path;
    let mut offset = job.continued_at;
    source.rewind_to(offset).map_err(|error| job.local(&error, "read", path))?;
    let mut block = vec![0; BLOCK];
    let mut flying: HashMap<u32, Piece> = HashMap::new();
    let mut in_flight = 0;
    loop {
        while offset < job.total && in_flight < IN_FLIGHT && !job.sftp.is_backed_up() {
            let wanted = block.len().min(usize::try_from(job.total - offset).unwrap_or(BLOCK));
            let read = fill(source, &mut block[..wanted])
                .map_err(|error| job.local(&error, "read", path))?;
            if read < wanted {
                return Err(source_changed(&job.spec.local_path_shown));
            }
            if job.spec.verify {
                hash.update(&block[..read]);
            }
            let id = job.sftp.queue_write(staging.handle(), offset, &block[..read]);
            flying.insert(id, (offset, read as u32));
            offset += read as u64;
            in_flight += read as u64;
        }
        if let Some(follower) = follower.as_deref_mut() {
            // Answers may come in any order; what is below the first open one is written.
            let written = flying.values().map(|(start, _)| *start).min().unwrap_or(offset);
            follower.advance(job, written).map_err(|trouble| job.interrupted(trouble))?;
        }
        if flying.is_empty() {
            return Ok(hash);
        }
        job.sftp.pump(&mut job.wire).map_err(|trouble| job.interrupted(trouble))?;
        while let Some((id, response)) =
            job.sftp.take().map_err(|trouble| job.interrupted(trouble))?
        {
            let Some((_, length)) = flying.remove(&id) else { continue };
            let length = u64::from(length);
            in_flight -= length;
            match response {
                Response::Status { code: status::OK, .. } => job.moved += length,
                Response::Status { code, message } => {
                    // Asking for the free space must not wait behind megabytes.
                    job.sftp.abort();
                    let trouble = Trouble::Status { code, message };
                    let full = job.full_file_system(&trouble, &staging.path);
                    return Err(full.unwrap_or_else(|| job.remote(trouble, "write", &staging.path)));
                }
                _ => return Err(job.interrupted(misplaced())),
            }
        }
    }
}

/// Receives the file behind `handle` from where the job continues to its end,
/// writes it to `sink` and adds it to `hash` where it is to be verified.
///
/// A file whose size the host gives as zero is read until it ends, one request at
/// a time: those below `/proc` have no size.
pub(super) fn receive(
    job: &mut Job<'_>,
    handle: &Handle,
    sink: &mut impl Write,
    mut hash: Sha256,
) -> Result<Sha256, Failure> {
    let known_end = (job.total > 0).then_some(job.total);
    let mut asked = job.continued_at;
    let mut written = job.continued_at;
    let mut flying: HashMap<u32, Piece> = HashMap::new();
    let mut early: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    loop {
        while wants_more(known_end, asked, written) && !job.sftp.is_backed_up() {
            let left = known_end.map_or(BLOCK as u64, |end| end - asked);
            let length = u32::try_from(left.min(BLOCK as u64)).expect("a block is short");
            flying.insert(job.sftp.queue_read(handle, asked, length), (asked, length));
            asked += u64::from(length);
        }
        if flying.is_empty() {
            return Ok(hash);
        }
        job.poke_shell().map_err(|trouble| job.interrupted(trouble))?;
        job.sftp.pump(&mut job.wire).map_err(|trouble| job.interrupted(trouble))?;
        while let Some((id, response)) =
            job.sftp.take().map_err(|trouble| job.interrupted(trouble))?
        {
            let Some((offset, length)) = flying.remove(&id) else { continue };
            match response {
                Response::Data(bytes) if bytes.is_empty() || bytes.len() > length as usize => {
                    return Err(job.interrupted(misplaced()));
                }
                Response::Data(bytes) => {
                    let got = u32::try_from(bytes.len()).expect("no longer than was asked for");
                    match known_end {
                        // A short answer is legal; the rest is asked for again.
                        Some(_) if got < length => {
                            let rest = (offset + u64::from(got), length - got);
                            flying.insert(job.sftp.queue_read(handle, rest.0, rest.1), rest);
                        }
                        Some(_) => {}
                        None => asked = offset + u64::from(got),
                    }
                    early.insert(offset, bytes);
                }
                Response::Status { code: status::EOF, .. } if known_end.is_none() => {
                    job.total = written;
                    return Ok(hash);
                }
                Response::Status { code: status::EOF, .. } => {
                    return Err(source_changed(&job.spec.remote_path));
                }
                Response::Status { code, message } => {
                    let trouble = Trouble::Status { code, message };
                    return Err(job.remote(trouble, "read", &job.spec.remote_path));
                }
                _ => return Err(job.interrupted(misplaced())),
            }
            while let Some(bytes) = early.remove(&written) {
                let path = &job.spec.local_path;
                sink.write_all(&bytes).map_err(|error| job.local(&error, "write", path))?;
                if job.spec.verify {
                    hash.update(&bytes);
                }
                written += bytes.len() as u64;
                job.moved += bytes.len() as u64;
            }
        }
    }
}

fn wants_more(known_end: Option<u64>, asked: u64, written: u64) -> bool {
    match known_end {
        Some(end) => asked < end && asked - written < IN_FLIGHT,
        None => asked == written,
    }
}

/// The source did not stay as it was.
pub(super) fn source_changed(path: &str) -> Failure {
    Failure::new(
        ErrorCode::TransferFailed,
        format!("`{path}` changed while it was being transferred; the target is untouched"),
    )
    .with_help("transfer a copy or a snapshot of a file that other programs write to")
}

fn misplaced() -> Trouble {
    Trouble::Protocol("an answer of it does not fit the request".to_owned())
}
