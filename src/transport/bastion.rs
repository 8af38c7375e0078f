//! Jump hosts: one session per run and identity, shared by all targets behind it.
//!
//! A target asks for a tunnel and gets one end of a socket pair; the session's
//! own thread pumps the other end to and from a `direct-tcpip` channel. This
//! module owns who waits for which session; [`session`] owns a session's life, and [`pump`] the moving of bytes.
//!
//! libssh2 opens one channel at a time per session, so a target that does not
//! answer would hold up all that come after it. While one does, a further
//! session is opened for those that wait.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::Cancel;
use super::connector::Opener;
use super::link::CANCEL_INTERVAL;
use super::tcp::cancelled;
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::ConnectionSpec;

mod pump;
mod session;
mod tunnel;

use session::SessionThread;

/// How long a target may take before those behind it get a session of their own.
const RELIEF_AFTER: Duration = Duration::from_secs(1);

/// The jump hosts of a run. Dropping it ends their sessions.
pub(super) struct Bastions {
    opener: Arc<Opener>,
    known: Mutex<Vec<Arc<Bastion>>>,
}

impl Bastions {
    /// None yet.
    pub(super) fn new(opener: Arc<Opener>) -> Self {
        Self { opener, known: Mutex::default() }
    }

    /// A connected socket to `target` through `proxy`, and the warnings of
    /// reaching the proxy itself, which only its first user gets.
    pub(super) fn dial(
        &self,
        proxy: &Arc<ConnectionSpec>,
        target: &ConnectionSpec,
        warnings: &mut Vec<String>,
        cancel: &Cancel,
    ) -> Result<OwnedFd, Failure> {
        let opened = self.bastion(proxy).tunnel(target, cancel)?;
        warnings.extend(opened.warnings);
        Ok(opened.socket)
    }

    fn bastion(&self, proxy: &Arc<ConnectionSpec>) -> Arc<Bastion> {
        let mut known = lock(&self.known);
        if let Some(found) =
            known.iter().find(|known| Arc::ptr_eq(&known.spec, proxy) || known.spec == *proxy)
        {
            return Arc::clone(found);
        }
        let bastion = Arc::new(Bastion {
            spec: Arc::clone(proxy),
            opener: Arc::clone(&self.opener),
            closed: Cancel::default(),
            state: Mutex::default(),
        });
        known.push(Arc::clone(&bastion));
        bastion
    }
}

impl Drop for Bastions {
    fn drop(&mut self) {
        for bastion in lock(&self.known).drain(..) {
            bastion.closed.cancel();
            for seat in &lock(&bastion.state).seats {
                wake(&seat.waker);
            }
        }
    }
}

/// One jump host under one identity.
struct Bastion {
    spec: Arc<ConnectionSpec>,
    opener: Arc<Opener>,
    closed: Cancel,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    /// The sessions: as a rule one.
    seats: Vec<Seat>,
    seats_ever: u64,
    verdict: Option<Verdict>,
    no_relief_until: Option<Instant>,
    warnings: Vec<String>,
}

/// A session's place among its likes.
struct Seat {
    number: u64,
    waker: Arc<OwnedFd>,
    /// Since when it opens the tunnel that it is about; `None` when it can take
    /// a request, or soon will.
    busy_since: Option<Instant>,
}

/// That the jump host cannot be used.
struct Verdict {
    failure: Failure,
    /// When to try again; a refused identity is not tried again.
    until: Option<Instant>,
}

/// A target that waits for its tunnel.
struct Request {
    host: String,
    port: u16,
    address: String,
    limit: Duration,
    reply: SyncSender<Result<Opened, Failure>>,
    /// Set when nobody waits any more.
    abandoned: Cancel,
    /// Whether a session was lost while it opened this.
    is_second_try: bool,
}

struct Opened {
    socket: OwnedFd,
    warnings: Vec<String>,
}

