//! A session without blocking calls: every operation runs under one absolute
//! deadline, hears the cancel flag, and notices a dead peer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, Session};

use super::Cancel;

/// `LIBSSH2_ERROR_EAGAIN`: the operation would block; repeat it.
pub(super) const EAGAIN: i32 = -37;
/// `LIBSSH2_ERROR_SOCKET_SEND`, `_SOCKET_DISCONNECT`, `_SOCKET_TIMEOUT`, `_SOCKET_RECV`.
const SOCKET_ERRORS: [i32; 4] = [-7, -13, -30, -43];
/// The longest sleep between two looks at the cancel flag.
pub(super) const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// How long before its deadline a peer is asked for a sign of life, so that it is
/// known then whether it makes sense to clean up there.
const LAST_CALL: Duration = Duration::from_millis(500);
/// How long a peer that did not answer the last call in time may still do so.
const AFTER_THE_LAST_CALL: Duration = Duration::from_millis(300);
/// libssh2 sends keepalives at least two seconds apart, by a clock of whole seconds.
const BETWEEN_CALLS: Duration = Duration::from_secs(3);
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
    last_called: Option<Instant>,
    condemned: Option<&'static str>,
    /// When a channel was last given back.
    released: Option<Instant>,
}

/// How long the peer has been waited for in vain.
///
/// Only time spent waiting counts: a connection that nobody used for ten minutes
/// has the full limit to answer the next question.
#[derive(Default)]
struct Silence {
    lasted: Duration,
    probed_at: Duration,
    /// Whether it was asked for an answer in this time.
    called: bool,
    /// Whether it was waited for after its deadline, too.
    given_up: bool,
}

impl Link {
    /// Takes a session whose handshake is done (or not begun) and a duplicate of
    /// its socket. `keepalive` is how long the peer may stay silent.
    pub(super) fn new(session: Session, socket: OwnedFd, keepalive: Duration) -> Self {
        session.set_blocking(false);
        let silence = Silence::default();
        let (last_called, condemned, released) = (None, None, None);
        Self { session, socket, keepalive, silence, last_called, condemned, released }
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

    /// Opens a channel by `operation`. While the server may still count one that was
    /// given back, a refusal is not its last word.
    pub(super) fn open<T>(
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

    /// Sleeps until the socket is ready in the direction that libssh2 waits for.
    pub(super) fn wait(&mut self, deadline: Deadline, cancel: &Cancel) -> Result<(), Stop> {
        if cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        if let Some(why) = self.condemned {
            return Err(Stop::Lost(why.to_owned()));
        }
        let began = Instant::now();
        if deadline.is_some_and(|deadline| began >= deadline) {
            return Err(Stop::Deadline);
        }
        self.probe()?;
        if deadline.is_some_and(|deadline| deadline - began <= LAST_CALL) {
            self.last_call()?;
        }
        let nap =
            deadline.map_or(CANCEL_INTERVAL, |deadline| (deadline - began).min(CANCEL_INTERVAL));
        let wanted = self.wanted();
        let mut fds = [PollFd::new(&self.socket, wanted)];
        let ready = match poll(&mut fds, Some(&timespec(nap))) {
            Ok(_) => fds[0].revents().intersects(wanted),
            Err(rustix::io::Errno::INTR) => false,
            Err(error) => return Err(Stop::Lost(error.to_string())),
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

    /// Records a wait of `time`, and whether it brought a sign of life: something
    /// to read, or room to send, which only the peer's acknowledgements make.
    pub(super) fn waited(&mut self, time: Duration, heard: bool) {
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

    /// Asks a silent peer for a sign of life, and gives it up after the limit.
    pub(super) fn probe(&mut self) -> Result<(), Stop> {
        if !self.session.authenticated() {
            return Ok(()); // Before that, each stage has a deadline of its own.
        }
        let Silence { lasted, probed_at, .. } = self.silence;
        if lasted >= self.keepalive {
            return Err(Stop::Lost(format!("nothing heard for {:.0} s", lasted.as_secs_f64())));
        }
        if lasted >= probed_at + self.keepalive / 3 {
            self.silence.probed_at = lasted;
            self.call()?;
        }
        Ok(())
    }

    /// Asks for a sign of life shortly before a deadline.
    fn last_call(&mut self) -> Result<(), Stop> {
        let is_due = self.last_called.is_none_or(|at| at.elapsed() >= BETWEEN_CALLS);
        if self.session.authenticated() && !self.silence.called && is_due {
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
                Err(error) if !would_block(&error) => return Err(Stop::Lost(error.to_string())),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the peer still answers, as far as is known when a deadline has
    /// passed. One that was asked in time and said nothing gets a last moment.
    pub(super) fn answers(&mut self) -> bool {
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

impl Drop for Link {
    fn drop(&mut self) {
        // A courtesy that spares the server a log line about a reset connection.
        // With unsent bytes under way it would block, and then it is left out.
        if self.session.authenticated() && is_writable(&self.socket) {
            let _ = self.session.disconnect(None, "done", None);
        }
    }
}

fn is_writable(socket: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok() && fds[0].revents() == PollFlags::OUT
}

/// A duration as `poll` takes it.
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).expect("a nap is short")
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
