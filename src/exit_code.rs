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
    /// A defect of sshoal itself.
    Bug = 101,
    /// The user or the system interrupted the run.
    Interrupted = 130,
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

    /// The code of a run: what cut it short, if something did, and otherwise
    /// whether tasks failed and whether hosts were unreachable.
    #[must_use]
    pub fn of_run(outcome: RunOutcome, failed: bool, unreachable: bool) -> Self {
        match outcome {
            RunOutcome::Interrupted => Self::Interrupted,
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
    /// add up.
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
            Self::Interrupted => 7,
            Self::Bug => 8,
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
        for (outcome, failed, unreachable, expected) in [
            (RunOutcome::Ok, false, false, Success),
            (RunOutcome::Failed, true, false, TaskFailed),
            (RunOutcome::Unreachable, false, true, HostUnreachable),
            (RunOutcome::Failed, true, true, FailedAndUnreachable),
            (RunOutcome::Aborted, true, true, Aborted),
            (RunOutcome::Interrupted, true, true, Interrupted),
            (RunOutcome::Interrupted, false, false, Interrupted),
        ] {
            assert_eq!(ExitCode::of_run(outcome, failed, unreachable), expected);
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
            (Interrupted, Bug, Bug),
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
