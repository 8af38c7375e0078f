//! Keeps an output stream in bounded memory: all of it, or its head and tail.

use std::collections::VecDeque;
use std::ops::Range;

use super::Captured;

/// Around the number of bytes in the note that stands for them.
const NOTE_START: &str = "[… ";
const NOTE_END: &str = " bytes left out …]\n";

/// Where the first note in `text` stands that tells what was left out.
#[must_use]
pub fn note_in(text: &str) -> Option<Range<usize>> {
    text.match_indices(NOTE_START).find_map(|(start, mark)| {
        let number = &text[start + mark.len()..];
        let digits = number.len() - number.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_note = digits > 0 && number[digits..].starts_with(NOTE_END);
        is_note.then(|| start..start + mark.len() + digits + NOTE_END.len())
    })
}

/// Takes a stream as it comes, and says whether more is wanted.
type Sink = Box<dyn FnMut(&[u8]) -> bool>;

/// Collects one stream, keeping at most `limit` bytes of it.
pub(super) struct Capture {
    limit: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    sink: Option<Sink>,
    broken: bool,
}

impl Capture {
    /// An empty capture that keeps streams of up to `limit` bytes whole, and of
    /// longer ones half of that from the head and half from the tail.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, head: Vec::new(), tail: VecDeque::new(), total: 0, sink: None, broken: false }
    }

    /// A capture that keeps nothing, and hands the stream on as it comes, to one who
    /// says whether more is wanted.
    pub(super) fn into_sink(sink: impl FnMut(&[u8]) -> bool + 'static) -> Self {
        Self { sink: Some(Box::new(sink)), ..Self::new(0) }
    }

    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if let Some(sink) = &mut self.sink {
            self.broken |= !bytes.is_empty() && !sink(bytes);
            return;
        }
        let room = (self.limit / 2).saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        let bytes = &bytes[room..];
        let keep = self.limit - self.limit / 2;
        let bytes = &bytes[bytes.len().saturating_sub(keep)..];
        let excess = (self.tail.len() + bytes.len()).saturating_sub(keep);
        self.tail.drain(..excess);
        self.tail.extend(bytes);
    }

    /// Whether nobody wants the rest of the stream.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Size of the whole stream so far in bytes.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// What was kept of the stream's beginning.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Takes the first `mark` out of what was kept of the beginning.
    pub(super) fn cut(&mut self, mark: &[u8]) {
        if let Some(at) = self.head.windows(mark.len()).position(|window| window == mark) {
            self.head.drain(at..at + mark.len());
            self.total -= mark.len() as u64;
        }
    }

    /// The stream as it is reported: a note on a line of its own stands for what
    /// was left out.
    pub(super) fn finish(self) -> Captured {
        let kept = (self.head.len() + self.tail.len()) as u64;
        let truncated = self.total > kept;
        let mut bytes = self.head;
        if truncated {
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            let left_out = self.total - kept;
            bytes.extend_from_slice(format!("{NOTE_START}{left_out}{NOTE_END}").as_bytes());
        }
        bytes.extend(self.tail);
        Captured { bytes, total: self.total, truncated }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capture(limit: usize, chunks: &[Vec<u8>]) -> Captured {
        let mut capture = Capture::new(limit);
        chunks.iter().for_each(|chunk| capture.push(chunk));
        assert!(capture.head.len() + capture.tail.len() <= limit);
        capture.finish()
    }

    #[test]
    fn the_middle_is_replaced_by_a_note() {
        let captured = capture(4, &[b"abcdefgh".to_vec()]);
        assert_eq!(captured.bytes, "ab\n[… 4 bytes left out …]\ngh".as_bytes());
        assert_eq!((captured.total, captured.truncated), (8, true));
    }

    #[test]
    fn nothing_may_be_kept() {
        assert_eq!(capture(0, &[b"abc".to_vec()]).bytes, "[… 3 bytes left out …]\n".as_bytes());
    }

    proptest! {
        #[test]
        fn streams_within_the_limit_are_kept_exactly(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..10),
            limit in 0usize..120,
        ) {
            let whole = chunks.concat();
            let captured = capture(limit, &chunks);
            prop_assert_eq!(captured.total, whole.len() as u64);
            prop_assert_eq!(captured.truncated, whole.len() > limit);
            if whole.len() <= limit {
                prop_assert_eq!(captured.bytes, whole);
            } else {
                prop_assert!(captured.bytes.starts_with(&whole[..limit / 2]));
                prop_assert!(captured.bytes.ends_with(&whole[whole.len() - (limit - limit / 2)..]));
            }
        }
    }
}
