//! Texts that were cut: what is left at the cut may be a part of a secret.

use std::borrow::Cow;

use super::super::MASK;
use super::Redactor;

/// Fewer bytes than this say too little about a secret, and stand by chance at the
/// end of many a text.
const SHORTEST_PART: usize = 3;
/// What stands for the bytes of a character that was cut in two.
const BROKEN: char = '\u{fffd}';

impl Redactor {
    /// As [`Redactor::mask`], for a text whose end was cut off: a beginning of a
    /// secret at the end is masked too.
    #[must_use]
    pub fn mask_before_cut<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let whole = text.trim_end_matches(BROKEN);
        let parts = |form: &str| {
            let ends = form.char_indices().map(|(at, _)| at).filter(|at| *at >= SHORTEST_PART);
            ends.rev().find(|end| whole.ends_with(&form[..*end])).unwrap_or(0)
        };
        match self.longest(parts) {
            0 => self.mask(text),
            len => {
                let mut start = whole.len() - len;
                // A whole secret may reach into the part.
                for found in self.read().find_wrapped(whole).iter().rev() {
                    if found.start < start && start < found.end {
                        start = found.start;
                    }
                }
                Cow::Owned(format!("{}{MASK}", self.mask(&whole[..start])))
            }
        }
    }

    /// As [`Redactor::mask`], for a text whose beginning was cut off: an end of a
    /// secret at the beginning is masked too.
    #[must_use]
    pub fn mask_after_cut<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let whole = text.trim_start_matches(BROKEN);
        let parts = |form: &str| {
            let starts = form.char_indices().map(|(at, _)| at).skip(1);
            let mut parts = starts.filter(|at| form.len() - at >= SHORTEST_PART);
            parts.find(|at| whole.starts_with(&form[*at..])).map_or(0, |at| form.len() - at)
        };
        match self.longest(parts) {
            0 => self.mask(text),
            len => {
                let mut end = len;
                for found in &self.read().find_wrapped(whole) {
                    if found.start < end && end < found.end {
                        end = found.end;
                    }
                }
                Cow::Owned(format!("{MASK}{}", self.mask(&whole[end..])))
            }
        }
    }

    fn longest(&self, part: impl Fn(&str) -> usize) -> usize {
        self.read().forms.iter().map(|form| part(form)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Secret;
    use super::*;

    #[test]
    fn parts_of_secrets_are_masked_at_a_cut_and_nowhere_else() {
        let redactor = Redactor::new([&Secret::new("SuperSecret-é-Password")]);
        for (text, shown) in [
            ("aaaSuperSec", "aaa***"),
            ("aaaSuperSecret-\u{fffd}", "aaa***"),
            ("aaaSuperSecret-é-Password", "aaa***"),
            ("a Super b", "a Super b"),
            ("aaaSu", "aaaSu"),
            ("", ""),
        ] {
            assert_eq!(redactor.mask_before_cut(text), shown);
        }
        for (text, shown) in [
            ("Password b", "*** b"),
            ("\u{fffd}-Password b", "*** b"),
            ("rd b", "rd b"),
            ("a Password", "a Password"),
            ("SuperSecret-é-Password b", "*** b"),
        ] {
            assert_eq!(redactor.mask_after_cut(text), shown);
        }
        // A shorter secret is the beginning of the longer one, or its end.
        let redactor = Redactor::new([
            &Secret::new("hunter2"),
            &Secret::new("hunter2-long"),
            &Secret::new("-long"),
        ]);
        assert_eq!(redactor.mask_before_cut("a hunter2-lo"), "a ***");
        assert_eq!(redactor.mask_after_cut("er2-long b"), "*** b");
        assert!(matches!(Redactor::default().mask_before_cut("abc"), Cow::Borrowed("abc")));
    }
}
