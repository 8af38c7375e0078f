//! Sends many small files at a time: while the answers about some are on their
//! way, others are opened, written, verified and renamed.

mod answers;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;

use openssl::sha::Sha256;

use super::MOST_OPEN;
use super::owner::Ownership;
use super::sums::Sums;
use crate::failure::Failure;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::naming::hexadecimal;
use crate::transport::transfer::packet::{self, Attributes};
use crate::transport::transfer::requests::{Handle, OpenAs};
use crate::transport::transfer::sftp::{BLOCK, IN_FLIGHT};
use crate::transport::transfer::source::fill;
use crate::transport::transfer::stream::source_changed;

/// The mode of a temporary file: nobody else may read what is not yet in place.
const STAGING_MODE: u32 = 0o600;

/// A file to send.
pub(super) struct Put {
    pub(super) local: PathBuf,
    /// Absolute, as all paths on the host here.
    pub(super) target: String,
    /// The temporary file beside it, whose name nobody else uses.
    pub(super) staged: String,
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) ownership: Option<Ownership>,
    /// Whether something stands in the target's place.
    pub(super) replaces: bool,
}

/// What a request was about.
#[derive(Clone, Copy)]
enum Asked {
    Open,
    Look,
    Write(u64),
    Mode,
    Owner,
    Close,
    Remove,
    Rename,
}

/// How far a file is.
#[derive(Default)]
struct State {
    handle: Option<Handle>,
    /// Requests about it whose answers are missing.
    open_requests: usize,
    /// Whether all of it is queued.
    written: bool,
    sum: Option<String>,
    placed: bool,
}

/// The sending of many files.
pub(super) struct Sender<'i> {
    files: &'i mut [Put],
    states: Vec<State>,
    asked: HashMap<u32, (usize, Asked)>,
    /// Files that are open and wait for their bytes.
    ready: VecDeque<usize>,
    reading: Option<(usize, File, Sha256, u64)>,
    sums: Sums,
    started: usize,
    open: usize,
    in_flight: u64,
    /// How many are in place.
    pub(super) done: usize,
    /// Whether the host has confirmed the hash of every file so far.
    pub(super) verified: bool,
    block: Box<[u8]>,
}

impl<'i> Sender<'i> {
    pub(super) fn new(files: &'i mut [Put]) -> Self {
        Self {
            states: files.iter().map(|_| State::default()).collect(),
            files,
            asked: HashMap::new(),
            ready: VecDeque::new(),
            reading: None,
            sums: Sums::default(),
            started: 0,
            open: 0,
            in_flight: 0,
            done: 0,
            verified: true,
            block: vec![0; BLOCK].into(),
        }
    }

    /// Sends all files. After a failure, which names the file, no temporary file is
    /// left as far as the link allows that.
    pub(super) fn run(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        let sent = self.send(job);
        if sent.is_err() {
            self.clean_up(job);
        }
        job.at = None;
        sent
    }

    fn send(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        while self.done < self.files.len() {
            self.start(job);
            self.feed(job)?;
            let mut moved = self.answers(job)?;
            if job.spec.verify {
                moved |= self.verify(job)?;
            }
            if !moved && self.done < self.files.len() && !self.can_feed(job) {
                job.wire.wait().map_err(|stop| job.interrupted(stop.into()))?;
            }
        }
        Ok(())
    }

    /// Opens as many files as may be open.
    fn start(&mut self, job: &mut Job<'_>) {
        while self.started < self.files.len() && self.open < MOST_OPEN && !job.sftp.is_backed_up() {
            let index = self.started;
            self.started += 1;
            self.open += 1;
            self.ask(index, Asked::Open, |file| {
                job.sftp.queue_open(&file.staged, OpenAs::New, STAGING_MODE)
            });
        }
    }

    fn ask(&mut self, index: usize, what: Asked, queue: impl FnOnce(&Put) -> u32) {
        let id = queue(&self.files[index]);
        self.asked.insert(id, (index, what));
        self.states[index].open_requests += 1;
    }

    fn can_feed(&self, job: &Job<'_>) -> bool {
        (self.reading.is_some() || !self.ready.is_empty())
            && self.in_flight < IN_FLIGHT
            && !job.sftp.is_backed_up()
    }

    /// Queues the bytes of open files, as many as may be under way.
    fn feed(&mut self, job: &mut Job<'_>) -> Result<(), Failure> {
        while self.can_feed(job) {
            let (index, mut file, mut hash, offset) = match self.reading.take() {
                Some(reading) => reading,
                None => {
                    let Some(index) = self.ready.pop_front() else { return Ok(()) };
                    let path = &self.files[index].local;
                    let file = File::open(path).map_err(|error| job.local(&error, "read", path))?;
                    (index, file, Sha256::new(), 0)
                }
            };
            let put = &self.files[index];
            let failed = |error: io::Error| job.local(&error, "read", &put.local);
            let read = fill(&mut file, &mut self.block).map_err(failed)?;
            let end = offset + read as u64;
            let is_last = read < self.block.len();
            if end > put.size || (is_last && end < put.size) {
                return Err(source_changed(&put.local.display().to_string()));
            }
            let handle = self.states[index].handle.clone().expect("it is open until it is closed");
            if read > 0 {
                if job.spec.verify {
                    hash.update(&self.block[..read]);
                }
                let id = job.sftp.queue_write(&handle, offset, &self.block[..read]);
                self.asked.insert(id, (index, Asked::Write(read as u64)));
                self.states[index].open_requests += 1;
                self.in_flight += read as u64;
            }
            if !is_last {
                self.reading = Some((index, file, hash, end));
                continue;
            }
            let mode = Attributes::of_mode(put.mode);
            self.ask(index, Asked::Mode, |_| job.sftp.queue_fsetstat(&handle, mode));
            self.ask(index, Asked::Close, |_| job.sftp.queue_on(packet::CLOSE, &handle));
            let state = &mut self.states[index];
            state.written = true;
            state.sum = job.spec.verify.then(|| hexadecimal(&hash.finish()));
        }
        Ok(())
    }

    /// Removes temporary files after a failure. They may be open: nobody will use
    /// this conversation again.
    fn clean_up(&mut self, job: &mut Job<'_>) {
        job.sftp.abort();
        let mut wire = job.wire.grace();
        let mut missing: HashSet<u32> = (0..self.started)
            .filter(|&index| !self.states[index].placed)
            .map(|index| job.sftp.queue_at(packet::REMOVE, &self.files[index].staged))
            .collect();
        while !missing.is_empty() {
            match job.sftp.take() {
                Ok(Some((id, _))) => {
                    missing.remove(&id);
                }
                Ok(None) if job.sftp.pump(&mut wire).is_ok() => {}
                _ => return,
            }
        }
    }
}
