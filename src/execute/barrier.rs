//! Where the hosts of a batch wait for each other: the end of each task, where a
//! play bears only so many failures, and tasks that one host runs for all.
//!
//! A lane that waits is kept here and holds no thread, so that a single fork is
//! enough for any number of hosts. Nobody can wait for ever: who waits is *in
//! play*, and a lane leaves play when its host fails, when the run ends early and
//! after its last task; each time those are sent on their way who waited for
//! nobody else.
//!
//! Knows lanes by their places; nothing of tasks but their indexes, and nothing of
//! passwords or connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rayon::ScopeFifo;
use serde_json::Value;

use super::lane::LaneRun;
use crate::event::HostName;
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::FailureLimit;

/// Why no further task of the run may begin, once that is so.
pub(super) type Abort = OnceLock<Failure>;

/// The hosts of one batch, as far as they wait for each other.
pub(super) struct Barrier<'a> {
    limit: FailureLimit,
    abort: &'a Abort,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    /// By place: whether the host has tasks before it and nothing that keeps it
    /// from them.
    in_play: Vec<bool>,
    /// How many of those there are.
    active: usize,
    /// How many there were in the beginning.
    total: usize,
    /// The hosts that failed since, as the first one did it.
    failed: usize,
    first_failure: Option<Failed>,
    /// Lanes that have ended the task which the others have not.
    arrived: Vec<LaneRun<'a>>,
    /// Lanes that wait for the result of a task which another host runs.
    followers: Vec<LaneRun<'a>>,
    /// By index of the task: how it went on the host that ran it.
    shared: HashMap<usize, Arc<Shared>>,
    /// The first shared task that failed.
    fatal: Option<Failure>,
    /// Whether a lane broke, so that nobody may be left to wake those who wait.
    is_closed: bool,
}

/// A task and the host that it failed on.
pub(super) struct Failed {
    pub(super) host: HostName,
    pub(super) task: Arc<str>,
}

/// How a task went that one host ran for all.
pub(super) struct Shared {
    /// The registered result.
    pub(super) value: Option<Value>,
    /// Why no host goes on, if it failed.
    pub(super) failure: Option<Failure>,
}

