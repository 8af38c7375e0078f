//! Moving one file over SFTP, under one deadline, so that the target is either
//! untouched or whole.
//!
//! The bytes go to a temporary file beside the target, are verified by SHA-256
//! where the host has a shell, and take the target's place by a rename. It owns
//! its SFTP client and its way to hash files on the host; it knows nothing of
//! commands, sudo or sessions beyond [`Link`].

mod download;
mod follow;
mod job;
mod local;
mod naming;
mod packet;
mod publish;
mod remote;
mod requests;
mod resume;
mod sftp;
mod shell;
mod source;
mod space;
mod staging;
mod stream;
mod tree;
mod trouble;
mod upload;
mod wire;
mod words;

pub(super) use self::naming::hexadecimal;

use std::time::Duration;

use ssh2::Channel;

use self::job::{HostShell, Job};
use self::sftp::Sftp;
use self::trouble::Trouble;
use self::wire::Wire;
use super::link::{Link, Stop};
use super::{Cancel, Transferred};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::TransferSpec;
use crate::transfer::TransferOperation;

/// How long the rest of a half-sent packet is waited for after a failure. Without
/// it the connection is of no further use.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The SFTP server and the shell of one connection, which its transfers share:
/// starting them costs more than moving a small file.
#[derive(Default)]
pub(super) struct TransferSession {
    sftp: Option<Sftp>,
    shell: HostShell,
}

impl TransferSession {
    /// Moves one file, or the files of a tree. After a failure the next transfer
    /// starts afresh.
    ///
    /// # Errors
    /// A [`Failure`] with a transfer, channel or connection code, or `Cancelled`. The
    /// target (in a tree, the file that the failure names) is untouched then. Without
    /// `resume` the temporary file is gone, unless the connection was lost; with it,
    /// it stays for the next attempt.
    pub(super) fn run(
        &mut self,
        link: &mut Link,
        spec: &TransferSpec,
        cancel: &Cancel,
    ) -> Result<Transferred, Failure> {
        let transferred = self.attempt(link, spec, cancel);
        if transferred.is_err() {
            let mut wire = Wire::after_all(link, LAST_WORDS);
            if let Some(mut sftp) = self.sftp.take() {
                sftp.abort();
                let _ = sftp.flush(&mut wire);
            }
            self.shell = HostShell::Untried;
            wire.has_released();
            if wire.is_stuck() {
                link.condemn("a transfer was broken off in the middle of a packet");
            }
        }
        transferred
    }

    /// The session on the host of the shell that is kept: no command left it behind.
    pub(super) fn shell_session(&self) -> Option<u32> {
        match &self.shell {
            HostShell::Running(shell) => shell.session(),
            _ => None,
        }
    }

    /// Whether channels are kept for the next transfer.
    pub(super) fn holds_channels(&self) -> bool {
        self.sftp.is_some() || matches!(self.shell, HostShell::Running(_))
    }

    /// Ends the conversation, and gives back its channels to be closed.
    pub(super) fn end(&mut self) -> Vec<Channel> {
        let shell = match std::mem::take(&mut self.shell) {
            HostShell::Running(shell) => Some(shell.into_channel()),
            _ => None,
        };
        self.sftp.take().map(Sftp::into_channel).into_iter().chain(shell).collect()
    }

    /// Between two transfers a command may have ended either program.
    fn drop_what_ended(&mut self, wire: &mut Wire<'_>) {
        if self.sftp.as_mut().is_some_and(|sftp| !sftp.is_alive(wire)) {
            self.sftp = None;
            wire.has_released();
        }
        if let HostShell::Running(shell) = &mut self.shell
            && !shell.is_alive(wire)
        {
            self.shell = HostShell::Untried;
            wire.has_released();
        }
    }

    fn attempt(
        &mut self,
        link: &mut Link,
        spec: &TransferSpec,
        cancel: &Cancel,
    ) -> Result<Transferred, Failure> {
        let mut wire = Wire::new(link, spec.timeout, cancel);
        self.drop_what_ended(&mut wire);
        let sftp = match &mut self.sftp {
            Some(sftp) => sftp,
            none => {
                let opened = Sftp::open(&mut wire).map_err(|trouble| no_server(trouble, spec))?;
                none.insert(opened)
            }
        };
        let mut job = Job::new(spec, wire, sftp, &mut self.shell);
        match (spec.operation, spec.recursive) {
            (TransferOperation::Upload, false) => upload::upload(&mut job),
            (TransferOperation::Download, false) => download::download(&mut job),
            (TransferOperation::Upload, true) => tree::upload(&mut job),
            (TransferOperation::Download, true) => tree::download(&mut job),
        }
    }
}

fn no_server(trouble: Trouble, spec: &TransferSpec) -> Failure {
    let path = &spec.remote_path;
    let (code, message) = match trouble {
        Trouble::Stop(Stop::Deadline) => {
            let limit = spec.timeout.unwrap_or_default().as_secs_f64();
            (
                ErrorCode::TransferTimeout,
                format!("the transfer of `{path}` took longer than {limit} s: it had not begun"),
            )
        }
        Trouble::Stop(Stop::Cancelled) => {
            (ErrorCode::Cancelled, format!("the transfer of `{path}` was cancelled"))
        }
        Trouble::Stop(Stop::Lost(why)) => {
            (ErrorCode::ConnectionLost, format!("the connection was lost: {why}"))
        }
        Trouble::Stop(Stop::Refused(error)) => {
            (ErrorCode::ChannelRefused, format!("the host offers no SFTP: {}", error.message()))
        }
        Trouble::Closed => {
            (ErrorCode::ChannelRefused, "the host's SFTP server ended before it greeted".to_owned())
        }
        Trouble::Protocol(why) => {
            (ErrorCode::ChannelRefused, format!("the host's SFTP server is none: {why}"))
        }
        Trouble::Status { message, .. } => {
            (ErrorCode::ChannelRefused, format!("the host offers no SFTP: {message}"))
        }
    };
    let failure = Failure::new(code, message);
    match code {
        ErrorCode::ChannelRefused => failure.with_help(
            "check `Subsystem sftp` in the host's sshd_config, and that the user's login scripts print nothing",
        ),
        _ => failure,
    }
}
