//! What a task's failures add up to: one outcome and one error in words.

use crate::event::Outcome;
use crate::failure::{ErrorCode, Failure};

/// How many failed commands a message names before it only counts.
const NAMED: usize = 3;
/// How many characters of a command a message shows.
const SHOWN: usize = 60;

/// What went wrong while a task ran, and how much of it did not run for that.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<Failure>,
    not_run: usize,
}

/// A place in the list of faults.
#[derive(Debug, Clone, Copy)]
pub(super) struct FaultMark {
    listed: usize,
    not_run: usize,
}

impl Faults {
    /// Notes a failure.
    pub(super) fn add(&mut self, failure: Failure) {
        self.list.push(failure);
    }

    /// Notes that `commands` commands did not run because of a failure.
    pub(super) fn add_not_run(&mut self, commands: usize) {
        self.not_run += commands;
    }

    /// Where the faults of what comes next begin.
    pub(super) fn mark(&self) -> FaultMark {
        FaultMark { listed: self.list.len(), not_run: self.not_run }
    }

    /// The codes of the faults since a mark.
    pub(super) fn codes_since(&self, mark: FaultMark) -> impl Iterator<Item = ErrorCode> {
        self.list[mark.listed..].iter().map(|failure| failure.code)
    }

    /// Forgets the faults since a mark.
    pub(super) fn forget_since(&mut self, mark: FaultMark) {
        self.list.truncate(mark.listed);
        self.not_run = mark.not_run;
    }

    /// The outcome and error of the task, or nothing when all went well.
    ///
    /// The gravest failure gives the code; where there are more, its message
    /// says so.
    pub(super) fn into_verdict(mut self) -> Option<(Outcome, Failure)> {
        let count = self.list.len();
        let gravest = (0..count).max_by_key(|&index| {
            // Of equally grave ones the first: it may have caused the others.
            (gravity(self.list[index].code), std::cmp::Reverse(index))
        })?;
        let code = self.list[gravest].code;
        let mut failure = if code == ErrorCode::CommandFailed {
            let named: Vec<&str> =
                self.list.iter().take(NAMED).map(|failure| &*failure.message).collect();
            let mut failure = Failure::new(code, named.join(", "));
            if count > NAMED {
                failure.message += &format!(", and {} more failed", count - NAMED);
            }
            failure
        } else {
            let mut failure = self.list.swap_remove(gravest);
            if count > 1 {
                failure.message += &format!(" ({} more failed)", count - 1);
            }
            failure
        };
        match self.not_run {
            0 => {}
            1 => failure.message += "; the command after it did not run",
            more => failure.message += &format!("; the {more} commands after it did not run"),
        }
        Some((outcome_of(code), failure))
    }
}

/// The failure of a command that ran to its end without success, or nothing.
pub(super) fn of_status(
    command: &str,
    status: Option<i32>,
    signal: Option<&str>,
) -> Option<Failure> {
    let ending = match (status, signal) {
        (Some(0), _) => return None,
        (Some(status), _) => format!("exited with status {status}"),
        (None, Some(signal)) => format!("was killed by SIG{signal}"),
        (None, None) => "ended without a status".to_owned(),
    };
    Some(Failure::new(ErrorCode::CommandFailed, format!("`{}` {ending}", excerpt(command))))
}