/// What a lane does about a task that one host runs for all.
pub(super) enum Turn<'a> {
    /// It runs the task.
    Run(LaneRun<'a>),
    /// Another host has run it.
    Follow(LaneRun<'a>, Arc<Shared>),
    /// Another host is to run it; the lane is kept until it has.
    Wait,
}

impl<'a> Barrier<'a> {
    /// The barrier of a batch; `in_play` tells of each host, by place, whether it
    /// is still in the run.
    pub(super) fn new(limit: FailureLimit, abort: &'a Abort, in_play: Vec<bool>) -> Self {
        let active = in_play.iter().filter(|is_in| **is_in).count();
        let state = State {
            in_play,
            active,
            total: active,
            failed: 0,
            first_failure: None,
            arrived: Vec::new(),
            followers: Vec::new(),
            shared: HashMap::new(),
            fatal: None,
            is_closed: false,
        };
        Self { limit, abort, state: Mutex::new(state) }
    }

    /// Whether every host ends a task before any begins the next.
    pub(super) fn is_strict(&self) -> bool {
        self.limit != FailureLimit::None
    }

    /// Takes in that `run` has ended a task, and gives the lane back if it may begin
    /// the next; else keeps it until the others of the batch have ended theirs.
    pub(super) fn arrive(&self, run: LaneRun<'a>, scope: &ScopeFifo<'a>) -> Option<LaneRun<'a>> {
        if !self.is_strict() {
            return Some(run);
        }
        let mut state = self.lock();
        if !state.in_play[run.place] {
            return Some(run);
        }
        if !state.is_closed {
            state.arrived.push(run);
            self.settle(&mut state, scope);
        }
        None
    }

    /// Takes in that the host at `place` has no task left that it could run, because
    /// it failed or for another reason.
    pub(super) fn leave(&self, place: usize, failed: Option<Failed>, scope: &ScopeFifo<'a>) {
        let mut state = self.lock();
        if !std::mem::take(&mut state.in_play[place]) {
            return;
        }
        state.active -= 1;
        if let Some(failed) = failed {
            state.failed += 1;
            state.first_failure.get_or_insert(failed);
        }
        self.settle(&mut state, scope);
        // Whoever is first now may be waiting for what it is to run itself.
        let first = state.first();
        if let Some(at) = state.followers.iter().position(|run| Some(run.place) == first) {
            let run = state.followers.swap_remove(at);
            scope.spawn_fifo(move |scope| run.run(scope));
        }
    }

    /// Whether `run`'s host runs the task at `index` for all of its batch: the first
    /// host does that is still in play.
    pub(super) fn turn(&self, run: LaneRun<'a>, index: usize) -> Turn<'a> {
        let mut state = self.lock();
        if let Some(shared) = state.shared.get(&index) {
            let shared = Arc::clone(shared);
            return Turn::Follow(run, shared);
        }
        if state.first().is_none_or(|first| first == run.place) {
            return Turn::Run(run);
        }
        if !state.is_closed {
            state.followers.push(run);
        }
        Turn::Wait
    }

    /// Hands the result of the task at `index` to all who wait for it.
    pub(super) fn share(&self, index: usize, shared: Shared, scope: &ScopeFifo<'a>) {
        let mut state = self.lock();
        if let Some(failure) = &shared.failure {
            state.fatal.get_or_insert_with(|| failure.clone());
        }
        state.shared.insert(index, Arc::new(shared));
        let mut followers = std::mem::take(&mut state.followers);
        followers.sort_by_key(|run| run.place);
        for run in followers {
            scope.spawn_fifo(move |scope| run.run(scope));
        }
    }

    /// What the batch means for the run, when all of its hosts have finished: why the
    /// run ends, if it does. `is_one_of_several` tells whether the play has `serial`,
    /// which is no use once a whole batch has failed.
    pub(super) fn end(&self, is_one_of_several: bool) {
        let state = self.lock();
        let whole = (is_one_of_several && state.total > 0 && state.failed == state.total)
            .then(|| not_run("every host of a batch failed (`serial`)".to_owned()));
        if let Some(failure) = state.fatal.clone().or(whole) {
            let _ = self.abort.set(failure);
        }
    }

    /// Lets a panic end the run: lanes that waited for the broken one must not keep it.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.arrived.clear();
        state.followers.clear();
    }

    /// Once nobody is left to wait for: sends all on their way, in inventory order,
    /// to the next task or, if too many have failed, to their end.
    fn settle(&self, state: &mut State<'a>, scope: &ScopeFifo<'a>) {
        if state.arrived.len() < state.active {
            return;
        }
        if let Some(failure) = self.verdict(state) {
            let _ = self.abort.set(failure);
        }
        let mut arrived = std::mem::take(&mut state.arrived);
        arrived.sort_by_key(|run| run.place);
        for run in arrived {
            scope.spawn_fifo(move |scope| run.run(scope));
        }
    }

    /// Why the run ends, if too many hosts of the batch have failed.
    fn verdict(&self, state: &State<'a>) -> Option<Failure> {
        let Failed { host, task } = state.first_failure.as_ref()?;
        match self.limit {
            FailureLimit::None => None,
            FailureLimit::Any => {
                Some(not_run(format!("`{task}` failed on `{host}` (`any_errors_fatal`)")))
            }
            FailureLimit::Percent(percent) => {
                let share = state.failed as f64 * 100.0 / state.total as f64;
                (share > percent).then(|| {
                    not_run(format!(
                        "{} of {} hosts failed, `{host}` first (`max_fail_percentage: {percent}`)",
                        state.failed, state.total
                    ))
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State<'_> {
    fn first(&self) -> Option<usize> {
        self.in_play.iter().position(|is_in| *is_in)
    }
}

/// Why tasks did not run: `reason` is said after a comma.
pub(super) fn not_run(reason: String) -> Failure {
    Failure::new(ErrorCode::Cancelled, format!("not run, because {reason}"))
}
