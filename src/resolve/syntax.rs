//! The syntax tree of a template, as minijinja reads it: what stands in it, where,
//! and how it is written.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::{parse, parse_expr};
use minijinja::value::Value;

use super::engine;

/// What a template or an expression consists of.
pub(super) enum Tree<'t> {
    Expression(Expr<'t>),
    Template(Stmt<'t>),
}

impl<'t> Tree<'t> {
    /// `None` where it cannot be parsed.
    pub(super) fn of(code: &'t str, is_expression: bool) -> Option<Self> {
        match is_expression {
            true => parse_expr(code).ok().map(Self::Expression),
            false => parse(code, "", engine::syntax()).ok().map(Self::Template),
        }
    }

    /// Shows every expression of it to `visit`, outer ones first.
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Expr<'t>)) {
        match self {
            Self::Expression(expr) => each(expr, visit),
            Self::Template(statement) => each_of(statement, visit),
        }
    }
}

fn each<'t>(expr: &Expr<'t>, visit: &mut dyn FnMut(&Expr<'t>)) {
    visit(expr);
    parts(expr).into_iter().for_each(|part| each(part, visit));
}

fn each_of<'t>(statement: &Stmt<'t>, visit: &mut dyn FnMut(&Expr<'t>)) {
    let (exprs, bodies) = inner(statement);
    exprs.into_iter().for_each(|expr| each(expr, visit));
    bodies.into_iter().flatten().for_each(|statement| each_of(statement, visit));
}

/// Whether some expression within `expr`, or itself, is so.
pub(super) fn any<'t>(expr: &Expr<'t>, wanted: &dyn Fn(&Expr<'t>) -> bool) -> bool {
    wanted(expr) || parts(expr).into_iter().any(|part| any(part, wanted))
}

/// Whether some expression within the statements is so.
pub(super) fn any_of<'t>(statements: &[Stmt<'t>], wanted: &dyn Fn(&Expr<'t>) -> bool) -> bool {
    let mut found = false;
    let mut visit = |expr: &Expr<'t>| found |= wanted(expr);
    statements.iter().for_each(|statement| each_of(statement, &mut visit));
    found
}

/// The expression of an argument.
pub(super) fn argument<'a, 't>(argument: &'a CallArg<'t>) -> &'a Expr<'t> {
    match argument {
        CallArg::Pos(expr)
        | CallArg::Kwarg(_, expr)
        | CallArg::PosSplat(expr)
        | CallArg::KwargSplat(expr) => expr,
    }
}

/// The expressions that an expression is made of.
pub(super) fn parts<'a, 't>(expr: &'a Expr<'t>) -> Vec<&'a Expr<'t>> {
    let with = |first: Option<&'a Expr<'t>>, args: &'a [CallArg<'t>]| {
        first.into_iter().chain(args.iter().map(argument)).collect()
    };
    match expr {
        Expr::Var(_) | Expr::Const(_) => Vec::new(),
        Expr::Slice(it) => {
            let bounds = [&it.start, &it.stop, &it.step];
            [&it.expr].into_iter().chain(bounds.into_iter().flatten()).collect()
        }
        Expr::UnaryOp(it) => vec![&it.expr],
        Expr::BinOp(it) => vec![&it.left, &it.right],
        Expr::Compare(it) => {
            [&it.expr].into_iter().chain(it.ops.iter().map(|op| &op.expr)).collect()
        }
        Expr::IfExpr(it) => {
            [&it.test_expr, &it.true_expr].into_iter().chain(&it.false_expr).collect()
        }
        Expr::Filter(it) => with(it.expr.as_ref(), &it.args),
        Expr::Test(it) => with(Some(&it.expr), &it.args),
        Expr::GetAttr(it) => vec![&it.expr],
        Expr::GetItem(it) => vec![&it.expr, &it.subscript_expr],
        Expr::Call(it) => with(Some(&it.expr), &it.args),
        Expr::List(it) => it.items.iter().collect(),
        Expr::Tuple(it) => it.items.iter().collect(),
        Expr::Map(it) => it.keys.iter().chain(&it.values).collect(),
    }
}

