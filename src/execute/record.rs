//! Turns what a connection gave into what reports and templates see.
//!
//! Two views of the same result: records are masked, registered values are not,
//! because templates compute with what the host really answered.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexSet;
use jiff::{Timestamp, Unit};
use serde_json::{Map, Value, json};

use super::RunMode;
use super::cut::masked_output;
use crate::event::{CommandResult, Outcome, TRANSFER_COMMAND, TransferOperation, TransferRecord};
use crate::failure::Failure;
use crate::secret::Redactor;
use crate::transport::{Captured, Ending, Execution, FileCount};

/// This moment, to the millisecond: more digits only make reports hard to read.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}

/// Notes as one text, each of them once; the first few of a long loop's.
pub(super) fn joined(notes: Vec<String>) -> Option<String> {
    const SHOWN: usize = 5;
    let notes: IndexSet<String> = notes.into_iter().collect();
    let shown: Vec<&str> = notes.iter().take(SHOWN).map(String::as_str).collect();
    match notes.len() {
        0 => None,
        count if count > SHOWN => Some(format!("{}; and {} more", shown.join("; "), count - SHOWN)),
        _ => Some(shown.join("; ")),
    }
}

/// A duration in seconds, to the microsecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// The result of a command, with nothing masked, and why it did not run to its
/// end, if it did not.
pub(super) fn of_execution(
    item: Option<&Value>,
    command: &str,
    pty: bool,
    execution: Execution,
) -> (CommandResult, Option<Failure>) {
    let truncated = execution.output.truncated || execution.error.truncated;
    let output_bytes = truncated.then_some(execution.output.total);
    let error_bytes = truncated.then_some(execution.error.total);
    let (output, output_lossy) = text(execution.output);
    let (error, error_lossy) = text(execution.error);
    let (exit_status, signal, failure) = match execution.ending {
        Ending::Exited(status) => (Some(status), None, None),
        Ending::Signalled(signal) => (None, Some(signal), None),
        Ending::Failed(failure) => (None, None, Some(failure)),
    };
    let result = CommandResult {
        item: item.cloned(),
        command: command.to_owned(),
        output,
        error,
        exit_status,
        signal,
        truncated,
        output_bytes,
        error_bytes,
        lossy: output_lossy || error_lossy,
        pty,
        duration_seconds: seconds(execution.duration),
        transfer: None,
    };
    (result, failure)
}

/// The result of a transfer, with nothing masked.
pub(super) fn of_transfer(
    item: Option<&Value>,
    duration: Duration,
    mode: RunMode,
    outcome: Result<(TransferRecord, bool, Option<FileCount>), &Failure>,
) -> CommandResult {
    let mut result = CommandResult {
        item: item.cloned(),
        command: TRANSFER_COMMAND.to_owned(),
        duration_seconds: seconds(duration),
        ..CommandResult::default()
    };
    match outcome {
        Ok((record, changed, files)) => {
            result.output = match (mode, changed) {
                (RunMode::Check, true) => foreseen(&record, files),
                _ => sentence(&record, changed, files),
            };
            result.exit_status = Some(0);
            result.transfer = Some(record);
        }
        Err(failure) => result.error = failure.message.clone(),
    }
    result
}

/// The value that templates know a result by.
pub(super) fn value_of(result: &CommandResult, outcome: Outcome) -> Value {
    let mut value = Map::new();
    value.insert("item".to_owned(), json!(result.item));
    value.insert("command".to_owned(), json!(result.command));
    value.insert("output".to_owned(), json!(result.output));
    value.insert("error".to_owned(), json!(result.error));
    value.insert("exit_status".to_owned(), json!(result.exit_status));
    insert_flags(&mut value, outcome);
    if let Some(transfer) = &result.transfer {
        value.insert("transfer".to_owned(), json!(transfer));
    }
    Value::Object(value)
}

/// The value that templates know a whole task by: the documented fields of its
/// last result, how it ended, and all results.
pub(super) fn registered(outcome: Outcome, results: Vec<Value>) -> Value {
    let last = results.iter().rev().find(|result| result["skipped"] != true);
    let field = |name: &str, none: Value| last.map_or(none, |last| last[name].clone());
    let mut value = Map::new();
    value.insert("output".to_owned(), field("output", json!("")));
    value.insert("error".to_owned(), field("error", json!("")));
    value.insert("exit_status".to_owned(), field("exit_status", Value::Null));
    insert_flags(&mut value, outcome);
    value.insert("results".to_owned(), Value::Array(results));
    Value::Object(value)
}

/// Whether a result's value says that it failed.
pub(super) fn has_failed(value: &Value) -> bool {
    value["failed"] == true
}

/// Makes a result's value say how it ended after all.
pub(super) fn set_outcome(value: &mut Value, outcome: Outcome) {
    if let Value::Object(fields) = value {
        insert_flags(fields, outcome);
    }
}

