//! Whether a tree that is to be uploaded is in place already. Then nothing of it has to
//! be staged.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::compare::tree::{END, Entry, LIST, MOST, Tree, parse};
use super::{Job, compare, upload};
use crate::failure::Failure;
use crate::transport::link::Stop;
use crate::transport::{FileCount, Transferred};

/// `… PATH OWNER GROUP`, after [`LIST`]: modes and owners of the files, and whom OWNER
/// and GROUP mean. No path has two slashes in it, so they end one, whatever it contains.
const STATE: &str = r#"printf '\0'
find . -type f -exec stat -c '%a %u %g %n//' -- {} +
u= g=
if [ -n "$2" ]; then u=$(id -u -- "$2" 2>/dev/null || echo "$2"); fi
if [ -n "$3" ]; then
  g=$({ getent group "$3" || grep "^$3:" /etc/group || echo "x:x:$3"; } | head -n 1 | cut -d: -f3)
fi
printf '\0%s:%s' "$u" "$g"
"#;

/// A file's mode, owner and group, as `stat` tells them.
type State = (u32, String, String);

/// What is on the host.
struct There {
    tree: Tree,
    states: BTreeMap<String, State>,
    /// The owner and the group that files are to have; empty where that is left as it is.
    wanted: (String, String),
}

/// What the upload comes to, if that is nothing. Whatever cannot be told counts as a
/// difference: the upload itself will tell.
pub(super) fn unchanged(job: &mut Job<'_>) -> Result<Option<Transferred>, Failure> {
    let path = job.remote_path();
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let (owner, group) = (name(&job.spec.owner), name(&job.spec.group));
    let end = String::from_utf8_lossy(END);
    let list = LIST.strip_suffix(&*format!("echo {end}")).unwrap_or(LIST);
    let script = format!("{list}{STATE}echo {end}");
    let said = match job.read(&script, &[&path, &owner, &group], MOST) {
        Ok(said) => said,
        Err(failure) if compare::is_about_looking(&failure) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let Some(there) = There::parse(&said) else { return Ok(None) };
    let root = job.spec.local_path.clone();
    let mut here = Here { files: Vec::new(), links: 0, bytes: 0 };
    if !is_like(job, &there, &root, ".", &mut here).unwrap_or(false) {
        return Ok(None);
    }
    for (path, sum) in &here.files {
        if job.cancel.is_cancelled() {
            return Err(job.stopped(Stop::Cancelled));
        }
        if job.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(job.stopped(Stop::Deadline));
        }
        if upload::hash_of(path).ok().as_ref() != Some(sum) {
            return Ok(None);
        }
    }
    let mut record = job.record(0, here.bytes);
    (record.verified, record.resume_note) = (true, None);
    let files = FileCount { total: here.files.len() as u64 + here.links, moved: 0 };
    Ok(Some(Transferred { record, changed: false, files: Some(files), warnings: Vec::new() }))
}

/// What is on this machine.
struct Here {
    /// With the hashes that they should have.
    files: Vec<(PathBuf, String)>,
    links: u64,
    bytes: u64,
}

/// Whether what the directory contains is there, apart from the files' contents.
fn is_like(
    job: &Job<'_>,
    there: &There,
    directory: &Path,
    name: &str,
    here: &mut Here,
) -> std::io::Result<bool> {
    if there.tree.get(name) != Some(&Entry::Directory) {
        return Ok(false);
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let file_name = entry.file_name();
        // What is passed over, or cannot be sent, has to be told.
        let Some(file_name) = file_name.to_str() else { return Ok(false) };
        let name = format!("{name}/{file_name}");
        let kind = entry.file_type()?;
        let is_there = if kind.is_dir() {
            is_like(job, there, &path, &name, here)?
        } else if kind.is_symlink() {
            here.links += 1;
            let target = fs::read_link(&path)?.to_str().map(str::to_owned);
            target.is_some_and(|target| there.tree.get(&name) == Some(&Entry::Link(target)))
        } else if kind.is_file() {
            let metadata = entry.metadata()?;
            here.bytes += metadata.len();
            let mode = job.spec.mode.unwrap_or(metadata.permissions().mode() & 0o777);
            match there.tree.get(&name) {
                Some(Entry::File(sum)) if there.has(&name, mode) => {
                    here.files.push((path, sum.clone()));
                    true
                }
                _ => false,
            }
        } else {
            false
        };
        if !is_there {
            return Ok(false);
        }
    }
    Ok(true)
}

impl There {
    fn parse(said: &[u8]) -> Option<Self> {
        let said = said.strip_suffix(END)?;
        let mut parts = said.rsplitn(3, |&byte| byte == 0);
        let wanted = String::from_utf8_lossy(parts.next()?);
        let (owner, group) = wanted.split_once(':')?;
        let mut states = BTreeMap::new();
        for state in String::from_utf8_lossy(parts.next()?).split_terminator("//\n") {
            let mut words = state.splitn(4, ' ');
            let mode = u32::from_str_radix(words.next()?, 8).ok()?;
            let (owner, group) = (words.next()?.to_owned(), words.next()?.to_owned());
            states.insert(words.next()?.to_owned(), (mode, owner, group));
        }
        let tree = parse(&[parts.next()?, END].concat())??;
        Some(Self { tree, states, wanted: (owner.to_owned(), group.to_owned()) })
    }

    /// Whether a file has this mode, and whom it should belong to.
    fn has(&self, name: &str, mode: u32) -> bool {
        let fits = |wanted: &String, is: &String| wanted.is_empty() || wanted == is;
        self.states.get(name).is_some_and(|(is, owner, group)| {
            *is == mode && fits(&self.wanted.0, owner) && fits(&self.wanted.1, group)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_whole_or_not_at_all() {
        let said =
            b"d.\0l./link\0a\0sums\0aa  ./a b\n\x00640 0 7 ./a b//\n600 0 0 ./c\nd//\n\x000:\
            sshoal-end\n";
        let there = There::parse(said).unwrap();
        assert_eq!(there.tree.len(), 3);
        assert!(there.has("./a b", 0o640) && !there.has("./a b", 0o644) && !there.has("./c", 0));
        assert!(there.has("./c\nd", 0o600));
        let other = There { wanted: ("0".to_owned(), "8".to_owned()), ..there };
        assert!(!other.has("./a b", 0o640));
        for said in [&b"missing\0sshoal-end\n"[..], b"tool\0sshoal-end\n", b"d.\0sums\0", b""] {
            assert!(There::parse(said).is_none());
        }
    }
}
