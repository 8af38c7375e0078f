//! Renders the templated values of a request, strictly and with their places.

use std::sync::Arc;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::error::ResolveError;
use super::scope::Frame;
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated, is_template, parse_bool};
use crate::load::node::Node;
use crate::load::playbook::Condition;
use crate::load::request::{
    HostKeyPolicyName, Limit, Mode, OperationName, QueueStrategyName, Seconds,
};
use crate::load::source::Span;

/// The registered name that a template has to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending(pub Arc<str>);

/// Why a template gave no value.
#[derive(Debug, Clone)]
pub enum Miss {
    /// It uses a result that is not there yet.
    Pending(Pending),
    /// It is wrong.
    Problem(Box<Problem>),
}

impl From<Problem> for Miss {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
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
            Templated::Value(value) => return Ok(value.clone()),
            Templated::Template(text) => text,
        };
        let value = self.evaluate(text, at.span)?;
        T::from_value(&value).ok_or_else(|| {
            if self.is_unread() {
                return Miss::Pending(Self::unread());
            }
            let error = ResolveError::TemplateType {
                what: what.to_owned(),
                expected: T::EXPECTED.to_owned(),
                found: describe(&value),
            };
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
        let whole = text.trim_end().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        let context = || Value::from_dyn_object(Arc::clone(self));
        // What stands between the outermost braces may still be two expressions
        // with text between them; then it does not compile.
        if let Some(inner) = whole
            && let Ok(expression) = environment.compile_expression(inner)
        {
            let result = self.within(span.map(|span| span.file), || expression.eval(context()));
            return self.settle(result, inner, text, span);
        }
        let result = match environment.template_from_str(text) {
            Ok(template) => self.within(span.map(|span| span.file), || template.render(context())),
            Err(error) => Err(error),
        };
        self.settle(result.map(Value::from), text, text, span)
    }

    /// Renders the text of a file.
    ///
    /// # Errors
    /// The template is pending or wrong.
    pub fn render_file(self: &Arc<Self>, text: &str, whole: Span) -> Result<String, Miss> {
        let environment = &self.scope.world.environment;
        let span = Span { len: text.len(), ..whole };
        let result = match environment.template_from_str(text) {
            Ok(template) => self.within(Some(whole.file), || {
                template.render(Value::from_dyn_object(Arc::clone(self)))
            }),
            Err(error) => Err(error),
        };
        let value = self.settle(result.map(Value::from), text, text, Some(span))?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Whether a condition holds.
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
        // Braces are superfluous here, but what they mean is clear.
        let bare = text.trim();
        let bare = bare.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).unwrap_or(text);
        let result = match self.scope.world.environment.compile_expression(bare) {
            Ok(expression) => self.within(span.map(|span| span.file), || {
                expression.eval(Value::from_dyn_object(Arc::clone(self)))
            }),
            Err(error) => Err(error),
        };
        let value = self.settle(result, bare, text, span)?;
        match self.is_unread() {
            true => Err(Miss::Pending(Self::unread())),
            false => Ok(value.is_true()),
        }
    }

    /// A value with the templates in its texts rendered.
    ///
    /// # Errors
    /// A template is pending or wrong.
    pub fn tree(self: &Arc<Self>, node: &Node) -> Result<Value, Miss> {
        let result = self.node_value(node);
        match (result, self.take_reports()) {
            (_, (Some(pending), _)) => Err(Miss::Pending(pending)),
            (_, (None, Some(problem))) | (Err(Some(problem)), _) => Err(problem.into()),
            (Ok(value), _) => Ok(value),
            (Err(None), _) => Ok(Value::UNDEFINED),
        }
    }

    /// Turns what minijinja says into a value, a wait, or a placed error.
    ///
    /// `code` is the part of `text` that minijinja saw.
    fn settle(
        self: &Arc<Self>,
        result: Result<Value, Error>,
        code: &str,
        text: &str,
        span: Option<Span>,
    ) -> Result<Value, Miss> {
        let (pending, failure) = self.take_reports();
        if let Some(pending) = pending {
            // Code that is the whole of a text with braces is a template.
            let is_expression = code.len() != text.len() || !is_template(text);
            let ahead = self.read_ahead(code, is_expression, span);
            return Err(ahead.map_or(Miss::Pending(pending), Miss::from));
        }
        if let Some(problem) = failure {
            return Err(problem.or_at(span).into());
        }
        let is_undefined = match &result {
            Ok(value) => value.is_undefined(),
            Err(error) => error.kind() == ErrorKind::UndefinedError,
        };
        if let Some(missing) = self.take_missing()
            && is_undefined
        {
            return Err(Problem::new(missing, span).into());
        }
        match result {
            Err(_) if self.is_unread() => Err(Miss::Pending(Self::unread())),
            Ok(value) if value.is_undefined() => {
                let whole = Some(0..code.len());
                Err(self.undefined(code.trim(), self.place(whole, code, text, span)).into())
            }
            Ok(value) => Ok(value),
            Err(error) => Err(self.problem(&error, code, text, span).into()),
        }
    }

    fn problem(&self, error: &Error, code: &str, text: &str, span: Option<Span>) -> Problem {
        let range = error.range().filter(|range| code.get(range.clone()).is_some());
        let place = self.place(range.clone(), code, text, span);
        let message = innermost(error);
        match error.kind() {
            ErrorKind::UndefinedError => {
                let name = range.and_then(|range| code.get(range)).unwrap_or(code);
                self.undefined(name.trim(), place)
            }
            ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownMethod => {
                Problem::new(ResolveError::TemplateSyntax { message }, place)
            }
            _ => Problem::new(ResolveError::Template { message }, place),
        }
    }

    fn undefined(&self, expression: &str, place: Option<Span>) -> Problem {
        let name = |c: char| !(c.is_alphanumeric() || c == '_');
        let first =
            expression.trim_start_matches(['{', ' ']).split(name).next().unwrap_or_default();
        let bare = expression.trim_matches(['{', '}', ' ']);
        let help = match self.suggest(first) {
            _ if self.knows(first) => {
                format!("`{first}` is defined, but not this part of it")
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it, or give a default: `{{{{ {first} | default('…') }}}}`"),
        };
        let shown = if self.knows(first) || first.is_empty() { bare } else { first };
        Problem::new(ResolveError::Undefined { name: shown.to_owned(), help }, place)
    }

    /// The place of a part of a template, if its text stands verbatim in the source.
    fn place(
        &self,
        range: Option<std::ops::Range<usize>>,
        code: &str,
        text: &str,
        span: Option<Span>,
    ) -> Option<Span> {
        let span = span?;
        let source = self.scope.world.sources.get(span.file);
        let verbatim = source.text.get(span.start..span.start + span.len) == Some(text);
        let (Some(range), true) = (range, verbatim) else { return Some(span) };
        let offset = text.find(code).unwrap_or_default();
        let part = span.slice(range.start + offset..range.end + offset);
        // Blanks beside an expression are no part of what is wrong.
        let shown = &text[range.start + offset..range.end + offset];
        let lead = shown.len() - shown.trim_start().len();
        let trimmed = shown.trim().len();
        Some(if trimmed == 0 { span } else { part.slice(lead..lead + trimmed) })
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

/// A type that a template's value can become.
pub trait FromValue: Sized {
    /// The type in words.
    const EXPECTED: &'static str;

    /// The value, if it fits. Texts that spell a value are taken for it.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for String {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::String | ValueKind::Number | ValueKind::Bool => Some(value.to_string()),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_value(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::Bool => Some(value.is_true()),
            _ => parse_bool(value.as_str()?.trim()),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    }
}

macro_rules! integers_from_values {
    ($($type:ty, $expected:literal;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value) -> Option<Self> {
                match value.as_str() {
                    Some(text) => text.trim().parse().ok(),
                    None => value.as_i64()?.try_into().ok(),
                }
            }
        }
    )*};
}

