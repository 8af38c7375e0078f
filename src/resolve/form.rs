//! What is wrong with a template whatever the host: how it is written, and filters
//! and tests that the language does not have.

use std::sync::Arc;

use super::fault::Rendering;
use super::frame::Frame;
use super::render::{bare, between_braces};
use crate::diagnostic::Problem;
use crate::load::source::Span;
use crate::load::texts::Text;

impl Frame {
    /// What is wrong with the form of a template or a condition.
    #[must_use]
    pub fn form(self: &Arc<Self>, text: Text<'_>) -> Vec<Problem> {
        let Text { text, span, is_condition } = text;
        if is_condition {
            return self.malformed(&Rendering::new(bare(text), text, span, true));
        }
        if let Some(code) = between_braces(text.trim_end()) {
            let rendering = Rendering::new(code, text, span, true);
            if self.scope.world.environment.compile_expression(rendering.source()).is_ok() {
                return self.malformed(&rendering);
            }
        }
        self.malformed(&Rendering::new(text, text, span, false))
    }

    /// What is wrong with the form of a file that is rendered.
    #[must_use]
    pub fn form_of_file(self: &Arc<Self>, text: &str, whole: Span) -> Vec<Problem> {
        let span = Some(Span { len: text.len(), ..whole });
        self.malformed(&Rendering::new(text, text, span, false))
    }

    fn malformed(self: &Arc<Self>, rendering: &Rendering<'_>) -> Vec<Problem> {
        let environment = &self.scope.world.environment;
        let source = rendering.source();
        let compiled = match rendering.is_expression {
            true => environment.compile_expression(source).map(drop),
            false => environment.template_from_str(source).map(drop),
        };
        match compiled {
            Ok(()) => self.unknown_tools(rendering, &[]),
            Err(error) => vec![self.problem(&error, rendering)],
        }
    }
}
