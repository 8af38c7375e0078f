//! `sshoal check`: proves files without connecting.

use std::path::PathBuf;
use std::sync::Arc;

use super::prepare::Prepared;
use super::{collected, print, warn};
use crate::config::{ConnectConfig, InventoryConfig, SecretAccess, TaskConfig};
use crate::diagnostic::{Problem, Problems};
use crate::exit_code::ExitCode;
use crate::load::source::Sources;
use crate::load::{CheckedFile, PlaybookContent, RawPlaybook};
use crate::plan::Work;
use crate::resolve::inventory::Inventory;

/// What is checked when nothing is named.
const DEFAULT: &str = "playbooks/*.yml";

/// Checks files, and plans the playbooks among them where an inventory is given.
pub(super) fn check(
    sources: &Arc<Sources>,
    paths: &[String],
    inventory: &InventoryConfig,
    tasks: &TaskConfig,
    connect: &ConnectConfig,
    secrets: SecretAccess,
) -> Result<ExitCode, Problems> {
    let patterns = match paths.is_empty() {
        true => vec![DEFAULT.to_owned()],
        false => paths.to_vec(),
    };
    let paths = collected(crate::load::playbook_paths(&patterns))?;
    let mut problems: Vec<Problem> = Vec::new();
    let mut playbooks: Vec<(PathBuf, RawPlaybook)> = Vec::new();
    let mut lines = Vec::new();
    for path in paths {
        match crate::load::any_file(sources, &path) {
            Err(errors) => problems.extend(errors),
            Ok(CheckedFile::Playbook(playbook)) => playbooks.push((path, playbook)),
            Ok(CheckedFile::Inventory(raw)) => match Inventory::build(vec![raw]) {
                Err(errors) => problems.extend(errors),
                Ok(inventory) => {
                    let hosts = inventory.hosts().count();
                    lines.push(format!("ok  {}  inventory of {hosts} hosts", path.display()));
                }
            },
        }
    }
    let prepared = match Prepared::new(sources, inventory, Some(tasks), connect, secrets) {
        Ok(prepared) => Some(prepared),
        Err(errors) => {
            problems.extend(errors.iter().cloned());
            None
        }
    };
    for (path, playbook) in &playbooks {
        let name = path.display();
        let needs_inventory = matches!(playbook.content, PlaybookContent::Plays(_));
        match &prepared {
            Some(prepared) if prepared.has_inventory() || !needs_inventory => {
                match prepared.plan(Work::Playbooks(std::slice::from_ref(playbook))) {
                    Err(errors) => problems.extend(errors.iter().cloned()),
                    Ok(planned) => {
                        warn(&planned);
                        let plays = planned.plan.plays.len();
                        let tasks: usize =
                            planned.plan.plays.iter().map(|play| play.tasks.len()).sum();
                        let hosts: usize =
                            planned.plan.plays.iter().map(|play| play.lanes.len()).sum();
                        lines.push(format!(
                            "ok  {name}  plays: {plays}, tasks: {tasks}, hosts: {hosts}"
                        ));
                    }
                }
            }
            _ => lines
                .push(format!("ok  {name}  in form only; `-i INVENTORY` proves it for each host")),
        }
    }
    for line in lines {
        print(&format!("{line}\n"));
    }
    let problems = Problems::collect(problems);
    if problems.is_empty() { Ok(ExitCode::Success) } else { Err(problems) }
}
