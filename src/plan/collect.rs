//! Gathers everything that is wrong or still unknown, so that one error does not
//! hide the next.

use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
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
            Err(Miss::Problem(problem)) => {
                self.problems.push(*problem);
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

    /// Files an error at the place of a key.
    pub(super) fn error<T>(&mut self, error: PlanError, at: Option<&At<T>>) {
        let span = at.and_then(|at| at.span.or(at.key));
        self.problems.push(Problem::new(error, span));
    }

    /// Takes over what another found.
    pub(super) fn absorb(&mut self, found: Self) {
        self.problems.extend(found.problems);
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
