//! The only place that knows libssh2.
//!
//! A [`Connector`] opens [`Connection`]s; a connection runs commands and moves
//! files, each under one absolute deadline. Nothing here knows plays,
//! inventories or events: what to do comes in as [`crate::plan::spec`] values,
//! what happened goes out as the types below.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::failure::Failure;
use crate::plan::spec::{ConnectionSpec, ExecOptions, Guards, TransferSpec};
use crate::transfer::TransferRecord;

mod auth;
mod bastion;
mod bootstrap;
mod capture;
mod channels;
mod connection;
mod connector;
mod elevated;
mod exec;
mod fate;
mod governor;
mod guard;
mod handshake;
mod host_key;
mod known_hosts;
mod link;
mod password;
mod prompt;
mod quote;
mod shortage;
mod siblings;
mod sudo;
mod tcp;
mod transfer;
mod watch;

pub use capture::note_in;
pub use connector::{ConnectorConfig, SshConnector};
pub use guard::{HeldBack, Looked};
pub use password::{Answer, PasswordWatch, Purpose, Unwatched};

/// Opens connections; shared by all worker threads of a run.
pub trait Connector: Send + Sync {
    /// Connects, checks the host key and authenticates.
    ///
    /// # Errors
    /// A [`Failure`] whose code is one of those for which
    /// [`crate::failure::ErrorCode::is_unreachable`] holds, or `Cancelled`.
    fn connect(&self, spec: &ConnectionSpec, cancel: &Cancel) -> Result<Connected, Failure> {
        self.connect_watched(spec, &Unwatched, cancel).map_err(|unconnected| unconnected.failure)
    }

    /// As [`Connector::connect`], with the login password under watch. A password
    /// that may not be sent fails with `CanaryRejected`.
    ///
    /// # Errors
    /// As [`Connector::connect`], and what the user should know beside the failure.
    fn connect_watched(
        &self,
        spec: &ConnectionSpec,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<Connected, Unconnected>;
}

/// A fresh connection and what the user should know about it.
pub struct Connected {
    /// The open, authenticated connection.
    pub connection: Box<dyn Connection>,
    /// Such as a host key accepted under the policy `warning`.
    pub warnings: Vec<String>,
}

/// Why there is no connection, and what the user should know beside that.
#[derive(Debug)]
pub struct Unconnected {
    /// Why.
    pub failure: Failure,
    /// As those of [`Connected`]: a password may have gone to a host whose key nobody
    /// knows, whatever the host made of it.
    pub warnings: Vec<String>,
}

impl From<Failure> for Unconnected {
    fn from(failure: Failure) -> Self {
        Self { failure, warnings: Vec::new() }
    }
}

/// An open, authenticated connection to one host.
///
/// It belongs to one thread at a time. After a failure with the code
/// `ConnectionLost` it is of no further use. Dropping it disconnects without
/// waiting for the peer.
pub trait Connection: Send {
    /// Runs one command to its end or its deadline.
    ///
    /// `more` says that another command will follow on this connection, so that
    /// an implementation may prepare for it while this one runs.
    fn execute(
        &mut self,
        line: &str,
        options: &ExecOptions,
        more: bool,
        cancel: &Cancel,
    ) -> Execution {
        self.execute_watched(line, options, more, &Unwatched, cancel)
    }

    /// As [`Connection::execute`], with the sudo password under watch. What came
    /// of it is told as soon as sudo starts the command.
    fn execute_watched(
        &mut self,
        line: &str,
        options: &ExecOptions,
        more: bool,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Execution;

    /// Asks by one command, run as `options` say, whether `guards` hold a task back.
    fn look(
        &mut self,
        guards: &Guards,
        options: &ExecOptions,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Looked {
        guard::ask(self, guards, options, passwords, cancel)
    }

    /// Tells what a transfer would do, and changes nothing on either side. With
    /// `contents`, also what an upload of a single file would replace by what.
    ///
    /// # Errors
    /// As [`Connection::transfer`].
    fn compare(
        &mut self,
        spec: &TransferSpec,
        contents: bool,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<Comparison, Failure>;

    /// Whether the peer has not hung up, as far as this side can know without
    /// asking it. What was started on a connection that is gone may have been done;
    /// what was not started can safely go to a new one.
    fn is_alive(&mut self) -> bool;

    /// Moves one file, or the files of a tree.
    ///
    /// # Errors
    /// A [`Failure`] with a transfer, sudo, channel or connection code; no half
    /// file is left under a final name.
    fn transfer(&mut self, spec: &TransferSpec, cancel: &Cancel) -> Result<Transferred, Failure> {
        self.transfer_watched(spec, &Unwatched, cancel)
    }

    /// As [`Connection::transfer`], with the sudo password under watch.
    ///
    /// # Errors
    /// As [`Connection::transfer`].
    fn transfer_watched(
        &mut self,
        spec: &TransferSpec,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<Transferred, Failure>;
}

/// What running one command gave. Output read before a failure is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Standard output; with a PTY, both streams.
    pub output: Captured,
    /// Standard error; empty with a PTY.
    pub error: Captured,
    /// How it ended.
    pub ending: Ending,
    /// How long it took.
    pub duration: Duration,
    /// Such as processes that could not be ended after a timeout.
    pub warnings: Vec<String>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exited(i32),
    /// This signal (without `SIG`) killed it.
    Signalled(String),
    /// It did not start, timed out, or the connection was lost.
    Failed(Failure),
}

/// The bytes of one output stream, as far as they were kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// The stream; its middle is replaced by a note when it exceeded `max_output`.
    pub bytes: Vec<u8>,
    /// Size of the whole stream in bytes.
    pub total: u64,
    /// Whether the middle was left out.
    pub truncated: bool,
}

/// What a finished transfer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// The facts.
    pub record: TransferRecord,
    /// Whether the target differs from before.
    pub changed: bool,
    /// How many files a tree has, and how many of them were moved; `None` for the
    /// transfer of a single file.
    pub files: Option<FileCount>,
    /// Such as a server without a shell, which could not verify.
    pub warnings: Vec<String>,
}

/// What a transfer would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What it would give. No bytes were moved.
    pub transferred: Transferred,
    /// What it would replace by what, where that was asked for and it would.
    pub contents: Option<(Content, Content)>,
}

/// What a file holds, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// There is no such file.
    Missing,
    /// All of it.
    Bytes(Vec<u8>),
    /// More than is looked at: its size in bytes.
    TooLarge(u64),
}

impl Content {
    /// The largest file that is looked at, in bytes.
    pub const LIMIT: u64 = 256 * 1024;
}

/// The files of a tree, symbolic links among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileCount {
    /// All of them.
    pub total: u64,
    /// Those that were not there already.
    pub moved: u64,
}

/// Tells running work to stop; cheap to clone and to ask.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everything that holds a clone to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for signal handlers.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
