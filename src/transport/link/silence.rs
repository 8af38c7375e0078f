//! Signs of life: how long the peer has been waited for in vain, and asking it for
//! one before it is given up.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::{Link, Stop, timespec, would_block};

/// How long before its deadline a peer is asked for a sign of life, so that it is
/// known then whether it makes sense to clean up there.
const LAST_CALL: Duration = Duration::from_millis(500);
/// How long a peer that did not answer the last call in time may still do so.
const AFTER_THE_LAST_CALL: Duration = Duration::from_millis(300);
/// libssh2 sends keepalives at least two seconds apart, by a clock of whole seconds.
const BETWEEN_CALLS: Duration = Duration::from_secs(3);

/// How long the peer has been waited for in vain.
///
/// Only time spent waiting counts: a connection that nobody used for ten minutes
/// has the full limit to answer the next question.
#[derive(Default)]
pub(super) struct Silence {
    lasted: Duration,
    probed_at: Duration,
    /// Whether it was asked for an answer in this time.
    called: bool,
    /// Whether it was waited for after its deadline, too.
    given_up: bool,
}

impl Link {
    /// Records a wait of `time`, and whether it brought a sign of life: something
    /// to read, or room to send, which only the peer's acknowledgements make.
    pub(in crate::transport) fn waited(&mut self, time: Duration, heard: bool) {
        if heard {
            self.silence = Silence::default();
            // Delayed acknowledgements stall small exchanges by 40 ms each; the
            // flag is one-shot in the kernel, so it is set again with each wake-up.
            // A socket pair to a bastion has no such option.
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.socket, true);
        } else {
            self.silence.lasted += time;
        }
    }

    /// Whether the peer has been asked for a sign of life a while ago and gave none.
    pub(in crate::transport) fn owes_an_answer(&self) -> bool {
        self.silence.lasted >= self.keepalive / 2
    }

    /// Asks a silent peer for a sign of life, and gives it up after the limit.
    pub(in crate::transport) fn probe(&mut self) -> Result<(), Stop> {
        if !self.session.authenticated() {
            return Ok(()); // Before that, each stage has a deadline of its own.
        }
        let Silence { lasted, probed_at, .. } = self.silence;
        if lasted >= self.keepalive {
            let fault = self.route.as_ref().and_then(|route| route.fault(Some(lasted)));
            let own = || format!("nothing heard for {:.0} s", lasted.as_secs_f64());
            return Err(Stop::Lost(fault.unwrap_or_else(own)));
        }
        if lasted >= probed_at + self.keepalive / 3 {
            self.silence.probed_at = lasted;
            self.call()?;
        }
        Ok(())
    }

    /// Asks for a sign of life when little of the time to the deadline is left.
    pub(super) fn last_call(&mut self, left: Option<Duration>) -> Result<(), Stop> {
        let is_late = left.is_some_and(|left| left <= LAST_CALL);
        let is_due = self.last_called.is_none_or(|at| at.elapsed() >= BETWEEN_CALLS);
        if is_late && is_due && self.session.authenticated() && !self.silence.called {
            self.call()?;
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), Stop> {
        self.silence.called = true;
        self.last_called = Some(Instant::now());
        // A keepalive that went out only in part could never be completed, for
        // libssh2 builds it anew each time, and nothing else could be sent after
        // it. So it is sent only where there is room for it; where there is none,
        // room is the answer that is waited for.
        if !self.wanted().contains(PollFlags::OUT) && is_writable(&self.socket) {
            // The interval is only a flag here: libssh2 sends when asked to after
            // it has passed, and the shortest it knows is two seconds.
            self.session.set_keepalive(true, 1);
            match self.session.keepalive_send() {
                Err(error) if !would_block(&error) => return Err(self.lost(error.to_string())),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the peer still answers, as far as is known when a deadline has
    /// passed. One that was asked in time and said nothing gets a last moment.
    pub(in crate::transport) fn answers(&mut self) -> bool {
        if !self.silence.called {
            return true;
        }
        let deadline = Instant::now() + AFTER_THE_LAST_CALL;
        while !self.silence.given_up {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(&self.socket, self.wanted())];
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(0) | Err(_) => self.silence.given_up = left.is_zero(),
                Ok(_) => {
                    self.silence = Silence::default();
                    return true;
                }
            }
        }
        false
    }
}

/// Whether there is room to send.
pub(super) fn is_writable(socket: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok() && fds[0].revents() == PollFlags::OUT
}