/// The expressions and bodies that a statement is made of.
fn inner<'a, 't>(statement: &'a Stmt<'t>) -> (Vec<&'a Expr<'t>>, Vec<&'a [Stmt<'t>]>) {
    match statement {
        Stmt::Template(it) => (Vec::new(), vec![&it.children]),
        Stmt::EmitExpr(it) => (vec![&it.expr], Vec::new()),
        Stmt::ForLoop(it) => {
            let exprs = [&it.target, &it.iter].into_iter().chain(&it.filter_expr);
            (exprs.collect(), vec![&it.body, &it.else_body])
        }
        Stmt::IfCond(it) => (vec![&it.expr], vec![&it.true_body, &it.false_body]),
        Stmt::WithBlock(it) => {
            let exprs = it.assignments.iter().flat_map(|(target, expr)| [target, expr]);
            (exprs.collect(), vec![&it.body])
        }
        Stmt::Set(it) => (vec![&it.target, &it.expr], Vec::new()),
        Stmt::SetBlock(it) => {
            ([&it.target].into_iter().chain(&it.filter).collect(), vec![&it.body])
        }
        Stmt::AutoEscape(it) => (vec![&it.enabled], vec![&it.body]),
        Stmt::FilterBlock(it) => (vec![&it.filter], vec![&it.body]),
        Stmt::Block(it) => (Vec::new(), vec![&it.body]),
        Stmt::Extends(it) => (vec![&it.name], Vec::new()),
        Stmt::Include(it) => (vec![&it.name], Vec::new()),
        Stmt::Import(it) => (vec![&it.expr], Vec::new()),
        Stmt::FromImport(it) => (vec![&it.expr], Vec::new()),
        Stmt::Macro(it) => (it.args.iter().chain(&it.defaults).collect(), vec![&it.body]),
        Stmt::CallBlock(it) => {
            let args = it.call.args.iter().map(argument);
            ([&it.call.expr].into_iter().chain(args).collect(), vec![&it.macro_decl.body])
        }
        Stmt::Do(it) => {
            let args = it.call.args.iter().map(argument);
            ([&it.call.expr].into_iter().chain(args).collect(), Vec::new())
        }
        _ => (Vec::new(), Vec::new()),
    }
}

/// Where an expression stands in the code. Parentheses at its edges may be left out.
pub(super) fn range(expr: &Expr<'_>) -> Range<usize> {
    start(expr)..expr.span().end_offset as usize
}

/// minijinja notes for some expressions where their last part begins.
fn start(expr: &Expr<'_>) -> usize {
    let own = expr.span().start_offset as usize;
    let first = match expr {
        Expr::GetAttr(it) => &it.expr,
        Expr::GetItem(it) => &it.expr,
        Expr::Slice(it) => &it.expr,
        Expr::Call(it) => &it.expr,
        Expr::Filter(it) => return it.expr.as_ref().map_or(own, start),
        Expr::Test(it) => return start(&it.expr),
        Expr::BinOp(it) => return start(&it.left),
        Expr::Compare(it) => return start(&it.expr),
        Expr::IfExpr(it) => return start(&it.true_expr),
        Expr::UnaryOp(it) => return start(&it.expr),
        _ => return own,
    };
    own.min(start(first))
}

