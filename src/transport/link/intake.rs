//! What libssh2 takes in from a server, and how much of that is of any use.
//!
//! One call into libssh2 reads on for as long as packets arrive that are not the one
//! that it waits for: it would hear neither deadline nor cancel flag, and it keeps
//! packets of unknown types for ever. So it reads by a function of ours that says now
//! and then that there is nothing, which ends the call; and a server that sends a lot
//! without answering anything is given up.

use std::cell::{Cell, RefCell};

use rustix::io::Errno;

use super::{Link, Stop, classify};

/// How many bytes one call may read, about. The next look at the clock costs little
/// beside reading so many.
const AT_A_TIME: usize = 128 * 1024;
/// How much a server may send in vain until the user is signed in. Keys, banners and
/// questions are a few kilobytes.
const BEFORE_LOGIN: u64 = 1024 * 1024;
/// How much it may send in vain from then on: more than what may wait in the windows
/// of all channels that a connection has.
pub(in crate::transport) const AFTER_LOGIN: u64 = 16 * 1024 * 1024;

/// What a byte that was asked for may cost at most with all that goes around it: a
/// packet of its own.
const AROUND_A_BYTE: u64 = 128;
/// The same for an answer that says yes or no.
const AROUND_AN_ANSWER: u64 = 64 * 1024;

/// `SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE`, `_ILLEGAL_USER_NAME`.
const VERDICTS: [i32; 2] = [14, 15];

thread_local! {
    /// A call into libssh2 stays on its thread.
    static CALL: Call = const { Call::new() };
}

/// What the current call into libssh2 has met.
struct Call {
    in_a_row: Cell<usize>,
    received: Cell<u64>,
    end: Cell<Option<End>>,
    farewell: RefCell<Option<Farewell>>,
}

/// What a call into libssh2 gave, as far as the server is concerned.
pub(in crate::transport) trait Gain {
    /// How many bytes the server may have sent for it.
    fn worth(&self) -> u64 {
        AROUND_AN_ANSWER
    }
}

impl Gain for () {}
impl Gain for String {}
impl Gain for ssh2::Channel {}

/// Bytes that were received.
impl Gain for usize {
    fn worth(&self) -> u64 {
        *self as u64 * AROUND_A_BYTE
    }
}

/// Bytes that were sent, for which the server need not have sent any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) struct Sent(pub(in crate::transport) usize);

impl Gain for Sent {
    fn worth(&self) -> u64 {
        0
    }
}

/// How the peer's stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) enum End {
    /// The peer closed it.
    Closed,
    /// It broke.
    Broken,
}

/// What a server says when it ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport) struct Farewell {
    reason: i32,
    /// Fit to be shown; may be empty.
    pub(in crate::transport) text: String,
}

impl Farewell {
    pub(super) fn new(reason: i32, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        Self { reason, text: text.trim().to_owned() }
    }

    /// Whether it says that the user may not sign in, rather than that something else
    /// is amiss. OpenSSH's is «Too many authentication failures».
    pub(in crate::transport) fn is_verdict(&self) -> bool {
        let text = self.text.to_lowercase();
        let about = ["auth", "password", "login"].iter().any(|word| text.contains(word));
        VERDICTS.contains(&self.reason) || about && text.contains("fail")
    }
}

impl Call {
    const fn new() -> Self {
        Self {
            in_a_row: Cell::new(0),
            received: Cell::new(0),
            end: Cell::new(None),
            farewell: RefCell::new(None),
        }
    }
}

/// Whether libssh2 may read on. A no counts as the pause that it makes.
pub(super) fn may_read() -> bool {
    let may = CALL.try_with(|call| match call.in_a_row.get() {
        AT_A_TIME.. => {
            call.in_a_row.set(0);
            false
        }
        _ => true,
    });
    // A thread that ends may still free a session.
    may.unwrap_or(true)
}

