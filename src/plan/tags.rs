//! `--tags` and `--skip-tags`.

use std::collections::BTreeSet;

/// Which tasks the user asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFilter {
    /// Tags of which a task needs one; empty asks for every task.
    pub only: BTreeSet<String>,
    /// Tags that exclude a task.
    pub skip: BTreeSet<String>,
}

impl TagFilter {
    /// What leaves out a task with these tags, in words; `None` if it is to run, as
    /// Ansible decides it. `always` runs
    /// whatever is asked for, and `never` only when one of its other tags (or
    /// `never` itself) is. Of the names with a meaning, `all`, `tagged` and
    /// `untagged` may stand on either side, and `skip` has the last word.
    pub(super) fn leaves_out<'t>(
        &self,
        tags: impl Iterator<Item = &'t str> + Clone,
    ) -> Option<&'static str> {
        const UNTAGGED: &str = "untagged";
        let is_tagged = tags.clone().next().is_some();
        let is = |name: &str| tags.clone().any(|tag| tag == name);
        let has = |set: &BTreeSet<String>| {
            tags.clone().any(|tag| set.contains(tag)) || !is_tagged && set.contains(UNTAGGED)
        };
        let asks_for_all = self.only.is_empty() || self.only.contains("all");
        let is_wanted = is("always")
            || has(&self.only)
            || !is("never") && (asks_for_all || self.only.contains("tagged") && is_tagged);
        let is_skipped = match self.skip.contains("all") {
            true => !is("always") || self.skip.contains("always"),
            false => has(&self.skip) || self.skip.contains("tagged") && is_tagged,
        };
        match (is_wanted, is_skipped) {
            (true, false) => None,
            (true, true) => Some("`--skip-tags`"),
            (false, _) if self.only.is_empty() => Some("its tag `never`"),
            (false, _) => Some("`--tags`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(only: &[&str], skip: &[&str]) -> TagFilter {
        let set = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        TagFilter { only: set(only), skip: set(skip) }
    }

    #[test]
    fn tags_select_as_in_ansible() {
        type Case<'c> = (&'c [&'c str], &'c [&'c str], &'c [&'c str], bool);
        let cases: &[Case<'_>] = &[
            (&[], &[], &[], true),
            (&[], &[], &["a"], true),
            (&["a"], &[], &["a", "b"], true),
            (&["a"], &[], &["b"], false),
            (&["a"], &[], &[], false),
            (&["a"], &[], &["always"], true),
            (&[], &[], &["never"], false),
            (&["a"], &[], &["never", "a"], true),
            (&["never"], &[], &["never"], true),
            (&[], &["a"], &["a"], false),
            (&["a"], &["a"], &["a"], false),
            (&[], &["always"], &["always"], false),
            (&["all"], &[], &["x"], true),
            (&["all"], &[], &["never"], false),
            (&["tagged"], &[], &["x"], true),
            (&["tagged"], &[], &[], false),
            (&["untagged"], &[], &[], true),
            (&["untagged"], &[], &["x"], false),
            (&["untagged"], &[], &["always"], true),
            (&["tagged"], &[], &["never", "x"], false),
            (&["all"], &[], &[], true),
            (&[], &[], &["never", "always"], true),
            (&["a"], &[], &["never", "always"], true),
            (&[], &["all"], &["x"], false),
            (&[], &["all"], &[], false),
            (&[], &["all"], &["always"], true),
            (&[], &["all", "always"], &["always"], false),
            (&[], &["tagged"], &["x"], false),
            (&[], &["tagged"], &["always"], false),
            (&[], &["tagged"], &[], true),
            (&[], &["untagged"], &[], false),
            (&[], &["untagged"], &["x"], true),
            (&["a"], &["never"], &["never", "a"], false),
        ];
        for (only, skip, tags, expected) in cases {
            let left_out = filter(only, skip).leaves_out(tags.iter().copied());
            assert_eq!(
                left_out.is_none(),
                *expected,
                "--tags {only:?} --skip-tags {skip:?} on {tags:?}"
            );
        }
    }
}