/// The code of an expression, with parentheses wherever they might matter.
pub(super) fn spelled(expr: &Expr<'_>) -> String {
    let list = |items: &[Expr<'_>]| items.iter().map(spelled).collect::<Vec<_>>().join(", ");
    let maybe = |expr: &Option<Expr<'_>>| expr.as_ref().map(spelled).unwrap_or_default();
    match expr {
        Expr::Var(it) => it.id.to_owned(),
        Expr::Const(it) => literal(&it.value),
        Expr::Slice(it) => {
            let [start, stop, step] = [&it.start, &it.stop, &it.step].map(maybe);
            format!("{}[{start}:{stop}:{}]", operand(&it.expr), step_or_one(&step))
        }
        Expr::UnaryOp(it) => match it.op {
            UnaryOpKind::Not => format!("(not {})", operand(&it.expr)),
            UnaryOpKind::Neg => format!("(-{})", operand(&it.expr)),
        },
        Expr::BinOp(it) => {
            format!("({} {} {})", operand(&it.left), operator(it.op), operand(&it.right))
        }
        Expr::Compare(it) => {
            let ops = it.ops.iter();
            let rest = ops.map(|op| format!(" {} {}", comparison(op.op), operand(&op.expr)));
            format!("({}{})", operand(&it.expr), rest.collect::<String>())
        }
        Expr::IfExpr(it) => {
            let other = it.false_expr.as_ref().map(|expr| format!(" else {}", operand(expr)));
            let (yes, test) = (operand(&it.true_expr), operand(&it.test_expr));
            format!("({yes} if {test}{})", other.unwrap_or_default())
        }
        Expr::Filter(it) => {
            let inner = it.expr.as_ref().map(operand).unwrap_or_default();
            format!("({inner}|{}{})", it.name, arguments(&it.args))
        }
        Expr::Test(it) => {
            let args = if it.args.is_empty() { String::new() } else { arguments(&it.args) };
            format!("({} is {}{args})", operand(&it.expr), it.name)
        }
        Expr::GetAttr(it) => format!("{}.{}", operand(&it.expr), it.name),
        Expr::GetItem(it) => format!("{}[{}]", operand(&it.expr), spelled(&it.subscript_expr)),
        Expr::Call(it) => format!("{}{}", operand(&it.expr), arguments(&it.args)),
        Expr::List(it) => format!("[{}]", list(&it.items)),
        Expr::Tuple(it) if it.items.len() == 1 => format!("({},)", list(&it.items)),
        Expr::Tuple(it) => format!("({})", list(&it.items)),
        Expr::Map(it) => {
            let pairs = it.keys.iter().zip(&it.values);
            let pairs = pairs.map(|(key, value)| format!("{}: {}", spelled(key), spelled(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Spelled so that something may follow it.
fn operand(expr: &Expr<'_>) -> String {
    match expr {
        Expr::Const(_) | Expr::Map(_) => format!("({})", spelled(expr)),
        _ => spelled(expr),
    }
}

fn arguments(args: &[CallArg<'_>]) -> String {
    let args = args.iter().map(|arg| match arg {
        CallArg::Pos(expr) => spelled(expr),
        CallArg::Kwarg(name, expr) => format!("{name}={}", spelled(expr)),
        CallArg::PosSplat(expr) => format!("*{}", operand(expr)),
        CallArg::KwargSplat(expr) => format!("**{}", operand(expr)),
    });
    format!("({})", args.collect::<Vec<_>>().join(", "))
}

fn step_or_one(step: &str) -> &str {
    if step.is_empty() { "1" } else { step }
}

fn literal(value: &Value) -> String {
    match value.is_none() {
        true => "none".to_owned(),
        false => serde_json::to_string(value).unwrap_or_default(),
    }
}

fn operator(op: BinOpKind) -> &'static str {
    match op {
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        BinOpKind::ScAnd => "and",
        BinOpKind::ScOr => "or",
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        BinOpKind::Concat => "~",
        BinOpKind::In => "in",
    }
}

fn comparison(op: CompareOpKind) -> &'static str {
    match op {
        CompareOpKind::Eq => "==",
        CompareOpKind::Ne => "!=",
        CompareOpKind::Lt => "<",
        CompareOpKind::Lte => "<=",
        CompareOpKind::Gt => ">",
        CompareOpKind::Gte => ">=",
        CompareOpKind::In => "in",
        CompareOpKind::NotIn => "not in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_means_the_same() {
        let environment = engine::environment();
        let context = minijinja::context! {
            a => 2, b => 3, list => [1, 2, 3], map => minijinja::context! { x => "it's \"so\"\n" },
        };
        for code in [
            "a + b * a - -b ** 2",
            "(a + b) * (a if a > b else b) // 2 % 7",
            "not a == 2 or b in list and not (a in [5])",
            "b not in list",
            "1 < a < b <= 3",
            "map.x ~ map['x'] | upper",
            "list[1:] + list[:2] + list[::2]",
            "(list | first).foo | default('d', true)",
            "a is divisibleby 2 and a is not odd and b is defined",
            "{'k': [a, none, true, 1.5], 'l': (a, b)}",
            "dict(x=a, y=range(b)) | tojson",
            "list | map('string') | join(', ')",
            "'x' 'y' ~ 'ä\\'\\\\'",
            "map.x.split('s') | length",
        ] {
            let Some(Tree::Expression(expr)) = Tree::of(code, true) else { panic!("{code}") };
            let spelled = spelled(&expr);
            let value = |code: &str| {
                let expression = environment.compile_expression(code);
                let expression = expression.unwrap_or_else(|error| panic!("{code}: {error}"));
                expression.eval(&context).unwrap_or_else(|error| panic!("{code}: {error}"))
            };
            assert_eq!(value(code), value(&spelled), "{code} is spelled {spelled}");
        }
    }

    #[test]
    fn expressions_are_found_again() {
        for (code, wanted) in [
            ("x ~ a.b['c'].d(e) ~ y", "a.b['c'].d(e)"),
            ("x + (a.b | f(1)) + y", "a.b | f(1)"),
            ("a.b is defined", "a.b is defined"),
        ] {
            let tree = Tree::of(code, true).unwrap();
            let mut found = Vec::new();
            tree.each(&mut |expr| found.push(&code[range(expr)]));
            assert!(found.contains(&wanted), "{code}: {found:?}");
        }
    }
}
