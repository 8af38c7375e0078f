//! The change of an uploaded text, for people.

use similar::TextDiff;

use crate::secret::Redactor;
use crate::transport::Content;

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;

/// The unified diff of a file on a host, or in parentheses why it is not shown;
/// nothing where nothing differs.
///
/// Both sides are masked before they are compared: what stands between the two
/// lines of a secret in a diff would keep it from being recognised there.
pub(super) fn unified(
    path: &str,
    before: Content,
    after: Content,
    redactor: &Redactor,
) -> Option<String> {
    if before == after {
        return None;
    }
    let was_there = before != Content::Missing;
    let (before, after) = match (text(before), text(after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(why), _) | (_, Err(why)) => return Some(format!("({why})")),
    };
    let (before, after) = (redactor.mask(&before), redactor.mask(&after));
    if before == after && was_there {
        return Some("(the change is within what is masked)".to_owned());
    }
    let from = if was_there { format!("{path} (on the host)") } else { "/dev/null".to_owned() };
    let diff = TextDiff::from_lines(&*before, &*after);
    let mut unified = diff.unified_diff();
    Some(unified.context_radius(CONTEXT).header(&from, path).to_string())
}

fn text(content: Content) -> Result<String, String> {
    match content {
        Content::Missing => Ok(String::new()),
        Content::TooLarge(size) => {
            Err(format!("not shown: {size} bytes, and files above {} are not", Content::LIMIT))
        }
        Content::Bytes(bytes) if bytes.contains(&0) => Err("not shown: binary".to_owned()),
        Content::Bytes(bytes) => {
            String::from_utf8(bytes).map_err(|_| "not shown: binary".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn shown(before: &str, after: &str) -> Option<String> {
        let bytes = |text: &str| Content::Bytes(text.as_bytes().to_vec());
        let secrets = [Secret::new("hunter22"), Secret::new("old-line\nold-tail")];
        unified("/etc/x", bytes(before), bytes(after), &Redactor::new(&secrets))
    }

    #[test]
    fn a_change_is_shown_with_its_context() {
        assert_eq!(
            shown("a\nb\nc\n", "a\nB\nc\n").unwrap(),
            "--- /etc/x (on the host)\n+++ /etc/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
        assert_eq!(shown("a\n", "a\n"), None);
        let new =
            unified("/x", Content::Missing, Content::Bytes(b"a".to_vec()), &Redactor::default());
        let expected = "--- /dev/null\n+++ /x\n@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n";
        assert_eq!(new.unwrap(), expected);
    }

    #[test]
    fn secrets_are_masked_on_both_sides_even_across_lines() {
        let diff = shown("x\nold-line\nold-tail\n", "x\npassword=hunter22\n").unwrap();
        assert!(!diff.contains("hunter22") && !diff.contains("old-tail"), "{diff}");
        assert!(diff.contains("+password=***"), "{diff}");
        assert_eq!(
            shown("p=hunter22\n", "p=***\n").unwrap(),
            "(the change is within what is masked)"
        );
    }

    #[test]
    fn what_is_no_text_or_too_large_is_named() {
        let redactor = Redactor::default();
        let of = |before| unified("/x", before, Content::Bytes(b"a".to_vec()), &redactor).unwrap();
        assert_eq!(of(Content::Bytes(b"a\0".to_vec())), "(not shown: binary)");
        assert_eq!(of(Content::Bytes(b"\xff".to_vec())), "(not shown: binary)");
        assert!(of(Content::TooLarge(300_000)).contains("300000 bytes"));
    }
}
