//! A session without blocking calls: every operation runs under one absolute
//! deadline, hears the cancel flag, and notices a dead peer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};
use ssh2::{BlockDirections, Session};

use super::Cancel;
use super::bastion::Route;

mod intake;
mod raw;
mod silence;

use intake::Intake;
pub(super) use intake::{AFTER_LOGIN, End, Farewell, Gain, Sent, received};
pub(super) use raw::{Signer, Unsigned, prepare, sign_in};
use silence::{Silence, is_writable};

/// `LIBSSH2_ERROR_EAGAIN`: the operation would block; repeat it.
pub(super) const EAGAIN: i32 = -37;
/// `LIBSSH2_ERROR_TIMEOUT`: it waited for an answer as long as it does by itself.
const TIMEOUT: i32 = -9;
/// `LIBSSH2_ERROR_SOCKET_SEND`, `_SOCKET_DISCONNECT`, `_SOCKET_TIMEOUT`, `_SOCKET_RECV`.
const SOCKET_ERRORS: [i32; 4] = [-7, -13, -30, -43];
/// The longest sleep between two looks at the cancel flag.
pub(super) const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// How long a server may go on counting a channel that was closed towards its
/// `MaxSessions`: OpenSSH does so until it has buried what ran there.
const LINGERING: Duration = Duration::from_secs(2);
/// The pause after the first refusal of a channel; it grows with each further one.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two requests for a channel.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

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
///
/// Dropping it tells the peer goodbye without waiting for anything.
pub(super) struct Link {
    session: Session,
    socket: OwnedFd,
    keepalive: Duration,
    silence: Silence,
    intake: Intake,
    last_called: Option<Instant>,
    condemned: Option<&'static str>,
    /// When a channel was last given back.
    released: Option<Instant>,
    /// The jump host's session that this one leads through.
    route: Option<Arc<Route>>,
}

impl Link {
    /// Takes a session whose handshake is done (or not begun) and a duplicate of
    /// its socket. `keepalive` is how long the peer may stay silent.
    pub(super) fn new(session: Session, socket: OwnedFd, keepalive: Duration) -> Self {
        session.set_blocking(false);
        Self {
            session,
            socket,
            keepalive,
            silence: Silence::default(),
            intake: Intake::default(),
            last_called: None,
            condemned: None,
            released: None,
            route: None,
        }
    }

    /// Notes that the socket leads through a jump host, which is lost where this link
    /// seems to be.
    pub(super) fn leads_through(&mut self, route: Arc<Route>) {
        self.route = Some(route);
    }

    /// The session, for calls that do not touch the network.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The socket, for polling it together with others.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Gives the connection up: whatever has to wait for the peer from now on finds
    /// it lost. For a packet that stays half-sent, since libssh2 answers EAGAIN to
    /// everything else until the rest of it is gone.
    pub(super) fn condemn(&mut self, why: &'static str) {
        self.condemned = Some(why);
    }

    /// Fails when the connection was given up. Who never has to wait asks this.
    pub(super) fn is_kept(&self) -> Result<(), Stop> {
        match self.condemned {
            Some(why) => Err(self.lost(why.to_owned())),
            None => Ok(()),
        }
    }

