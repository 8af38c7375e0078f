//! What a template can see: the variables of one host, in order of precedence.
//!
//! A [`Scope`] holds them; a [`Frame`](super::frame::Frame) renders with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use minijinja::Environment;
use minijinja::value::{Serde, Value};

use super::engine;
use super::inventory::{ALL, Inventory};
use crate::credential::vault::Vault;
use crate::event::HostName;
use crate::load::layer::Layer;
use crate::load::source::{FileId, Sources};

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
    /// Whether this is the machine that will run it, with its environment, its keys
    /// and its agent; if not, whatever only that machine has is taken for given.
    pub is_runner: bool,
    pub(super) run_id: Arc<str>,
    pub(super) groups: Value,
    names: OnceLock<BTreeSet<String>>,
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
        Self {
            environment,
            inventory,
            sources,
            extra,
            project: None,
            home,
            vault,
            is_runner: true,
            run_id,
            groups,
            names,
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
    /// What to say to those who miss a name here, where that is special.
    pub advice: Option<&'static str>,
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
            advice: None,
        }
    }

    /// What can be seen where no host is known yet: what is given for the whole run.
    #[must_use]
    pub fn of_run(world: &Arc<World>, advice: &'static str) -> Self {
        let advice = Some(advice);
        Self { advice, ..Self::of_host(world, &ALL.into()) }
    }

    /// Every layer from the highest precedence down, without registered results.
    pub(super) fn downwards(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.world.extra.iter().rev().chain(self.layers.iter().rev())
    }
}
