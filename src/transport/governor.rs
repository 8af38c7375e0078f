//! How many connections may be signing in at one address at a time.
//!
//! sshd turns connections away when too many have not signed in yet
//! (`MaxStartups`), and says so by hanging up before its banner. So the number is
//! felt for as TCP feels for the capacity of a line: it grows as long as all goes
//! well, is halved when the server turns one away, and grows slowly from then on.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Cancel;
use super::link::CANCEL_INTERVAL;
use crate::plan::spec::ConnectionSpec;

/// How many may sign in at an address that nothing is known about. sshd begins
/// to turn some away beyond ten, unless it is told otherwise.
const FIRST_LIMIT: f64 = 10.0;

/// All addresses of a run.
#[derive(Default)]
pub(super) struct Governor {
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Governor {
    /// The gates on the way to a host, in the order in which to pass them: its
    /// address, which behind another jump host may be another machine, and the
    /// jump host, which may get short of something itself.
    pub(super) fn gates(&self, spec: &ConnectionSpec) -> Vec<Arc<Gate>> {
        let Some(proxy) = &spec.proxy else {
            return vec![self.gate(spec.address(), FIRST_LIMIT)];
        };
        let behind = format!("behind {}", proxy.address());
        // Hosts behind it that are dead must not take the room of others, so
        // there is no limit until one is felt.
        let target = self.gate(format!("{} {behind}", spec.address()), FIRST_LIMIT);
        vec![target, self.gate(behind, f64::INFINITY)]
    }

    fn gate(&self, place: String, limit: f64) -> Arc<Gate> {
        Arc::clone(lock(&self.gates).entry(place).or_insert_with(|| Arc::new(Gate::new(limit))))
    }
}

/// Lets so many through at a time as its address takes.
pub(super) struct Gate {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    limit: f64,
    /// Whether the limit was never found, and so grows with each success.
    starting: bool,
    inside: u32,
    /// Those that came in before were sent by the limit before.
    limited_at: Option<Instant>,
}

/// Why nobody is let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// The deadline passed.
    Deadline,
    /// The run is being cancelled.
    Cancelled,
}

impl Gate {
    fn new(limit: f64) -> Self {
        let state = State { limit, starting: true, inside: 0, limited_at: None };
        Self { state: Mutex::new(state), freed: Condvar::new() }
    }

    /// Waits until there is room.
    pub(super) fn enter(
        self: &Arc<Self>,
        deadline: Instant,
        cancel: &Cancel,
    ) -> Result<Admission, Shut> {
        let mut state = lock(&self.state);
        while f64::from(state.inside) >= state.limit.floor() {
            if cancel.is_cancelled() {
                return Err(Shut::Cancelled);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Shut::Deadline);
            }
            let waited = self.freed.wait_timeout(state, left.min(CANCEL_INTERVAL));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.inside += 1;
        Ok(Admission { gate: Arc::clone(self), since: Instant::now() })
    }
}

/// The leave to sign in, given back when it is dropped.
pub(super) struct Admission {
    gate: Arc<Gate>,
    since: Instant,
}

impl Admission {
    /// The server took the connection.
    pub(super) fn passed(&self) {
        let mut state = lock(&self.gate.state);
        state.limit += if state.starting { 1.0 } else { 1.0 / state.limit };
        self.gate.freed.notify_one();
    }

    /// The server turned the connection away. Those that were turned away
    /// together count once.
    pub(super) fn turned_away(&self) {
        let mut state = lock(&self.gate.state);
        if state.limited_at.is_none_or(|at| self.since >= at) {
            state.limit = (state.limit.min(f64::from(state.inside)) / 2.0).max(1.0);
            state.starting = false;
            state.limited_at = Some(Instant::now());
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        lock(&self.gate.state).inside -= 1;
        self.gate.freed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn room(gate: &Arc<Gate>) -> usize {
        let mut inside = Vec::new();
        while let Ok(admission) = gate.enter(Instant::now(), &Cancel::default()) {
            inside.push(admission);
        }
        inside.len()
    }

    #[test]
    fn the_room_grows_fast_until_one_is_turned_away_and_slowly_from_then_on() {
        let gate = Arc::new(Gate::new(FIRST_LIMIT));
        assert_eq!(room(&gate), 10);
        let pass = |count| {
            for _ in 0..count {
                gate.enter(soon(), &Cancel::default()).unwrap().passed();
            }
        };
        pass(10);
        assert_eq!(room(&gate), 20);
        let inside: Vec<_> =
            (0..20).map(|_| gate.enter(soon(), &Cancel::default()).unwrap()).collect();
        inside.iter().for_each(Admission::turned_away);
        drop(inside);
        assert_eq!(room(&gate), 10);
        pass(10);
        assert_eq!(room(&gate), 10);
        pass(1);
        assert_eq!(room(&gate), 11);
    }

    #[test]
    fn one_is_always_let_in_and_others_wait_in_vain_no_longer_than_they_may() {
        let gate = Arc::new(Gate::new(FIRST_LIMIT));
        for _ in 0..9 {
            gate.enter(soon(), &Cancel::default()).unwrap().turned_away();
        }
        let first = gate.enter(soon(), &Cancel::default()).unwrap();
        assert_eq!(gate.enter(soon(), &Cancel::default()).err(), Some(Shut::Deadline));
        let cancel = Cancel::default();
        cancel.cancel();
        let far = Instant::now() + Duration::from_secs(60);
        assert_eq!(gate.enter(far, &cancel).err(), Some(Shut::Cancelled));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| gate.enter(far, &Cancel::default()).is_ok());
            drop(first);
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn a_gate_without_a_limit_finds_one_where_it_is_felt() {
        let gate = Arc::new(Gate::new(f64::INFINITY));
        let inside: Vec<_> =
            (0..40).map(|_| gate.enter(soon(), &Cancel::default()).unwrap()).collect();
        inside[0].passed();
        inside[1].turned_away();
        drop(inside);
        assert_eq!(room(&gate), 20);
    }

    #[test]
    fn addresses_know_nothing_of_each_other() {
        let governor = Governor::default();
        let gate = |place: &str| governor.gate(place.to_owned(), FIRST_LIMIT);
        let one = gate("one").enter(soon(), &Cancel::default()).unwrap();
        one.turned_away();
        assert_eq!((room(&gate("one")), room(&gate("two"))), (0, 10));
    }
}
