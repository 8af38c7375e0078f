//! Reads what the command line names: inventories, variables, requests.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::collected;
use crate::diagnostic::{Problem, Problems};
use crate::load::inventory::{VarsDir, VarsSet};
use crate::load::layer::Layer;
use crate::load::source::{FileId, Sources};
use crate::resolve::inventory::Inventory;

/// The inventory, and the variables beside it.
pub(super) fn load_inventory(
    sources: &Sources,
    given: &[String],
) -> Result<(Inventory, VarsSet), Problems> {
    let loaded = collected(crate::load::inventory::load(sources, given))?;
    let inventory = collected(Inventory::build(loaded.inventories))?;
    inventory.warnings().into_iter().for_each(|warning| sources.warn(warning));
    let mut vars = VarsSet::default();
    let mut beside = Vec::new();
    let mut problems = Vec::new();
    for directory in &loaded.directories {
        match vars_beside(&mut vars, sources, &inventory, directory) {
            Ok(found) => beside.push(found),
            Err(errors) => problems.extend(errors),
        }
    }
    if !problems.is_empty() {
        return Err(Problems::collect(problems));
    }
    Ok((inventory.with_vars(beside), vars))
}

/// The variables that stand in a directory for the inventory's groups and hosts.
pub(super) fn vars_beside(
    vars: &mut VarsSet,
    sources: &Sources,
    inventory: &Inventory,
    directory: &Path,
) -> Result<Arc<VarsDir>, Vec<Problem>> {
    let groups = inventory.groups().map(|(name, _)| &**name);
    let hosts = inventory.hosts().map(|(name, _)| &**name);
    vars.beside(sources, directory, groups, hosts)
}

/// What `--extra-vars` gives, in order.
pub(super) fn extra_layers(
    sources: &Sources,
    given: &[String],
) -> Result<Vec<Arc<Layer>>, Problems> {
    let mut layers = Vec::new();
    let mut problems = Vec::new();
    for text in given {
        let layer = crate::load::extra_vars(sources, text)
            .and_then(|(file, vars)| crate::load::layer(file, vars));
        match layer {
            Ok(layer) => layers.push(Arc::new(layer)),
            Err(errors) => problems.extend(errors),
        }
    }
    if problems.is_empty() { Ok(layers) } else { Err(Problems::collect(problems)) }
}

/// Reads a request file, or standard input for `-`.
pub(super) fn read_request(
    sources: &Sources,
    path: &str,
) -> Result<(Option<PathBuf>, FileId), Vec<Problem>> {
    if path != "-" {
        let path = Path::new(path);
        return match sources.read(path) {
            Ok(file) => Ok((Some(path.to_owned()), file)),
            Err(error) => Err(vec![Problem::new(crate::load::unreadable(path, &error), None)]),
        };
    }
    let mut text = String::new();
    match std::io::stdin().read_to_string(&mut text) {
        Ok(_) => {
            let here = std::path::absolute(".").unwrap_or_else(|_| PathBuf::from("."));
            Ok((None, sources.add("<stdin>", &here, text)))
        }
        Err(error) => {
            let error = crate::load::unreadable(Path::new("<stdin>"), &error);
            Err(vec![Problem::new(error, None)])
        }
    }
}
