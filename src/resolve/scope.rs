//! What a template can see: the variables of one host, in order of precedence.
//!
//! A [`Scope`] holds them; a [`Frame`](super::frame::Frame) renders with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use minijinja::Environment;
use minijinja::value::{Serde, Value};

use super::engine;
use super::inventory::{ALL, Inventory};
use super::taint::KnownSecrets;
use crate::credential::vault::Vault;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::layer::Layer;
use crate::load::source::{FileId, Sources, Span};

/// A few wrong names deserve a suggestion; for a hundred thousand it would take
/// minutes, and nobody reads them.
const MOST_COMPARISONS: usize = 1_000_000;

/// What every template of a run can see.
pub struct World {
    pub(super) environment: Environment<'static>,
    /// The inventory.
    pub inventory: Arc<Inventory>,
    /// The texts that templates stand in.
    pub sources: Arc<Sources>,
    /// `--extra-vars`, which win over everything.
    pub extra: Vec<Arc<Layer>>,
    /// What the project file says of every host; everything else wins over it.
    pub project: Option<Arc<Layer>>,
    /// The user's home directory, for `~`.
    pub home: PathBuf,
    /// The secrets that references mean.
    pub vault: Arc<Vault>,
    /// The secrets that are known by now.
    pub secrets: Arc<KnownSecrets>,
    /// Whether this is the machine that will run it, with its environment, its keys
    /// and its agent; if not, whatever only that machine has is taken for given.
    pub is_runner: bool,
    pub(super) run_id: Arc<str>,
    pub(super) groups: Value,
    names: OnceLock<BTreeSet<String>>,
    /// How many names may still be compared to find what was meant by a wrong one.
    comparisons: AtomicUsize,
    /// Templates that took too many steps on some host, and what is wrong with them.
    endless: Mutex<Vec<(String, Option<Span>, Problem)>>,
}

impl World {
    /// Prepares the template language over an inventory.
    #[must_use]
    pub fn new(
        inventory: Arc<Inventory>,
        sources: Arc<Sources>,
        extra: Vec<Arc<Layer>>,
        run_id: Arc<str>,
        home: PathBuf,
    ) -> Self {
        let groups: BTreeMap<String, Vec<String>> = inventory
            .groups()
            .map(|(name, group)| {
                (name.to_string(), group.hosts.iter().map(ToString::to_string).collect())
            })
            .collect();
        let groups = Value::from(Serde(groups));
        let environment = engine::environment();
        let names = OnceLock::new();
        let vault = Arc::new(Vault::unread());
        let secrets = Arc::new(KnownSecrets::new(Arc::clone(sources.redactor())));
        Self {
            environment,
            inventory,
            sources,
            extra,
            project: None,
            home,
            vault,
            secrets,
            is_runner: true,
            run_id,
            groups,
            names,
            comparisons: AtomicUsize::new(MOST_COMPARISONS),
            endless: Mutex::default(),
        }
    }

    /// The same world with a project's variables and request defaults.
    #[must_use]
    pub fn with_project(self, layer: Arc<Layer>) -> Self {
        Self { project: Some(layer), ..self }
    }

    /// The same world, looked at from a machine that will not run anything.
    #[must_use]
    pub fn from_elsewhere(self) -> Self {
        Self { is_runner: false, ..self }
    }

    /// The same world with secrets to read. Without this none are read.
    #[must_use]
    pub fn with_vault(self, vault: Arc<Vault>) -> Self {
        Self { vault, ..self }
    }

    /// Notes a template that takes too many steps: that is not tried on every host.
    pub(super) fn note_endless(&self, code: &str, span: Option<Span>, problem: &Problem) {
        let mut endless = self.endless.lock().unwrap_or_else(|poison| poison.into_inner());
        endless.push((code.to_owned(), span, problem.clone()));
    }

    /// What is known to be wrong with a template that takes too many steps.
    pub(super) fn known_endless(&self, code: &str, span: Option<Span>) -> Option<Problem> {
        let endless = self.endless.lock().unwrap_or_else(|poison| poison.into_inner());
        let mut endless = endless.iter();
        let known = endless.find(|known| known.0 == code && known.1 == span);
        known.map(|(_, _, problem)| problem.clone())
    }

