//! How one finished task looks: its line, and beneath it what a person needs.

use std::borrow::Cow;

use super::palette::{ADDED, BOLD, DIM, HELP, Kind, REMOVED, STDERR};
use super::text::{counted, cut, duration, harmless, output_lines, padded, width, wrapped};
use super::{Verbosity, View};
use crate::event::{CommandResult, Outcome, TRANSFER_COMMAND, TaskRecord, is_handler};

/// How many of the last lines of a failed command's output to show.
const TAIL: usize = 6;
/// Of how many failed commands to show the output.
const SHOWN_FAILURES: usize = 3;

impl View {
    /// The text for a finished task.
    pub(super) fn task(&self, host: &str, record: &TaskRecord) -> String {
        let kind = kind_of(record);
        let grave = record.outcome.is_failure() && !record.ignored;
        if self.options.verbosity == Verbosity::Quiet && !grave {
            return String::new();
        }
        let verbose = self.options.verbosity == Verbosity::Verbose;
        // A handler that nothing has notified is the usual case and no news.
        if record.outcome == Outcome::Skipped && is_handler(&record.id) && !verbose {
            return String::new();
        }
        let excerpt = match (&record.note, record.error.is_none() && !verbose) {
            (Some(note), _) => harmless(note).into_owned(),
            (None, true) => excerpt(&record.results),
            (None, false) => String::new(),
        };
        let took = match record.attempts {
            0 => String::new(),
            _ => duration(record.duration_seconds),
        };
        let mut text = self.line(kind, host, &took, &harmless(&record.name), &excerpt);
        if verbose {
            record.results.iter().for_each(|result| text += &self.whole_output(host, result));
        }
        record.results.iter().for_each(|result| text += &self.diff(kind, result));
        if let Some(error) = &record.error {
            let code = serde_json::to_value(error.code).unwrap_or_default();
            let code = code.as_str().unwrap_or_default();
            let message = format!("{code}: {}", harmless(&error.message));
            text += &self.detail(kind, "", &message);
            if grave && !verbose {
                text += &self.tails(kind, &record.results);
            }
            if let Some(help) = error.help.as_ref().filter(|_| grave || verbose) {
                text += &self.detail(kind, "help", &harmless(help));
            }
        }
        text
    }

    /// The whole output of a command, each line behind the host's name.
    fn whole_output(&self, host: &str, result: &CommandResult) -> String {
        let host = harmless(host);
        let room = self.options.width.map(|columns| columns.saturating_sub(width(&host) + 5));
        let mut text = String::new();
        let mut push = |bar: &str, style, line: &str| {
            let line = match style {
                Some(style) => self.paint.with(style, line),
                None => line.to_owned(),
            };
            text += &format!("  {} {bar} {line}\n", self.paint.with(DIM, &host));
        };
        // What was run is only a label, so it may be cut; what came out is what
        // the user asked for, so it may not.
        if !is_transfer(result) {
            let command = format!("$ {}", harmless(result.command.trim_end()));
            push("│", Some(BOLD), &cut(&command, room));
        }
        output_lines(&result.output).for_each(|line| push("│", None, &line));
        if !is_transfer(result) {
            output_lines(&result.error).for_each(|line| push("┆", Some(STDERR), &line));
        }
        text
    }

    /// What an upload changed, line by line.
    fn diff(&self, kind: Kind, result: &CommandResult) -> String {
        let diff = result.transfer.as_ref().and_then(|transfer| transfer.diff.as_deref());
        let line = |line: &str| {
            let text = harmless(line);
            let text = match line.as_bytes().first() {
                _ if line.starts_with("--- ") || line.starts_with("+++ ") => {
                    self.paint.with(BOLD, text)
                }
                Some(b'+') => self.paint.with(ADDED, text),
                Some(b'-') => self.paint.with(REMOVED, text),
                Some(b'@' | b'(' | b'\\') => self.paint.with(DIM, text),
                _ => text.into_owned(),
            };
            format!("{}{text}\n", self.gutter(kind))
        };
        diff.into_iter().flat_map(str::lines).map(line).collect()
    }

    /// The last lines of what failed commands said.
    fn tails(&self, kind: Kind, results: &[CommandResult]) -> String {
        let failed = results
            .iter()
            // A transfer's error is the task's message already.
            .filter(|result| result.exit_status != Some(0) && !is_transfer(result));
        let mut text = String::new();
        for result in failed.take(SHOWN_FAILURES) {
            if results.len() > 1 {
                let command = harmless(result.command.trim_end());
                text += &self.detail_line(kind, "command", &self.cut_detail(&command));
            }
            let (label, stream) = match result.error.trim().is_empty() {
                true => ("output", &result.output),
                false => ("stderr", &result.error),
            };
            let stream = stream.trim_end();
            let lines = stream.lines().count();
            let left_out = lines.saturating_sub(TAIL);
            if left_out > 0 {
                let note = format!("… {} before these", counted(left_out, "line"));
                text += &self.detail_line(kind, label, &self.paint.with(DIM, note));
            }
            for (index, line) in output_lines(stream).skip(left_out).enumerate() {
                let label = if index == 0 && left_out == 0 { label } else { "" };
                text += &self.detail_line(kind, label, &self.cut_detail(&line));
            }
        }
        text
    }

    /// A labelled text beneath a task's line, wrapped.
    fn detail(&self, kind: Kind, label: &str, text: &str) -> String {
        let indent = if label.is_empty() { 4 } else { 12 };
        let room = self.options.width.map(|columns| columns.saturating_sub(indent));
        let lines = wrapped(text, room);
        lines
            .iter()
            .enumerate()
            .map(|(index, line)| match (label, index) {
                ("", _) => format!("{}{line}\n", self.gutter(kind)),
                (label, 0) => self.detail_line(kind, label, line),
                _ => self.detail_line(kind, "", line),
            })
            .collect()
    }

    fn detail_line(&self, kind: Kind, label: &str, text: &str) -> String {
        let style = if label == "help" { HELP } else { DIM };
        let label = self.paint.with(style, padded(label, 8));
        let line = format!("{}{label}{text}", self.gutter(kind));
        format!("{}\n", line.trim_end())
    }

    fn cut_detail<'t>(&self, text: &'t str) -> Cow<'t, str> {
        cut(text, self.options.width.map(|columns| columns.saturating_sub(12)))
    }

    fn gutter(&self, kind: Kind) -> String {
        format!("  {} ", self.paint.with(kind.style(), "│"))
    }
}

fn is_transfer(result: &CommandResult) -> bool {
    result.command == TRANSFER_COMMAND
}

/// How a person counts this task.
pub(super) fn kind_of(record: &TaskRecord) -> Kind {
    match record.ignored {
        true => Kind::Ignored,
        false => Kind::Of(record.outcome),
    }
}

/// The first line of what came out, and how much more there is.
fn excerpt(results: &[CommandResult]) -> String {
    let mut lines = results
        .iter()
        .flat_map(|result| output_lines(&result.output))
        .filter(|line| !line.trim().is_empty());
    let Some(first) = lines.next() else { return String::new() };
    match lines.count() {
        0 => first.trim().to_owned(),
        more => format!("{} (+{})", first.trim(), counted(more, "line")),
    }
}
