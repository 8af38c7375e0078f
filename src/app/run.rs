//! Executes a plan and feeds the views.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anstream::ColorChoice;
use jiff::Timestamp;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::file_limit;
use super::prepare::Prepared;
use crate::cli::OutputFormat;
use crate::config::{CheckExit, ConnectConfig, ModeConfig, OutputConfig};
use crate::diagnostic::{Problem, Problems};
use crate::event::{Event, RunStarted, Source};
use crate::execute::{ExecuteOptions, RunMode, execute};
use crate::exit_code::ExitCode;
use crate::load::LoadError;
use crate::plan::Planned;
use crate::report::{self, Ndjson, ReportBuilder, Terminal, TerminalOptions, Verbosity};
use crate::transport::{Cancel, ConnectorConfig, SshConnector};

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
    if let View::Report = view {
        // Whoever closed standard output wants no more; the exit code still tells.
        let _ = report::write_json(std::io::stdout().lock(), &report);
    }
    let code = ExitCode::from_number(report.exit_code).unwrap_or(ExitCode::Bug);
    if let Some(path) = &output.report
        && let Err(error) = report::write_file(path, &report)
    {
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "error: the run has ended, but its report is lost: {error}");
        return Ok(if code == ExitCode::Success { ExitCode::InvalidInput } else { code });
    }
    Ok(code)
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
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let reason = if path.is_dir() {
        "it is a directory"
    } else if !parent.is_dir() {
        "its directory does not exist"
    } else {
        return Ok(());
    };
    let error = LoadError::Conflict {
        message: format!("the report cannot be written to `{}`: {reason}", path.display()),
        help: "name a file in a directory that exists".to_owned(),
    };
    Err(Problem::new(error, None).into())
}

/// The first signal ends the run in order: remote commands are ended and the
/// report is written. The second ends the process at once.
fn cancel_on_signals() -> Cancel {
    let cancel = Cancel::default();
    crate::load::inventory::release_signals();
    for signal in [SIGINT, SIGTERM] {
        // Order matters: the second signal finds the flag set by the first. Where
        // the system refuses handlers, signals keep their usual effect.
        let interrupted = ExitCode::Interrupted as i32;
        let _ = flag::register_conditional_shutdown(signal, interrupted, cancel.flag());
        let _ = flag::register(signal, cancel.flag());
    }
    cancel
}
