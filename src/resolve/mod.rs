//! What names and templates mean: the inventory, host patterns, variables in
//! order of precedence, and strict rendering. It touches no network and no clock.

mod advice;
mod code;
mod convert;
mod engine;
mod error;
mod fault;
pub mod frame;
pub mod inventory;
mod lazy;
mod lexer;
pub mod pattern;
pub mod render;
pub mod scope;
pub mod taint;
mod tools;
mod variable;
mod vault;

pub use convert::{FromValue, describe};
pub use error::ResolveError;

#[cfg(test)]
mod tests;
