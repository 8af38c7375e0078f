//! What happens in a run, told as facts in the past tense.
//!
//! The executor emits [`Event`]s and knows nothing else; terminal, report and
//! every other view are folds over them. Events carry facts and ids, never
//! display settings. Everything in them is already masked.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::record::{CENSORED, CommandResult, TaskRecord};
pub use crate::transfer::{TRANSFER_COMMAND, TransferOperation, TransferRecord};

/// A host's name in the inventory.
pub type HostName = Arc<str>;

/// Identifies a task within a run: play and task counted from one, as `2.3`. The
/// handlers of a play are counted by themselves, as `2.h1`.
pub type TaskId = Arc<str>;

/// Whether a task of this id is a handler.
#[must_use]
pub fn is_handler(task: &str) -> bool {
    task.rsplit('.').next().is_some_and(|place| place.starts_with('h'))
}

/// How one task of one host ended. Every planned task ends in exactly one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran and changed nothing.
    Ok,
    /// It ran and changed something.
    Changed,
    /// A command exited with another status than 0, sudo refused, or a transfer failed.
    Failed,
    /// Its deadline passed.
    TimedOut,
    /// The host could not be reached, or the connection was lost.
    Unreachable,
    /// Its `when` was false, a guard held it back, another host has run it
    /// (`run_once`), nothing has notified it (a handler), or check mode could not look
    /// at it.
    Skipped,
    /// It did not run, because an earlier task of its host failed, or the run ended
    /// or was aborted.
    Cancelled,
}

impl Outcome {
    /// Every outcome, in the order in which recaps count them.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Changed,
        Self::Failed,
        Self::TimedOut,
        Self::Unreachable,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// The name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// The one of the two that says more about how a host fared.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        std::cmp::max_by_key(self, other, |outcome| match outcome {
            Self::Skipped => 0,
            Self::Ok => 1,
            Self::Changed => 2,
            Self::Cancelled => 3,
            Self::Failed => 4,
            Self::TimedOut => 5,
            Self::Unreachable => 6,
        })
    }

    /// Whether it keeps the host from its later tasks (unless ignored).
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Unreachable)
    }
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Commands as the login user.
    Command,
    /// Commands that may be elevated by sudo.
    Config,
    /// A file transfer.
    FileTransfer,
}

/// How a run as a whole ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every task is ok, changed or skipped (or its failure was ignored).
    Ok,
    /// A task failed or timed out.
    Failed,
    /// A host was unreachable, and no task failed.
    Unreachable,
    /// The user or the system interrupted the run.
    Interrupted,
    /// A failure threshold or a rejected canary ended the run.
    Aborted,
}

/// One fact about a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began. Always the first event.
    RunStarted(RunStarted),
    /// A play began; all of its hosts are named here.
    PlayStarted(PlayStarted),
    /// A host began a task.
    TaskStarted {
        /// Index of the play in the run, from 0.
        play: usize,
        /// The host.
        host: HostName,
        /// The task.
        task: TaskId,
        /// The task's name.
        name: Arc<str>,
    },
    /// A host ended a task. Exactly one for every planned task of every host.
    TaskFinished {
        /// Index of the play in the run, from 0.
        play: usize,
        /// The host.
        host: HostName,
        /// What happened.
        record: Box<TaskRecord>,
    },
    /// A host has no task left in the play.
    HostFinished {
        /// Index of the play in the run, from 0.
        play: usize,
        /// The host.
        host: HostName,
        /// The worst that happened to it in this play.
        outcome: Outcome,
    },
    /// Something to know that is no failure.
    Warned {
        /// The host it is about, if one.
        host: Option<HostName>,
        /// The warning, in one sentence.
        message: String,
    },
    /// Every host of the play has finished.
    PlayFinished {
        /// Index of the play in the run, from 0.
        play: usize,
    },
    /// The run ended. Always the last event.
    RunFinished {
        /// When.
        ended_at: Timestamp,
        /// Whether something other than a task's outcome ended the run.
        #[serde(skip_serializing_if = "Option::is_none")]
        cut_short: Option<RunOutcome>,
    },
}

/// What is known when a run begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunStarted {
    /// Unique and, as a UUID version 7, sortable by time.
    pub run_id: Arc<str>,
    /// The subcommand: `run`, `exec` or `request`.
    pub command: Arc<str>,
    /// Whether the run only looks at what it would change.
    pub check_mode: bool,
    /// When.
    pub started_at: Timestamp,
    /// Where playbooks and inventory came from.
    pub source: Source,
}

/// Where a run's playbooks and inventory came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The playbook or request files, with the hash of their text.
    pub playbooks: Vec<SourceFile>,
    /// The inventory arguments, as given.
    pub inventory: Vec<String>,
    /// The state of the git work tree that holds the first playbook, if there is one.
    pub git: Option<GitState>,
}

/// A file that a run was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFile {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// The state of a git work tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitState {
    /// The commit that HEAD names.
    pub commit: String,
    /// The branch, unless HEAD is detached.
    pub branch: Option<String>,
    /// Whether tracked files differ from the commit.
    pub dirty: bool,
}

/// A play begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayStarted {
    /// Index of the play in the run, from 0.
    pub play: usize,
    /// The play's name.
    pub name: Arc<str>,
    /// How many tasks each host has, beside handlers.
    pub tasks: usize,
    /// Its hosts, in inventory order.
    pub hosts: Vec<PlayHost>,
}

/// A host of a play.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayHost {
    /// Its name in the inventory.
    pub host: HostName,
    /// Where it is reached: `address:port`, or `[address]:port` for IPv6.
    pub address: Arc<str>,
}
