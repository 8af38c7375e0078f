//! Where in a vault a secret stands.

use std::fmt;

use super::VaultError;

/// The mount that a reference means unless it names one.
pub const DEFAULT_MOUNT: &str = "secret";

/// Mount, path and version of a secret in a KV version 2 engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    mount: String,
    path: String,
    version: Option<u32>,
}

impl Reference {
    /// A reference; without a version it means the latest one.
    ///
    /// # Errors
    /// Mount or path is none, or the version is 0.
    pub fn new(mount: &str, path: &str, version: Option<u32>) -> Result<Self, VaultError> {
        for (what, text) in [("mount", mount), ("path", path)] {
            if let Some(reason) = fault(text) {
                let text = text.escape_debug().to_string();
                return Err(VaultError::BadPath { what, text, reason });
            }
        }
        if version == Some(0) {
            return Err(VaultError::BadVersion);
        }
        Ok(Self { mount: mount.to_owned(), path: path.to_owned(), version })
    }

    /// The mount, without slashes around it.
    #[must_use]
    pub fn mount(&self) -> &str {
        &self.mount
    }

    /// The path within the mount.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The version, unless the latest is meant.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.version
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mount, self.path)?;
        match self.version {
            Some(version) => write!(f, " (version {version})"),
            None => Ok(()),
        }
    }
}

/// What keeps a text from being a path. `..` would reach outside of the mount.
fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.chars().any(char::is_control) {
        Some("it holds a control character")
    } else if text.starts_with('/') || text.ends_with('/') {
        Some("it begins or ends with a slash")
    } else if text.split('/').any(str::is_empty) {
        Some("it has an empty part")
    } else if text.split('/').any(|part| part == "." || part == "..") {
        Some("it has `.` or `..` for a part")
    } else {
        None
    }
}
