//! The host's side of a tree, as the host tells it. A hostile one may tell anything:
//! a name that leaves its directory, a name twice, directories without an end.

use std::collections::{HashMap, HashSet, VecDeque};

use super::survey::{links, misplaced};
use super::{Kind, LONGEST_PATH, Tree, below, depth};
use crate::failure::{ErrorCode, Failure};
use crate::transport::transfer::job::Job;
use crate::transport::transfer::naming::join;
use crate::transport::transfer::packet::{self, Attributes, Response};
use crate::transport::transfer::requests::Handle;
use crate::transport::transfer::trouble::{Trouble, status};

/// How many directories are listed at a time.
const AT_A_TIME: usize = 64;
/// How deep a tree may be; paths end at about two thousand anyway.
const DEEPEST: usize = 256;

enum Asked {
    Open(String),
    Read(String, Handle),
}

/// All that the directory `root` on the host contains.
pub(super) fn list(job: &mut Job<'_>, root: &str) -> Result<Tree, Failure> {
    let mut tree = Tree::default();
    let mut link_paths = Vec::new();
    let mut waiting = VecDeque::from([String::new()]);
    let mut asked: HashMap<u32, Asked> = HashMap::new();
    let mut seen: HashMap<String, HashSet<String>> = HashMap::new();
    loop {
        while asked.len() < AT_A_TIME
            && let Some(path) = waiting.pop_front()
        {
            let id = job.sftp.queue_at(packet::OPENDIR, &on_host(root, &path));
            asked.insert(id, Asked::Open(path));
        }
        if asked.is_empty() {
            break;
        }
        job.sftp.pump(&mut job.wire).map_err(|trouble| job.interrupted(trouble))?;
        while let Some((id, response)) =
            job.sftp.take().map_err(|trouble| job.interrupted(trouble))?
        {
            let Some(what) = asked.remove(&id) else { continue };
            let (path, handle) = match (what, response) {
                (Asked::Open(path), Response::Handle(handle)) => (path, Handle::new(handle)),
                (Asked::Read(path, handle), Response::Names(names)) => {
                    let known = seen.entry(path.clone()).or_default();
                    for (name, attributes) in names {
                        let Some(name) = checked(&path, name, known)? else { continue };
                        let name = below(&path, &name);
                        match kind_of(attributes) {
                            Some(kind @ Kind::Directory { .. }) => {
                                if depth(&name) >= DEEPEST {
                                    return Err(refuse(&name, "is too deep"));
                                }
                                waiting.push_back(name.clone());
                                tree.add(name, kind)?;
                            }
                            Some(kind @ Kind::Link { .. }) => {
                                link_paths.push((tree.entries.len(), on_host(root, &name)));
                                tree.add(name, kind)?;
                            }
                            Some(kind) => tree.add(name, kind)?,
                            None => tree.pass_over(on_host(root, &name))?,
                        }
                    }
                    (path, handle)
                }
                (Asked::Read(path, handle), Response::Status { code: status::EOF, .. }) => {
                    // Nothing depends on its being closed.
                    job.sftp.queue_on(packet::CLOSE, &handle);
                    seen.remove(&path);
                    continue;
                }
                (Asked::Open(path) | Asked::Read(path, _), Response::Status { code, message }) => {
                    let trouble = Trouble::Status { code, message };
                    return Err(job.remote(trouble, "list", &on_host(root, &path)));
                }
                _ => return Err(job.interrupted(misplaced())),
            };
            let id = job.sftp.queue_on(packet::READDIR, &handle);
            asked.insert(id, Asked::Read(path, handle));
        }
    }
    read_links(job, &mut tree, link_paths)?;
    Ok(tree)
}

fn on_host(root: &str, path: &str) -> String {
    match path {
        "" => root.to_owned(),
        path => join(root, path),
    }
}

/// A name that is one, and new; `None` for the directory itself and the one above.
fn checked(
    directory: &str,
    name: Vec<u8>,
    known: &mut HashSet<String>,
) -> Result<Option<String>, Failure> {
    let name = String::from_utf8(name).map_err(|error| {
        let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
        refuse(&below(directory, &shown), "is no UTF-8 text")
            .with_help("rename it on the host, or download an archive of the directory")
    })?;
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(refuse(&below(directory, &name), "is no name of a file"));
    }
    if below(directory, &name).len() > LONGEST_PATH {
        let start: String = name.chars().take(60).collect();
        return Err(refuse(&start, "is the beginning of too long a path"));
    }
    // Without this check a list of nothing else would never end.
    if !known.insert(name.clone()) {
        return Err(refuse(&below(directory, &name), "is there twice"));
    }
    Ok((name != "." && name != "..").then_some(name))
}

fn refuse(name: &str, why: &str) -> Failure {
    Failure::new(
        ErrorCode::TransferFailed,
        format!("the host lists {name:?}, which {why}; nothing was downloaded"),
    )
}

fn kind_of(attributes: Attributes) -> Option<Kind> {
    let mode = attributes.permissions();
    if attributes.is_directory() {
        return Some(Kind::Directory { mode: mode.unwrap_or(0o755) });
    }
    if attributes.is_symlink() {
        return Some(Kind::Link { target: String::new() });
    }
    let size = attributes.size.unwrap_or(0);
    attributes.is_plain().then_some(Kind::File { size, mode: mode.unwrap_or(0o644) })
}

fn read_links(
    job: &mut Job<'_>,
    tree: &mut Tree,
    links_at: Vec<(usize, String)>,
) -> Result<(), Failure> {
    let (indices, paths): (Vec<usize>, Vec<String>) = links_at.into_iter().unzip();
    let found = links(job, &paths)?;
    for ((index, path), target) in indices.into_iter().zip(&paths).zip(found) {
        match target {
            Some(target) => tree.entries[index].kind = Kind::Link { target },
            None => {
                return Err(Failure::new(
                    ErrorCode::TransferFailed,
                    format!("the host does not tell where the symbolic link `{path}` leads"),
                ));
            }
        }
    }
    Ok(())
}
