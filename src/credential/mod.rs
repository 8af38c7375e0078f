//! What proves an identity: private keys, and secrets kept in a vault.
//!
//! It knows files, HTTP and the environment; it knows no plays and no hosts.

mod key;
pub mod vault;

pub use key::{KeyError, PrivateKey};
