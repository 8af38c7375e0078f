//! Secrets kept in HashiCorp Vault or OpenBao: what a reference means, and each
//! secret read once per run, before anything connects.
//!
//! [`Vault`] is what the planner sees; [`VaultClient`] is how it reads.

mod client;
mod environment;
mod error;
mod fields;
mod http;
mod login_error;
mod reference;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

pub use client::VaultClient;
pub use environment::Environment;
pub use error::VaultError;
pub use fields::Fields;
pub use login_error::LoginError;
pub use reference::{DEFAULT_MOUNT, Reference};

use crate::secret::Secret;

/// What can read a secret.
pub trait SecretReader: Send + Sync {
    /// Reads a secret.
    ///
    /// # Errors
    /// Why it cannot be read, in the user's terms.
    fn read(&self, reference: &Reference) -> Result<Fields, VaultError>;
}

/// The fields of a secret, or that nothing is read.
#[derive(Debug, Clone)]
pub enum Answer {
    /// References are checked in form only.
    Unread,
    /// The secret.
    Read(Arc<Fields>),
}

/// The secrets of one run.
pub struct Vault {
    reader: Option<Box<dyn SecretReader>>,
    closed: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    answers: HashMap<Reference, Result<Arc<Fields>, VaultError>>,
    /// Fields that hold a login name.
    names: BTreeSet<(Reference, String)>,
}

impl Vault {
    /// A vault that is read, each secret at most once, failures included.
    #[must_use]
    pub fn live(reader: impl SecretReader + 'static) -> Self {
        Self { reader: Some(Box::new(reader)), ..Self::unread() }
    }

    /// A vault of which nothing is read: every reference is good if its form is.
    #[must_use]
    pub fn unread() -> Self {
        Self { reader: None, closed: AtomicBool::new(false), known: Mutex::default() }
    }

    /// The secret behind a reference.
    ///
    /// # Errors
    /// Why it cannot be read; the same again when it is asked for again.
    pub fn get(&self, reference: &Reference) -> Result<Answer, VaultError> {
        let Some(reader) = &self.reader else { return Ok(Answer::Unread) };
        if let Some(known) = self.known().answers.get(reference) {
            return known.clone().map(Answer::Read);
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(VaultError::TooLate { secret: reference.to_string() });
        }
        // No lock is held meanwhile: the answer may take its time.
        let answer = reader.read(reference).map(Arc::new);
        self.known().answers.insert(reference.clone(), answer.clone());
        answer.map(Answer::Read)
    }

    /// Whether secrets are read at all.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.reader.is_some()
    }

    /// From now on only what has been read already is known: a host's answer
    /// must not choose which secrets are read.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Notes that a field holds a login name, which is no secret: masking every
    /// `root` would destroy the output.
    pub fn note_login_name(&self, reference: &Reference, field: &str) {
        self.known().names.insert((reference.clone(), field.to_owned()));
    }

    /// Whether a field is known to hold a login name.
    #[must_use]
    pub fn is_login_name(&self, reference: &Reference, field: &str) -> bool {
        field == fields::USERNAME
            || self.known().names.contains(&(reference.clone(), field.to_owned()))
    }

    /// Every value read so far that must not be shown: all but login names.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let known = self.known();
        let mut secrets = Vec::new();
        for (reference, fields) in &known.answers {
            let Ok(fields) = fields else { continue };
            let is_name = |field: &str| {
                field == fields::USERNAME
                    || known.names.contains(&(reference.clone(), field.to_owned()))
            };
            secrets.extend(fields.secrets(is_name));
        }
        secrets
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("live", &self.is_live()).finish_non_exhaustive()
    }
}