/// Takes note of what a read gave.
pub(super) fn has_read(read: Result<usize, Errno>) {
    let _ = CALL.try_with(|call| match read {
        Ok(0) => call.end.set(Some(End::Closed)),
        Ok(count) => {
            call.in_a_row.set(call.in_a_row.get() + count);
            call.received.set(call.received.get() + count as u64);
        }
        Err(Errno::AGAIN | Errno::INTR) => call.in_a_row.set(0),
        Err(_) => call.end.set(Some(End::Broken)),
    });
}

/// How many bytes libssh2 has taken in on this thread since it last began to count.
pub(in crate::transport) fn received() -> u64 {
    CALL.try_with(|call| call.received.get()).unwrap_or_default()
}

/// Takes note of a server's last words.
pub(super) fn has_heard(farewell: Farewell) {
    let _ = CALL.try_with(|call| *call.farewell.borrow_mut() = Some(farewell));
}

/// What is known of one link's server by its packets.
#[derive(Default)]
pub(super) struct Intake {
    in_vain: u64,
    end: Option<End>,
    farewell: Option<Farewell>,
}

impl Link {
    /// Makes one call into libssh2, and sees what it takes in.
    pub(in crate::transport) fn attempt<T: Gain, E>(
        &mut self,
        operation: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        CALL.with(|call| {
            call.in_a_row.set(0);
            call.received.set(0);
            call.end.set(None);
            call.farewell.take();
        });
        let result = operation(self);
        let intake = &mut self.intake;
        CALL.with(|call| {
            intake.in_vain += call.received.get();
            intake.end = intake.end.or(call.end.get());
            intake.farewell = intake.farewell.take().or(call.farewell.take());
        });
        let worth = result.as_ref().map_or(0, Gain::worth);
        intake.in_vain = intake.in_vain.saturating_sub(worth);
        if intake.in_vain > BEFORE_LOGIN {
            if !self.session.authenticated() {
                self.condemn("the server sent more than 1 MiB and no answer");
            } else if self.intake.in_vain > AFTER_LOGIN {
                self.condemn("the server sent more than 16 MiB and no answer");
            }
        }
        result
    }

    /// What an error of libssh2 means. Until the user is signed in, libssh2 calls many
    /// a lost connection a refusal.
    pub(in crate::transport) fn stopped(&self, error: ssh2::Error) -> Stop {
        let lost = self.intake.end.is_some() || self.intake.farewell.is_some();
        match classify(error) {
            Stop::Refused(error) if lost && !self.session.authenticated() => {
                self.lost(error.message().to_owned())
            }
            Stop::Lost(reason) => self.lost(reason),
            stop => stop,
        }
    }

    /// What the server said when it ended the connection.
    pub(in crate::transport) fn farewell(&self) -> Option<&Farewell> {
        self.intake.farewell.as_ref()
    }

    /// How the server's stream ended, if it did.
    pub(in crate::transport) fn end(&self) -> Option<End> {
        self.intake.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_to_pause_after_so_many_bytes_and_then_reads_on() {
        let mut reads = 0;
        while may_read() {
            has_read(Ok(16 * 1024));
            reads += 1;
        }
        assert_eq!(reads, AT_A_TIME / (16 * 1024));
        assert!(may_read());
        // A pause of the server's own counts as well.
        for _ in 0..100 {
            has_read(Ok(16 * 1024));
            has_read(Err(Errno::AGAIN));
            assert!(may_read());
        }
    }

    #[test]
    fn only_some_farewells_are_about_the_user() {
        let is_verdict = |reason, text: &str| Farewell::new(reason, text.as_bytes()).is_verdict();
        assert!(is_verdict(2, "Too many authentication failures"));
        assert!(is_verdict(14, ""));
        assert!(is_verdict(11, "login failed"));
        assert!(!is_verdict(12, "too many connections"));
        assert!(!is_verdict(11, "the server goes down"));
        assert_eq!(Farewell::new(2, b" \x1b[1mgo\n").text, "[1mgo");
    }
}
