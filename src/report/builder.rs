//! The report as a fold over events.

use std::collections::HashMap;

use indexmap::IndexSet;
use jiff::Timestamp;

use super::model::{HostOutcome, HostReport, PlayReport, Report, Stats, Tool};
use crate::event::{Event, HostName, Outcome, PlayStarted, RunOutcome, RunStarted, TaskRecord};
use crate::exit_code::{ExitCode, Failures};
use crate::failure::ErrorCode;

/// The version of the report's shape.
const SCHEMA_VERSION: u32 = 1;

/// Builds a [`Report`] from the events of one run.
///
/// It may end at any event: what a run that was killed had done so far makes a
/// report with the outcome `interrupted`.
#[derive(Debug)]
pub struct ReportBuilder {
    run: RunStarted,
    plays: Vec<Play>,
    warnings: IndexSet<String>,
    ended: Option<(Timestamp, Option<RunOutcome>)>,
    /// Whether the exit code tells of changes.
    tells_changes: bool,
}

#[derive(Debug)]
struct Play {
    report: PlayReport,
    /// Where each host stands in the report.
    places: HashMap<HostName, usize>,
}

impl ReportBuilder {
    /// Begins the report of `run`.
    #[must_use]
    pub fn new(run: RunStarted) -> Self {
        let (plays, warnings) = (Vec::new(), IndexSet::new());
        Self { run, plays, warnings, ended: None, tells_changes: false }
    }

    /// The same, with an exit code of its own for a run without failures in which
    /// something changed, or in check mode would.
    #[must_use]
    pub fn telling_changes(self) -> Self {
        Self { tells_changes: true, ..self }
    }

    /// Takes in one event; they come in the order in which they were emitted.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::RunStarted(run) => self.run = run,
            Event::PlayStarted(play) => self.plays.push(Play::new(play)),
            Event::TaskFinished { play, host, record } => {
                if let Some(play) = self.plays.get_mut(play) {
                    play.finish_task(&host, *record);
                }
            }
            Event::Warned { host, message } => {
                let warning = match host {
                    Some(host) => format!("{host}: {message}"),
                    None => message,
                };
                self.warnings.insert(warning);
            }
            Event::RunFinished { ended_at, cut_short } => self.ended = Some((ended_at, cut_short)),
            Event::TaskStarted { .. } | Event::HostFinished { .. } | Event::PlayFinished { .. } => {
            }
        }
    }

    /// The report of everything taken in.
    #[must_use]
    pub fn finish(self) -> Report {
        let plays: Vec<PlayReport> = self.plays.into_iter().map(|play| play.report).collect();
        let (ended_at, cut_short) =
            self.ended.unwrap_or_else(|| (Timestamp::now(), Some(RunOutcome::Interrupted)));
        let stats = count(&plays);
        let seen = failures(&plays);
        let outcome = cut_short.unwrap_or(match (seen.failed, seen.unreachable) {
            (true, _) => RunOutcome::Failed,
            (false, true) => RunOutcome::Unreachable,
            (false, false) => RunOutcome::Ok,
        });
        let mut exit_code = ExitCode::of_run(outcome, seen);
        if exit_code == ExitCode::Success && self.tells_changes && stats.tasks.changed > 0 {
            exit_code = ExitCode::ChangesPending;
        }
        Report {
            schema_version: SCHEMA_VERSION,
            run_id: self.run.run_id.to_string(),
            tool: Tool::this(),
            command: self.run.command.to_string(),
            check_mode: self.run.check_mode,
            started_at: self.run.started_at,
            ended_at,
            duration_seconds: ended_at.duration_since(self.run.started_at).as_secs_f64().max(0.0),
            outcome,
            exit_code: exit_code.number(),
            source: self.run.source,
            stats,
            plays,
            warnings: self.warnings.into_iter().collect(),
        }
    }
}

impl Play {
    fn new(play: PlayStarted) -> Self {
        let places =
            play.hosts.iter().enumerate().map(|(place, host)| (host.host.clone(), place)).collect();
        let hosts = play
            .hosts
            .into_iter()
            .map(|host| HostReport {
                host: host.host.to_string(),
                address: host.address.to_string(),
                outcome: HostOutcome::Ok,
                tasks: Vec::with_capacity(play.tasks),
            })
            .collect();
        Self { report: PlayReport { name: play.name.to_string(), hosts }, places }
    }

    fn finish_task(&mut self, host: &HostName, record: TaskRecord) {
        if let Some(&place) = self.places.get(host) {
            let host = &mut self.report.hosts[place];
            host.outcome = host.outcome.worst(HostOutcome::of_task(&record));
            host.tasks.push(record);
        }
    }
}

fn count(plays: &[PlayReport]) -> Stats {
    let mut stats = Stats::default();
    let mut hosts: HashMap<&str, HostOutcome> = HashMap::new();
    for host in plays.iter().flat_map(|play| &play.hosts) {
        let outcome = hosts.entry(&host.host).or_default();
        *outcome = outcome.worst(host.outcome);
        host.tasks.iter().for_each(|task| stats.tasks.count(task.outcome));
    }
    hosts.into_values().for_each(|outcome| stats.hosts.count(outcome));
    stats
}

/// What kinds of failures there were. Those that a task may ignore are its own; a
/// defect is not.
fn failures(plays: &[PlayReport]) -> Failures {
    let tasks = || plays.iter().flat_map(|play| &play.hosts).flat_map(|host| &host.tasks);
    let counted = || tasks().filter(|task| !task.ignored).map(|task| task.outcome);
    let is_internal =
        |task: &TaskRecord| task.error.as_ref().is_some_and(|it| it.code == ErrorCode::Internal);
    Failures {
        failed: counted().any(|outcome| matches!(outcome, Outcome::Failed | Outcome::TimedOut)),
        unreachable: counted().any(|outcome| outcome == Outcome::Unreachable),
        internal: tasks().any(is_internal),
    }
}
