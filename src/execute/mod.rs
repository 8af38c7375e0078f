//! Runs a plan on a pool of threads and tells what happens as events.
//!
//! One job per lane (a host's tasks of one play) on a private pool; plays run one
//! after the other, and so do the batches of a play. Inside a batch each host flows
//! at its own pace, unless the play asks for more (module `barrier`). Workers
//! talk to the rest of the program only through a bounded channel, which the
//! calling thread drains: it alone owns the sinks. No lock is held across network
//! input or output.
//!
//! Nothing here knows libssh2, YAML, templates or standard output: connections
//! come from a [`Connector`], what is not yet rendered hides behind
//! [`crate::plan::model::DeferredBody`], and events go to a closure.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::event::{Event, HostName, PlayHost, PlayStarted, RunOutcome, RunStarted};
use crate::plan::model::{Lane, Plan, PlannedPlay, Role};
use crate::secret::Redactor;
use crate::transport::{Cancel, Connector};

mod attempt;
mod barrier;
mod canary;
mod censor;
mod check;
mod conclusion;
mod connections;
mod cut;
mod diff;
mod downloads;
mod guard;
mod guards;
mod known;
mod lane;
mod parking;
mod record;
mod retry;
mod together;
mod verdict;
mod watch;

#[cfg(test)]
mod tests;

use barrier::{Abort, Barrier};
use canary::Canaries;
use downloads::Downloads;
use lane::{HostState, LaneRun};
use parking::Parking;

/// The stack of a worker. libssh2, OpenSSL and the templates of deferred tasks
/// stay far below it; it is only reserved, not used, until it is touched.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// How many events may wait for a slow sink before workers wait too. Each may
/// hold a command's whole output, so the number bounds memory.
const WAITING_EVENTS: usize = 64;

/// How to run a plan.
#[derive(Debug, Clone)]
pub struct ExecuteOptions {
    /// How many hosts to work on at a time.
    pub forks: NonZeroUsize,
    /// What is known of the run; becomes its first event.
    pub run: RunStarted,
    /// Masks secrets in everything that leaves as an event.
    pub redactor: Arc<Redactor>,
    /// Whether a password that many hosts share is proven on one of them first.
    pub canary: CanaryMode,
    /// Whether to do what the plan says, or only to look.
    pub mode: RunMode,
    /// Whether to show what uploads change.
    pub diff: DiffMode,
    /// Ends the run early: running commands are ended, the rest is cancelled.
    pub cancel: Cancel,
}

/// Whether a password that many hosts share is proven on one of them first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CanaryMode {
    /// It is; when two hosts reject it, the run stops.
    #[default]
    On,
    /// It is used on all of them at once.
    Off,
}

/// Whether to do what the plan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunMode {
    /// To do it.
    #[default]
    Apply,
    /// To look at what would change: guards are asked and files compared, and
    /// nothing else is done.
    Check,
}

/// Whether to show what uploads of single texts change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiffMode {
    /// Not.
    #[default]
    Hidden,
    /// As unified diffs.
    Shown,
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ExecuteError {
    /// The operating system refused the worker threads.
    #[error("cannot start {threads} worker threads")]
    #[diagnostic(
        code(execute::threads),
        help("work on fewer hosts at a time with `--forks`, or raise the limit (`ulimit -u`)")
    )]
    Threads {
        /// How many were wanted.
        threads: usize,
        /// What the pool answered.
        source: rayon::ThreadPoolBuildError,
    },
}

/// Runs `plan`, and hands every event to `sink` on the calling thread.
///
/// Failures of hosts and tasks are events. Every planned task of every host ends
/// in exactly one [`Event::TaskFinished`], also when the run is cancelled and
/// when a connection panics. A slow sink slows the workers down.
///
/// # Errors
/// [`ExecuteError`] when the workers cannot be started; no event was emitted then.
///
/// # Panics
/// When `sink` does; the workers are told to stop first.
pub fn execute(
    plan: &Plan,
    connector: &dyn Connector,
    options: &ExecuteOptions,
    mut sink: impl FnMut(Event),
) -> Result<(), ExecuteError> {
    let pool = pool(plan, options.forks)?;
    let _stop_workers = CancelOnPanic(&options.cancel);
    let mut hosts: HashMap<HostName, HostState> = HashMap::new();
    let downloads = Downloads::default();
    let canaries = Arc::new(match options.canary {
        CanaryMode::On => Canaries::of(plan),
        CanaryMode::Off => Canaries::off(),
    });

    let abort = Abort::new();

    sink(Event::RunStarted(options.run.clone()));
    for warning in &plan.warnings {
        let message = options.redactor.mask(warning).into_owned();
        sink(Event::Warned { host: None, message });
    }
    for (index, play) in plan.plays.iter().enumerate() {
        sink(Event::PlayStarted(announcement(index, play, &options.redactor)));
        for batch in play.batches() {
            let batch = Batch { play, lanes: &play.lanes[batch], abort: &abort };
            run_lanes(&pool, batch, &mut hosts, &mut sink, |events| Context {
                play: index,
                connector,
                options,
                canaries: &canaries,
                abort: &abort,
                downloads: &downloads,
                events,
            });
        }
        sink(Event::PlayFinished { play: index });
    }
    let aborted = canaries.stopped().or(abort.into_inner()).map(|_| RunOutcome::Aborted);
    let interrupted = options.cancel.is_cancelled().then_some(RunOutcome::Interrupted);
    let cut_short = interrupted.or(aborted);
    sink(Event::RunFinished { ended_at: record::now(), cut_short });
    Ok(())
}

