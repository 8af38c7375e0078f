//! What is wrong with a template, and where: from what minijinja says, and from
//! the code itself.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::advice::{FIELDS, field_advice, parts_advice, syntax_advice};
use super::code::{Code, Word};
use super::error::ResolveError;
use super::frame::Frame;
use super::lexer::unclosed;
use super::render::{TOO_LONG, bare};
use super::tools::{FILTER, TEST};
use crate::diagnostic::Problem;
use crate::load::playbook::Condition;
use crate::load::source::Span;

/// A template and where it stands.
pub(super) struct Rendering<'t> {
    /// The part of `text` that minijinja sees.
    pub(super) code: &'t str,
    /// The whole value.
    pub(super) text: &'t str,
    /// Where the value stands.
    pub(super) span: Option<Span>,
    /// Whether `code` is an expression rather than a template.
    pub(super) is_expression: bool,
}

impl<'t> Rendering<'t> {
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
        let range = error.range().filter(|range| code.get(range.clone()).is_some());
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
            _ => {
                let error = ResolveError::Template { message };
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
        let within = &rendering.code[range.clone()];
        // The range may reach into the text around an expression.
        let code = match rendering.is_expression || !within.contains("{{") {
            true => Code::of_expression(within),
            false => Code::of_template(within),
        };
        let shifted = |part: Range<usize>| range.start + part.start..range.start + part.end;
        let guarded = code.guarded();
        let globals = &self.scope.world.environment;
        let is_global = |name: &str| globals.globals().any(|(global, _)| global == name);
        let unknown =
            code.find(|name| !self.knows(name) && !guarded.contains(name) && !is_global(name));
        if let Some(word) = unknown {
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

    /// What to do about a name that nothing defines.
    fn advice(&self, name: &str) -> String {
        if let Some(advice) = self.scope.advice {
            return advice.replace("NAME", name);
        }
        if self.scope.registers.contains(name) {
            return format!(
                "a task registers `{name}`, but none that runs before this one: move that task up"
            );
        }
        if self.scope.world.is_defined_somewhere(name) {
            return format!(
                "other hosts of the inventory have it: define it for these too, or give a default: `{{{{ {name} | default('…') }}}}`"
            );
        }
        match self.suggest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it, or give a default: `{{{{ {name} | default('…') }}}}`"),
        }
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
                return Some((index, parts_advice(&shown.join("."), &outer, part.word)));
            }
            value = inner;
        }
        None
    }

    /// What is certainly wrong with code that has to wait for a result: names that
    /// will not be there either, fields that no result has, unknown filters.
    pub(super) fn foresee(
        self: &Arc<Self>,
        names: &HashSet<String>,
        rendering: &Rendering<'_>,
    ) -> Option<Problem> {
        let code = rendering.parsed();
        let guarded = code.guarded();
        let environment = &self.scope.world.environment;
        let is_global = |name: &str| environment.globals().any(|(global, _)| global == name);
        let mut missing: Vec<(Range<usize>, &str)> = names
            .iter()
            .map(String::as_str)
            .filter(|name| !self.knows(name) && !guarded.contains(name) && !is_global(name))
            .filter_map(|name| Some((code.first(name)?, name)))
            .collect();
        missing.sort_by_key(|(range, _)| range.start);
        if let Some((range, name)) = missing.into_iter().next() {
            let error = ResolveError::Undefined { name: name.to_owned(), help: self.advice(name) };
            return Some(Problem::new(error, self.place(Some(range), rendering)));
        }
        for (name, parts) in code.chains() {
            let is_result = self.pending.contains(name.word) && names.contains(name.word);
            if !is_result {
                continue;
            }
            let field = &parts[0];
            if !FIELDS.contains(&field.word) {
                let help = field_advice(field.word);
                let chain = name.range.start..field.range.end;
                let shown = rendering.code[chain.clone()].to_owned();
                let place = self.place(Some(chain), rendering);
                return Some(Problem::new(ResolveError::Undefined { name: shown, help }, place));
            }
        }
        [(FILTER, code.filters()), (TEST, code.tests())].into_iter().find_map(|(kind, words)| {
            let word = words.into_iter().find(|word| !kind.has(environment, word.word))?;
            let place = self.place(Some(word.range), rendering);
            Some(Problem::new(kind.unknown(environment, word.word), place))
        })
    }

    /// The names that a condition asks for before it relies on them.
    pub fn asked_for(condition: &Condition) -> Vec<String> {
        match condition {
            Condition::Constant(_) => Vec::new(),
            Condition::Expression(text) => {
                let guarded = Code::of_expression(bare(text)).guarded();
                guarded.into_iter().map(str::to_owned).collect()
            }
        }
    }

    /// The place of a part of the code in the source.
    fn place(&self, range: Option<Range<usize>>, rendering: &Rendering<'_>) -> Option<Span> {
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
