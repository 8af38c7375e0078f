//! Why the vault cannot be asked for anything: what the environment lacks, and a
//! login that is refused.

use miette::Diagnostic;
use thiserror::Error;

/// An error in finding the vault and logging in to it.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum LoginError {
    /// Which server is meant is not said.
    #[error("no vault to read from: `VAULT_ADDR` is not set")]
    #[diagnostic(
        code(credential::no_address),
        help("set it, such as `VAULT_ADDR=https://vault.example.com:8200`")
    )]
    NoAddress,
    /// `VAULT_ADDR` is no address.
    #[error("`VAULT_ADDR` is no address of a vault: {reason}")]
    #[diagnostic(
        code(credential::bad_address),
        help("write it as `https://vault.example.com:8200`")
    )]
    BadAddress {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A variable holds what no HTTP header can.
    #[error("{what} holds a character that no HTTP header can carry")]
    #[diagnostic(code(credential::bad_header), help("look for line breaks and blanks in it"))]
    BadHeader {
        /// The variable or file.
        what: String,
    },
    /// There is nothing to log in with.
    #[error("no vault token: `VAULT_TOKEN` is not set, and there is no `~/.vault-token`")]
    #[diagnostic(
        code(credential::no_token),
        help(
            "run `vault login` or `bao login`, set `VAULT_TOKEN`, or set `VAULT_ROLE_ID` and `VAULT_SECRET_ID` for AppRole"
        )
    )]
    NoToken,
    /// The token file cannot be read.
    #[error("cannot read the vault token in `{path}`: {reason}")]
    #[diagnostic(
        code(credential::token_file),
        help("check the file's permissions, or set `VAULT_TOKEN`")
    )]
    TokenFile {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Only half of an AppRole is given.
    #[error("AppRole needs `VAULT_ROLE_ID` and `VAULT_SECRET_ID`, and `{missing}` is not set")]
    #[diagnostic(code(credential::half_app_role), help("set it, or unset the other"))]
    HalfAppRole {
        /// The variable that is not set.
        missing: &'static str,
    },
    /// The server refuses the AppRole.
    #[error("the vault refuses the AppRole login ({status})")]
    #[diagnostic(
        code(credential::login_refused),
        help(
            "check `VAULT_ROLE_ID`, `VAULT_SECRET_ID` (it may have expired or been used up), `VAULT_NAMESPACE`, and that AppRole is mounted at `approle`"
        )
    )]
    LoginRefused {
        /// The HTTP status.
        status: u16,
    },
    /// The CA file cannot be used.
    #[error("cannot use `VAULT_CACERT` `{path}`: {reason}")]
    #[diagnostic(
        code(credential::ca_file),
        help("name a PEM file with the certificate of the authority that signed the vault's")
    )]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system trusts nobody.
    #[error("this system has no trusted certificate authorities")]
    #[diagnostic(
        code(credential::no_authorities),
        help("install `ca-certificates`, or set `VAULT_CACERT` to the vault's authority")
    )]
    NoAuthorities,
}
