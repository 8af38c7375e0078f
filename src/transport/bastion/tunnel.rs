//! One tunnel: a `direct-tcpip` channel and the local end of a socket pair.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use ssh2::Channel;

use crate::transport::link::would_block;

/// How much is moved at a time in each direction, which is also the most that a
/// tunnel holds back: what does not fit stays with the sender.
const CHUNK: usize = 32 * 1024;

/// What a call into libssh2 came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Something moved.
    Moved,
    /// There is nothing to do now.
    Idle,
    /// libssh2 has unsent bytes of this call, or waits for the peer.
    Blocked,
    /// The channel or the local end broke; the tunnel is to be closed.
    Broken,
}

/// The calls into libssh2 that a tunnel makes: one that left bytes unsent must
/// be repeated before any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Reading, which may have to grant window first.
    Read,
    /// Writing.
    Write,
    /// Telling the remote end that no more will come.
    SendEof,
    /// Closing.
    Close,
}

/// A tunnel and what is under way in it.
pub(super) struct Tunnel {
    channel: Channel,
    local: UnixStream,
    inward: Buffer,
    outward: Buffer,
    remote_ended: bool,
    remote_end_told: bool,
    local_ended: bool,
    local_end_told: bool,
    closing: bool,
    closed: bool,
    /// How many bytes have come from the remote end since this was last asked.
    arrived: usize,
}

impl Tunnel {
    /// Joins the two; `local` must not block.
    pub(super) fn new(channel: Channel, local: UnixStream) -> Self {
        Self {
            channel,
            local,
            inward: Buffer::default(),
            outward: Buffer::default(),
            remote_ended: false,
            remote_end_told: false,
            local_ended: false,
            local_end_told: false,
            closing: false,
            closed: false,
            arrived: 0,
        }
    }

    /// Whether it is closed on both sides and may be dropped.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many bytes have come from the remote end since this was last asked.
    pub(super) fn arrived(&mut self) -> usize {
        std::mem::take(&mut self.arrived)
    }

    /// Begins to close.
    pub(super) fn hang_up(&mut self) {
        self.closing = true;
    }

    /// The calls to make now, in order. Each may make the next one possible.
    pub(super) const CALLS: [Call; 4] = [Call::Read, Call::Write, Call::SendEof, Call::Close];

    /// Makes one call, with the local input or output that belongs to it.
    pub(super) fn make(&mut self, call: Call) -> Step {
        let step = match call {
            Call::Close => self.close(),
            _ if self.closing => Step::Idle,
            Call::Read => self.read(),
            Call::Write => self.write(),
            Call::SendEof => self.send_eof(),
        };
        if step == Step::Broken {
            self.closing = true;
        }
        step
    }

    /// From the remote end to the local one.
    fn read(&mut self) -> Step {
        if self.inward.is_empty() && !self.remote_ended {
            match self.channel.read(self.inward.room()) {
                Ok(0) if self.channel.eof() => self.remote_ended = true,
                Ok(0) => return Step::Idle,
                Ok(length) => {
                    self.inward.filled(length);
                    self.arrived += length;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Step::Blocked;
                }
                Err(_) => return Step::Broken,
            }
        }
        let step = match self.inward.drain_into(&mut self.local) {
            Ok(true) => Step::Moved,
            Ok(false) => Step::Idle,
            Err(_) => return Step::Broken,
        };
        if self.remote_ended && self.inward.is_empty() && !self.remote_end_told {
            self.remote_end_told = true;
            let _ = self.local.shutdown(Shutdown::Write);
            self.closing = self.local_end_told;
            return Step::Moved;
        }
        step
    }

    /// From the local end to the remote one.
    fn write(&mut self) -> Step {
        if self.outward.is_empty() && !self.local_ended {
            match self.local.read(self.outward.room()) {
                Ok(0) => self.local_ended = true,
                Ok(length) => self.outward.filled(length),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return Step::Broken,
            }
        }
        if self.outward.is_empty() {
            return Step::Idle;
        }
        match self.outward.drain_into(&mut self.channel) {
            Ok(true) => Step::Moved,
            Ok(false) => Step::Blocked,
            Err(_) => Step::Broken,
        }
    }

    fn send_eof(&mut self) -> Step {
        if !self.local_ended || self.local_end_told || !self.outward.is_empty() {
            return Step::Idle;
        }
        match self.channel.send_eof() {
            Ok(()) => {
                self.local_end_told = true;
                self.closing = self.remote_end_told;
                Step::Moved
            }
            Err(error) if would_block(&error) => Step::Blocked,
            Err(_) => Step::Broken,
        }
    }

    fn close(&mut self) -> Step {
        if !self.closing || self.closed {
            return Step::Idle;
        }
        match self.channel.close() {
            Err(error) if would_block(&error) => Step::Blocked,
            // Whatever else comes: there is no more to be done about it.
            _ => {
                self.closed = true;
                Step::Moved
            }
        }
    }

    /// Whether it waits for something from the remote end.
    pub(super) fn wants_remote(&self) -> bool {
        self.closing || (self.inward.is_empty() && !self.remote_ended) || !self.outward.is_empty()
    }

    /// What to poll the local end for.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let mut wanted = PollFlags::empty();
        if !self.closing && self.outward.is_empty() && !self.local_ended {
            wanted |= PollFlags::IN;
        }
        if !self.closing && !self.inward.is_empty() {
            wanted |= PollFlags::OUT;
        }
        PollFd::from_borrowed_fd(self.local.as_fd(), wanted)
    }

    /// Whether its local end need not be polled any more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }
}

/// Bytes on their way.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The whole buffer, which must be empty.
    fn room(&mut self) -> &mut [u8] {
        self.bytes.resize(CHUNK, 0);
        &mut self.bytes
    }

    fn filled(&mut self, length: usize) {
        (self.start, self.end) = (0, length);
    }

    /// Writes what it holds; false when nothing could be written.
    fn drain_into(&mut self, to: &mut impl Write) -> io::Result<bool> {
        let before = self.start;
        while !self.is_empty() {
            match to.write(&self.bytes[self.start..self.end]) {
                Ok(0) => break,
                Ok(length) => self.start += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.start > before)
    }
}
