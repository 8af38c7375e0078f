//! From `file_transfer` to a [`TransferSpec`].

use std::path::Path;
use std::sync::Arc;

use super::collect::Collect;
use super::error::PlanError;
use super::exec::limit;
use super::spec::TransferSpec;
use crate::load::decode::{At, Templated};
use crate::load::request::FileTransfer;
use crate::load::source::{FileId, Span, shown};
use crate::load::values::{Limit, OperationName};
use crate::local_file;
use crate::resolve::frame::Frame;
use crate::transfer::TransferOperation;

/// The one path that stays on this machine.
const LOCAL_PATH: &str = "local_path";

/// Documented default of `chunk_size`: 32 KiB.
const CHUNK: u32 = 32 * 1024;

/// Renders and checks a file transfer; the local file of an upload must be there.
///
/// `outer` is `driver_args.timeout`, which bounds a transfer without a limit of
/// its own.
pub(super) fn build(
    at: &At<FileTransfer>,
    outer: Option<&At<Templated<Limit>>>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<TransferSpec> {
    let args = &at.value;
    let operation = match collect.value(frame, args.operation.as_ref(), "operation") {
        Some(OperationName::Upload) => Some(TransferOperation::Upload),
        Some(OperationName::Download) => Some(TransferOperation::Download),
        None => None,
    };
    let local = path(args.local_path.as_ref(), LOCAL_PATH, frame, collect);
    let remote = path(args.remote_path.as_ref(), "remote_path", frame, collect);
    let timeout = args.timeout.as_ref().or(outer);
    let timeout = limit(timeout, frame, collect);
    let chunk = collect.value(frame, args.chunk_size.as_ref(), "chunk_size").unwrap_or(CHUNK);
    if chunk == 0 {
        let error = PlanError::OutOfRange {
            what: "`chunk_size`".to_owned(),
            expected: "at least 1 byte".to_owned(),
            found: "0".to_owned(),
        };
        collect.error(error, args.chunk_size.as_ref());
    }
    let mode = collect.value(frame, args.mode.as_ref(), "mode").map(|mode| mode.0);
    let resume = collect.value(frame, args.resume.as_ref(), "resume").unwrap_or(false);
    let create_dirs = collect.value(frame, args.create_dirs.as_ref(), "create_dirs");
    let verify = collect.value(frame, args.verify.as_ref(), "verify").unwrap_or(true);
    let template = collect.value(frame, args.template.as_ref(), "template").unwrap_or(false);
    let recursive = collect.value(frame, args.recursive.as_ref(), "recursive").unwrap_or(false);
    let owner = user_or_group(args.owner.as_ref(), "owner", operation, frame, collect);
    let group = user_or_group(args.group.as_ref(), "group", operation, frame, collect);
    if recursive && template {
        let error = PlanError::Unfitting {
            message: "`template` renders one file, and `recursive` transfers many".to_owned(),
            help: "render each by a task of its own, with a `loop`".to_owned(),
        };
        collect.error(error, args.template.as_ref());
    }
    let (operation, shown) = (operation?, local?);
    let file = args.local_path.as_ref().and_then(|at| at.span).map(|span| span.file);
    let local_path = frame.scope().world.path(&shown, file);
    let mut content = None;
    // The file must be there, whatever else has to wait for a result.
    if operation == TransferOperation::Upload {
        match template {
            true if recursive => {}
            true => content = render(&local_path, args.local_path.as_ref(), frame, collect),
            false => check_source(&local_path, recursive, args.local_path.as_ref(), collect),
        }
    }
    let remote_path = remote?;
    Some(TransferSpec {
        operation,
        local_path,
        local_path_shown: shown,
        content,
        remote_path,
        resume,
        chunk_size: usize::try_from(chunk).unwrap_or(usize::MAX),
        timeout,
        mode,
        create_dirs: create_dirs.unwrap_or(false),
        verify,
        recursive,
        owner,
        group,
        sudo: None,
        pty: false,
    })
}

fn path(
    at: Option<&At<Templated<String>>>,
    key: &str,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<String> {
    let path: String = collect.value(frame, at, key)?;
    if key != LOCAL_PATH {
        collect.note_exposed(frame, &format!("`{key}`"), at.and_then(|at| at.span));
    }
    let what = format!("`{key}`");
    if path.is_empty() {
        let help = "name a file";
        collect.error(PlanError::Empty { what, help }, at);
        return None;
    }
    if path.contains('\0') {
        collect.error(PlanError::Nul { what }, at);
        return None;
    }
    Some(path)
}

/// A user or a group, by name or number.
fn user_or_group(
    at: Option<&At<Templated<String>>>,
    key: &str,
    operation: Option<TransferOperation>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<String> {
    let name = path(at, key, frame, collect)?;
    let message = match operation {
        Some(TransferOperation::Download) => {
            format!("`{key}` is for uploads: a downloaded file belongs to whoever runs sshoal")
        }
        _ if name.starts_with('-') || name.contains([':', '/', '\n']) => {
            format!("`{name}` is no name of a user or a group")
        }
        _ => return Some(name),
    };
    let help = format!("write a name or a number, as in `{key}: www-data`, for an upload");
    collect.error(PlanError::Unfitting { message, help }, at);
    None
}

fn local_error(path: &Path, error: &std::io::Error) -> PlanError {
    use std::io::ErrorKind;
    let help = match error.kind() {
        ErrorKind::NotFound => {
            "check the path; a relative one starts at the directory of the file that it is written in, on the command line at the current one"
        }
        ErrorKind::PermissionDenied => "check the permissions of the file and its directories",
        ErrorKind::IsADirectory => {
            "name a file, or set `recursive: true` to transfer what the directory contains"
        }
        ErrorKind::NotADirectory => "name a directory, or leave `recursive` out",
        ErrorKind::InvalidData => {
            "a template must be UTF-8 text; leave `template` out for other files"
        }
        ErrorKind::Other => "name a regular file: a pipe or a device cannot be read twice",
        _ => "check the file",
    };
    let reason = match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        ErrorKind::NotADirectory => "it is no directory".to_owned(),
        ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    PlanError::LocalFile { path: shown(path), reason, help: help.to_owned() }
}

/// The source of an upload must be a readable file, or directory where it is to be
/// `recursive`, before anything connects.
pub(super) fn check_source<T>(
    path: &Path,
    recursive: bool,
    at: Option<&At<T>>,
    collect: &mut Collect,
) {
    let checked = std::fs::metadata(path).and_then(|metadata| match recursive {
        true if metadata.is_dir() => std::fs::read_dir(path).map(drop),
        true => Err(std::io::ErrorKind::NotADirectory.into()),
        false => local_file::open_regular(path).map(drop),
    });
    if let Err(error) = checked {
        collect.error(local_error(path, &error), at);
    }
}

/// The local file that is a template, read.
pub(super) fn template<T>(
    path: &Path,
    at: Option<&At<T>>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<FileId> {
    match frame.scope().world.sources.template(path) {
        Ok(file) => Some(file),
        Err(error) => {
            collect.error(local_error(path, &error), at);
            None
        }
    }
}

/// The local file rendered as a template. Errors in it point into it.
fn render<T>(
    path: &Path,
    at: Option<&At<T>>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<Arc<[u8]>> {
    let file = template(path, at, frame, collect)?;
    let text = frame.scope().world.sources.get(file);
    let rendered = collect.take(frame.render_file(&text.text, Span::whole(file)))?;
    Some(rendered.into_bytes().into())
}
