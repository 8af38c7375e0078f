//! What becomes of the session that a tunnel leads through, for those at its end.
//!
//! To a link over a tunnel the loss of the jump host looks as if its own host had
//! hung up. So whoever finds such a link broken asks here first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Bastion;
use crate::failure::{ErrorCode, Failure};

/// How often a journey may begin anew because the jump host was lost.
const MOST_LOSSES: u32 = 1;

/// The session with a jump host that tunnels lead through.
pub(in crate::transport) struct Route {
    jump_host: String,
    /// Why the session was lost, once it is.
    lost: OnceLock<String>,
    /// Whether the jump host owes an answer to a question after its life.
    is_silent: AtomicBool,
}

impl Route {
    pub(super) fn new(jump_host: String) -> Self {
        Self { jump_host, lost: OnceLock::new(), is_silent: AtomicBool::new(false) }
    }

    /// Records why the session was lost. To be called before the tunnels end, for
    /// who notices that asks at once.
    pub(super) fn lose(&self, why: &str) {
        let _ = self.lost.set(why.to_owned());
    }

    /// Records whether the jump host owes a sign of life.
    pub(super) fn seems_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }

    /// What is wrong with the jump host, if something is. Who has waited for the end
    /// of the tunnel in vain says for how long: where the jump host is silent, too, it
    /// is the jump host that was waited for.
    pub(in crate::transport) fn fault(&self, waited: Option<Duration>) -> Option<String> {
        let why = match (self.lost.get(), waited) {
            (Some(why), _) => why.clone(),
            (None, Some(waited)) if self.is_silent.load(Ordering::Relaxed) => {
                format!("nothing heard for {:.0} s", waited.as_secs_f64())
            }
            (None, _) => return None,
        };
        Some(format!("jump host `{}` was lost: {why}", self.jump_host))
    }
}

/// The way to one target, from its first tunnel to an open session.
#[derive(Default)]
pub(in crate::transport) struct Journey {
    way: Option<(Arc<Bastion>, Arc<Route>)>,
    losses: u32,
}

impl Journey {
    /// Fails when the jump host was lost under this journey as often as that may be.
    pub(super) fn begin_anew(&mut self) -> Result<(), Failure> {
        if let Some((bastion, fault)) = self.fault() {
            if self.losses == MOST_LOSSES {
                return Err(bastion.was_lost(fault));
            }
            self.losses += 1;
        }
        self.way = None;
        Ok(())
    }

    pub(super) fn goes_through(&mut self, bastion: Arc<Bastion>, route: Arc<Route>) {
        self.way = Some((bastion, route));
    }

    pub(super) fn into_route(self) -> Option<Arc<Route>> {
        self.way.map(|(_, route)| route)
    }

    /// The failure of the journey: the jump host's where it was lost, and otherwise
    /// what its end says.
    pub(super) fn blame(&self, failure: Failure) -> Failure {
        use ErrorCode::{
            AuthFailed, AuthTimeout, BannerTimeout, ConnectFailed, ConnectionLost, HandshakeFailed,
        };
        let may_follow = matches!(
            failure.code,
            ConnectFailed
                | ConnectionLost
                | BannerTimeout
                | HandshakeFailed
                | AuthFailed
                | AuthTimeout
        );
        match self.fault() {
            Some((bastion, fault)) if may_follow => bastion.was_lost(fault),
            _ => failure,
        }
    }

    fn fault(&self) -> Option<(&Bastion, String)> {
        let (bastion, route) = self.way.as_ref()?;
        Some((bastion, route.fault(None)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_tells_a_lost_jump_host_from_a_lost_target() {
        let route = Route::new("jump:22".to_owned());
        let minute = Some(Duration::from_secs(60));
        assert_eq!((route.fault(None), route.fault(minute)), (None, None));
        route.seems_silent(true);
        assert_eq!(route.fault(None), None);
        let silent = "jump host `jump:22` was lost: nothing heard for 60 s";
        assert_eq!(route.fault(minute).as_deref(), Some(silent));
        route.lose("it closed the connection");
        let closed = "jump host `jump:22` was lost: it closed the connection";
        assert_eq!(route.fault(None).as_deref(), Some(closed));
    }
}
