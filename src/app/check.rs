//! `sshoal check`: proves files without connecting.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::prepare::Prepared;
use super::read::load_inventory;
use super::{complain, draw, print, provenance};
use crate::cli::CheckFormat;
use crate::config::{ConnectConfig, InventoryConfig, SecretAccess, TaskConfig};
use crate::diagnostic::finding::{Finding, findings};
use crate::diagnostic::{Problem, Problems, format};
use crate::exit_code::ExitCode;
use crate::lint;
use crate::load::source::Sources;
use crate::load::{CheckedFile, PlaybookContent, RawPlaybook};
use crate::plan::{Planned, Work, form};
use crate::resolve::inventory::Inventory;
use crate::resolve::scope::World;

/// What is checked when nothing is named.
const DEFAULT: &str = "playbooks/*.yml";

/// What a check found.
#[derive(Default)]
pub(super) struct Checked {
    sound: Vec<Sound>,
    problems: Vec<Problem>,
}

/// A file without errors, and what it holds.
#[derive(Serialize)]
struct Sound {
    path: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Content {
    Inventory {
        hosts: usize,
    },
    /// Proven for every host.
    Playbook {
        plays: usize,
        tasks: usize,
        hosts: usize,
    },
    /// For plays to import; what they mean is proven with the plays.
    Tasks {
        tasks: usize,
    },
    /// Of a group or a host.
    Variables {
        variables: usize,
    },
    /// Without an inventory there are no hosts to prove a playbook for.
    #[serde(rename = "playbook_form")]
    Form,
}

/// Checks files, and plans the playbooks among them where an inventory is given.
pub(super) fn check(
    sources: &Arc<Sources>,
    paths: &[String],
    inventory: &InventoryConfig,
    tasks: &TaskConfig,
    connect: &ConnectConfig,
    secrets: SecretAccess,
) -> Checked {
    let mut checked = Checked::default();
    let playbooks = checked.files(sources, paths);
    let prepared = match Prepared::new(sources, inventory, Some(tasks), connect, secrets) {
        Ok(prepared) => Some(prepared),
        Err(errors) => {
            checked.problems.extend(errors.iter().cloned());
            None
        }
    };
    // What only some hosts and tasks show says nothing of the playbook.
    let is_whole = tasks.tags.is_empty() && tasks.skip_tags.is_empty() && inventory.limit.is_none();
    for (path, playbook) in &playbooks {
        let needs_inventory = matches!(playbook.content, PlaybookContent::Plays(_));
        match &prepared {
            Some(prepared) if prepared.has_inventory() || !needs_inventory => {
                match prepared.plan(Work::Playbooks(std::slice::from_ref(playbook))) {
                    Err(errors) => checked.problems.extend(errors.iter().cloned()),
                    Ok(planned) => {
                        checked.problems.extend(planned.warnings.iter().cloned());
                        let whole = is_whole.then_some(&planned.plan);
                        checked.problems.extend(lint::playbook(sources, playbook, whole));
                        checked.sound(path, proven(&planned));
                    }
                }
            }
            _ => {
                let wrong = form(&world(sources, prepared.as_ref()), playbook);
                if wrong.is_empty() {
                    checked.problems.extend(lint::playbook(sources, playbook, None));
                    checked.sound(path, Content::Form);
                }
                checked.problems.extend(wrong);
            }
        }
    }
    checked.problems.extend(sources.warnings());
    checked.problems.extend(lint::plain_secrets(sources, provenance::is_under_git));
    checked
}

/// What templates can be looked at with, where there may be no inventory.
fn world(sources: &Arc<Sources>, prepared: Option<&Prepared>) -> Arc<World> {
    if let Some(prepared) = prepared {
        return Arc::clone(prepared.world());
    }
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    let (inventory, sources) = (Arc::new(Inventory::default()), Arc::clone(sources));
    Arc::new(World::new(inventory, sources, Vec::new(), "".into(), home))
}

fn proven(planned: &Planned) -> Content {
    let plays = &planned.plan.plays;
    Content::Playbook {
        plays: plays.len(),
        tasks: plays.iter().map(|play| play.tasks.len()).sum(),
        hosts: plays.iter().map(|play| play.lanes.len()).sum(),
    }
}

impl Checked {
    /// Loads what `paths` name, and returns the playbooks among it.
    fn files(&mut self, sources: &Sources, paths: &[String]) -> Vec<(PathBuf, RawPlaybook)> {
        let patterns = match paths.is_empty() {
            true => vec![DEFAULT.to_owned()],
            false => paths.to_vec(),
        };
        let paths = crate::load::playbook_paths(&patterns).unwrap_or_else(|errors| {
            self.problems.extend(errors);
            Vec::new()
        });
        let mut playbooks = Vec::new();
        for path in self.unfolded(sources, paths) {
            match crate::load::any_file(sources, &path) {
                Err(errors) => self.problems.extend(errors),
                Ok(CheckedFile::Playbook(playbook)) => playbooks.push((path, playbook)),
                Ok(CheckedFile::Tasks(tasks)) => {
                    self.sound(&path, Content::Tasks { tasks: tasks.len() });
                }
                Ok(CheckedFile::Vars(variables)) => {
                    self.sound(&path, Content::Variables { variables });
                }
                Ok(CheckedFile::Inventory(raw)) => match Inventory::build(vec![raw]) {
                    Err(errors) => self.problems.extend(errors),
                    Ok(inventory) => {
                        self.problems.extend(inventory.warnings());
                        self.sound(&path, Content::Inventory { hosts: inventory.hosts().count() });
                    }
                },
            }
        }
        playbooks
    }

