//! Why a secret cannot be had: each reason with its own code and advice. None
//! ever holds a token or a value of a secret.

use miette::Diagnostic;
use thiserror::Error;

use super::LoginError;

/// An error in reading a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum VaultError {
    /// The vault cannot be asked at all.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Login(#[from] LoginError),
    /// A reference is malformed.
    #[error("`{text}` is no {what} of a secret: {reason}")]
    #[diagnostic(
        code(credential::bad_path),
        help("write the path below the mount, such as `servers/prod/admin`")
    )]
    BadPath {
        /// `path` or `mount`.
        what: &'static str,
        /// The text, escaped.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A reference has the version 0.
    #[error("a secret has no version 0")]
    #[diagnostic(
        code(credential::bad_version),
        help("versions count from 1; leave it out for the latest")
    )]
    BadVersion,
    /// Nothing answers.
    #[error("cannot reach the vault at `{address}`: {reason}")]
    #[diagnostic(
        code(credential::unreachable),
        help("check `VAULT_ADDR`, and that the server runs and can be reached from here")
    )]
    Unreachable {
        /// The server.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// No answer in time.
    #[error("the vault at `{address}` did not answer within {seconds} s")]
    #[diagnostic(
        code(credential::timeout),
        help("check `VAULT_ADDR`, and the network and proxy on the way")
    )]
    Timeout {
        /// The server.
        address: String,
        /// The limit.
        seconds: u64,
    },
    /// The server's identity cannot be proven.
    #[error("no trusted connection to the vault at `{address}`: {reason}")]
    #[diagnostic(code(credential::tls), help("{help}"))]
    Tls {
        /// The server.
        address: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// The server is sealed.
    #[error("the vault at `{address}` is sealed")]
    #[diagnostic(
        code(credential::sealed),
        help("unseal it with `vault operator unseal` or `bao operator unseal`")
    )]
    Sealed {
        /// The server.
        address: String,
    },
    /// The server sends elsewhere.
    #[error("the vault at `{address}` redirects to `{location}`, which is not followed")]
    #[diagnostic(
        code(credential::redirect),
        help("a token goes to the server that you name: if this is right, set `VAULT_ADDR` to it")
    )]
    Redirect {
        /// The server.
        address: String,
        /// Where to.
        location: String,
    },
    /// The token is not allowed to.
    #[error("the vault does not let this token read `{secret}` (403)")]
    #[diagnostic(
        code(credential::forbidden),
        help(
            "the token may have expired, or belong to another `VAULT_NAMESPACE`; otherwise its policy needs `read` on `{policy}`"
        )
    )]
    Forbidden {
        /// Mount and path.
        secret: String,
        /// The path that a policy calls it by.
        policy: String,
    },
    /// There is no such secret.
    #[error("the vault has no secret `{secret}` (404)")]
    #[diagnostic(code(credential::not_found), help("{help}"))]
    NotFound {
        /// Mount and path.
        secret: String,
        /// What to do.
        help: String,
    },
    /// The version is deleted or destroyed.
    #[error("the secret `{secret}` is deleted")]
    #[diagnostic(
        code(credential::deleted),
        help("undelete it with `vault kv undelete`, or name another `version`")
    )]
    Deleted {
        /// Mount and path.
        secret: String,
    },
    /// There is no such mount.
    #[error("the vault has nothing mounted at `{mount}`")]
    #[diagnostic(
        code(credential::no_mount),
        help(
            "check `mount` and `VAULT_NAMESPACE`; `vault secrets list` or `bao secrets list` shows the mounts"
        )
    )]
    NoMount {
        /// The mount.
        mount: String,
    },
    /// There is no such namespace.
    #[error("the vault has no such namespace")]
    #[diagnostic(code(credential::no_namespace), help("check `VAULT_NAMESPACE`"))]
    NoNamespace,
    /// The mount is not a KV version 2 engine.
    #[error("`{mount}` is {found}, not a KV version 2 engine")]
    #[diagnostic(
        code(credential::not_kv2),
        help(
            "name another `mount`, or upgrade it with `vault kv enable-versioning {mount}` or `bao kv enable-versioning {mount}`"
        )
    )]
    NotKv2 {
        /// The mount.
        mount: String,
        /// What it is.
        found: String,
    },
    /// An unexpected answer.
    #[error("the vault at `{address}` answers with HTTP status {status}{said}")]
    #[diagnostic(code(credential::status), help("{help}"))]
    Status {
        /// The server.
        address: String,
        /// The status.
        status: u16,
        /// What it said, behind a colon.
        said: String,
        /// What to do.
        help: &'static str,
    },
    /// An answer that makes no sense.
    #[error("what answers at `{address}` does not answer like a vault: {reason}")]
    #[diagnostic(
        code(credential::malformed),
        help("check `VAULT_ADDR`, and for a proxy that answers in its place")
    )]
    Malformed {
        /// The server.
        address: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The secret lacks a field.
    #[error("the secret `{secret}` has no field `{field}`")]
    #[diagnostic(
        code(credential::missing_field),
        help(
            "it has {known}; `credential_ref: {{path: …, username_key: …, password_key: …}}` names other fields"
        )
    )]
    MissingField {
        /// Mount and path.
        secret: String,
        /// The field.
        field: String,
        /// The names of those it has.
        known: String,
    },
    /// A field is no text.
    #[error("the field `{field}` of the secret `{secret}` is {found}, not a text")]
    #[diagnostic(code(credential::field_type), help("store it as a text"))]
    FieldType {
        /// Mount and path.
        secret: String,
        /// The field.
        field: String,
        /// What it is.
        found: &'static str,
    },
    /// A field cannot be used for what it is there for.
    #[error("the field `{field}` of the secret `{secret}` {reason}")]
    #[diagnostic(code(credential::field_value), help("{help}"))]
    FieldValue {
        /// Mount and path.
        secret: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        help: String,
    },
    /// Which secret is meant turns out while the run is on.
    #[error("which secret is meant (`{secret}`) is known only during the run")]
    #[diagnostic(
        code(credential::too_late),
        help(
            "secrets are read before anything connects, and a host's answer must not choose them: use a path that is known before"
        )
    )]
    TooLate {
        /// The reference, or its template.
        secret: String,
    },
}

impl VaultError {
    /// Whether it is about the server or the login, so that another secret will
    /// fare no better.
    #[must_use]
    pub fn is_general(&self) -> bool {
        matches!(
            self,
            Self::Login(_)
                | Self::NoNamespace
                | Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Tls { .. }
                | Self::Sealed { .. }
                | Self::Redirect { .. }
        )
    }
}
