//! Verifying while sending: the host hashes the temporary file behind the writer.
//!
//! Hashing a large file afterwards would take about as long as sending it. So the
//! host's shell pipes it into the hash program piece by piece, each as soon as the
//! SFTP server has confirmed that it is written.

use super::job::Job;
use super::trouble::Trouble;

/// How much is announced at a time; the host needs so much memory for it.
const STEP: u64 = 4 * 1024 * 1024;
/// Below this a hash afterwards is quicker than a round trip more.
const WORTH_IT: u64 = 2 * STEP;

/// A hash program on the host that follows the writing of one file.
pub(super) struct Follower {
    announced: u64,
}

impl Follower {
    /// Starts to follow the file at `path`, if that is asked for and pays. Its hash
    /// counts only if in the end it is the file at `last_path`.
    pub(super) fn start(
        job: &mut Job<'_>,
        path: &str,
        last_path: &str,
    ) -> Result<Option<Self>, Trouble> {
        if !job.spec.verify || job.total < WORTH_IT {
            return Ok(None);
        }
        let Some((shell, wire)) = job.shell()? else { return Ok(None) };
        let follows = shell.follow(wire, path, last_path);
        let follows = follows.or_else(|trouble| job.without_shell(trouble, false))?;
        Ok(follows.then_some(Self { announced: 0 }))
    }

    /// Lets the host hash on, up to the byte before `written`.
    pub(super) fn advance(&mut self, job: &mut Job<'_>, written: u64) -> Result<(), Trouble> {
        let rest_counts = written == job.total;
        let Some((shell, _)) = job.shell()? else { return Ok(()) };
        while written - self.announced >= STEP || (rest_counts && written > self.announced) {
            let step = STEP.min(written - self.announced);
            shell.announce(step);
            self.announced += step;
        }
        job.poke_shell()
    }

    /// The hash of the whole; `None` when the host cannot tell.
    pub(super) fn finish(self, job: &mut Job<'_>) -> Result<Option<String>, Trouble> {
        if let Some((shell, _)) = job.shell()? {
            shell.announce(0);
        }
        job.sum()
    }
}
