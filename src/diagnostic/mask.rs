//! Hides secrets in the source excerpts of diagnostics.
//!
//! An excerpt shows the line that is wrong and its neighbours, and a password
//! often stands right there. What is hidden is replaced byte for byte, so that
//! every offset still points to the same place.

use std::collections::HashSet;

use crate::load::decode::nearest;
use crate::load::request::{ConnectionArgs, DriverArgs};
use crate::secret::Redactor;

/// The keys whose values are secret, ours and Ansible's.
pub(super) const SECRET_KEYS: [&str; 12] = [
    "password",
    "passphrase",
    "pkey",
    "sudo_password",
    "proxy_password",
    "proxy_passphrase",
    "proxy_pkey",
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_pass",
    "ansible_become_password",
];

/// Variables of Ansible's that resemble those, and hold no secret.
const OF_ANSIBLE: [&str; 8] = [
    "ansible_become",
    "ansible_become_exe",
    "ansible_become_flags",
    "ansible_become_method",
    "ansible_become_user",
    "ansible_ssh_args",
    "ansible_ssh_port",
    "ansible_ssh_user",
];

/// The text with the values of secret keys blotted out, and all that is known to be
/// secret.
pub(super) fn shown(text: &str, redactor: &Redactor) -> String {
    redactor.swap(&mask_source(text), blot).into_owned()
}

/// The text with the values of secret keys blotted out, and those of variables that
/// they are made of. Of a template the code stays, which names a secret and is none,
/// but no text in it or around it.
fn mask_source(text: &str) -> String {
    let mut sources = HashSet::new();
    let masked = mask_values(text, |key, value| {
        let secret = is_secret(key);
        if secret {
            sources.extend(names_in(value).map(str::to_owned));
        }
        secret
    });
    match sources.is_empty() {
        true => masked,
        false => mask_values(text, |key, _| is_secret(key) || sources.contains(key)),
    }
}

/// The text with the values blotted out that `is_secret` says are secret.
fn mask_values(text: &str, mut is_secret: impl FnMut(&str, &str) -> bool) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let is_blank = line.trim().is_empty();
        match block {
            // The lines of a block scalar, or a value that goes on.
            Some(outer) if is_blank || indent > outer => {
                masked.push_str(&blot(line));
                continue;
            }
            _ => block = None,
        }
        let (line, opens) = mask_line(line, &mut is_secret);
        masked.push_str(&line);
        if opens {
            // `- password: |` is indented by its dash as well.
            block = Some(indent);
        }
    }
    masked
}

/// One line masked, and whether a secret value may go on below it.
fn mask_line(line: &str, is_secret: &mut impl FnMut(&str, &str) -> bool) -> (String, bool) {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let mut opens = false;
    while let Some((head, key, tail)) = next_key(rest) {
        out.push_str(head);
        let (secret, after) = tail.split_at(value_length(tail));
        if !is_secret(key, secret) {
            rest = tail;
            continue;
        }
        opens = after.trim().is_empty();
        out.push_str(&blot_template(secret));
        rest = after;
    }
    out.push_str(rest);
    (out, opens)
}

/// The next `key:` of a line: what stands up to and including its colon, the
/// key, and the rest.
pub(super) fn next_key(text: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in text.match_indices([':', '=']) {
        let before = text[..at].trim_end().trim_end_matches(['"', '\'']);
        let start = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .map_or(0, |last| last + before[last..].chars().next().map_or(1, char::len_utf8));
        let key = &before[start..];
        if !key.is_empty() {
            return Some((&text[..=at], key, &text[at + 1..]));
        }
    }
    None
}

/// A mistyped `pasword` is as secret as the right one.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    if key == "password_key" {
        return false; // It names a field of a secret.
    }
    key.contains("password")
        || key.contains("passphrase")
        || key.contains("secret")
        || key.contains("token")
        || !is_known(&key) && nearest(&key, SECRET_KEYS).is_some()
}

/// Whether the key is one of ours, and so none that is mistyped.
fn is_known(key: &str) -> bool {
    let known = [ConnectionArgs::KEYS, DriverArgs::KEYS, &OF_ANSIBLE];
    known.concat().contains(&key) && !SECRET_KEYS.contains(&key)
}

/// How many bytes of the text are the value: a quoted text with its quotes, or
/// what stands up to a comment, a comma of a flow mapping, or the line's end.
pub(super) fn value_length(text: &str) -> usize {
    let lead = text.len() - text.trim_start_matches([' ', '\t']).len();
    let value = &text[lead..];
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let mut escaped = false;
        for (at, c) in value.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                _ if c == quote => return lead + at + 1,
                _ => {}
            }
        }
        return text.len();
    }
    // A plain text may hold commas and hashes; hiding too much costs nothing,
    // hiding too little does.
    text.trim_end_matches(['\r', '\n']).len()
}

