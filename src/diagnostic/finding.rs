//! Problems as programs want them: with a path, lines and columns instead of spans.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use super::{Problems, mask};
use crate::load::source::{FileId, SourceText, Sources};

/// A problem, located for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// What kind of problem, as `stage::name`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is; `None` where no file is at fault.
    pub place: Option<Place>,
    /// The hosts that it shows on; none where it does not depend on the host.
    pub hosts: Vec<String>,
}

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It keeps a run from starting.
    Error,
    /// It is suspicious.
    Warning,
}

/// A stretch of a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, relative to the root that was asked for where it lies below it.
    pub path: String,
    /// Where it begins.
    pub line: usize,
    /// Where it begins.
    pub column: usize,
    /// The line where it ends.
    pub end_line: usize,
    /// The column after its last character.
    pub end_column: usize,
    /// The line where it begins, without what may be a secret. Tells one problem
    /// from another when lines move.
    #[serde(skip)]
    pub text: String,
}

/// Locates `problems`; paths become relative to `root`.
#[must_use]
pub fn findings(problems: &Problems, sources: &Sources, root: &Path) -> Vec<Finding> {
    let mut known: HashMap<FileId, Option<Lines>> = HashMap::new();
    let shown = |text: String| sources.redactor().mask(&text).into_owned();
    let located = problems.iter().map(|problem| {
        let place = problem.span.and_then(|span| {
            let lines = known.entry(span.file);
            let lines = lines.or_insert_with(|| Lines::of(sources, span.file, root));
            Some(lines.as_ref()?.place(span.start, span.start + span.len))
        });
        Finding {
            severity: if problem.is_warning() { Severity::Warning } else { Severity::Error },
            code: problem.error.code().map(|code| code.to_string()).unwrap_or_default(),
            message: shown(problem.error.to_string()),
            help: problem.error.help().map(|help| shown(help.to_string())),
            place,
            hosts: problem.hosts.iter().map(|host| host.to_string()).collect(),
        }
    });
    located.collect()
}

/// A text, cut into lines once for all the problems in it.
struct Lines {
    path: String,
    text: String,
    /// Where each line begins.
    starts: Vec<usize>,
    /// The lines without what may be a secret.
    masked: Vec<String>,
}

impl Lines {
    /// `None` for what is no file, such as the command line.
    fn of(sources: &Sources, file: FileId, root: &Path) -> Option<Self> {
        let source = sources.get(file);
        let path = path_below(&source, root)?;
        let breaks = source.text.match_indices('\n').map(|(at, _)| at + 1);
        let masked = mask::shown(&source.text, sources.redactor());
        Some(Self {
            path,
            starts: std::iter::once(0).chain(breaks).collect(),
            masked: masked.lines().map(|line| line.trim().to_owned()).collect(),
            text: source.text.clone(),
        })
    }

    fn place(&self, start: usize, end: usize) -> Place {
        let (line, column) = self.line_and_column(start);
        let (end_line, end_column) = self.line_and_column(end);
        let text = self.masked.get(line - 1).cloned().unwrap_or_default();
        Place { path: self.path.clone(), line, column, end_line, end_column, text }
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= end);
        (line, self.text[self.starts[line - 1]..end].chars().count() + 1)
    }
}

impl Finding {
    /// Message, advice and hosts, a line each.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut lines = vec![self.message.clone()];
        lines.extend(self.help.clone());
        lines.extend(super::seen_on(&self.hosts));
        lines.join("\n")
    }

    /// Where it is, as `path:line:column`, for people.
    #[must_use]
    pub fn whereabouts(&self) -> Option<String> {
        let place = self.place.as_ref()?;
        Some(format!("{}:{}:{}", place.path, place.line, place.column))
    }
}

/// The path of a text as seen from `root`; `None` for what is no file, such as the
/// command line.
fn path_below(source: &SourceText, root: &Path) -> Option<String> {
    let path = tidy(&source.path()?);
    let below = path.strip_prefix(tidy(root)).unwrap_or(Path::new(&source.name));
    Some(below.display().to_string())
}

/// A path without `.` and `..`, as far as that can be told without looking.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}
