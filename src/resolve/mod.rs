//! What names and templates mean: the inventory, host patterns, variables in
//! order of precedence, and strict rendering. It touches no network and no clock.

mod engine;
mod error;
pub mod inventory;
pub mod pattern;
pub mod render;
pub mod scope;

pub use error::ResolveError;
mod vault;
