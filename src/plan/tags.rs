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
    /// Whether a task with these tags is to run. As in Ansible, `always` runs
    /// whatever is asked for, and `never` only when one of its other tags (or
    /// `never` itself) is.
    pub(super) fn selects<'t>(&self, tags: impl Iterator<Item = &'t str> + Clone) -> bool {
        let has = |set: &BTreeSet<String>| tags.clone().any(|tag| set.contains(tag));
        if has(&self.skip) {
            return false;
        }
        let is = |name: &str| tags.clone().any(|tag| tag == name);
        if is("never") {
            return has(&self.only);
        }
        self.only.is_empty()
            || has(&self.only)
            || is("always")
            || self.only.contains("all")
            || (self.only.contains("tagged") && tags.clone().next().is_some())
            || (self.only.contains("untagged") && tags.clone().next().is_none())
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
        ];
        for (only, skip, tags, expected) in cases {
            let selected = filter(only, skip).selects(tags.iter().copied());
            assert_eq!(selected, *expected, "--tags {only:?} --skip-tags {skip:?} on {tags:?}");
        }
    }
}
