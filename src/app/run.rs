//! Executes a plan and feeds the views.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anstream::ColorChoice;
use jiff::Timestamp;

use super::file_limit;
use super::prepare::Prepared;
use super::signals::cancel_on_signals;
use crate::cli::OutputFormat;
use crate::config::{CheckExit, ConnectConfig, ModeConfig, OutputConfig};
use crate::diagnostic::{Problem, Problems};
use crate::event::{Event, RunStarted, Source};
use crate::execute::{ExecuteOptions, RunMode, execute};
use crate::exit_code::ExitCode;
use crate::load::LoadError;
use crate::plan::Planned;
use crate::report::{self, Ndjson, ReportBuilder, Terminal, TerminalOptions, Verbosity};
use crate::transport::{ConnectorConfig, SshConnector};

/// What standard output holds.
enum View {
    Text(Terminal<std::io::Stdout>),
    Events(Ndjson<std::io::Stdout>),
    /// The report, at the end.
    Report,
}

/// Runs a plan to its end and returns the exit code of what happened.
pub(super) fn run(
    command: &str,
    planned: Planned,
    source: Source,
    prepared: &Prepared,
    mode: ModeConfig,
    connect: &ConnectConfig,
    output: &OutputConfig,
) -> Result<ExitCode, Problems> {
    if let Some(path) = &output.report {
        check_report_path(path)?;
    }
    file_limit::prepare(&planned.plan, connect.forks())?;
    prepared.close_vault();
    let started = RunStarted {
        run_id: Arc::clone(&prepared.run_id),
        command: command.into(),
        check_mode: mode.mode == RunMode::Check,
        started_at: Timestamp::now(),
        source,
    };
    let options = ExecuteOptions {
        forks: connect.forks(),
        run: started.clone(),
        redactor: Arc::clone(&planned.redactor),
        canary: connect.canary,
        mode: mode.mode,
        diff: mode.diff,
        cancel: cancel_on_signals(),
    };
    let connector = SshConnector::new(ConnectorConfig {
        known_hosts: connect.known_hosts.clone(),
        home: prepared.home.clone(),
    });
    let mut view = match output.format.unwrap_or_default() {
        OutputFormat::Text => View::Text(Terminal::new(
            std::io::stdout(),
            TerminalOptions::for_stdout(ColorChoice::global(), verbosity(command, output)),
        )),
        OutputFormat::Ndjson => View::Events(Ndjson::new(std::io::stdout())),
        OutputFormat::Json => View::Report,
    };
    let mut builder = ReportBuilder::new(started);
    if mode.exit == CheckExit::Changes {
        builder = builder.telling_changes();
    }
    let sink = |event: Event| {
        match &mut view {
            View::Text(terminal) => terminal.apply(&event),
            View::Events(events) => events.apply(&event),
            View::Report => {}
        }
        builder.apply(event);
    };
    execute(&planned.plan, &connector, &options, sink)
        .map_err(|error| Problems::from(Problem::new(error, None)))?;
    let report = builder.finish();
    let shown = match view {
        View::Text(terminal) => terminal.finish(),
        View::Events(events) => events.finish(),
        View::Report => report::write_json(std::io::stdout().lock(), &report),
    };
    let code = ExitCode::from_number(report.exit_code).unwrap_or(ExitCode::Bug);
    let kept = output.report.as_ref().map_or(Ok(()), |path| report::write_file(path, &report));
    Ok(lost(shown, kept).fold(code, |code, message| {
        let _ = writeln!(std::io::stderr().lock(), "error: {message}");
        // That nobody knows how the run went is no success.
        if code == ExitCode::Success { ExitCode::InvalidInput } else { code }
    }))
}

/// What of a run's account did not get to where it was to be.
fn lost(
    shown: std::io::Result<()>,
    kept: Result<(), report::WriteError>,
) -> impl Iterator<Item = String> {
    // Whoever closed standard output wants no more of it.
    let shown = shown.err().filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
    let shown = shown.map(|error| {
        format!("the run has ended, but standard output could not be written: {error}")
    });
    let kept = kept.err();
    let kept = kept.map(|error| format!("the run has ended, but its report is lost: {error}"));
    shown.into_iter().chain(kept)
}

/// Who runs one command by hand wants to see what it says.
fn verbosity(command: &str, output: &OutputConfig) -> Verbosity {
    match (command, output.verbosity) {
        ("exec" | "request", Verbosity::Normal) => Verbosity::Verbose,
        (_, verbosity) => verbosity,
    }
}

/// A report that cannot be written is better known before the run than after it.
fn check_report_path(path: &Path) -> Result<(), Problems> {
    let Err(reason) = report::can_write(path) else { return Ok(()) };
    let error = LoadError::Conflict {
        message: format!("the report cannot be written to `{}`: {reason}", path.display()),
        help: "name a file in a directory that exists and may be written to".to_owned(),
    };
    Err(Problem::new(error, None).into())
}
