//! Inventories, as written: groups, hosts and their variables, in each of the forms
//! that Ansible reads. What they mean together is for `resolve` to say.

mod directory;
mod ini;
mod inline;
mod interrupt;
mod literal;
mod range;
mod script;
mod section;
pub mod vars_dir;
mod words;
mod yaml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use interrupt::release_signals;
pub use vars_dir::{VarsDir, VarsSet};

use super::decode::{At, Decoder};
use super::error::LoadError;
use super::file::read;
use super::layer::Layer;
use super::node::Kind;
use super::playbook::Vars;
use super::source::{FileId, Sources, Span};
use crate::diagnostic::Problem;

/// One inventory source, flattened: a group may occur several times.
#[derive(Debug)]
pub struct RawInventory {
    /// The file, or the text that stands for it.
    pub file: FileId,
    /// What it says of groups, in the order written.
    pub groups: Vec<RawGroup>,
}

/// What one place says of a group.
#[derive(Debug)]
pub struct RawGroup {
    /// The group's name.
    pub name: At<String>,
    /// Its hosts, each with the variables given there.
    pub hosts: Vec<RawHost>,
    /// The groups within it.
    pub children: Vec<At<String>>,
    /// Its variables.
    pub layer: Option<Arc<Layer>>,
    /// `ansible_group_priority`: among groups of one depth a higher one wins.
    pub priority: Option<i64>,
}

impl RawGroup {
    /// A group of which nothing is said.
    fn empty(name: &str, key: Option<Span>) -> Self {
        Self {
            name: named(name, key),
            hosts: Vec::new(),
            children: Vec::new(),
            layer: None,
            priority: None,
        }
    }
}

/// What one place says of a host.
#[derive(Debug, Clone)]
pub struct RawHost {
    /// The host's name.
    pub name: At<String>,
    /// The port behind the name, which counts where the host is first named.
    pub port: Option<u16>,
    /// Its variables.
    pub layer: Option<Arc<Layer>>,
}

/// The groups that earlier sources have declared.
#[derive(Debug, Clone)]
struct Known(BTreeSet<String>);

impl Default for Known {
    fn default() -> Self {
        Self(["all", "ungrouped"].map(String::from).into())
    }
}

impl Known {
    fn learn(&mut self, groups: &[RawGroup]) {
        self.0.extend(groups.iter().map(|group| group.name.value.clone()));
    }
}

/// Every source that `-i` named, and where variables may stand beside them.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The sources, in order.
    pub inventories: Vec<RawInventory>,
    /// The directories whose `group_vars` and `host_vars` belong to them, in order.
    pub directories: Vec<PathBuf>,
}

/// Reads what `-i` may name, in order: a file, a directory of them, an executable,
/// or hosts with commas between them.
///
/// # Errors
/// All that is wrong with any of them.
pub fn load(sources: &Sources, given: &[String]) -> Result<Loaded, Vec<Problem>> {
    let mut loaded = Loaded::default();
    let mut known = Known::default();
    let mut problems = Vec::new();
    for source in &split(given) {
        let path = Path::new(source);
        // A comma makes it a list of hosts, as in Ansible, unless a file has that name.
        if source.contains(',') && !path.exists() {
            let file = sources.add("<--inventory>", Path::new("."), source.clone());
            let mut decoder = Decoder::new(true, Some(Span::whole(file)));
            let groups = inline::read(source, Span::whole(file), &mut decoder);
            problems.extend(decoder.finish());
            loaded.inventories.push(RawInventory { file, groups });
            continue;
        }
        let beside = match path.is_dir() {
            true => path.to_owned(),
            false => path.parent().map(Path::to_owned).unwrap_or_default(),
        };
        match source_at(sources, path, &mut known) {
            Ok(inventories) => {
                loaded.inventories.extend(inventories);
                loaded.directories.push(beside);
            }
            Err(errors) => problems.extend(errors),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// Several paths with commas between them are several sources, as in Ansible's own
/// variable; so that a list of hosts stays one, all of them must be there.
fn split(given: &[String]) -> Vec<String> {
    let several = |source: &String| -> Vec<String> {
        let parts: Vec<&str> = source.split(',').map(str::trim).collect();
        let is_path = |part: &&str| !part.is_empty() && Path::new(part).exists();
        match !Path::new(source).exists() && parts.iter().all(is_path) {
            true => parts.into_iter().map(str::to_owned).collect(),
            false => vec![source.clone()],
        }
    };
    given.iter().flat_map(several).collect()
}

fn source_at(
    sources: &Sources,
    path: &Path,
    known: &mut Known,
) -> Result<Vec<RawInventory>, Vec<Problem>> {
    if path.is_dir() {
        return directory::read(sources, path, known);
    }
    let inventory = match script::is_script(path) {
        true => script::read(sources, path)?,
        false => {
            let file = read(sources, path)?;
            parse(sources, file, known)?
        }
    };
    known.learn(&inventory.groups);
    Ok(vec![inventory])
}

pub(super) use script::{is_script, read as script};

/// Whether a text is an INI inventory beyond doubt.
pub(super) fn is_ini(sources: &Sources, file: FileId) -> bool {
    let source = sources.get(file);
    source.name.ends_with(".ini") || yaml::begins_as_ini(&source.text)
}

/// Reads one inventory file that is no script.
pub(super) fn parse_alone(sources: &Sources, file: FileId) -> Result<RawInventory, Vec<Problem>> {
    parse(sources, file, &Known::default())
}

fn parse(sources: &Sources, file: FileId, known: &Known) -> Result<RawInventory, Vec<Problem>> {
    let source = sources.get(file);
    let whole = Span::whole(file);
    if source.text.starts_with("#!") {
        let message = format!("the inventory script `{}` is not executable", source.name);
        let help = "make it executable with `chmod +x`; what it prints for `--list` is read";
        let error = LoadError::Conflict { message, help: help.to_owned() };
        return Err(vec![Problem::new(error, None)]);
    }
    let mut decoder = Decoder::new(true, Some(whole));
    if yaml::claims(sources, file) {
        return yaml::parse(sources, file);
    }
    let groups = ini::read(&source.text, whole, known, &mut decoder);
    let problems = decoder.finish();
    if problems.is_empty() { Ok(RawInventory { file, groups }) } else { Err(problems) }
}

fn named(name: &str, key: Option<Span>) -> At<String> {
    At { value: name.to_owned(), span: key, key }
}

/// The variable that ranks a group among its equals.
const PRIORITY: &str = "ansible_group_priority";

/// Takes the group's priority out of its variables, of which it is none.
fn take_priority(vars: &mut Vars, decoder: &mut Decoder) -> Option<i64> {
    let entry = vars.0.shift_remove(PRIORITY)?;
    let priority = match &entry.value.kind {
        Kind::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|n| n as i64)),
        Kind::Text(text, _) => text.trim().parse().ok(),
        Kind::Bool(value) => Some(i64::from(*value)),
        _ => None,
    };
    if priority.is_none() {
        let help = "of two groups of one depth the variables of the higher number win; 1 is usual";
        decoder.wrong_type(&entry.value, &format!("`{PRIORITY}`"), "a whole number", help);
    }
    priority
}
