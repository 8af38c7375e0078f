//! Files become raw types: checked in shape, each value with its place, nothing
//! rendered and nothing interpreted.
//!
//! This is the only place that knows serde_yaml. It knows the file system and
//! globs, but not what hosts or templates mean.

mod ansible;
mod check;
pub mod credential_ref;
pub mod decode;
mod document;
mod error;
mod extra_vars;
mod file;
pub mod inventory;
pub mod layer;
mod mapping;
pub mod node;
mod place;
pub mod playbook;
mod primitive;
pub mod project;
pub mod request;
mod shape;
pub mod source;
pub mod values;
mod walk;

pub use document::{Format, document, to_yaml};
pub use error::LoadError;
pub use extra_vars::extra_vars;
pub(crate) use file::unreadable;
pub use file::{
    CheckedFile, any_file, inventory_files, layer, literal_requests, playbook_paths, playbooks,
    vars_file, vars_layer,
};
pub use place::Scalars;
pub(crate) use place::part;
pub use primitive::parse_bool;

use decode::At;
use playbook::{RawPlay, RawTask};
use source::FileId;

/// A playbook file.
#[derive(Debug)]
pub struct RawPlaybook {
    /// The file.
    pub file: FileId,
    /// What it holds.
    pub content: PlaybookContent,
}

/// What a playbook file may hold.
#[derive(Debug)]
pub enum PlaybookContent {
    /// Plays.
    Plays(Vec<At<RawPlay>>),
    /// Requests, each with the host in its `connection_args`.
    Requests(Vec<At<RawTask>>),
}

#[cfg(test)]
mod tests;
