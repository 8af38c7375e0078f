//! Findings in the forms that editors and CI systems read.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::finding::{Finding, Severity};

/// How many annotations GitHub shows of one step and level; it drops the rest.
const ANNOTATIONS: usize = 10;

/// Findings for programs of any kind: a list under `problems`, and how many there
/// are of each severity.
#[must_use]
pub fn json(findings: &[Finding]) -> Value {
    let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
    json!({
        "schema_version": 1,
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "problems": findings,
    })
}

/// Findings for GitHub Actions.
#[derive(Debug, PartialEq, Eq)]
pub struct GitHub {
    /// Workflow commands for standard output: the ten most important findings.
    pub annotations: String,
    /// All findings as a Markdown table, for the summary of the step. Empty when
    /// there are none.
    pub summary: String,
    /// How many findings the annotations leave out.
    pub left_out: usize,
}

/// Findings as workflow commands, the most important first, and as a summary.
///
/// Errors come before warnings, what is wrong with a file before what is wrong with
/// its meaning, and of these what concerns more hosts.
#[must_use]
pub fn github(findings: &[Finding]) -> GitHub {
    let mut ranked: Vec<&Finding> = findings.iter().collect();
    let is_of_form = |finding: &Finding| finding.code.starts_with("load::");
    ranked.sort_by_key(|it| (it.severity, !is_of_form(it), std::cmp::Reverse(it.hosts.len())));
    let annotations = ranked.iter().take(ANNOTATIONS).map(|finding| annotation(finding)).collect();
    GitHub {
        annotations,
        summary: if ranked.is_empty() { String::new() } else { table(&ranked) },
        left_out: ranked.len().saturating_sub(ANNOTATIONS),
    }
}

fn annotation(finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = Vec::new();
    if let Some(place) = &finding.place {
        properties.push(format!("file={}", property(&place.path)));
        properties.push(format!("line={},endLine={}", place.line, place.end_line));
        // Columns mean something to GitHub within one line only.
        if place.line == place.end_line {
            properties.push(format!("col={},endColumn={}", place.column, place.end_column));
        }
    }
    properties.push(format!("title={}", property(&finding.code)));
    format!("::{level} {}::{}\n", properties.join(","), data(&finding.in_full()))
}

/// Text that stays on its line and ends no command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn table(ranked: &[&Finding]) -> String {
    let mut out = String::from("| | where | what |\n|---|---|---|\n");
    for finding in ranked {
        let mark = match finding.severity {
            Severity::Error => "❌",
            Severity::Warning => "⚠️",
        };
        let place = finding.whereabouts().map_or(String::new(), |place| format!("`{place}`"));
        let what = cell(&finding.in_full());
        let _ = writeln!(out, "| {mark} | {} | {what}<br>`{}` |", cell(&place), finding.code);
    }
    out
}

/// Text that stays in its cell and brings no markup of its own; its backticks stay.
fn cell(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('\n', "<br>")
}

/// Findings as a GitLab Code Quality report.
///
/// Fingerprints follow from the kind of problem, its file and the line's text, not
/// from where the line stands, nor from words that count hosts or name directories: a
/// problem stays the same one when lines above it come and go, in a larger fleet, and
/// on another machine.
#[must_use]
pub fn gitlab(findings: &[Finding]) -> Value {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let issues = findings.iter().map(|finding| {
        let (path, line, text) = match &finding.place {
            Some(place) => (place.path.as_str(), place.line, place.text.as_str()),
            // The format wants a path for everything.
            None => (".", 1, ""),
        };
        let column = finding.place.as_ref().map(|place| place.column.to_string());
        // Where no place tells it from others, its words must.
        let rest = column.unwrap_or_else(|| steady(&finding.message));
        let identity = [&finding.code, path, text, &rest].join("\0");
        let turn = seen.entry(identity.clone()).or_default();
        let fingerprint = Sha256::digest(format!("{identity}\0{turn}"));
        *turn += 1;
        json!({
            "description": finding.in_full().replace('\n', " · "),
            "check_name": finding.code,
            "fingerprint": fingerprint.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "severity": match finding.severity {
                Severity::Error => "major",
                Severity::Warning => "minor",
            },
            "location": { "path": path, "lines": { "begin": line } },
        })
    });
    Value::Array(issues.collect())
}

