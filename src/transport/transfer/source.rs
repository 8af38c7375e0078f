//! The local side of an upload: a file, or a text in memory.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use openssl::sha::Sha256;

use super::wire::Wire;
use crate::local_file::open_regular;
use crate::plan::spec::TransferSpec;
use crate::transport::link::Stop;

/// The mode of a new file that is rendered from a template.
const RENDERED_MODE: u32 = 0o644;
/// The unit of local reads stays between these, whatever `chunk_size` says.
const CHUNKS: (usize, usize) = (4 * 1024, 1024 * 1024);

/// The most that is read of a file that does not tell its size.
const LARGEST_WITHOUT_SIZE: u64 = 16 * 1024 * 1024;

/// What is uploaded.
pub(super) enum Source {
    /// The bytes of a file.
    File { file: BufReader<File>, before: Metadata },
    /// A rendered template.
    Text(io::Cursor<Arc<[u8]>>),
}

impl Source {
    /// Opens the source that `spec` names.
    pub(super) fn open(spec: &TransferSpec) -> io::Result<Self> {
        if let Some(content) = &spec.content {
            return Ok(Self::Text(io::Cursor::new(content.clone())));
        }
        let (mut file, before) = open_regular(&spec.local_path)?;
        if before.len() == 0 {
            // Files below /proc say that they are empty, and are not.
            let mut content = Vec::new();
            file.by_ref().take(LARGEST_WITHOUT_SIZE).read_to_end(&mut content)?;
            if content.len() as u64 == LARGEST_WITHOUT_SIZE {
                return Err(io::Error::other("it does not tell its size"));
            }
            if !content.is_empty() {
                return Ok(Self::Text(io::Cursor::new(content.into())));
            }
        }
        Ok(Self::File { file: BufReader::with_capacity(chunk(spec), file), before })
    }

    /// Size in bytes when it was opened.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::File { before, .. } => before.len(),
            Self::Text(text) => text.get_ref().len() as u64,
        }
    }

    /// The mode of a new file made from it.
    pub(super) fn mode(&self) -> u32 {
        match self {
            Self::File { before, .. } => before.permissions().mode() & 0o777,
            Self::Text(_) => RENDERED_MODE,
        }
    }

    /// Continues reading at `offset`.
    pub(super) fn rewind_to(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::File { file, .. } => file.seek(SeekFrom::Start(offset)).map(drop),
            Self::Text(text) => {
                text.set_position(offset);
                Ok(())
            }
        }
    }

    /// Whether nobody wrote to it since it was opened.
    pub(super) fn is_unchanged(&self) -> io::Result<bool> {
        let Self::File { file, before } = self else { return Ok(true) };
        let now = file.get_ref().metadata()?;
        Ok(now.len() == before.len() && now.modified()? == before.modified()?)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.read(buffer),
            Self::Text(text) => text.read(buffer),
        }
    }
}

/// The size of local reads and writes.
pub(super) fn chunk(spec: &TransferSpec) -> usize {
    spec.chunk_size.clamp(CHUNKS.0, CHUNKS.1)
}

/// Feeds the next `count` bytes of `reader` to `hash`.
///
/// # Errors
/// The outer error is the transfer's limit, the inner one the file's.
pub(super) fn absorb(
    reader: &mut impl Read,
    mut count: u64,
    hash: &mut Sha256,
    wire: &Wire<'_>,
) -> Result<io::Result<()>, Stop> {
    let mut buffer = vec![0; 128 * 1024];
    while count > 0 {
        wire.check()?;
        let wanted = buffer.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        match reader.read(&mut buffer[..wanted]) {
            Ok(0) => return Ok(Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                hash.update(&buffer[..read]);
                count -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

/// Reads until `buffer` is full or the file ends; tells how much it read.
pub(super) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The text of a path that temporary names are derived from.
pub(super) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
