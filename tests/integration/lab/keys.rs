//! Key pairs, made by `ssh-keygen` in every form that users have.

use std::fs;
use std::path::{Path, PathBuf};

use super::processes::tool;

/// A key's algorithm and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyType {
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa,
    /// ECDSA on P-256.
    Ecdsa,
}

impl KeyType {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Ed25519, Self::Rsa, Self::Ecdsa];

    /// As `ssh-keygen -t` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
        }
    }

    fn bits(self) -> &'static str {
        match self {
            Self::Ed25519 | Self::Ecdsa => "256",
            Self::Rsa => "2048",
        }
    }
}

/// How a private key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFormat {
    /// `BEGIN OPENSSH PRIVATE KEY`.
    OpenSsh,
    /// `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY`; not for Ed25519.
    Pem,
    /// `BEGIN PRIVATE KEY` or `BEGIN ENCRYPTED PRIVATE KEY`; not for Ed25519.
    Pkcs8,
}

/// A key pair in two files, `path` and `path.pub`.
#[derive(Debug, Clone)]
pub(crate) struct KeyPair {
    /// The private key's file, readable by its owner alone.
    pub(crate) path: PathBuf,
}

impl KeyPair {
    /// Makes a pair at `path`; an empty `passphrase` leaves it unencrypted.
    pub(crate) fn generate(
        path: &Path,
        key_type: KeyType,
        format: KeyFormat,
        passphrase: &str,
    ) -> Self {
        let mut args = vec!["-q", "-C", "sshoal-lab", "-t", key_type.name()];
        args.extend(["-b", key_type.bits(), "-N", passphrase]);
        match format {
            KeyFormat::OpenSsh => {}
            KeyFormat::Pem => args.extend(["-m", "PEM"]),
            KeyFormat::Pkcs8 => args.extend(["-m", "PKCS8"]),
        }
        args.extend(["-f", path.to_str().unwrap()]);
        tool("ssh-keygen", &args, "");
        Self { path: path.to_owned() }
    }

    /// The private key's text.
    pub(crate) fn private(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// The public key as `algorithm base64`, without the comment.
    pub(crate) fn public(&self) -> String {
        let line = fs::read_to_string(public_path(&self.path)).unwrap();
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }
}

fn public_path(private: &Path) -> PathBuf {
    let mut path = private.as_os_str().to_owned();
    path.push(".pub");
    path.into()
}
