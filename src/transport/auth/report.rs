//! What was tried and what the server offered, for the failure's words.

use std::collections::BTreeSet;

use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::ConnectionSpec;
use crate::transport::tcp::seconds;

/// The failure for a password that was not sent because other hosts rejected it.
pub(super) fn withheld(spec: &ConnectionSpec) -> Failure {
    Failure::new(
        ErrorCode::CanaryRejected,
        format!(
            "the password of `{}` was not sent to `{}`: other hosts have rejected it",
            spec.username,
            spec.address()
        ),
    )
    .with_help("correct the password; `--no-canary` sends it to every host all the same")
}

/// The account of one authentication.
#[derive(Default)]
pub(super) struct Report {
    tried: Vec<String>,
    offered: Option<BTreeSet<String>>,
    notes: Vec<String>,
}

impl Report {
    /// Records the server's list of methods.
    pub(super) fn set_offered(&mut self, methods: &str) {
        let names = methods.split(',').filter(|name| !name.is_empty());
        self.offered = Some(names.map(str::to_owned).collect());
    }

    /// Whether the server takes `method`; one that never said is given a try.
    pub(super) fn offers(&self, method: &str) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(method))
    }

    /// Records an attempt.
    pub(super) fn trying(&mut self, label: &str) {
        self.tried.push(label.to_owned());
    }

    /// Takes the attempts so far back: the server did not judge them.
    pub(super) fn forget_attempts(&mut self) {
        self.tried.clear();
    }

    /// Records something worth knowing.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Records questions of the server that had no answer.
    pub(super) fn unanswered(&mut self, questions: Vec<String>) {
        for question in questions {
            self.note(format!("the server asked for `{question}`, which sshoal cannot answer"));
        }
    }

    /// The failure when everything has been tried.
    pub(super) fn rejected(&self, spec: &ConnectionSpec) -> Failure {
        self.failure(spec, ErrorCode::AuthFailed, &self.what_happened())
            .with_help(self.advice(spec))
    }

    /// The failure when the server ended the connection, having seen enough.
    pub(super) fn closed(&self, spec: &ConnectionSpec, words: Option<&str>) -> Failure {
        let words = words.map(|words| format!(" with `{words}`")).unwrap_or_default();
        let attempts = self.attempts();
        let what = format!("the server closed the connection {attempts}{words}; {}", self.offer());
        let help = match self.tried.len() {
            0 | 1 => "the server's log tells why; it may allow no further attempts (MaxAuthTries)",
            _ => {
                "servers allow few attempts (MaxAuthTries, 6 by default): name the right key with \
                 `key_filename`, and set `allow_agent: false` and `look_for_keys: false`"
            }
        };
        self.failure(spec, ErrorCode::AuthFailed, &what).with_help(help)
    }

    /// The failure when the connection ended without a word about the user.
    pub(super) fn lost(&self, spec: &ConnectionSpec, reason: &str) -> Failure {
        let attempts = self.attempts();
        let what = format!("the connection was lost {attempts} ({reason}); {}", self.offer());
        self.failure(spec, ErrorCode::ConnectionLost, &what)
            .with_help("the server's log may tell why; nothing was said about the credentials")
    }

    /// The failure when the time is over.
    pub(super) fn timed_out(&self, spec: &ConnectionSpec) -> Failure {
        let limit = seconds(spec.timeouts.auth);
        let attempts = self.attempts();
        let what = format!("no decision within {limit}, {attempts}; {}", self.offer());
        self.failure(spec, ErrorCode::AuthTimeout, &what)
            .with_help("raise `auth_timeout`, or look for slow name lookups on the server (UseDNS)")
    }

    /// How much was tried, and what.
    fn attempts(&self) -> String {
        match self.tried.as_slice() {
            [] => "before the first attempt".to_owned(),
            [only] => format!("after one attempt ({only})"),
            tried => format!("after {} attempts ({})", tried.len(), tried.join(", ")),
        }
    }

    /// What the server offers, as far as it has said.
    fn offer(&self) -> String {
        match &self.offered {
            Some(offered) if offered.is_empty() => "it offers nothing".to_owned(),
            Some(offered) => {
                let names: Vec<_> = offered.iter().map(String::as_str).collect();
                format!("it offers {}", names.join(", "))
            }
            None => "it has not said what it offers".to_owned(),
        }
    }

    fn failure(&self, spec: &ConnectionSpec, code: ErrorCode, what: &str) -> Failure {
        let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
        Failure::new(
            code,
            format!(
                "authentication of `{}` at `{}` failed: {what}{notes}",
                spec.username,
                spec.address()
            ),
        )
    }

    fn what_happened(&self) -> String {
        let offer = self.offer();
        match self.tried.is_empty() {
            true => format!(
                "the server {}, and no credential for it is given",
                offer.trim_start_matches("it ")
            ),
            false => format!("the server did not accept {}; {offer}", self.tried.join(", ")),
        }
    }

    fn advice(&self, spec: &ConnectionSpec) -> &'static str {
        let given = &spec.credentials;
        let has_key = !given.keys.is_empty() || given.agent || !given.default_keys.is_empty();
        let takes_keys = self.offers("publickey");
        let takes_passwords = self.offers("password") || self.offers("keyboard-interactive");
        match (takes_keys, takes_passwords) {
            (true, false) if given.password.is_some() && !has_key => {
                "the server takes keys only: set `key_filename` or `pkey`"
            }
            (false, true) if given.password.is_none() => {
                "the server takes passwords only: set `password`"
            }
            _ if given.password.is_some() && given.keys.is_empty() => {
                "check `username` and `password`"
            }
            _ => {
                "check `username`, and that the key's public half is in the user's \
                 ~/.ssh/authorized_keys on the host"
            }
        }
    }
}
