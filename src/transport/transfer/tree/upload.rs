//! From a directory of this machine to one of the host.

use std::os::unix::fs::PermissionsExt as _;

use super::change::{expect_ok, give_links, replace_link, set};
use super::compare::{Pair, same};
use super::many::each;
use super::owner::{self, Owner};
use super::put::{Put, Sender};
use super::survey::{Root, links, look};
use super::{Entry, Kind, LARGE, Tree, depth, directory_mode, file_mode, filling, local};
use crate::failure::Failure;
use crate::plan::spec::TransferSpec;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::naming::{join, spare_name, split};
use crate::transport::transfer::packet::{self, Attributes};
use crate::transport::transfer::remote::RemoteFile;
use crate::transport::transfer::source::path_text;
use crate::transport::transfer::upload::{open, upload_to};
use crate::transport::{FileCount, Transferred};

/// Uploads the tree that the job's spec names.
pub(in super::super) fn upload(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let spec: &TransferSpec = job.spec;
    let metadata = std::fs::metadata(&spec.local_path);
    let metadata = metadata.map_err(|error| job.local(&error, "read", &spec.local_path))?;
    let root_mode = directory_mode(spec, metadata.permissions().mode());
    let tree = local::walk(job, &spec.local_path)?;
    job.total = tree.size();
    let owner = Owner::find(job)?;
    let root = Root::find(job)?;
    if !root.existed {
        root.make(job, filling(root_mode))?;
    }
    let there = look(job, &root, &tree.entries)?;
    let mut run = Run { root, owner, tree, there, changed: false, moved: 0, verified: spec.verify };
    run.changed = !run.root.existed || !run.new_directories().is_empty();
    run.make_directories(job)?;
    run.files(job)?;
    run.links(job)?;
    run.finish_directories(job, root_mode)?;
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
    root: Root,
    owner: Owner,
    tree: Tree,
    there: Vec<Option<Attributes>>,
    changed: bool,
    /// How many files and links were not there already.
    moved: u64,
    verified: bool,
}

impl Run {
    /// Makes the missing directories, those of one depth at a time.
    fn make_directories(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        for level in self.new_directories() {
            let paths = level.iter().map(|&(entry, mode)| (self.root.of(entry), mode));
            each(
                job,
                paths,
                |sftp, (path, mode)| {
                    sftp.queue_set(packet::MKDIR, path, Attributes::of_mode(filling(*mode)))
                },
                |job, (path, _), response| expect_ok(job, response, "create the directory", &path),
            )?;
        }
        Ok(())
    }

    /// The directories that are not there yet, with their modes, by depth.
    fn new_directories(&self) -> Vec<Vec<(&Entry, u32)>> {
        let mut levels: Vec<Vec<(&Entry, u32)>> = Vec::new();
        for (entry, there) in self.tree.entries.iter().zip(&self.there) {
            let Kind::Directory { mode } = entry.kind else { continue };
            if there.is_none() {
                let depth = depth(&entry.path);
                levels.resize_with(levels.len().max(depth + 1), Vec::new);
                levels[depth].push((entry, mode));
            }
        }
        levels
    }

    fn files(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        let spec: &TransferSpec = job.spec;
        let mut candidates = Vec::new();
        let mut others = Vec::new();
        for (index, entry) in self.tree.entries.iter().enumerate() {
            let Kind::File { size, .. } = entry.kind else { continue };
            match self.there[index] {
                Some(there) if there.is_plain() && there.size == Some(size) => {
                    candidates.push(index)
                }
                _ => others.push(index),
            }
        }
        let pairs: Vec<Pair> = candidates.iter().map(|&index| self.pair(spec, index)).collect();
        let mut unchanged = Vec::new();
        for (index, same) in candidates.into_iter().zip(same(job, &pairs)?) {
            if same { &mut unchanged } else { &mut others }.push(index);
        }
        drop(pairs);
        others.sort_unstable();
        let size = |&index: &usize| match self.tree.entries[index].kind {
            Kind::File { size, .. } => size,
            _ => 0,
        };
        let needed = others.iter().map(size).fold(0, u64::saturating_add);
        job.check_remote_space(&self.root.path, needed)?;
        self.moved += others.len() as u64;
        self.changed |= !others.is_empty();
        let is_large = |index: &usize| matches!(self.tree.entries[*index].kind, Kind::File { size, .. } if size >= LARGE);
        let (large, small): (Vec<usize>, Vec<usize>) = others.into_iter().partition(is_large);
        let mut puts: Vec<Put> = small.into_iter().map(|index| self.put(spec, index)).collect();
        let mut sender = Sender::new(&mut puts);
        sender.run(job)?;
        self.verified &= sender.verified;
        for index in large {
            self.large(job, index)?;
        }
        self.adjust(job, &unchanged)
    }

    fn pair(&self, spec: &TransferSpec, index: usize) -> Pair {
        let entry = &self.tree.entries[index];
        let Kind::File { size, .. } = entry.kind else { unreachable!("only files are compared") };
        Pair { local: spec.local_path.join(&entry.path), remote: self.root.of(entry), size }
    }