    /// Checks the directories among `paths` that are inventories, and gives what is
    /// left: files, and those in directories of playbooks.
    fn unfolded(&mut self, sources: &Sources, paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for path in paths {
            if !path.is_dir() {
                files.push(path);
            } else if crate::load::holds_playbooks(sources, &path) {
                // Its own name is no pattern.
                let name = glob::Pattern::escape(&path.to_string_lossy());
                let within = ["yml", "yaml", "json"].map(|ending| format!("{name}/*.{ending}"));
                let within = within.iter().flat_map(|pattern| glob::glob(pattern));
                let mut within: Vec<PathBuf> = within.flat_map(|found| found.flatten()).collect();
                within.sort();
                files.extend(within);
            } else {
                match load_inventory(sources, &[path.display().to_string()]) {
                    Err(errors) => self.problems.extend(errors.iter().cloned()),
                    Ok((inventory, _)) => {
                        let hosts = inventory.hosts().count();
                        self.sound(&path, Content::Inventory { hosts });
                    }
                }
            }
        }
        files
    }

    fn sound(&mut self, path: &Path, content: Content) {
        self.sound.push(Sound { path: path.display().to_string(), content });
    }
}

impl Sound {
    fn line(&self) -> String {
        let Self { path, content } = self;
        match content {
            Content::Inventory { hosts } => format!("ok  {path}  inventory of {hosts} hosts\n"),
            Content::Playbook { plays, tasks, hosts } => {
                format!("ok  {path}  plays: {plays}, tasks: {tasks}, hosts: {hosts}\n")
            }
            Content::Tasks { tasks } => {
                format!(
                    "ok  {path}  tasks: {tasks}, in form only: plays that import them prove them\n"
                )
            }
            Content::Variables { variables } => format!("ok  {path}  variables: {variables}\n"),
            Content::Form => {
                format!("ok  {path}  in form only; `-i INVENTORY` proves it for each host\n")
            }
        }
    }
}

/// Tells what was found. Standard output holds the format and nothing else.
pub(super) fn tell(
    checked: Checked,
    sources: &Sources,
    format: CheckFormat,
) -> Result<ExitCode, Problems> {
    let Checked { sound, problems } = checked;
    let problems = Problems::collect(problems);
    let located = |root: Option<&str>| {
        let root = root.and_then(std::env::var_os).filter(|root| !root.is_empty());
        let root = root.map(PathBuf::from).or_else(|| std::env::current_dir().ok());
        findings(&problems, sources, &root.unwrap_or_default())
    };
    match format {
        CheckFormat::Text => {
            sound.iter().for_each(|file| print(&file.line()));
            let (errors, warnings) = problems.split();
            draw(&warnings, sources);
            return if errors.is_empty() { Ok(ExitCode::Success) } else { Err(errors) };
        }
        CheckFormat::Json => {
            let mut found = format::json(&located(None));
            found["files"] = json!(sound);
            print(&format!("{found:#}\n"));
        }
        CheckFormat::Github => annotate(&located(Some("GITHUB_WORKSPACE"))),
        CheckFormat::Gitlab => {
            print(&format!("{:#}\n", format::gitlab(&located(Some("CI_PROJECT_DIR")))));
        }
    }
    let (errors, _) = problems.split();
    if errors.is_empty() {
        return Ok(ExitCode::Success);
    }
    // A log is read by people too.
    if format != CheckFormat::Github {
        complain(&errors, sources);
    }
    Ok(ExitCode::InvalidInput)
}

/// Writes annotations to standard output and the rest to the summary of the step;
/// without one, nothing is lost either.
fn annotate(findings: &[Finding]) {
    let told = format::github(findings);
    print(&told.annotations);
    let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    let written = summary.is_some_and(|path| {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(told.summary.as_bytes())).is_ok()
    });
    if told.left_out > 0 && written {
        print(&format!("{} more in the summary of this step\n", told.left_out));
    } else if told.left_out > 0 {
        print(&told.summary);
    }
}
