//! Turns raw playbooks and a resolved inventory into a plan: complete, checked,
//! and with every template rendered that does not need a result of the run.
//!
//! It touches no network, no clock and no thread. All errors that can be found
//! are found in one pass.

mod about;
mod action;
mod address;
mod ansible;
mod base;
mod batch;
mod collect;
mod condition;
mod conduct;
mod connection;
mod deferred;
mod downloads;
mod error;
mod exec;
mod expand;
mod form;
mod handlers;
mod identity;
mod login;
mod merge;
pub mod model;
mod name;
mod outline;
mod play;
mod requests;
pub mod show;
pub mod spec;
mod ssh_host;
mod start;
mod store;
mod tags;
mod task;
mod transfer;
mod warning;
mod whole;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

pub use error::PlanError;
pub use form::form;
pub use model::Plan;
pub use tags::TagFilter;
pub use task::FlagArgs;
pub use warning::PlanWarning;

use crate::credential::vault::Vault;
use crate::diagnostic::{Problem, Problems};
use crate::event::HostName;
use crate::load::decode::{At, nearest};
use crate::load::playbook::RawTask;
use crate::load::source::Span;
use crate::load::ssh_config::SshConfig;
use crate::load::{PlaybookContent, RawPlaybook};
use crate::resolve::inventory::Inventory;
use crate::resolve::pattern;
use crate::resolve::scope::World;
use crate::secret::Redactor;
use downloads::Downloads;
use expand::Expanded;
use start::Start;
use store::Store;

/// What to plan with.
#[derive(Debug)]
pub struct PlanOptions {
    /// From command-line flags; they win over everything.
    pub flags: FlagArgs,
    /// `--tags` and `--skip-tags`.
    pub tags: TagFilter,
    /// `--start-at-task`: a name, or a glob.
    pub start_at: Option<String>,
    /// `--limit`.
    pub limit: Option<String>,
    /// Whether an inventory was given at all.
    pub has_inventory: bool,
    /// The user's home directory.
    pub home: PathBuf,
    /// Whether an SSH agent can be reached.
    pub agent: bool,
    /// The user's SSH configuration, which counts below the inventory.
    pub ssh_config: Option<Arc<SshConfig>>,
    /// Whether it is all right that no host is selected.
    pub allow_no_hosts: bool,
    /// The inventory as it is for playbooks in a directory of their own, with the
    /// variables that stand beside them.
    pub beside: HashMap<PathBuf, Arc<Inventory>>,
}

/// A plan, and what masks the secrets in it.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Masks every secret of the plan, and those that tasks which wait for results
    /// will bring: it learns them before anything is made of them.
    pub redactor: Arc<Redactor>,
    /// What is suspicious, with its places; [`Plan::warnings`] has the same in words.
    pub warnings: Problems,
}

/// What to plan.
#[derive(Debug, Clone, Copy)]
pub enum Work<'w> {
    /// Playbook files.
    Playbooks(&'w [RawPlaybook]),
    /// Requests that name their own hosts, as one play of this name.
    Requests(&'w str, &'w [At<RawTask>]),
}

/// Plans a run.
///
/// # Errors
/// Everything that is wrong for any play, host and task.
pub fn plan(world: Arc<World>, work: Work<'_>, options: PlanOptions) -> Result<Planned, Problems> {
    // Nobody asks a vault for what will not be run.
    let is_broken = match work {
        Work::Playbooks(playbooks) => playbooks.iter().any(|it| !it.problems.is_empty()),
        Work::Requests(..) => false,
    };
    let world = match is_broken {
        true => {
            Arc::new(world.with_inventory(&world.inventory).with_vault(Arc::new(Vault::unread())))
        }
        false => world,
    };
    let limit = options.limit.as_ref().map(|limit| select(&world, limit, "<--limit>"));
    // What is wrong with the limit does not hide what is wrong with the rest.
    let (limit, wrong_limit) = match limit {
        Some(Ok(hosts)) => (Some(hosts.into_iter().collect()), Vec::new()),
        Some(Err(errors)) => (None, errors),
        None => (None, Vec::new()),
    };
    let secrets = Arc::clone(&world.secrets);
    let mut planner = Planner {
        world,
        flags: Arc::new(options.flags),
        tags: options.tags,
        start: Start::at(options.start_at),
        limit,
        store: Arc::new(Store::new(options.home, options.agent, secrets, options.ssh_config)),
        seen_tags: Mutex::default(),
        downloads: Mutex::default(),
        is_unsound: Cell::new(false),
        left_out: RefCell::default(),
    };
    let mut expanded = planner.expand(work, options.has_inventory, &options.beside);
    if planner.world.secrets.take_late() {
        // What templates made of it before it was known to be a secret is looked
        // at once more.
        planner.store.forget_warnings();
        planner.start.rewind();
        expanded = planner.expand(work, options.has_inventory, &options.beside);
    }
    let Expanded { plays, mut problems, mut warnings, has_plays } = expanded;
    problems.extend(wrong_limit);
    if has_plays && !options.has_inventory {
        problems.push(Problem::new(PlanError::NoInventory, None));
    }
    planner.check_tags(&mut problems);
    if options.has_inventory || !has_plays {
        planner.start.check(&mut problems);
    }
    if problems.is_empty()
        && plays.iter().all(|play| play.lanes.is_empty())
        && has_plays
        && !options.allow_no_hosts
    {
        let what = match &options.limit {
            Some(limit) => format!("the plays within `--limit {limit}`"),
            None => "any play".to_owned(),
        };
        problems.push(Problem::new(PlanError::NoHosts { what }, first_hosts(work)));
    }
    if !problems.is_empty() {
        return Err(Problems::collect(problems));
    }
    warnings.extend(planner.store.take_warnings());
    let warnings = Problems::collect(warnings);
    for secret in planner.world.vault.secrets() {
        planner.world.secrets.learn(&secret);
    }
    let redactor = Arc::clone(&planner.world.secrets.redactor);
    let in_words = warnings.iter().map(|warning| warning.in_words(&planner.world.sources));
    let plan = Plan { plays, warnings: in_words.collect() };
    Ok(Planned { plan, redactor, warnings })
}

