//! Which host writes which local file.
//!
//! What is known before the run is checked there; a path that waits for a result
//! is known only now, and the second host would silently overwrite what the first
//! one brought.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::event::HostName;
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::TransferSpec;
use crate::transfer::TransferOperation;

/// The local paths that downloads of this run have written or will write.
#[derive(Debug, Default)]
pub(super) struct Downloads(Mutex<BTreeMap<PathBuf, Claim>>);

#[derive(Debug)]
struct Claim {
    host: HostName,
    /// Whether everything below the path is claimed as well.
    is_tree: bool,
}

impl Downloads {
    /// Claims what `spec` writes for `host`, which may overwrite its own files.
    ///
    /// # Errors
    /// Another host has claimed it.
    pub(super) fn claim(&self, host: &HostName, spec: &TransferSpec) -> Result<(), Failure> {
        if spec.operation != TransferOperation::Download {
            return Ok(());
        }
        let path = real(&spec.local_path);
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let above = path.ancestors().find_map(|above| {
            let claim = claims.get(above).filter(|claim| claim.host != *host)?;
            (claim.is_tree || above == path).then_some(claim)
        });
        let below = || {
            let below = claims.range(path.clone()..).take_while(|(at, _)| at.starts_with(&path));
            below.map(|(_, claim)| claim).find(|claim| claim.host != *host)
        };
        if let Some(other) = above.or_else(|| below().filter(|_| spec.recursive)) {
            let message = format!(
                "`{}` is what the host `{}` downloads to in this run",
                spec.local_path_shown, other.host
            );
            let help =
                "make the path differ by host: `local_path: \"out/{{ inventory_hostname }}/…\"`";
            return Err(Failure::new(ErrorCode::TransferFailed, message).with_help(help));
        }
        let is_tree = spec.recursive;
        claims.insert(path, Claim { host: host.clone(), is_tree });
        Ok(())
    }
}

/// The path without `.`, `..` and links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                // Behind a link, `..` is not what stands before it.
                plain = plain.canonicalize().unwrap_or(plain);
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    for existing in plain.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            let rest = plain.strip_prefix(existing).unwrap_or(Path::new(""));
            // Joining nothing would add a slash to the end.
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::tests::fake::download;

    #[test]
    fn one_local_path_belongs_to_one_host() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        std::fs::create_dir(base.join("dir")).unwrap();
        std::os::unix::fs::symlink("dir", base.join("link")).unwrap();
        let downloads = Downloads::default();
        let claim = |host: &str, path: &str, recursive: bool| {
            let spec = TransferSpec { recursive, ..download(&base.join(path)) };
            downloads.claim(&host.into(), &spec).map_err(|failure| failure.code)
        };
        let taken = Err(ErrorCode::TransferFailed);
        assert_eq!(claim("a", "dir/file", false), Ok(()));
        assert_eq!(claim("a", "dir/file", false), Ok(()), "its own");
        assert_eq!(claim("b", "dir/file", false), taken);
        assert_eq!(claim("b", "link/../link/./file", false), taken, "by another name");
        assert_eq!(claim("b", "dir", true), taken, "a tree around it");
        assert_eq!(claim("b", "dir/other", false), Ok(()));
        assert_eq!(claim("a", "tree", true), Ok(()));
        assert_eq!(claim("b", "tree/x/y", false), taken, "within a tree");
        assert_eq!(claim("b", "tree-2", true), Ok(()));
    }
}
