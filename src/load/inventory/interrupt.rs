//! Ctrl-C while a script runs: the script ends first, then this process, as it
//! would have without a script.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Handlers stay for good once they are there, so they must know what they are for.
struct Handlers {
    /// Whether a signal has its usual effect, at once.
    usual: Arc<AtomicBool>,
    seen: [Arc<AtomicBool>; 2],
}

static HANDLERS: LazyLock<Handlers> = LazyLock::new(|| {
    let handlers = Handlers { usual: Arc::new(AtomicBool::new(true)), seen: Default::default() };
    for (signal, seen) in SIGNALS.into_iter().zip(&handlers.seen) {
        // Where the system refuses, signals keep their usual effect.
        let _ = flag::register(signal, Arc::clone(seen));
        let _ = flag::register_conditional_default(signal, Arc::clone(&handlers.usual));
    }
    handlers
});

/// Whether the handlers are there at all.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// While this lives, signals wait.
pub(super) struct Held;

impl Held {
    pub(super) fn new() -> Self {
        IN_USE.store(true, Ordering::SeqCst);
        HANDLERS.usual.store(false, Ordering::SeqCst);
        Self
    }

    /// Whether a signal has come.
    pub(super) fn is_interrupted(&self) -> bool {
        HANDLERS.seen.iter().any(|seen| seen.load(Ordering::SeqCst))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HANDLERS.usual.store(true, Ordering::SeqCst);
        for (signal, seen) in SIGNALS.into_iter().zip(&HANDLERS.seen) {
            if seen.swap(false, Ordering::SeqCst) {
                let _ = low_level::emulate_default_handler(signal);
            }
        }
    }
}

/// Leaves signals to others from now on, who have handlers of their own.
pub fn release_signals() {
    if IN_USE.load(Ordering::SeqCst) {
        HANDLERS.usual.store(false, Ordering::SeqCst);
    }
}
