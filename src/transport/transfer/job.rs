//! One transfer under way: what it was told, what it talks to, how far it is,
//! and the words for what may stop it.

use std::io;
use std::path::Path;

use super::sftp::Sftp;
use super::shell::{Shell, Sum};
use super::trouble::{Trouble, status};
use super::wire::Wire;
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::TransferSpec;
use crate::transfer::{TransferOperation, TransferRecord};
use crate::transport::Transferred;
use crate::transport::link::Stop;

/// A host's shell, which is started when first asked for.
#[derive(Default)]
pub(super) enum HostShell {
    #[default]
    Untried,
    Missing,
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
            *self.shell = match Shell::open(&mut self.wire)? {
                Some(shell) => HostShell::Running(shell),
                None => HostShell::Missing,
            };
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
        self.warnings.push(format!(
            "`{}` was not verified: the host offers no shell with `sha256sum`, `shasum`, `sha256` or `openssl`",
            self.spec.remote_path
        ));
    }
}

/// The words for what may stop a transfer.
impl Job<'_> {
    /// Something went wrong on the host while it was to do `what` with `path`.
    pub(super) fn remote(&self, trouble: Trouble, what: &str, path: &str) -> Failure {
        match trouble {
            Trouble::Status { code: status::PERMISSION_DENIED, .. } => Failure::new(
                ErrorCode::TransferPermission,
                format!("the host denies permission to {what} `{path}`"),
            )
            .with_help("use a path that the login user may use, or change its owner or mode"),
            Trouble::Status { code: status::NO_SUCH_FILE, .. } => Failure::new(
                ErrorCode::TransferFailed,
                format!("cannot {what} `{path}` on the host: there is no such file or directory"),
            ),
            Trouble::Status { message, .. } => Failure::new(
                ErrorCode::TransferFailed,
                format!("the host could not {what} `{path}`: {}", reason(&message)),
            ),
            other => self.interrupted(other),
        }
    }

    /// Something on this machine failed that was to do `what` with `path`.
    pub(super) fn local(&self, error: &io::Error, what: &str, path: &Path) -> Failure {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Failure::new(
                ErrorCode::TransferPermission,
                format!("this machine denies permission to {what} `{path}`: {error}"),
            )
            .with_help("use a path that you may use, or change its owner or mode"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                no_space(format!("no space is left on this machine to {what} `{path}`"))
            }
            _ => Failure::new(
                ErrorCode::TransferFailed,
                format!("cannot {what} `{path}` on this machine: {error}"),
            ),
        }
    }

    /// The transfer was stopped before its end.
    pub(super) fn interrupted(&self, trouble: Trouble) -> Failure {
        let mut how_far =
            format!("after {} of {} bytes", self.continued_at + self.moved, self.total);
        if let Some(file) = &self.at {
            how_far.push_str(&format!(", at `{file}`"));
        }
        match trouble {
            Trouble::Stop(Stop::Deadline) => {
                let limit = self.spec.timeout.unwrap_or_default().as_secs_f64();
                Failure::new(
                    ErrorCode::TransferTimeout,
                    format!("{} took longer than {limit} s: stopped {how_far}", self.subject()),
                )
                .with_help(
                    "raise `file_transfer.timeout`, or set `resume: true` to continue where this stopped",
                )
            }
            Trouble::Stop(Stop::Cancelled) => Failure::new(
                ErrorCode::Cancelled,
                format!("{} was cancelled {how_far}", self.subject()),
            ),
            Trouble::Stop(Stop::Lost(why)) => Failure::new(
                ErrorCode::ConnectionLost,
                format!("the connection was lost during {} {how_far}: {why}", self.subject()),
            ),
            Trouble::Stop(Stop::Refused(error)) => Failure::new(
                ErrorCode::TransferFailed,
                format!("{} failed {how_far}: {}", self.subject(), error.message()),
            ),
            Trouble::Status { code, message } => Failure::new(
                ErrorCode::TransferFailed,
                format!(
                    "{} failed {how_far}: {} (status {code})",
                    self.subject(),
                    reason(&message)
                ),
            ),
            Trouble::Closed => Failure::new(
                ErrorCode::TransferFailed,
                format!("the host's SFTP server ended during {} {how_far}", self.subject()),
            ),
            Trouble::Protocol(why) => Failure::new(
                ErrorCode::TransferFailed,
                format!("the host's SFTP server does not keep to the protocol: {why}"),
            ),
        }
    }

    /// Source and target differ although everything seemed to go well.
    pub(super) fn differs(&self, expected: &str, found: &str) -> Failure {
        let file = match &self.at {
            Some(file) => format!("`{file}`"),
            None => self.subject(),
        };
        Failure::new(
            ErrorCode::TransferVerifyFailed,
            format!(
                "{file} arrived damaged: SHA-256 {found} instead of {expected}; the target is untouched"
            ),
        )
        .with_help("try again; if it happens again, check the disks of both machines and whether another program writes the file")
    }

    fn subject(&self) -> String {
        let remote = &self.spec.remote_path;
        match self.spec.operation {
            TransferOperation::Upload => format!("the upload to `{remote}`"),
            TransferOperation::Download => format!("the download of `{remote}`"),
        }
    }
}

/// A full file system, with advice.
pub(super) fn no_space(message: String) -> Failure {
    Failure::new(ErrorCode::TransferNoSpace, message)
        .with_help("free space there, or choose another file system")
}

fn reason(message: &str) -> &str {
    match message {
        "" | "Failure" => "it gives no reason",
        message => message,
    }
}
