//! Words that a remote shell takes as they are.

/// `word` as one word of a POSIX shell, byte for byte.
pub(super) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `text` between single quotes, for `printf %b` to decode.
///
/// Login shells disagree about quotes: csh expands `!` and ends a string at a
/// newline, fish takes `\'` for a quote. What is left here means itself to all.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 2);
    encoded.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' | '!' => encoded.push_str(&octal(c)),
            c if c.is_ascii_control() => encoded.push_str(&octal(c)),
            c => encoded.push(c),
        }
    }
    encoded.push('\'');
    encoded
}

/// An ASCII character as `printf %b` decodes it.
pub(super) fn octal(c: char) -> String {
    format!("\\0{:03o}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn shell(script: &str) -> Vec<u8> {
        Command::new("/bin/sh").args(["-c", script]).output().unwrap().stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_gives_a_quoted_word_back(word in "[^\0]{0,40}") {
            prop_assert_eq!(shell(&format!("printf %s {}", quote(&word))), word.into_bytes());
        }

        #[test]
        fn a_shell_gives_encoded_text_back(text in "[^\0]{0,40}") {
            prop_assert_eq!(shell(&format!("printf %b {}", encode(&text))), text.into_bytes());
        }

        #[test]
        fn encoded_text_has_nothing_that_login_shells_disagree_about(text in "[^\0]{0,40}") {
            let encoded = encode(&text);
            let inner = &encoded[1..encoded.len() - 1];
            prop_assert!(!inner.contains(['\'', '!', '\n']));
            prop_assert!(!inner.contains("\\\\"));
        }
    }
}
