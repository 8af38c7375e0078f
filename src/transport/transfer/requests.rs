//! The requests of SFTP version 3 that transfers need, as methods of [`Sftp`].

use super::packet::{self, Attributes, Fields, Response, put_string, put_u32, put_u64};
use super::sftp::Sftp;
use super::trouble::Trouble;
use super::wire::Wire;

/// `SSH_FXF_…`: how a file is opened.
#[derive(Clone, Copy)]
pub(super) enum OpenAs {
    /// For reading.
    Source = 0x01,
    /// For writing, and it must exist.
    Existing = 0x02,
    /// For writing, and it must not exist; never follows a symbolic link.
    New = 0x02 | 0x08 | 0x20,
}

/// An open file on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handle(Vec<u8>);

impl Handle {
    /// The open file of a server's answer.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Sftp {
    /// Queues the writing of `bytes` at `offset`.
    pub(super) fn queue_write(&mut self, handle: &Handle, offset: u64, bytes: &[u8]) -> u32 {
        self.queue(packet::WRITE, |out| {
            put_string(out, &handle.0);
            put_u64(out, offset);
            put_string(out, bytes);
        })
    }

    /// Queues the reading of up to `length` bytes at `offset`.
    pub(super) fn queue_read(&mut self, handle: &Handle, offset: u64, length: u32) -> u32 {
        self.queue(packet::READ, |out| {
            put_string(out, &handle.0);
            put_u64(out, offset);
            put_u32(out, length);
        })
    }

    /// What is known about the file at `path`, following symbolic links.
    pub(super) fn stat(&mut self, wire: &mut Wire<'_>, path: &str) -> Result<Attributes, Trouble> {
        let response = self.call(wire, packet::STAT, |out| put_string(out, path.as_bytes()))?;
        attributes(response)
    }

    /// What is known about `path` itself, be it a symbolic link.
    pub(super) fn lstat(&mut self, wire: &mut Wire<'_>, path: &str) -> Result<Attributes, Trouble> {
        let response = self.call(wire, packet::LSTAT, |out| put_string(out, path.as_bytes()))?;
        attributes(response)
    }

    pub(super) fn fstat(
        &mut self,
        wire: &mut Wire<'_>,
        handle: &Handle,
    ) -> Result<Attributes, Trouble> {
        let response = self.call(wire, packet::FSTAT, |out| put_string(out, &handle.0))?;
        attributes(response)
    }

    pub(super) fn setstat(
        &mut self,
        wire: &mut Wire<'_>,
        path: &str,
        attributes: Attributes,
    ) -> Result<(), Trouble> {
        self.call(wire, packet::SETSTAT, |out| {
            put_string(out, path.as_bytes());
            attributes.encode(out);
        })
        .map(drop)
    }

    pub(super) fn fsetstat(
        &mut self,
        wire: &mut Wire<'_>,
        handle: &Handle,
        attributes: Attributes,
    ) -> Result<(), Trouble> {
        self.call(wire, packet::FSETSTAT, |out| {
            put_string(out, &handle.0);
            attributes.encode(out);
        })
        .map(drop)
    }

