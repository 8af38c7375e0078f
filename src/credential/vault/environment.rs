//! What the environment says of the vault: the variables of Vault's own tools.

use std::io;
use std::path::{Path, PathBuf};

use super::LoginError;
use crate::local_file;
use crate::secret::Secret;

/// The variables that Vault's own tools read, as far as sshoal does. An empty
/// one counts as not set.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `VAULT_ADDR`.
    pub address: Option<String>,
    /// `VAULT_TOKEN`.
    pub token: Option<Secret>,
    /// `~/.vault-token`.
    pub token_file: PathBuf,
    /// `VAULT_NAMESPACE`.
    pub namespace: Option<String>,
    /// `VAULT_CACERT`.
    pub ca_file: Option<PathBuf>,
    /// `VAULT_ROLE_ID`.
    pub role_id: Option<Secret>,
    /// `VAULT_SECRET_ID`.
    pub secret_id: Option<Secret>,
}

/// How to log in.
#[derive(Debug)]
pub(super) enum Login {
    /// With a token, and where it comes from.
    Token(Secret, String),
    /// With an AppRole.
    AppRole { role_id: Secret, secret_id: Secret },
}

impl Environment {
    /// The environment of this process, for a user's home directory.
    #[must_use]
    pub fn read(home: &Path) -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self {
            address: get("VAULT_ADDR"),
            token: get("VAULT_TOKEN").map(|token| Secret::new(token.trim())),
            token_file: home.join(".vault-token"),
            namespace: get("VAULT_NAMESPACE"),
            ca_file: get("VAULT_CACERT").map(PathBuf::from),
            role_id: get("VAULT_ROLE_ID").map(|id| Secret::new(id.trim())),
            secret_id: get("VAULT_SECRET_ID").map(|id| Secret::new(id.trim())),
        }
    }

    /// How to log in: a token that is set, else an AppRole that is set, else the
    /// token that an earlier login left. What a user set for this run is meant
    /// more than what lies around.
    pub(super) fn login(&self) -> Result<Login, LoginError> {
        if let Some(token) = &self.token {
            return Ok(Login::Token(token.clone(), "`VAULT_TOKEN`".to_owned()));
        }
        match (&self.role_id, &self.secret_id) {
            (Some(role_id), Some(secret_id)) => {
                let (role_id, secret_id) = (role_id.clone(), secret_id.clone());
                return Ok(Login::AppRole { role_id, secret_id });
            }
            (Some(_), None) => return Err(LoginError::HalfAppRole { missing: "VAULT_SECRET_ID" }),
            (None, Some(_)) => return Err(LoginError::HalfAppRole { missing: "VAULT_ROLE_ID" }),
            (None, None) => {}
        }
        let text = match local_file::read_to_string(&self.token_file) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LoginError::NoToken);
            }
            Err(error) => {
                let path = self.token_file.display().to_string();
                return Err(LoginError::TokenFile { path, reason: local_file::reason(&error) });
            }
        };
        match text.trim() {
            "" => Err(LoginError::NoToken),
            token => Ok(Login::Token(Secret::new(token), "`~/.vault-token`".to_owned())),
        }
    }

    /// The server's address, without a slash at its end.
    pub(super) fn address(&self) -> Result<String, LoginError> {
        let address = self.address.as_deref().ok_or(LoginError::NoAddress)?.trim();
        let bad = |reason| Err(LoginError::BadAddress { reason });
        let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
        let Some(rest) = rest else { return bad("it begins with neither http:// nor https://") };
        if rest.contains('@') {
            // Shown in errors, it would show a password.
            return bad("it holds a user name");
        }
        if rest.contains(['?', '#']) || rest.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return bad("it holds a `?`, a `#` or a blank");
        }
        if rest.trim_end_matches('/').is_empty() {
            return bad("it names no host");
        }
        Ok(address.trim_end_matches('/').to_owned())
    }
}
