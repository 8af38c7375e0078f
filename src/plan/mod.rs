//! Turns raw playbooks and a resolved inventory into a plan: complete, checked,
//! and with every template rendered that does not need a result of the run.
//!
//! It touches no network, no clock and no thread. All errors that can be found
//! are found in one pass.

mod action;
mod base;
mod collect;
mod condition;
mod conduct;
mod connection;
mod deferred;
mod downloads;
mod error;
mod identity;
mod login;
mod merge;
pub mod model;
mod name;
mod play;
mod requests;
pub mod show;
pub mod spec;
mod store;
mod tags;
mod task;
mod transfer;
mod warning;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use error::PlanError;
pub use model::Plan;
pub use tags::TagFilter;
pub use task::FlagArgs;
pub use warning::PlanWarning;

use crate::diagnostic::{Problem, Problems};
use crate::event::HostName;
use crate::load::decode::{At, nearest};
use crate::load::playbook::RawTask;
use crate::load::source::Span;
use crate::load::{PlaybookContent, RawPlaybook};
use crate::resolve::pattern;
use crate::resolve::scope::World;
use crate::secret::Secret;
use store::Store;

/// What to plan with.
#[derive(Debug)]
pub struct PlanOptions {
    /// From command-line flags; they win over everything.
    pub flags: FlagArgs,
    /// `--tags` and `--skip-tags`.
    pub tags: TagFilter,
    /// `--limit`.
    pub limit: Option<String>,
    /// Whether an inventory was given at all.
    pub has_inventory: bool,
    /// The user's home directory.
    pub home: PathBuf,
    /// Whether an SSH agent can be reached.
    pub agent: bool,
}

/// A plan, and the secrets in it, which everything shown must be masked for.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The secrets.
    pub secrets: Vec<Secret>,
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
    let mut problems = Vec::new();
    let limit = match &options.limit {
        Some(limit) => {
            let hosts = select(&world, limit, "<--limit>").map_err(Problems::collect)?;
            Some(hosts.into_iter().collect())
        }
        None => None,
    };
    let planner = Planner {
        world,
        flags: Arc::new(options.flags),
        tags: options.tags,
        limit,
        store: Arc::new(Store::new(options.home, options.agent)),
        seen_tags: Mutex::default(),
    };
    let mut known = play::Known::new();
    let mut plays = Vec::new();
    let mut warnings = Vec::new();
    let mut has_plays = false;
    match work {
        Work::Requests(name, requests) => {
            plays.push(planner.requests(1, name, requests, &mut known, &mut problems));
        }
        Work::Playbooks(playbooks) => {
            let mut number = 0;
            for playbook in playbooks {
                match &playbook.content {
                    PlaybookContent::Requests(requests) => {
                        number += 1;
                        let name = planner.world.sources.get(playbook.file).name.clone();
                        let play =
                            planner.requests(number, &name, requests, &mut known, &mut problems);
                        plays.push(play);
                    }
                    PlaybookContent::Plays(raw) => {
                        has_plays = true;
                        for play in raw.iter().filter(|_| options.has_inventory) {
                            number += 1;
                            let planned = planner.play(number, play, &mut known, &mut problems);
                            if let Some(empty) = planned.as_ref().filter(|it| it.lanes.is_empty()) {
                                let warning = PlanWarning::NoHosts { play: empty.name.clone() };
                                let span = play.value.hosts.as_ref().and_then(|hosts| hosts.span);
                                warnings.push(Problem::new(warning, span));
                            }
                            plays.extend(planned);
                        }
                    }
                }
            }
        }
    }
    if has_plays && !options.has_inventory {
        problems.push(Problem::new(PlanError::NoInventory, None));
    }
    planner.check_tags(&mut problems);
    if problems.is_empty() && plays.iter().all(|play| play.lanes.is_empty()) && has_plays {
        let what = match &options.limit {
            Some(limit) => format!("the plays within `--limit {limit}`"),
            None => "any play".to_owned(),
        };
        problems.push(Problem::new(PlanError::NoHosts { what }, None));
    }
    if !problems.is_empty() {
        return Err(Problems::collect(problems));
    }
    let warnings = Problems::collect(warnings);
    let mut secrets = planner.store.secrets(0);
    secrets.extend(planner.world.vault.secrets());
    let in_words =
        warnings.iter().map(|warning| warning.one_line(&planner.world.sources)).collect();
    Ok(Planned { plan: Plan { plays, warnings: in_words }, secrets, warnings })
}

/// The hosts that a pattern from the command line selects; `name` is what
/// messages call its place.
///
/// # Errors
/// What is wrong with the pattern, shown within it.
pub fn select(world: &World, text: &str, name: &str) -> Result<Vec<HostName>, Vec<Problem>> {
    pattern::select(&world.inventory, text).map_err(|errors| {
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
    limit: Option<BTreeSet<HostName>>,
    store: Arc<Store>,
    seen_tags: Mutex<BTreeSet<String>>,
}

impl Planner {
    fn note_tags<'t>(&self, tags: impl Iterator<Item = &'t String>) {
        let mut seen = self.seen_tags.lock().unwrap_or_else(|poison| poison.into_inner());
        seen.extend(tags.cloned());
    }

    /// A mistyped tag would otherwise silently run nothing.
    fn check_tags(&self, problems: &mut Vec<Problem>) {
        const SPECIAL: [&str; 5] = ["always", "never", "all", "tagged", "untagged"];
        let seen = self.seen_tags.lock().unwrap_or_else(|poison| poison.into_inner());
        for tag in &self.tags.only {
            if seen.contains(tag) || SPECIAL.contains(&tag.as_str()) {
                continue;
            }
            let known: Vec<&str> = seen.iter().map(String::as_str).collect();
            let help = match nearest(tag, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "no task has tags".to_owned(),
                None => format!("known tags: {}", known.join(", ")),
            };
            problems.push(Problem::new(PlanError::UnknownTag { tag: tag.clone(), help }, None));
        }
    }
}

#[cfg(test)]
mod tests;
