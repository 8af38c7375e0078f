//! Private keys: read, decrypted and checked once per run, before anything connects.

use std::path::Path;

use crate::secret::Secret;

/// A private key, decrypted and ready for the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKey {
    /// What messages call it, such as "`key_filename` ~/.ssh/id_ed25519".
    pub label: String,
    /// The unencrypted key in a form that libssh2 reads from memory.
    pub pem: Secret,
}

/// Why a private key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is encrypted and no passphrase was given.
    #[error("the key is encrypted and no passphrase is given")]
    PassphraseRequired,
}

impl PrivateKey {
    /// Parses the text of a key: OpenSSH, PEM (PKCS#1, SEC1) or PKCS#8 form.
    ///
    /// # Errors
    /// What is wrong with the key or its passphrase, in the user's terms.
    pub fn parse(
        _text: &str,
        _passphrase: Option<&Secret>,
        _label: &str,
    ) -> Result<Self, KeyError> {
        Err(KeyError::PassphraseRequired)
    }

    /// Reads and parses a key file.
    ///
    /// # Errors
    /// As [`PrivateKey::parse`], or that the file cannot be read.
    pub fn read(
        _path: &Path,
        _passphrase: Option<&Secret>,
        _label: &str,
    ) -> Result<Self, KeyError> {
        Err(KeyError::PassphraseRequired)
    }

    /// The keys in `~/.ssh` under their usual names, as far as they can be read
    /// without a passphrase, in OpenSSH's order.
    #[must_use]
    pub fn defaults(_home: &Path) -> Vec<Self> {
        Vec::new()
    }
}
