//! Receives many small files at a time: while the bytes of some are on their way,
//! others are opened, verified and renamed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use openssl::sha::Sha256;

use super::MOST_OPEN;
use super::sums::Sums;
use super::survey::misplaced;
use crate::failure::{ErrorCode, Failure};
use crate::transport::transfer::job::Job;
use crate::transport::transfer::local::LocalStaging;
use crate::transport::transfer::naming::{hexadecimal, spare_name, staging_name};
use crate::transport::transfer::packet::{self, Response};
use crate::transport::transfer::requests::{Handle, OpenAs};
use crate::transport::transfer::sftp::{BLOCK, IN_FLIGHT};
use crate::transport::transfer::stream::source_changed;
use crate::transport::transfer::trouble::{Trouble, status};

/// A file to receive.
pub(super) struct Get {
    /// Absolute.
    pub(super) remote: String,
    pub(super) local: PathBuf,
    pub(super) size: u64,
    pub(super) mode: u32,
}

enum Asked {
    Open,
    Read(u64, u32),
    Close,
}

#[derive(Default)]
struct State {
    handle: Option<Handle>,
    /// Up to where its bytes are asked for, and up to where they are written.
    asked: u64,
    written: u64,
    early: BTreeMap<u64, Vec<u8>>,
    staging: Option<LocalStaging>,
    hash: Option<Sha256>,
    staged: Option<PathBuf>,
    here: Option<String>,
}

/// The receiving of many files.
pub(super) struct Receiver<'i> {
    files: &'i [Get],
    states: Vec<State>,
    asked: HashMap<u32, (usize, Asked)>,
    /// Files that are open and not asked for to their end.
    reading: VecDeque<usize>,
    sums: Sums,
    started: usize,
    open: usize,
    in_flight: u64,
    done: usize,
    /// Whether the host has confirmed the hash of every file so far.
    pub(super) verified: bool,
}

impl<'i> Receiver<'i> {
    pub(super) fn new(files: &'i [Get]) -> Self {
        Self {
            states: files.iter().map(|_| State::default()).collect(),
            files,
            asked: HashMap::new(),
            reading: VecDeque::new(),
            sums: Sums::default(),
            started: 0,
            open: 0,
            in_flight: 0,
            done: 0,
            verified: true,
        }
    }

    /// Receives all files. After a failure, which names the file, no temporary file
    /// is left.
    pub(super) fn run(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        let received = self.receive(job);
        if received.is_err() {
            for path in self.states.iter_mut().filter_map(|state| state.staged.take()) {
                let _ = fs::remove_file(path);
            }
        }
        job.at = None;
        received
    }

    fn receive(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        while self.done < self.files.len() {
            self.start(job);
            self.request(job);
            let mut moved = self.answers(job)?;
            if job.spec.verify {
                moved |= self.verify(job)?;
            }
            if !moved && self.done < self.files.len() {
                job.wire.wait().map_err(|stop| job.interrupted(stop.into()))?;
            }
        }
        Ok(())
    }

    fn start(&mut self, job: &mut Job<'_>) {
        while self.started < self.files.len() && self.open < MOST_OPEN && !job.sftp.is_backed_up() {
            let index = self.started;
            self.started += 1;
            self.open += 1;
            let id = job.sftp.queue_open(&self.files[index].remote, OpenAs::Source, 0);
            self.asked.insert(id, (index, Asked::Open));
        }
    }

    /// Asks for the bytes of open files, as many as may be under way.
    fn request(&mut self, job: &mut Job<'_>) {
        while self.in_flight < IN_FLIGHT
            && !job.sftp.is_backed_up()
            && let Some(&index) = self.reading.front()
        {
            let (size, state) = (self.files[index].size, &mut self.states[index]);
            let Some(handle) = state.handle.as_ref().filter(|_| state.asked < size) else {
                self.reading.pop_front();
                continue;
            };
            let length = (size - state.asked).min(BLOCK as u64) as u32;
            let id = job.sftp.queue_read(handle, state.asked, length);
            self.asked.insert(id, (index, Asked::Read(state.asked, length)));
            state.asked += u64::from(length);
            self.in_flight += u64::from(length);
        }
    }

    fn answers(&mut self, job: &mut Job<'_>) -> Result<bool, Failure> {
        let moved = job.sftp.nudge(&mut job.wire).map_err(|trouble| self.stopped(job, trouble))?;
        while let Some((id, response)) =
            job.sftp.take().map_err(|trouble| job.interrupted(trouble))?
        {
            let Some((index, what)) = self.asked.remove(&id) else { continue };
            match (what, response) {
                (Asked::Open, Response::Handle(handle)) => {
                    self.states[index].handle = Some(Handle::new(handle));
                    self.begin(job, index)?;
                }
                (Asked::Read(offset, length), Response::Data(bytes))
                    if !bytes.is_empty() && bytes.len() <= length as usize =>
                {
                    self.in_flight -= bytes.len() as u64;
                    self.ask_rest(job, index, offset, length, bytes.len() as u32);
                    self.states[index].early.insert(offset, bytes);
                    self.write(job, index)?;
                }
                (Asked::Read(..), Response::Status { code: status::EOF, .. }) => {
                    return Err(source_changed(&self.files[index].remote));
                }
                // A server that cannot close what it has only read changes nothing.
                (Asked::Close, Response::Status { .. }) => self.open -= 1,
                (_, Response::Status { code, message }) => {
                    let trouble = Trouble::Status { code, message };
                    return Err(job.remote(trouble, "read", &self.files[index].remote));
                }
                _ => return Err(self.stopped(job, misplaced())),
            }
        }
        Ok(moved)
    }