    /// Whether another wrong name may be compared with `names` names.
    pub(super) fn may_compare(&self, names: usize) -> bool {
        let left = self.comparisons.load(Ordering::Relaxed);
        self.comparisons.store(left.saturating_sub(names.max(1)), Ordering::Relaxed);
        left > 0
    }

    /// The same world over another view of the inventory: the hosts and groups are
    /// the same, the variables may differ.
    #[must_use]
    pub fn with_inventory(&self, inventory: &Arc<Inventory>) -> Self {
        Self {
            environment: self.environment.clone(),
            inventory: Arc::clone(inventory),
            sources: Arc::clone(&self.sources),
            extra: self.extra.clone(),
            home: self.home.clone(),
            vault: Arc::clone(&self.vault),
            secrets: Arc::clone(&self.secrets),
            run_id: Arc::clone(&self.run_id),
            groups: self.groups.clone(),
            project: self.project.clone(),
            is_runner: self.is_runner,
            names: OnceLock::new(),
            comparisons: AtomicUsize::new(MOST_COMPARISONS),
            endless: Mutex::default(),
        }
    }

    /// Whether some host of the inventory has a variable of this name.
    pub(super) fn is_defined_somewhere(&self, name: &str) -> bool {
        let names = self.names.get_or_init(|| {
            let layers = self.inventory.layers();
            layers.flat_map(|layer| layer.vars.0.keys().cloned()).collect()
        });
        names.contains(name)
    }

    /// A path as its writer means it: `~` is the home directory, a relative path
    /// starts at the directory of the text that it stands in.
    #[must_use]
    pub fn path(&self, path: &str, written_in: Option<FileId>) -> PathBuf {
        if path == "~" {
            return self.home.clone();
        }
        if let Some(rest) = path.strip_prefix("~/") {
            return self.home.join(rest);
        }
        match written_in {
            Some(file) => self.sources.get(file).directory.join(path),
            None => std::path::absolute(path).unwrap_or_else(|_| Path::new(path).to_owned()),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// The variables of one host in one play.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What all hosts share.
    pub world: Arc<World>,
    /// The host.
    pub host: HostName,
    /// Its variables, lowest precedence first, without `--extra-vars`.
    pub layers: Vec<Arc<Layer>>,
    /// The names of the play's hosts.
    pub play_hosts: Value,
    /// The names that tasks of the play register.
    pub registers: Arc<BTreeSet<Arc<str>>>,
    /// The names that tasks would register which are left out, and what to say then.
    pub left_out: Arc<BTreeMap<Arc<str>, String>>,
    /// Whether it is of one host. Where none is known yet, no name says which.
    pub has_host: bool,
    /// What to say to those who miss a name here, where that is special.
    pub advice: Option<&'static str>,
    /// Whether a file of variables is missing, so that any name may be there.
    pub is_incomplete: bool,
    /// Whether the task brings its own values along for the names that are always
    /// there: a request that a plan printed has those of the plan.
    pub brings_names: bool,
}

impl Scope {
    /// The variables that a host has from the project file and the inventory alone.
    #[must_use]
    pub fn of_host(world: &Arc<World>, host: &HostName) -> Self {
        let own = world.inventory.host(host).map(|(_, host)| host.layers.iter().cloned());
        let layers = world.project.iter().cloned().chain(own.into_iter().flatten());
        Self {
            world: Arc::clone(world),
            host: Arc::clone(host),
            layers: layers.collect(),
            play_hosts: Value::from(Vec::<String>::new()),
            registers: Arc::default(),
            left_out: Arc::default(),
            has_host: true,
            advice: None,
            is_incomplete: false,
            brings_names: false,
        }
    }

    /// What can be seen where no host is known yet: what is given for the whole run.
    #[must_use]
    pub fn of_run(world: &Arc<World>, advice: &'static str) -> Self {
        let advice = Some(advice);
        Self { advice, has_host: false, ..Self::of_host(world, &ALL.into()) }
    }

    /// Every layer from the highest precedence down, without registered results.
    pub(super) fn downwards(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.world.extra.iter().rev().chain(self.layers.iter().rev())
    }
}
