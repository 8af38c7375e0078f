//! What is certainly wrong with a template, told without the results that it waits
//! for: it is walked through as it would be rendered, with the values that are
//! known, and the shapes of those that are not. Of what a condition decides that
//! cannot be told yet, every branch counts.
//!
//! It must be quiet: where something may be right, nothing is said.

mod expression;
mod locals;
mod parts;

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::machinery::ast::{ForLoop, Macro, Stmt};

use self::locals::Local;
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
    locals: Vec<HashMap<&'t str, Local>>,
    macros: HashMap<&'t str, &'w Macro<'t>>,
    /// The macros being walked through.
    within: Vec<&'t str>,
    /// How many conditions around here are not decided yet.
    undecided: usize,
    /// How many loops are around here.
    rounds: usize,
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
            rounds: 0,
            problems: Vec::new(),
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
                None => self.under(&it.expr, |walk| {
                    walk.undecided += 1;
                    walk.body(&it.true_body);
                    walk.body(&it.false_body);
                    walk.undecided -= 1;
                }),
            },
            Stmt::WithBlock(it) => self.scoped(|walk| {
                for (target, expr) in &it.assignments {
                    walk.assign(target, expr);
                }
                walk.body(&it.body);
            }),
            Stmt::Set(it) => self.assign(&it.target, &it.expr),
            Stmt::SetBlock(it) => {
                self.scoped(|walk| walk.body(&it.body));
                it.filter.iter().for_each(|filter| drop(self.parts(filter, false)));
                self.bind_text(&it.target);
            }
            Stmt::AutoEscape(it) => self.body(&it.body),
            Stmt::FilterBlock(it) => {
                self.scoped(|walk| walk.body(&it.body));
                self.parts(&it.filter, false);
            }
            Stmt::Block(it) => self.scoped(|walk| walk.body(&it.body)),
            Stmt::Import(it) => self.bind_vague(&it.name),
            Stmt::FromImport(it) => {
                for (name, alias) in &it.names {
                    self.bind_vague(alias.as_ref().unwrap_or(name));
                }
            }
            Stmt::Macro(it) => {
                self.macros.insert(it.name, it);
                self.set_vague(it.name);
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
        match has_some {
            Some(true) => self.loop_body(it, &over),
            Some(false) => {}
            None => self.under(&it.iter, |walk| walk.loop_body(it, &over)),
        }
        if has_some != Some(true) || it.filter_expr.is_some() {
            self.body(&it.else_body);
        }
    }

    fn loop_body(&mut self, it: &'w ForLoop<'t>, over: &Shape) {
        self.rounds += 1;
        self.scoped(|walk| {
            walk.set_vague("loop");
            walk.bind_each(&it.target, &it.iter, over);
            let Some(filter) = &it.filter_expr else { return walk.body(&it.body) };
            match walk.value(filter).truth() {
                Some(true) => walk.body(&it.body),
                Some(false) => {}
                None => walk.under(filter, |walk| walk.body(&it.body)),
            }
        });
        self.rounds -= 1;
    }

    /// The body of a macro, with arguments that nothing is known of.
    fn inside(&mut self, it: &'w Macro<'t>) {
        if self.within.contains(&it.name) {
            return;
        }
        self.within.push(it.name);
        self.scoped(|walk| {
            walk.set_vague("caller");
            it.args.iter().for_each(|arg| walk.bind_vague(arg));
            for default in &it.defaults {
                walk.value(default);
            }
            walk.body(&it.body);
        });
        self.within.pop();
    }
}