    /// A short answer is legal; the rest is asked for again.
    fn ask_rest(&mut self, job: &mut Job<'_>, index: usize, offset: u64, asked: u32, got: u32) {
        let Some(handle) = self.states[index].handle.as_ref().filter(|_| got < asked) else {
            return;
        };
        let rest = (offset + u64::from(got), asked - got);
        let id = job.sftp.queue_read(handle, rest.0, rest.1);
        self.asked.insert(id, (index, Asked::Read(rest.0, rest.1)));
    }

    /// Makes the temporary file.
    fn begin(&mut self, job: &mut Job<'_>, index: usize) -> Result<(), Failure> {
        let file = &self.files[index];
        let name = file.local.file_name().unwrap_or_default().to_string_lossy();
        let names = [staging_name(&name, &file.remote), spare_name(&name, &file.remote)];
        for name in names {
            let path = file.local.with_file_name(name);
            let created = LocalStaging::create(path);
            let created = created.map_err(|error| job.local(&error, "create", &file.local))?;
            let Some(staging) = created else { continue };
            let state = &mut self.states[index];
            state.staged = Some(staging.path.clone());
            state.staging = Some(staging);
            state.hash = job.spec.verify.then(Sha256::new);
            self.reading.push_back(index);
            return self.write(job, index);
        }
        Err(Failure::new(
            ErrorCode::TransferFailed,
            format!("no temporary file can be created for `{}`", file.local.display()),
        ))
    }

    /// Writes what has arrived in order, and ends the file after its last byte.
    fn write(&mut self, job: &mut Job<'_>, index: usize) -> Result<(), Failure> {
        let (file, state) = (&self.files[index], &mut self.states[index]);
        let Some(staging) = &mut state.staging else { return Ok(()) };
        while let Some(bytes) = state.early.remove(&state.written) {
            let written = staging.file.write_all(&bytes);
            written.map_err(|error| job.local(&error, "write", &file.local))?;
            if let Some(hash) = &mut state.hash {
                hash.update(&bytes);
            }
            state.written += bytes.len() as u64;
            job.moved += bytes.len() as u64;
        }
        if state.written < file.size {
            return Ok(());
        }
        let mode = Permissions::from_mode(file.mode);
        staging
            .file
            .set_permissions(mode)
            .map_err(|error| job.local(&error, "set the mode of", &file.local))?;
        state.staging = None;
        state.here = state.hash.take().map(|hash| hexadecimal(&hash.finish()));
        if let Some(handle) = state.handle.take() {
            let id = job.sftp.queue_on(packet::CLOSE, &handle);
            self.asked.insert(id, (index, Asked::Close));
        }
        match job.spec.verify {
            true => self.sums.want(index),
            false => self.place(job, index)?,
        }
        Ok(())
    }

    fn place(&mut self, job: &Job<'_>, index: usize) -> Result<(), Failure> {
        let local = &self.files[index].local;
        if let Some(staged) = &self.states[index].staged {
            fs::rename(staged, local).map_err(|error| job.local(&error, "replace", local))?;
        }
        self.states[index].staged = None;
        self.done += 1;
        Ok(())
    }

    /// Renames what the host has confirmed; tells whether anything moved.
    fn verify(&mut self, job: &mut Job<'_>) -> Result<bool, Failure> {
        let all = self.asked.is_empty();
        let files = self.files;
        let found = self.sums.advance(job, all, |index| &files[index].remote);
        let found = found.map_err(|trouble| self.stopped(job, trouble))?;
        let moved = !found.is_empty();
        for (index, there) in found {
            let here = self.states[index].here.take().unwrap_or_default();
            match there {
                Some(there) if there != here => {
                    job.at = Some(self.files[index].remote.clone());
                    return Err(job.differs(&there, &here));
                }
                Some(_) => {}
                None => self.verified = false,
            }
            self.place(job, index)?;
        }
        Ok(moved)
    }

    /// The transfer was stopped: at the first file that is not here, as far as
    /// anybody can tell.
    fn stopped(&self, job: &mut Job<'_>, trouble: Trouble) -> Failure {
        let at = self.asked.values().map(|(index, _)| *index).min().unwrap_or(self.started);
        job.at = self.files.get(at).map(|file| file.remote.clone());
        job.interrupted(trouble)
    }
}
