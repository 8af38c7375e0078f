//! The JSON report: the documented shape, field by field, in the documented order.

use jiff::Timestamp;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::event::{Outcome, RunOutcome, Source, TaskRecord};

/// The report of one run of sshoal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this shape. New fields may appear within a version; one
    /// that changes or goes away raises it.
    pub schema_version: u32,
    /// Unique and, as a UUID version 7, sortable by time.
    pub run_id: String,
    /// What made the report.
    pub tool: Tool,
    /// The subcommand: `run`, `exec` or `request`.
    pub command: String,
    /// Whether the run only looked at what it would change.
    pub check_mode: bool,
    /// When the run began, RFC 3339.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// When it ended, RFC 3339.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub ended_at: Timestamp,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// How it ended as a whole. Failures that were to be ignored do not count.
    pub outcome: RunOutcome,
    /// The exit code of the process.
    pub exit_code: u8,
    /// Where playbooks and inventory came from.
    pub source: Source,
    /// Everything counted.
    pub stats: Stats,
    /// The plays, in order.
    pub plays: Vec<PlayReport>,
    /// What the user should know though nothing failed, one sentence each.
    pub warnings: Vec<String>,
}

/// What made the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `sshoal`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    #[must_use]
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Hosts and tasks of a run, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// Hosts, each counted once, by the worst that happened to it in any play.
    pub hosts: HostStats,
    /// Tasks, each counted once per host, by outcome; ignored failures too.
    pub tasks: TaskStats,
}

/// How many hosts ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HostStats {
    /// All of them.
    pub total: u64,
    /// Without a failure that was not ignored.
    pub ok: u64,
    /// With a task that failed or timed out.
    pub failed: u64,
    /// Not reached, or lost.
    pub unreachable: u64,
    /// Kept from their tasks though nothing failed there: the run ended early.
    pub cancelled: u64,
}

impl HostStats {
    /// Counts one more host.
    pub fn count(&mut self, outcome: HostOutcome) {
        self.total += 1;
        *match outcome {
            HostOutcome::Ok => &mut self.ok,
            HostOutcome::Failed => &mut self.failed,
            HostOutcome::Unreachable => &mut self.unreachable,
            HostOutcome::Cancelled => &mut self.cancelled,
        } += 1;
    }
}

/// How many tasks ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TaskStats {
    /// Ran and changed nothing.
    pub ok: u64,
    /// Ran and changed something.
    pub changed: u64,
    /// A command, sudo or a transfer failed.
    pub failed: u64,
    /// Their deadline passed.
    pub timed_out: u64,
    /// Their host could not be reached, or the connection was lost.
    pub unreachable: u64,
    /// Their `when` was false.
    pub skipped: u64,
    /// Did not run, because an earlier task of the host failed or the run ended.
    pub cancelled: u64,
}

impl TaskStats {
    /// Counts one more task.
    pub fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::Changed => &mut self.changed,
            Outcome::Failed => &mut self.failed,
            Outcome::TimedOut => &mut self.timed_out,
            Outcome::Unreachable => &mut self.unreachable,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Cancelled => &mut self.cancelled,
        } += 1;
    }
}

/// One play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlayReport {
    /// Its name.
    pub name: String,
    /// Its hosts, in inventory order.
    pub hosts: Vec<HostReport>,
}

/// One host of a play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostReport {
    /// Its name in the inventory.
    pub host: String,
    /// Where it is reached: `address:port`, or `[address]:port` for IPv6.
    pub address: String,
    /// How it fared in this play.
    pub outcome: HostOutcome,
    /// Its tasks, in order. One entry per task, whatever its loop.
    pub tasks: Vec<TaskRecord>,
}

/// How a host fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostOutcome {
    /// No task failed, or its failure was ignored.
    #[default]
    Ok,
    /// A task failed or timed out.
    Failed,
    /// It could not be reached, or the connection was lost.
    Unreachable,
    /// Nothing failed here, but the host was kept from its tasks.
    Cancelled,
}

impl HostOutcome {
    /// The outcome of a host with this one task.
    #[must_use]
    pub fn of_task(task: &TaskRecord) -> Self {
        match task.outcome {
            _ if task.ignored => Self::Ok,
            Outcome::Ok | Outcome::Changed | Outcome::Skipped => Self::Ok,
            Outcome::Failed | Outcome::TimedOut => Self::Failed,
            Outcome::Unreachable => Self::Unreachable,
            Outcome::Cancelled => Self::Cancelled,
        }
    }

    /// The one of the two that says more about how the host fared.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        std::cmp::max_by_key(self, other, |outcome| match outcome {
            Self::Ok => 0,
            Self::Cancelled => 1,
            Self::Failed => 2,
            Self::Unreachable => 3,
        })
    }
}

/// The JSON Schema of the report, as it is written: every field that is always
/// there is required.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), "sshoal report".into());
    schema
}
