//! What every subcommand needs before it can plan: inventory, variables, flags.

use std::collections::HashSet;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{collected, flags};
use crate::config::{ConnectConfig, InventoryConfig, SecretAccess, TaskConfig};
use crate::credential::vault::{Environment, Vault, VaultClient};
use crate::diagnostic::{Problem, Problems};
use crate::event::HostName;
use crate::load::inventory::RawInventory;
use crate::load::layer::Layer;
use crate::load::source::{FileId, Sources};
use crate::plan::{FlagArgs, PlanOptions, Planned, TagFilter, Work, select};
use crate::resolve::inventory::Inventory;
use crate::resolve::scope::World;

/// Inventory, variables and flags, read and checked.
pub(super) struct Prepared {
    world: Arc<World>,
    flags: FlagArgs,
    tags: TagFilter,
    limit: Option<String>,
    has_inventory: bool,
    /// The user's home directory.
    pub(super) home: PathBuf,
    /// The run's id.
    pub(super) run_id: Arc<str>,
}

impl Prepared {
    /// Reads what the flags name. Passwords are asked for last, when everything
    /// else is known to be right.
    pub(super) fn new(
        sources: &Arc<Sources>,
        inventory: &InventoryConfig,
        tasks: Option<&TaskConfig>,
        connect: &ConnectConfig,
        secrets: SecretAccess,
    ) -> Result<Self, Problems> {
        let resolved = load_inventory(sources, &inventory.sources)?;
        let extra = extra_layers(sources, &inventory.extra_vars)?;
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        let run_id: Arc<str> = uuid::Uuid::now_v7().to_string().into();
        let world = World::new(
            Arc::new(resolved),
            Arc::clone(sources),
            extra,
            Arc::clone(&run_id),
            home.clone(),
        );
        let world = match &inventory.defaults {
            Some(layer) => world.with_project(Arc::clone(layer)),
            None => world,
        };
        let world = match secrets {
            SecretAccess::Unread => world,
            SecretAccess::Elsewhere => world.from_elsewhere(),
            SecretAccess::Read => {
                let client = VaultClient::new(Environment::read(&home));
                world.with_vault(Arc::new(Vault::live(client)))
            }
        };
        let tags = tasks.map_or_else(TagFilter::default, |tasks| TagFilter {
            only: tasks.tags.iter().cloned().collect(),
            skip: tasks.skip_tags.iter().cloned().collect(),
        });
        Ok(Self {
            world: Arc::new(world),
            flags: collected(flags::read(connect))?,
            tags,
            limit: inventory.limit.clone(),
            has_inventory: !inventory.sources.is_empty(),
            home,
            run_id,
        })
    }

    /// Plans, which proves everything that can be known.
    pub(super) fn plan(&self, work: Work<'_>) -> Result<Planned, Problems> {
        let options = PlanOptions {
            flags: self.flags.clone(),
            tags: self.tags.clone(),
            limit: self.limit.clone(),
            has_inventory: self.has_inventory,
            home: self.home.clone(),
            agent: agent_answers(),
        };
        crate::plan::plan(Arc::clone(&self.world), work, options)
    }

    /// Ends the time for reading secrets: from now on hosts are connected to.
    pub(super) fn close_vault(&self) {
        self.world.vault.close();
    }

    /// The hosts that a pattern and `--limit` select.
    pub(super) fn select(&self, pattern: &str) -> Result<Vec<HostName>, Problems> {
        let mut hosts = collected(select(&self.world, pattern, "<PATTERN>"))?;
        if let Some(limit) = &self.limit {
            let limit = collected(select(&self.world, limit, "<--limit>"))?;
            let limit: HashSet<HostName> = limit.into_iter().collect();
            hosts.retain(|host| limit.contains(host));
        }
        Ok(hosts)
    }

    /// Whether an inventory was given.
    pub(super) fn has_inventory(&self) -> bool {
        self.has_inventory
    }
}

/// Whether an SSH agent can be reached.
fn agent_answers() -> bool {
    std::env::var_os("SSH_AUTH_SOCK").is_some_and(|path| UnixStream::connect(path).is_ok())
}

fn load_inventory(sources: &Sources, given: &[String]) -> Result<Inventory, Problems> {
    let mut raw = Vec::new();
    let mut problems = Vec::new();
    for source in given {
        // A comma makes it a list of hosts, as in Ansible, unless a file has that name.
        if source.contains(',') && !Path::new(source).exists() {
            let file = sources.add("<--inventory>", Path::new("."), source.clone());
            let names = source.split(',').map(str::trim).filter(|name| !name.is_empty());
            let groups = vec![Inventory::of_names(names)];
            raw.push(RawInventory { file, groups });
            continue;
        }
        match crate::load::inventory_files(sources, &[PathBuf::from(source)]) {
            Ok(loaded) => raw.extend(loaded),
            Err(errors) => problems.extend(errors),
        }
    }
    if !problems.is_empty() {
        return Err(Problems::collect(problems));
    }
    collected(Inventory::build(raw))
}

fn extra_layers(sources: &Sources, given: &[String]) -> Result<Vec<Arc<Layer>>, Problems> {
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
