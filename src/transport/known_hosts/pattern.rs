//! The patterns of known_hosts: `*`, `?` and a leading `!`.

/// Whether a line with these patterns is about `name`.
///
/// One pattern must match, and no negated one may. Everything is in lower case
/// already.
pub(super) fn matches(patterns: &[String], name: &str) -> bool {
    let mut matched = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if glob(negated.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => matched |= glob(pattern.as_bytes(), name.as_bytes()),
        }
    }
    matched
}

/// Whether a pattern stands for other names than itself.
pub(super) fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?']) || pattern.starts_with('!')
}

/// Matches without recursion: on a mismatch, the last `*` takes one byte more.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at_pattern, mut at_name) = (0, 0);
    let mut star = None;
    while at_name < name.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                star = Some((at_pattern + 1, at_name));
                at_pattern += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[at_name] => {
                at_pattern += 1;
                at_name += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (at_pattern, at_name) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow_glob(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                slow_glob(rest, name) || (!name.is_empty() && slow_glob(pattern, &name[1..]))
            }
            (Some((p, pattern)), Some((n, name))) if *p == b'?' || p == n => {
                slow_glob(pattern, name)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn glob_agrees_with_its_definition(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(
                glob(pattern.as_bytes(), name.as_bytes()),
                slow_glob(pattern.as_bytes(), name.as_bytes())
            );
        }
    }

    #[test]
    fn a_negated_pattern_takes_names_away() {
        let patterns = ["*.example.com".to_owned(), "!db.example.com".to_owned()];
        assert!(matches(&patterns, "web.example.com"));
        assert!(!matches(&patterns, "db.example.com"));
        assert!(!matches(&patterns[1..], "web.example.com"), "a negation alone matches nothing");
    }
}
