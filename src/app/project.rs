//! Finds the project file, and lays its defaults below the flags.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::OutputFormat;
use crate::config::{ConnectConfig, InventoryConfig, Invocation, OutputConfig};
use crate::diagnostic::{Problem, Problems};
use crate::execute::CanaryMode;
use crate::load::project::{PROJECT_FILE, Project};
use crate::load::source::Sources;
use crate::load::values::OutputName;
use crate::load::{self, LoadError};

/// Lays what the project file says below what flags and environment say. `given` is
/// the file that the user named; else it is looked for, from the current directory
/// upwards as far as the git work tree reaches.
pub(super) fn apply(
    invocation: &mut Invocation,
    sources: &Sources,
    given: Option<&Path>,
) -> Result<(), Problems> {
    let names_hosts = matches!(invocation, Invocation::Request { .. });
    let (inventory, connect, output) = match invocation {
        Invocation::Schema(_) => return Ok(()),
        Invocation::Run { inventory, connect, output, .. }
        | Invocation::Exec { inventory, connect, output, .. }
        | Invocation::Request { inventory, connect, output, .. } => {
            (inventory, Some(connect), Some(output))
        }
        Invocation::Plan { inventory, connect, .. }
        | Invocation::Check { inventory, connect, .. } => (inventory, Some(connect), None),
        Invocation::Inventory { inventory, .. } => (inventory, None, None),
    };
    let Some(path) = given.map(Path::to_owned).or_else(find) else { return Ok(()) };
    if given.is_none() {
        refuse_if_anybody_writes(&path)?;
    }
    let project = load::project::project(sources, &path).map_err(Problems::collect)?;
    if !names_hosts {
        fill_inventory(inventory, &project);
    }
    inventory.defaults = Some(Arc::new(project.layer.clone()));
    if let Some(connect) = connect {
        fill_connect(connect, &project);
    }
    if let Some(output) = output {
        fill_output(output, &project);
    }
    Ok(())
}

fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    for directory in here.ancestors() {
        let path = directory.join(PROJECT_FILE);
        if path.is_file() {
            return Some(path);
        }
        if directory.join(".git").exists() {
            return None;
        }
    }
    None
}

/// Whoever may write the file decides which hosts are reached, and as whom.
fn refuse_if_anybody_writes(path: &Path) -> Result<(), Problems> {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let mode = |path: &Path| path.metadata().map_or(0, |metadata| metadata.mode());
    let directory = path.parent().map_or(0, mode);
    // In a sticky directory others may still put a file where there was none.
    let is_open = mode(path) & OTHERS_WRITE != 0 || directory & OTHERS_WRITE != 0;
    if !is_open {
        return Ok(());
    }
    let what = match directory & (OTHERS_WRITE | STICKY) {
        0 => "it",
        _ => "its directory",
    };
    let error = LoadError::Conflict {
        message: format!(
            "the project file `{}` is not used: anybody may write {what}",
            load::source::shown(path)
        ),
        help: "take that permission away (`chmod o-w`), or name the file with `--project`"
            .to_owned(),
    };
    Err(Problem::new(error, None).into())
}

fn fill_inventory(inventory: &mut InventoryConfig, project: &Project) {
    if inventory.sources.is_empty()
        && let Some(sources) = &project.raw.inventory
    {
        let sources = sources.each().into_iter().map(|source| source.value);
        inventory.sources = sources.map(|source| below(project, &source)).collect();
    }
}

/// A source that the project file names: a path, or a list of hosts.
fn below(project: &Project, source: &str) -> String {
    let path = project.directory.join(source);
    match source.contains(',') && !path.exists() {
        true => source.to_owned(),
        false => load::source::shown(&path),
    }
}

fn fill_connect(connect: &mut ConnectConfig, project: &Project) {
    let raw = &project.raw;
    connect.forks = connect.forks.or(raw.forks.as_ref().map(|forks| forks.value.0));
    if connect.known_hosts.is_none() {
        let path = raw.known_hosts.as_ref().map(|path| path.value.as_str());
        connect.known_hosts = path.map(|path| path_below(project, path));
    }
    if raw.canary.as_ref().is_some_and(|canary| !canary.value) {
        connect.canary = CanaryMode::Off;
    }
}

fn fill_output(output: &mut OutputConfig, project: &Project) {
    let raw = &project.raw;
    let format = raw.output.as_ref().map(|output| match output.value {
        OutputName::Text => OutputFormat::Text,
        OutputName::Json => OutputFormat::Json,
        OutputName::Ndjson => OutputFormat::Ndjson,
    });
    output.format = output.format.or(format);
    if output.report.is_none() {
        let path = raw.report.as_ref().map(|path| path.value.as_str());
        output.report = path.map(|path| path_below(project, path));
    }
}

fn path_below(project: &Project, path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
        None => project.directory.join(path),
    }
}
