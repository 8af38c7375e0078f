//! Drives one invocation through the stages: load, resolve, plan, execute, report.
//!
//! This is the only place that sees all of them; it decides nothing that a stage
//! could decide.

mod ad_hoc;
mod check;
mod file_limit;
mod flags;
mod inventory;
mod prepare;
mod project;
mod provenance;
mod read;
mod run;
mod signals;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::{OutputFormat, PlanFormat};
use crate::config::{AdHoc, Invocation, ModeConfig, SecretAccess};
use crate::diagnostic::{self, Problem, Problems, RenderStyle};
use crate::exit_code::ExitCode;
use crate::load::RawPlaybook;
use crate::load::source::Sources;
use crate::plan::{Work, show};
use prepare::Prepared;

/// Does what was asked for, with the process's standard output and error.
pub(crate) fn run(mut invocation: Invocation, project: Option<&Path>) -> ExitCode {
    let sources = Arc::new(Sources::default());
    let is_check = matches!(invocation, Invocation::Check { .. });
    let applied = project::apply(&mut invocation, &sources, project);
    match applied.and_then(|()| dispatch(invocation, &sources)) {
        Ok(code) => code,
        Err(problems) => {
            if !is_check {
                // A check has told them with the rest.
                draw(&Problems::collect(sources.warnings()), &sources);
            }
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
        Invocation::Run { playbooks, inventory, tasks, mode, list, connect, output } => {
            let loaded = load(sources, &playbooks);
            let secrets = if list.is_empty() { READ } else { UNREAD };
            let prepared = Prepared::new(sources, &inventory, Some(&tasks), &connect, secrets);
            let (mut prepared, (paths, raw)) = together(prepared, loaded)?;
            if !list.is_empty() {
                let planned = prepared.plan(Work::Playbooks(&raw))?;
                draw(&planned.warnings, sources);
                let (plan, redactor) = (&planned.plan, &planned.redactor);
                print(&match output.format.unwrap_or_default() {
                    OutputFormat::Text => show::list(plan, list, redactor),
                    OutputFormat::Json => format!("{:#}\n", show::list_json(plan, list, redactor)),
                    OutputFormat::Ndjson => format!("{}\n", show::list_json(plan, list, redactor)),
                });
                return Ok(ExitCode::Success);
            }
            let source = provenance::of(sources, &raw, &paths, &inventory.sources);
            let planned = prepared.plan_and_ask(Work::Playbooks(&raw), &connect)?;
            run::run("run", planned, source, &prepared, mode, &connect, &output)
        }
        Invocation::Exec { pattern, job: AdHoc::ListHosts, inventory, connect, .. } => {
            let prepared = Prepared::new(sources, &inventory, None, &connect, UNREAD)?;
            let names = prepared.select(&pattern)?;
            draw(&Problems::collect(sources.warnings()), sources);
            print(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
            Ok(ExitCode::Success)
        }
        Invocation::Exec { pattern, job, inventory, mode, connect, output } => {
            let raw = collected(ad_hoc::playbook(sources, &pattern, &job))?;
            let mut prepared = Prepared::new(sources, &inventory, None, &connect, READ)?;
            let source = provenance::of(sources, &[], &[], &inventory.sources);
            let planned =
                prepared.plan_and_ask(Work::Playbooks(std::slice::from_ref(&raw)), &connect)?;
            run::run("exec", planned, source, &prepared, mode, &connect, &output)
        }
        Invocation::Request { file, inventory, connect, output } => {
            let mut prepared = Prepared::new(sources, &inventory, None, &connect, READ)?;
            let (path, id) = collected(read::read_request(sources, &file))?;
            let requests = collected(crate::load::literal_requests(sources, id))?;
            let source = provenance::of_files(sources, &[id], &path, &[]);
            let planned = prepared.plan_and_ask(Work::Requests(&file, &requests), &connect)?;
            let mode = ModeConfig::default();
            run::run("request", planned, source, &prepared, mode, &connect, &output)
        }
        Invocation::Plan { playbooks, format, inventory, tasks, connect } => {
            let loaded = load(sources, &playbooks);
            let prepared = Prepared::new(sources, &inventory, Some(&tasks), &connect, UNREAD);
            let (prepared, (_, raw)) = together(prepared, loaded)?;
            let planned = prepared.plan(Work::Playbooks(&raw))?;
            draw(&planned.warnings, sources);
            let redactor = &planned.redactor;
            match format {
                PlanFormat::Text => print(&show::text(&planned.plan, redactor)),
                PlanFormat::Json => {
                    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
                    // Whoever closed it wants no more.
                    let _ = show::json(&planned.plan, redactor, &mut stdout);
                }
            }
            Ok(ExitCode::Success)
        }
        Invocation::Check { paths, inventory, tasks, connect, secrets, format } => {
            let checked = check::check(sources, &paths, &inventory, &tasks, &connect, secrets);
            check::tell(checked, sources, format)
        }
        Invocation::Inventory { inventory, view } => inventory::show(sources, &inventory, &view),
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
/// inventory and the flags.
fn together(
    prepared: Result<Prepared, Problems>,
    loaded: Result<Loaded, Problems>,
) -> Result<(Prepared, Loaded), Problems> {
    match (prepared, loaded) {
        (Ok(prepared), Ok(loaded)) => Ok((prepared, loaded)),
        (prepared, loaded) => {
            let within = loaded.iter().flat_map(|(_, raw)| raw);
            let within: Vec<_> = within.flat_map(|raw| raw.problems.iter().cloned()).collect();
            let problems = [prepared.err(), loaded.err()].map(Option::unwrap_or_default);
            let problems = problems.iter().flat_map(Problems::iter).cloned();
            Err(Problems::collect(problems.chain(within)))
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
