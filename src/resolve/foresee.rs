//! What is certainly wrong with a template, told without the results that it waits
//! for: it is walked through as it would be rendered, with the values that are
//! known, and the shapes of those that are not. Of what a condition decides that
//! hangs on a result, every branch counts.
//!
//! It must be quiet: where something may be right, nothing is said. Where it is this
//! walk that cannot follow, as with the arguments of a macro that is handed on, what
//! hangs on that is passed over (see [`locals`]).

mod evaluate;
mod expression;
mod locals;
mod loops;
mod macros;
mod parts;

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::machinery::ast::{Expr, IfCond, Macro, SetBlock, Stmt};
use minijinja::{Error, ErrorKind};

use self::locals::Local;
use super::fault::Rendering;
use super::frame::Frame;
use super::render::bare;
use super::shape::Shape;
use super::syntax::{Tree, range};
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
        let mut problems: Vec<Problem> = Vec::new();
        for problem in walk.problems {
            // The rounds of a loop have much in common.
            let is_told =
                |told: &Problem| told.span() == problem.span() && told.code() == problem.code();
            if !problems.iter().any(is_told) {
                problems.push(problem);
            }
        }
        problems.extend(self.unknown_tools(rendering, &problems));
        self.note_unread(unread);
        (problems, shape)
    }

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
    locals: Vec<HashMap<&'t str, Local<'w, 't>>>,
    /// The macros being walked through.
    within: Vec<&'w Macro<'t>>,
    /// How much around here may not be reached.
    undecided: usize,
    /// How much of that this walk cannot follow.
    vague: usize,
    /// Whether something waited for a result.
    waits: bool,
    /// How many rounds of loops may still be walked through one by one.
    rounds: usize,
    problems: Vec<Problem>,
}

impl<'w, 't> Walk<'w, 't> {
    fn new(frame: &'w Arc<Frame>, rendering: &'w Rendering<'w>) -> Self {
        Self {
            frame,
            rendering,
            locals: vec![HashMap::new()],
            within: Vec::new(),
            undecided: 0,
            vague: 0,
            waits: false,
            rounds: loops::MOST_ROUNDS,
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

    /// Walks through what hangs on a condition that is not decided, or on a loop that
    /// may have no rounds. Where vague names decide, it may be well, whatever is wrong.
    fn under<T>(&mut self, condition: &Expr<'t>, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.under_vague(self.is_vague(condition), walk)
    }

    fn under_vague<T>(&mut self, is_vague: bool, walk: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.problems.len();
        self.undecided += 1;
        self.vague += usize::from(is_vague);
        let result = walk(self);
        self.vague -= usize::from(is_vague);
        self.undecided -= 1;
        if is_vague {
            self.problems.truncate(before);
        }
        result
    }

    fn body(&mut self, statements: &'w [Stmt<'t>]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &'w Stmt<'t>) {
        match statement {
            Stmt::Template(it) => self.body(&it.children),
            Stmt::EmitExpr(it) => drop(self.value(&it.expr)),
            Stmt::ForLoop(it) => self.for_loop(it),
            Stmt::IfCond(it) => self.condition(it),
            Stmt::WithBlock(it) => self.scoped(|walk| {
                it.assignments.iter().for_each(|(target, expr)| walk.assign(target, expr));
                walk.body(&it.body);
            }),
            Stmt::Set(it) => self.assign(&it.target, &it.expr),
            Stmt::SetBlock(it) => self.set_block(it),
            Stmt::AutoEscape(it) => self.body(&it.body),
            Stmt::FilterBlock(it) => {
                self.body(&it.body);
                self.parts(&it.filter, false);
            }
            Stmt::Block(it) => self.scoped(|walk| walk.body(&it.body)),
            Stmt::Extends(it) => self.other_template(&it.name),
            Stmt::Include(it) if it.ignore_missing => drop(self.value(&it.name)),
            Stmt::Include(it) => self.other_template(&it.name),
            Stmt::Import(it) => {
                self.other_template(&it.expr);
                self.bind_vague(&it.name);
            }
            Stmt::FromImport(it) => {
                self.other_template(&it.expr);
                for (name, alias) in &it.names {
                    self.bind_vague(alias.as_ref().unwrap_or(name));
                }
            }
            Stmt::Macro(it) => self.declare(it),
            Stmt::CallBlock(it) => self.call_block(it),
            Stmt::Do(it) => drop(self.call(&it.call)),
            _ => {}
        }
    }

    fn condition(&mut self, it: &'w IfCond<'t>) {
        match self.value(&it.expr).truth() {
            Some(true) => self.body(&it.true_body),
            Some(false) => self.body(&it.false_body),
            None => self.under(&it.expr, |walk| {
                walk.either(|walk| walk.body(&it.true_body), |walk| walk.body(&it.false_body));
            }),
        }
    }

    /// What the block gives is a text. Where it waits for nothing it is known to
    /// whoever renders it, and not to this walk.
    fn set_block(&mut self, it: &'w SetBlock<'t>) {
        let outer = std::mem::take(&mut self.waits);
        self.body(&it.body);
        let shape = it.filter.as_ref().map_or(Shape::Text, |filter| self.parts(filter, false));
        self.bind(&it.target, shape, !self.waits);
        self.waits |= outer;
    }

    /// There is no other template.
    fn other_template(&mut self, name: &'w Expr<'t>) {
        let shape = self.value(name);
        let shown = match &shape {
            Shape::Known(name) => format!(" `{name}`"),
            _ => String::new(),
        };
        let error = Error::new(ErrorKind::TemplateNotFound, format!("there is no template{shown}"));
        self.fails(name, &error);
    }

    /// Reports what rendering an expression fails with.
    fn fails(&mut self, expr: &Expr<'t>, error: &Error) {
        let problem = self.frame.problem(error, self.rendering).or_at(self.place(expr));
        self.problems.push(problem);
    }

    /// Where an expression stands.
    fn place(&self, expr: &Expr<'t>) -> Option<Span> {
        self.frame.place(Some(range(expr)), self.rendering)
    }
}
