//! Parts of values, calls and methods: whether they are there.

use minijinja::machinery::ast::{self, CallArg, Expr};
use minijinja::value::Value;

use super::Walk;
use crate::diagnostic::Problem;
use crate::resolve::advice::method_advice;
use crate::resolve::error::ResolveError;
use crate::resolve::shape::{Shape, of_text_method};
use crate::resolve::syntax::range;

impl<'w, 't> Walk<'w, 't> {
    /// A part of a value, by name.
    pub(super) fn part(
        &mut self,
        whole: &Expr<'t>,
        base: &Expr<'t>,
        shape: &Shape,
        name: &str,
        may_miss: bool,
    ) -> Shape {
        let shown = self.shown(base);
        let found = match shape {
            Shape::Undefined => return Shape::Undefined,
            Shape::Perhaps => return Shape::Perhaps,
            // What is not there has no parts, however fine that is.
            Shape::Blank if may_miss => return Shape::Undefined,
            Shape::Blank => {
                let error = ResolveError::Undefined {
                    name: self.shown(whole),
                    help: format!("`{shown}` is empty here: give it an `else`"),
                };
                return self.tell(whole, error);
            }
            Shape::Known(value) => {
                let file = self.rendering.span.map(|span| span.file);
                let part = self.frame.within(file, || value.get_item(&Value::from(name)));
                self.frame.take_reports();
                // A secret tells its fields itself.
                if let Some(missing) = self.frame.take_missing().filter(|_| !may_miss) {
                    self.problems.push(Problem::new(missing, self.place(whole)));
                    return Shape::Any;
                }
                match part {
                    Ok(part) if part.is_undefined() => Err(self.frame.lacks(&shown, value, name)),
                    Ok(part) => Ok(Shape::Known(part)),
                    Err(_) => Ok(Shape::Any),
                }
            }
            _ => shape.part(name, &shown),
        };
        match found {
            Ok(part) => part,
            Err(_) if may_miss => Shape::Undefined,
            Err(help) => {
                let name = self.shown(whole);
                self.tell(whole, ResolveError::Undefined { name, help })
            }
        }
    }

    /// The field of results that `map(attribute=…)` asks for.
    pub(super) fn attribute(&mut self, it: &'w ast::Filter<'t>, inner: &Shape) {
        let [CallArg::Kwarg("attribute", at @ Expr::Const(name))] = it.args.as_slice() else {
            return;
        };
        if it.name == "map"
            && matches!(inner, Shape::Results)
            && let Some(name) = name.value.as_str()
            && let Err(help) = Shape::Item.part(name.split('.').next().unwrap_or(name), "item")
        {
            self.tell(at, ResolveError::Undefined { name: name.to_owned(), help });
        }
    }

    pub(super) fn call(&mut self, it: &'w ast::Call<'t>) -> Shape {
        let shape = match &it.expr {
            Expr::Var(callee) => match self.local(callee.id).map(|local| local.declared) {
                Some(Some((declared, depth))) => {
                    self.inside(declared, depth, &it.args);
                    return Shape::Vague;
                }
                Some(None) => Shape::Vague,
                None if self.frame.knows(callee.id) => Shape::Any,
                None if self.frame.expected(callee.id).is_some() => Shape::Any,
                None => {
                    let error = self.frame.unknown_function(callee.id);
                    self.tell(&it.expr, error)
                }
            },
            Expr::GetAttr(callee) => {
                let base = self.value(&callee.expr);
                self.method(&it.expr, &callee.expr, &base, callee.name)
            }
            callee => {
                self.value(callee);
                Shape::Any
            }
        };
        self.arguments(&it.args);
        shape
    }

    fn method(&mut self, whole: &Expr<'t>, base: &Expr<'t>, shape: &Shape, name: &str) -> Shape {
        let known = match shape {
            Shape::Text => of_text_method(name),
            Shape::Result | Shape::Item if ["get", "items", "keys", "values"].contains(&name) => {
                Some(Shape::Any)
            }
            Shape::Results if name == "count" => Some(Shape::Plain),
            Shape::Result | Shape::Item | Shape::Results | Shape::Plain => None,
            Shape::Mixed | Shape::Vague | Shape::Round => Some(Shape::Vague),
            Shape::Known(_)
            | Shape::OneOf(_)
            | Shape::Undefined
            | Shape::Perhaps
            | Shape::Blank
            | Shape::Counts(_)
            | Shape::Any => Some(Shape::Any),
        };
        if let Some(known) = known {
            return known;
        }
        let shown = self.shown(base);
        let help = match shape {
            Shape::Result | Shape::Item => None,
            _ => method_advice(name),
        };
        let help = help.unwrap_or_else(|| shape.advice(&shown));
        let kind = shape.kind();
        let error = ResolveError::UnknownMethod { value: shown, kind, name: name.to_owned(), help };
        self.tell(whole, error)
    }

    /// An expression as it is written.
    fn shown(&self, expr: &Expr<'t>) -> String {
        self.rendering.code.get(range(expr)).unwrap_or_default().to_owned()
    }

    /// Reports an error at an expression.
    pub(super) fn tell(&mut self, expr: &Expr<'t>, error: ResolveError) -> Shape {
        self.problems.push(Problem::new(error, self.place(expr)));
        Shape::Any
    }
}
