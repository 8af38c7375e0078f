//! What stands in reports for what a task with `no_log` does.

use serde_json::Value;

use crate::event::{CENSORED, CommandResult, TransferRecord};
use crate::failure::{ErrorCode, Failure};

/// `result` of a task with `no_log`: how it went, and nothing of what was said.
pub(super) fn censored_result(result: CommandResult) -> CommandResult {
    CommandResult {
        item: result.item.map(|_| Value::from(CENSORED)),
        command: CENSORED.to_owned(),
        output: CENSORED.to_owned(),
        error: CENSORED.to_owned(),
        output_bytes: None,
        error_bytes: None,
        transfer: result.transfer.map(|transfer| TransferRecord {
            local_path: CENSORED.to_owned(),
            remote_path: CENSORED.to_owned(),
            resume_note: transfer.resume_note.map(|_| CENSORED.to_owned()),
            sha256: None,
            ..transfer
        }),
        ..result
    }
}

/// `failure` of a task with `no_log`: its code. What says why a host was not
/// reached or not tried says nothing of the task, and stays.
pub(super) fn censored_failure(failure: Failure) -> Failure {
    use ErrorCode::{CanaryRejected, Cancelled};
    match failure.code {
        Cancelled | CanaryRejected => failure,
        code if code.is_unreachable() => failure,
        code => Failure::new(code, CENSORED),
    }
}

/// What stands for the notes of a task with `no_log`, which name its guards.
pub(super) fn censored_note() -> String {
    CENSORED.to_owned()
}
