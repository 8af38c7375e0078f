//! Jump hosts: one session per run and identity, shared by all targets behind it.
//!
//! An identity is where the jump host is, who signs in there with what, and what is
//! thought of an unknown host key. Hosts that differ only in how long they wait share
//! it: the session has the most patience that any of them has.
//!
//! A target asks for a tunnel and gets one end of a socket pair; the session's
//! own thread pumps the other end to and from a `direct-tcpip` channel. [`request`]
//! owns a target's wait, [`queue`] who waits for which session, [`session`] a
//! session's life, [`pump`] the moving of bytes, and [`route`] what becomes known at
//! the near end of a tunnel about the session that it leads through.
//!
//! A password goes to a jump host only when the watch over it says so, like any other;
//! the limits of those who wait begin when the jump host is reached.
//!
//! libssh2 opens one channel at a time per session, so a target that does not
//! answer would hold up all that come after it. While one does, a further session
//! is opened for those that wait, up to [`MOST_SESSIONS`] at a time. One that is left
//! with nothing but a target that was given up makes room for another.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Cancel;
use super::connector::Opener;
use super::link::Link;
use super::password::PasswordWatch;
use crate::failure::Failure;
use crate::plan::spec::ConnectionSpec;

mod pump;
mod queue;
mod request;
mod route;
mod session;
mod tunnel;
mod words;

use queue::{State, wake};
pub(super) use route::{Journey, Route};

/// How many sessions a jump host has at most under one identity.
const MOST_SESSIONS: usize = 8;

/// The jump hosts of a run. Dropping it ends their sessions.
pub(super) struct Bastions {
    opener: Arc<Opener>,
    known: Mutex<Vec<Arc<Bastion>>>,
}

/// One jump host under one identity.
struct Bastion {
    /// Whose time limits are those of its first user: see [`queue::Patience`].
    spec: Arc<ConnectionSpec>,
    opener: Arc<Opener>,
    passwords: Arc<dyn PasswordWatch + Send + Sync>,
    closed: Cancel,
    state: Mutex<State>,
}

impl Bastions {
    /// None yet.
    pub(super) fn new(opener: Arc<Opener>) -> Self {
        Self { opener, known: Mutex::default() }
    }

    /// A connected socket to `target` through `proxy`. A journey on which the jump
    /// host was lost goes on through a new session once.
    pub(super) fn dial(
        &self,
        proxy: &Arc<ConnectionSpec>,
        target: &ConnectionSpec,
        journey: &mut Journey,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<OwnedFd, Failure> {
        journey.begin_anew()?;
        let bastion = self.bastion(proxy, passwords);
        let opened = bastion.tunnel(target, cancel)?;
        journey.goes_through(bastion, opened.route);
        Ok(opened.socket)
    }

    /// Gives the warnings about a jump host itself to its first user, and lets go of
    /// them.
    pub(super) fn hand_over_warnings(&self, proxy: &ConnectionSpec, warnings: &mut Vec<String>) {
        let known = lock(&self.known);
        let bastion = known.iter().find(|known| is_same_identity(&known.spec, proxy));
        if let Some(bastion) = bastion {
            warnings.append(&mut lock(&bastion.state).warnings);
        }
    }

    fn bastion(&self, proxy: &Arc<ConnectionSpec>, passwords: &dyn PasswordWatch) -> Arc<Bastion> {
        let mut known = lock(&self.known);
        if let Some(found) = known.iter().find(|known| is_same_identity(&known.spec, proxy)) {
            lock(&found.state).widen(proxy);
            return Arc::clone(found);
        }
        let bastion = Arc::new(Bastion {
            spec: Arc::clone(proxy),
            opener: Arc::clone(&self.opener),
            passwords: passwords.of_proxy(),
            closed: Cancel::default(),
            state: Mutex::new(State::new(proxy)),
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

/// Ends a journey: tells the link which way it leads, and blames a failure on the way
/// where it was that which failed.
pub(super) fn arrive(journey: Journey, opened: Result<Link, Failure>) -> Result<Link, Failure> {
    let mut link = opened.map_err(|failure| journey.blame(failure))?;
    if let Some(route) = journey.into_route() {
        link.leads_through(route);
    }
    Ok(link)
}

/// Whether two hosts share a session with their jump host.
fn is_same_identity(one: &ConnectionSpec, other: &ConnectionSpec) -> bool {
    // Every field is named, so that a new one is not forgotten here.
    let ConnectionSpec {
        host,
        port,
        username,
        credentials,
        timeouts: _,
        keepalive: _,
        host_key_policy,
        known_hosts,
        compress,
        proxy,
    } = one;
    *host == other.host
        && *port == other.port
        && *username == other.username
        && *credentials == other.credentials
        && *host_key_policy == other.host_key_policy
        && *known_hosts == other.known_hosts
        && *compress == other.compress
        && *proxy == other.proxy
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
