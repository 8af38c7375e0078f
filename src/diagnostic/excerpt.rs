//! The part of a source that a diagnostic shows.

use miette::{MietteError, MietteSpanContents, NamedSource, SourceCode, SourceSpan, SpanContents};

use crate::load::byte_offset;

/// An excerpt longer than this is cut around what is wrong: a document on one line
/// would fill the screen many times over.
const LONGEST: usize = 1000;
/// What is left before and behind it.
const AROUND: usize = 60;

/// A text of which excerpts are never longer than a person reads.
#[derive(Debug)]
pub(super) struct Excerpt(NamedSource<String>);

impl Excerpt {
    /// The text of a file that messages call `name`.
    pub(super) fn new(name: &str, text: String) -> Self {
        Self(NamedSource::new(name, text))
    }

    /// How much of a span of `len` bytes from `start` is worth underlining.
    pub(super) fn underlined(text: &str, start: usize, len: usize) -> usize {
        match len > LONGEST {
            true => byte_offset(text, start + AROUND).saturating_sub(start),
            false => len,
        }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = self.0.read_span(span, before, after)?;
        if whole.data().len() <= LONGEST {
            return Ok(whole);
        }
        let text = self.0.inner();
        let first = whole.span().offset();
        let line = text[..span.offset()].rfind('\n').map_or(0, |newline| newline + 1);
        let start = byte_offset(text, span.offset().saturating_sub(AROUND)).max(line);
        let end = byte_offset(text, span.offset() + span.len() + AROUND);
        let end = text[start..end].find('\n').map_or(end, |newline| start + newline);
        let skipped = text[first..start].matches('\n').count();
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.name().to_owned(),
            &text.as_bytes()[start..end],
            (start, end - start).into(),
            whole.line() + skipped,
            0,
            1,
        )))
    }
}