impl Bastion {
    fn tunnel(
        self: &Arc<Self>,
        target: &ConnectionSpec,
        cancel: &Cancel,
    ) -> Result<Opened, Failure> {
        let (reply, answer) = sync_channel(1);
        let abandoned = Cancel::default();
        self.submit(Request {
            host: target.host.clone(),
            port: target.port,
            address: target.address(),
            limit: target.timeouts.connect,
            reply,
            abandoned: abandoned.clone(),
            is_second_try: false,
        })?;
        loop {
            match answer.recv_timeout(CANCEL_INTERVAL) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                    abandoned.cancel();
                    return Err(cancelled(&target.address()));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failure("its session ended unexpectedly"));
                }
            }
        }
    }

    /// Queues a request, and sees to it that a session will take it.
    fn submit(self: &Arc<Self>, request: Request) -> Result<(), Failure> {
        let mut state = lock(&self.state);
        if let Some(verdict) = &state.verdict {
            if verdict.until.is_none_or(|until| Instant::now() < until) {
                return Err(verdict.failure.clone());
            }
            state.verdict = None;
        }
        state.waiting.push_back(request);
        match state.seats.iter().find(|seat| seat.busy_since.is_none()) {
            Some(seat) => wake(&seat.waker),
            None if state.seats.is_empty() => self.start_session(&mut state),
            None => {} // A busy session takes it when it is done, or calls for relief.
        }
        Ok(())
    }

    /// The next request that somebody still waits for; without one, the session
    /// is free.
    fn next_request(&self, seat: u64) -> Option<Request> {
        let mut state = lock(&self.state);
        let request = loop {
            match state.waiting.pop_front() {
                Some(request) if request.abandoned.is_cancelled() => {}
                other => break other,
            }
        };
        if let Some(seat) = state.seats.iter_mut().find(|other| other.number == seat) {
            seat.busy_since = request.as_ref().map(|_| Instant::now());
        }
        request
    }

    /// Opens a further session when requests wait and all sessions are held up.
    fn relieve(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        let is_banned = state.no_relief_until.is_some_and(|until| Instant::now() < until);
        let held_up =
            |seat: &Seat| seat.busy_since.is_some_and(|since| since.elapsed() >= RELIEF_AFTER);
        if !state.waiting.is_empty() && state.seats.iter().all(held_up) && !is_banned {
            self.start_session(&mut state);
        }
    }

    fn start_session(self: &Arc<Self>, state: &mut State) {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        let started = eventfd(0, flags).map_err(std::io::Error::from).and_then(|waker| {
            let waker = Arc::new(waker);
            state.seats_ever += 1;
            let session =
                SessionThread::new(Arc::clone(self), state.seats_ever, Arc::clone(&waker));
            let seat = Seat { number: state.seats_ever, waker, busy_since: None };
            std::thread::Builder::new()
                .name("jump host".to_owned())
                .stack_size(512 * 1024)
                .spawn(move || session.run())?;
            state.seats.push(seat);
            Ok(())
        });
        if let Err(error) = started
            && state.seats.is_empty()
        {
            self.refuse_waiting(
                state,
                &self.failure(&format!("cannot start its session: {error}")),
            );
        }
    }

    fn refuse_waiting(&self, state: &mut State, failure: &Failure) {
        for request in state.waiting.drain(..) {
            let _ = request.reply.send(Err(failure.clone()));
        }
    }

    /// A failure of the jump host itself.
    fn failure(&self, what: &str) -> Failure {
        Failure::new(ErrorCode::ProxyFailed, format!("jump host `{}`: {what}", self.spec.address()))
            .with_help("the jump host's log may tell why")
    }

    /// The failure when the jump host cannot or will not connect to the target.
    fn refused(&self, request: &Request, error: &ssh2::Error) -> Failure {
        let target = &request.address;
        let (what, help) = match error.message() {
            text if text.contains("administratively prohibited") => (
                format!("it does not allow a connection to `{target}`"),
                "allow it in the jump host's sshd_config (AllowTcpForwarding, PermitOpen)"
                    .to_owned(),
            ),
            text if text.contains("connect failed") => (
                format!("it cannot connect to `{target}`"),
                format!(
                    "check that the target is up, and that the jump host resolves `{}` and reaches \
                     port {}",
                    request.host, request.port
                ),
            ),
            text => {
                let what =
                    format!("it cannot open a connection to `{target}`: {}", text.to_lowercase());
                return self.failure(&what);
            }
        };
        self.failure(&what).with_help(help)
    }
}

fn wake(waker: &OwnedFd) {
    // A counter that is full wakes as well.
    let _ = rustix::io::write(waker, &1u64.to_ne_bytes());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