/// A value with all of it blotted out but the code of its templates.
fn blot_template(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    // A tag such as `!vault` says what kind of value is hidden.
    let (tag, mut rest) = value.split_at(tag_length(value));
    out.push_str(tag);
    while let Some((before, from_code)) = value_before(rest, "{{") {
        let code =
            value_before(from_code, "}}").map_or(from_code.len(), |(code, _)| code.len() + 2);
        let (code, after) = from_code.split_at(code);
        // The quotes of a value that is nothing but a template hide nothing.
        let is_quote = matches!(before.trim(), "\"" | "'");
        out.push_str(&if is_quote { before.to_owned() } else { blot(before) });
        out.push_str(&blot_literals(code));
        rest = after;
        if matches!(rest.trim_end(), "\"" | "'") {
            out.push_str(rest);
            return out;
        }
    }
    out + &blot(rest)
}

/// The names of variables in the templates of a value, and of parts of them: what is
/// no function, and is looked no further into.
fn names_in(value: &str) -> impl Iterator<Item = &str> {
    let codes = value.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap_or_default());
    codes.flat_map(|code| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = code.split(move |c: char| !is_part(c)).filter(|word| !word.is_empty());
        words.filter(move |word| {
            let end = word.as_ptr() as usize - code.as_ptr() as usize + word.len();
            !code[end..].trim_start().starts_with(['(', '.', '['])
        })
    })
}

fn tag_length(value: &str) -> usize {
    let lead = value.len() - value.trim_start().len();
    match value[lead..].starts_with('!') {
        true => lead + value[lead..].find(char::is_whitespace).unwrap_or(value.len() - lead),
        false => 0,
    }
}

/// What stands before `mark`, and the rest from there on.
fn value_before<'t>(text: &'t str, mark: &str) -> Option<(&'t str, &'t str)> {
    text.find(mark).map(|at| text.split_at(at))
}

/// The code of a template with its texts blotted out, but for those that say where
/// a secret is: `env('NAME')`, `vault('path')`, `item['key']`.
fn blot_literals(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let length = rest[start + 1..].find(quote).map_or(rest.len() - start, |end| end + 2);
        let names = ["env(", "vault(", "file(", "["];
        let is_name = names.iter().any(|name| rest[..start].trim_end().ends_with(name));
        out.push_str(&rest[..start]);
        let (literal, after) = rest[start..].split_at(length);
        out.push_str(&if is_name { literal.to_owned() } else { blot(literal) });
        rest = after;
    }
    out + rest
}

/// The text with every visible character replaced, as many bytes long.
fn blot(text: &str) -> String {
    let blotted = text.chars().map(|c| match c {
        c if c.is_whitespace() => c.to_string(),
        c => "*".repeat(c.len_utf8()),
    });
    blotted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let masked = mask_source(text);
        assert_eq!(masked, expected);
        assert_eq!(masked.len(), text.len());
    }

    #[test]
    fn values_of_secret_keys_are_hidden() {
        check("  password: hunter2\n  port: 22\n", "  password: *******\n  port: 22\n");
        check("pasword: 'a b'\n", "pasword: ** **\n");
        check("{\"password\": \"x\\\"y\", \"port\": 22}", "{\"password\": ******, \"port\": 22}");
        check("- { username: a, password: b, port: 1 }", "- { username: a, password: ** ***** * *");
        check("ansible_become_pass=geheim", "ansible_become_pass=******");
        check("sudo-password: é", "sudo-password: **");
        check("password: !vault |\n  a\n", "password: !vault *\n  *\n");
    }

    #[test]
    fn a_block_is_hidden_to_its_end() {
        check(
            "a:\n  pkey: |\n    -----BEGIN\n    AAAA\n\n    BBBB\n  port: 22\n",
            "a:\n  pkey: *\n    **********\n    ****\n\n    ****\n  port: 22\n",
        );
        check("password:\n  hunter2\nport: 1\n", "password:\n  *******\nport: 1\n");
    }

    #[test]
    fn of_a_template_only_the_code_stays() {
        check("password: \"{{ a }}b{{ c }}\"", "password: \"{{ a }}*{{ c }}\"");
        check("password: ab{{ c }}d", "password: **{{ c }}*");
        check("password: \"{{ a | default('b') }}\"", "password: \"{{ a | default(***) }}\"");
        check("password: '{{ env(\"A\", \"b\") }}'", "password: '{{ env(\"A\", ***) }}'");
        check("password: \"{{ a['b'] }}\"", "password: \"{{ a['b'] }}\"");
        check("password: {{ a", "password: {{ a");
    }

    #[test]
    fn variables_that_secrets_are_made_of_are_hidden() {
        check(
            "vars: { other: 1 }\npw: hunter2\nhosts: all\npassword: \"{{ pw }}\"\n",
            "vars: { other: 1 }\npw: *******\nhosts: all\npassword: \"{{ pw }}\"\n",
        );
        check(
            "site: { login: abc }\nname: x\npassword: \"{{ upper(site.login) }}\"",
            "site: { login: *** *\nname: x\npassword: \"{{ upper(site.login) }}\"",
        );
    }

    #[test]
    fn templates_and_other_keys_stay() {
        let text = "password: \"{{ env('PW') }}\"\nname: password\ncommand: echo a:b\n";
        check(text, text);
        let text = "web ansible_become=perhaps ansible_ssh_port=x size=3\n";
        check(text, text);
    }
}
