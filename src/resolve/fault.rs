//! What is wrong with a template, and where: from what minijinja says, and from
//! the code itself.

use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::advice::{failure_advice, syntax_advice};
use super::code::{Code, Word};
use super::compiled::TOO_LONG;
use super::error::ResolveError;
use super::frame::Frame;
use super::lexer::unclosed;
use super::soften::Softened;
use super::tools::{FILTER, TEST};
use crate::diagnostic::Problem;
use crate::load::source::Span;

/// A template and where it stands.
pub(super) struct Rendering<'t> {
    /// The part of `text` that is code.
    pub(super) code: &'t str,
    /// The whole value.
    pub(super) text: &'t str,
    /// Where the value stands.
    pub(super) span: Option<Span>,
    /// Whether `code` is an expression rather than a template.
    pub(super) is_expression: bool,
    /// The code as minijinja sees it, where that is not `code`.
    softened: Option<Softened>,
}

impl<'t> Rendering<'t> {
    pub(super) fn new(
        code: &'t str,
        text: &'t str,
        span: Option<Span>,
        is_expression: bool,
    ) -> Self {
        let softened = Softened::of(code, is_expression);
        Self { code, text, span, is_expression, softened }
    }

    /// What minijinja is to compile.
    pub(super) fn source(&self) -> &str {
        self.softened.as_ref().map_or(self.code, |softened| &softened.text)
    }

    /// A place that minijinja names, as a place in `code`.
    fn place(&self, range: Range<usize>) -> Option<Range<usize>> {
        let range = match &self.softened {
            Some(softened) => softened.original(range),
            None => range,
        };
        self.code.get(range.clone()).map(|_| range)
    }

    pub(super) fn parsed(&self) -> Code<'t> {
        match self.is_expression {
            true => Code::of_expression(self.code),
            false => Code::of_template(self.code),
        }
    }
}

impl Frame {
    /// An error that minijinja reports.
    pub(super) fn problem(self: &Arc<Self>, error: &Error, rendering: &Rendering<'_>) -> Problem {
        let code = rendering.code;
        let range = error.range().and_then(|range| rendering.place(range));
        let message = innermost(error);
        match error.kind() {
            ErrorKind::UndefinedError => self.undefined(range.unwrap_or(0..code.len()), rendering),
            ErrorKind::UnknownFilter | ErrorKind::UnknownTest => {
                let used = range.clone().and_then(|range| code.get(range)).unwrap_or_default();
                let kind = if error.kind() == ErrorKind::UnknownFilter { FILTER } else { TEST };
                let parsed = Code::of_expression(used);
                let words = if kind == FILTER { parsed.filters() } else { parsed.tests() };
                let environment = &self.scope.world.environment;
                let unknown = words.into_iter().find(|word| !kind.has(environment, word.word));
                let start = range.as_ref().map_or(0, |range| range.start);
                let (name, range) = match unknown {
                    Some(word) => {
                        let range = start + word.range.start..start + word.range.end;
                        (word.word.to_owned(), Some(range))
                    }
                    None => (used.trim().to_owned(), range),
                };
                Problem::new(kind.unknown(environment, &name), self.place(range, rendering))
            }
            ErrorKind::SyntaxError => {
                // An open comment or block is reported where the text ends.
                let range = match code.find("{#") {
                    Some(open) if message.contains("comment") => Some(open..open + 2),
                    _ if message.contains("end of input") => unclosed(code).or(range),
                    _ => range,
                };
                let at = range.clone().and_then(|range| code.get(range)).unwrap_or_default();
                let help = syntax_advice(&message, code, at).to_owned();
                let error = ResolveError::TemplateSyntax { message, help };
                Problem::new(error, self.place(range, rendering))
            }
            ErrorKind::OutOfFuel => {
                let message = "the template takes too many steps".to_owned();
                let error = ResolveError::TemplateCost { message };
                let problem = Problem::new(error, self.place(range, rendering));
                self.scope.world.note_endless(code, rendering.span, &problem);
                problem
            }
            ErrorKind::WriteFailure if message == TOO_LONG => {
                Problem::new(ResolveError::TemplateCost { message }, rendering.span)
            }
            // An operator complains of types alone: "undefined and number".
            _ if message.contains("undefined") => {
                self.undefined(range.unwrap_or(0..code.len()), rendering)
            }
            ErrorKind::UnknownFunction => {
                let name = message.split(' ').next().unwrap_or_default();
                Problem::new(self.unknown_function(name), self.place(range, rendering))
            }
            kind => {
                let help = failure_advice(kind, &message);
                let error = ResolveError::Template { message, help };
                Problem::new(error, self.place(range, rendering))
            }
        }
    }

