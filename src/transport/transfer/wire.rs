//! A link together with the limits of the transfer that uses it.

use std::io;
use std::time::{Duration, Instant};

use ssh2::Session;

use super::trouble::Trouble;
use crate::transport::Cancel;
use crate::transport::link::{Deadline, Gain, Link, Sent, Stop};

/// How long cleaning up after a failure may take. The user already waits for
/// more than was asked for, so it is short.
const GRACE: Duration = Duration::from_secs(3);
/// `LIBSSH2_ERROR_CHANNEL_CLOSED`, `_CHANNEL_EOF_SENT`: the channel is over, the
/// connection lives.
const CHANNEL_OVER: [i32; 2] = [-26, -27];

/// A link, the deadline of the transfer, and its cancel flag.
pub(super) struct Wire<'a> {
    link: &'a mut Link,
    deadline: Deadline,
    cancel: Cancel,
}

impl<'a> Wire<'a> {
    pub(super) fn new(link: &'a mut Link, timeout: Option<Duration>, cancel: &Cancel) -> Self {
        // A limit beyond what the clock can tell is no limit.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { link, deadline, cancel: cancel.clone() }
    }

    /// The same link for cleaning up: a short deadline of its own, deaf to cancel.
    pub(super) fn grace(&mut self) -> Wire<'_> {
        Wire::after_all(self.link, GRACE)
    }

    /// A link for what is left to do after a failure. A peer that has fallen
    /// silent is not waited for.
    pub(super) fn after_all(link: &'a mut Link, patience: Duration) -> Self {
        let patience = if link.answers() { patience } else { Duration::ZERO };
        Self::new(link, Some(patience), &Cancel::default())
    }

    /// Whether a packet is half-sent.
    pub(super) fn is_stuck(&self) -> bool {
        use ssh2::BlockDirections::{Both, Outbound};
        matches!(self.link.session().block_directions(), Outbound | Both)
    }

    /// The same link with the same limits.
    pub(super) fn again(&mut self) -> Wire<'_> {
        Wire { link: self.link, deadline: self.deadline, cancel: self.cancel.clone() }
    }

    /// The same link with a nearer deadline.
    pub(super) fn within(&mut self, limit: Duration) -> Wire<'_> {
        let near = Instant::now() + limit;
        let deadline = Some(self.deadline.map_or(near, |deadline| deadline.min(near)));
        Wire { link: self.link, deadline, cancel: self.cancel.clone() }
    }

    /// Whether the transfer's own deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Fails when the deadline has passed or the run is being cancelled. Work that
    /// never has to wait for the peer asks this, or it would hear neither.
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        if self.is_late() {
            return Err(Stop::Deadline);
        }
        self.link.is_kept()
    }

    /// Sleeps until the peer can be written to or read from.
    pub(super) fn wait(&mut self) -> Result<(), Stop> {
        self.link.wait(self.deadline, &self.cancel)
    }

    /// Repeats `operation` until it stops answering EAGAIN.
    pub(super) fn drive<T: Gain>(
        &mut self,
        operation: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stop> {
        self.link.drive(self.deadline, &self.cancel, operation)
    }

    /// Opens a channel by `operation`.
    pub(super) fn open<T: Gain>(
        &mut self,
        operation: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stop> {
        self.link.open(self.deadline, &self.cancel, operation)
    }

    /// Notes that a channel was given back.
    pub(super) fn has_released(&mut self) {
        self.link.has_released();
    }

    /// Makes one read of a channel, whose result is for [`Self::moved`].
    pub(super) fn read(
        &mut self,
        operation: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.link.attempt(|_| operation())
    }

    /// Makes one write to a channel, whose result is for [`Self::moved`].
    pub(super) fn write(
        &mut self,
        operation: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.link.attempt(|_| operation().map(Sent)).map(|Sent(count)| count)
    }

    /// Tells what a channel's read or write gave: bytes moved, `None` when it would
    /// block.
    pub(super) fn moved(&mut self, result: io::Result<usize>) -> Result<Option<usize>, Trouble> {
        match result {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // `io::Error` has lost libssh2's code; the session still knows it.
            Err(error) => Err(match ssh2::Error::last_session_error(self.link.session()) {
                Some(cause) if is_channel_over(&cause) => Trouble::Closed,
                Some(cause) => Trouble::Stop(self.link.stopped(cause)),
                None => Trouble::Stop(self.link.lost(error.to_string())),
            }),
        }
    }
}

fn is_channel_over(error: &ssh2::Error) -> bool {
    matches!(error.code(), ssh2::ErrorCode::Session(code) if CHANNEL_OVER.contains(&code))
}
