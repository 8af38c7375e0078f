//! What signals do to a run.

use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::exit_code::ExitCode;
use crate::transport::Cancel;

const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// How long after the first signal another one still means the same. `timeout` signals
/// its child and then the process group, terminals and supervisors do alike, and
/// nobody who is tired of waiting is as quick as that.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The first signal ends the run in order: remote commands are ended and the
/// report is written. One that comes later than with it ends the process at once.
pub(super) fn cancel_on_signals() -> Cancel {
    let cancel = Cancel::default();
    crate::load::inventory::release_signals();
    // Where the system refuses handlers, signals keep their usual effect; where it
    // refuses the thread, all signals do what the first does.
    for signal in SIGNALS {
        let _ = flag::register(signal, cancel.flag());
    }
    if let Ok(signals) = Signals::new(SIGNALS) {
        let _ = std::thread::Builder::new()
            .name("signals".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || end_on_another(signals));
    }
    cancel
}

fn end_on_another(mut signals: Signals) {
    let mut first = None;
    for _ in signals.forever() {
        let now = Instant::now();
        if is_another(*first.get_or_insert(now), now) {
            low_level::exit(ExitCode::Interrupted as i32);
        }
    }
}

/// Whether a signal is more than an echo of the first.
fn is_another(first: Instant, now: Instant) -> bool {
    now.duration_since(first) >= SAME_SIGNAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_comes_with_the_first_is_no_other() {
        let first = Instant::now();
        for (millis, expected) in [(0, false), (1, false), (999, false), (1000, true)] {
            assert_eq!(is_another(first, first + Duration::from_millis(millis)), expected);
        }
    }
}
