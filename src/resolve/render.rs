//! Renders the templated values of a request, strictly and with their places.

use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

pub(super) use super::compiled::Compiled;
use super::convert::{FromValue, truth};
use super::error::ResolveError;
use super::fault::Rendering;
use super::frame::Frame;
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated, is_template};
use crate::load::node::Node;
use crate::load::playbook::Condition;
use crate::load::source::Span;

/// The registered name that a template has to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending(pub Arc<str>);

/// Why a template gave no value.
#[derive(Debug, Clone)]
pub enum Miss {
    /// It uses a result that is not there yet.
    Pending(Pending),
    /// It is wrong, in one way or several.
    Problems(Vec<Problem>),
}

impl From<Problem> for Miss {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl Frame {
    /// The value of a templated key. `what` names it in errors.
    ///
    /// # Errors
    /// The template is pending or wrong, or gives a value of another type.
    pub fn value<T: FromValue + Clone>(
        self: &Arc<Self>,
        at: &At<Templated<T>>,
        what: &str,
    ) -> Result<T, Miss> {
        let text = match &at.value {
            Templated::Value(value) => {
                self.note_literal();
                return Ok(value.clone());
            }
            Templated::Template(text) => text,
        };
        let value = self.evaluate(text, at.span)?;
        T::from_value(&value).ok_or_else(|| {
            if self.is_unread() {
                return Miss::Pending(Self::unread());
            }
            let error = self.unfit(text, &value, what, T::EXPECTED);
            Problem::new(error, at.span).into()
        })
    }

    /// The value of a template: of its expression, with its type, where the text
    /// is one whole expression, and otherwise the rendered text.
    ///
    /// # Errors
    /// The template is pending or wrong.
    pub fn evaluate(self: &Arc<Self>, text: &str, span: Option<Span>) -> Result<Value, Miss> {
        if !is_template(text) {
            return Ok(Value::from(text));
        }
        let environment = &self.scope.world.environment;
        let whole = between_braces(text.trim_end());
        // What stands between the outermost braces may still be two expressions
        // with text between them; then it does not compile.
        if let Some(code) = whole {
            let rendering = Rendering::new(code, text, span, true);
            if let Ok(expression) = environment.compile_expression(rendering.source()) {
                return self.run(Ok(Compiled::Expression(expression)), &rendering);
            }
        }
        let rendering = Rendering::new(text, text, span, false);
        let template = environment.template_from_str(rendering.source());
        self.run(template.map(Compiled::Template), &rendering)
    }

