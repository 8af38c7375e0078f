//! How a task went.

use super::attempt::Gathered;
use crate::event::Outcome;
use crate::failure::Failure;

/// How a task went, before it is put on record.
pub(super) struct Conclusion {
    pub(super) outcome: Outcome,
    pub(super) error: Option<Failure>,
    pub(super) attempts: u32,
    pub(super) gathered: Gathered,
}

impl Conclusion {
    /// Of a task that was not begun.
    pub(super) fn without_attempt(outcome: Outcome, error: Option<Failure>) -> Self {
        Self { outcome, error, attempts: 0, gathered: Gathered::default() }
    }

    /// Of a task that check mode can say nothing about.
    pub(super) fn unknown(note: String) -> Self {
        let gathered = Gathered { notes: vec![note], unknown: true, ..Gathered::default() };
        Self { outcome: Outcome::Skipped, error: None, attempts: 0, gathered }
    }
}
