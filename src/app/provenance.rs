//! Where a run's playbooks came from: hashes, and the state of their git work tree.

use std::collections::HashSet;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

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
    let files =
        raw.iter().flat_map(|playbook| [playbook.file].into_iter().chain(playbook.imports.clone()));
    let mut files: Vec<FileId> = files.collect();
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(sources.get(*file).name.clone()));
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

/// How long git may take. Where it takes longer (a huge tree, a file system that
/// hangs), the report goes without.
const PATIENCE: Duration = Duration::from_secs(2);

/// What git says of the work tree that holds `path`; `None` without git or tree.
fn git_state(path: &Path) -> Option<GitState> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let end = Instant::now() + PATIENCE;
    let commit = git(directory, &["rev-parse", "HEAD"], end)?;
    let branch = git(directory, &["symbolic-ref", "--short", "-q", "HEAD"], end);
    let changes = git(directory, &["status", "--porcelain", "--untracked-files=no"], end)?;
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
    git(directory, &args, Instant::now() + PATIENCE).is_some_and(|listed| !listed.is_empty())
}

/// What git answers, unless it fails or takes until `end`.
fn git(directory: &Path, args: &[&str], end: Instant) -> Option<String> {
    let mut command = Command::new("git");
    // A look at a tree must start nothing that the tree's owner configured, and
    // must not touch the index of a tree that something else works on.
    command.args(["--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
    command.arg("-C").arg(directory).args(args);
    answer_of(command, end)
}

/// What a command prints, unless it fails or takes until `end`. It is ended then,
/// with all that it started.
fn answer_of(mut command: Command, end: Instant) -> Option<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let (sender, received) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.read_to_end(&mut bytes);
        sender.send(read.is_ok().then_some(bytes))
    });
    let patience = end.saturating_duration_since(Instant::now());
    let answer = received.recv_timeout(patience).ok().flatten();
    if answer.is_none() {
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let succeeded = child.wait().ok()?.success();
    let text = String::from_utf8(answer.filter(|_| succeeded)?).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_what_it_started() {
        let shell = |line: &str, patience: u64| {
            let mut command = Command::new("sh");
            command.args(["-c", line]);
            let began = Instant::now();
            let answer = answer_of(command, began + Duration::from_millis(patience));
            (answer, began.elapsed())
        };
        assert_eq!(shell("echo ' fine '", 60_000).0.as_deref(), Some("fine"));
        assert_eq!(shell("echo wrong; exit 3", 60_000).0, None);
        let (answer, took) = shell("sleep 60 & echo half; sleep 60", 300);
        assert_eq!(answer, None);
        assert!(took < Duration::from_secs(30), "{took:?}");
    }
}
