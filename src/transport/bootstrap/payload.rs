//! What travels over standard input: values of variables, and scripts, in lines that
//! a shell can read and a terminal lets pass.

use zeroize::Zeroizing;

use super::super::quote::octal;

/// A PTY cuts input lines at 4095 bytes, and shells read them byte by byte.
const LONGEST_LINE: usize = 900;

/// The variables and the script as lines: `N` begins a variable by its name, `A`
/// appends text, `L` a newline and text, `E` escaped text; `X` exports it, and a
/// dot ends the list. The script follows, and a dot ends it.
pub(super) fn payload(
    environment: &[(String, String)],
    script: Option<&str>,
    pty: bool,
) -> Zeroizing<Vec<u8>> {
    let mut lines = Zeroizing::new(Vec::new());
    for (name, value) in environment {
        push(&mut lines, 'N', name);
        for (number, text) in value.split('\n').enumerate() {
            append(&mut lines, text, number > 0, pty);
        }
        push(&mut lines, 'X', "");
    }
    if !environment.is_empty() {
        push(&mut lines, '.', "");
    }
    if let Some(script) = script {
        for (number, text) in script.split('\n').enumerate() {
            append(&mut lines, text, number > 0, pty);
        }
        push(&mut lines, '.', "");
    }
    lines
}

fn append(lines: &mut Vec<u8>, mut text: &str, mut newline: bool, pty: bool) {
    while newline || !text.is_empty() {
        // A terminal acts on control characters instead of passing them on.
        let escape = pty && !newline && text.starts_with(|c: char| c.is_ascii_control());
        let mut end = 0;
        for (at, c) in text.char_indices() {
            let plain = !pty || !c.is_ascii_control();
            let width = if escape { 5 } else { 1 };
            if (!escape && !plain) || (at + c.len_utf8()) * width > LONGEST_LINE {
                break;
            }
            end = at + c.len_utf8();
            if escape && plain {
                end = at;
                break;
            }
        }
        let (chunk, rest) = text.split_at(end);
        match (escape, newline) {
            (true, _) => push(lines, 'E', &chunk.chars().map(octal).collect::<String>()),
            (false, true) => push(lines, 'L', chunk),
            (false, false) => push(lines, 'A', chunk),
        }
        (text, newline) = (rest, false);
    }
}

fn push(lines: &mut Vec<u8>, kind: char, text: &str) {
    let mut buffer = [0; 4];
    lines.extend_from_slice(kind.encode_utf8(&mut buffer).as_bytes());
    lines.extend_from_slice(text.as_bytes());
    lines.push(b'\n');
}
