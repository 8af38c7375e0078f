//! What every subcommand needs before it can plan: inventory, variables, flags.

use std::collections::{HashMap, HashSet};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::read::{extra_layers, load_inventory, vars_beside};
use super::{collected, flags};
use crate::config::{Ask, ConnectConfig, InventoryConfig, SecretAccess, SshConfigUse, TaskConfig};
use crate::credential::vault::{Environment, Vault, VaultClient};
use crate::diagnostic::{Problem, Problems};
use crate::event::HostName;
use crate::load::PlaybookContent;
use crate::load::inventory::VarsSet;
use crate::load::source::Sources;
use crate::load::ssh_config::SshConfig;
use crate::plan::{FlagArgs, PlanOptions, PlanWarning, Planned, TagFilter, Work, select};
use crate::resolve::inventory::Inventory;
use crate::resolve::scope::World;

/// Inventory, variables and flags, read and checked.
pub(super) struct Prepared {
    world: Arc<World>,
    flags: FlagArgs,
    tags: TagFilter,
    start_at: Option<String>,
    limit: Option<String>,
    has_inventory: bool,
    allow_no_hosts: bool,
    ssh_config: Option<Arc<SshConfig>>,
    /// Variables beside inventories and playbooks, as far as they have been read.
    vars: Mutex<VarsSet>,
    /// The user's home directory.
    pub(super) home: PathBuf,
    /// The run's id.
    pub(super) run_id: Arc<str>,
}

impl Prepared {
    /// Reads what the flags name, but for the passwords that they say to ask for:
    /// placeholders do where nothing is run.
    pub(super) fn new(
        sources: &Arc<Sources>,
        inventory: &InventoryConfig,
        tasks: Option<&TaskConfig>,
        connect: &ConnectConfig,
        secrets: SecretAccess,
    ) -> Result<Self, Problems> {
        let flags = || flags::read(connect, flags::placeholders(connect.ask));
        let mut prepared = Self::with_flags(sources, inventory, tasks, secrets, flags)?;
        if connect.ssh_config == SshConfigUse::Read {
            let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
            let config = SshConfig::read(&prepared.home, &user.unwrap_or_default());
            prepared.ssh_config = Some(Arc::new(collected(config)?));
        }
        Ok(prepared)
    }

    /// Reads an inventory that is only to be shown.
    pub(super) fn inventory(
        sources: &Arc<Sources>,
        inventory: &InventoryConfig,
    ) -> Result<Self, Problems> {
        let flags = || Ok(FlagArgs::default());
        Self::with_flags(sources, inventory, None, SecretAccess::Unread, flags)
    }

    fn with_flags(
        sources: &Arc<Sources>,
        inventory: &InventoryConfig,
        tasks: Option<&TaskConfig>,
        secrets: SecretAccess,
        flags: impl FnOnce() -> Result<FlagArgs, Vec<Problem>>,
    ) -> Result<Self, Problems> {
        let (resolved, vars) = load_inventory(sources, &inventory.sources)?;
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
            flags: collected(flags())?,
            tags,
            start_at: tasks.and_then(|tasks| tasks.start_at.clone()),
            limit: inventory.limit.clone(),
            has_inventory: !inventory.sources.is_empty(),
            allow_no_hosts: inventory.allow_no_hosts,
            ssh_config: None,
            vars: Mutex::new(vars),
            home,
            run_id,
        })
    }

    /// Plans what will be run. Passwords are asked for last, once everything else
    /// is known to be right.
    pub(super) fn plan_and_ask(
        &mut self,
        work: Work<'_>,
        connect: &ConnectConfig,
    ) -> Result<Planned, Problems> {
        let planned = self.plan(work)?;
        if connect.ask == Ask::Nothing {
            return Ok(planned);
        }
        let passwords = collected(flags::ask_for(connect.ask))?;
        self.flags = collected(flags::read(connect, passwords))?;
        self.plan(work)
    }

    /// Plans, which proves everything that can be known.
    pub(super) fn plan(&self, work: Work<'_>) -> Result<Planned, Problems> {
        let options = PlanOptions {
            flags: self.flags.clone(),
            tags: self.tags.clone(),
            start_at: self.start_at.clone(),
            limit: self.limit.clone(),
            has_inventory: self.has_inventory,
            home: self.home.clone(),
            agent: agent_answers(),
            ssh_config: self.ssh_config.clone(),
            allow_no_hosts: self.allow_no_hosts,
            beside: self.beside(work)?,
        };
        let mut planned = crate::plan::plan(Arc::clone(&self.world), work, options)?;
        let vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        let encrypted: Vec<Problem> = vars
            .encrypted()
            .map(|file| PlanWarning::EncryptedVars { file: file.to_owned() })
            .map(|warning| Problem::new(warning, None))
            .collect();
        // What reading the files found is told with it.
        let read = Problems::collect(self.world.sources.warnings());
        let warnings: Vec<Problem> = encrypted.into_iter().chain(read.iter().cloned()).collect();
        let in_words = warnings.iter().map(|warning| warning.one_line(&self.world.sources));
        planned.plan.warnings.extend(in_words);
        planned.warnings = Problems::collect(planned.warnings.iter().cloned().chain(warnings));
        Ok(planned)
    }

    /// The inventory as each directory of playbooks has it.
    fn beside(&self, work: Work<'_>) -> Result<HashMap<PathBuf, Arc<Inventory>>, Problems> {
        let Work::Playbooks(playbooks) = work else { return Ok(HashMap::new()) };
        let mut beside = HashMap::new();
        let mut seen = HashSet::new();
        let mut problems = Vec::new();
        for playbook in playbooks {
            let plays = match &playbook.content {
                PlaybookContent::Plays(plays) => plays.as_slice(),
                PlaybookContent::Requests(_) => &[],
            };
            // Imported plays have what stands beside their own files.
            let imported = plays.iter().filter_map(|play| Some(play.span?.file));
            for file in std::iter::once(playbook.file).chain(imported) {
                let directory = self.world.sources.get(file).directory.clone();
                if !seen.insert(directory.clone()) {
                    continue;
                }
                match self.inventory_beside(&directory) {
                    Ok(inventory) => {
                        beside.insert(directory, inventory);
                    }
                    Err(errors) => problems.extend(errors),
                }
            }
        }
        if problems.is_empty() { Ok(beside) } else { Err(Problems::collect(problems)) }
    }

    /// The inventory with the variables that stand beside a playbook in `directory`.
    pub(super) fn inventory_beside(
        &self,
        directory: &Path,
    ) -> Result<Arc<Inventory>, Vec<Problem>> {
        let mut vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        let inventory = &self.world.inventory;
        let found = vars_beside(&mut vars, &self.world.sources, inventory, directory)?;
        Ok(match found.is_empty() {
            true => Arc::clone(inventory),
            false => Arc::new(inventory.with_play_vars(found)),
        })
    }

    /// What every host of the run can see.
    pub(super) fn world(&self) -> &World {
        &self.world
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
