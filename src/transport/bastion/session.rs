//! One session with a jump host, from its connection to its end, and who is told.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::password::Unwatched;
use super::pump::{Ended, Pump};
use super::{Bastion, Verdict, lock};
use crate::failure::{ErrorCode, Failure};

/// How long a network failure of a jump host stands before it is tried again.
const VERDICT_STANDS: Duration = Duration::from_secs(30);
/// How long to do without a further session after one could not be opened.
const NO_RELIEF_FOR: Duration = Duration::from_secs(10);

/// What a session's thread owns. Dropping it, however the thread ends, vacates
/// the seat and sees to those that still wait.
pub(super) struct SessionThread {
    bastion: Arc<Bastion>,
    seat: u64,
    waker: Arc<OwnedFd>,
    /// Whether it ever opened a tunnel.
    has_served: bool,
}

impl SessionThread {
    /// A session for the seat with this number.
    pub(super) fn new(bastion: Arc<Bastion>, seat: u64, waker: Arc<OwnedFd>) -> Self {
        Self { bastion, seat, waker, has_served: false }
    }

    /// Connects, and serves until the session ends.
    pub(super) fn run(mut self) {
        let bastion = Arc::clone(&self.bastion);
        let (spec, cancel) = (&bastion.spec, &bastion.closed);
        let mut warnings = Vec::new();
        let link = bastion.opener.open(spec, &mut warnings, &Unwatched, cancel, &mut |deadline| {
            bastion.opener.dial(spec, deadline, cancel)
        });
        match link {
            Ok(link) => {
                lock(&bastion.state).warnings.append(&mut warnings);
                let mut pump = Pump::new(link, &bastion, self.seat, &self.waker);
                let ended = pump.run();
                self.has_served = pump.has_served();
                if let Ended { pending: Some(mut request), reason } = ended {
                    if self.has_served && !request.is_second_try {
                        request.is_second_try = true;
                        lock(&bastion.state).waiting.push_front(request);
                    } else {
                        let what = format!("the connection was lost: {reason}");
                        let _ = request.reply.send(Err(bastion.failure(&what)));
                    }
                }
            }
            Err(failure) => self.condemn(failure),
        }
    }

    /// Records that the jump host cannot be reached, unless another session lives.
    fn condemn(&self, failure: Failure) {
        use ErrorCode::{AuthFailed, Cancelled, HostKeyChanged, HostKeyRevoked, HostKeyUnknown};
        let bastion = &self.bastion;
        let mut state = lock(&bastion.state);
        state.seats.retain(|seat| seat.number != self.seat);
        if !state.seats.is_empty() {
            // It was to relieve another, which goes on.
            state.no_relief_until = Some(Instant::now() + NO_RELIEF_FOR);
            return;
        }
        let until = match failure.code {
            AuthFailed | HostKeyChanged | HostKeyRevoked | HostKeyUnknown => None,
            _ => Some(Instant::now() + VERDICT_STANDS),
        };
        let told = match failure.code {
            Cancelled => failure,
            _ => Failure { help: failure.help, ..bastion.failure(&failure.message) },
        };
        bastion.refuse_waiting(&mut state, &told);
        state.verdict = Some(Verdict { failure: told, until });
    }
}

impl Drop for SessionThread {
    fn drop(&mut self) {
        let bastion = &self.bastion;
        let mut state = lock(&bastion.state);
        state.seats.retain(|seat| seat.number != self.seat);
        if state.seats.is_empty() && !state.waiting.is_empty() {
            // A session that served and was then lost is replaced. One that
            // never served would only be lost again.
            if self.has_served && !bastion.closed.is_cancelled() {
                bastion.start_session(&mut state);
            } else {
                let failure = bastion.failure("the connection was lost");
                bastion.refuse_waiting(&mut state, &failure);
            }
        }
    }
}