/// What every lane of a play shares.
struct Context<'a> {
    play: usize,
    connector: &'a dyn Connector,
    options: &'a ExecuteOptions,
    canaries: &'a Arc<Canaries>,
    abort: &'a Abort,
    downloads: &'a Downloads,
    events: SyncSender<Event>,
}

/// The hosts of a play that run at the same time.
#[derive(Clone, Copy)]
struct Batch<'a> {
    play: &'a PlannedPlay,
    lanes: &'a [Lane],
    abort: &'a Abort,
}

impl Context<'_> {
    fn emit(&self, event: Event) {
        // The receiver is gone only when the sink panicked, and then nobody
        // listens any more.
        let _ = self.events.send(event);
    }
}

/// Runs the lanes of a batch to their ends, each host with what it kept from
/// earlier plays.
fn run_lanes<'a>(
    pool: &rayon::ThreadPool,
    batch: Batch<'a>,
    hosts: &mut HashMap<HostName, HostState>,
    sink: &mut impl FnMut(Event),
    context: impl Fn(SyncSender<Event>) -> Context<'a>,
) {
    let names = || batch.lanes.iter().map(|lane| lane.host.clone());
    let mut states: Vec<HostState> =
        names().map(|host| hosts.remove(&host).unwrap_or_default()).collect();
    run_all(pool, batch, &mut states, sink, context);
    hosts.extend(names().zip(states));
}

fn run_all<'a, 'p: 'a>(
    pool: &rayon::ThreadPool,
    batch: Batch<'p>,
    states: &'a mut [HostState],
    sink: &mut impl FnMut(Event),
    context: impl Fn(SyncSender<Event>) -> Context<'p>,
) {
    let pace = &batch.play.pace;
    let in_play = states.iter().map(HostState::is_in_play).collect();
    let barrier = Barrier::new(pace.limit, batch.abort, in_play);
    let parking = Parking::default();
    // First in, first out, and one job per host: a slow host must keep nobody
    // waiting who could have the next free thread.
    pool.in_place_scope_fifo(|scope| {
        let (sender, events) = sync_channel(WAITING_EVENTS);
        for (place, (lane, host)) in batch.lanes.iter().zip(states).enumerate() {
            let context = context(sender.clone());
            let run = LaneRun::new(context, &parking, &barrier, place, lane, host);
            scope.spawn_fifo(move |scope| run.run(scope));
        }
        drop(sender); // The channel ends with the last lane.
        events.into_iter().for_each(sink);
    });
    barrier.end(pace.batches.is_some());
}

fn pool(plan: &Plan, forks: NonZeroUsize) -> Result<rayon::ThreadPool, ExecuteError> {
    let widest = plan.plays.iter().map(|play| play.lanes.len()).max().unwrap_or(0);
    let threads = forks.get().min(widest).max(1);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK_BYTES)
        .thread_name(|index| format!("lane-{index}"))
        .build()
        .map_err(|source| ExecuteError::Threads { threads, source })
}

fn announcement(index: usize, play: &PlannedPlay, redactor: &Redactor) -> PlayStarted {
    let host = |lane: &Lane| PlayHost { host: lane.host.clone(), address: lane.address.clone() };
    PlayStarted {
        play: index,
        name: record::masked_name(redactor, &play.name),
        tasks: play.tasks.iter().filter(|task| task.role == Role::Task).count(),
        hosts: play.lanes.iter().map(host).collect(),
    }
}

/// Ends the workers' work when the sink panics, so that the panic need not wait
/// for the whole fleet.
struct CancelOnPanic<'a>(&'a Cancel);

impl Drop for CancelOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}