    /// The absolute form of `path`, without symbolic links.
    pub(super) fn realpath(&mut self, wire: &mut Wire<'_>, path: &str) -> Result<String, Trouble> {
        match self.call(wire, packet::REALPATH, |out| put_string(out, path.as_bytes()))? {
            Response::Names(mut names) => {
                let (name, _) = names.swap_remove(0);
                String::from_utf8(name)
                    .map_err(|_| Trouble::Protocol("a path of it is no UTF-8 text".to_owned()))
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn open_file(
        &mut self,
        wire: &mut Wire<'_>,
        path: &str,
        how: OpenAs,
        mode: u32,
    ) -> Result<Handle, Trouble> {
        let response = self.call(wire, packet::OPEN, |out| {
            put_string(out, path.as_bytes());
            put_u32(out, how as u32);
            Attributes::of_mode(mode).encode(out);
        })?;
        match response {
            Response::Handle(handle) => Ok(Handle(handle)),
            other => Err(unexpected(&other)),
        }
    }

    /// Queues the opening of a file.
    pub(super) fn queue_open(&mut self, path: &str, how: OpenAs, mode: u32) -> u32 {
        self.queue(packet::OPEN, |out| {
            put_string(out, path.as_bytes());
            put_u32(out, how as u32);
            Attributes::of_mode(mode).encode(out);
        })
    }

    /// Queues a request whose body is nothing but an open file.
    pub(super) fn queue_on(&mut self, kind: u8, handle: &Handle) -> u32 {
        self.queue(kind, |out| put_string(out, &handle.0))
    }

    /// Queues a request whose body is nothing but a path.
    pub(super) fn queue_at(&mut self, kind: u8, path: &str) -> u32 {
        self.queue(kind, |out| put_string(out, path.as_bytes()))
    }

    /// Queues a request about a path and its attributes: `MKDIR` or `SETSTAT`.
    pub(super) fn queue_set(&mut self, kind: u8, path: &str, attributes: Attributes) -> u32 {
        self.queue(kind, |out| {
            put_string(out, path.as_bytes());
            attributes.encode(out);
        })
    }

    /// Queues the setting of an open file's attributes.
    pub(super) fn queue_fsetstat(&mut self, handle: &Handle, attributes: Attributes) -> u32 {
        self.queue(packet::FSETSTAT, |out| {
            put_string(out, &handle.0);
            attributes.encode(out);
        })
    }

    /// Queues the setting of the attributes of `path` itself, be it a symbolic link.
    pub(super) fn queue_lsetstat(&mut self, path: &str, attributes: Attributes) -> u32 {
        self.queue(packet::EXTENDED, |out| {
            put_string(out, b"lsetstat@openssh.com");
            put_string(out, path.as_bytes());
            attributes.encode(out);
        })
    }

    /// Queues the making of a symbolic link. OpenSSH takes the two paths the other
    /// way round than the draft has them, and everybody followed.
    pub(super) fn queue_symlink(&mut self, target: &str, path: &str) -> u32 {
        self.queue(packet::SYMLINK, |out| {
            put_string(out, target.as_bytes());
            put_string(out, path.as_bytes());
        })
    }

    /// Queues a renaming; see [`Sftp::rename`].
    pub(super) fn queue_rename(&mut self, from: &str, to: &str) -> u32 {
        let over = self.renames_over();
        let kind = if over { packet::EXTENDED } else { packet::RENAME };
        self.queue(kind, |out| {
            if over {
                put_string(out, b"posix-rename@openssh.com");
            }
            put_string(out, from.as_bytes());
            put_string(out, to.as_bytes());
        })
    }

    pub(super) fn close(&mut self, wire: &mut Wire<'_>, handle: &Handle) -> Result<(), Trouble> {
        self.call(wire, packet::CLOSE, |out| put_string(out, &handle.0)).map(drop)
    }

    pub(super) fn mkdir(
        &mut self,
        wire: &mut Wire<'_>,
        path: &str,
        mode: u32,
    ) -> Result<(), Trouble> {
        self.call(wire, packet::MKDIR, |out| {
            put_string(out, path.as_bytes());
            Attributes::of_mode(mode).encode(out);
        })
        .map(drop)
    }

    pub(super) fn remove(&mut self, wire: &mut Wire<'_>, path: &str) -> Result<(), Trouble> {
        self.call(wire, packet::REMOVE, |out| put_string(out, path.as_bytes())).map(drop)
    }

    /// Renames; over an existing file only where the server does so in one step.
    pub(super) fn rename(
        &mut self,
        wire: &mut Wire<'_>,
        from: &str,
        to: &str,
    ) -> Result<(), Trouble> {
        let over = self.renames_over();
        let kind = if over { packet::EXTENDED } else { packet::RENAME };
        self.call(wire, kind, |out| {
            if over {
                put_string(out, b"posix-rename@openssh.com");
            }
            put_string(out, from.as_bytes());
            put_string(out, to.as_bytes());
        })
        .map(drop)
    }

    /// How many bytes the user may still write to the file system of `path`;
    /// `None` when the server does not tell.
    pub(super) fn free_space(
        &mut self,
        wire: &mut Wire<'_>,
        path: &str,
    ) -> Result<Option<u64>, Trouble> {
        if !self.tells_free_space() {
            return Ok(None);
        }
        let response = self.call(wire, packet::EXTENDED, |out| {
            put_string(out, b"statvfs@openssh.com");
            put_string(out, path.as_bytes());
        })?;
        let Response::Extended(body) = response else { return Err(unexpected(&response)) };
        let mut fields = Fields(&body);
        let numbers: Vec<u64> = std::iter::from_fn(|| fields.u64()).take(5).collect();
        // A file system without blocks tells nothing by having none free.
        let &[_block_size, fragment, (1..), _free, for_us] = numbers.as_slice() else {
            return Ok(None);
        };
        Ok(Some(fragment.saturating_mul(for_us)))
    }
}

fn attributes(response: Response) -> Result<Attributes, Trouble> {
    match response {
        Response::Attributes(attributes) => Ok(attributes),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(_response: &Response) -> Trouble {
    Trouble::Protocol("it answers something else than was asked".to_owned())
}