integers_from_values! {
    u16, "an integer from 0 to 65535";
    u32, "an integer of 0 or more";
    u64, "an integer of 0 or more";
    i64, "an integer";
}

impl FromValue for Seconds {
    const EXPECTED: &'static str = Seconds::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        number(value).and_then(Self::new)
    }
}

impl FromValue for Limit {
    const EXPECTED: &'static str = Seconds::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value.is_none() {
            true => Some(Self(None)),
            false => Seconds::from_value(value).map(|seconds| Self(Some(seconds))),
        }
    }
}

impl FromValue for Mode {
    const EXPECTED: &'static str = Mode::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        value.as_str().and_then(Self::parse)
    }
}

macro_rules! choices_from_values {
    ($($type:ty, $expected:literal;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value) -> Option<Self> {
                value.as_str()?.parse().ok()
            }
        }
    )*};
}

choices_from_values! {
    HostKeyPolicyName, "one of auto_add, reject, warning";
    QueueStrategyName, "one of fifo, pinned";
    OperationName, "one of upload, download";
}

/// What messages call a template's value.
fn describe(value: &Value) -> String {
    match value.kind() {
        ValueKind::None => "nothing (none)".to_owned(),
        ValueKind::Seq | ValueKind::Iterable => "a list".to_owned(),
        ValueKind::Map => "a mapping".to_owned(),
        // The value itself might be a secret.
        kind => format!("a {kind}"),
    }
}
