//! Finds secrets that stand in a text as they are.

use std::ops::Range;

use super::mask::{SECRET_KEYS, next_key, value_length};

/// The values of secret keys that stand in a text as they are: not as templates, not
/// encrypted. Each with its key; of a value over several lines, the first of them.
///
/// Stricter than what is hidden: keys that merely sound secret are passed over, and
/// so are values that are none, such as numbers of seconds.
#[must_use]
pub fn plain_secrets(text: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some((_, key, tail)) = next_key(rest) {
            rest = tail;
            if line.trim_start().starts_with('#') || !holds_a_secret(key) {
                continue;
            }
            let (value, after) = tail.split_at(value_length(tail));
            rest = after;
            let at = start + line.len() - tail.len() + value.len() - value.trim_start().len();
            let value = first_of(value.trim());
            if is_plain(value) {
                found.push((key.to_owned(), at..at + value.len()));
            }
        }
        start += line.len();
    }
    found
}

/// A value without what follows it in a flow mapping, and without a comment.
fn first_of(value: &str) -> &str {
    if value.starts_with(['"', '\'']) {
        return value;
    }
    let ends = [", ", " }", "}", " #"].map(|end| value.find(end).unwrap_or(value.len()));
    value[..ends.into_iter().min().unwrap_or(value.len())].trim_end()
}

/// Whether a key or a variable of this name holds a secret.
#[must_use]
pub fn holds_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let ends = ["password", "passphrase", "_secret", "_token", "api_key"];
    key != "password_key"
        && (SECRET_KEYS.contains(&key.as_str()) || ends.iter().any(|end| key.ends_with(end)))
}

/// Whether a value is none, or just says whether there is one.
#[must_use]
pub fn is_no_secret(value: &str) -> bool {
    ["", "null", "~", "true", "false", "yes", "no"].contains(&value.to_ascii_lowercase().as_str())
}

fn is_plain(value: &str) -> bool {
    let inner = value.trim_matches(['"', '\'']);
    let is_none = is_no_secret(inner);
    // A template, a variable of a shell, a tag such as `!vault`, an alias, a mapping.
    let is_other = inner.contains("{{")
        || inner.starts_with('$')
        || value.starts_with(['!', '*', '{', '[', '#', '&', '<']);
    let is_hidden = inner.chars().all(|c| c == '*');
    !is_none && !is_other && !is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_plain_text_are_told_from_everything_else() {
        let text = "\
password: hunter2
- { sudo_password: 'a b', port: 1 }
- { username: u, password: pw1, port: 1 }
api_key: k # theirs
ansible_password=geheim
# password: commented
password: \"{{ env('PW') }}\"
password: !vault |
passphrase: null
password_key: field
token_ttl: 30
command: psql --password=\"$PW\"
password:
pkey: |
  -----BEGIN
";
        let found = plain_secrets(text);
        let found: Vec<_> =
            found.iter().map(|(key, at)| (key.as_str(), &text[at.clone()])).collect();
        assert_eq!(
            found,
            [
                ("password", "hunter2"),
                ("sudo_password", "'a b'"),
                ("password", "pw1"),
                ("api_key", "k"),
                ("ansible_password", "geheim"),
                ("pkey", "|"),
            ]
        );
    }
}
