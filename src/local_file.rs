//! Opens the files of this machine that a user names, none of which may keep a run
//! waiting for ever: opening a named pipe waits for whoever writes to it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// More is no text that a person wrote, and what has no end (`/dev/zero`) would
/// take all memory.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Opens a text. Standard input and the pipe of a process substitution (`<(…)`) are
/// as good as a file, and so is `/dev/null`; a named pipe is refused.
///
/// # Errors
/// The file cannot be opened, or is a named pipe.
pub fn open(path: &Path) -> io::Result<File> {
    let file = without_waiting(path)?;
    if file.metadata()?.file_type().is_fifo() {
        // What stands there is open already, and whoever writes to it is known.
        let is_open = ["/dev", "/proc"].iter().any(|start| path.starts_with(start));
        if !is_open {
            return Err(special());
        }
    }
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Opens what is to be a regular file: its bytes can be read more than once.
///
/// # Errors
/// The file cannot be opened, or is anything else, a directory for example.
pub fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    // Opening some devices has effects.
    refuse_special(&std::fs::metadata(path)?)?;
    let file = without_waiting(path)?;
    let metadata = file.metadata()?;
    refuse_special(&metadata)?;
    Ok((file, metadata))
}

/// Refuses a directory, a device, a pipe.
///
/// # Errors
/// It is no regular file.
pub fn refuse_special(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        false => Err(special()),
    }
}

/// Reads what [`open`] opens.
///
/// # Errors
/// As [`open`], or that reading fails, or that it is longer than any text.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    believable(bytes.len()).map(|()| bytes)
}

/// Reads what [`open`] opens as text.
///
/// # Errors
/// As [`read`], or that it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    believable(text.len()).map(|()| text)
}

fn believable(length: usize) -> io::Result<()> {
    match length as u64 > LONGEST {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(()),
    }
}

/// Why, in words for a message that does not bear an error number.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}

fn without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn special() -> io::Error {
    io::Error::other("it is no regular file")
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_named_pipe_is_refused_and_an_open_one_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(open(&fifo).unwrap_err().to_string(), "it is no regular file");
        assert!(open_regular(&fifo).is_err());

        let (from, mut to) = io::pipe().unwrap();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            io::Write::write_all(&mut to, b"late").unwrap();
        });
        let path = format!("/dev/fd/{}", from.as_raw_fd());
        assert_eq!(read_to_string(Path::new(&path)).unwrap(), "late");
        writer.join().unwrap();
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
    }

    #[test]
    fn only_a_regular_file_can_be_uploaded() {
        for (path, kind) in
            [("/dev/null", io::ErrorKind::Other), ("/tmp", io::ErrorKind::IsADirectory)]
        {
            assert_eq!(open_regular(Path::new(path)).unwrap_err().kind(), kind, "{path}");
        }
    }
}
