//! The documented exit codes, and how those of several runs become one.

use crate::event::RunOutcome;

/// How a process ends. The numbers are part of the contract with CI systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// All is well.
    Success = 0,
    /// Invalid input or usage; nothing ran.
    InvalidInput = 1,
    /// A task failed or timed out.
    TaskFailed = 2,
    /// A failure threshold or a rejected canary aborted the run.
    Aborted = 3,
    /// A host was unreachable.
    HostUnreachable = 4,
    /// Nothing failed, and a check found changes that a run would make.
    ChangesPending = 5,
    /// A task failed or timed out, and a host was unreachable.
    FailedAndUnreachable = 6,
    /// A defect of sshoal itself: a task of the run failed with the code `internal`,
    /// ignored or not, or the process panicked, which gives the same number.
    Bug = 101,
    /// The user or the system interrupted the run.
    Interrupted = 130,
}

/// What kinds of failures a run has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Tasks failed or timed out.
    pub failed: bool,
    /// Hosts were unreachable.
    pub unreachable: bool,
    /// Tasks failed because of a defect of sshoal itself.
    pub internal: bool,
}

impl ExitCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::InvalidInput,
        Self::TaskFailed,
        Self::Aborted,
        Self::HostUnreachable,
        Self::ChangesPending,
        Self::FailedAndUnreachable,
        Self::Bug,
        Self::Interrupted,
    ];

    /// The code of a run: that it was interrupted, that sshoal itself failed, what cut
    /// it short, if something did, and otherwise whether tasks failed and whether hosts
    /// were unreachable.
    #[must_use]
    pub fn of_run(outcome: RunOutcome, seen: Failures) -> Self {
        let Failures { failed, unreachable, internal } = seen;
        match outcome {
            RunOutcome::Interrupted => Self::Interrupted,
            _ if internal => Self::Bug,
            RunOutcome::Aborted => Self::Aborted,
            RunOutcome::Ok | RunOutcome::Failed | RunOutcome::Unreachable => {
                match (failed, unreachable) {
                    (false, false) => Self::Success,
                    (true, false) => Self::TaskFailed,
                    (false, true) => Self::HostUnreachable,
                    (true, true) => Self::FailedAndUnreachable,
                }
            }
        }
    }

    /// The code of two runs together: the graver one, and failed and unreachable
    /// add up. A defect is graver than whatever hosts and tasks did, for it may have
    /// led to that; who interrupted a run knows why it is incomplete.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let both = [self, other];
        if both.contains(&Self::TaskFailed) && both.contains(&Self::HostUnreachable) {
            return Self::FailedAndUnreachable;
        }
        std::cmp::max_by_key(self, other, |code| code.gravity())
    }

    /// The number that the operating system gets.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The code behind a number that a report holds.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    fn gravity(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::ChangesPending => 1,
            Self::TaskFailed => 2,
            Self::HostUnreachable => 3,
            Self::FailedAndUnreachable => 4,
            Self::Aborted => 5,
            Self::InvalidInput => 6,
            Self::Bug => 7,
            Self::Interrupted => 8,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        assert_eq!(ExitCode::ALL.map(ExitCode::number), [0, 1, 2, 3, 4, 5, 6, 101, 130]);
    }

    #[test]
    fn a_runs_code_follows_from_its_outcome_and_failures() {
        use ExitCode::*;
        let seen = |failed, unreachable| Failures { failed, unreachable, ..Failures::default() };
        for (outcome, seen, expected, with_a_defect) in [
            (RunOutcome::Ok, seen(false, false), Success, Bug),
            (RunOutcome::Failed, seen(true, false), TaskFailed, Bug),
            (RunOutcome::Unreachable, seen(false, true), HostUnreachable, Bug),
            (RunOutcome::Failed, seen(true, true), FailedAndUnreachable, Bug),
            (RunOutcome::Aborted, seen(true, true), Aborted, Bug),
            (RunOutcome::Interrupted, seen(true, true), Interrupted, Interrupted),
            (RunOutcome::Interrupted, seen(false, false), Interrupted, Interrupted),
        ] {
            assert_eq!(ExitCode::of_run(outcome, seen), expected);
            let seen = Failures { internal: true, ..seen };
            assert_eq!(ExitCode::of_run(outcome, seen), with_a_defect);
        }
    }

    #[test]
    fn merging_is_commutative_associative_and_keeps_the_graver() {
        use ExitCode::*;
        for (one, other, expected) in [
            (Success, Success, Success),
            (Success, ChangesPending, ChangesPending),
            (ChangesPending, TaskFailed, TaskFailed),
            (TaskFailed, HostUnreachable, FailedAndUnreachable),
            (FailedAndUnreachable, TaskFailed, FailedAndUnreachable),
            (FailedAndUnreachable, Aborted, Aborted),
            (Aborted, Interrupted, Interrupted),
            (Interrupted, Bug, Interrupted),
            (InvalidInput, Bug, Bug),
            (FailedAndUnreachable, Bug, Bug),
            (Aborted, Bug, Bug),
        ] {
            assert_eq!(one.merge(other), expected, "{one:?} {other:?}");
        }
        for a in ExitCode::ALL {
            for b in ExitCode::ALL {
                assert_eq!(a.merge(b), b.merge(a), "{a:?} {b:?}");
                for c in ExitCode::ALL {
                    assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)), "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}
