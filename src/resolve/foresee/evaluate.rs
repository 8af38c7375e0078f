//! Evaluates expressions that wait for nothing.

use minijinja::ErrorKind;
use minijinja::machinery::ast::Expr;
use minijinja::value::Value;

use super::Walk;
use super::loops::asks_other_rounds;
use crate::diagnostic::Problem;
use crate::resolve::fault::Rendering;
use crate::resolve::render::Compiled;
use crate::resolve::syntax::{range, spelled};

/// What became of an expression that was evaluated.
pub(super) enum Evaluated {
    Value(Value),
    /// One of these, as a result decides.
    OneOf(Vec<Value>),
    /// It is not there, and that is fine.
    Blank,
    /// It is not there, and this says so.
    Undefined(Problem),
    Wrong(Problem),
    /// It waits for something, or takes a name of the template's own that is not known.
    Unknown,
}

impl<'t> Walk<'_, 't> {
    /// The value of an expression, as far as names of the template's own and results let
    /// it be known.
    pub(super) fn evaluated(&mut self, expr: &Expr<'t>) -> Evaluated {
        if asks_other_rounds(expr) {
            return Evaluated::Unknown;
        }
        let Some(sights) = self.sights(expr) else { return Evaluated::Unknown };
        let mut all: Vec<Evaluated> =
            sights.into_iter().map(|sight| self.evaluated_in(expr, sight)).collect();
        if all.len() == 1 {
            return all.swap_remove(0);
        }
        let values: Option<Vec<Value>> = all
            .iter()
            .map(|one| match one {
                Evaluated::Value(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        match values {
            Some(values) => Evaluated::OneOf(values),
            // What is wrong in every way is wrong.
            None if all
                .iter()
                .all(|one| matches!(one, Evaluated::Undefined(_) | Evaluated::Wrong(_))) =>
            {
                all.swap_remove(0)
            }
            None => Evaluated::Unknown,
        }
    }

    fn evaluated_in(&mut self, expr: &Expr<'t>, sight: Value) -> Evaluated {
        let frame = self.frame;
        let text = spelled(expr);
        let rendering = Rendering::new(&text, &text, None, true);
        let environment = &frame.scope.world.environment;
        let Ok(expression) = environment.compile_expression(rendering.source()) else {
            return Evaluated::Unknown;
        };
        let file = self.rendering.span.map(|span| span.file);
        let compiled = Compiled::Expression(expression);
        let result = frame.within(file, || compiled.render_with(sight.clone()));
        let missing = frame.take_missing();
        let place = self.place(expr);
        let is_secret = missing.is_some();
        let undefined = || {
            Evaluated::Undefined(match missing {
                Some(missing) => Problem::new(missing, place),
                None => frame.undefined(range(expr), self.rendering),
            })
        };
        match (frame.take_reports(), result) {
            ((_, Some(problem)), _) => Evaluated::Wrong(problem.or_at(place)),
            ((Some(_), None), _) => {
                self.waits = true;
                Evaluated::Unknown
            }
            // What stands for a secret that nobody has read decides nothing.
            _ if frame.is_unread() => Evaluated::Unknown,
            (_, Ok(value)) if !value.is_undefined() => Evaluated::Value(value),
            (_, Ok(_)) if !is_secret && self.is_blank(&text, sight) => Evaluated::Blank,
            (_, Ok(_)) => undefined(),
            (_, Err(error)) => match error.kind() {
                ErrorKind::UndefinedError => undefined(),
                // These are told for the whole template.
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest => Evaluated::Unknown,
                _ => Evaluated::Wrong(frame.problem(&error, &rendering).or_at(place)),
            },
        }
    }

    /// Whether an expression without a value is one of those that need none: the engine
    /// lets these be asked whether they hold.
    fn is_blank(&self, text: &str, sight: Value) -> bool {
        let environment = &self.frame.scope.world.environment;
        let asked = format!("not {text}");
        let asked = environment.compile_expression(&asked).map(Compiled::Expression);
        let file = self.rendering.span.map(|span| span.file);
        let answer =
            asked.and_then(|compiled| self.frame.within(file, || compiled.render_with(sight)));
        self.frame.take_missing();
        self.frame.take_reports();
        answer.is_ok()
    }
}
