//! The packets of SFTP version 3, as bytes. Nothing here touches a network.
//!
//! Everything that is read was sent by a host that may be hostile, so every
//! length is checked against what is there.

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const REALPATH: u8 = 16;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const READLINK: u8 = 19;
pub(super) const SYMLINK: u8 = 20;
pub(super) const EXTENDED: u8 = 200;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRIBUTES: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

const HAS_SIZE: u32 = 0x1;
const HAS_OWNER: u32 = 0x2;
const HAS_MODE: u32 = 0x4;
const HAS_TIMES: u32 = 0x8;
const HAS_EXTENSIONS: u32 = 0x8000_0000;

const TYPE_MASK: u32 = 0o170_000;
const TYPE_REGULAR: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_SYMLINK: u32 = 0o120_000;

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// How a request without a result of its own went, or why one failed.
    Status { code: u32, message: String },
    /// An open file.
    Handle(Vec<u8>),
    /// Bytes of a file.
    Data(Vec<u8>),
    /// Names, with what is known about each. Nothing says that they are text, or
    /// that they are names.
    Names(Vec<(Vec<u8>, Attributes)>),
    /// What is known about a file.
    Attributes(Attributes),
    /// The answer to an extension's request.
    Extended(Vec<u8>),
}

impl Response {
    /// Reads the answer of type `kind`; `None` when it is malformed or unknown.
    pub(super) fn decode(kind: u8, body: &mut Fields<'_>) -> Option<Self> {
        Some(match kind {
            STATUS => {
                let code = body.u32()?;
                // Version 3 demands a message, some servers know better.
                let message = body.string().unwrap_or_default();
                Self::Status { code, message: String::from_utf8_lossy(message).into_owned() }
            }
            HANDLE => Self::Handle(body.string()?.to_vec()),
            DATA => Self::Data(body.string()?.to_vec()),
            NAME => {
                let mut names = Vec::new();
                for _ in 0..body.u32()? {
                    let name = body.string()?.to_vec();
                    let _long_name = body.string()?;
                    names.push((name, Attributes::decode(body)?));
                }
                (!names.is_empty()).then_some(Self::Names(names))?
            }
            ATTRIBUTES => Self::Attributes(Attributes::decode(body)?),
            EXTENDED_REPLY => Self::Extended(body.0.to_vec()),
            _ => return None,
        })
    }
}

/// What is known, or to be set, about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Attributes {
    /// Size in bytes, as the server claims.
    pub(super) size: Option<u64>,
    /// User and group id.
    pub(super) owner: Option<(u32, u32)>,
    /// File type and permission bits.
    pub(super) mode: Option<u32>,
    /// Last access and change, in seconds since 1970.
    pub(super) times: Option<(u32, u32)>,
}

impl Attributes {
    /// Nothing but permission bits.
    pub(super) fn of_mode(mode: u32) -> Self {
        Self { mode: Some(mode), ..Self::default() }
    }

    /// The permission bits without the file type.
    pub(super) fn permissions(&self) -> Option<u32> {
        self.mode.map(|mode| mode & 0o7777)
    }

    pub(super) fn is_directory(&self) -> bool {
        self.is(TYPE_DIRECTORY)
    }

    pub(super) fn is_symlink(&self) -> bool {
        self.is(TYPE_SYMLINK)
    }

    /// Whether it is a regular file, or the server does not tell.
    pub(super) fn is_plain(&self) -> bool {
        self.mode.is_none_or(|mode| matches!(mode & TYPE_MASK, 0 | TYPE_REGULAR))
    }

    fn is(&self, kind: u32) -> bool {
        self.mode.is_some_and(|mode| mode & TYPE_MASK == kind)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |present: bool, flag: u32| if present { flag } else { 0 };
        let flags = flag(self.size.is_some(), HAS_SIZE)
            | flag(self.owner.is_some(), HAS_OWNER)
            | flag(self.mode.is_some(), HAS_MODE)
            | flag(self.times.is_some(), HAS_TIMES);
        put_u32(out, flags);
        if let Some(size) = self.size {
            out.extend_from_slice(&size.to_be_bytes());
        }
        if let Some((user, group)) = self.owner {
            put_u32(out, user);
            put_u32(out, group);
        }
        if let Some(mode) = self.mode {
            put_u32(out, mode);
        }
        if let Some((accessed, changed)) = self.times {
            put_u32(out, accessed);
            put_u32(out, changed);
        }
    }

    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let flags = fields.u32()?;
        let mut attributes = Self::default();
        if flags & HAS_SIZE != 0 {
            attributes.size = Some(fields.u64()?);
        }
        if flags & HAS_OWNER != 0 {
            attributes.owner = Some((fields.u32()?, fields.u32()?));
        }
        if flags & HAS_MODE != 0 {
            attributes.mode = Some(fields.u32()?);
        }
        if flags & HAS_TIMES != 0 {
            attributes.times = Some((fields.u32()?, fields.u32()?));
        }
        if flags & HAS_EXTENSIONS != 0 {
            for _ in 0..fields.u32()? {
                fields.string()?;
                fields.string()?;
            }
        }
        Some(attributes)
    }
}

/// Reads a packet field by field; every method answers `None` past the end.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*first))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let mut after = Fields(self.0);
        let length = after.u32()? as usize;
        let (string, rest) = after.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends `bytes` with their length before them.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, u32::try_from(bytes.len()).expect("no field of ours exceeds a block or a path"));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_a_round_trip() {
        let full = Attributes {
            size: Some(u64::MAX),
            owner: Some((1, 2)),
            mode: Some(0o100_640),
            times: Some((3, 4)),
        };
        for attributes in [full, Attributes::default(), Attributes::of_mode(0o755)] {
            let mut bytes = Vec::new();
            attributes.encode(&mut bytes);
            assert_eq!(Attributes::decode(&mut Fields(&bytes)), Some(attributes));
        }
    }

    #[test]
    fn a_length_that_lies_is_malformed() {
        for (kind, body) in [
            (HANDLE, &b"\0\0\0\x05abc"[..]),
            (DATA, b"\xff\xff\xff\xffabc"),
            (NAME, b"\0\0\0\0"),
            (ATTRIBUTES, b"\0\0\0\x01\0\0"),
            (STATUS, b"\0\0"),
            (77, b""),
        ] {
            assert_eq!(Response::decode(kind, &mut Fields(body)), None, "type {kind}");
        }
    }

    #[test]
    fn a_status_without_a_message_is_understood() {
        let status = Response::decode(STATUS, &mut Fields(&[0, 0, 0, 3]));
        assert_eq!(status, Some(Response::Status { code: 3, message: String::new() }));
    }
}
