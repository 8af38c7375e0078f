//! Compares directories: names, links, and the hashes of files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::{Job, upload};
use super::{predicted, unknown};
use crate::failure::{ErrorCode, Failure};
use crate::transfer::TransferOperation;
use crate::transport::{Comparison, FileCount};

/// How much the host may tell of a tree.
pub(in super::super) const MOST: usize = 64 * 1024 * 1024;
/// What ends a list that is whole.
pub(in super::super) const END: &[u8] = b"sshoal-end\n";

/// `list PATH`: directories and links, ended by NUL characters, and then the hashes
/// of files as `sha256sum` tells them.
pub(in super::super) const LIST: &str = r#"[ -d "$1" ] || { [ -e "$1" ] && fail "$1: Not a directory"; printf 'missing\0'; echo sshoal-end; exit 0; }
cd "$1" || fail "$1: cannot be entered"
command -v sha256sum >/dev/null || { printf 'tool\0'; echo sshoal-end; exit 0; }
find . -type d -exec printf 'd%s\0' {} +
find . -type l -exec /bin/sh -c 'for l do printf "l%s\0%s\0" "$l" "$(readlink -- "$l")"; done' sh {} +
printf 'sums\0'
find . -type f -exec sha256sum -- {} +
echo sshoal-end
"#;

#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Entry {
    Directory,
    Link(String),
    /// By its hash.
    File(String),
}

/// What a directory contains, by paths relative to it.
pub(in super::super) type Tree = BTreeMap<String, Entry>;

pub(super) fn compare(job: &mut Job<'_>) -> Result<Comparison, Failure> {
    let here = local(job)?;
    let path = job.remote_path();
    let said = match job.read(LIST, &[&path], MOST) {
        Ok(said) => said,
        Err(failure) if super::is_about_looking(&failure) => {
            return Ok(unknown(job, 0, &failure.message));
        }
        Err(failure) => return Err(failure),
    };
    let Some(there) = parse(&said) else {
        return Ok(unknown(job, 0, "the host offers no shell, or no `sha256sum`"));
    };
    let (source, target) = match job.spec.operation {
        TransferOperation::Upload => (here, there),
        TransferOperation::Download => (there, here),
    };
    let Some(source) = source else {
        let message = format!("`{}` is no directory on the host", job.spec.remote_path);
        return Err(Failure::new(ErrorCode::TransferFailed, message));
    };
    let target = target.unwrap_or_default();
    let mut files = FileCount::default();
    let mut changed = false;
    for (path, entry) in &source {
        let differs = target.get(path) != Some(entry);
        changed |= differs;
        if *entry != Entry::Directory {
            files.total += 1;
            files.moved += u64::from(differs);
        }
    }
    let mut transferred = predicted(job, 0, None, changed);
    transferred.files = Some(files);
    Ok(Comparison { transferred, contents: None })
}

/// The directory on this machine; `None` where there is none to download to.
fn local(job: &Job<'_>) -> Result<Option<Tree>, Failure> {
    let root = &job.spec.local_path;
    let is_upload = job.spec.operation == TransferOperation::Upload;
    if !root.is_dir() && !is_upload {
        return Ok(None);
    }
    let mut tree = Tree::from([(".".to_owned(), Entry::Directory)]);
    walk(root, ".", &mut tree)?;
    Ok(Some(tree))
}

fn walk(directory: &Path, prefix: &str, tree: &mut Tree) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| upload::unreadable(directory, &error);
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(unreadable)?;
            tree.insert(name, Entry::Link(target.to_string_lossy().into_owned()));
        } else if kind.is_dir() {
            walk(&path, &name, tree)?;
            tree.insert(name, Entry::Directory);
        } else if kind.is_file() {
            tree.insert(name, Entry::File(upload::hash_of(&path)?));
        }
    }
    Ok(())
}

/// What the host said: a tree, that there is none, or nothing that can be read.
pub(in super::super) fn parse(said: &[u8]) -> Option<Option<Tree>> {
    let said = said.strip_suffix(END)?;
    let mut tree = Tree::new();
    let mut fields = said.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    loop {
        let field = fields.next()?;
        match (&*field, field.split_at_checked(1)) {
            ("missing", _) => return Some(None),
            ("tool", _) => return None,
            ("sums", _) => break,
            (_, Some(("d", path))) => {
                tree.insert(path.to_owned(), Entry::Directory);
            }
            (_, Some(("l", path))) => {
                tree.insert(path.to_owned(), Entry::Link(fields.next()?.into_owned()));
            }
            _ => return None,
        }
    }
    for line in fields.next()?.lines() {
        // A name with a backslash or a newline is told behind a backslash.
        let (escaped, line) = match line.strip_prefix('\\') {
            Some(line) => (true, line),
            None => (false, line),
        };
        let (sum, path) = line.split_once("  ")?;
        let path = match escaped {
            true => unescaped(path),
            false => path.to_owned(),
        };
        tree.insert(path, Entry::File(sum.to_owned()));
    }
    Some(Some(tree))
}

fn unescaped(path: &str) -> String {
    let mut text = String::new();
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        text.push(match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            (c, false) => c,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let said =
            b"d.\0d./a b\0l./link\0../to\0sums\0aa  ./a b/c\n\\bb  ./x\\ny\\\\z\nsshoal-end\n";
        let expected = Tree::from([
            (".".to_owned(), Entry::Directory),
            ("./a b".to_owned(), Entry::Directory),
            ("./link".to_owned(), Entry::Link("../to".to_owned())),
            ("./a b/c".to_owned(), Entry::File("aa".to_owned())),
            ("./x\ny\\z".to_owned(), Entry::File("bb".to_owned())),
        ]);
        assert_eq!(parse(said), Some(Some(expected)));
        assert_eq!(parse(b"missing\0sshoal-end\n"), Some(None));
        assert_eq!(parse(b"tool\0sshoal-end\n"), None);
        assert_eq!(parse(b"d.\0sums\0"), None);
        assert_eq!(parse(b""), None);
    }
}
