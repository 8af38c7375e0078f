//! What names and templates mean: the inventory, host patterns, variables in
//! order of precedence, and strict rendering. It touches no network and no clock.

mod advice;
mod code;
pub mod compared;
mod compiled;
mod convert;
mod engine;
mod error;
mod fault;
mod foresee;
mod form;
pub mod frame;
pub mod inventory;
mod lazy;
mod lexer;
mod names;
pub mod pattern;
pub mod render;
pub mod scope;
mod shape;
mod soften;
mod syntax;
pub mod taint;
mod tools;
pub mod uses;
mod variable;
mod vault;

pub use convert::{FromValue, describe};
pub use error::ResolveError;
pub use names::is_reserved;

/// Whether an expression without braces mentions any variable.
#[must_use]
pub fn mentions_a_variable(expression: &str) -> bool {
    code::Code::of_expression(expression).find(|_| true).is_some()
}

#[cfg(test)]
mod tests;
