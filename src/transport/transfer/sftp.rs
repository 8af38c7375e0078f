//! An SFTP client (version 3) on a channel of the session.
//!
//! libssh2 has one of its own, which this one replaces for four reasons: it cannot
//! rename over an existing file atomically (`posix-rename@openssh.com`), it blocks
//! without a deadline when a file is dropped, it gives up on short reads, and
//! after an interrupted write there is no way to say anything more. Here requests
//! are queued and answers taken as they come, so that as much is in flight as the
//! caller likes, and an interrupted transfer can still be cleaned up.

mod frames;

use std::io::{Read, Write};

use ssh2::Channel;

use super::packet::{self, Fields, Response, put_u32};
use super::trouble::{Trouble, status};
use super::wire::Wire;

/// How much of a file one request reads or writes. Every server must take
/// packets of this size.
pub(super) const BLOCK: usize = 32 * 1024;
/// How many bytes of a file are asked for or sent before an answer is awaited.
/// OpenSSH's own window is 2 MiB; more here keeps it full.
pub(super) const IN_FLIGHT: u64 = 4 * 1024 * 1024;
/// How many bytes may wait to be handed to libssh2.
const BACKLOG: usize = 8 * BLOCK;
/// How much the server may send ahead of our reading.
const RECEIVE_WINDOW: u32 = 4 * 1024 * 1024;
/// The largest packet that SSH implementations must take.
const CHANNEL_PACKET: u32 = 32 * 1024;

/// One conversation with the host's SFTP server.
pub(super) struct Sftp {
    channel: Channel,
    /// Whole packets, of which the first `sent` bytes are gone.
    outgoing: Vec<u8>,
    sent: usize,
    /// What has arrived, of which the first `taken` bytes are understood.
    incoming: Vec<u8>,
    taken: usize,
    scratch: Box<[u8]>,
    next_id: u32,
    /// Whether the server can rename over an existing file in one step.
    renames_over: bool,
    tells_free_space: bool,
    /// Whether it changes the owner of a symbolic link.
    owns_links: bool,
    home: Option<String>,
    /// By how much the receive window is being widened.
    widening: Option<u64>,
}

impl Sftp {
    /// Starts the host's SFTP server.
    pub(super) fn open(wire: &mut Wire<'_>) -> Result<Self, Trouble> {
        let mut channel = wire.open(|session| {
            session.channel_open("session", RECEIVE_WINDOW, CHANNEL_PACKET, None)
        })?;
        wire.drive(|_| channel.subsystem("sftp"))?;
        let mut sftp = Self {
            channel,
            outgoing: Vec::new(),
            sent: 0,
            incoming: Vec::new(),
            taken: 0,
            scratch: vec![0; 8 * BLOCK].into(),
            next_id: 0,
            renames_over: false,
            tells_free_space: false,
            owns_links: false,
            home: None,
            widening: None,
        };
        sftp.outgoing.extend_from_slice(&[0, 0, 0, 5, packet::INIT, 0, 0, 0, 3]);
        sftp.greet(wire)?;
        Ok(sftp)
    }

