//! The loop of a jump host's session: opens tunnels and moves their bytes.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::PollFlags;

use super::request::{Opened, Request};
use super::tunnel::{Call, Step, Tunnel};
use super::{Bastion, Route};
use crate::transport::link::{Gain as _, Link, Stop, received, would_block};

mod budget;
mod rest;

use budget::Budget;

/// Why most sessions are lost.
const HUNG_UP: &str = "it closed the connection";

/// A session and its tunnels.
pub(super) struct Pump<'p> {
    link: Link,
    bastion: &'p Arc<Bastion>,
    seat: u64,
    waker: &'p OwnedFd,
    route: &'p Arc<Route>,
    tunnels: BTreeMap<TunnelId, Tunnel>,
    tunnels_ever: u64,
    opening: Option<Opening>,
    /// The call that left bytes unsent, to be repeated before any other.
    unsent: Option<Unsent>,
    has_served: bool,
    budget: Budget,
    /// What the answers and the tunnels' data are worth that the pass being made met.
    worth: u64,
}

/// Tells a tunnel from all others of its session, those included that are gone: what
/// is to be repeated must never be taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TunnelId(u64);

/// How the session ended.
pub(super) struct Ended {
    /// The request that was being opened.
    pub(super) pending: Option<Request>,
    /// Why.
    pub(super) reason: Reason,
}

/// Why a session ended.
pub(super) enum Reason {
    /// There is no more use for it.
    RunEnded,
    /// It had nothing left but a target that was given up, and others waited.
    MadeRoom,
    /// The connection was lost, and why.
    Lost(String),
}

struct Opening {
    request: Request,
    ours: UnixStream,
    theirs: UnixStream,
}

#[derive(Clone, Copy)]
enum Unsent {
    Open,
    Tunnel(TunnelId, Call),
}

impl<'p> Pump<'p> {
    /// A pump without tunnels yet.
    pub(super) fn new(
        link: Link,
        bastion: &'p Arc<Bastion>,
        seat: u64,
        waker: &'p OwnedFd,
        route: &'p Arc<Route>,
    ) -> Self {
        Self {
            link,
            bastion,
            seat,
            waker,
            route,
            tunnels: BTreeMap::new(),
            tunnels_ever: 0,
            opening: None,
            unsent: None,
            has_served: false,
            budget: Budget::default(),
            worth: 0,
        }
    }

    /// Whether it ever opened a tunnel.
    pub(super) fn has_served(&self) -> bool {
        self.has_served
    }

    /// Works until the connection is lost or the run has no more use for it.
    pub(super) fn run(&mut self) -> Ended {
        let reason = loop {
            if self.bastion.closed.is_cancelled() {
                break Reason::RunEnded;
            }
            // What one tunnel reads may bring data for those before it, so only
            // a pass in which nothing moved and nothing came in allows a sleep.
            let before = received();
            self.worth = 0;
            let passed = self.pass();
            let came_in = received().saturating_sub(before);
            if let Err(reason) = self.budget.spend(came_in, self.tunnels.len(), self.worth) {
                break Reason::Lost(reason);
            }
            // Whatever keeps this session from going on, others may help out.
            if self.opening.is_some() {
                self.bastion.relieve();
            }
            match passed {
                Ok(moved) if moved || came_in > 0 => continue,
                Ok(_) if self.is_stuck() && self.bastion.is_wanted() => break Reason::MadeRoom,
                Ok(_) => {}
                Err(reason) => break self.lost(reason),
            }
            if let Err(reason) = self.sleep() {
                break self.lost(reason);
            }
        };
        let pending = self.opening.take().map(|opening| opening.request);
        Ended { pending, reason }
    }

    /// libssh2 names the call that failed, where a person wants to know what happened.
    fn lost(&self, reason: String) -> Reason {
        let reason = if self.link.has_hung_up() { HUNG_UP.to_owned() } else { reason };
        Reason::Lost(reason)
    }

    /// Whether all that it does is wait for a target that nobody waits for any more.
    fn is_stuck(&self) -> bool {
        self.tunnels.is_empty()
            && self.opening.as_ref().is_some_and(|opening| opening.request.ticket.is_abandoned())
    }

