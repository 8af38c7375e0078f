//! This machine's side of a tree.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Kind, Tree, below, filling};
use crate::failure::{ErrorCode, Failure};
use crate::transport::transfer::job::Job;

/// All that the directory `root` contains.
pub(super) fn walk(job: &Job<'_>, root: &Path) -> Result<Tree, Failure> {
    let unreadable = |error: &io::Error, path: &Path| job.local(error, "read", path);
    let mut tree = Tree::default();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        job.wire.check().map_err(|stop| job.interrupted(stop.into()))?;
        let path = root.join(&directory);
        let listed = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut listed = listed.map_err(|error| unreadable(&error, &path))?;
        listed.sort_by_key(fs::DirEntry::file_name);
        for entry in listed {
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(not_text(&path));
            };
            let name = below(&directory, &name);
            let metadata = entry.metadata().map_err(|error| unreadable(&error, &path))?;
            let mode = metadata.permissions().mode() & 0o7777;
            let kind = match metadata.file_type() {
                kind if kind.is_dir() => {
                    directories.push(name.clone());
                    Kind::Directory { mode }
                }
                kind if kind.is_file() => Kind::File { size: metadata.len(), mode },
                kind if kind.is_symlink() => {
                    let target = fs::read_link(&path).map_err(|error| unreadable(&error, &path))?;
                    let target = target.to_str().map(str::to_owned);
                    Kind::Link { target: target.ok_or_else(|| not_text(&path))? }
                }
                _ => {
                    tree.pass_over(path.display().to_string())?;
                    continue;
                }
            };
            tree.add(name, kind)?;
        }
    }
    Ok(tree)
}

fn not_text(path: &Path) -> Failure {
    Failure::new(
        ErrorCode::TransferFailed,
        format!("the name of `{}` is no UTF-8 text", path.display()),
    )
    .with_help("rename it, or transfer an archive of the directory")
}

/// What stands at `path`, be it a symbolic link.
pub(super) fn look(job: &Job<'_>, path: &Path) -> Result<Option<Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(job.local(&error, "look at", path)),
    }
}

/// Makes the directory `path` unless it is there; tells whether it had to. A symbolic
/// link in its place is not followed.
pub(super) fn make_directory(job: &Job<'_>, path: &Path, mode: u32) -> Result<bool, Failure> {
    match look(job, path)? {
        Some(metadata) if metadata.is_dir() => return Ok(false),
        Some(_) => {
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("`{}` is in the way of a directory of that name", path.display()),
            )
            .with_help("remove it, or download to another directory"));
        }
        None => {}
    }
    let made = fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(filling(mode))));
    made.map_err(|error| job.local(&error, "create the directory", path))?;
    Ok(true)
}

/// Fails when what stands at `path` must not be replaced by a file.
pub(super) fn refuse_directory(path: &Path, there: Option<&Metadata>) -> Result<(), Failure> {
    match there {
        Some(metadata) if metadata.is_dir() => Err(Failure::new(
            ErrorCode::TransferFailed,
            format!("the directory `{}` is in the way of a file of that name", path.display()),
        )
        .with_help("remove it, or download to another directory")),
        _ => Ok(()),
    }
}
