//! `--start-at-task`: which task a run begins with.

use std::cell::{Cell, RefCell};

use super::PlanError;
use crate::diagnostic::Problem;
use crate::load::decode::nearest;

/// Where the run begins, and whether the planner has come to it.
pub(super) struct Start {
    /// The name or glob; `None` begins with the first task.
    wanted: Option<String>,
    is_reached: Cell<bool>,
    /// The names of the tasks before it.
    passed: RefCell<Vec<String>>,
}

impl Start {
    /// Begins at the first task that `wanted` names or, as a glob, matches.
    pub(super) fn at(wanted: Option<String>) -> Self {
        let is_reached = Cell::new(wanted.is_none());
        Self { wanted, is_reached, passed: RefCell::default() }
    }

    /// Forgets what was planned so far: it is planned anew.
    pub(super) fn rewind(&self) {
        self.is_reached.set(self.wanted.is_none());
        self.passed.borrow_mut().clear();
    }

    /// Whether the run begins with this task or an earlier one. Tasks come in order.
    pub(super) fn reaches(&self, name: &str) -> bool {
        let Some(wanted) = self.wanted.as_deref().filter(|_| !self.is_reached.get()) else {
            return true;
        };
        let is_match =
            name == wanted || glob::Pattern::new(wanted).is_ok_and(|pattern| pattern.matches(name));
        self.is_reached.set(is_match);
        if !is_match {
            self.passed.borrow_mut().push(name.to_owned());
        }
        is_match
    }

    /// Whether the task that the run begins with is still to come.
    pub(super) fn is_ahead(&self) -> bool {
        !self.is_reached.get()
    }

    /// A mistyped name would otherwise silently run nothing.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let Some(name) = self.wanted.as_deref().filter(|_| self.is_ahead()) else { return };
        let passed = self.passed.borrow();
        let help = match nearest(name, passed.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`--list-tasks` shows the names; globs such as `install*` work too".to_owned(),
        };
        problems.push(Problem::new(PlanError::UnknownTask { name: name.to_owned(), help }, None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(wanted: Option<&str>, names: &[&str]) -> Vec<bool> {
        let start = Start::at(wanted.map(str::to_owned));
        names.iter().map(|name| start.reaches(name)).collect()
    }

    #[test]
    fn a_run_begins_with_the_task_of_that_name_or_pattern() {
        let names = ["install a", "install b", "restart [now]"];
        assert_eq!(begun(None, &names), [true, true, true]);
        assert_eq!(begun(Some("install b"), &names), [false, true, true]);
        assert_eq!(begun(Some("*b"), &names), [false, true, true]);
        assert_eq!(begun(Some("restart [now]"), &names), [false, false, true]);
        assert_eq!(begun(Some("install"), &names), [false, false, false]);
    }
}