/// Where the first play says which hosts run it.
fn first_hosts(work: Work<'_>) -> Option<Span> {
    let Work::Playbooks(playbooks) = work else { return None };
    playbooks.iter().find_map(|playbook| match &playbook.content {
        PlaybookContent::Plays(plays) => {
            plays.iter().find_map(|play| play.value.hosts.as_ref()?.span)
        }
        PlaybookContent::Requests(_) => None,
    })
}

/// The hosts that a pattern from the command line selects; `name` is what
/// messages call its place.
///
/// # Errors
/// What is wrong with the pattern, shown within it.
pub fn select(world: &World, text: &str, name: &str) -> Result<Vec<HostName>, Vec<Problem>> {
    let here = |path: &str| world.path(path, None);
    pattern::select(&world.inventory, text, &here).map_err(|errors| {
        let file = world.sources.add(name, Path::new("."), text.to_owned());
        let problem = |(error, range): (_, Range<usize>)| {
            Problem::new(error, Some(Span { file, start: range.start, len: range.len() }))
        };
        errors.into_iter().map(problem).collect()
    })
}

/// What planning any play needs.
struct Planner {
    world: Arc<World>,
    flags: Arc<FlagArgs>,
    tags: TagFilter,
    start: Start,
    limit: Option<BTreeSet<HostName>>,
    store: Arc<Store>,
    seen_tags: Mutex<BTreeSet<String>>,
    downloads: Mutex<Downloads>,
    /// Whether something that may say how to log in could not be read.
    is_unsound: Cell<bool>,
    /// What tasks would register that a flag leaves out, and what to say about it.
    left_out: RefCell<BTreeMap<Arc<str>, String>>,
}

impl Planner {
    fn downloads(&self) -> MutexGuard<'_, Downloads> {
        self.downloads.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn note_tags<'t>(&self, tags: impl Iterator<Item = &'t String>) {
        let mut seen = self.seen_tags.lock().unwrap_or_else(|poison| poison.into_inner());
        seen.extend(tags.cloned());
    }

    /// Remembers the result that a task would have registered.
    fn note_left_out(&self, task: &RawTask, name: &str, flag: &str) {
        if let Some(register) = &task.register {
            let told = format!("the task `{name}` registers it, but {flag} leaves that task out");
            self.left_out.borrow_mut().insert(Arc::from(register.value.as_str()), told);
        }
    }

    /// A mistyped tag would otherwise silently run nothing, or what was to be left out.
    fn check_tags(&self, problems: &mut Vec<Problem>) {
        const SPECIAL: [&str; 5] = ["always", "never", "all", "tagged", "untagged"];
        let seen = self.seen_tags.lock().unwrap_or_else(|poison| poison.into_inner());
        let given = [("--tags", &self.tags.only), ("--skip-tags", &self.tags.skip)];
        let given = given.iter().flat_map(|(flag, tags)| tags.iter().map(move |tag| (*flag, tag)));
        for (flag, tag) in given {
            if seen.contains(tag) || SPECIAL.contains(&tag.as_str()) {
                continue;
            }
            let known: Vec<&str> = seen.iter().map(String::as_str).collect();
            let help = match nearest(tag, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "no task has tags".to_owned(),
                None => format!("known tags: {}", known.join(", ")),
            };
            let tag = tag.clone();
            problems.push(Problem::new(PlanError::UnknownTag { tag, flag, help }, None));
        }
    }
}

#[cfg(test)]
mod tests;