    /// Does what can be done without waiting; true when something moved.
    fn pass(&mut self) -> Result<bool, String> {
        let mut moved = match self.unsent.take() {
            Some(Unsent::Open) => self.open()?,
            Some(Unsent::Tunnel(id, call)) => self.call(id, call)?,
            None => false,
        };
        if self.unsent.is_some() {
            return Ok(false);
        }
        if self.opening.is_none()
            && let Some(request) = self.bastion.next_request(self.seat)
        {
            self.begin(request);
            moved = true;
        }
        if self.opening.is_some() {
            moved |= self.open()?;
        }
        let ids: Vec<_> = self.tunnels.keys().copied().collect();
        for id in ids {
            for call in Tunnel::CALLS {
                if self.unsent.is_some() {
                    return Ok(moved);
                }
                moved |= self.call(id, call)?;
            }
        }
        // Letting go of a channel may be another call.
        if self.unsent.is_none() {
            self.tunnels.retain(|_, tunnel| !tunnel.is_closed());
        }
        Ok(moved)
    }

    fn call(&mut self, id: TunnelId, call: Call) -> Result<bool, String> {
        let Some(tunnel) = self.tunnels.get_mut(&id) else { return Ok(false) };
        let step = tunnel.make(call);
        self.worth += tunnel.arrived().worth();
        match step {
            Step::Idle => Ok(false),
            step @ (Step::Moved | Step::Blocked) => {
                // A call may both move something and leave the rest unsent.
                if self.has_unsent_bytes() {
                    self.unsent = Some(Unsent::Tunnel(id, call));
                }
                Ok(step == Step::Moved)
            }
            Step::Broken => match ssh2::Error::last_session_error(self.link.session()) {
                Some(error) => match self.link.stopped(error) {
                    Stop::Lost(reason) => Err(reason),
                    _ => Ok(true), // The tunnel alone; it closes in the next pass.
                },
                None => Ok(true),
            },
        }
    }

    fn has_unsent_bytes(&self) -> bool {
        self.link.wanted().contains(PollFlags::OUT)
    }

    /// Takes a request, with the socket pair that it will need: a machine that is out
    /// of files costs this target its tunnel, and no other.
    fn begin(&mut self, request: Request) {
        let pair = UnixStream::pair()
            .and_then(|(ours, theirs)| ours.set_nonblocking(true).map(|()| (ours, theirs)));
        match pair {
            Ok((ours, theirs)) => self.opening = Some(Opening { request, ours, theirs }),
            Err(error) => {
                let _ = request.reply.send(Err(self.bastion.cannot_join(&error)));
            }
        }
    }

    /// Goes on with the channel that is being opened.
    fn open(&mut self) -> Result<bool, String> {
        let Some(opening) = &self.opening else { return Ok(false) };
        let Request { host, port, .. } = &opening.request;
        match self.link.session().channel_direct_tcpip(host, *port, None) {
            Ok(channel) => {
                self.has_served = true;
                self.worth += channel.worth();
                if let Some(Opening { request, ours, theirs }) = self.opening.take() {
                    let mut tunnel = Tunnel::new(channel, ours);
                    let (socket, route) = (theirs.into(), Arc::clone(self.route));
                    match request.ticket.is_abandoned() {
                        true => tunnel.hang_up(),
                        false => drop(request.reply.send(Ok(Opened { socket, route }))),
                    }
                    self.tunnels_ever += 1;
                    self.tunnels.insert(TunnelId(self.tunnels_ever), tunnel);
                }
                Ok(true)
            }
            Err(error) if would_block(&error) => {
                if self.has_unsent_bytes() {
                    self.unsent = Some(Unsent::Open);
                }
                Ok(false)
            }
            Err(error) => match self.link.stopped(error) {
                Stop::Refused(error) => {
                    if let Some(Opening { request, .. }) = self.opening.take() {
                        let failure = self.bastion.refused(&request, &error);
                        let _ = request.reply.send(Err(failure));
                    }
                    // The jump host works, even if it does not want this.
                    self.has_served = true;
                    self.worth += ().worth();
                    Ok(true)
                }
                Stop::Lost(reason) => Err(reason),
                Stop::Deadline | Stop::Cancelled => Ok(false),
            },
        }
    }
}
