//! What proves an identity: private keys today, a vault's secrets tomorrow.

mod key;

pub use key::{KeyError, PrivateKey};
