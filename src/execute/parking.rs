//! Lanes that wait for a password to be proven, without a thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::ScopeFifo;

use super::barrier::Barrier;
use super::canary::{Canaries, Credential};
use super::lane::LaneRun;
use crate::transport::Cancel;

/// The waiting lanes of one play.
#[derive(Default)]
pub(super) struct Parking<'a>(Mutex<Lot<'a>>);

#[derive(Default)]
struct Lot<'a> {
    parked: Vec<Parked<'a>>,
    /// Whether a lane broke, so that nobody may be left to wake those who wait.
    is_closed: bool,
}

struct Parked<'a> {
    run: LaneRun<'a>,
    wanted: Vec<Credential>,
}

impl<'a> Parking<'a> {
    /// Enters for `wanted` and gives the lane back; without room, keeps the lane
    /// until there is.
    pub(super) fn enter_or_wait(
        &self,
        mut run: LaneRun<'a>,
        wanted: Vec<Credential>,
        canaries: &Canaries,
    ) -> Option<LaneRun<'a>> {
        // Locked from the question to the wait, so that no room that is made in
        // between goes unnoticed.
        let mut lot = self.lock();
        match canaries.enter(&wanted) {
            Some(entered) => {
                run.entered = Some(entered);
                Some(run)
            }
            None => {
                if !lot.is_closed {
                    lot.parked.push(Parked { run, wanted });
                }
                None
            }
        }
    }

    /// Gives up on everyone who waits: a waiting lane keeps the run from ending.
    fn close(&self) {
        let mut lot = self.lock();
        lot.is_closed = true;
        lot.parked.clear();
    }

    /// Sends those on their way for whom there is room now, in inventory order.
    /// Once the run ends early there is room for all.
    pub(super) fn wake(&self, canaries: &Canaries, cancel: &Cancel, scope: &ScopeFifo<'a>) {
        let is_over = cancel.is_cancelled() || canaries.stopped().is_some();
        let parked = &mut self.lock().parked;
        parked.sort_by_key(|parked| parked.run.place);
        for Parked { mut run, wanted } in std::mem::take(parked) {
            let entered = if is_over { Some(Vec::new()) } else { canaries.enter(&wanted) };
            match entered {
                None => parked.push(Parked { run, wanted }),
                entered => {
                    run.entered = entered;
                    scope.spawn_fifo(move |scope| run.run(scope));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lot<'a>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a panic end the run: lanes that waited for the broken one must not keep it.
pub(super) struct CloseOnPanic<'p, 'a>(&'p Parking<'a>, &'p Barrier<'a>);

impl<'p, 'a> CloseOnPanic<'p, 'a> {
    pub(super) fn new(parking: &'p Parking<'a>, barrier: &'p Barrier<'a>) -> Self {
        Self(parking, barrier)
    }
}

impl Drop for CloseOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
            self.1.close();
        }
    }
}
