//! Files become raw types: checked in shape, each value with its place, nothing
//! rendered and nothing interpreted.
//!
//! This is the only place that knows serde_yaml. It knows the file system and
//! globs, but not what hosts or templates mean.

pub mod credential_ref;
pub mod decode;
mod error;
mod file;
pub mod inventory;
pub mod layer;
pub mod node;
pub mod playbook;
pub mod request;
pub mod source;

pub use error::LoadError;
pub(crate) use file::unreadable;
pub use file::{
    CheckedFile, Format, any_file, document, extra_vars, inventory_files, layer, literal_requests,
    playbook_paths, playbooks, to_yaml, vars_file, vars_layer,
};

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
