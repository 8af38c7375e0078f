//! What goes wrong with a jump host, in words.

use std::io;

use super::Bastion;
use super::request::Request;
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::ConnectionSpec;
use crate::transport::shortage::shortage;
use crate::transport::tcp::seconds;

impl Bastion {
    /// A failure of the jump host itself.
    pub(super) fn failure(&self, what: &str) -> Failure {
        Failure::new(ErrorCode::ProxyFailed, format!("jump host `{}`: {what}", self.spec.address()))
            .with_help("the jump host's log may tell why")
    }

    /// The failure of who was on the way through a session that was lost.
    pub(super) fn was_lost(&self, fault: String) -> Failure {
        Failure::new(ErrorCode::ProxyFailed, fault).with_help("the jump host's log may tell why")
    }

    /// The failure when this machine has no room for a session.
    pub(super) fn cannot_start(&self, error: &io::Error) -> Failure {
        shortage(&self.spec.address(), error)
            .unwrap_or_else(|| self.failure(&format!("cannot start its session: {error}")))
    }

    /// The failure when this machine has no room for a tunnel.
    pub(super) fn cannot_join(&self, error: &io::Error) -> Failure {
        shortage(&self.spec.address(), error)
            .unwrap_or_else(|| self.failure(&format!("cannot make a way through it: {error}")))
    }

    /// The failure when the jump host has not said in time whether it can connect to
    /// the target.
    pub(super) fn no_answer(&self, target: &ConnectionSpec) -> Failure {
        let limit = seconds(target.timeouts.connect);
        self.failure(&format!("no answer from `{}` within {limit}", target.address())).with_help(
            "check that the target is up and that the jump host can reach it, or raise `timeout`",
        )
    }

    /// The failure when no session had the time to ask for the target. `other` is
    /// whom one of them waits for.
    pub(super) fn no_turn(&self, target: &ConnectionSpec, other: Option<&str>) -> Failure {
        let limit = seconds(target.timeouts.connect);
        let why = match other {
            Some(other) => format!(": it still waits for `{other}`"),
            None => String::new(),
        };
        let what = format!("no turn for `{}` within {limit}{why}", target.address());
        self.failure(&what).with_help(
            "it opens one connection at a time per session and grants no further session: take \
             out targets that are down, or raise `timeout`",
        )
    }

    /// The failure when the jump host cannot or will not connect to the target.
    pub(super) fn refused(&self, request: &Request, error: &ssh2::Error) -> Failure {
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
