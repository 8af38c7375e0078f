//! Files of host patterns, and reports that stand for the hosts that failed.

use std::path::Path;

use serde_json::Value;

use super::file::unreadable;

/// What a file selects.
#[derive(Debug, PartialEq, Eq)]
pub struct Patterns {
    /// Its patterns.
    pub lines: Vec<Line>,
    /// Whether they are hosts of a report.
    pub is_report: bool,
}

/// One pattern.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The pattern.
    pub text: String,
    /// Its line in the file; a host of a report has none.
    pub number: Option<usize>,
}

/// Reads a file with one pattern per line, where `#` begins a comment, or a report,
/// of which the hosts count that failed or were unreachable.
///
/// # Errors
/// Why it cannot be read.
pub fn read(path: &Path) -> Result<Patterns, String> {
    let text = crate::local_file::read_to_string(path).map_err(|error| {
        match unreadable(path, &error) {
            super::LoadError::Unreadable { reason, .. } => reason,
            other => other.to_string(),
        }
    })?;
    if text.trim_start().starts_with('{') {
        let report: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let hosts = failed(&report).ok_or("it is JSON, but no report of sshoal")?;
        let line = |host: String| Line { text: host, number: None };
        return Ok(Patterns { lines: hosts.into_iter().map(line).collect(), is_report: true });
    }
    let lines = text.lines().zip(1..).filter_map(|(line, number)| {
        let comment = line.find('#').filter(|at| line[..*at].trim_end().len() < *at || *at == 0);
        let text = line[..comment.unwrap_or(line.len())].trim().to_owned();
        (!text.is_empty()).then_some(Line { text, number: Some(number) })
    });
    Ok(Patterns { lines: lines.collect(), is_report: false })
}

/// The hosts of a report that failed or were unreachable in any play, each once.
fn failed(report: &Value) -> Option<Vec<String>> {
    report.get("schema_version")?;
    let mut failed: Vec<String> = Vec::new();
    for play in report.get("plays")?.as_array()? {
        for host in play.get("hosts")?.as_array()? {
            let name = host.get("host")?.as_str()?;
            let outcome = host.get("outcome")?.as_str()?;
            if matches!(outcome, "failed" | "unreachable") && !failed.iter().any(|f| f == name) {
                failed.push(name.to_owned());
            }
        }
    }
    Some(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_reports_name_hosts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path)
                .map(|found| found.lines.into_iter().map(|line| (line.text, line.number)).collect())
        };
        let lines: Vec<_> = vec![("a".to_owned(), Some(2)), ("!b".to_owned(), Some(4))];
        assert_eq!(read("# hosts\na\n\n !b  # not this\n"), Ok(lines));
        let report = r#"{"schema_version": 1, "plays": [
            {"hosts": [{"host": "a", "outcome": "ok"}, {"host": "b", "outcome": "failed"}]},
            {"hosts": [{"host": "b", "outcome": "failed"}, {"host": "c", "outcome": "unreachable"}]}
        ]}"#;
        assert_eq!(read(report), Ok(vec![("b".to_owned(), None), ("c".to_owned(), None)]));
        for bad in ["{", "{}", "{\"schema_version\": 1, \"plays\": 5}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
