//! Where a run's playbooks came from: hashes, and the state of their git work tree.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use crate::event::{GitState, Source, SourceFile};
use crate::load::RawPlaybook;
use crate::load::source::{BYTE_ORDER_MARK, FileId, Sources};

/// The source of a run of playbooks.
pub(super) fn of(
    sources: &Sources,
    raw: &[RawPlaybook],
    paths: &[PathBuf],
    inventory: &[String],
) -> Source {
    let files: Vec<FileId> = raw.iter().map(|playbook| playbook.file).collect();
    of_files(sources, &files, &paths.first().cloned(), inventory)
}

/// The source of a run of these files; `first` is where the first one lies.
pub(super) fn of_files(
    sources: &Sources,
    files: &[FileId],
    first: &Option<PathBuf>,
    inventory: &[String],
) -> Source {
    let playbooks = files.iter().map(|file| {
        let source = sources.get(*file);
        let mark = if source.had_mark { String::from(BYTE_ORDER_MARK) } else { String::new() };
        let hash = Sha256::new().chain_update(mark).chain_update(&source.text).finalize();
        let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        SourceFile { path: source.name.clone(), sha256 }
    });
    Source {
        playbooks: playbooks.collect(),
        inventory: inventory.to_vec(),
        git: first.as_deref().and_then(git_state),
    }
}

/// What git says of the work tree that holds `path`; `None` without git or tree.
fn git_state(path: &Path) -> Option<GitState> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let commit = git(directory, &["rev-parse", "HEAD"])?;
    let branch = git(directory, &["symbolic-ref", "--short", "-q", "HEAD"]);
    let changes = git(directory, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(GitState { commit, branch, dirty: !changes.is_empty() })
}

/// Whether git has the file, or would take it with the next `git add`.
pub(super) fn is_under_git(path: &Path) -> bool {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "--"];
    let Some(name) = name.to_str() else { return false };
    // A name may look like a pattern.
    let name = format!(":(literal){name}");
    let args: Vec<&str> = listed.into_iter().chain([name.as_str()]).collect();
    git(directory, &args).is_some_and(|listed| !listed.is_empty())
}

fn git(directory: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // Reading must not touch the index of a tree that something else works on.
    command.arg("-C").arg(directory).args(args).env("GIT_OPTIONAL_LOCKS", "0");
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
