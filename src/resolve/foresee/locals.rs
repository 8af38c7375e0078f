//! The names that a template itself gives: what they stand for, and how sure that is.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::machinery::ast::{Expr, Macro};
use minijinja::value::{Object, Value};

use super::Walk;
use crate::resolve::error::ResolveError;
use crate::resolve::frame::Frame;
use crate::resolve::shape::Shape;
use crate::resolve::syntax::any;

/// In how many ways an expression is tried whose names have several values each.
const MOST_SIGHTS: usize = 8;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) struct Local<'w, 't> {
    pub(super) shape: Shape,
    /// Whether it is this walk that cannot tell, and not that it hangs on a result.
    is_vague: bool,
    /// Whether only some branch gave it.
    is_partial: bool,
    /// The macro that it is, and how many scopes that sees.
    pub(super) declared: Option<(&'w Macro<'t>, usize)>,
}

impl Local<'_, '_> {
    /// What the name stands for when it got its value in one branch or in another.
    fn or(&self, other: &Self, is_vague: bool) -> Self {
        let shape = self.shape.clone().or(other.shape.clone());
        // Several macros under one name are not looked into.
        let is_same = std::mem::discriminant(&self.shape) == std::mem::discriminant(&shape);
        Self {
            is_vague: self.is_vague || other.is_vague || is_vague && !is_same,
            is_partial: self.is_partial || other.is_partial,
            declared: self.declared.filter(|_| other.declared.is_some()),
            shape,
        }
    }
}

impl<'w, 't> Walk<'w, 't> {
    pub(super) fn local(&self, name: &str) -> Option<&Local<'w, 't>> {
        self.locals.iter().rev().find_map(|names| names.get(name))
    }

    pub(super) fn set(&mut self, name: &'t str, shape: Shape, is_vague: bool) {
        let is_vague = is_vague || matches!(shape, Shape::Mixed | Shape::Vague);
        self.give(name, Local { shape, is_vague, is_partial: false, declared: None });
    }

    /// Gives a name to a macro.
    pub(super) fn declare(&mut self, it: &'w Macro<'t>) {
        let declared = Some((it, self.locals.len()));
        self.give(
            it.name,
            Local { shape: Shape::Vague, is_vague: true, is_partial: false, declared },
        );
    }

    fn give(&mut self, name: &'t str, local: Local<'w, 't>) {
        if let Some(names) = self.locals.last_mut() {
            names.insert(name, local);
        }
    }

    /// Gives names to a value, or to its parts.
    pub(super) fn bind(&mut self, target: &'w Expr<'t>, shape: Shape, is_vague: bool) {
        let parts = match target {
            Expr::Var(it) => return self.set(it.id, shape, is_vague),
            Expr::List(it) => &it.items,
            Expr::Tuple(it) => &it.items,
            // A part of a namespace.
            Expr::GetAttr(it) => return drop(self.value(&it.expr)),
            _ => return,
        };
        let Shape::Known(whole) = &shape else {
            let part = if shape.is_followed() { Shape::Any } else { Shape::Vague };
            return parts.iter().for_each(|target| self.bind(target, part.clone(), is_vague));
        };
        let values: Vec<Value> = whole.try_iter().map(Iterator::collect).unwrap_or_default();
        if values.len() != parts.len() {
            let (expected, got) = (parts.len(), values.len());
            let error = ResolveError::Template {
                message: format!("{expected} names for {got} values"),
                help: "give as many names as the value has parts".to_owned(),
            };
            self.tell(target, error);
            return parts.iter().for_each(|part| self.bind_vague(part));
        }
        for (part, value) in parts.iter().zip(values) {
            self.bind(part, Shape::Known(value), is_vague);
        }
    }

    /// Gives a name to something that this walk cannot follow, or names to its parts.
    pub(super) fn bind_vague(&mut self, target: &'w Expr<'t>) {
        self.bind(target, Shape::Vague, true);
    }

