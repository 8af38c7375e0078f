//! The lock on the file that newcomers are appended to. Other processes hold it for
//! moments; one that does not let go must hold up neither the run nor its hosts.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::transport::Cancel;

/// How long a run waits for another process to give the lock back.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// The lock, and whether it is still worth waiting for.
#[derive(Default)]
pub(super) struct FileLock {
    /// One connection of this run appends at a time. Inside: since when another
    /// process has refused the lock without a break.
    turn: Mutex<Option<Instant>>,
    given_up: AtomicBool,
}

impl FileLock {
    /// Locks `file`, until it is closed, and keeps this run's other connections away
    /// as long as the guard lives.
    ///
    /// Who waits in vain, for [`PATIENCE`] or until its own deadline, has done so for
    /// the whole run: nobody waits after that.
    pub(super) fn take(
        &self,
        file: &File,
        deadline: Instant,
        cancel: &Cancel,
    ) -> io::Result<MutexGuard<'_, Option<Instant>>> {
        loop {
            match self.turn.try_lock() {
                Ok(turn) => {
                    if let Some(turn) = self.attempt(file, turn, deadline)? {
                        return Ok(turn);
                    }
                }
                Err(TryLockError::Poisoned(poisoned)) => {
                    drop(poisoned);
                    self.turn.clear_poison();
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if cancel.is_cancelled() {
                return Err(io::Error::other("the run was interrupted"));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// One try; `None` when it is worth another.
    fn attempt<'a>(
        &self,
        file: &File,
        mut turn: MutexGuard<'a, Option<Instant>>,
        deadline: Instant,
    ) -> io::Result<Option<MutexGuard<'a, Option<Instant>>>> {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                *turn = None;
                self.given_up.store(false, Ordering::Relaxed);
                Ok(Some(turn))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let since = turn.get_or_insert_with(Instant::now);
                if since.elapsed() >= PATIENCE || Instant::now() >= deadline {
                    self.given_up.store(true, Ordering::Relaxed);
                }
                match self.given_up.load(Ordering::Relaxed) {
                    true => Err(io::Error::other("another process holds its lock")),
                    false => Ok(None),
                }
            }
            Err(rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
