//! Guesses when a command has exited although a child of it keeps its channel
//! open, as in `sleep 60 & echo x`.
//!
//! libssh2 tells an exit status other than 0 as soon as the server does, and
//! status 0 from no status not at all. So what looks like an exit (something
//! arrived, then silence) is only a reason to look at the host's processes.

use std::time::{Duration, Instant};

/// How long no output may come before an exited command counts as done.
const GRACE: Duration = Duration::from_millis(200);
/// How long a child that never falls silent is listened to after the exit.
const LONGEST_GRACE: Duration = Duration::from_secs(2);
/// When a command that gave no sign at all is looked at: its exit may have come
/// together with the answer to the request that started it.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// The longest pause between two looks at the host. While a little output keeps coming,
/// pauses begin at [`FIRST_LOOK`] and double: a long command is looked at seldom, and a
/// short one with a child that never falls silent is not taken for a long one.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Output of more bytes than this between two looks is a stream that a look would hold up.
const A_LITTLE: usize = 256 * 1024;

/// What an observation says about the command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It has exited, and its output is complete.
    Known,
    /// It may have exited: look.
    Likely,
    /// Nothing points to it.
    Unlikely,
}

/// The observer of one running command.
pub(super) struct Watch {
    looks: bool,
    exited: Option<Instant>,
    last_output: Instant,
    last_heard: Instant,
    /// Whether anything arrived since the last look; at first, nothing is known.
    news: Option<bool>,
    /// Whether something arrived that was no output: an exit status, perhaps.
    bare: bool,
    last_look: Instant,
    pause: Duration,
    /// The pause while a little output keeps coming.
    busy_pause: Duration,
    /// How many bytes came since the last look.
    flow: usize,
}

impl Watch {
    /// Begins; `looks` says whether looking at the host is of any use.
    pub(super) fn new(looks: bool) -> Self {
        let now = Instant::now();
        Self {
            looks,
            exited: None,
            last_output: now,
            last_heard: now,
            news: None,
            bare: false,
            last_look: now,
            pause: GRACE,
            busy_pause: FIRST_LOOK,
            flow: 0,
        }
    }

    /// Takes note: how many bytes of output came, whether anything came at all, and
    /// whether an exit was reported.
    pub(super) fn observe(&mut self, output: usize, heard: bool, exit: bool) -> Exit {
        self.observe_at(Instant::now(), output, heard, exit)
    }

    fn observe_at(&mut self, now: Instant, bytes: usize, heard: bool, exit: bool) -> Exit {
        self.flow = self.flow.saturating_add(bytes);
        let output = bytes > 0;
        if output {
            self.last_output = now;
        }
        if output || heard {
            (self.last_heard, self.news) = (now, Some(true));
            self.bare |= !output;
        }
        if exit {
            self.exited.get_or_insert(now);
        }
        if let Some(exited) = self.exited {
            let silent = now - self.last_output.max(exited) >= GRACE;
            return match silent || now - exited >= LONGEST_GRACE {
                true => Exit::Known,
                false => Exit::Unlikely,
            };
        }
        let silent = now - self.last_heard >= GRACE;
        let rested = now - self.last_look;
        let longest = if self.flow > A_LITTLE { LONGEST_PAUSE } else { self.busy_pause };
        let due = match self.news {
            Some(true) => silent && (self.bare || rested >= self.pause) || rested >= longest,
            Some(false) => false,
            None => rested >= FIRST_LOOK,
        };
        match self.looks && due {
            true => Exit::Likely,
            false => Exit::Unlikely,
        }
    }

    /// The look found the command running.
    pub(super) fn goes_on(&mut self) {
        (self.news, self.bare) = (Some(false), false);
        self.last_look = Instant::now();
        self.flow = 0;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.busy_pause = (self.busy_pause * 2).min(LONGEST_PAUSE);
    }

    /// The look found the command gone. Output may have come meanwhile.
    pub(super) fn has_exited(&mut self) {
        self.exited = Some(Instant::now());
    }

    /// Looking does not work on this host.
    pub(super) fn give_up(&mut self) {
        self.looks = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_silent_command_is_looked_at_once() {
        let mut watch = Watch::new(true);
        let now = Instant::now();
        assert_eq!(watch.observe_at(now + 500 * MS, 0, false, false), Exit::Unlikely);
        assert_eq!(watch.observe_at(now + 1500 * MS, 0, false, false), Exit::Likely);
        watch.goes_on();
        let later = now + Duration::from_secs(600);
        assert_eq!(watch.observe_at(later, 0, false, false), Exit::Unlikely);
    }

    #[test]
    fn what_never_falls_silent_is_looked_at_ever_more_seldom() {
        let mut watch = Watch::new(true);
        for pause in [1, 2, 4, 8, 8] {
            let begun = Instant::now();
            let at = |ms: u32| begun + (pause * 1000 - 500 + ms) * MS;
            assert_eq!(watch.observe_at(at(0), 1, true, false), Exit::Unlikely);
            assert_eq!(watch.observe_at(at(1000), 1, true, false), Exit::Likely, "{pause}");
            watch.goes_on();
        }
    }

    #[test]
    fn a_stream_is_held_up_seldom() {
        let mut watch = Watch::new(true);
        let now = Instant::now();
        let observed = watch.observe_at(now + 3000 * MS, A_LITTLE + 1, true, false);
        assert_eq!(observed, Exit::Unlikely);
        assert_eq!(watch.observe_at(now + 9000 * MS, 1, true, false), Exit::Likely);
    }

    #[test]
    fn silence_after_news_is_a_reason_to_look_once() {
        let mut watch = Watch::new(true);
        let now = Instant::now();
        assert_eq!(watch.observe_at(now, 1, true, false), Exit::Unlikely);
        assert_eq!(watch.observe_at(now + 250 * MS, 0, false, false), Exit::Likely);
        watch.goes_on();
        assert_eq!(watch.observe_at(now + 9000 * MS, 0, false, false), Exit::Unlikely);
    }

    #[test]
    fn a_reported_exit_waits_for_silence_but_not_forever() {
        let mut watch = Watch::new(false);
        let now = Instant::now();
        assert_eq!(watch.observe_at(now, 1, true, true), Exit::Unlikely);
        assert_eq!(watch.observe_at(now + 150 * MS, 1, true, true), Exit::Unlikely);
        assert_eq!(watch.observe_at(now + 2000 * MS, 1, true, true), Exit::Known);
    }
}
