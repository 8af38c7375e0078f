//! Lets `a.b.c | default(…)` and `a.b.c is defined` do without `a` and `a.b`, as they
//! do in Ansible, while everything else stays strict. minijinja knows only one
//! rule for a whole template, so the parts of such chains get defaults of their own.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, Expr};

use super::syntax::{Tree, argument, range};

/// Code in which chains below a default or a question may break off early.
#[derive(Debug)]
pub(super) struct Softened {
    pub(super) text: String,
    /// Where something was put in, by places in the code as written, and how much.
    inserts: Vec<(usize, usize)>,
}

const OPEN: &str = "(";
const CLOSE: &str = "|default({}))";

impl Softened {
    /// `None` where there is nothing to soften.
    pub(super) fn of(code: &str, is_expression: bool) -> Option<Self> {
        // Most code has neither, and need not be parsed.
        if !["default", "defined", "|d", "| d"].iter().any(|word| code.contains(word)) {
            return None;
        }
        let mut inserts: Vec<(usize, &str)> = Vec::new();
        Tree::of(code, is_expression)?.each(&mut |expr| match expr {
            Expr::Filter(it) if is_default(it.name) => {
                // The default is looked up whether it is needed or not.
                let default = it.args.first().map(argument);
                it.expr.iter().chain(default).for_each(|expr| may_miss(expr, &mut inserts));
            }
            Expr::Test(it) if is_question(it.name) => may_miss(&it.expr, &mut inserts),
            _ => {}
        });
        if inserts.is_empty() {
            return None;
        }
        inserts.sort_by_key(|(at, _)| *at);
        let mut text = String::with_capacity(code.len() + 16 * inserts.len());
        let mut from = 0;
        for (at, insert) in &inserts {
            text.push_str(code.get(from..*at)?);
            text.push_str(insert);
            from = *at;
        }
        text.push_str(code.get(from..)?);
        Tree::of(&text, is_expression)?;
        let inserts = inserts.into_iter().map(|(at, insert)| (at, insert.len())).collect();
        Some(Self { text, inserts })
    }

    /// Where a part of the softened code stands in the code as written.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        self.place(range.start)..self.place(range.end)
    }

    fn place(&self, at: usize) -> usize {
        let mut shift = 0;
        for (place, len) in &self.inserts {
            match at.checked_sub(place + shift) {
                Some(past) if past >= *len => shift += len,
                Some(past) if past > 0 => return *place,
                _ => break,
            }
        }
        at - shift
    }
}

/// Whether the filter gives a value to what has none.
pub(super) fn is_default(filter: &str) -> bool {
    ["default", "d"].contains(&filter)
}

/// Whether the test asks if something has a value.
pub(super) fn is_question(test: &str) -> bool {
    ["defined", "undefined"].contains(&test)
}

/// What the last part of a chain is a part of.
fn base<'a, 't>(expr: &'a Expr<'t>) -> Option<&'a Expr<'t>> {
    match expr {
        Expr::GetAttr(it) => Some(&it.expr),
        Expr::GetItem(it) => Some(&it.expr),
        _ => None,
    }
}

/// Softens the chains whose value an expression may be.
fn may_miss(expr: &Expr<'_>, inserts: &mut Vec<(usize, &'static str)>) {
    match expr {
        Expr::IfExpr(it) => {
            may_miss(&it.true_expr, inserts);
            it.false_expr.iter().for_each(|expr| may_miss(expr, inserts));
        }
        Expr::BinOp(it) if matches!(it.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
            may_miss(&it.right, inserts);
        }
        _ => base(expr).into_iter().for_each(|base| soften(base, inserts)),
    }
}

fn soften(expr: &Expr<'_>, inserts: &mut Vec<(usize, &'static str)>) {
    let inner = base(expr);
    if inner.is_none() && !matches!(expr, Expr::Var(_)) {
        return;
    }
    let place = range(expr);
    inserts.push((place.start, OPEN));
    inserts.push((place.end, CLOSE));
    if let Some(inner) = inner {
        soften(inner, inserts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_softened_below_a_default_or_a_question_only() {
        for (code, is_expression, expected) in [
            ("a.b | default(1)", true, Some("(a|default({})).b | default(1)")),
            ("a['b'].c is defined", true, Some("((a|default({}))['b']|default({})).c is defined")),
            (
                "(a.b).c is not defined",
                true,
                Some("(((a|default({})).b|default({}))).c is not defined"),
            ),
            ("a | default(b.c)", true, Some("a | default((b|default({})).c)")),
            (
                "(a.b if c.d else x or e.f) | default(1)",
                true,
                Some("((a|default({})).b if c.d else x or (e|default({})).f) | default(1)"),
            ),
            ("a | default(1)", true, None),
            ("a.b ~ 'default'", true, None),
            ("{{ a.b }}{{ c.d|d }}", false, Some("{{ a.b }}{{ (c|default({})).d|d }}")),
        ] {
            let softened = Softened::of(code, is_expression);
            let text = softened.as_ref().map(|softened| softened.text.as_str());
            assert_eq!(text, expected, "{code}");
        }
    }

    #[test]
    fn places_are_found_again() {
        let code = "a.b.c | default(x) ~ nowhere";
        let softened = Softened::of(code, true).unwrap();
        for word in ["nowhere", "default(x)", "c"] {
            let at = softened.text.rfind(word).unwrap();
            assert_eq!(&code[softened.original(at..at + word.len())], word, "{}", softened.text);
        }
    }
}