/// A message without numbers and without the directories of its paths.
fn steady(message: &str) -> String {
    let words = message.split(' ').map(|word| match word.rsplit_once('/') {
        Some((_, file)) => file,
        None => word,
    });
    let words: Vec<&str> = words.collect();
    words.join(" ").chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::finding::Place;

    fn finding(severity: Severity, code: &str, message: &str, line: usize) -> Finding {
        Finding {
            severity,
            code: code.to_owned(),
            message: message.to_owned(),
            help: Some("100% sure:\ndo, this".to_owned()),
            place: Some(Place {
                path: "a,b:c.yml".to_owned(),
                line,
                column: 3,
                end_line: line,
                end_column: 7,
                text: message.to_owned(),
            }),
            hosts: vec!["web-01".to_owned()],
        }
    }

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let shown = github(&[finding(Severity::Error, "plan::x", "it is `a`", 4)]);
        assert_eq!(
            shown.annotations,
            "::error file=a%2Cb%3Ac.yml,line=4,endLine=4,col=3,endColumn=7,title=plan%3A%3Ax\
             ::it is `a`%0A100%25 sure:%0Ado, this%0Aseen on host `web-01`\n"
        );
        assert_eq!(shown.left_out, 0);
    }

    #[test]
    fn the_most_important_come_first_and_none_is_lost() {
        let mut all: Vec<Finding> = (0..12)
            .map(|at| finding(Severity::Warning, "plan::w", &format!("w{at}."), at + 1))
            .collect();
        all.push(finding(Severity::Error, "plan::e", "meaning", 90));
        all.push(finding(Severity::Error, "load::e", "form", 99));
        let shown = github(&all);
        let lines: Vec<&str> = shown.annotations.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(lines[0].contains("form") && lines[1].contains("meaning"), "{lines:?}");
        assert_eq!(shown.left_out, 4);
        assert_eq!(shown.summary.lines().count(), 2 + 14);
        assert!((0..12).all(|at| shown.summary.contains(&format!("w{at}."))));
    }

    #[test]
    fn a_cell_cannot_break_its_table() {
        let mut bad = finding(Severity::Error, "load::x", "a | <b> `c`", 1);
        bad.help = None;
        let summary = github(&[bad]).summary;
        assert_eq!(summary.lines().count(), 3);
        assert!(summary.contains("a \\| &lt;b> `c`<br>seen on host"), "{summary}");
    }

    #[test]
    fn fingerprints_survive_moved_lines_and_tell_twins_apart() {
        let at = |line| finding(Severity::Error, "plan::x", "the same", line);
        let prints = |findings: &[Finding]| -> Vec<String> {
            let report = gitlab(findings);
            let issues = report.as_array().unwrap().iter();
            issues.map(|issue| issue["fingerprint"].as_str().unwrap().to_owned()).collect()
        };
        let before = prints(&[at(3), at(9)]);
        assert_eq!(before, prints(&[at(30), at(90)]));
        assert_ne!(before[0], before[1]);
        let on = |count: usize, directory: &str| {
            let message = format!("runs on none of the {count} hosts of `{directory}/site.yml`");
            let mut placed = finding(Severity::Warning, "lint::x", &message, 3);
            placed.place.as_mut().unwrap().text = "when: false".to_owned();
            let bare = Finding { place: None, ..placed.clone() };
            prints(&[placed, bare])
        };
        assert_eq!(on(3, "/builds/a"), on(40, "/builds/b"));
    }
}
