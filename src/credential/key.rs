//! Private keys: read, decrypted and checked once per run, before anything connects.
//!
//! Whatever form a key comes in, what leaves here is one unencrypted PKCS#8
//! text, so that no connection ever runs a key derivation again, and the public
//! half, so that no connection has to compute it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::secret::Secret;

mod armor;
mod encode;
mod openssh;
mod pem;

use armor::Armor;

/// A private key, decrypted and ready for the transport.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey {
    /// What messages call it, such as "`key_filename` ~/.ssh/id_ed25519".
    pub label: String,
    /// The unencrypted key in a form that libssh2 reads from memory.
    pub pem: Secret,
    /// The text that it was read from, as secret as the key itself.
    pub written: Secret,
    /// The file that it was read from, if it was.
    pub file: Option<PathBuf>,
    /// The public half as `authorized_keys` would have it: type and base64.
    pub public: String,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("label", &self.label)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Why a private key cannot be used.
///
/// The message fits behind a colon, after what names the key; [`KeyError::help`]
/// tells what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// It is encrypted and no passphrase was given.
    #[error("the key is encrypted and no passphrase is given")]
    PassphraseRequired,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the key")]
    PassphraseWrong,
    /// A passphrase was given, but the key is not encrypted.
    #[error("a passphrase is given, but the key is not encrypted")]
    PassphraseUnneeded,
    /// It is the public half.
    #[error("this is a public key, not a private one")]
    PublicKey,
    /// It is no key at all.
    #[error("this is not a private key")]
    NotAKey,
    /// It is a DSA key.
    #[error("DSA keys are not supported: current servers refuse them")]
    Dsa,
    /// It is in PuTTY's format.
    #[error("this is a PuTTY key, which has a format of its own")]
    Putty,
    /// It is a key of a kind, or encrypted in a way, that is not supported.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// It begins like a key, but is damaged.
    #[error("the key is damaged: {0}")]
    Corrupt(String),
}

impl KeyError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path and that you may read the file",
            Self::PassphraseRequired => {
                "set `passphrase`, or load the key into the SSH agent with `ssh-add`"
            }
            Self::PassphraseWrong => "correct `passphrase`; `ssh-keygen -y -f FILE` tries one",
            Self::PassphraseUnneeded => "remove `passphrase`, or check that this is the right key",
            Self::PublicKey => "name the private key: the file without `.pub`",
            Self::NotAKey => "a private key begins with `-----BEGIN … PRIVATE KEY-----`",
            Self::Dsa => "make a new key with `ssh-keygen -t ed25519` and deploy its public half",
            Self::Putty => "convert it with `puttygen KEY.ppk -O private-openssh -o KEY`",
            Self::Unsupported(_) => {
                "use an Ed25519, ECDSA or RSA key, or load this one into the SSH agent"
            }
            Self::Corrupt(_) => {
                "give the whole key, from its BEGIN line to its END line, with its line breaks"
            }
        }
    }
}

impl PrivateKey {
    /// Parses the text of a key: OpenSSH, PEM (PKCS#1, SEC1) or PKCS#8 form,
    /// encrypted or not. An empty passphrase counts as none.
    ///
    /// # Errors
    /// What is wrong with the key or its passphrase, in the user's terms.
    pub fn parse(text: &str, passphrase: Option<&Secret>, label: &str) -> Result<Self, KeyError> {
        let passphrase = passphrase.map(Secret::reveal).filter(|text| !text.is_empty());
        let armor = Armor::find(text)?;
        let key = match armor.label {
            "OPENSSH PRIVATE KEY" => openssh::parse(&armor, passphrase)?,
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                pem::parse(&armor, passphrase)?
            }
            "DSA PRIVATE KEY" => return Err(KeyError::Dsa),
            other => return Err(KeyError::Unsupported(format!("`{other}`"))),
        };
        let (pem, public) = encode::encode(&key)?;
        Ok(Self { label: label.to_owned(), pem, written: Secret::new(text), file: None, public })
    }

    /// Reads and parses a key file.
    ///
    /// # Errors
    /// As [`PrivateKey::parse`], or that the file cannot be read.
    pub fn read(path: &Path, passphrase: Option<&Secret>, label: &str) -> Result<Self, KeyError> {
        let unreadable = |reason: String| KeyError::Unreadable {
            path: path.display().to_string(),
            reason: reason.to_lowercase(),
        };
        let bytes = crate::local_file::read(path).map_err(|error| unreadable(reason_of(&error)))?;
        let text = zeroize::Zeroizing::new(String::from_utf8(bytes).map_err(|error| {
            // The bytes may still be key material.
            drop(zeroize::Zeroizing::new(error.into_bytes()));
            KeyError::NotAKey
        })?);
        let key = Self::parse(&text, passphrase, label)?;
        Ok(Self { file: Some(path.to_owned()), ..key })
    }

    /// The keys in `~/.ssh` under their usual names, as far as they can be read
    /// without a passphrase, in OpenSSH's order.
    #[must_use]
    pub fn defaults(home: &Path) -> Vec<Self> {
        ["id_rsa", "id_ecdsa", "id_ed25519"]
            .iter()
            .filter_map(|name| {
                let path = home.join(".ssh").join(name);
                Self::read(&path, None, &format!("default key ~/.ssh/{name}")).ok()
            })
            .collect()
    }
}

/// What the system says, without the error number that Rust appends.
fn reason_of(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
