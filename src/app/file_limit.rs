//! How many files a run may have open, and whether that is enough for it.

use std::num::NonZeroUsize;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::diagnostic::{Problem, Problems};
use crate::load::LoadError;
use crate::plan::model::{Plan, TaskBody};
use crate::plan::spec::QueueStrategy;

/// What the process itself needs: streams, reports, known_hosts, the agent.
const OWN: u64 = 32;
/// What a host that is being worked on needs at most: its socket under two names
/// and a third while it connects, the other end where there is a jump host, its
/// resolver, and the local side of a transfer.
const PER_WORKER: u64 = 6;
/// What a pinned connection needs that waits for a later play.
const PER_PINNED: u64 = 3;

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
    let widest = plan.plays.iter().map(|play| play.lanes.len()).max().unwrap_or(0);
    let workers = forks.min(widest) as u64;
    let kept = OWN + PER_PINNED * pinned(plan);
    let needed = kept + PER_WORKER * workers;
    if needed <= allowed {
        return Ok(());
    }
    let message = format!(
        "{workers} hosts at a time may need {needed} open files, and this process may have {allowed}"
    );
    let raise = format!("raise the hard limit (`ulimit -Hn {needed}`, or `LimitNOFILE=`)");
    let help = match allowed.saturating_sub(kept) / PER_WORKER {
        0 => raise,
        fewer => format!("use `--forks {fewer}`, or {raise}"),
    };
    Err(LoadError::Conflict { message, help })
}

/// How many hosts may keep a connection beyond their play.
fn pinned(plan: &Plan) -> u64 {
    if plan.plays.len() < 2 {
        return 0;
    }
    let is_pinned = |body: &TaskBody| match body {
        TaskBody::Ready(steps) => steps.iter().any(|s| s.strategy == QueueStrategy::Pinned),
        TaskBody::Skipped | TaskBody::Deferred(_) => false,
    };
    let lanes = |play: &crate::plan::model::PlannedPlay| {
        play.lanes.iter().filter(|lane| lane.tasks.iter().any(|task| is_pinned(&task.body))).count()
    };
    plan.plays.iter().map(lanes).max().unwrap_or(0) as u64
}
