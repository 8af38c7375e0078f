//! Drives one invocation through the stages: load, resolve, plan, execute, report.
//!
//! This is the only place that sees all of them; it decides nothing that a stage
//! could decide.

mod ad_hoc;
mod check;
mod file_limit;
mod flags;
mod prepare;
mod project;
mod provenance;
mod run;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::PlanFormat;
use crate::config::{AdHoc, Ask, ConnectConfig, Invocation, ModeConfig, SecretAccess};
use crate::diagnostic::{self, Problem, Problems, RenderStyle};
use crate::exit_code::ExitCode;
use crate::load::RawPlaybook;
use crate::load::source::Sources;
use crate::plan::{Work, show};
use crate::secret::Redactor;
use prepare::Prepared;

/// Does what was asked for, with the process's standard output and error.
pub(crate) fn run(mut invocation: Invocation, project: Option<&Path>) -> ExitCode {
    let sources = Arc::new(Sources::default());
    let applied = project::apply(&mut invocation, &sources, project);
    match applied.and_then(|()| dispatch(invocation, &sources)) {
        Ok(code) => code,
        Err(problems) => {
            complain(&problems, &sources);
            ExitCode::InvalidInput
        }
    }
}

/// Whether secrets are read: only where they are used, or where that is asked for.
const READ: SecretAccess = SecretAccess::Read;
const UNREAD: SecretAccess = SecretAccess::Unread;

fn dispatch(invocation: Invocation, sources: &Arc<Sources>) -> Result<ExitCode, Problems> {
    match invocation {
        Invocation::Run { playbooks, inventory, tasks, mode, connect, output } => {
            let loaded = load(sources, &playbooks);
            let prepare = |connect: &ConnectConfig| {
                Prepared::new(sources, &inventory, Some(&tasks), connect, READ)
            };
            let (prepared, (paths, raw)) = together(prepare, loaded, &connect)?;
            let source = provenance::of(sources, &raw, &paths, &inventory.sources);
            let planned = prepared.plan(Work::Playbooks(&raw))?;
            run::run("run", planned, source, &prepared, mode, &connect, &output)
        }
        Invocation::Exec { pattern, job: AdHoc::ListHosts, inventory, connect, .. } => {
            let prepared = Prepared::new(sources, &inventory, None, &connect, UNREAD)?;
            let names = prepared.select(&pattern)?;
            print(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
            Ok(ExitCode::Success)
        }
        Invocation::Exec { pattern, job, inventory, mode, connect, output } => {
            let raw = collected(ad_hoc::playbook(sources, &pattern, &job))?;
            let prepared = Prepared::new(sources, &inventory, None, &connect, READ)?;
            let source = provenance::of(sources, &[], &[], &inventory.sources);
            let planned = prepared.plan(Work::Playbooks(std::slice::from_ref(&raw)))?;
            run::run("exec", planned, source, &prepared, mode, &connect, &output)
        }
        Invocation::Request { file, inventory, connect, output } => {
            let prepared = Prepared::new(sources, &inventory, None, &connect, READ)?;
            let (path, id) = collected(prepare::read_request(sources, &file))?;
            let requests = collected(crate::load::literal_requests(sources, id))?;
            let source = provenance::of_files(sources, &[id], &path, &[]);
            let planned = prepared.plan(Work::Requests(&file, &requests))?;
            let mode = ModeConfig::default();
            run::run("request", planned, source, &prepared, mode, &connect, &output)
        }
        Invocation::Plan { playbooks, format, inventory, tasks, connect } => {
            let loaded = load(sources, &playbooks);
            let prepare = |connect: &ConnectConfig| {
                Prepared::new(sources, &inventory, Some(&tasks), connect, UNREAD)
            };
            let (prepared, (_, raw)) = together(prepare, loaded, &connect)?;
            let planned = prepared.plan(Work::Playbooks(&raw))?;
            draw(&planned.warnings, sources);
            let redactor = Redactor::new(&planned.secrets);
            match format {
                PlanFormat::Text => print(&show::text(&planned.plan, &redactor)),
                PlanFormat::Json => print(&format!("{:#}\n", show::json(&planned.plan, &redactor))),
            }
            Ok(ExitCode::Success)
        }
        Invocation::Check { paths, inventory, tasks, connect, secrets, format } => {
            let checked = check::check(sources, &paths, &inventory, &tasks, &connect, secrets);
            check::tell(checked, sources, format)
        }
        Invocation::Schema(kind) => {
            print(&crate::schema::text(kind));
            Ok(ExitCode::Success)
        }
    }
}

type Loaded = (Vec<PathBuf>, Vec<RawPlaybook>);

fn load(sources: &Sources, playbooks: &[String]) -> Result<Loaded, Problems> {
    let paths = collected(crate::load::playbook_paths(playbooks))?;
    let raw = collected(crate::load::playbooks(sources, &paths))?;
    Ok((paths, raw))
}

/// What is wrong with the playbooks is told together with what is wrong with the
/// inventory and the flags. Nobody is asked for a password that will not be used.
fn together(
    prepare: impl FnOnce(&ConnectConfig) -> Result<Prepared, Problems>,
    loaded: Result<Loaded, Problems>,
    connect: &ConnectConfig,
) -> Result<(Prepared, Loaded), Problems> {
    match loaded {
        Ok(loaded) => Ok((prepare(connect)?, loaded)),
        Err(problems) => {
            let unasked = ConnectConfig { ask: Ask::Nothing, ..connect.clone() };
            let others = prepare(&unasked).err().unwrap_or_default();
            Err(Problems::collect(others.iter().chain(problems.iter()).cloned()))
        }
    }
}

fn collected<T>(result: Result<T, Vec<Problem>>) -> Result<T, Problems> {
    result.map_err(Problems::collect)
}

/// Writes to standard output. Whoever closed it wants no more.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Draws problems on standard error, and says that nothing was run.
fn complain(problems: &Problems, sources: &Sources) {
    draw(problems, sources);
    let mut stderr = std::io::stderr().lock();
    let _ = match problems.len() {
        1 => writeln!(stderr, "1 problem; nothing was run"),
        more => writeln!(stderr, "{more} problems; nothing was run"),
    };
}

/// Draws problems on standard error.
fn draw(problems: &Problems, sources: &Sources) {
    let stderr = std::io::stderr();
    let size = stderr.is_terminal().then(|| rustix::termios::tcgetwinsize(&stderr).ok()).flatten();
    let width = size.map_or(100, |size| usize::from(size.ws_col).clamp(40, 120));
    let color = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
    let drawn = diagnostic::render(problems, sources, RenderStyle { color, width });
    let _ = stderr.lock().write_all(drawn.as_bytes());
}
