//! The words for what may stop a transfer.

use std::io;
use std::path::Path;

use super::job::Job;
use super::trouble::{Trouble, status};
use crate::failure::{ErrorCode, Failure};
use crate::transfer::TransferOperation;
use crate::transport::link::Stop;

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
                let needed = match self.spec.operation {
                    TransferOperation::Download => {
                        format!(", of which {} bytes are to be received", self.total)
                    }
                    TransferOperation::Upload => String::new(),
                };
                no_space(format!("no space is left on this machine to {what} `{path}`{needed}"))
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