    /// Why the connection was given up, if it was.
    pub(super) fn condemned(&self) -> Option<&'static str> {
        self.condemned
    }

    /// Whether the peer has closed the connection, or it was given up.
    pub(super) fn has_hung_up(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut fds = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let polled = poll(&mut fds, Some(&timespec(Duration::ZERO)));
        self.condemned.is_some() || (polled.is_ok() && fds[0].revents().intersects(gone))
    }

    /// Repeats `operation` until it stops answering EAGAIN.
    ///
    /// libssh2 requires that an operation which wanted to send is repeated before
    /// any other is begun; this loop does just that, except when it gives up, and
    /// then the session may only be dropped or used for a best-effort clean-up.
    pub(super) fn drive<T: Gain>(
        &mut self,
        deadline: Deadline,
        cancel: &Cancel,
        mut operation: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stop> {
        loop {
            match self.attempt(|link| operation(&link.session)) {
                Ok(value) => return Ok(value),
                Err(error) if would_block(&error) => self.wait(deadline, cancel)?,
                Err(error) => return Err(self.stopped(error)),
            }
        }
    }

    /// Opens a channel by `operation`. While the server may still count one that was
    /// given back, a refusal is not its last word.
    pub(super) fn open<T: Gain>(
        &mut self,
        deadline: Deadline,
        cancel: &Cancel,
        mut operation: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stop> {
        let mut pause = PAUSE;
        loop {
            let opened = self.drive(deadline, cancel, &mut operation);
            let lingers = || self.released.is_some_and(|at| at.elapsed() < LINGERING);
            match opened {
                Err(Stop::Refused(_)) if lingers() => std::thread::sleep(pause),
                opened => return opened,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Notes that a channel was given back.
    pub(super) fn has_released(&mut self) {
        self.released = Some(Instant::now());
    }

    /// The connection is gone, as `reason` says, unless that was the jump host's doing.
    pub(super) fn lost(&self, reason: String) -> Stop {
        let fault = self.route.as_ref().and_then(|route| route.fault(None));
        Stop::Lost(fault.unwrap_or(reason))
    }

    /// Sleeps until the socket is ready in the direction that libssh2 waits for.
    pub(super) fn wait(&mut self, deadline: Deadline, cancel: &Cancel) -> Result<(), Stop> {
        if cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        self.is_kept()?;
        let began = Instant::now();
        if deadline.is_some_and(|deadline| began >= deadline) {
            return Err(Stop::Deadline);
        }
        self.probe()?;
        self.last_call(deadline.map(|deadline| deadline - began))?;
        let nap =
            deadline.map_or(CANCEL_INTERVAL, |deadline| (deadline - began).min(CANCEL_INTERVAL));
        let wanted = self.wanted();
        let mut fds = [PollFd::new(&self.socket, wanted)];
        let ready = match poll(&mut fds, Some(&timespec(nap))) {
            Ok(_) => fds[0].revents().intersects(wanted),
            Err(rustix::io::Errno::INTR) => false,
            Err(error) => return Err(self.lost(error.to_string())),
        };
        self.waited(began.elapsed(), ready);
        Ok(())
    }

    /// The directions that libssh2 waits for.
    pub(super) fn wanted(&self) -> PollFlags {
        match self.session.block_directions() {
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A courtesy that spares the server a log line about a reset connection.
        // With unsent bytes under way it would block, and then it is left out.
        if self.session.authenticated() && is_writable(&self.socket) {
            let _ = self.session.disconnect(None, "done", None);
        }
        // Whatever is still to be freed would otherwise ask the server for leave, and
        // stay in memory where it does not come.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }
}

/// A duration as `poll` takes it.
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).expect("a nap is short")
}

pub(super) fn would_block(error: &ssh2::Error) -> bool {
    error.code() == ssh2::ErrorCode::Session(EAGAIN)
}

fn classify(error: ssh2::Error) -> Stop {
    match error.code() {
        ssh2::ErrorCode::Session(code) if SOCKET_ERRORS.contains(&code) => {
            Stop::Lost(error.message().to_owned())
        }
        // Never a refusal: nothing was answered.
        ssh2::ErrorCode::Session(TIMEOUT) => Stop::Deadline,
        _ => Stop::Refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_in_time_is_no_refusal() {
        let stop = |code| classify(ssh2::Error::from_errno(ssh2::ErrorCode::Session(code)));
        assert!(matches!(stop(TIMEOUT), Stop::Deadline));
        assert!(matches!(stop(-43), Stop::Lost(_)));
        assert!(matches!(stop(-18), Stop::Refused(_)));
    }
}
