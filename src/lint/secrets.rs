//! Secrets in plain text where others can read them.

use std::path::Path;

use super::LintWarning;
use crate::diagnostic::{Problem, plain_secrets};
use crate::load::source::{Sources, Span};

pub(super) fn plain(sources: &Sources, mut is_shared: impl FnMut(&Path) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, source) in sources.numbered() {
        let Some(path) = source.path() else { continue };
        let found = plain_secrets(&source.text);
        if found.is_empty() || !is_shared(&path) {
            continue;
        }
        problems.extend(found.into_iter().map(|(key, range)| {
            let span = Span { file, start: range.start, len: range.len() };
            Problem::new(LintWarning::PlainSecret { key }, Some(span))
        }));
    }
    problems
}