    fn put(&self, spec: &TransferSpec, index: usize) -> Put {
        let entry = &self.tree.entries[index];
        let Kind::File { size, mode } = entry.kind else { unreachable!("only files are sent") };
        let local = spec.local_path.join(&entry.path);
        let target = self.root.of(entry);
        let (directory, name) = split(&target).expect("an entry has a name");
        let there = self.there[index];
        let kept = there.filter(Attributes::is_plain).and_then(|there| there.owner);
        Put {
            staged: join(directory, &spare_name(name, &path_text(&local))),
            local,
            size,
            mode: file_mode(spec, mode),
            ownership: self.owner.over(kept),
            replaces: there.is_some(),
            target,
        }
    }

    /// Sends a large file as a transfer of its own.
    fn large(&mut self, job: &mut Job<'_>, index: usize) -> Result<(), Failure> {
        let put = self.put(job.spec, index);
        let there = self.there[index].filter(Attributes::is_plain);
        let part = TransferSpec {
            local_path_shown: put.local.display().to_string(),
            local_path: put.local,
            remote_path: put.target.clone(),
            mode: Some(put.mode),
            recursive: false,
            ..job.spec.clone()
        };
        let target = RemoteFile { path: put.target, attributes: there };
        let done = job.part(&part, |job| {
            let mut source = open(job)?;
            upload_to(job, &mut source, &target)
        });
        let done = done?;
        self.verified &= done.record.verified;
        if done.record.resumed {
            job.resume_note = done.record.resume_note;
        }
        Ok(())
    }

    /// Gives files that were there already the mode and the owner that they are to
    /// have.
    fn adjust(&mut self, job: &mut Job<'_>, unchanged: &[usize]) -> Result<(), Failure> {
        let mut wanted = Vec::new();
        for &index in unchanged {
            let entry = &self.tree.entries[index];
            let (Kind::File { mode, .. }, Some(there)) = (&entry.kind, self.there[index]) else {
                continue;
            };
            let mode = file_mode(job.spec, *mode);
            if let Some(owner) = there.owner.and_then(|now| self.owner.missing_from(now)) {
                wanted.push((self.root.of(entry), owner::attributes(owner)));
            }
            // After the owner, whose change takes special bits away.
            if there.permissions() != Some(mode) {
                wanted.push((self.root.of(entry), Attributes::of_mode(mode)));
            }
        }
        self.changed |= !wanted.is_empty();
        set(job, wanted)
    }

    /// Makes the symbolic links that are missing or lead elsewhere.
    fn links(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        let mut new = Vec::new();
        let mut old = Vec::new();
        for (entry, there) in self.tree.entries.iter().zip(&self.there) {
            let Kind::Link { target } = &entry.kind else { continue };
            match there {
                None => new.push((self.root.of(entry), target)),
                Some(there) => old.push((self.root.of(entry), target, there.is_symlink())),
            }
        }
        let paths: Vec<String> = old
            .iter()
            .map(|(path, _, is_link)| if *is_link { path.clone() } else { String::new() })
            .collect();
        let found = links(job, &paths)?;
        let old: Vec<_> = old
            .into_iter()
            .zip(found)
            .filter(|((_, target, _), found)| found.as_ref() != Some(*target))
            .collect();
        self.moved += (new.len() + old.len()) as u64;
        self.changed |= !new.is_empty() || !old.is_empty();
        let made: Vec<String> = new
            .iter()
            .map(|(path, _)| path.clone())
            .chain(old.iter().map(|((path, ..), _)| path.clone()))
            .collect();
        each(
            job,
            new,
            |sftp, (path, target)| sftp.queue_symlink(target, path),
            |job, (path, _), response| expect_ok(job, response, "create the symbolic link", &path),
        )?;
        for ((path, target, _), _) in old {
            replace_link(job, &path, target)?;
        }
        if self.owner != Owner::default() && job.sftp.owns_links() {
            give_links(job, &made, self.owner)?;
        }
        Ok(())
    }

    /// Gives new directories their modes and owners, the deepest first.
    fn finish_directories(&mut self, job: &mut Job<'_>, root_mode: u32) -> Result<(), Failure> {
        let mut levels: Vec<Vec<(String, u32)>> = Vec::new();
        if !self.root.existed {
            levels.push(vec![(self.root.path.clone(), root_mode)]);
        }
        for level in self.new_directories() {
            levels.push(
                level
                    .into_iter()
                    .map(|(entry, mode)| (self.root.of(entry), directory_mode(job.spec, mode)))
                    .collect(),
            );
        }
        for level in levels.into_iter().rev() {
            if self.owner != Owner::default() {
                for (path, _) in &level {
                    let now = job
                        .sftp
                        .lstat(&mut job.wire, path)
                        .map_err(|trouble| job.remote(trouble, "look at", path))?;
                    if let Some(owner) = now.owner.and_then(|now| self.owner.missing_from(now)) {
                        set(job, vec![(path.clone(), owner::attributes(owner))])?;
                    }
                }
            }
            set(
                job,
                level.into_iter().map(|(path, mode)| (path, Attributes::of_mode(mode))).collect(),
            )?;
        }
        Ok(())
    }
}