    /// Renders the text of a file.
    ///
    /// # Errors
    /// The template is pending or wrong.
    pub fn render_file(self: &Arc<Self>, text: &str, whole: Span) -> Result<String, Miss> {
        let span = Some(Span { len: text.len(), ..whole });
        let rendering = Rendering::new(text, text, span, false);
        let template = self.scope.world.environment.template_from_str(rendering.source());
        let value = self.run(template.map(Compiled::Template), &rendering)?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Whether a condition holds. A text counts as what it spells, so that
    /// `-e flag=false` does what it says.
    ///
    /// # Errors
    /// The expression is pending or wrong.
    pub fn condition(
        self: &Arc<Self>,
        condition: &Condition,
        span: Option<Span>,
    ) -> Result<bool, Miss> {
        let text = match condition {
            Condition::Constant(value) => return Ok(*value),
            Condition::Expression(text) => text,
        };
        let rendering = Rendering::new(bare(text), text, span, true);
        let environment = &self.scope.world.environment;
        let expression = environment.compile_expression(rendering.source());
        let value = self.run(expression.map(Compiled::Expression), &rendering)?;
        match self.is_unread() {
            true => Err(Miss::Pending(Self::unread())),
            false => Ok(truth(&value)),
        }
    }

    fn run(
        self: &Arc<Self>,
        compiled: Result<Compiled<'_, '_>, Error>,
        rendering: &Rendering<'_>,
    ) -> Result<Value, Miss> {
        let compiled = compiled.map_err(|error| self.problem(&error, rendering))?;
        if let Some(problem) = self.scope.world.known_endless(rendering.code, rendering.span) {
            return Err(problem.into());
        }
        let file = rendering.span.map(|span| span.file);
        let result = self.within(file, || compiled.render(self));
        let missing = self.take_missing();
        match (self.take_reports(), result) {
            ((_, Some(problem)), _) => {
                Err(self.with_others(problem.or_at(rendering.span), rendering))
            }
            // It stopped here; what stands behind is looked at without rendering.
            ((Some(pending), None), _) => {
                let (problems, _) = self.foresee(rendering);
                if !problems.is_empty() {
                    return Err(Miss::Problems(problems));
                }
                let names = match &compiled {
                    Compiled::Expression(expression) => expression.undeclared_variables(false),
                    Compiled::Template(template) => template.undeclared_variables(false),
                };
                match self.read_ahead(&names, rendering) {
                    Some(problem) => Err(problem.into()),
                    None => Err(Miss::Pending(pending)),
                }
            }
            (_, Ok(value)) if !value.is_undefined() => {
                self.trace(&compiled, rendering, &value);
                Ok(value)
            }
            _ if self.is_unread() => Err(Miss::Pending(Self::unread())),
            (_, Err(error)) if costs_too_much(&error) => {
                Err(self.problem(&error, rendering).into())
            }
            (_, Err(error)) if error.kind() != ErrorKind::UndefinedError => {
                Err(self.with_others(self.problem(&error, rendering), rendering))
            }
            (_, undefined) => {
                let problem = match (missing, undefined) {
                    (Some(missing), _) => Problem::new(missing, rendering.span),
                    (None, Ok(_)) => self.undefined(0..rendering.code.len(), rendering),
                    (None, Err(error)) => self.problem(&error, rendering),
                };
                Err(self.with_others(problem, rendering))
            }
        }
    }

    /// A problem that ended a rendering, with what is wrong behind it.
    fn with_others(self: &Arc<Self>, problem: Problem, rendering: &Rendering<'_>) -> Miss {
        // What is wrong with a variable is told where it is rendered by itself.
        if !self.state().stack.is_empty() {
            return problem.into();
        }
        let (mut problems, _) = self.foresee(rendering);
        // The walk through the template knows better which part of it is wrong.
        let is_undefined = problem.code() == ResolveError::UNDEFINED && !problems.is_empty();
        if !is_undefined && !problems.iter().any(|it| overlap(it.span(), problem.span())) {
            problems.insert(0, problem);
        }
        Miss::Problems(problems)
    }

    /// Whether a condition cannot hold, whatever the results will be.
    pub fn never_holds(self: &Arc<Self>, condition: &Condition, span: Option<Span>) -> bool {
        let Condition::Expression(text) = condition else { return false };
        let rendering = Rendering::new(bare(text), text, span, true);
        let (_, shape) = self.foresee(&rendering);
        shape.truth() == Some(false)
    }

    /// A value with the templates in its texts rendered.
    ///
    /// # Errors
    /// A template is pending or wrong.
    pub fn tree(self: &Arc<Self>, node: &Node) -> Result<Value, Miss> {
        let result = self.node(node);
        match (result, self.take_reports()) {
            (_, (_, Some(problem))) => Err(problem.into()),
            (Err(Some(problems)), _) => Err(Miss::Problems(problems)),
            (_, (Some(pending), None)) => Err(Miss::Pending(pending)),
            (Ok(value), _) => Ok(value),
            (Err(None), _) => Ok(Value::UNDEFINED),
        }
    }
}

fn costs_too_much(error: &Error) -> bool {
    [ErrorKind::OutOfFuel, ErrorKind::WriteFailure].contains(&error.kind())
}

fn overlap(one: Option<Span>, other: Option<Span>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one == other };
    one.file == other.file
        && one.start < other.start + other.len
        && other.start < one.start + one.len
}

/// A condition without the braces that some put around it: they are superfluous,
/// but what they mean is clear.
pub(super) fn bare(text: &str) -> &str {
    between_braces(text.trim()).unwrap_or(text)
}

/// What stands between the outermost braces of a text that is nothing else. The
/// `-` and `+` of `{{- name -}}` trim blanks; they are no part of the expression.
pub(super) fn between_braces(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    Some(inner.strip_suffix(['-', '+']).unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_that_trim_blanks_are_no_minus() {
        for text in ["{{ n }}", "{{- n }}", "{{ n -}}", "{{+ n -}}"] {
            assert_eq!(between_braces(text).map(str::trim), Some("n"), "{text}");
        }
        assert_eq!(between_braces("{{ -n }}"), Some(" -n "));
        assert_eq!(between_braces("x {{ n }}"), None);
    }
}
