//! Authentication: tries what the user gave, in the documented order, as far as
//! the server takes it.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use ssh2::{ErrorCode as Ssh2Code, Session};

use super::Cancel;
use super::link::{End, Farewell, Link, Stop};
use super::password::{PasswordUse, PasswordWatch, Purpose};
use super::tcp::cancelled;
use crate::failure::Failure;
use crate::plan::spec::ConnectionSpec;

mod agent;
mod interactive;
mod proof;
mod report;

use interactive::Answers;
use proof::{Proof, proofs};
use report::Report;

/// `LIBSSH2_ERROR_PASSWORD_EXPIRED`.
const PASSWORD_EXPIRED: i32 = -15;
/// `LIBSSH2_ERROR_AUTHENTICATION_FAILED`: the server does not want this.
const AUTHENTICATION_FAILED: i32 = -18;
/// `LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED`: the server wanted the key, but the
/// signature did not settle the matter. As a rule it asks for more than a key.
const PUBLICKEY_UNVERIFIED: i32 = -19;

/// What came of one attempt.
enum Outcome {
    Accepted,
    /// Right as far as it went, or so it seems: the server may want more.
    Partly,
    Rejected,
}

/// Why to stop trying altogether.
enum Halt {
    Deadline,
    Cancelled,
    /// The connection ended, as this says.
    Lost(String),
    /// The password may not be sent any more.
    Withheld,
}

/// Authenticates the session's user within `timeouts.auth`. `agent` is where the
/// SSH agent listens, if there is one.
pub(super) fn authenticate(
    link: &mut Link,
    spec: &ConnectionSpec,
    agent: Option<&Path>,
    passwords: &dyn PasswordWatch,
    cancel: &Cancel,
) -> Result<(), Failure> {
    let deadline = Instant::now() + spec.timeouts.auth;
    let password = PasswordUse::new(passwords, Purpose::Login);
    let report = Report::default();
    let mut dialogue = Dialogue {
        link,
        spec,
        agent,
        deadline,
        cancel,
        report,
        password,
        is_doubtful: false,
        is_refused: false,
        refusals: 0,
        offered_by_agent: Vec::new(),
    };
    let ended = dialogue.run();
    dialogue.tell_of_password(&ended);
    match ended {
        Ok(true) => Ok(()),
        Ok(false) => Err(dialogue.report.rejected(spec)),
        Err(Halt::Lost(reason)) => Err(dialogue.lost(&reason)),
        Err(Halt::Deadline) => Err(dialogue.report.timed_out(spec)),
        Err(Halt::Cancelled) => Err(cancelled(&spec.address())),
        Err(Halt::Withheld) if cancel.is_cancelled() => Err(cancelled(&spec.address())),
        Err(Halt::Withheld) => Err(report::withheld(spec)),
    }
}

struct Dialogue<'d> {
    link: &'d mut Link,
    spec: &'d ConnectionSpec,
    agent: Option<&'d Path>,
    deadline: Instant,
    cancel: &'d Cancel,
    report: Report,
    password: PasswordUse<'d>,
    /// Whether the password was tried and has neither opened the session nor been
    /// called expired, which only a right one is.
    is_doubtful: bool,
    /// Whether the server said no to the password.
    is_refused: bool,
    /// How often the server said no to anything.
    refusals: usize,
    /// The keys of the agent that the server has judged.
    offered_by_agent: Vec<Vec<u8>>,
}

impl<'d> Dialogue<'d> {
    fn run(&mut self) -> Result<bool, Halt> {
        let mut left = proofs(self.spec, self.agent);
        // A server takes the question what it accepts for a failed attempt unless it
        // comes first, and allows few of those. A lone key is tried without it: it
        // nearly always is right, and this spares the usual connection a round trip.
        let lone = match left.make_contiguous() {
            [Proof::Key(_)] => left.pop_front(),
            _ => None,
        };
        let mut partly = false;
        if let Some(key) = &lone {
            match self.attempt(key)? {
                Outcome::Accepted => return Ok(true),
                Outcome::Partly => partly = true,
                Outcome::Rejected => {}
            }
        }
        if self.ask()? {
            return Ok(true);
        }
        if let Some(key) = lone.filter(|_| !partly && !self.report.offers("publickey")) {
            // It was not even looked at, and may be wanted later.
            self.report.forget_attempts();
            self.refusals = 0;
            left.push_front(key);
        }
        loop {
            let mut tried_any = false;
            while let Some(proof) = self.next(&mut left) {
                tried_any = true;
                match self.attempt(&proof)? {
                    Outcome::Accepted => return Ok(true),
                    Outcome::Partly if self.ask()? => return Ok(true),
                    Outcome::Partly | Outcome::Rejected => {}
                }
            }
            // libssh2 does not tell a rejection from a partial success. If
            // something is left that the server did not offer before, it may now.
            if left.is_empty() || !tried_any {
                return Ok(false);
            }
            if self.ask()? {
                return Ok(true);
            }
        }
    }

