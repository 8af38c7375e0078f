//! Finds known secrets in text, in every form, and masks them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use aho_corasick::AhoCorasick;

use super::forms::encoded_forms;
use super::{MASK, SHORTEST_MASKED_ANYWHERE, Secret};

mod cut;
mod json;
mod wrapped;

/// Masks the secrets of a run in any text, in their plain, shell-quoted, JSON, base64,
/// hexadecimal and URL-encoded forms.
///
/// The rule for short ones: a secret of fewer than
/// [`SHORTEST_MASKED_ANYWHERE`] bytes is masked only where it is a whole line.
#[derive(Default)]
pub struct Redactor {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// The secrets themselves.
    secrets: HashSet<Secret>,
    /// Every form of them that is masked wherever it stands.
    forms: HashSet<String>,
    whole_lines: HashSet<String>,
    /// Automatons over the forms, each at least twice as large as the next: a
    /// form that is learned later is merged into a larger one a few times, not
    /// whenever one more becomes known.
    indexes: Vec<Index>,
    /// Forms that are in no automaton yet.
    fresh: Vec<String>,
}

struct Index {
    forms: Vec<String>,
    search: AhoCorasick,
}

impl Redactor {
    /// A redactor that knows `secrets`.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let redactor = Self::default();
        redactor.learn(secrets);
        redactor
    }

    /// Adds secrets that became known later; those it knows already cost nothing.
    /// Whether any of them was new.
    pub fn learn<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) -> bool {
        let mut any = false;
        for secret in secrets {
            if self.read().secrets.contains(secret) {
                continue;
            }
            let mut known = self.write();
            any |= known.secrets.insert(secret.clone());
            let text = secret.reveal();
            // A multi-line secret (a key) is also recognised by its lines: a
            // remote `head -3` of it is as much a leak as the whole.
            for line in std::iter::once(text).chain(text.lines()) {
                known.add(line);
            }
        }
        any
    }

    /// Whether it knows no secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().secrets.is_empty()
    }

    /// Whether `text` as a whole is a secret in one of its forms.
    #[must_use]
    pub fn knows(&self, text: &str) -> bool {
        self.read().forms.contains(text)
    }

    /// `text` with every known secret replaced by [`MASK`].
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let masked = self.swap(text, |_| MASK.to_owned());
        let known = self.read();
        if known.whole_lines.is_empty() || !masked.lines().any(|line| known.is_whole_line(line)) {
            return masked;
        }
        let lines = masked.split_inclusive('\n').map(|line| {
            let body = line.trim_end_matches(['\r', '\n']);
            match known.is_whole_line(body) {
                true => format!("{MASK}{}", &line[body.len()..]),
                false => line.to_owned(),
            }
        });
        Cow::Owned(lines.collect())
    }

    /// `text` with every known secret in it replaced by what `other` gives for it.
    /// Secrets that overlap are replaced as one.
    pub(crate) fn swap<'t>(&self, text: &'t str, other: impl Fn(&str) -> String) -> Cow<'t, str> {
        if !self.read().fresh.is_empty() {
            self.write().index();
        }
        let found = self.read().find_wrapped(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for range in found {
            out.push_str(&text[end..range.start]);
            out.push_str(&other(&text[range.clone()]));
            end = range.end;
        }
        out.push_str(&text[end..]);
        Cow::Owned(out)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(|poison| poison.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl Known {
    fn add(&mut self, text: &str) {
        if text.is_empty() || text.starts_with("-----") {
            return; // A PEM armour line is public knowledge and no secret.
        }
        if text.len() < SHORTEST_MASKED_ANYWHERE {
            self.whole_lines.insert(text.to_owned());
            return;
        }
        for form in encoded_forms(text) {
            if form.len() >= SHORTEST_MASKED_ANYWHERE && self.forms.insert(form.clone()) {
                self.fresh.push(form);
            }
        }
    }

    /// Makes the fresh forms findable, together with those of smaller automatons.
    fn index(&mut self) {
        let mut forms = std::mem::take(&mut self.fresh);
        while let Some(last) = self.indexes.pop_if(|last| last.forms.len() < 2 * forms.len()) {
            forms.extend(last.forms);
        }
        // It fails for gigabytes of forms only, and then they stay fresh: what was
        // masked before is masked still.
        match AhoCorasick::new(&forms) {
            Ok(search) => self.indexes.push(Index { forms, search }),
            Err(_) => self.fresh = forms,
        }
    }

    /// Where forms stand, in order, those that overlap as one.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        // Most texts hold no secret, and that is told faster than where one is.
        for index in self.indexes.iter().filter(|index| index.search.is_match(text)) {
            found.extend(index.search.find_overlapping_iter(text).map(|hit| hit.range()));
        }
        for form in &self.fresh {
            found.extend(text.match_indices(form).map(|(at, _)| at..at + form.len()));
        }
        joined(found)
    }

    /// As [`Known::find`], and in base64 that is cut into lines too.
    fn find_wrapped(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = self.find(text);
        if let Some(whole) = wrapped::Unwrapped::of(text) {
            found.extend(self.find(&whole.text).into_iter().map(|range| whole.place(range)));
        }
        joined(found)
    }

    fn is_whole_line(&self, line: &str) -> bool {
        self.whole_lines.contains(line.trim())
    }
}

/// Ranges in order, those that overlap as one.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|next, kept| {
        let overlap = next.start < kept.end;
        if overlap {
            kept.end = kept.end.max(next.end);
        }
        overlap
    });
    ranges
}

/// Tells how many secrets it knows, and nothing else.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("secrets", &self.read().secrets.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_overlap_are_masked_as_one() {
        let redactor = Redactor::new([&Secret::new("hunter2-long")]);
        assert_eq!(redactor.mask("a hunter2-long b"), "a *** b");
        // Learned later, it is in another automaton than the first.
        redactor.learn([&Secret::new("hunter2"), &Secret::new("long-tail")]);
        assert_eq!(redactor.mask("a hunter2-long-tail b hunter2"), "a *** b ***");
        assert_eq!(redactor.mask("hunter2hunter2"), "******");
    }

    #[test]
    fn learning_one_by_one_indexes_each_a_few_times_only() {
        let redactor = Redactor::default();
        let secret = |at: usize| format!("s3cret-{at:05}-of-a-host");
        for at in 0..3000 {
            assert!(redactor.learn([&Secret::new(secret(at))]));
            assert_eq!(redactor.mask(&secret(at)), "***");
        }
        assert!(!redactor.learn([&Secret::new(secret(7))]));
        assert!(redactor.read().indexes.len() < 16);
        for at in 0..3000 {
            assert_eq!(redactor.mask(&format!("<{}>", secret(at))), "<***>");
        }
    }
}
