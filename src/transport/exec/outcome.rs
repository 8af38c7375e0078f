//! What comes of a command, and what the server says about its end.

use ssh2::Channel;

use super::super::capture::Capture;
use super::super::link::Stop;
use super::super::sudo::Trouble;

/// What came of a command.
pub(in crate::transport) struct Ran {
    /// Standard output; with a PTY, both streams.
    pub(in crate::transport) out: Capture,
    /// Standard error.
    pub(in crate::transport) err: Capture,
    /// What sudo said and was not followed by the command's start.
    pub(in crate::transport) said: Vec<u8>,
    /// How it ended.
    pub(in crate::transport) end: End,
    /// How far sudo got with it.
    pub(in crate::transport) elevation: Elevation,
    /// The channel of a command that was given up and may still run: closing it
    /// takes a terminal from under its processes and scatters them.
    pub(in crate::transport) channel: Option<Channel>,
}

/// How a command ended.
pub(in crate::transport) enum End {
    /// With this status.
    Exited(i32),
    /// By this signal (without `SIG`).
    Signalled(String),
    /// sudo would not start it.
    Trouble(Trouble),
    /// sudo ended without starting it.
    NotStarted,
    /// The server refused a step on the way; which, and why.
    Refused(&'static str, ssh2::Error),
    /// Deadline, cancellation or a lost connection.
    Stopped(Stop),
}

/// How far sudo is known to have got with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) enum Elevation {
    /// Nothing tells: it runs words. Whether it has been given the password.
    Untold { asked: bool },
    /// It has not been seen to start the command: whether it takes the password, if
    /// there is one, is not known.
    Pending,
    /// It has started the command without asking.
    Free,
    /// It has started the command after taking the password.
    Proven,
}

/// Whether the server has reported an exit that differs from status 0, which
/// looks as if nothing had been reported.
pub(super) fn has_exited(channel: &Channel) -> bool {
    channel.exit_status().is_ok_and(|status| status != 0)
        || channel.exit_signal().is_ok_and(|signal| signal.exit_signal.is_some())
}

pub(super) fn refused(what: &'static str, stop: Stop) -> End {
    match stop {
        Stop::Refused(error) => End::Refused(what, error),
        stop => End::Stopped(stop),
    }
}
