//! The texts that a run was started from, and places in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use super::place::byte_offset;
use crate::diagnostic::Problem;
use crate::local_file::read_to_string;
use crate::secret::Redactor;

/// One of the texts in a [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A stretch of bytes in a text. An empty stretch at 0 stands for the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The text.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: usize,
    /// Number of bytes.
    pub len: usize,
}

impl Span {
    /// The text as a whole, where no better place is known.
    #[must_use]
    pub fn whole(file: FileId) -> Self {
        Self { file, start: 0, len: 0 }
    }

    /// A part of this span.
    #[must_use]
    pub fn slice(self, range: std::ops::Range<usize>) -> Self {
        Self { file: self.file, start: self.start + range.start, len: range.len() }
    }
}

/// One text.
#[derive(Debug)]
pub struct SourceText {
    /// What messages call it: the path as given, or such as `<--extra-vars>`.
    pub name: String,
    /// Its directory, where relative paths written in it start.
    pub directory: PathBuf,
    /// The text, without the byte order mark that may begin it.
    pub text: String,
    /// Whether there was such a mark.
    pub had_mark: bool,
}

impl SourceText {
    /// The file that it was read from; `None` for what is no file, such as the
    /// command line.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        if self.name.starts_with('<') {
            return None;
        }
        Some(self.directory.join(Path::new(&self.name).file_name()?))
    }
}

/// Editors of other systems begin a file with it; no parser wants it.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Every text read so far. Texts are added and never removed, so that a
/// [`Span`] stays valid for the whole run.
#[derive(Debug, Default)]
pub struct Sources {
    texts: RwLock<Vec<Arc<SourceText>>>,
    redactor: Arc<Redactor>,
    warnings: Mutex<Vec<Problem>>,
}

impl Sources {
    /// What masks the secrets that are known to stand in the texts.
    #[must_use]
    pub fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// Adds a text and returns its id.
    pub fn add(&self, name: impl Into<String>, directory: &Path, mut text: String) -> FileId {
        let had_mark = text.starts_with(BYTE_ORDER_MARK);
        if had_mark {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        let directory = directory.to_owned();
        self.push(SourceText { name: name.into(), directory, text, had_mark })
    }

    fn push(&self, text: SourceText) -> FileId {
        let mut texts = self.texts.write().unwrap_or_else(|poison| poison.into_inner());
        let id = FileId(u32::try_from(texts.len()).expect("fewer than four billion files"));
        texts.push(Arc::new(text));
        id
    }

    /// Reads a file and adds it.
    ///
    /// # Errors
    /// The file cannot be read, or is not UTF-8.
    pub fn read(&self, path: &Path) -> std::io::Result<FileId> {
        let text = read_to_string(path)?;
        Ok(self.add(shown(path), &directory_of(path)?, text))
    }

    /// Reads a template file, once: every host that renders it shares the text.
    ///
    /// # Errors
    /// As [`Sources::read`].
    pub fn template(&self, path: &Path) -> std::io::Result<FileId> {
        let name = shown(path);
        {
            let texts = self.texts.read().unwrap_or_else(|poison| poison.into_inner());
            if let Some(at) = texts.iter().position(|text| text.name == name) {
                return Ok(FileId(u32::try_from(at).expect("fewer than four billion files")));
            }
        }
        // What is uploaded keeps every byte, a mark at its beginning too.
        let text = read_to_string(path)?;
        let directory = directory_of(path)?;
        Ok(self.push(SourceText { name, directory, text, had_mark: false }))
    }

    /// A place as `file:line:column`.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        let source = self.get(span.file);
        let before = &source.text[..byte_offset(&source.text, span.start)];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        format!("{}:{line}:{}", source.name, before[start..].chars().count() + 1)
    }

    /// Notes what is suspicious in a text, and no reason not to read it.
    pub fn warn(&self, warning: Problem) {
        self.warnings.lock().unwrap_or_else(|poison| poison.into_inner()).push(warning);
    }

    /// What was noted so far. A text that was read twice has it twice.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        self.warnings.lock().unwrap_or_else(|poison| poison.into_inner()).clone()
    }

    /// Every text, in the order read.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<SourceText>> {
        self.texts.read().unwrap_or_else(|poison| poison.into_inner()).clone()
    }

    /// Every text with its id.
    pub fn numbered(&self) -> impl Iterator<Item = (FileId, Arc<SourceText>)> + use<> {
        (0..).map(FileId).zip(self.all())
    }

    /// The text behind an id.
    #[must_use]
    pub fn get(&self, file: FileId) -> Arc<SourceText> {
        let texts = self.texts.read().unwrap_or_else(|poison| poison.into_inner());
        Arc::clone(&texts[file.0 as usize])
    }
}

fn directory_of(path: &Path) -> std::io::Result<PathBuf> {
    std::path::absolute(match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    })
}

/// A path as messages call it: below the current directory it starts there.
#[must_use]
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let below = path.strip_prefix(&here).ok().filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let error = Sources::default().read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_text_but_of_an_upload() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        std::fs::write(&path, "\u{feff}- a: 1\r\n").unwrap();
        let sources = Sources::default();
        let template = sources.template(&path).unwrap();
        assert!(sources.get(template).text.starts_with(BYTE_ORDER_MARK));
        let text = sources.get(sources.read(&path).unwrap());
        assert_eq!((text.text.as_str(), text.had_mark), ("- a: 1\r\n", true));
    }
}
