//! What the host answers about the files that are being sent, and what follows
//! from it.

use super::{Asked, Sender};
use crate::failure::Failure;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::packet::{self, Attributes, Response};
use crate::transport::transfer::requests::Handle;
use crate::transport::transfer::tree::owner;
use crate::transport::transfer::tree::survey::misplaced;
use crate::transport::transfer::trouble::{Trouble, status};

impl Sender<'_> {
    /// Takes the answers that are there; tells whether anything moved.
    pub(super) fn answers(&mut self, job: &mut Job<'_>) -> Result<bool, Failure> {
        let moved = job.sftp.nudge(&mut job.wire).map_err(|trouble| self.stopped(job, trouble))?;
        while let Some((id, response)) =
            job.sftp.take().map_err(|trouble| job.interrupted(trouble))?
        {
            let Some((index, what)) = self.asked.remove(&id) else { continue };
            self.states[index].open_requests -= 1;
            match (what, response) {
                (Asked::Open, Response::Handle(handle)) => {
                    self.opened(job, index, Handle::new(handle))
                }
                (Asked::Look, Response::Attributes(now)) => self.give(job, index, now),
                (Asked::Write(length), Response::Status { code: status::OK, .. }) => {
                    self.in_flight -= length;
                    job.moved += length;
                }
                // To keep an owner is only tried.
                (Asked::Owner, Response::Status { code, .. })
                    if code != status::OK
                        && self.files[index].ownership.is_some_and(|owner| owner.required) =>
                {
                    return Err(owner::denied(&self.files[index].target));
                }
                (Asked::Owner, Response::Status { .. }) => self.ready.push_back(index),
                (Asked::Close, Response::Status { code: status::OK, .. }) => self.open -= 1,
                (Asked::Rename, Response::Status { code: status::OK, .. }) => {
                    self.done += 1;
                    self.states[index].placed = true;
                    continue;
                }
                (Asked::Rename, Response::Status { .. })
                    if !job.sftp.renames_over() && self.files[index].replaces =>
                {
                    self.replace_in_two_steps(job, index);
                }
                (Asked::Mode | Asked::Remove, Response::Status { code: status::OK, .. }) => {}
                (what, Response::Status { code, message }) => {
                    return Err(self.refused(job, index, what, Trouble::Status { code, message }));
                }
                _ => return Err(self.stopped(job, misplaced())),
            }
            let state = &self.states[index];
            if matches!(what, Asked::Write(_) | Asked::Mode | Asked::Close)
                && state.written
                && state.open_requests == 0
            {
                match job.spec.verify {
                    true => self.sums.want(index),
                    false => self.rename(job, index),
                }
            }
        }
        Ok(moved)
    }

    fn opened(&mut self, job: &mut Job<'_>, index: usize, handle: Handle) {
        self.states[index].handle = Some(handle.clone());
        match self.files[index].ownership {
            Some(_) => self.ask(index, Asked::Look, |_| job.sftp.queue_on(packet::FSTAT, &handle)),
            None => self.ready.push_back(index),
        }
    }

    /// Gives the open file away, where it is not whose it shall be.
    fn give(&mut self, job: &mut Job<'_>, index: usize, now: Attributes) {
        let wanted = self.files[index].ownership.zip(now.owner);
        let missing = wanted.and_then(|(wanted, now)| wanted.owner.missing_from(now));
        match (missing, self.states[index].handle.clone()) {
            (Some(owner), Some(handle)) => self.ask(index, Asked::Owner, |_| {
                job.sftp.queue_fsetstat(&handle, owner::attributes(owner))
            }),
            _ => self.ready.push_back(index),
        }
    }

    fn rename(&mut self, job: &mut Job<'_>, index: usize) {
        self.ask(index, Asked::Rename, |file| job.sftp.queue_rename(&file.staged, &file.target));
    }

    /// Version 3 alone cannot replace a file in one step. For a moment there is none,
    /// but never half of one.
    fn replace_in_two_steps(&mut self, job: &mut Job<'_>, index: usize) {
        self.files[index].replaces = false;
        self.ask(index, Asked::Remove, |file| job.sftp.queue_at(packet::REMOVE, &file.target));
        self.rename(job, index);
    }

    /// Renames what the host has confirmed; tells whether anything moved.
    pub(super) fn verify(&mut self, job: &mut Job<'_>) -> Result<bool, Failure> {
        let all = self.asked.is_empty();
        let files = &*self.files;
        let found = self.sums.advance(job, all, |index| &files[index].staged);
        let found = found.map_err(|trouble| self.stopped(job, trouble))?;
        let moved = !found.is_empty();
        for (index, there) in found {
            let here = self.states[index].sum.take().unwrap_or_default();
            match there {
                Some(there) if there != here => {
                    job.at = Some(self.files[index].target.clone());
                    return Err(job.differs(&here, &there));
                }
                Some(_) => {}
                None => self.verified = false,
            }
            self.rename(job, index);
        }
        Ok(moved)
    }

    /// The transfer was stopped: at the first file that is not in place, as far as
    /// anybody can tell.
    fn stopped(&self, job: &mut Job<'_>, trouble: Trouble) -> Failure {
        let at = self.asked.values().map(|(index, _)| *index).min().unwrap_or(self.started);
        job.at = self.files.get(at).map(|file| file.target.clone());
        job.interrupted(trouble)
    }

    fn refused(&self, job: &mut Job<'_>, index: usize, what: Asked, trouble: Trouble) -> Failure {
        let file = &self.files[index];
        // Asking for the free space must not wait behind megabytes.
        job.sftp.abort();
        if let Some(full) = job.full_file_system(&trouble, &file.staged) {
            return full;
        }
        let what = match what {
            Asked::Open | Asked::Look => "create",
            Asked::Write(_) | Asked::Close => "write",
            Asked::Mode => "set the mode of",
            Asked::Owner => "change the owner of",
            Asked::Remove | Asked::Rename => "replace",
        };
        job.remote(trouble, what, &file.target)
    }
}
