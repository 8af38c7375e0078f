//! Why a task did not succeed: the closed list of codes that reports carry, and
//! the failure that pairs a code with words for a person.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a task did not succeed. The names are part of the report's contract:
/// scripts branch on them, so none is ever renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The host name has no address.
    DnsFailed,
    /// Every address refused the TCP connection.
    ConnectRefused,
    /// No address answered within `connection_args.timeout`.
    ConnectTimeout,
    /// The TCP connection failed otherwise (no route, reset, unreachable network).
    ConnectFailed,
    /// The server sent no SSH banner within `banner_timeout`.
    BannerTimeout,
    /// The SSH key exchange failed, or took longer than `timeout`.
    HandshakeFailed,
    /// No known_hosts file knows the host, and the policy is `reject`.
    HostKeyUnknown,
    /// known_hosts has another key for the host. Refused under every policy.
    HostKeyChanged,
    /// known_hosts marks the host's key as revoked. Refused under every policy.
    HostKeyRevoked,
    /// The server accepted none of the credentials.
    AuthFailed,
    /// Authentication took longer than `auth_timeout`.
    AuthTimeout,
    /// The jump host could not be reached, or could not reach the host.
    ProxyFailed,
    /// The connection broke, or nothing answered for the keepalive limit. What
    /// was running on the host may still run.
    ConnectionLost,
    /// The server refused a channel, an exec request, a PTY or the SFTP subsystem.
    ChannelRefused,
    /// A command exited with another status than 0, or was killed by a signal.
    CommandFailed,
    /// A command took longer than `driver_args.timeout`.
    CommandTimeout,
    /// sudo did not accept the password. It was tried once.
    SudoAuthFailed,
    /// sudo asked for a password and none was given.
    SudoPasswordRequired,
    /// sudo's rules do not allow this user to run this command.
    SudoNotPermitted,
    /// sudo insists on a terminal (`requiretty`).
    SudoRequiresTty,
    /// sudo neither started the command nor showed its usual prompt.
    SudoPromptUnknown,
    /// A file transfer failed for another reason than those below.
    TransferFailed,
    /// A file transfer took longer than its timeout.
    TransferTimeout,
    /// The remote or local file system denied access.
    TransferPermission,
    /// The file system is full.
    TransferNoSpace,
    /// The transferred file's SHA-256 differs from the source's.
    TransferVerifyFailed,
    /// A template that had to wait for a registered result could not be rendered.
    TemplateFailed,
    /// A condition that had to wait for a result could not be evaluated, guards gave no
    /// answer, or `until` did not hold before the last try.
    ConditionFailed,
    /// The host was not tried: its credential was rejected elsewhere.
    CanaryRejected,
    /// The task did not run: an earlier task of its host failed, or the run ended.
    Cancelled,
    /// A defect of sshoal itself.
    Internal,
}

impl ErrorCode {
    /// Whether the failure means that the host was not reached (rather than that
    /// its task failed): everything before authentication is complete, and a
    /// lost connection.
    #[must_use]
    pub fn is_unreachable(self) -> bool {
        use ErrorCode::*;
        matches!(
            self,
            DnsFailed
                | ConnectRefused
                | ConnectTimeout
                | ConnectFailed
                | BannerTimeout
                | HandshakeFailed
                | HostKeyUnknown
                | HostKeyChanged
                | HostKeyRevoked
                | AuthFailed
                | AuthTimeout
                | ProxyFailed
                | ConnectionLost
        )
    }

    /// Whether the failure is a deadline that passed while a task ran.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::CommandTimeout | Self::TransferTimeout)
    }
}

/// A failure as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The kind, from a closed list.
    pub code: ErrorCode,
    /// What happened, in one sentence.
    pub message: String,
    /// What to do about it, where there is something to do.
    pub help: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// The same failure with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
