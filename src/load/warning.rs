//! What Ansible reads with a warning, and so does sshoal, in files that are written
//! for both.

use miette::Diagnostic;
use thiserror::Error;

/// Something in an inventory or a variables file that is passed over.
#[derive(Debug, Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum LoadWarning {
    /// A key stands twice in one mapping of variables.
    #[error("the key `{key}` stands twice in one mapping: the last one counts")]
    #[diagnostic(code(load::duplicate_key), severity(Warning), help("keep one of them"))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A group has a key that groups do not have.
    #[error("unknown key `{key}` in {within}: it is passed over")]
    #[diagnostic(code(load::unknown_key), severity(Warning), help("{help}"))]
    UnknownKey {
        /// The key.
        key: String,
        /// What it stands in.
        within: String,
        /// A suggestion, or the known keys.
        help: String,
    },
}