    fn greet(&mut self, wire: &mut Wire<'_>) -> Result<(), Trouble> {
        let hello = loop {
            if let Some(packet) = self.whole_packet()? {
                break packet;
            }
            self.pump(wire)?;
        };
        let mut fields = Fields(&hello);
        if fields.u8() != Some(packet::VERSION) || fields.u32().is_none() {
            return Err(Trouble::Protocol("its greeting is none".to_owned()));
        }
        while let (Some(name), Some(value)) = (fields.string(), fields.string()) {
            match (name, value) {
                (b"posix-rename@openssh.com", b"1") => self.renames_over = true,
                (b"statvfs@openssh.com", b"2") => self.tells_free_space = true,
                (b"lsetstat@openssh.com", b"1") => self.owns_links = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Queues a request and returns its id.
    pub(super) fn queue(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) -> u32 {
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let start = self.outgoing.len();
        put_u32(&mut self.outgoing, 0);
        self.outgoing.push(kind);
        put_u32(&mut self.outgoing, id);
        body(&mut self.outgoing);
        let length = u32::try_from(self.outgoing.len() - start - 4)
            .expect("a request is a block and a path at most");
        self.outgoing[start..start + 4].copy_from_slice(&length.to_be_bytes());
        id
    }

    /// Whether enough waits to be sent already.
    pub(super) fn is_backed_up(&self) -> bool {
        self.outgoing.len() - self.sent >= BACKLOG
    }

    /// Sends and receives until something has moved.
    ///
    /// Both are tried each time: libssh2 answers EAGAIN to everything but the
    /// operation that owns a half-sent packet, and that may be either.
    pub(super) fn pump(&mut self, wire: &mut Wire<'_>) -> Result<(), Trouble> {
        while !self.nudge(wire)? {
            wire.wait()?;
        }
        Ok(())
    }

    /// Sends and receives as far as that needs no waiting; tells whether anything
    /// moved.
    pub(super) fn nudge(&mut self, wire: &mut Wire<'_>) -> Result<bool, Trouble> {
        wire.check()?;
        let mut progress = false;
        if self.sent < self.outgoing.len() {
            let written = wire.write(|| self.channel.write(&self.outgoing[self.sent..]));
            if let Some(count) = wire.moved(written)? {
                self.sent += count;
                self.drop_sent_packets();
                progress = true;
            }
        }
        let read = wire.read(|| self.channel.read(&mut self.scratch));
        if let Some(count) = wire.moved(read)? {
            self.incoming.extend_from_slice(&self.scratch[..count]);
            progress = true;
        }
        if progress || self.widening.is_some() {
            self.widen(wire)?;
        }
        if !progress && self.channel.eof() {
            return Err(Trouble::Closed);
        }
        Ok(progress)
    }

    /// Keeps the receive window wide: libssh2 itself lets it shrink to the size of
    /// one read before it widens it by as much, which is one read per round trip.
    fn widen(&mut self, wire: &mut Wire<'_>) -> Result<(), Trouble> {
        let left = self.channel.read_window().remaining;
        let due = (left < RECEIVE_WINDOW / 2).then(|| u64::from(RECEIVE_WINDOW - left));
        if let Some(more) = self.widening.or(due) {
            let widened = self.channel.adjust_receive_window(more, true);
            // What would block is repeated with the same number: libssh2 has built
            // the packet, and counts what it is told last.
            let done = wire.moved(widened.map(|_| 1).map_err(Into::into))?;
            self.widening = done.is_none().then_some(more);
        }
        Ok(())
    }

    /// Whether the server still runs, as far as is known without asking.
    pub(super) fn is_alive(&mut self, wire: &mut Wire<'_>) -> bool {
        self.nudge(wire).is_ok()
    }

    /// Gives its channel up, to be closed.
    pub(super) fn into_channel(self) -> Channel {
        self.channel
    }

    /// The login directory, where relative paths begin.
    pub(super) fn home(&mut self, wire: &mut Wire<'_>) -> Result<String, Trouble> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        let home = self.realpath(wire, ".")?;
        Ok(self.home.insert(home).clone())
    }

    /// The next answer that has arrived whole, with the id of its request.
    pub(super) fn take(&mut self) -> Result<Option<(u32, Response)>, Trouble> {
        let Some(packet) = self.whole_packet()? else { return Ok(None) };
        let mut fields = Fields(&packet);
        let answer = fields
            .u8()
            .zip(fields.u32())
            .and_then(|(kind, id)| Some((id, Response::decode(kind, &mut fields)?)));
        match answer {
            Some(answer) => Ok(Some(answer)),
            None => Err(Trouble::Protocol("an answer of it is malformed".to_owned())),
        }
    }

    /// Sends a request and waits for its answer. Answers to requests that an
    /// interrupted transfer left behind are passed over.
    pub(super) fn call(
        &mut self,
        wire: &mut Wire<'_>,
        kind: u8,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Response, Trouble> {
        let wanted = self.queue(kind, body);
        loop {
            while let Some((id, response)) = self.take()? {
                if id == wanted {
                    return match response {
                        Response::Status { code, message } if code != status::OK => {
                            Err(Trouble::Status { code, message })
                        }
                        response => Ok(response),
                    };
                }
            }
            self.pump(wire)?;
        }
    }

    /// Whether the server can rename over an existing file in one step.
    pub(super) fn renames_over(&self) -> bool {
        self.renames_over
    }

    /// Whether the server changes the owner of a symbolic link itself.
    pub(super) fn owns_links(&self) -> bool {
        self.owns_links
    }

    /// Whether the server tells how much space is left.
    pub(super) fn tells_free_space(&self) -> bool {
        self.tells_free_space
    }
}
