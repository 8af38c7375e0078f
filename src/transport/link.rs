//! A session without blocking calls: every operation runs under one absolute
//! deadline, hears the cancel flag, and notices a dead peer.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, Session};

use super::Cancel;

/// `LIBSSH2_ERROR_EAGAIN`: the operation would block; repeat it.
const EAGAIN: i32 = -37;
/// `LIBSSH2_ERROR_SOCKET_SEND`, `_SOCKET_DISCONNECT`, `_SOCKET_TIMEOUT`, `_SOCKET_RECV`.
const SOCKET_ERRORS: [i32; 4] = [-7, -13, -30, -43];
/// The longest sleep between two looks at the cancel flag.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// A moment after which to give up; `None` never comes.
pub(super) type Deadline = Option<Instant>;

/// Why [`Link::drive`] returned without a result.
#[derive(Debug)]
pub(super) enum Stop {
    /// The deadline passed.
    Deadline,
    /// The run is being cancelled.
    Cancelled,
    /// The connection is gone, or the peer answered nothing for the keepalive limit.
    Lost(String),
    /// libssh2 refused, the connection lives.
    Refused(ssh2::Error),
}

/// A libssh2 session in non-blocking mode and the socket under it.
pub(super) struct Link {
    session: Session,
    socket: OwnedFd,
    keepalive: Duration,
    last_heard: Instant,
    last_probe: Instant,
}

impl Link {
    /// Takes a session whose handshake is done (or not begun) and a duplicate of
    /// its socket. `keepalive` is how long the peer may stay silent.
    pub(super) fn new(session: Session, socket: OwnedFd, keepalive: Duration) -> Self {
        session.set_blocking(false);
        let now = Instant::now();
        Self { session, socket, keepalive, last_heard: now, last_probe: now }
    }

    /// The session, for calls that do not touch the network.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Repeats `operation` until it stops answering EAGAIN.
    ///
    /// libssh2 requires that an operation which wanted to send is repeated before
    /// any other is begun; this loop does just that, except when it gives up, and
    /// then the session may only be dropped or used for a best-effort clean-up.
    pub(super) fn drive<T>(
        &mut self,
        deadline: Deadline,
        cancel: &Cancel,
        mut operation: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stop> {
        loop {
            match operation(&self.session) {
                Ok(value) => return Ok(value),
                Err(error) if would_block(&error) => self.wait(deadline, cancel)?,
                Err(error) => return Err(classify(error)),
            }
        }
    }

    /// Sleeps until the socket is ready in the direction that libssh2 waits for.
    pub(super) fn wait(&mut self, deadline: Deadline, cancel: &Cancel) -> Result<(), Stop> {
        if cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Stop::Deadline);
        }
        self.probe(now)?;
        let nap =
            deadline.map_or(CANCEL_INTERVAL, |deadline| (deadline - now).min(CANCEL_INTERVAL));
        let wanted = match self.session.block_directions() {
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
        };
        let mut fds = [PollFd::new(&self.socket, wanted)];
        let nap = Timespec::try_from(nap).expect("a nap is short");
        match poll(&mut fds, Some(&nap)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Stop::Lost(error.to_string())),
        }
        if fds[0].revents().contains(PollFlags::IN) {
            self.last_heard = Instant::now();
            // Delayed acknowledgements stall small exchanges by 40 ms each; the
            // flag is one-shot in the kernel, so it is set again with each wake-up.
            // A socket pair to a bastion has no such option.
            let _ = rustix::net::sockopt::set_tcp_quickack(self.socket.as_fd(), true);
        }
        Ok(())
    }

    /// Asks a silent peer for a sign of life, and gives it up after the limit.
    fn probe(&mut self, now: Instant) -> Result<(), Stop> {
        if !self.session.authenticated() {
            return Ok(()); // Before that, each stage has a deadline of its own.
        }
        let silence = now - self.last_heard;
        if silence >= self.keepalive {
            return Err(Stop::Lost(format!("nothing heard for {} s", silence.as_secs())));
        }
        let interval = self.keepalive / 3;
        if silence >= interval && now - self.last_probe >= interval {
            self.last_probe = now;
            // The interval is only a flag here: libssh2 sends when asked to after
            // it has passed, and the shortest it knows is a second.
            self.session.set_keepalive(true, 1);
            match self.session.keepalive_send() {
                Err(error) if !would_block(&error) => return Err(Stop::Lost(error.to_string())),
                _ => {}
            }
        }
        Ok(())
    }
}

pub(super) fn would_block(error: &ssh2::Error) -> bool {
    error.code() == ssh2::ErrorCode::Session(EAGAIN)
}

pub(super) fn classify(error: ssh2::Error) -> Stop {
    match error.code() {
        ssh2::ErrorCode::Session(code) if SOCKET_ERRORS.contains(&code) => {
            Stop::Lost(error.message().to_owned())
        }
        _ => Stop::Refused(error),
    }
}