    /// The first proof left that the server offers to judge.
    fn next(&self, left: &mut VecDeque<Proof<'d>>) -> Option<Proof<'d>> {
        let index = left.iter().position(|proof| self.report.offers(proof.method()))?;
        left.remove(index)
    }

    /// Asks what the server takes, with a request that it may also grant.
    fn ask(&mut self) -> Result<bool, Halt> {
        let user = &self.spec.username;
        let answer = self.link.drive(Some(self.deadline), self.cancel, |session| {
            session.auth_methods(user).map(str::to_owned)
        });
        match answer {
            Ok(methods) => self.report.set_offered(&methods),
            Err(Stop::Refused(_)) => {}
            Err(stop) => return Err(halt(stop)),
        }
        Ok(self.link.session().authenticated())
    }

    fn attempt(&mut self, proof: &Proof<'d>) -> Result<Outcome, Halt> {
        let user = &self.spec.username;
        match proof {
            Proof::Key(key) if self.was_offered(key) => Ok(Outcome::Rejected),
            Proof::Key(key) => self.request(&key.label, |session| {
                session.userauth_pubkey_memory(user, Some(&key.public), key.pem.reveal(), None)
            }),
            Proof::Agent(socket) => self.ask_agent(socket),
            Proof::Password(password) => {
                self.ask_to_send()?;
                let outcome = self.request("`password`", |session| {
                    session.userauth_password(user, password.reveal())
                })?;
                Ok(self.noted(outcome))
            }
            Proof::Interactive(password) => {
                self.ask_to_send()?;
                let mut answers = Answers::new(password);
                let outcome = self.request("keyboard-interactive with `password`", |session| {
                    session.userauth_keyboard_interactive(user, &mut answers)
                })?;
                self.report.unanswered(answers.into_unanswered());
                Ok(self.noted(outcome))
            }
        }
    }

    /// Waits until the password may be sent. The wait is no fault of this host's.
    fn ask_to_send(&mut self) -> Result<(), Halt> {
        let asked = Instant::now();
        let may_send = self.password.may_send();
        self.deadline += asked.elapsed();
        self.is_doubtful = true;
        if may_send { Ok(()) } else { Err(Halt::Withheld) }
    }

    /// Takes the doubt from a password that opened the session, and notes a no.
    fn noted(&mut self, outcome: Outcome) -> Outcome {
        self.is_doubtful &= !matches!(outcome, Outcome::Accepted);
        self.is_refused |= self.is_doubtful && matches!(outcome, Outcome::Rejected);
        outcome
    }

    /// Tells the watch what the password was worth.
    fn tell_of_password(&self, ended: &Result<bool, Halt>) {
        let takes_passwords =
            self.report.offers("password") || self.report.offers("keyboard-interactive");
        match ended {
            // A default key may have opened the session after the password failed.
            // A server that wants both stops offering to judge a password once it
            // has accepted one.
            Ok(true) if self.is_doubtful && takes_passwords => self.password.rejected(),
            Ok(true) => self.password.succeeded(),
            Ok(false) if self.is_doubtful => self.password.rejected(),
            // A server that has heard enough says so (MaxAuthTries). A connection that
            // just ends says nothing about the password.
            Err(Halt::Lost(_)) if self.is_doubtful && (self.is_refused || self.is_told_off()) => {
                self.password.rejected();
            }
            _ => {}
        }
    }

    /// Whether the server ended the connection because of what it was shown.
    fn is_told_off(&self) -> bool {
        self.link.farewell().is_some_and(Farewell::is_verdict)
    }

    /// The failure when the connection ended before there was a decision.
    fn lost(&self, reason: &str) -> Failure {
        // Some servers just close the connection after a few refusals.
        let is_fed_up = self.refusals > 0 && self.link.end() == Some(End::Closed);
        let words = self.link.farewell().map(|farewell| farewell.text.as_str());
        let words = words.filter(|words| !words.is_empty());
        match self.link.condemned() {
            Some(why) => self.report.lost(self.spec, why),
            None if self.is_told_off() || is_fed_up => self.report.closed(self.spec, words),
            None => self.report.lost(self.spec, words.unwrap_or(reason)),
        }
    }

    /// Makes one request and interprets its answer.
    fn request(
        &mut self,
        label: &str,
        operation: impl FnMut(&Session) -> Result<(), ssh2::Error>,
    ) -> Result<Outcome, Halt> {
        self.report.trying(label);
        let error = match self.link.drive(Some(self.deadline), self.cancel, operation) {
            Ok(()) => return Ok(Outcome::Accepted),
            Err(Stop::Refused(error)) => error,
            Err(stop) => return Err(halt(stop)),
        };
        match error.code() {
            Ssh2Code::Session(AUTHENTICATION_FAILED) => self.refusals += 1,
            Ssh2Code::Session(PUBLICKEY_UNVERIFIED) => return Ok(Outcome::Partly),
            Ssh2Code::Session(PASSWORD_EXPIRED) => {
                self.is_doubtful = false;
                self.report.note("the password has expired".to_owned());
            }
            _ => self.report.note(format!("{label}: {}", error.message().to_lowercase())),
        }
        Ok(Outcome::Rejected)
    }
}

fn halt(stop: Stop) -> Halt {
    match stop {
        Stop::Deadline => Halt::Deadline,
        Stop::Cancelled => Halt::Cancelled,
        Stop::Lost(reason) => Halt::Lost(reason),
        Stop::Refused(error) => Halt::Lost(error.message().to_owned()),
    }
}
