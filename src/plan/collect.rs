//! Gathers everything that is wrong or still unknown, so that one error does not
//! hide the next.

use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::source::Span;
use crate::plan::error::PlanError;
use crate::resolve::FromValue;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;

/// What rendering one task found besides values.
#[derive(Debug, Default)]
pub(super) struct Collect {
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// Registered names that it has to wait for.
    pub(super) pending: Vec<Arc<str>>,
    /// Where secrets are templated into what process lists show: the key in
    /// backticks, and the place.
    pub(super) exposures: Vec<(String, Option<Span>)>,
}

impl Collect {
    /// Keeps the value; files the miss.
    pub(super) fn take<T>(&mut self, result: Result<T, Miss>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Miss::Pending(pending)) => {
                if !self.pending.contains(&pending.0) {
                    self.pending.push(pending.0);
                }
                None
            }
            Err(Miss::Problems(problems)) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// The rendered value of an optional key.
    pub(super) fn value<T: FromValue + Clone>(
        &mut self,
        frame: &Arc<Frame>,
        at: Option<&At<Templated<T>>>,
        key: &str,
    ) -> Option<T> {
        let at = at?;
        self.take(frame.value(at, &format!("`{key}`")))
    }

    /// As [`Collect::value`], for a key that process lists show.
    pub(super) fn exposed<T: FromValue + Clone>(
        &mut self,
        frame: &Arc<Frame>,
        at: Option<&At<Templated<T>>>,
        key: &str,
    ) -> Option<T> {
        let value = self.value(frame, at, key)?;
        self.note_exposed(frame, &format!("`{key}`"), at.and_then(|at| at.span));
        Some(value)
    }

    /// Notes it if what was rendered last is made of a secret, and a process list
    /// will show it.
    pub(super) fn note_exposed(&mut self, frame: &Frame, what: &str, span: Option<Span>) {
        if frame.depends_on_secret() {
            self.exposures.push((what.to_owned(), span));
        }
    }

    /// Files an error at the place of a key.
    pub(super) fn error<T>(&mut self, error: PlanError, at: Option<&At<T>>) {
        let span = at.and_then(|at| at.span.or(at.key));
        self.problems.push(Problem::new(error, span));
    }

    /// Takes over what another found.
    pub(super) fn absorb(&mut self, found: Self) {
        self.problems.extend(found.problems);
        self.exposures.extend(found.exposures);
        for pending in found.pending {
            if !self.pending.contains(&pending) {
                self.pending.push(pending);
            }
        }
    }

    /// Whether nothing is wrong and nothing is unknown.
    pub(super) fn is_clear(&self) -> bool {
        self.problems.is_empty() && self.pending.is_empty()
    }
}
