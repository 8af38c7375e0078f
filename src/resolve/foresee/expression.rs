//! What is known of an expression's value, and what is wrong with it.

use minijinja::machinery::ast::{self, BinOpKind, CallArg, Expr, UnaryOpKind};
use minijinja::value::Value;

use super::Walk;
use super::evaluate::Evaluated;
use super::loops::is_loop;
use crate::resolve::error::ResolveError;
use crate::resolve::shape::Shape;
use crate::resolve::soften::{is_default, is_question};
use crate::resolve::syntax::argument;

/// Whether the test gives an answer for what is not there, too.
fn asks_for_type(test: &str) -> bool {
    const TYPES: [&str; 11] = [
        "boolean", "false", "float", "integer", "iterable", "mapping", "none", "number",
        "sequence", "string", "true",
    ];
    TYPES.contains(&test)
}

impl<'w, 't> Walk<'w, 't> {
    /// What is known of a value that has to be there.
    pub(super) fn value(&mut self, expr: &'w Expr<'t>) -> Shape {
        self.look(expr, false)
    }

    /// What is known of a value; if it `may_miss`, that it is not there is no error.
    fn look(&mut self, expr: &'w Expr<'t>, may_miss: bool) -> Shape {
        let before = self.problems.len();
        let evaluated = self.evaluated(expr);
        let evaluated = match evaluated {
            Evaluated::Value(value) => return Shape::Known(value),
            Evaluated::OneOf(values) => return Shape::one_of(values),
            Evaluated::Blank => return Shape::Blank,
            evaluated => evaluated,
        };
        // Which of its parts is wrong they tell themselves.
        let shape = self.parts(expr, may_miss);
        let problem = match evaluated {
            Evaluated::Undefined(problem) if !may_miss => problem,
            Evaluated::Undefined(_) => return Shape::Undefined,
            Evaluated::Wrong(problem) => problem,
            _ => return shape,
        };
        if self.problems.len() == before {
            self.problems.push(problem);
        }
        Shape::Any
    }

    /// What is known of a value by what is known of its parts.
    pub(super) fn parts(&mut self, expr: &'w Expr<'t>, may_miss: bool) -> Shape {
        match expr {
            Expr::Var(it) => self.variable(expr, it.id, may_miss),
            Expr::Const(it) => Shape::Known(it.value.clone()),
            Expr::GetAttr(it) => {
                let base = match is_loop(&it.expr) && self.local("loop").is_some() {
                    true => Shape::Round,
                    false => self.look(&it.expr, may_miss),
                };
                self.part(expr, &it.expr, &base, it.name, may_miss)
            }
            Expr::GetItem(it) => {
                let base = self.look(&it.expr, may_miss);
                let key = self.value(&it.subscript_expr);
                match (&base, &key) {
                    (Shape::Results, Shape::Known(key)) if key.as_i64().is_some() => Shape::Item,
                    (Shape::Results, Shape::Plain | Shape::Any) => Shape::Item,
                    (_, Shape::Known(key)) => match key.as_str() {
                        Some(name) => self.part(expr, &it.expr, &base, name, may_miss),
                        None => Shape::Any,
                    },
                    _ => Shape::Any,
                }
            }
            Expr::Slice(it) => {
                let base = self.value(&it.expr);
                let bounds = [&it.start, &it.stop, &it.step];
                bounds.into_iter().flatten().for_each(|bound| drop(self.value(bound)));
                match base {
                    Shape::Results | Shape::Text => base,
                    _ => Shape::Any,
                }
            }
            Expr::UnaryOp(it) => {
                let inner = self.value(&it.expr);
                match (&it.op, inner.truth()) {
                    (UnaryOpKind::Not, Some(truth)) => Shape::Known(Value::from(!truth)),
                    _ => Shape::Plain,
                }
            }
            Expr::BinOp(it) => self.operation(it, may_miss),
            Expr::Compare(it) => {
                self.value(&it.expr);
                let mut ops = it.ops.iter();
                ops.next().into_iter().for_each(|op| drop(self.value(&op.expr)));
                // `a < b < c` ends where one does not hold.
                ops.for_each(|op| drop(self.under(expr, |walk| walk.value(&op.expr))));
                Shape::Plain
            }
            Expr::IfExpr(it) => {
                let truth = self.value(&it.test_expr).truth();
                let branches = |walk: &mut Self| {
                    let yes = (truth != Some(false)).then(|| walk.look(&it.true_expr, may_miss));
                    let other = it.false_expr.as_ref().filter(|_| truth != Some(true));
                    (yes, other.map(|expr| walk.look(expr, may_miss)))
                };
                let branches = match truth {
                    None => self.under(&it.test_expr, branches),
                    Some(_) => branches(self),
                };
                match branches {
                    (Some(yes), Some(no)) => yes.or(no),
                    // Without `else` there is nothing when it does not hold, and that is
                    // fine.
                    (Some(yes), None) if truth.is_none() => yes.or(Shape::Blank),
                    (Some(only), None) | (None, Some(only)) => only,
                    (None, None) => Shape::Blank,
                }
            }
            Expr::Filter(it) => self.filter(it, may_miss),
            Expr::Test(it) => {
                let inner = self.look(&it.expr, is_question(it.name) || asks_for_type(it.name));
                self.arguments(&it.args);
                match inner {
                    Shape::Any | Shape::Vague | Shape::Perhaps | Shape::Counts(_) => Shape::Plain,
                    inner if is_question(it.name) => {
                        let is_there = !matches!(inner, Shape::Undefined | Shape::Blank);
                        Shape::Known(Value::from(is_there == (it.name == "defined")))
                    }
                    _ => Shape::Plain,
                }
            }
            Expr::Call(it) => self.call(it),
            Expr::List(it) => self.all(&it.items),
            Expr::Tuple(it) => self.all(&it.items),
            Expr::Map(it) => {
                self.all(&it.keys);
                self.all(&it.values)
            }
        }
    }