/// The outcome of a task whose error is `code`.
pub(super) fn outcome_of(code: ErrorCode) -> Outcome {
    match code {
        _ if code.is_unreachable() => Outcome::Unreachable,
        _ if code.is_timeout() => Outcome::TimedOut,
        ErrorCode::Cancelled | ErrorCode::CanaryRejected => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}

/// Whether nothing else of the task may run after this: the connection is gone,
/// the run ends, or the next command would hand sudo the same useless answer (a
/// wrong password that is tried again locks accounts).
pub(super) fn ends_task(code: ErrorCode) -> bool {
    use ErrorCode::*;
    code.is_unreachable()
        || matches!(
            code,
            Cancelled
                | CanaryRejected
                | Internal
                | SudoAuthFailed
                | SudoPasswordRequired
                | SudoRequiresTty
                | SudoPromptUnknown
        )
}

/// Whether a failure is the task's own result, which its conditions judge.
pub(super) fn is_judged(code: ErrorCode) -> bool {
    use ErrorCode::*;
    matches!(
        code,
        CommandFailed
            | TransferFailed
            | TransferPermission
            | TransferNoSpace
            | TransferVerifyFailed
    )
}

/// Whether a failure may have passed when the task is tried again. A host that was
/// there may come back; a wrong password stays wrong, and would lock the account.
pub(super) fn may_pass(code: ErrorCode, try_number: u32) -> bool {
    use ErrorCode::*;
    let returns = matches!(
        code,
        ConnectRefused
            | ConnectTimeout
            | ConnectFailed
            | BannerTimeout
            | HandshakeFailed
            | ProxyFailed
    );
    is_judged(code)
        || code.is_timeout()
        || matches!(code, ConnectionLost | ChannelRefused)
        || returns && try_number > 1
}

fn gravity(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Internal => 5,
        _ if code.is_unreachable() => 4,
        ErrorCode::Cancelled | ErrorCode::CanaryRejected => 3,
        _ if code.is_timeout() => 2,
        ErrorCode::CommandFailed => 0,
        _ => 1,
    }
}

/// The first line of `command`, as far as a message has room for it.
fn excerpt(command: &str) -> String {
    let first = command.trim().lines().next().unwrap_or_default();
    let mut shown: String = first.chars().take(SHOWN).collect();
    if shown.len() < command.trim().len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(failures: Vec<Failure>, not_run: usize) -> Option<(Outcome, ErrorCode, String)> {
        let (outcome, failure) = Faults { list: failures, not_run }.into_verdict()?;
        Some((outcome, failure.code, failure.message))
    }

    fn exited(command: &str, status: i32) -> Failure {
        of_status(command, Some(status), None).unwrap()
    }

    #[test]
    fn no_failure_is_no_verdict() {
        assert_eq!(verdict(vec![], 0), None);
        assert_eq!(of_status("true", Some(0), None), None);
    }

    #[test]
    fn failed_commands_are_named_and_then_counted() {
        let all = vec![
            exited("a", 1),
            of_status("b", None, Some("KILL")).unwrap(),
            exited("c", 3),
            exited("d", 4),
        ];
        assert_eq!(
            verdict(all, 0).unwrap().2,
            "`a` exited with status 1, `b` was killed by SIGKILL, `c` exited with status 3, \
             and 1 more failed"
        );
    }

    #[test]
    fn commands_that_did_not_run_are_counted() {
        assert_eq!(
            verdict(vec![exited("a", 1)], 2).unwrap().2,
            "`a` exited with status 1; the 2 commands after it did not run"
        );
    }

    #[test]
    fn the_gravest_failure_gives_the_code() {
        let timeout = || Failure::new(ErrorCode::CommandTimeout, "too slow");
        let lost = || Failure::new(ErrorCode::ConnectionLost, "gone");
        let sudo = || Failure::new(ErrorCode::SudoNotPermitted, "no");
        for (failures, expected) in [
            (vec![exited("a", 1), timeout()], (Outcome::TimedOut, "too slow (1 more failed)")),
            (vec![timeout(), lost()], (Outcome::Unreachable, "gone (1 more failed)")),
            (vec![exited("a", 1), sudo()], (Outcome::Failed, "no (1 more failed)")),
        ] {
            let (outcome, _, message) = verdict(failures, 0).unwrap();
            assert_eq!((outcome, &*message), expected);
        }
    }

    #[test]
    fn a_long_command_is_shortened() {
        assert_eq!(excerpt("  one\ntwo"), "one…");
        assert_eq!(excerpt(&"ä".repeat(61)), format!("{}…", "ä".repeat(60)));
        assert_eq!(excerpt(&"ä".repeat(60)), "ä".repeat(60));
    }
}
