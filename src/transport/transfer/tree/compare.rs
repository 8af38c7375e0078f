//! Which files are the same on both sides already: both hash at the same time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use openssl::sha::Sha256;

use super::sums::Sums;
use crate::failure::Failure;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::naming::hexadecimal;
use crate::transport::transfer::source::absorb;

/// A file that has the same size on both sides.
pub(super) struct Pair {
    pub(super) local: PathBuf,
    pub(super) remote: String,
    pub(super) size: u64,
}

/// For each pair whether its two files have the same content. Where the host cannot
/// tell, they count as different.
pub(super) fn same(job: &mut Job<'_>, pairs: &[Pair]) -> Result<Vec<bool>, Failure> {
    let mut sums = Sums::default();
    let mut wanted = 0;
    let mut same = vec![false; pairs.len()];
    let mut here: Vec<Option<String>> = vec![None; pairs.len()];
    let mut hashed = 0;
    while wanted < pairs.len() || !sums.is_idle() {
        while wanted < pairs.len() && !sums.is_busy() {
            sums.want(wanted);
            wanted += 1;
            // Batches are asked for as they fill.
            advance(job, &mut sums, pairs, wanted == pairs.len(), &mut same, &mut here)?;
        }
        // This side hashes what the other is busy with.
        let mut progress = false;
        if hashed < wanted {
            let pair = &pairs[hashed];
            job.at = Some(pair.remote.clone());
            here[hashed] = Some(sum_of(job, &pair.local, pair.size)?);
            hashed += 1;
            progress = true;
        }
        progress |= advance(job, &mut sums, pairs, wanted == pairs.len(), &mut same, &mut here)?;
        if !progress && !sums.is_idle() {
            job.wire.wait().map_err(|stop| job.interrupted(stop.into()))?;
        }
    }
    job.at = None;
    Ok(same)
}

fn advance(
    job: &mut Job<'_>,
    sums: &mut Sums,
    pairs: &[Pair],
    all: bool,
    same: &mut [bool],
    here: &mut [Option<String>],
) -> Result<bool, Failure> {
    let found = sums.advance(job, all, |index| &pairs[index].remote);
    let found = found.map_err(|trouble| job.interrupted(trouble))?;
    let progress = !found.is_empty();
    for (index, there) in found {
        let Some(there) = there else { continue };
        // Its answer may be quicker than this side.
        let local = match here[index].take() {
            Some(local) => local,
            None => sum_of(job, &pairs[index].local, pairs[index].size)?,
        };
        same[index] = local == there;
    }
    Ok(progress)
}

/// The hash of a local file of `size` bytes; of one that has changed, another.
fn sum_of(job: &Job<'_>, path: &Path, size: u64) -> Result<String, Failure> {
    let failed = |error: io::Error| job.local(&error, "read", path);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    match absorb(&mut file, size, &mut hash, &job.wire) {
        Ok(Ok(())) => Ok(hexadecimal(&hash.finish())),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(String::new()),
        Ok(Err(error)) => Err(failed(error)),
        Err(stop) => Err(job.interrupted(stop.into())),
    }
}
