//! Lets `a.b.c | default(…)` and `a.b.c is defined` do without `a` and `a.b`, as they
//! do in Ansible, while everything else stays strict. minijinja knows only one
//! rule for a whole template, so the parts of such chains get defaults of their own,
//! and the names that they begin with a mark: what such a name stands for may miss
//! because something within it does.

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, Expr};

use super::code::Code;
use super::syntax::{Tree, argument, range};

/// Code in which chains below a default or a question may break off early.
#[derive(Debug)]
pub(super) struct Softened {
    pub(super) text: String,
    /// Where something was put in, by places in the code as written, and how much.
    inserts: Vec<(usize, usize)>,
}

/// What stands before a name whose value may miss.
const SOFT: &str = "__soft__";
/// What stands before a name a part of whose value may miss.
const SOFT_PARTS: &str = "__soft_parts__";
/// Names that the language gives a value.
const OF_LANGUAGE: [&str; 6] = ["loop", "self", "super", "caller", "varargs", "kwargs"];

const OPEN: &str = "(";
const CLOSE: &str = "|default({}))";

impl Softened {
    /// `None` where there is nothing to soften.
    pub(super) fn of(code: &str, is_expression: bool) -> Option<Self> {
        // Most code has neither, and need not be parsed.
        if !["default", "defined", "|d", "| d"].iter().any(|word| code.contains(word)) {
            return None;
        }
        let own = match is_expression {
            true => BTreeSet::new(),
            false => Code::of_template(code).assigned(),
        };
        let mut soft = Softening { own, inserts: Vec::new() };
        Tree::of(code, is_expression)?.each(&mut |expr| match expr {
            Expr::Filter(it) if is_default(it.name) => {
                // The default is looked up whether it is needed or not.
                let default = it.args.first().map(argument);
                it.expr.iter().chain(default).for_each(|expr| soft.may_miss(expr));
            }
            Expr::Test(it) if is_question(it.name) => soft.may_miss(&it.expr),
            _ => {}
        });
        let mut inserts = soft.inserts;
        inserts.sort_by_key(|(at, _)| *at);
        if inserts.is_empty() {
            return None;
        }
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

/// The name behind a mark, and whether a part of its value may miss rather than it.
pub(super) fn marked(name: &str) -> Option<(&str, bool)> {
    match name.strip_prefix(SOFT) {
        Some(name) => Some((name, false)),
        None => name.strip_prefix(SOFT_PARTS).map(|name| (name, true)),
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

/// What is put in where.
struct Softening<'t> {
    /// The names that the template gives a value itself.
    own: BTreeSet<&'t str>,
    inserts: Vec<(usize, &'static str)>,
}

impl Softening<'_> {
    /// Softens what the value of an expression may be.
    fn may_miss(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::IfExpr(it) => {
                self.may_miss(&it.true_expr);
                it.false_expr.iter().for_each(|expr| self.may_miss(expr));
            }
            Expr::BinOp(it) if matches!(it.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
                self.may_miss(&it.right);
            }
            Expr::Var(it) => self.mark(expr, it.id, SOFT),
            _ => base(expr).into_iter().for_each(|base| self.soften(base)),
        }
    }

    /// Softens what the value of an expression is a part of.
    fn soften(&mut self, expr: &Expr<'_>) {
        let inner = base(expr);
        if inner.is_none() && !matches!(expr, Expr::Var(_)) {
            return;
        }
        let place = range(expr);
        self.inserts.push((place.start, OPEN));
        self.inserts.push((place.end, CLOSE));
        match (inner, expr) {
            (Some(inner), _) => self.soften(inner),
            (None, Expr::Var(it)) => self.mark(expr, it.id, SOFT_PARTS),
            _ => {}
        }
    }

    fn mark(&mut self, expr: &Expr<'_>, name: &str, mark: &'static str) {
        if !self.own.contains(name) && !OF_LANGUAGE.contains(&name) {
            self.inserts.push((range(expr).start, mark));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_softened_below_a_default_or_a_question_only() {
        for (code, is_expression, expected) in [
            ("a.b | default(1)", true, Some("(P:a|default({})).b | default(1)")),
            (
                "a['b'].c is defined",
                true,
                Some("((P:a|default({}))['b']|default({})).c is defined"),
            ),
            (
                "(a.b).c is not defined",
                true,
                Some("(((P:a|default({})).b|default({}))).c is not defined"),
            ),
            ("a | default(b.c)", true, Some("S:a | default((P:b|default({})).c)")),
            (
                "(a.b if c.d else x or e.f) | default(1)",
                true,
                Some("((P:a|default({})).b if c.d else x or (P:e|default({})).f) | default(1)"),
            ),
            ("a | default(1)", true, Some("S:a | default(1)")),
            ("(a and b) is defined and b", true, Some("(a and S:b) is defined and b")),
            ("a | upper | default(1)", true, None),
            ("a.b ~ 'default'", true, None),
            ("{{ a.b }}{{ c.d|d }}", false, Some("{{ a.b }}{{ (P:c|default({})).d|d }}")),
            ("{% set a = b %}{{ a|d }}", false, None),
            ("{% for a in [1] %}{{ loop is defined }}{% endfor %}", false, None),
        ] {
            let softened = Softened::of(code, is_expression);
            let text = softened
                .map(|softened| softened.text.replace(SOFT, "S:").replace(SOFT_PARTS, "P:"));
            assert_eq!(text.as_deref(), expected, "{code}");
        }
    }

    #[test]
    fn places_are_found_again() {
        let code = "a.b.c | default(x) ~ nowhere";
        let softened = Softened::of(code, true).unwrap();
        for word in ["nowhere", "x", "c"] {
            let at = softened.text.rfind(word).unwrap();
            assert_eq!(&code[softened.original(at..at + word.len())], word, "{}", softened.text);
        }
    }
}
