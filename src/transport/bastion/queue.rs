//! The requests that wait, and the sessions that there are to answer them.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::request::Request;
use super::session::SessionThread;
use super::{Bastion, MOST_SESSIONS, lock};
use crate::failure::Failure;
use crate::plan::spec::{ConnectTimeouts, ConnectionSpec};

/// How long a target may take before those behind it get a session of their own.
const RELIEF_AFTER: Duration = Duration::from_secs(1);
/// How long to do without a further session after one could not be opened.
const NO_RELIEF_FOR: Duration = Duration::from_secs(10);

/// Who waits, and for whom.
pub(super) struct State {
    pub(super) waiting: VecDeque<Request>,
    /// The sessions: as a rule one.
    pub(super) seats: Vec<Seat>,
    seats_ever: u64,
    pub(super) verdict: Option<Verdict>,
    no_relief_until: Option<Instant>,
    /// What the user should know about the jump host, until somebody tells it.
    pub(super) warnings: Vec<String>,
    patience: Patience,
}

/// The most patience that any user of a jump host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    timeouts: ConnectTimeouts,
    keepalive: Duration,
}

/// A session's place among its likes.
pub(super) struct Seat {
    number: u64,
    pub(super) waker: Arc<OwnedFd>,
    /// Since when it is connected.
    up_since: Option<Instant>,
    /// The tunnel that it is about; `None` when it can take a request, or soon will.
    busy: Option<Busy>,
}

struct Busy {
    since: Instant,
    /// The target.
    with: String,
}

/// That the jump host cannot be used.
pub(super) struct Verdict {
    pub(super) failure: Failure,
    /// When to try again; a refused identity is not tried again.
    pub(super) until: Option<Instant>,
}

impl State {
    pub(super) fn new(spec: &ConnectionSpec) -> Self {
        Self {
            waiting: VecDeque::new(),
            seats: Vec::new(),
            seats_ever: 0,
            verdict: None,
            no_relief_until: None,
            warnings: Vec::new(),
            patience: Patience::of(spec),
        }
    }

    /// Takes in how patient one more user is. What was found out about the jump host
    /// in less time may have passed.
    pub(super) fn widen(&mut self, spec: &ConnectionSpec) {
        let wider = self.patience.or(Patience::of(spec));
        if wider != self.patience {
            self.patience = wider;
            self.verdict.take_if(|verdict| verdict.until.is_some());
        }
    }

    /// Whether somebody waits for a session.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.iter().any(|request| !request.ticket.is_abandoned())
    }

    /// Notes that the session in the seat is gone; true if it was the last one.
    pub(super) fn vacate(&mut self, seat: u64) -> bool {
        self.seats.retain(|other| other.number != seat);
        self.seats.is_empty()
    }

    /// Does without a further session for a while, since one could not be opened.
    pub(super) fn ban_relief(&mut self) {
        self.no_relief_until = Some(Instant::now() + NO_RELIEF_FOR);
    }

    /// The target that a session is about, if one is.
    pub(super) fn busy_with(&self) -> Option<&str> {
        self.seats.iter().find_map(|seat| Some(seat.busy.as_ref()?.with.as_str()))
    }

    fn seat(&mut self, number: u64) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.number == number)
    }

    /// When a request of `submitted` is overdue. Reaching the jump host itself has
    /// limits of its own, so the time before a session is up does not count.
    pub(super) fn deadline(&self, submitted: Instant, limit: Duration) -> Option<Instant> {
        let up_since = self.seats.iter().filter_map(|seat| seat.up_since).min()?;
        up_since.max(submitted).checked_add(limit)
    }
}

impl Patience {
    fn of(spec: &ConnectionSpec) -> Self {
        Self { timeouts: spec.timeouts, keepalive: spec.keepalive }
    }

    fn or(self, other: Self) -> Self {
        let (one, two) = (self.timeouts, other.timeouts);
        Self {
            timeouts: ConnectTimeouts {
                connect: one.connect.max(two.connect),
                banner: one.banner.max(two.banner),
                auth: one.auth.max(two.auth),
            },
            keepalive: self.keepalive.max(other.keepalive),
        }
    }
}

