//! One transfer under way: what it was told, what it talks to, and how far it is.

use super::sftp::Sftp;
use super::shell::{Shell, Sum};
use super::trouble::Trouble;
use super::wire::Wire;
use crate::failure::Failure;
use crate::plan::spec::TransferSpec;
use crate::transfer::TransferRecord;
use crate::transport::Transferred;
use crate::transport::link::Stop;

/// A host's shell, which is started when first asked for.
#[derive(Default)]
pub(super) enum HostShell {
    #[default]
    Untried,
    Missing,
    /// The server lets no session run beside the transfer's own.
    Crowded,
    Running(Shell),
}

/// One transfer under way.
pub(super) struct Job<'a> {
    pub(super) spec: &'a TransferSpec,
    pub(super) wire: Wire<'a>,
    pub(super) sftp: &'a mut Sftp,
    shell: &'a mut HostShell,
    /// Bytes that this run has moved.
    pub(super) moved: u64,
    /// Size of the whole file.
    pub(super) total: u64,
    /// How many bytes an earlier attempt had moved already.
    pub(super) continued_at: u64,
    pub(super) resume_note: Option<String>,
    pub(super) warnings: Vec<String>,
    /// The file of a tree that is being worked on, for failures to name.
    pub(super) at: Option<String>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        spec: &'a TransferSpec,
        wire: Wire<'a>,
        sftp: &'a mut Sftp,
        shell: &'a mut HostShell,
    ) -> Self {
        Self {
            spec,
            wire,
            sftp,
            shell,
            moved: 0,
            total: 0,
            continued_at: 0,
            resume_note: None,
            warnings: Vec::new(),
            at: None,
        }
    }

    /// Moves one file of a tree as a job of its own, within this one's limits.
    pub(super) fn part(
        &mut self,
        spec: &TransferSpec,
        work: impl FnOnce(&mut Job<'_>) -> Result<Transferred, Failure>,
    ) -> Result<Transferred, Failure> {
        let mut part = Job::new(spec, self.wire.again(), self.sftp, self.shell);
        let done = work(&mut part);
        let (moved, continued_at) = (part.moved, part.continued_at);
        self.moved += moved;
        self.continued_at += continued_at;
        done
    }

    /// The host's shell, if it has one for us.
    pub(super) fn shell(&mut self) -> Result<Option<(&mut Shell, &mut Wire<'a>)>, Trouble> {
        if matches!(self.shell, HostShell::Untried) {
            *self.shell = Shell::open(&mut self.wire)?;
        }
        Ok(match self.shell {
            HostShell::Running(shell) => Some((shell, &mut self.wire)),
            _ => None,
        })
    }

    /// Asks the host to hash `path`, or its first `prefix` bytes, in the
    /// background. Tells whether there is a shell to do so.
    pub(super) fn ask_sum(&mut self, path: &str, prefix: Option<u64>) -> Result<bool, Trouble> {
        let Some((shell, wire)) = self.shell()? else { return Ok(false) };
        shell.ask_sum(path, prefix);
        shell.poke(wire).map(|_| true).or_else(|trouble| self.without_shell(trouble, false))
    }

    /// What [`Job::ask_sum`] asked for; `None` when the host cannot tell.
    pub(super) fn sum(&mut self) -> Result<Option<String>, Trouble> {
        let Some((shell, wire)) = self.shell()? else { return Ok(None) };
        match shell.sum(wire) {
            Ok(Sum::Known(sum)) => Ok(Some(sum)),
            Ok(Sum::Unreadable | Sum::NoTool) => Ok(None),
            Err(trouble) => self.without_shell(trouble, None),
        }
    }

    /// Goes on without the shell when it ended, but not without the connection.
    pub(super) fn without_shell<T>(&mut self, trouble: Trouble, value: T) -> Result<T, Trouble> {
        match trouble {
            Trouble::Closed | Trouble::Stop(Stop::Refused(_)) => {
                *self.shell = HostShell::Missing;
                Ok(value)
            }
            trouble => Err(trouble),
        }
    }

    /// Keeps the shell's channel moving while the SFTP channel is being worked.
    pub(super) fn poke_shell(&mut self) -> Result<(), Trouble> {
        let HostShell::Running(shell) = &mut *self.shell else { return Ok(()) };
        shell.poke(&mut self.wire).map(drop).or_else(|trouble| self.without_shell(trouble, ()))
    }

    /// The report of a transfer that reached its end.
    pub(super) fn done(&mut self, sha256: Option<String>, verified: bool) -> Transferred {
        Transferred {
            record: TransferRecord {
                operation: self.spec.operation,
                local_path: self.spec.local_path_shown.clone(),
                remote_path: self.spec.remote_path.clone(),
                bytes_transferred: self.moved,
                total_bytes: self.total,
                resumed: self.continued_at > 0,
                resume_note: self.resume_note.take(),
                verified,
                sha256,
                diff: None,
            },
            changed: true,
            files: None,
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    /// The host's shell, if it runs already.
    pub(super) fn running_shell(&mut self) -> Option<(&mut Shell, &mut Wire<'a>)> {
        match self.shell {
            HostShell::Running(shell) => Some((shell, &mut self.wire)),
            _ => None,
        }
    }

    /// Notes that nobody could compare the two sides.
    pub(super) fn warn_unverified(&mut self) {
        let why = match self.shell {
            HostShell::Crowded => {
                "the server allows one session only, and the transfer takes it (`MaxSessions`)"
            }
            _ => "the host offers no shell with `sha256sum`, `shasum`, `sha256` or `openssl`",
        };
        self.warnings.push(format!("`{}` was not verified: {why}", self.spec.remote_path));
    }
}
