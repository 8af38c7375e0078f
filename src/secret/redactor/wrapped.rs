//! Base64 that is cut into lines, as `base64` and PEM files have it: a secret may
//! begin on one line and end on the next.

use std::ops::Range;

/// Where programs that write base64 end a line.
const WIDTHS: [usize; 2] = [76, 64];

/// A text in which the lines of base64 are joined again.
pub(super) struct Unwrapped {
    pub(super) text: String,
    /// Places in `text`, in order, each with how much was left out up to there.
    left_out: Vec<(usize, usize)>,
}

impl Unwrapped {
    /// `None` where no line looks like one that goes on in the next.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut joined = String::new();
        let mut left_out = Vec::new();
        let mut missing = 0;
        for line in text.split_inclusive('\n') {
            let body = line.trim_end_matches(['\r', '\n']);
            if body.len() == line.len() || !is_full_line(body) {
                joined.push_str(line);
                continue;
            }
            joined.push_str(body);
            missing += line.len() - body.len();
            left_out.push((joined.len(), missing));
        }
        (missing > 0).then_some(Self { text: joined, left_out })
    }

    /// Where a range of `text` stands in the text that it was made of.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        let missing = |at: usize| {
            let before = self.left_out.partition_point(|(place, _)| *place <= at);
            before.checked_sub(1).map_or(0, |last| self.left_out[last].1)
        };
        // An end at the end of a line stays on that line.
        let last = range.end - 1;
        range.start + missing(range.start)..last + missing(last) + 1
    }
}

fn is_full_line(line: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    WIDTHS.contains(&line.len()) && line.bytes().all(is_digit)
}