    /// Gives names to what a `set` or `with` gives.
    pub(super) fn assign(&mut self, target: &'w Expr<'t>, expr: &'w Expr<'t>) {
        if let (Expr::Var(target), Expr::Var(source)) = (target, expr)
            && let Some(local) = self.local(source.id).filter(|local| local.declared.is_some())
        {
            let local = local.clone();
            return self.give(target.id, local);
        }
        let shape = self.value(expr);
        // What is in a namespace may change anywhere.
        let makes_namespace = |expr: &Expr<'t>| is_name(expr, "namespace");
        match any(expr, &makes_namespace) {
            true => self.bind_vague(target),
            false => {
                let is_vague = !shape.is_exact() && self.is_vague(expr);
                self.bind(target, shape, is_vague);
            }
        }
    }

    /// Whether names decide the value that this walk cannot follow.
    pub(super) fn is_vague(&self, expr: &Expr<'t>) -> bool {
        any(expr, &|expr| match expr {
            Expr::Var(it) => self.local(it.id).is_some_and(|local| local.is_vague),
            _ => false,
        })
    }

    /// Walks through two branches of which one is taken. A name stands then for what
    /// either gave it.
    pub(super) fn either(&mut self, one: impl FnOnce(&mut Self), other: impl FnOnce(&mut Self)) {
        let before = self.locals.clone();
        one(self);
        let mut after = std::mem::replace(&mut self.locals, before);
        other(self);
        let is_vague = self.vague > 0;
        for (ours, theirs) in self.locals.iter_mut().zip(&mut after) {
            for (name, local) in ours.iter_mut() {
                match theirs.remove(name) {
                    Some(their) => *local = their.or(local, is_vague),
                    None => local.is_partial = true,
                }
            }
            for (name, local) in theirs.drain() {
                ours.insert(name, Local { is_partial: true, ..local });
            }
        }
    }

    /// What is known of a name of the template's own; an error where it need not be there
    /// and has to.
    pub(super) fn own(
        &mut self,
        expr: &Expr<'t>,
        local: &Local<'w, 't>,
        name: &str,
        may_miss: bool,
    ) -> Shape {
        let is_missing = matches!(local.shape, Shape::Undefined);
        let may_be_missing = is_missing || local.is_partial;
        match may_be_missing {
            true if may_miss && is_missing => Shape::Undefined,
            true if may_miss => Shape::Perhaps,
            // A use in a branch may go with the branch that gave the name.
            true if is_missing || self.undecided == 0 && !local.is_vague => {
                let help = self.frame.advice(name);
                self.tell(expr, ResolveError::Undefined { name: name.to_owned(), help })
            }
            _ => local.shape.clone(),
        }
    }

    /// What the expression sees, in every way that is possible: the frame, and before it
    /// the names of the template's own. `None` where one of these is not known.
    pub(super) fn sights(&self, expr: &Expr<'t>) -> Option<Vec<Value>> {
        let mut own: HashMap<&'t str, &Local<'w, 't>> = HashMap::new();
        for (name, local) in self.locals.iter().flatten() {
            if any(expr, &|expr| is_name(expr, name)) {
                own.insert(name, local);
            }
        }
        let mut sights: Vec<HashMap<String, Value>> = vec![HashMap::new()];
        for (name, local) in own {
            let values: &[Value] = match &local.shape {
                _ if local.is_partial => return None,
                Shape::Known(value) => std::slice::from_ref(value),
                Shape::OneOf(values) => values,
                _ => return None,
            };
            if sights.len() * values.len() > MOST_SIGHTS {
                return None;
            }
            let with = |value: &Value| {
                let pair = (name.to_owned(), value.clone());
                sights.iter().cloned().map(move |sight| {
                    sight.into_iter().chain([pair.clone()]).collect::<HashMap<_, _>>()
                })
            };
            sights = values.iter().flat_map(with).collect();
        }
        let sight = |own: HashMap<String, Value>| match own.is_empty() {
            true => Value::from_dyn_object(Arc::clone(self.frame)),
            false => Value::from_object(Sight { own, frame: Arc::clone(self.frame) }),
        };
        Some(sights.into_iter().map(sight).collect())
    }
}

pub(super) fn is_name(expr: &Expr<'_>, name: &str) -> bool {
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
        let name = key.as_str()?;
        self.own.get(name).cloned().or_else(|| self.frame.lookup(name))
    }
}