    /// An undefined value: of a name that nothing defines, or of a part that a
    /// value does not have. `range` is what is undefined.
    pub(super) fn undefined(
        self: &Arc<Self>,
        range: Range<usize>,
        rendering: &Rendering<'_>,
    ) -> Problem {
        let within = rendering.code.get(range.clone()).unwrap_or_default();
        // The range may reach into the text around an expression.
        let code = match rendering.is_expression || !within.contains("{{") {
            true => Code::of_expression(within),
            false => Code::of_template(within),
        };
        let shifted = |part: Range<usize>| range.start + part.start..range.start + part.end;
        if let Some(word) = code.needed(|name| self.expected(name).is_none()) {
            let help = self.advice(word.word);
            let place = self.place(Some(shifted(word.range)), rendering);
            return Problem::new(
                ResolveError::Undefined { name: word.word.to_owned(), help },
                place,
            );
        }
        for (name, parts) in code.chains() {
            if let Some((missing, help)) = self.missing_part(&name, &parts) {
                let end = parts[missing].range.end;
                let chain = name.range.start..end;
                let shown = within[chain.clone()].to_owned();
                let place = self.place(Some(shifted(chain)), rendering);
                return Problem::new(ResolveError::Undefined { name: shown, help }, place);
            }
        }
        let name = within.trim().to_owned();
        let help = "a part of it is not there".to_owned();
        Problem::new(ResolveError::Undefined { name, help }, self.place(Some(range), rendering))
    }

    /// The first of `parts` that the value of `name` does not have.
    fn missing_part(
        self: &Arc<Self>,
        name: &Word<'_>,
        parts: &[Word<'_>],
    ) -> Option<(usize, String)> {
        let mut value = self.lookup(name.word);
        self.take_reports();
        for (index, part) in parts.iter().enumerate() {
            let outer = value?;
            let inner = outer.get_attr(part.word).ok().filter(|inner| !inner.is_undefined());
            self.take_reports();
            if inner.is_none() {
                let shown: Vec<&str> =
                    [name].into_iter().chain(&parts[..index]).map(|word| word.word).collect();
                return Some((index, self.lacks(&shown.join("."), &outer, part.word)));
            }
            value = inner;
        }
        None
    }

    /// The filters and tests of code that the language does not have, but for those
    /// that `told` tells already.
    pub(super) fn unknown_tools(
        &self,
        rendering: &Rendering<'_>,
        told: &[Problem],
    ) -> Vec<Problem> {
        let code = rendering.parsed();
        let environment = &self.scope.world.environment;
        let mut problems = Vec::new();
        for (kind, words) in [(FILTER, code.filters()), (TEST, code.tests())] {
            for word in words.into_iter().filter(|word| !kind.has(environment, word.word)) {
                let place = self.place(Some(word.range), rendering);
                if told.iter().all(|other| other.span() != place) {
                    problems.push(Problem::new(kind.unknown(environment, word.word), place));
                }
            }
        }
        problems
    }

    /// The place of a part of the code in the source.
    pub(super) fn place(
        &self,
        range: Option<Range<usize>>,
        rendering: &Rendering<'_>,
    ) -> Option<Span> {
        let Rendering { code, text, span, .. } = rendering;
        let span = (*span)?;
        let Some(range) = range else { return Some(span) };
        // Blanks beside an expression are no part of what is wrong.
        let shown = code.get(range.clone())?;
        let lead = shown.len() - shown.trim_start().len();
        let len = shown.trim().len();
        if len == 0 {
            return Some(span);
        }
        let start = text.find(code).unwrap_or_default() + range.start + lead;
        let source = self.scope.world.sources.get(span.file);
        crate::load::part(&source.text, span, text, start..start + len).or(Some(span))
    }
}

/// The message of the error that began it, without minijinja's place.
fn innermost(error: &Error) -> String {
    let mut message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        message = inner
            .downcast_ref::<Error>()
            .and_then(Error::detail)
            .map_or_else(|| inner.to_string(), str::to_owned);
        source = inner.source();
    }
    message
}
