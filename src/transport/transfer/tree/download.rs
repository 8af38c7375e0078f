//! From a directory of the host to one of this machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::compare::{Pair, same};
use super::get::{Get, Receiver};
use super::local::{look, make_directory, refuse_directory};
use super::survey::Root;
use super::{FileCount, Kind, LARGE, Tree, directory_mode, file_mode, filling, listing};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::TransferSpec;
use crate::transport::Transferred;
use crate::transport::transfer::download::download_to;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::local::LocalFile;
use crate::transport::transfer::naming::spare_name;
use crate::transport::transfer::packet::Attributes;
use crate::transport::transfer::remote::RemoteFile;

/// Downloads the tree that the job's spec names.
pub(in super::super) fn download(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let spec: &TransferSpec = job.spec;
    let root = Root::find(job)?;
    if !root.existed {
        return Err(Failure::new(
            ErrorCode::TransferFailed,
            format!("`{}` does not exist on the host", spec.remote_path),
        ));
    }
    let tree = listing::list(job, &root.path)?;
    job.total = tree.size();
    let mut run = Run {
        here: spec.local_path.clone(),
        root,
        tree,
        made: Vec::new(),
        changed: false,
        moved: 0,
        verified: spec.verify,
    };
    run.make_directories(job)?;
    run.files(job)?;
    run.links(job)?;
    run.finish_directories(job)?;
    let mut transferred = job.done(None, run.verified);
    if spec.verify && !run.verified {
        job.warn_unverified();
    }
    run.tree.warn(job);
    transferred.warnings.append(&mut job.warnings);
    transferred.changed = run.changed;
    transferred.files = Some(FileCount { total: run.tree.count(), moved: run.moved });
    Ok(transferred)
}

struct Run {
    here: PathBuf,
    root: Root,
    tree: Tree,
    /// The directories that were not there, with the modes that they are to have.
    made: Vec<(PathBuf, u32)>,
    changed: bool,
    /// How many files and links were not here already.
    moved: u64,
    verified: bool,
}

impl Run {
    /// Makes the missing directories. Every one is looked at on its own, so that a
    /// symbolic link in the place of any leads nowhere.
    fn make_directories(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        let attributes = job.sftp.stat(&mut job.wire, &self.root.path);
        let attributes =
            attributes.map_err(|trouble| job.remote(trouble, "look at", &self.root.path))?;
        let mode = directory_mode(job.spec, attributes.permissions().unwrap_or(0o755));
        // The request's own path may well be a link.
        if !self.here.is_dir() {
            if let Some(above) = self.here.parent()
                && job.spec.create_dirs
            {
                let made = fs::create_dir_all(above);
                made.map_err(|error| job.local(&error, "create the directory", above))?;
            }
            make_directory(job, &self.here, filling(mode))?;
            self.made.push((self.here.clone(), mode));
        }
        for entry in &self.tree.entries {
            let Kind::Directory { mode } = entry.kind else { continue };
            let path = self.here.join(&entry.path);
            let mode = directory_mode(job.spec, mode);
            if make_directory(job, &path, filling(mode))? {
                self.made.push((path, mode));
            }
        }
        self.changed |= !self.made.is_empty();
        Ok(())
    }

    fn files(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        let (mut pairs, mut gets) = (Vec::new(), Vec::new());
        for entry in &self.tree.entries {
            let Kind::File { size, mode } = entry.kind else { continue };
            let local = self.here.join(&entry.path);
            let there = look(job, &local)?;
            refuse_directory(&local, there.as_ref())?;
            let get =
                Get { remote: self.root.of(entry), local, size, mode: file_mode(job.spec, mode) };
            match there.filter(|there| there.is_file() && there.len() == size) {
                Some(there) => pairs.push((get, there.permissions().mode() & 0o7777)),
                None => gets.push(get),
            }
        }
        let candidates: Vec<Pair> = pairs
            .iter()
            .map(|(get, _)| Pair {
                local: get.local.clone(),
                remote: get.remote.clone(),
                size: get.size,
            })
            .collect();
        for ((get, mode), same) in pairs.into_iter().zip(same(job, &candidates)?) {
            match same {
                true if mode != get.mode => {
                    let set = fs::set_permissions(&get.local, Permissions::from_mode(get.mode));
                    set.map_err(|error| job.local(&error, "change the mode of", &get.local))?;
                    self.changed = true;
                }
                true => {}
                false => gets.push(get),
            }
        }
        drop(candidates);
        let needed = gets.iter().map(|get| get.size).fold(0, u64::saturating_add);
        job.check_local_space(&self.here, needed)?;
        self.moved += gets.len() as u64;
        self.changed |= !gets.is_empty();
        let (large, small): (Vec<_>, Vec<_>) = gets.into_iter().partition(|get| get.size >= LARGE);
        let mut receiver = Receiver::new(&small);
        receiver.run(job)?;
        self.verified &= receiver.verified;
        large.into_iter().try_for_each(|get| self.large(job, get))
    }

    /// Receives a large file as a transfer of its own.
    fn large(&mut self, job: &mut Job<'_>, get: Get) -> Result<(), Failure> {
        let part = TransferSpec {
            local_path_shown: get.local.display().to_string(),
            local_path: get.local.clone(),
            remote_path: get.remote.clone(),
            mode: Some(get.mode),
            recursive: false,
            ..job.spec.clone()
        };
        let attributes = Attributes { size: Some(get.size), ..Attributes::of_mode(get.mode) };
        let source = RemoteFile { path: get.remote, attributes: Some(attributes) };
        let target = LocalFile::within_tree(get.local);
        let done = job.part(&part, |job| download_to(job, &source, &target))?;
        self.verified &= done.record.verified;
        if done.record.resumed {
            job.resume_note = done.record.resume_note;
        }
        Ok(())
    }

    /// Makes the symbolic links that are missing or lead elsewhere. They come last, so
    /// that nothing is written while one could lead it astray.
    fn links(&mut self, job: &Job<'_>) -> Result<(), Failure> {
        for entry in &self.tree.entries {
            let Kind::Link { target } = &entry.kind else { continue };
            let path = self.here.join(&entry.path);
            let there = look(job, &path)?;
            refuse_directory(&path, there.as_ref())?;
            if fs::read_link(&path).is_ok_and(|now| now == Path::new(target)) {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let staged = path.with_file_name(spare_name(&name, target));
            let placed = symlink(target, &staged).and_then(|()| fs::rename(&staged, &path));
            placed.map_err(|error| {
                let _ = fs::remove_file(&staged);
                job.local(&error, "create the symbolic link", &path)
            })?;
            self.moved += 1;
            self.changed = true;
        }
        Ok(())
    }

    /// Gives new directories their modes, the deepest first.
    fn finish_directories(&mut self, job: &Job<'_>) -> Result<(), Failure> {
        for (path, mode) in self.made.iter().rev() {
            fs::set_permissions(path, Permissions::from_mode(*mode))
                .map_err(|error| job.local(&error, "set the mode of", path))?;
        }
        Ok(())
    }
}
