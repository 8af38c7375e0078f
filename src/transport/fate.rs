//! What became of a command that was given up, in words.

use std::time::Duration;

use super::link::Stop;
use crate::failure::{ErrorCode, Failure};

/// What became of a command that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It had not started.
    NotStarted,
    /// It was ended.
    Ended,
    /// It goes on.
    Runs,
    /// The server lets nothing run beside it, so that even its exit may have been
    /// missed: what it leaves running keeps its channel open.
    Untold,
    /// Nobody knows.
    Unknown,
}

impl Fate {
    /// What the user should know.
    pub(super) fn warning(self) -> Option<&'static str> {
        match self {
            Self::NotStarted | Self::Ended => None,
            Self::Runs => {
                Some("the command's processes on the host could not be ended, and still run")
            }
            Self::Untold => Some(
                "the server lets nothing run beside a command (`MaxSessions 1`?), so that \
                 nothing could be ended: the command, or what it has started, may still run \
                 on the host",
            ),
            Self::Unknown => {
                Some("the command's processes on the host could not be ended and may still run")
            }
        }
    }

    /// The failure of a command that was stopped.
    pub(super) fn failure(self, stop: Stop, timeout: Option<Duration>) -> Failure {
        let what = match self {
            Self::NotStarted => "had not started",
            Self::Ended => "was ended",
            Self::Runs | Self::Untold | Self::Unknown => "could not be ended",
        };
        match stop {
            Stop::Deadline => {
                let limit = timeout.unwrap_or_default().as_secs_f64();
                let message = match self {
                    Self::Untold => format!(
                        "the command, or what it has started, held its channel for more than \
                         {limit} s, and could not be looked at or ended"
                    ),
                    _ => format!("the command took longer than {limit} s and {what}"),
                };
                Failure::new(ErrorCode::CommandTimeout, message)
                    .with_help("raise `driver_args.timeout`, a limit on the whole command")
            }
            Stop::Cancelled => Failure::new(
                ErrorCode::Cancelled,
                format!("the run was interrupted and the command {what}"),
            ),
            Stop::Lost(reason) => Failure::new(
                ErrorCode::ConnectionLost,
                format!(
                    "the connection was lost ({reason}); the command may still run on the host"
                ),
            ),
            Stop::Refused(error) => Failure::new(
                ErrorCode::ChannelRefused,
                format!("the server refused to go on: {}", error.message()),
            ),
        }
    }
}
