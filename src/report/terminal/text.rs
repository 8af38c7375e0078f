//! Text for a terminal: made harmless, measured, cut and wrapped.

use std::borrow::Cow;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` on one line, with everything that could drive a terminal or disguise
/// other text made visible: a hostile host must not move the cursor, set the
/// window's title or reverse the direction of a line.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\t' => shown.push_str("    "),
            // The Unicode block of control pictures mirrors the C0 controls.
            '\0'..='\x1f' => shown.extend(char::from_u32(0x2400 + char as u32)),
            '\x7f' => shown.push('\u{2421}'),
            _ if is_harmful(char) => shown.extend(char.escape_unicode()),
            _ => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The lines of a remote output, each harmless. A progress display that redraws
/// its line with carriage returns is shown in its last state.
pub(super) fn output_lines(output: &str) -> impl DoubleEndedIterator<Item = Cow<'_, str>> {
    output.lines().map(|line| {
        let line = line.trim_end_matches('\r');
        harmless(line.rsplit('\r').next().unwrap_or(line))
    })
}

/// How many columns `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `room` columns, its end replaced by `…` where it is longer.
pub(super) fn cut(text: &str, room: Option<usize>) -> Cow<'_, str> {
    let Some(room) = room.filter(|&room| width(text) > room) else {
        return Cow::Borrowed(text);
    };
    let mut taken = 0;
    let end = text
        .char_indices()
        .find(|(_, char)| {
            taken += char.width().unwrap_or(0);
            taken + 1 > room
        })
        .map_or(text.len(), |(index, _)| index);
    match room {
        0 => Cow::Borrowed(""),
        _ => Cow::Owned(format!("{}…", text[..end].trim_end())),
    }
}

/// `text` followed by blanks up to `columns`.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` broken at blanks into lines of at most `room` columns; a word that is
/// longer stays whole, for a path or a command that is torn apart cannot be copied.
pub(super) fn wrapped(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return vec![text.to_owned()] };
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// A duration for people: three digits say enough.
pub(super) fn duration(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match seconds {
        _ if seconds < 9.995 => format!("{seconds:.2} s"),
        _ if seconds < 59.95 => format!("{seconds:.1} s"),
        _ if whole < 3600 => format!("{} m {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} m", whole / 3600, whole % 3600 / 60),
    }
}

/// `1 host`, `2 hosts`; thousands are set apart.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A number with its thousands set apart.
pub(super) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_gets_through() {
        assert_eq!(harmless("\x1b]0;owned\x07\x1b[2J"), "␛]0;owned␇␛[2J");
        assert_eq!(harmless("a\tb\nc\x7f"), "a    b␊c␡");
        assert_eq!(harmless("\u{9b}31m \u{202e}gpj.exe"), "\\u{9b}31m \\u{202e}gpj.exe");
        assert!(matches!(harmless("plain ä 漢"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_redrawn_line_is_shown_in_its_last_state() {
        let lines: Vec<_> = output_lines("10%\r50%\r100%\r\nend\r\n").collect();
        assert_eq!(lines, ["100%", "end"]);
    }

    #[test]
    fn text_is_cut_by_columns_not_by_bytes() {
        assert_eq!(cut("漢字漢字", Some(5)), "漢字…");
        assert_eq!(cut("漢字漢字", Some(8)), "漢字漢字");
        assert_eq!(cut("abc def", Some(5)), "abc…");
        assert_eq!(cut("abc", Some(1)), "…");
        assert_eq!(cut("abc", Some(0)), "");
        assert_eq!(cut("abc", None), "abc");
    }

    #[test]
    fn lines_break_at_blanks_only() {
        assert_eq!(
            wrapped("a bb ccc /very/long/path d", Some(6)),
            ["a bb", "ccc", "/very/long/path", "d"]
        );
        assert_eq!(wrapped("a b", None), ["a b"]);
    }

    #[test]
    fn durations_and_numbers_read_well() {
        for (seconds, shown) in [
            (0.0, "0.00 s"),
            (0.123, "0.12 s"),
            (9.999, "10.0 s"),
            (59.94, "59.9 s"),
            (59.96, "0 m 59 s"),
            (61.0, "1 m 01 s"),
            (7325.0, "2 h 02 m"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!([999, 1000, 1_234_567].map(number), ["999", "1,000", "1,234,567"]);
    }

    proptest! {
        #[test]
        fn harmless_text_has_no_controls_and_cut_text_fits(text in any::<String>(), room in 0..40usize) {
            let shown = harmless(&text);
            prop_assert!(!shown.contains(is_harmful));
            prop_assert!(width(&cut(&shown, Some(room))) <= room);
        }
    }
}
