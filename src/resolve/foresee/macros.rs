//! Macros: walked through for each call, with what is known of its arguments.

use minijinja::machinery::ast::{CallArg, CallBlock, Expr, Macro, Stmt};

use super::Walk;
use super::locals::is_name;
use crate::resolve::shape::Shape;
use crate::resolve::syntax::{any, any_of, argument};

impl<'w, 't> Walk<'w, 't> {
    /// A call whose block the macro may ask for.
    pub(super) fn call_block(&mut self, it: &'w CallBlock<'t>) {
        self.call(&it.call);
        let Expr::Var(callee) = &it.call.expr else { return };
        let declared = self.local(callee.id).and_then(|local| local.declared);
        let Some((declared, _)) = declared else { return };
        let is_caller = |expr: &Expr<'t>| is_name(expr, "caller");
        let always_asks = declared.body.iter().any(|statement| match statement {
            Stmt::EmitExpr(it) => any(&it.expr, &is_caller),
            _ => false,
        });
        let block = |walk: &mut Self| {
            walk.scoped(|walk| {
                it.macro_decl.args.iter().for_each(|arg| walk.bind_vague(arg));
                walk.body(&it.macro_decl.body);
            });
        };
        match always_asks {
            true => block(self),
            false if any_of(&declared.body, &is_caller) => self.under_vague(true, block),
            false => {}
        }
    }

    /// The body of a macro that sees `depth` scopes, with the arguments of a call.
    pub(super) fn inside(&mut self, it: &'w Macro<'t>, depth: usize, args: &'w [CallArg<'t>]) {
        if self.within.iter().any(|outer| std::ptr::eq(*outer, it)) {
            return args.iter().for_each(|arg| drop(self.value(argument(arg))));
        }
        let given: Vec<Option<(Shape, bool)>> = match places(it, args) {
            Some(places) => {
                let mut given: Vec<Option<(Shape, bool)>> = it.args.iter().map(|_| None).collect();
                for (arg, place) in args.iter().zip(places) {
                    let expr = argument(arg);
                    let is_vague = self.is_vague(expr);
                    given[place] = Some((self.value(expr), is_vague));
                }
                given
            }
            None => {
                args.iter().for_each(|arg| drop(self.value(argument(arg))));
                it.args.iter().map(|_| Some((Shape::Vague, true))).collect()
            }
        };
        let hidden = self.locals.split_off(depth);
        self.within.push(it);
        self.scoped(|walk| {
            walk.set("caller", Shape::Vague, true);
            let without_default = it.args.len() - it.defaults.len().min(it.args.len());
            for (place, (target, given)) in it.args.iter().zip(given).enumerate() {
                let default =
                    place.checked_sub(without_default).and_then(|place| it.defaults.get(place));
                match (given, default) {
                    (Some((shape, is_vague)), _) => walk.bind(target, shape, is_vague),
                    (None, Some(default)) => walk.assign(target, default),
                    (None, None) => walk.bind(target, Shape::Undefined, false),
                }
            }
            walk.body(&it.body);
        });
        self.within.pop();
        self.locals.extend(hidden);
    }
}

/// Which argument of the macro each one given is; `None` where that cannot be told.
fn places(it: &Macro<'_>, args: &[CallArg<'_>]) -> Option<Vec<usize>> {
    let named = |name: &str| it.args.iter().position(|arg| is_name(arg, name));
    let mut places = Vec::new();
    for (place, arg) in args.iter().enumerate() {
        let place = match arg {
            CallArg::Pos(_) => Some(place).filter(|place| *place < it.args.len())?,
            CallArg::Kwarg(name, _) => named(name)?,
            CallArg::PosSplat(_) | CallArg::KwargSplat(_) => return None,
        };
        places.push(place);
    }
    Some(places)
}
