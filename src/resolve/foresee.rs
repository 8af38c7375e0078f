//! What is certainly wrong with a template, told without the results that it waits
//! for: it is walked through as it would be rendered, with the values that are
//! known, and the shapes of those that are not. Of what a condition decides that
//! cannot be told yet, every branch counts.
//!
//! It must be quiet: where something may be right, nothing is said.

mod expression;
mod parts;

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::machinery::ast::{Expr, ForLoop, Macro, Stmt};

use super::fault::Rendering;
use super::frame::Frame;
use super::render::bare;
use super::shape::Shape;
use super::syntax::Tree;
use crate::diagnostic::Problem;
use crate::load::source::Span;

impl Frame {
    /// All that is certainly wrong with a template, and what is known of its value.
    pub(super) fn foresee(self: &Arc<Self>, rendering: &Rendering<'_>) -> (Vec<Problem>, Shape) {
        let Some(tree) = Tree::of(rendering.code, rendering.is_expression) else {
            return (Vec::new(), Shape::Any);
        };
        let unread = self.is_unread();
        let mut walk = Walk::new(self, rendering);
        let shape = match &tree {
            Tree::Expression(expr) => walk.value(expr),
            Tree::Template(statement) => {
                walk.statement(statement);
                Shape::Text
            }
        };
        let mut problems = walk.problems;
        problems.extend(self.unknown_tools(rendering, &problems));
        self.note_unread(unread);
        (problems, shape)
    }
}

impl Frame {
    /// What is known of the value of a template.
    pub(super) fn shape_of(self: &Arc<Self>, text: &str, span: Option<Span>) -> Shape {
        self.foresee(&Rendering::new(bare(text), text, span, true)).1
    }
}

/// A walk through one template.
struct Walk<'w, 't> {
    frame: &'w Arc<Frame>,
    rendering: &'w Rendering<'w>,
    /// The names that the template itself gives, innermost last.
    locals: Vec<HashMap<&'t str, Shape>>,
    macros: HashMap<&'t str, &'w Macro<'t>>,
    /// The macros being walked through.
    within: Vec<&'t str>,
    /// How many conditions around here are not decided yet.
    undecided: usize,
    problems: Vec<Problem>,
}

impl<'w, 't> Walk<'w, 't> {
    fn new(frame: &'w Arc<Frame>, rendering: &'w Rendering<'w>) -> Self {
        Self {
            frame,
            rendering,
            locals: vec![HashMap::new()],
            macros: HashMap::new(),
            within: Vec::new(),
            undecided: 0,
            problems: Vec::new(),
        }
    }

    fn local(&self, name: &str) -> Option<&Shape> {
        self.locals.iter().rev().find_map(|names| names.get(name))
    }

    fn set(&mut self, name: &'t str, shape: Shape) {
        if let Some(names) = self.locals.last_mut() {
            names.insert(name, shape);
        }
    }

    /// Gives names to a value, or to its parts.
    fn bind(&mut self, target: &Expr<'t>, shape: Shape) {
        match target {
            Expr::Var(it) => self.set(it.id, shape),
            Expr::List(it) => it.items.iter().for_each(|item| self.bind(item, Shape::Any)),
            Expr::Tuple(it) => it.items.iter().for_each(|item| self.bind(item, Shape::Any)),
            _ => {}
        }
    }

    /// What is known of a value for as long as a template's own name stands for it. A
    /// name may be given another value in a branch or, in a namespace, anywhere; what
    /// a result will look like is worth the look, and what is known is looked at where
    /// the template is rendered.
    fn lasting(&mut self, expr: &'w Expr<'t>) -> Shape {
        match self.value(expr) {
            Shape::Known(_) => Shape::Any,
            _ if self.undecided > 0 => Shape::Any,
            shape => shape,
        }
    }

    /// Walks in a scope of its own.
    fn scoped<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.locals.push(HashMap::new());
        let result = walk(self);
        self.locals.pop();
        result
    }

    fn body(&mut self, statements: &'w [Stmt<'t>]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &'w Stmt<'t>) {
        match statement {
            Stmt::Template(it) => self.body(&it.children),
            Stmt::EmitExpr(it) => {
                self.value(&it.expr);
            }
            Stmt::ForLoop(it) => self.for_loop(it),
            Stmt::IfCond(it) => match self.value(&it.expr).truth() {
                Some(true) => self.body(&it.true_body),
                Some(false) => self.body(&it.false_body),
                None => {
                    self.undecided += 1;
                    self.body(&it.true_body);
                    self.body(&it.false_body);
                    self.undecided -= 1;
                }
            },
            Stmt::WithBlock(it) => self.scoped(|walk| {
                for (target, expr) in &it.assignments {
                    let shape = walk.lasting(expr);
                    walk.bind(target, shape);
                }
                walk.body(&it.body);
            }),
            Stmt::Set(it) => {
                let shape = self.lasting(&it.expr);
                self.bind(&it.target, shape);
            }
            Stmt::SetBlock(it) => {
                self.scoped(|walk| walk.body(&it.body));
                it.filter.iter().for_each(|filter| drop(self.parts(filter, false)));
                self.bind(&it.target, Shape::Text);
            }
            Stmt::AutoEscape(it) => self.body(&it.body),
            Stmt::FilterBlock(it) => {
                self.scoped(|walk| walk.body(&it.body));
                self.parts(&it.filter, false);
            }
            Stmt::Block(it) => self.scoped(|walk| walk.body(&it.body)),
            Stmt::Import(it) => self.bind(&it.name, Shape::Any),
            Stmt::FromImport(it) => {
                for (name, alias) in &it.names {
                    self.bind(alias.as_ref().unwrap_or(name), Shape::Any);
                }
            }
            Stmt::Macro(it) => {
                self.macros.insert(it.name, it);
                self.set(it.name, Shape::Any);
            }
            Stmt::CallBlock(it) => {
                self.call(&it.call);
                self.inside(&it.macro_decl);
            }
            Stmt::Do(it) => {
                self.call(&it.call);
            }
            _ => {}
        }
    }

    fn for_loop(&mut self, it: &'w ForLoop<'t>) {
        let over = self.value(&it.iter);
        let has_some = over.has_some();
        if has_some != Some(false) {
            self.scoped(|walk| {
                walk.set("loop", Shape::Any);
                walk.bind(&it.target, over.each());
                let holds = it.filter_expr.as_ref().map(|expr| walk.value(expr).truth());
                if holds != Some(Some(false)) {
                    walk.body(&it.body);
                }
            });
        }
        if has_some != Some(true) || it.filter_expr.is_some() {
            self.body(&it.else_body);
        }
    }

    /// The body of a macro, with arguments that nothing is known of.
    fn inside(&mut self, it: &'w Macro<'t>) {
        if self.within.contains(&it.name) {
            return;
        }
        self.within.push(it.name);
        self.scoped(|walk| {
            walk.set("caller", Shape::Any);
            it.args.iter().for_each(|arg| walk.bind(arg, Shape::Any));
            for default in &it.defaults {
                walk.value(default);
            }
            walk.body(&it.body);
        });
        self.within.pop();
    }
}
