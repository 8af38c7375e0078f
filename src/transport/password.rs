//! Who is asked before a password goes out, and is told what came of it.
//!
//! Whoever opens connections to many hosts can so keep a wrong password from
//! being tried on all of them. Nothing here knows other hosts than one.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a password is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Logging in, by the method `password` or `keyboard-interactive`.
    Login,
    /// Answering sudo.
    Sudo,
    /// Logging in to a jump host. Its own watch (see [`PasswordWatch::of_proxy`]) is
    /// asked for a login like any other.
    Proxy,
}

/// What became known about a password on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was sent and is right.
    Accepted,
    /// It was sent and is wrong.
    Rejected,
    /// It was sent, and nothing was heard that tells right from wrong.
    Unclear,
    /// The host let the user in, or sudo ran the command, without asking for it.
    NotAsked,
}

/// Watches over the passwords of one connection.
pub trait PasswordWatch {
    /// Whether the password for `purpose` may be sent now. May wait for what
    /// another host says; it comes back at once when the run is cancelled.
    fn may_send(&self, purpose: Purpose) -> bool;

    /// Hears what the host made of the password. After each [`Self::may_send`]
    /// that said yes exactly one answer follows; [`Answer::NotAsked`] may come
    /// without a question.
    fn answered(&self, purpose: Purpose, answer: Answer);

    /// Who watches over the password of the jump host that the connection goes
    /// through. Many connections share its session, which may outlive this one.
    fn of_proxy(&self) -> Arc<dyn PasswordWatch + Send + Sync> {
        Arc::new(Unwatched)
    }
}

/// Lets every password go out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl PasswordWatch for Unwatched {
    fn may_send(&self, _: Purpose) -> bool {
        true
    }

    fn answered(&self, _: Purpose, _: Answer) {}
}

/// One use of one password: asks once, answers once.
pub(super) struct PasswordUse<'a> {
    watch: &'a dyn PasswordWatch,
    purpose: Purpose,
    state: Cell<State>,
    waited: Cell<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unused,
    Sent,
    Answered,
}

impl<'a> PasswordUse<'a> {
    pub(super) fn new(watch: &'a dyn PasswordWatch, purpose: Purpose) -> Self {
        Self { watch, purpose, state: Cell::new(State::Unused), waited: Cell::default() }
    }

    /// Whether the password may be sent; asks the watch the first time only.
    pub(super) fn may_send(&self) -> bool {
        if self.state.get() == State::Unused {
            let asked = Instant::now();
            if self.watch.may_send(self.purpose) {
                self.state.set(State::Sent);
            }
            self.waited.set(self.waited.get() + asked.elapsed());
        }
        self.is_sent()
    }

    /// How long the watch took to allow it, which is no fault of the host's.
    pub(super) fn waited(&self) -> Duration {
        self.waited.get()
    }

    /// Whether the password was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.state.get() == State::Sent
    }

    /// The host did what was wanted: with the password, if it was sent, and
    /// otherwise without.
    pub(super) fn succeeded(&self) {
        self.answer(if self.is_sent() { Answer::Accepted } else { Answer::NotAsked });
    }

    /// The host did not accept the password, if it was sent at all.
    pub(super) fn rejected(&self) {
        if self.is_sent() {
            self.answer(Answer::Rejected);
        }
    }

    fn answer(&self, answer: Answer) {
        if self.state.replace(State::Answered) != State::Answered {
            self.watch.answered(self.purpose, answer);
        }
    }
}

impl Drop for PasswordUse<'_> {
    fn drop(&mut self) {
        if self.is_sent() {
            self.answer(Answer::Unclear);
        }
    }
}
