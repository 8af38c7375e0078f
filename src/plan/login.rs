//! The login behind a `credential_ref`.

use std::sync::Arc;

use super::collect::Collect;
use crate::credential::vault::{Answer, DEFAULT_MOUNT, Fields, Reference, Vault, VaultError};
use crate::diagnostic::Problem;
use crate::load::credential_ref::CredentialRef;
use crate::load::decode::At;
use crate::load::request::ConnectionArgs;
use crate::load::source::Span;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::secret::{MASK, Secret};

/// The documented names of the fields.
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const PKEY: &str = "pkey";
const PASSPHRASE: &str = "passphrase";
const SUDO_PASSWORD: &str = "sudo_password";

/// What a secret has for a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: Option<Secret>,
    pub(super) pkey: Option<Secret>,
    pub(super) passphrase: Option<Secret>,
    pub(super) sudo_password: Option<Secret>,
    /// Whether all of this is only there to be shown.
    pub(super) is_unread: bool,
}

/// Reads the login of `args`; `None` where they have no reference, or where what
/// is wrong with it has been collected.
pub(super) fn read(
    args: &ConnectionArgs,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<Login> {
    let at = args.credential_ref.as_ref()?;
    let target = Target::render(at, frame, collect)?;
    let vault = &frame.scope().world.vault;
    // Without a password, a key must do.
    let has_key = args.key_filename.is_some() || args.pkey.is_some() || args.allow_agent.is_some();
    let login = target.and_then(|target| target.login(vault, has_key));
    match login {
        Ok(login) => Some(login),
        Err(error) => {
            collect.problems.push(Problem::new(error, place(at)));
            None
        }
    }
}

/// Where the reference stands: its path, or what there is instead.
fn place(at: &At<CredentialRef>) -> Option<Span> {
    at.value.0.path.as_ref().and_then(|path| path.span).or(at.span).or(at.key)
}

/// A rendered reference.
struct Target {
    reference: Reference,
    username_key: String,
    /// The field named for the password, if one is.
    password_key: Option<String>,
}

impl Target {
    fn render(
        at: &At<CredentialRef>,
        frame: &Arc<Frame>,
        collect: &mut Collect,
    ) -> Option<Result<Self, VaultError>> {
        let keys = &at.value.0;
        let path = keys.path.as_ref()?;
        let path: String = match frame.value(path, "`credential_ref`") {
            // Secrets are read before there are results to choose them by.
            Err(Miss::Pending(name)) => {
                let secret = format!("{{{{ {} }}}}", name.0);
                return Some(Err(VaultError::TooLate { secret }));
            }
            result => collect.take(result)?,
        };
        let before = collect.problems.len() + collect.pending.len();
        let mount = collect.value(frame, keys.mount.as_ref(), "mount");
        let version = collect.value(frame, keys.version.as_ref(), "version");
        let username_key = collect.value(frame, keys.username_key.as_ref(), "username_key");
        let password_key = collect.value(frame, keys.password_key.as_ref(), "password_key");
        if collect.problems.len() + collect.pending.len() > before {
            return None;
        }
        let mount: String = mount.unwrap_or_else(|| DEFAULT_MOUNT.to_owned());
        let reference = Reference::new(&mount, &path, version);
        Some(reference.map(|reference| Self {
            reference,
            username_key: username_key.unwrap_or_else(|| USERNAME.to_owned()),
            password_key,
        }))
    }

    fn login(&self, vault: &Vault, has_key: bool) -> Result<Login, VaultError> {
        let fields = match vault.get(&self.reference)? {
            Answer::Read(fields) => fields,
            Answer::Unread => return Ok(unread()),
        };
        vault.note_login_name(&self.reference, &self.username_key);
        let username = self.text(&fields, &self.username_key)?;
        let username =
            username.ok_or_else(|| fields.missing(&self.username_key, &self.reference))?;
        let password_key = self.password_key.as_deref().unwrap_or(PASSWORD);
        let password = self.text(&fields, password_key)?;
        let pkey = self.text(&fields, PKEY)?;
        if password.is_none() && (self.password_key.is_some() || (pkey.is_none() && !has_key)) {
            return Err(fields.missing(password_key, &self.reference));
        }
        let sudo_password = self.text(&fields, SUDO_PASSWORD)?;
        if sudo_password.as_ref().is_some_and(|password| password.reveal().contains('\n')) {
            return Err(self.unusable(SUDO_PASSWORD, "has more than one line"));
        }
        Ok(Login {
            username: username.reveal().to_owned(),
            password,
            pkey,
            passphrase: self.text(&fields, PASSPHRASE)?,
            sudo_password,
            is_unread: false,
        })
    }

    /// The text of a field; an empty one proves nothing and counts as absent.
    fn text(&self, fields: &Fields, name: &str) -> Result<Option<Secret>, VaultError> {
        let text = fields.text(name, &self.reference)?;
        let text = text.filter(|text| !text.reveal().is_empty());
        match text.as_ref().is_some_and(|text| text.reveal().contains('\0')) {
            true => Err(self.unusable(name, "holds a NUL character")),
            false => Ok(text),
        }
    }

    fn unusable(&self, field: &str, reason: &str) -> VaultError {
        VaultError::FieldValue {
            secret: self.reference.to_string(),
            field: field.to_owned(),
            reason: reason.to_owned(),
            help: "correct it in the vault".to_owned(),
        }
    }
}

/// What stands for a login that nobody reads.
fn unread() -> Login {
    Login {
        username: MASK.to_owned(),
        password: Some(Secret::new(MASK)),
        pkey: None,
        passphrase: None,
        sudo_password: None,
        is_unread: true,
    }
}
