//! A template that is ready to be rendered.

use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Error, Expression, Template};

use super::frame::Frame;
use super::lazy::Marked;

/// A template that is ready to be rendered.
pub(super) enum Compiled<'env, 'source> {
    Expression(Expression<'env, 'source>),
    Template(Template<'env, 'source>),
}

impl Compiled<'_, '_> {
    /// Renders it with what `frame` has.
    pub(super) fn render(&self, frame: &Arc<Frame>) -> Result<Value, Error> {
        self.render_in(Value::from_dyn_object(Arc::clone(frame)))
    }

    /// Renders it with what `context` has, which leads to a frame.
    pub(super) fn render_with(&self, context: Value) -> Result<Value, Error> {
        self.render_in(Value::from_object(Marked(context)))
    }

    fn render_in(&self, context: Value) -> Result<Value, Error> {
        match self {
            Self::Expression(expression) => expression.eval(context),
            Self::Template(template) => {
                let mut text = Limited(Vec::new());
                template.render_captured_to(context, &mut text)?;
                let text = String::from_utf8(text.0).expect("a template gives a text");
                Ok(Value::from(text))
            }
        }
    }
}

/// How many bytes a template may give. More would be a mistake, and many hosts
/// have their texts at the same time.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What the error of a template is that gives more.
pub(super) const TOO_LONG: &str = "the template gives more than 64 MiB";

struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES {
            return Err(std::io::Error::other(TOO_LONG));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
