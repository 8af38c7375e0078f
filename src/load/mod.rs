//! Files become raw types: checked in shape, each value with its place, nothing
//! rendered and nothing interpreted.
//!
//! This is the only place that knows serde_yaml. It knows the file system and
//! globs, but not what hosts or templates mean.

mod ansible;
pub mod ansible_vars;
pub mod batch;
mod check;
mod checked;
pub mod credential_ref;
pub mod decode;
mod document;
mod error;
mod extra_vars;
mod file;
mod handlers;
mod import;
pub mod inventory;
pub mod layer;
mod mapping;
pub mod node;
mod numbers;
pub mod numeral;
pub mod pattern_file;
mod place;
pub mod placeholder;
pub mod playbook;
mod primitive;
pub mod project;
pub mod request;
mod shape;
pub mod source;
pub mod ssh_args;
pub mod ssh_config;
pub mod tags;
pub mod texts;
pub mod uses;
pub mod values;
mod walk;
mod warning;
mod yaml_1_1;

pub use checked::holds_playbooks;
pub use document::{Format, document, to_yaml};
pub use error::LoadError;
pub use extra_vars::extra_vars;
pub(crate) use file::unreadable;
pub use file::{
    CheckedFile, any_file, any_text, layer, literal_requests, playbook_paths, playbooks, vars_file,
    vars_layer,
};
pub(crate) use handlers::handler_help;
pub use place::Scalars;
pub(crate) use place::{byte_offset, part};
pub use primitive::parse_bool;
pub use warning::LoadWarning;

use crate::diagnostic::Problem;
use decode::At;
use playbook::{RawPlay, RawTask};
use source::FileId;

/// A playbook file.
#[derive(Debug)]
pub struct RawPlaybook {
    /// The file.
    pub file: FileId,
    /// The files that it imports, and those that these import, in the order of reading.
    pub imports: Vec<FileId>,
    /// What it holds, with what it imports, as far as it could be read.
    pub content: PlaybookContent,
    /// What is wrong with it. The rest is still planned, to tell what is wrong with
    /// that too; a plan of it there never is.
    pub problems: Vec<Problem>,
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
