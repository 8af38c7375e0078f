//! Results that are compared with literal texts.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CompareOpKind, Expr};

use super::render::bare;
use super::syntax::{Tree, range};

/// A stream of a result that is compared as a whole with texts, none of which ends as
/// the outputs of commands do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The name of the result.
    pub name: String,
    /// `output` or `error`.
    pub stream: String,
    /// Where the comparison stands in the text.
    pub range: Range<usize>,
}

/// What a template compares so, or where `is_condition` an expression.
#[must_use]
pub fn of(text: &str, is_condition: bool) -> Vec<Compared> {
    let code = if is_condition { bare(text) } else { text };
    let start = code.as_ptr() as usize - text.as_ptr() as usize;
    let mut found = Vec::new();
    let Some(tree) = Tree::of(code, is_condition) else { return found };
    tree.each(&mut |expr| {
        let stream = match expr {
            Expr::BinOp(it) => match it.op {
                BinOpKind::Eq | BinOpKind::Ne => equal(&it.left, &it.right),
                BinOpKind::In => within(&it.left, &it.right),
                _ => None,
            },
            Expr::Compare(it) => {
                let lefts = std::iter::once(&it.expr).chain(it.ops.iter().map(|op| &op.expr));
                lefts.zip(&it.ops).find_map(|(left, op)| match op.op {
                    CompareOpKind::Eq | CompareOpKind::Ne => equal(left, &op.expr),
                    CompareOpKind::In | CompareOpKind::NotIn => within(left, &op.expr),
                    _ => None,
                })
            }
            _ => None,
        };
        if let Some((name, stream)) = stream {
            let range = range(expr);
            found.push(Compared {
                name: name.to_owned(),
                stream: stream.to_owned(),
                range: start + range.start..start + range.end,
            });
        }
    });
    found
}

/// `NAME.output == 'text'`, either way round.
fn equal<'t>(left: &Expr<'t>, right: &Expr<'t>) -> Option<(&'t str, &'t str)> {
    let sides = [(left, right), (right, left)];
    sides.into_iter().find_map(|(it, other)| stream(it).filter(|_| is_bare_text(other)))
}

/// `NAME.output in ['text', …]`. To stand within a text is to be a part of it.
fn within<'t>(left: &Expr<'t>, right: &Expr<'t>) -> Option<(&'t str, &'t str)> {
    let items = match right {
        Expr::List(list) => &list.items,
        Expr::Tuple(tuple) => &tuple.items,
        _ => return None,
    };
    stream(left).filter(|_| !items.is_empty() && items.iter().all(is_bare_text))
}

fn stream<'t>(expr: &Expr<'t>) -> Option<(&'t str, &'t str)> {
    let Expr::GetAttr(attribute) = expr else { return None };
    let Expr::Var(result) = &attribute.expr else { return None };
    ["output", "error"].contains(&attribute.name).then_some((result.id, attribute.name))
}

/// Whether it is a text without a newline at its end. That there is no output at all
/// is asked for with an empty one.
fn is_bare_text(expr: &Expr<'_>) -> bool {
    let Expr::Const(literal) = expr else { return false };
    literal.value.as_str().is_some_and(|text| !text.is_empty() && !text.ends_with('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_outputs_beside_literal_texts_are_found() {
        let found = |text: &str, is_condition| {
            let found = of(text, is_condition);
            let shown = found.iter().map(|it| text[it.range.clone()].to_owned());
            shown.collect::<Vec<_>>()
        };
        for text in [
            "r.output == 'active'",
            "'active' != r.error",
            "r.output in ['a', 'b']",
            "r.output not in ('a', 'b')",
        ] {
            assert_eq!(found(text, true), [text.trim_start_matches("not ")], "{text}");
        }
        assert_eq!(found("{{ r.ok and r.output == 'a' }}", true), ["r.output == 'a'"]);
        assert_eq!(found("x {{ 1 if r.output == 'a' else 2 }}", false), ["r.output == 'a'"]);
        for text in [
            "r.output | trim == 'active'",
            "r.output == ''",
            "r.output == 'a\\n'",
            "r.output == other",
            "'active' in r.output",
            "r.output in 'active'",
            "r.output in ['a', 'b\\n']",
            "r.exit_status == 'a'",
            "a.r.output == 'a'",
            "r.results[0].output == 'a'",
        ] {
            assert_eq!(found(text, true), [""; 0], "{text}");
        }
    }
}
