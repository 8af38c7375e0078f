//! How one task of one host went: what events carry and reports keep.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{ActionKind, Outcome, TaskId};
use crate::failure::Failure;
use crate::transfer::TransferRecord;

/// What stands in the place of everything that a task with `no_log` says.
pub const CENSORED: &str = "censored: the task has `no_log`";

/// How one task of one host went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRecord {
    /// The task's id: play and task counted from one, as `2.3`.
    #[schemars(with = "String")]
    pub id: TaskId,
    /// The task's name.
    #[schemars(with = "String")]
    pub name: Arc<str>,
    /// What the task does.
    pub action: ActionKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it failed and `ignore_errors` says to go on.
    pub ignored: bool,
    /// How often it was tried, and of a loop the item that was tried most often;
    /// 0 when it never began.
    pub attempts: u32,
    /// When it began (or was found to be skipped or cancelled), RFC 3339.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// When `options.ttl` lets the result go; null keeps it.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires_at: Option<Timestamp>,
    /// One entry per command (and per loop item), in order.
    pub results: Vec<CommandResult>,
    /// Why it did not succeed; null when it did.
    pub error: Option<Failure>,
    /// Which guard skipped it, or what check mode found: one sentence, where there
    /// is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What one command, or one file transfer, gave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CommandResult {
    /// The loop item it ran for; null without a loop.
    pub item: Option<Value>,
    /// The command as written (rendered); `__FILE_TRANSFER__` for a transfer.
    pub command: String,
    /// Standard output (of a PTY: both streams). For a transfer, a sentence.
    pub output: String,
    /// Standard error; empty with a PTY, which has one stream.
    pub error: String,
    /// The exit status; null when a signal or a lost connection ended it.
    pub exit_status: Option<i32>,
    /// The signal that ended it, without `SIG`, as in `KILL`.
    pub signal: Option<String>,
    /// Whether the middle of a stream was left out because it exceeded `max_output`.
    pub truncated: bool,
    /// Size of the whole standard output in bytes, when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// Size of the whole standard error in bytes, when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_bytes: Option<u64>,
    /// Whether a stream was not UTF-8, so that some bytes became U+FFFD.
    pub lossy: bool,
    /// Whether it ran on a pseudo-terminal.
    pub pty: bool,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// What was transferred; null for commands.
    pub transfer: Option<TransferRecord>,
}
