//! A target's request for a tunnel. Who made it keeps the clock: whatever the
//! sessions are about, the answer comes in time.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;

use super::{Bastion, Route, lock};
use crate::failure::Failure;
use crate::plan::spec::ConnectionSpec;
use crate::transport::Cancel;
use crate::transport::link::CANCEL_INTERVAL;
use crate::transport::tcp::cancelled;

/// A target that waits for its tunnel.
pub(super) struct Request {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) address: String,
    pub(super) reply: SyncSender<Result<Opened, Failure>>,
    pub(super) ticket: Arc<Ticket>,
    /// Whether a session was lost while it opened this.
    pub(super) is_second_try: bool,
}

/// What the two sides of a request know of each other.
#[derive(Default)]
pub(super) struct Ticket {
    is_abandoned: AtomicBool,
    has_begun: AtomicBool,
}

/// The near end of a tunnel.
pub(super) struct Opened {
    pub(super) socket: OwnedFd,
    pub(super) route: Arc<Route>,
}

impl Ticket {
    /// Whether nobody waits any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// Notes that a session asks for the target now.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }
}

impl Bastion {
    /// A tunnel to `target`, by its own deadline whatever the sessions are about.
    pub(super) fn tunnel(
        self: &Arc<Self>,
        target: &ConnectionSpec,
        cancel: &Cancel,
    ) -> Result<Opened, Failure> {
        let (reply, answer) = sync_channel(1);
        let ticket = Arc::new(Ticket::default());
        let submitted = Instant::now();
        self.submit(Request {
            host: target.host.clone(),
            port: target.port,
            address: target.address(),
            reply,
            ticket: Arc::clone(&ticket),
            is_second_try: false,
        })?;
        loop {
            let failure = match answer.recv_timeout(CANCEL_INTERVAL) {
                Ok(Err(_)) if cancel.is_cancelled() => return Err(cancelled(&target.address())),
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failure("its session ended unexpectedly"));
                }
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                    cancelled(&target.address())
                }
                Err(RecvTimeoutError::Timeout) => match self.overdue(&ticket, submitted, target) {
                    Some(failure) => failure,
                    None => continue,
                },
            };
            ticket.is_abandoned.store(true, Ordering::Relaxed);
            // The answer may have come in this moment.
            return answer.try_recv().unwrap_or(Err(failure));
        }
    }

    /// Why a request has failed by now, if its time is over.
    fn overdue(
        &self,
        ticket: &Ticket,
        submitted: Instant,
        target: &ConnectionSpec,
    ) -> Option<Failure> {
        let state = lock(&self.state);
        let deadline = state.deadline(submitted, target.timeouts.connect)?;
        if Instant::now() < deadline {
            return None;
        }
        if ticket.has_begun.load(Ordering::Relaxed) {
            return Some(self.no_answer(target));
        }
        Some(self.no_turn(target, state.busy_with()))
    }
}
