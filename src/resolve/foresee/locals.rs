//! The names that a template itself gives: what they stand for, and how sure that is.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::machinery::ast::Expr;
use minijinja::value::{Object, Value};

use super::Walk;
use crate::resolve::frame::Frame;
use crate::resolve::shape::Shape;
use crate::resolve::syntax::any;

/// What a name stands for.
pub(super) struct Local {
    shape: Shape,
    /// Whether it is this walk that cannot tell, and not that it depends on a result:
    /// the item of a loop, an argument of a macro, what is given in a branch.
    is_vague: bool,
}

impl<'w, 't> Walk<'w, 't> {
    pub(super) fn local(&self, name: &str) -> Option<&Shape> {
        self.own(name).map(|local| &local.shape)
    }

    fn own(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find_map(|names| names.get(name))
    }

    fn set(&mut self, name: &'t str, shape: Shape, is_vague: bool) {
        if let Some(names) = self.locals.last_mut() {
            names.insert(name, Local { shape, is_vague });
        }
    }

    /// Gives a name to something that this walk cannot follow.
    pub(super) fn set_vague(&mut self, name: &'t str) {
        self.set(name, Shape::Any, true);
    }

    /// Gives names to a value, or to its parts.
    fn bind(&mut self, target: &Expr<'t>, shape: Shape, is_vague: bool) {
        let parts = match target {
            Expr::Var(it) => return self.set(it.id, shape, is_vague),
            Expr::List(it) => &it.items,
            Expr::Tuple(it) => &it.items,
            _ => return,
        };
        let is_vague = is_vague || matches!(shape, Shape::Known(_));
        parts.iter().for_each(|part| self.bind(part, Shape::Any, is_vague));
    }

    /// Gives a name to something that this walk cannot follow, or names to its parts.
    pub(super) fn bind_vague(&mut self, target: &Expr<'t>) {
        self.bind(target, Shape::Any, true);
    }

    /// Gives names to what a loop over `over`, the value of `iter`, goes through.
    pub(super) fn bind_each(&mut self, target: &Expr<'t>, iter: &Expr<'t>, over: &Shape) {
        let is_vague = matches!(over, Shape::Known(_)) || self.is_vague(iter);
        self.bind(target, over.each(), is_vague);
    }

    /// Gives names to what a `set` or `with` gives. It stays as long as the name stands
    /// for it: a name may be given another value in a branch, in the next round of a
    /// loop or, in a namespace, anywhere.
    pub(super) fn assign(&mut self, target: &Expr<'t>, expr: &'w Expr<'t>) {
        let shape = self.value(expr);
        let calls = |expr: &Expr<'t>| matches!(expr, Expr::Call(_));
        let is_passing = matches!(shape, Shape::Known(_))
            && (self.rounds > 0 || !self.within.is_empty() || any(expr, &calls));
        match self.undecided > 0 || is_passing {
            true => self.bind(target, Shape::Any, true),
            false => {
                let is_vague = !matches!(shape, Shape::Known(_)) && self.is_vague(expr);
                self.bind(target, shape, is_vague);
            }
        }
    }

    /// Gives a name to a text.
    pub(super) fn bind_text(&mut self, target: &Expr<'t>) {
        self.bind(target, Shape::Text, false);
    }

    fn is_vague(&self, expr: &Expr<'t>) -> bool {
        any(expr, &|expr| match expr {
            Expr::Var(it) => self.own(it.id).is_some_and(|local| local.is_vague),
            _ => false,
        })
    }

    /// Walks through what depends on a condition that is not decided, or on a loop that
    /// may have no rounds. Where vague names decide, it may be well, whatever is wrong.
    pub(super) fn under<T>(
        &mut self,
        condition: &Expr<'t>,
        walk: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let is_vague = self.is_vague(condition);
        let before = self.problems.len();
        let result = walk(self);
        if is_vague {
            self.problems.truncate(before);
        }
        result
    }

    /// What the expression sees: the frame, and before it the names of the template's
    /// own; `None` where it uses one of them that is not known.
    pub(super) fn sight(&self, expr: &Expr<'t>) -> Option<Value> {
        let own: HashMap<&'t str, &Local> = self
            .locals
            .iter()
            .flatten()
            .map(|(name, local)| (*name, local))
            .filter(|(name, _)| any(expr, &|expr| is_name(expr, name)))
            .collect();
        let known = own.into_iter().map(|(name, local)| match &local.shape {
            Shape::Known(value) => Some((name.to_owned(), value.clone())),
            _ => None,
        });
        let own: HashMap<String, Value> = known.collect::<Option<_>>()?;
        Some(match own.is_empty() {
            true => Value::from_dyn_object(Arc::clone(self.frame)),
            false => Value::from_object(Sight { own, frame: Arc::clone(self.frame) }),
        })
    }
}

fn is_name(expr: &Expr<'_>, name: &str) -> bool {
    matches!(expr, Expr::Var(it) if it.id == name)
}

/// A frame behind the names of a template's own.
#[derive(Debug)]
struct Sight {
    own: HashMap<String, Value>,
    frame: Arc<Frame>,
}

impl Object for Sight {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str().and_then(|name| self.own.get(name)) {
            Some(value) => Some(value.clone()),
            None => self.frame.get_value(key),
        }
    }
}