fn insert_flags(value: &mut Map<String, Value>, outcome: Outcome) {
    let ok = matches!(outcome, Outcome::Ok | Outcome::Changed);
    value.insert("ok".to_owned(), json!(ok));
    value.insert("changed".to_owned(), json!(outcome == Outcome::Changed));
    value.insert("failed".to_owned(), json!(outcome.is_failure()));
    value.insert("skipped".to_owned(), json!(outcome == Outcome::Skipped));
}

/// `result` with every secret masked.
pub(super) fn masked_result(redactor: &Redactor, mut result: CommandResult) -> CommandResult {
    let mask = |text| masked(redactor, text);
    let output = masked_output(redactor, std::mem::take(&mut result.output), &result);
    let error = masked_output(redactor, std::mem::take(&mut result.error), &result);
    CommandResult {
        item: result.item.map(|item| redactor.mask_value(item)),
        command: mask(result.command),
        output,
        error,
        transfer: result.transfer.map(|transfer| TransferRecord {
            local_path: mask(transfer.local_path),
            remote_path: mask(transfer.remote_path),
            resume_note: transfer.resume_note.map(mask),
            diff: transfer.diff.map(mask),
            ..transfer
        }),
        ..result
    }
}

/// `failure` with every secret masked.
pub(super) fn masked_failure(redactor: &Redactor, failure: Failure) -> Failure {
    let help = failure.help.map(|help| masked(redactor, help));
    Failure { message: masked(redactor, failure.message), help, ..failure }
}

/// `name` with every secret masked; shared with the plan where there is none.
pub(super) fn masked_name(redactor: &Redactor, name: &Arc<str>) -> Arc<str> {
    match redactor.mask(name) {
        Cow::Borrowed(_) => name.clone(),
        Cow::Owned(masked) => masked.into(),
    }
}

/// `text` with every secret masked; not copied where there is none.
pub(super) fn masked(redactor: &Redactor, text: String) -> String {
    let masked = match redactor.mask(&text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(masked) => Some(masked),
    };
    masked.unwrap_or(text)
}

/// A stream as text, and whether bytes had to be replaced.
fn text(captured: Captured) -> (String, bool) {
    match String::from_utf8(captured.bytes) {
        Ok(text) => (text, false),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
    }
}

fn sentence(record: &TransferRecord, changed: bool, files: Option<FileCount>) -> String {
    let (verb, target) = match record.operation {
        TransferOperation::Upload => ("uploaded", &record.remote_path),
        TransferOperation::Download => ("downloaded", &record.local_path),
    };
    let moved = size(record.bytes_transferred);
    if let Some(FileCount { total, moved: count }) = files {
        let files = if total == 1 { "file" } else { "files" };
        return match (changed, count) {
            (false, _) => format!("unchanged: {total} {files} in {target}"),
            (true, 0) => format!("updated {target}, whose {total} {files} were there already"),
            (true, _) if count == total => format!("{verb} {total} {files}, {moved}, to {target}"),
            (true, _) => format!("{verb} {count} of {total} {files}, {moved}, to {target}"),
        };
    }
    match (changed, record.resumed) {
        (false, _) => format!("unchanged: {target}"),
        (true, false) if record.bytes_transferred == 0 && record.total_bytes > 0 => {
            format!("updated {target}, whose content was there already")
        }
        (true, false) => format!("{verb} {moved} to {target}"),
        (true, true) => {
            format!("{verb} the last {moved} of {} to {target}", size(record.total_bytes))
        }
    }
}

/// What a transfer would do.
fn foreseen(record: &TransferRecord, files: Option<FileCount>) -> String {
    let (verb, target) = match record.operation {
        TransferOperation::Upload => ("upload", &record.remote_path),
        TransferOperation::Download => ("download", &record.local_path),
    };
    match files {
        Some(FileCount { total, moved: 0 }) => {
            format!("would update {target}, whose {total} files are there already")
        }
        Some(FileCount { total, moved }) => {
            format!("would {verb} {moved} of {total} files to {target}")
        }
        None => format!("would {verb} {} to {target}", size(record.total_bytes)),
    }
}

/// A size for people, in decimal units.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 and above would be shown as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345, "12.3 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
        ] {
            assert_eq!(size(bytes), shown, "{bytes}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_said_to_be() {
        let captured = |bytes: &[u8]| Captured { bytes: bytes.to_vec(), ..Captured::default() };
        assert_eq!(text(captured(b"a\xffb")), ("a\u{fffd}b".to_owned(), true));
        assert_eq!(text(captured("ä\0".as_bytes())), ("ä\0".to_owned(), false));
    }

    #[test]
    fn a_loop_item_is_masked_at_any_depth() {
        let redactor = Redactor::new([&crate::secret::Secret::new("98765")]);
        let item = json!({"user": "x98765", "pins": [98765, 1], "98765": null});
        assert_eq!(
            redactor.mask_value(item),
            json!({"user": "x***", "pins": ["***", 1], "***": null})
        );
    }

    #[test]
    fn a_skipped_task_registers_empty_fields() {
        assert_eq!(
            registered(Outcome::Skipped, Vec::new()),
            json!({"output": "", "error": "", "exit_status": null, "ok": false,
                "changed": false, "failed": false, "skipped": true, "results": []})
        );
    }
}
