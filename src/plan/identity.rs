//! The keys and passwords that prove an identity: written out, in files, or in the
//! secret of a `credential_ref`.

use std::sync::Arc;

use super::connection::Reader;
use super::error::PlanError;
use super::login::Login;
use crate::credential::{KeyError, PrivateKey};
use crate::load::credential_ref::CredentialRef;
use crate::load::decode::{At, Templated};
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::secret::Secret;

/// The keys that prove an identity, of the target or of the jump host.
pub(super) struct Identity<'a> {
    pub(super) password: Option<&'a At<Templated<String>>>,
    pub(super) pkey: Option<&'a At<Templated<String>>>,
    pub(super) key_filename: Option<&'a At<Templated<String>>>,
    pub(super) passphrase: Option<&'a At<Templated<String>>>,
    /// What a vault has for whatever is not given here.
    pub(super) reference: Option<(&'a At<CredentialRef>, &'a Login)>,
    pub(super) prefix: &'static str,
}

impl Reader<'_> {
    /// The keys and the password of an identity, read and checked.
    pub(super) fn identity(
        &mut self,
        identity: Identity<'_>,
    ) -> (Vec<Arc<PrivateKey>>, Option<Secret>) {
        let key = |name: &str| format!("{}{name}", identity.prefix);
        let login = identity.reference.map(|(_, login)| login);
        let password = self.secret(identity.password, &key("password"));
        let password = password.or_else(|| login?.password.clone());
        let passphrase = self.secret(identity.passphrase, &key("passphrase"));
        let passphrase = passphrase.or_else(|| login?.passphrase.clone());
        // What is not read opens no key; whether it would is not known.
        let mut is_unread = identity.passphrase.is_some() && self.frame.is_unread();
        let mut keys = Vec::new();
        if let Some(text) = self.secret(identity.pkey, &key("pkey")) {
            is_unread |= self.frame.is_unread();
            if !is_unread {
                let label = format!("`{}`", key("pkey"));
                let loaded = self.store.key(&text, passphrase.as_ref(), &label);
                self.file_key(loaded, label, identity.pkey, &mut keys);
            }
        } else if let (None, Some((at, login))) = (identity.pkey, identity.reference)
            && let Some(text) = &login.pkey
        {
            let label = "`pkey` of `credential_ref`";
            let loaded = self.store.key(text, passphrase.as_ref(), label);
            self.file_key(loaded, label.to_owned(), Some(at), &mut keys);
        }
        let name = key("key_filename");
        if is_unread {
            let _: Option<()> = self.collect.take(Err(Miss::Pending(Frame::unread())));
        } else if let Some(path) = self.text(identity.key_filename, &name) {
            let file = identity.key_filename.and_then(|at| at.span).map(|span| span.file);
            let full = self.frame.scope().world.path(&path, file);
            let loaded = self.store.key_file(&full, passphrase.as_ref());
            let may_open = login.is_some_and(|login| login.is_unread);
            if !may_open || !matches!(loaded, Err(KeyError::PassphraseRequired)) {
                let what = format!("the private key `{path}`");
                let is_of_runner = path.starts_with(['~', '/']) && !self.is_runner();
                if !is_of_runner || !matches!(loaded, Err(KeyError::Unreadable { .. })) {
                    self.file_key(loaded, what, identity.key_filename, &mut keys);
                }
            }
        }
        (keys, password)
    }

    fn file_key<T>(
        &mut self,
        loaded: Result<Arc<PrivateKey>, KeyError>,
        what: String,
        at: Option<&At<T>>,
        keys: &mut Vec<Arc<PrivateKey>>,
    ) {
        match loaded {
            Ok(key) => keys.push(key),
            Err(KeyError::Unreadable { reason, .. }) => {
                let what = format!("cannot read {what}");
                let help = "check the path and your permissions; a relative path starts at the directory of the file that it is written in, on the command line at the current one";
                let error = PlanError::PrivateKey { what, reason, help: help.to_owned() };
                self.collect.error(error, at);
            }
            Err(error) => {
                let help = error.help().to_owned();
                let error = PlanError::PrivateKey { what, reason: error.to_string(), help };
                self.collect.error(error, at);
            }
        }
    }
}
