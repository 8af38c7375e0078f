//! How many files a run may have open, and whether that is enough for it.
//!
//! As a rule a host without a worker has no connection. Where hosts wait for each other
//! (see [`crate::execute`]), a whole batch may be connected while few are worked on.

use std::num::NonZeroUsize;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::diagnostic::{Problem, Problems};
use crate::load::LoadError;
use crate::plan::model::{FailureLimit, Lane, Plan, PlannedPlay, TaskBody};
use crate::plan::spec::QueueStrategy;

/// What the process itself needs: streams, reports, known_hosts, the agent.
const OWN: u64 = 32;
/// What a host that is being worked on needs at most: its socket under two names
/// and a third while it connects, the other end where there is a jump host, its
/// resolver, and the local side of a transfer.
const PER_WORKER: u64 = 6;
/// What a connection needs that is kept while nobody works with it.
const PER_KEPT: u64 = 3;

/// Raises the limit as far as the system allows, for the default is made for
/// programs that use `select`.
///
/// # Errors
/// When even that is too low for this run: most of its hosts would fail for a
/// reason that is not theirs.
pub(super) fn prepare(plan: &Plan, forks: NonZeroUsize) -> Result<(), Problems> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let Some(allowed) = getrlimit(Resource::Nofile).current else { return Ok(()) };
    check(plan, forks.get(), allowed).map_err(|error| Problem::new(error, None).into())
}

fn check(plan: &Plan, forks: usize, allowed: u64) -> Result<(), LoadError> {
    let needs = (0..plan.plays.len()).map(|index| Need::of(plan, index, forks));
    let Some(need) = needs.max_by_key(Need::files) else { return Ok(()) };
    let needed = need.files();
    if needed <= allowed {
        return Ok(());
    }
    let Need { width, workers, waits, .. } = need;
    let who = match waits {
        true => format!("{width} hosts that wait for each other"),
        false => format!("{workers} hosts at a time"),
    };
    let message =
        format!("{who} may need {needed} open files, and this process may have {allowed}");
    let raise = format!("raise the hard limit (`ulimit -Hn {needed}`, or `LimitNOFILE=`)");
    let fewer = (1..workers).rev().find(|&workers| Need { workers, ..need }.files() <= allowed);
    let help = match fewer {
        Some(fewer) => format!("use `--forks {fewer}`, or {raise}"),
        None if waits => format!("use smaller batches (`serial`), or {raise}"),
        None => raise,
    };
    Err(LoadError::Conflict { message, help })
}

/// What a play needs.
#[derive(Clone, Copy)]
struct Need {
    /// How many hosts there are in its largest batch.
    width: u64,
    /// How many of them are worked on at a time.
    workers: u64,
    /// Whether the others keep their connections while they wait for their turn.
    waits: bool,
    /// How many hosts keep a connection of another play.
    pinned: u64,
}

impl Need {
    fn of(plan: &Plan, index: usize, forks: usize) -> Self {
        let play = &plan.plays[index];
        let width = play.batches().map(|batch| batch.len()).max().unwrap_or(0);
        // A host that is about to begin has nothing open yet.
        let waits_for_one = play.tasks.iter().skip(1).any(|task| task.run_once);
        let waits = play.pace.limit != FailureLimit::None || waits_for_one;
        let others = plan.plays.iter().enumerate().filter(|(other, _)| *other != index);
        let pinned = others.map(|(_, play)| pinned(play)).max().unwrap_or(0);
        let (width, workers) = (width as u64, forks.min(width) as u64);
        Self { width, workers, waits: waits && width > workers, pinned }
    }

    fn files(&self) -> u64 {
        let waiting = if self.waits { self.width - self.workers } else { 0 };
        OWN + PER_KEPT * (self.pinned + waiting) + PER_WORKER * self.workers
    }
}

/// How many hosts of the play may keep a connection beyond it.
fn pinned(play: &PlannedPlay) -> u64 {
    let is_pinned = |body: &TaskBody| match body {
        TaskBody::Ready(steps) => steps.iter().any(|s| s.strategy == QueueStrategy::Pinned),
        TaskBody::Skipped | TaskBody::Deferred(_) => false,
    };
    let keeps = |lane: &&Lane| lane.tasks.iter().any(|task| is_pinned(&task.body));
    play.lanes.iter().filter(keeps).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_wait_keep_their_connections() {
        let need = Need { width: 40, workers: 5, waits: false, pinned: 0 };
        assert_eq!(need.files(), 32 + 6 * 5);
        assert_eq!(Need { waits: true, ..need }.files(), 32 + 3 * 35 + 6 * 5);
        assert_eq!(Need { pinned: 10, ..need }.files(), 32 + 3 * 10 + 6 * 5);
        assert_eq!(Need { width: 5, waits: true, ..need }.files(), 32 + 6 * 5);
    }
}
