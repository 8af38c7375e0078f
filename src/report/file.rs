//! Writing a report: never half of one, and readable by its owner alone.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::model::Report;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write the report to `{}`: {source}", path.display())]
#[diagnostic(
    code(report::write),
    help("the run itself is over; name a writable path with `--report`")
)]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes the report as indented JSON with a final newline. It goes out as it is
/// made: the outputs of a large fleet are not held in memory a second time.
///
/// # Errors
/// What `writer` answers.
pub fn write_json(mut writer: impl Write, report: &Report) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(64 * 1024, &mut writer);
    serde_json::to_writer_pretty(&mut buffered, report)?;
    buffered.write_all(b"\n")?;
    buffered.flush()
}

/// Writes `report` to `path`, in place of what is there.
///
/// A file appears whole or not at all, with mode 0600, for outputs may hold what
/// is nobody else's business. What is not a regular file (a pipe, `/dev/stderr`)
/// is written to as it is.
///
/// # Errors
/// [`WriteError`]; what was at `path` before is then still there.
pub fn write_file(path: &Path, report: &Report) -> Result<(), WriteError> {
    replace(path, |file| write_json(file, report))
        .map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Whether a report can be written to `path`, as far as that can be known before
/// there is one. Leaves nothing behind.
///
/// # Errors
/// Why not, in a few words.
pub fn can_write(path: &Path) -> Result<(), String> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = directory_of(path);
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err("it is a directory".to_owned()),
        Ok(there) if !there.is_file() => Ok(()),
        _ if !directory.is_dir() => Err("its directory does not exist".to_owned()),
        _ => tempfile::tempfile_in(directory).map(drop).map_err(|error| error.to_string()),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn replace(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    // Through a symbolic link, the file it names is replaced, not the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return write(&File::options().write(true).open(path)?);
    }
    let file = tempfile::NamedTempFile::new_in(directory_of(path))?;
    write(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn braces(mut file: &File) -> io::Result<()> {
        file.write_all(b"{}\n")
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("r.json"), directory.path().join("link"));
        fs::write(&path, "a much longer text than the new one").unwrap();
        symlink(&path, &link).unwrap();
        replace(&link, braces).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no temporary file stays");
    }

    #[test]
    fn a_special_file_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt;
        replace(Path::new("/dev/null"), braces).unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    fn whether_a_report_can_be_written_is_known_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(can_write(&path.join("r.json")), Ok(()));
        assert_eq!(can_write(Path::new("r.json")), Ok(()));
        assert_eq!(can_write(Path::new("/dev/null")), Ok(()));
        assert_eq!(can_write(path), Err("it is a directory".to_owned()));
        let missing = can_write(&path.join("no/r.json"));
        assert_eq!(missing, Err("its directory does not exist".to_owned()));
        // Not even root makes a file there.
        assert!(can_write(Path::new("/proc/r.json")).is_err());
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert!(replace(Path::new("/nonexistent/r.json"), braces).is_err());
    }
}
