//! One session with a jump host, from its connection to its end, and who is told.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pump::{Ended, Pump, Reason};
use super::queue::Verdict;
use super::{Bastion, Route, lock};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::ConnectionSpec;

/// How long a network failure of a jump host stands before it is tried again.
const VERDICT_STANDS: Duration = Duration::from_secs(30);

/// What a session's thread owns. Dropping it, however the thread ends, vacates
/// the seat and sees to those that still wait.
pub(super) struct SessionThread {
    bastion: Arc<Bastion>,
    seat: u64,
    waker: Arc<OwnedFd>,
    /// Whether another is to take its place if somebody waits.
    is_replaced: bool,
}

impl SessionThread {
    /// A session for the seat with this number.
    pub(super) fn new(bastion: Arc<Bastion>, seat: u64, waker: Arc<OwnedFd>) -> Self {
        Self { bastion, seat, waker, is_replaced: false }
    }

    /// Connects as `spec` says, and serves until the session ends.
    pub(super) fn run(mut self, spec: &ConnectionSpec) {
        let bastion = Arc::clone(&self.bastion);
        let (cancel, passwords) = (&bastion.closed, &*bastion.passwords);
        let mut warnings = Vec::new();
        let link = bastion.opener.open(spec, &mut warnings, passwords, cancel, &mut |deadline| {
            bastion.opener.dial(spec, deadline, cancel)
        });
        lock(&bastion.state).warnings.append(&mut warnings);
        match link {
            Ok(link) => {
                bastion.is_up(self.seat);
                let route = Arc::new(Route::new(bastion.spec.address()));
                let mut pump = Pump::new(link, &bastion, self.seat, &self.waker, &route);
                let Ended { pending, reason } = pump.run();
                let has_served = pump.has_served();
                // A session that served and was then lost is replaced. One that
                // never served would only be lost again.
                self.is_replaced = match &reason {
                    Reason::RunEnded => false,
                    Reason::MadeRoom => true,
                    Reason::Lost(_) => has_served,
                };
                if let Reason::Lost(why) = &reason {
                    route.lose(why);
                    if let Some(mut request) = pending {
                        if has_served && !request.is_second_try {
                            request.is_second_try = true;
                            lock(&bastion.state).waiting.push_front(request);
                        } else {
                            let what = format!("the connection was lost: {why}");
                            let _ = request.reply.send(Err(bastion.failure(&what)));
                        }
                    }
                }
            }
            Err(failure) => self.condemn(failure),
        }
    }

    /// Records that the jump host cannot be reached, unless another session lives.
    fn condemn(&self, failure: Failure) {
        use ErrorCode::{
            AuthFailed, CanaryRejected, Cancelled, HostKeyChanged, HostKeyRevoked, HostKeyUnknown,
        };
        let bastion = &self.bastion;
        let mut state = lock(&bastion.state);
        if !state.vacate(self.seat) {
            // It was to relieve another, which goes on.
            state.ban_relief();
            return;
        }
        let until = match failure.code {
            AuthFailed | CanaryRejected | HostKeyChanged | HostKeyRevoked | HostKeyUnknown => None,
            _ => Some(Instant::now() + VERDICT_STANDS),
        };
        let told = match failure.code {
            Cancelled | CanaryRejected => failure,
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
        if state.vacate(self.seat) && !state.waiting.is_empty() {
            if self.is_replaced && !bastion.closed.is_cancelled() {
                bastion.start_session(&mut state);
            } else {
                let failure = bastion.failure("the connection was lost");
                bastion.refuse_waiting(&mut state, &failure);
            }
        }
    }
}