impl Bastion {
    /// Queues a request, and sees to it that a session will take it.
    pub(super) fn submit(self: &Arc<Self>, request: Request) -> Result<(), Failure> {
        let mut state = lock(&self.state);
        if let Some(verdict) = &state.verdict {
            if verdict.until.is_none_or(|until| Instant::now() < until) {
                return Err(verdict.failure.clone());
            }
            state.verdict = None;
        }
        state.waiting.push_back(request);
        match state.seats.iter().find(|seat| seat.busy.is_none()) {
            Some(seat) => wake(&seat.waker),
            None if state.seats.is_empty() => self.start_session(&mut state),
            None => {} // A busy session takes it when it is done, or calls for relief.
        }
        Ok(())
    }

    /// Notes that the session in the seat can open tunnels from now on.
    pub(super) fn is_up(&self, seat: u64) {
        if let Some(seat) = lock(&self.state).seat(seat) {
            seat.up_since = Some(Instant::now());
        }
    }

    /// The next request that somebody still waits for; without one, the session
    /// is free.
    pub(super) fn next_request(&self, seat: u64) -> Option<Request> {
        let mut state = lock(&self.state);
        let request = loop {
            match state.waiting.pop_front() {
                Some(request) if request.ticket.is_abandoned() => {}
                other => break other,
            }
        };
        if let Some(request) = &request {
            request.ticket.begin();
        }
        if let Some(seat) = state.seat(seat) {
            seat.busy = request
                .as_ref()
                .map(|request| Busy { since: Instant::now(), with: request.address.clone() });
        }
        request
    }

    /// Opens a further session when requests wait and all sessions are held up.
    pub(super) fn relieve(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        let is_banned = state.no_relief_until.is_some_and(|until| Instant::now() < until);
        let held_up = |seat: &Seat| {
            seat.busy.as_ref().is_some_and(|busy| busy.since.elapsed() >= RELIEF_AFTER)
        };
        let has_room = state.seats.len() < MOST_SESSIONS;
        if has_room && !is_banned && state.is_wanted() && state.seats.iter().all(held_up) {
            self.start_session(&mut state);
        }
    }

    /// Whether somebody waits for a session.
    pub(super) fn is_wanted(&self) -> bool {
        lock(&self.state).is_wanted()
    }

    pub(super) fn start_session(self: &Arc<Self>, state: &mut State) {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        let Patience { timeouts, keepalive } = state.patience;
        let spec = ConnectionSpec { timeouts, keepalive, ..(*self.spec).clone() };
        let started = eventfd(0, flags).map_err(std::io::Error::from).and_then(|waker| {
            let waker = Arc::new(waker);
            state.seats_ever += 1;
            let number = state.seats_ever;
            let (bastion, its_waker) = (Arc::clone(self), Arc::clone(&waker));
            // The session is made on its own thread: where there is none, it must not
            // take leave from here, where the state is locked.
            std::thread::Builder::new()
                // All that a name of fifteen bytes can tell apart.
                .name(format!("jump host {}", self.spec.port))
                .stack_size(512 * 1024)
                .spawn(move || SessionThread::new(bastion, number, its_waker).run(&spec))?;
            state.seats.push(Seat { number, waker, up_since: None, busy: None });
            Ok(())
        });
        if let Err(error) = started
            && state.seats.is_empty()
        {
            let failure = self.cannot_start(&error);
            self.refuse_waiting(state, &failure);
        }
    }

    pub(super) fn refuse_waiting(&self, state: &mut State, failure: &Failure) {
        for request in state.waiting.drain(..) {
            let _ = request.reply.send(Err(failure.clone()));
        }
    }
}

pub(super) fn wake(waker: &OwnedFd) {
    // A counter that is full wakes as well.
    let _ = rustix::io::write(waker, &1u64.to_ne_bytes());
}
