//! Splits a line of an INI inventory into words, as Python's `shlex` does.

/// A word, with the places in the line of the characters that it is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The word, without its quotes.
    pub(super) text: String,
    /// Where it begins in the line, quotes included.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// Why a line cannot be split, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsplit {
    pub(super) reason: &'static str,
    pub(super) at: usize,
}

/// The words of a line. A `#` outside of quotes begins a comment, even within a word.
pub(super) fn words(line: &str) -> Result<Vec<Word>, Unsplit> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() && matches!(c, ' ' | '\t' | '\r' | '\n') {
            words.extend(word.take());
            continue;
        }
        if c == '#' {
            break;
        }
        let current = word.get_or_insert_with(|| Word { text: String::new(), start: at, end: at });
        current.end = at + c.len_utf8();
        match c {
            '\'' | '"' => {
                let unclosed = Unsplit { reason: "a quote is not closed", at };
                loop {
                    let Some((at, inner)) = chars.next() else { return Err(unclosed) };
                    current.end = at + inner.len_utf8();
                    match inner {
                        _ if inner == c => break,
                        '\\' if c == '"' => {
                            let Some((at, escaped)) = chars.next() else { return Err(unclosed) };
                            current.end = at + escaped.len_utf8();
                            if escaped != '\\' && escaped != '"' {
                                current.text.push('\\');
                            }
                            current.text.push(escaped);
                        }
                        _ => current.text.push(inner),
                    }
                }
            }
            '\\' => match chars.next() {
                Some((at, escaped)) => {
                    current.text.push(escaped);
                    current.end = at + escaped.len_utf8();
                }
                None => return Err(Unsplit { reason: "nothing follows the last `\\`", at }),
            },
            _ => current.text.push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        let cases: [(&str, &[&str]); 9] = [
            ("a b=1", &["a", "b=1"]),
            ("a  b='x y'  # c", &["a", "b=x y"]),
            ("a b=x#y", &["a", "b=x"]),
            ("a b='x#y'", &["a", "b=x#y"]),
            (r#"a b="x \" \n" c=\ d"#, &["a", "b=x \" \\n", "c= d"]),
            (r#"a b='"q"' c=''"#, &["a", "b=\"q\"", "c="]),
            (r#"a b="['x', 1]""#, &["a", "b=['x', 1]"]),
            ("''", &[""]),
            ("# all", &[]),
        ];
        for (line, expected) in cases {
            let found: Vec<String> = words(line).unwrap().into_iter().map(|w| w.text).collect();
            assert_eq!(found, expected, "{line}");
        }
        assert_eq!(words("a 'b").unwrap_err().at, 2);
        assert_eq!(words("a b\\").unwrap_err().at, 3);
        let word = &words("a b='x y' c").unwrap()[1];
        assert_eq!((word.start, word.end), (2, 9));
    }
}
