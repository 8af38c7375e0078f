//! Loops: over what is known round by round, over what is not in one round that stands
//! for all.

use minijinja::context;
use minijinja::machinery::ast::{Expr, ForLoop, Stmt};
use minijinja::value::Value;

use super::Walk;
use crate::resolve::shape::Shape;
use crate::resolve::syntax::any;

/// How many rounds are walked through one by one, in one loop and in a template.
pub(super) const MOST_ROUNDS: usize = 200;

/// What `loop` offers that hangs on more than the number of the round.
const OF_OTHER_ROUNDS: [&str; 4] = ["changed", "cycle", "nextitem", "previtem"];

/// Whether it asks `loop` for something that [`round`] does not have.
pub(super) fn asks_other_rounds(expr: &Expr<'_>) -> bool {
    any(expr, &|expr| match expr {
        Expr::GetAttr(it) => is_loop(&it.expr) && OF_OTHER_ROUNDS.contains(&it.name),
        Expr::Call(it) => is_loop(&it.expr),
        _ => false,
    })
}

/// Whether it is the `loop` of the innermost loop.
pub(super) fn is_loop(expr: &Expr<'_>) -> bool {
    super::locals::is_name(expr, "loop")
}

/// One round of a loop over what is known.
struct Round {
    item: Value,
    /// Whether the loop's filter lets it pass for certain.
    is_certain: bool,
}

impl<'w, 't> Walk<'w, 't> {
    pub(super) fn for_loop(&mut self, it: &'w ForLoop<'t>) {
        let over = self.value(&it.iter);
        let items = match &over {
            Shape::Known(value) => match value.try_iter() {
                Ok(items) => few(items, self.rounds),
                Err(error) => return self.fails(&it.iter, &error),
            },
            Shape::Blank => Some(Vec::new()),
            _ => None,
        };
        match items {
            Some(items) => self.known_rounds(it, items),
            None => self.open_rounds(it, &over),
        }
    }

    fn known_rounds(&mut self, it: &'w ForLoop<'t>, items: Vec<Value>) {
        self.rounds = self.rounds.saturating_sub(items.len());
        let rounds: Vec<Round> =
            items.into_iter().filter_map(|item| self.filtered(it, item)).collect();
        let has_certain = rounds.iter().any(|round| round.is_certain);
        let are_certain = rounds.iter().all(|round| round.is_certain);
        let count = rounds.len();
        for (index, round) in rounds.into_iter().enumerate() {
            self.scoped(|walk| {
                walk.bind(&it.target, Shape::Known(round.item), false);
                let of_loop = match are_certain {
                    true => Shape::Known(numbers(index, count)),
                    false => Shape::Round,
                };
                match (&it.filter_expr, round.is_certain) {
                    (Some(filter), false) => {
                        walk.under(filter, |walk| walk.round(it, of_loop, false))
                    }
                    _ => walk.round(it, of_loop, false),
                }
            });
        }
        match (count, &it.filter_expr) {
            (0, _) => self.body(&it.else_body),
            (_, Some(filter)) if !has_certain => {
                self.perhaps(self.is_vague(filter), &it.else_body);
            }
            _ => {}
        }
    }

    /// A round, unless the loop's filter keeps the item out.
    fn filtered(&mut self, it: &'w ForLoop<'t>, item: Value) -> Option<Round> {
        let Some(filter) = &it.filter_expr else { return Some(Round { item, is_certain: true }) };
        let truth = self.scoped(|walk| {
            walk.bind(&it.target, Shape::Known(item.clone()), false);
            walk.value(filter).truth()
        });
        match truth {
            Some(false) => None,
            truth => Some(Round { item, is_certain: truth.is_some() }),
        }
    }

    fn open_rounds(&mut self, it: &'w ForLoop<'t>, over: &Shape) {
        let is_vague = !over.is_followed() || self.is_vague(&it.iter);
        let rounds = |walk: &mut Self| {
            walk.scoped(|walk| {
                let each = if is_vague { Shape::Vague } else { over.each() };
                walk.bind(&it.target, each, is_vague);
                let Some(filter) = &it.filter_expr else {
                    return walk.round(it, Shape::Round, is_vague);
                };
                match walk.value(filter).truth() {
                    Some(true) => walk.round(it, Shape::Round, is_vague),
                    Some(false) => {}
                    None => walk.under(filter, |walk| walk.round(it, Shape::Round, is_vague)),
                }
            });
        };
        match over.has_some() {
            Some(false) => return self.body(&it.else_body),
            Some(true) => rounds(self),
            None => self.under(&it.iter, rounds),
        }
        if over.has_some() != Some(true) || it.filter_expr.is_some() {
            self.perhaps(is_vague, &it.else_body);
        }
    }

    fn round(&mut self, it: &'w ForLoop<'t>, of_loop: Shape, is_vague: bool) {
        self.set("loop", of_loop, is_vague);
        self.body(&it.body);
    }

    /// Walks through what is done when a loop has no rounds, if that may be.
    fn perhaps(&mut self, is_vague: bool, body: &'w [Stmt<'t>]) {
        self.under_vague(is_vague, |walk| walk.either(|walk| walk.body(body), |_| {}));
    }
}

/// The items, unless there are more than `most`.
fn few(items: impl Iterator<Item = Value>, most: usize) -> Option<Vec<Value>> {
    let items: Vec<Value> = items.take(most + 1).collect();
    (items.len() <= most).then_some(items)
}

/// What `loop` is in a round, but for what hangs on other rounds.
fn numbers(index: usize, count: usize) -> Value {
    context! {
        index => index + 1,
        index0 => index,
        revindex => count - index,
        revindex0 => count - index - 1,
        first => index == 0,
        last => index + 1 == count,
        length => count,
    }
}
