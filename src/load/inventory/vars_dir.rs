//! `group_vars/` and `host_vars/`: files of variables, beside an inventory or a
//! playbook, that are named after groups and hosts.
//!
//! Each directory is listed once, however many hosts there are; only files of
//! names that the inventory has are read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::load::decode::{Decode as _, Decoder};
use crate::load::document::{Format, document};
use crate::load::file::{finish, read, unreadable};
use crate::load::layer::Layer;
use crate::load::node::Kind;
use crate::load::playbook::Vars;
use crate::load::source::{Sources, Span, shown};

/// Endings of files with variables, in the order in which they are looked for.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// What a file begins with that Ansible Vault has encrypted.
const VAULT_HEADER: &str = "$ANSIBLE_VAULT;";

/// What `group_vars` and `host_vars` of one directory say.
#[derive(Debug, Default)]
pub struct VarsDir {
    /// Layers of groups, each in the order of its files.
    pub groups: HashMap<String, Vec<Arc<Layer>>>,
    /// Layers of hosts.
    pub hosts: HashMap<String, Vec<Arc<Layer>>>,
    /// Files that Ansible Vault has encrypted, which are passed over.
    pub encrypted: Vec<String>,
}

impl VarsDir {
    /// Whether nothing stands there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.hosts.is_empty()
    }
}

/// Directories beside which variables may stand, each read once.
#[derive(Debug, Default)]
pub struct VarsSet(BTreeMap<PathBuf, Arc<VarsDir>>);

impl VarsSet {
    /// What stands beside `directory` for groups and hosts of these names.
    ///
    /// # Errors
    /// All that is wrong with the files.
    pub fn beside<'n>(
        &mut self,
        sources: &Sources,
        directory: &Path,
        groups: impl Iterator<Item = &'n str>,
        hosts: impl Iterator<Item = &'n str>,
    ) -> Result<Arc<VarsDir>, Vec<Problem>> {
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let key = here.canonicalize().unwrap_or_else(|_| here.to_owned());
        if let Some(known) = self.0.get(&key) {
            return Ok(Arc::clone(known));
        }
        let mut encrypted = Vec::new();
        let mut problems = Vec::new();
        let mut layers = |name: &str, names: &mut dyn Iterator<Item = &'n str>| {
            Folder::open(&directory.join(name), &mut problems)
                .map(|folder| folder.layers(sources, names, &mut encrypted, &mut problems))
                .unwrap_or_default()
        };
        let groups = layers("group_vars", &mut { groups });
        let hosts = layers("host_vars", &mut { hosts });
        if !problems.is_empty() {
            return Err(problems);
        }
        let loaded = Arc::new(VarsDir { groups, hosts, encrypted });
        self.0.insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Files of all directories that Ansible Vault has encrypted.
    pub fn encrypted(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|loaded| loaded.encrypted.iter().map(String::as_str))
    }
}

/// A directory, listed once.
struct Folder {
    path: PathBuf,
    /// Each entry, and whether it is a directory.
    entries: BTreeMap<String, bool>,
}

impl Folder {
    fn open(path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match list(path) {
            Ok(entries) => Some(Self { path: path.to_owned(), entries }),
            Err(error) => {
                use std::io::ErrorKind::{NotADirectory, NotFound};
                // As a rule there is none.
                if !matches!(error.kind(), NotFound | NotADirectory) {
                    problems.push(Problem::new(unreadable(path, &error), None));
                }
                None
            }
        }
    }

    fn layers(
        &self,
        sources: &Sources,
        names: &mut dyn Iterator<Item = &str>,
        encrypted: &mut Vec<String>,
        problems: &mut Vec<Problem>,
    ) -> HashMap<String, Vec<Arc<Layer>>> {
        let mut found = HashMap::new();
        for name in names.filter(|name| !name.starts_with('/')) {
            let mut layers = Vec::new();
            for path in self.files(name, problems) {
                match layer(sources, &path) {
                    Ok(Some(layer)) => layers.push(Arc::new(layer)),
                    Ok(None) => encrypted.push(shown(&path)),
                    Err(errors) => problems.extend(errors),
                }
            }
            layers.retain(|layer| !layer.vars.0.is_empty());
            if !layers.is_empty() {
                found.insert(name.to_owned(), layers);
            }
        }
        found
    }

    /// The files of a name. The first ending that exists counts, and no other: a
    /// directory `web` hides a file `web.yml`.
    fn files(&self, name: &str, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
        let mut candidates = ENDINGS.iter().map(|ending| format!("{name}{ending}"));
        let found = candidates.find_map(|name| self.entries.get_key_value(&name));
        let Some((entry, is_directory)) = found else { return Vec::new() };
        let path = self.path.join(entry);
        let mut files = Vec::new();
        match is_directory {
            true => below(&path, 0, &mut files, problems),
            false => files.push(path),
        }
        files
    }
}

/// The files with variables in a directory and in those below it, by name.
fn below(path: &Path, depth: usize, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    // A link may lead back up.
    const DEEPEST: usize = 32;
    let entries = match list(path) {
        Ok(entries) => entries,
        Err(error) => return problems.push(Problem::new(unreadable(path, &error), None)),
    };
    for (name, is_directory) in entries {
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
        if is_directory && ending.is_empty() && depth < DEEPEST {
            below(&path.join(&name), depth + 1, files, problems);
        } else if !is_directory && ENDINGS.contains(&ending) {
            files.push(path.join(&name));
        }
    }
}

fn list(path: &Path) -> std::io::Result<BTreeMap<String, bool>> {
    let mut entries = BTreeMap::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            match std::fs::metadata(entry.path()) {
                Ok(target) => kind = target.file_type(),
                Err(_) => continue,
            }
        }
        entries.insert(name, kind.is_dir());
    }
    Ok(entries)
}

/// The variables of a file; `None` where Ansible Vault has encrypted it.
fn layer(sources: &Sources, path: &Path) -> Result<Option<Layer>, Vec<Problem>> {
    let file = read(sources, path)?;
    if sources.get(file).text.starts_with(VAULT_HEADER) {
        return Ok(None);
    }
    let node = document(sources, file, Format::of_vars(path))?;
    let mut decoder = Decoder::new(true, Some(Span::whole(file)));
    let vars = match node.kind {
        Kind::Null => Some(Vars::default()),
        _ => Vars::decode(&node, "a variables file", &mut decoder),
    };
    let layer = Layer::decode(vars.unwrap_or_default(), &mut decoder);
    finish(Some(layer), decoder)
}