    fn all(&mut self, exprs: &'w [Expr<'t>]) -> Shape {
        exprs.iter().for_each(|expr| drop(self.value(expr)));
        if exprs.is_empty() { Shape::Counts(false) } else { Shape::Mixed }
    }

    pub(super) fn arguments(&mut self, args: &'w [CallArg<'t>]) {
        args.iter().for_each(|arg| drop(self.value(argument(arg))));
    }

    fn variable(&mut self, expr: &Expr<'t>, name: &str, may_miss: bool) -> Shape {
        if let Some(local) = self.local(name).cloned() {
            return self.own(expr, &local, name, may_miss);
        }
        match self.frame.expected(name) {
            Some(shape) => shape,
            None if may_miss => Shape::Undefined,
            None => {
                let help = self.frame.advice(name);
                let error = ResolveError::Undefined { name: name.to_owned(), help };
                self.tell(expr, error)
            }
        }
    }

    fn operation(&mut self, it: &'w ast::BinOp<'t>, may_miss: bool) -> Shape {
        let is_and = match it.op {
            BinOpKind::ScAnd => true,
            BinOpKind::ScOr => false,
            op => {
                self.value(&it.left);
                self.value(&it.right);
                return match op {
                    BinOpKind::Concat => Shape::Text,
                    BinOpKind::Add => Shape::Any,
                    _ => Shape::Plain,
                };
            }
        };
        // The left decides, or else the right is the value.
        let left = self.value(&it.left);
        match left.truth() {
            Some(truth) if truth != is_and => left,
            Some(_) => self.look(&it.right, may_miss),
            None => match self.under(&it.left, |walk| walk.look(&it.right, may_miss)) {
                shape if shape.may_miss() => Shape::Perhaps,
                right => match right.truth() {
                    Some(truth) if truth != is_and => Shape::Counts(truth),
                    _ => Shape::Any,
                },
            },
        }
    }

    fn filter(&mut self, it: &'w ast::Filter<'t>, may_miss: bool) -> Shape {
        let Some(inner) = &it.expr else {
            self.arguments(&it.args);
            return Shape::Text.filtered(it.name);
        };
        if !is_default(it.name) {
            let inner = self.value(inner);
            self.arguments(&it.args);
            self.attribute(it, &inner);
            return inner.filtered(it.name);
        }
        let inner = self.look(inner, true);
        // With a second argument the default also stands in for what is empty.
        let may_need = inner.may_miss() || it.args.len() > 1;
        let mut args = it.args.iter().map(argument);
        let other = args.next().map(|arg| self.look(arg, may_miss || !may_need));
        args.for_each(|arg| drop(self.value(arg)));
        match (inner, other) {
            (Shape::Undefined | Shape::Blank, other) => other.unwrap_or(Shape::Text),
            (Shape::Perhaps, Some(other)) if other.may_miss() => Shape::Perhaps,
            (Shape::Perhaps, _) => Shape::Any,
            (inner, Some(other)) if it.args.len() > 1 => inner.or(other),
            (inner, _) => inner,
        }
    }
}
