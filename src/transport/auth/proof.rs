//! What may prove the user's identity, and in which order it is tried.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::credential::PrivateKey;
use crate::plan::spec::ConnectionSpec;
use crate::secret::Secret;

/// Something that may prove the user's identity.
pub(super) enum Proof<'s> {
    Key(&'s PrivateKey),
    Agent(&'s Path),
    Password(&'s Secret),
    Interactive(&'s Secret),
}

impl Proof<'_> {
    /// What the protocol calls the method.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Key(_) | Self::Agent(_) => "publickey",
            Self::Password(_) => "password",
            Self::Interactive(_) => "keyboard-interactive",
        }
    }
}

/// Everything that the spec gives, in the documented order, each key once.
pub(super) fn proofs<'s>(spec: &'s ConnectionSpec, agent: Option<&'s Path>) -> VecDeque<Proof<'s>> {
    let given = &spec.credentials;
    let mut proofs: VecDeque<_> = given.keys.iter().map(|key| Proof::Key(key)).collect();
    proofs.extend(agent.filter(|_| given.agent).map(Proof::Agent));
    if let Some(password) = &given.password {
        proofs.push_back(Proof::Password(password));
        proofs.push_back(Proof::Interactive(password));
    }
    let is_new = |key: &&Arc<PrivateKey>| given.keys.iter().all(|named| named.public != key.public);
    proofs.extend(given.default_keys.iter().filter(is_new).map(|key| Proof::Key(key)));
    proofs
}
