//! Files that playbooks import: their tasks and plays stand where the import stood.
//!
//! What is imported keeps its own places, so that errors point into the imported
//! file, and relative paths in it start at its own directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::decode::{At, Decoder, OneOrMany, is_template};
use super::document::{Format, document};
use super::error::LoadError;
use super::file::{decode_all, items, unreadable};
use super::node::{Kind, Node};
use super::playbook::{RawPlay, RawTask, Vars};
use super::source::{FileId, Sources, Span, shown};
use super::tags::Tags;
use super::{check as shapes, handlers};
use crate::diagnostic::Problem;

/// Follows the imports of one playbook.
pub(super) struct Importer<'s> {
    sources: &'s Sources,
    /// The files being read, outermost first: their canonical paths.
    within: Vec<PathBuf>,
    /// The imported files by their canonical paths: each is read once, so that what
    /// is wrong with one is told once.
    read: HashMap<PathBuf, FileId>,
    /// Every file that was imported, in order.
    pub(super) files: Vec<FileId>,
    pub(super) problems: Vec<Problem>,
}

impl<'s> Importer<'s> {
    /// One for the imports of `file`.
    pub(super) fn new(sources: &'s Sources, file: FileId) -> Self {
        let source = sources.get(file);
        let within = vec![canonical(Path::new(&source.name))];
        Self { sources, within, read: HashMap::new(), files: Vec::new(), problems: Vec::new() }
    }

    /// The plays, with those that they import.
    pub(super) fn plays(&mut self, plays: Vec<At<RawPlay>>) -> Vec<At<RawPlay>> {
        let mut all = Vec::with_capacity(plays.len());
        for mut play in plays {
            let Some(import) = play.value.import_playbook.take() else {
                for tasks in [&mut play.value.tasks, &mut play.value.handlers].into_iter().flatten()
                {
                    tasks.value = self.tasks(std::mem::take(&mut tasks.value));
                }
                handlers::notify(&play.value, &mut self.problems);
                all.push(play);
                continue;
            };
            let what = Imported { items: "plays", wrong: "tasks", right: "import_tasks" };
            let imported = self.import(&import, what, |importer, items, decoder| {
                let plays = decode_all(items, "a play", decoder, shapes::play);
                importer.plays(plays)
            });
            all.extend(imported.into_iter().map(|inner| inherit_play(inner, &play.value)));
        }
        all
    }

    /// The tasks, with those that they import.
    pub(super) fn tasks(&mut self, tasks: Vec<At<RawTask>>) -> Vec<At<RawTask>> {
        let mut all = Vec::with_capacity(tasks.len());
        for mut task in tasks {
            let Some(import) = task.value.import_tasks.take() else {
                all.push(task);
                continue;
            };
            let what = Imported { items: "tasks", wrong: "plays", right: "import_playbook" };
            let imported = self.import(&import, what, |importer, items, decoder| {
                let tasks = decode_all(items, "a task", decoder, shapes::task);
                importer.tasks(tasks)
            });
            all.extend(imported.into_iter().map(|inner| inherit_task(inner, &task.value)));
        }
        all
    }

    /// Reads the file of an import and gives what `read` makes of its items.
    fn import<T>(
        &mut self,
        import: &At<String>,
        what: Imported,
        read: impl FnOnce(&mut Self, &[&Node], &mut Decoder) -> Vec<T>,
    ) -> Vec<T> {
        if is_template(&import.value) {
            return Vec::new(); // Reported where it stands.
        }
        let path = self.path_of(import);
        let canonical = canonical(&path);
        let known = self.read.get(&canonical).copied();
        let file = match known.map_or_else(|| self.sources.read(&path), Ok) {
            Ok(file) => file,
            Err(error) => {
                let error = unreadable(&path, &error).with_help(
                    "check the path; a relative one starts at the directory of the file that imports",
                );
                self.problems.push(Problem::new(error, import.span));
                return Vec::new();
            }
        };
        if let Some(at) = self.within.iter().position(|path| *path == canonical) {
            let chain = self.within[at..].iter().chain([&canonical]);
            let chain: Vec<_> = chain.map(|path| shown(path)).collect();
            let error =
                LoadError::ImportLoop { path: shown(&canonical), chain: chain.join("` → `") };
            self.problems.push(Problem::new(error, import.span));
            return Vec::new();
        }
        if self.read.insert(canonical.clone(), file).is_none() {
            self.files.push(file);
        }
        let format = Format::of(&self.sources.get(file).name, "");
        let node = match document(self.sources, file, format) {
            Ok(node) => node,
            Err(problems) => {
                self.problems.extend(problems);
                return Vec::new();
            }
        };
        let mut decoder = Decoder::of_playbook(true, Some(Span::whole(file)), format);
        let items = items(&node);
        if let Some(error) = what.mistaken(&items) {
            self.problems.push(Problem::new(error, import.span));
            return Vec::new();
        }
        self.within.push(canonical);
        let read = read(self, &items, &mut decoder);
        self.within.pop();
        self.problems.extend(decoder.finish());
        read
    }

    /// The file that an import names, seen from the file that it stands in.
    fn path_of(&self, import: &At<String>) -> PathBuf {
        if let Some(rest) = import.value.strip_prefix("~/") {
            return std::env::home_dir().unwrap_or_default().join(rest);
        }
        let path = Path::new(&import.value);
        match import.span {
            Some(span) => {
                let name = self.sources.get(span.file).name.clone();
                Path::new(&name).parent().unwrap_or(Path::new("")).join(path)
            }
            None => path.to_owned(),
        }
    }
}

/// What an import brings.
#[derive(Clone, Copy)]
struct Imported {
    items: &'static str,
    wrong: &'static str,
    right: &'static str,
}

impl Imported {
    /// The error where the file holds the other kind of thing.
    fn mistaken(self, items: &[&Node]) -> Option<LoadError> {
        let is_play = |item: &&Node| match &item.kind {
            Kind::Map(map) => {
                ["hosts", "tasks", "import_playbook"].iter().any(|key| map.contains_key(*key))
            }
            _ => false,
        };
        let is_map = |item: &&Node| matches!(item.kind, Kind::Map(_));
        let is_other = match self.items {
            "tasks" => items.iter().any(is_play),
            _ => items.iter().any(is_map) && !items.iter().any(is_play),
        };
        is_other.then(|| LoadError::Conflict {
            message: format!("the file holds {}, not {}", self.wrong, self.items),
            help: format!("a file of {} is imported with `{}`", self.wrong, self.right),
        })
    }
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A play with what its import says for all plays: tags, and variables that win
/// over its own, as in Ansible.
fn inherit_play(mut play: At<RawPlay>, import: &RawPlay) -> At<RawPlay> {
    let raw = &mut play.value;
    raw.tags = joined_tags(import.tags.as_ref(), raw.tags.take());
    raw.vars = joined_vars(raw.vars.take(), import.vars.as_ref());
    play
}

/// A task with what its import says for all tasks: conditions, which come first,
/// tags, and variables below its own.
fn inherit_task(mut task: At<RawTask>, import: &RawTask) -> At<RawTask> {
    let raw = &mut task.value;
    if let Some(outer) = &import.when {
        let mut all = outer.each();
        all.extend(raw.when.iter().flat_map(At::each));
        raw.when = Some(At { value: OneOrMany::Many(all), span: outer.span, key: outer.key });
    }
    raw.tags = joined_tags(import.tags.as_ref(), raw.tags.take());
    raw.vars = joined_vars(import.vars.clone(), raw.vars.as_ref());
    task
}

fn joined_tags(outer: Option<&At<Tags>>, own: Option<At<Tags>>) -> Option<At<Tags>> {
    let Some(outer) = outer else { return own };
    let mut all = outer.clone();
    all.value.0.extend(own.into_iter().flat_map(|own| own.value.0));
    Some(all)
}

fn joined_vars(lower: Option<At<Vars>>, upper: Option<&At<Vars>>) -> Option<At<Vars>> {
    let (Some(mut all), Some(upper)) = (lower.clone(), upper) else {
        return lower.or_else(|| upper.cloned());
    };
    let entries = upper.value.0.iter().map(|(name, entry)| (name.clone(), entry.clone()));
    all.value.0.extend(entries);
    Some(all)
}

/// An import takes the place of everything but what it hands on.
pub(super) fn check(
    import: &At<String>,
    key: &str,
    beside: &str,
    is_alone: bool,
    decoder: &mut Decoder,
) {
    let mut report = |message: String, help: &str, span| {
        decoder.report(LoadError::Conflict { message, help: help.to_owned() }, span);
    };
    if !is_alone {
        let message = format!("beside `{key}` only {beside} have a meaning");
        report(message, "move the other keys to what is imported", import.key);
    }
    if is_template(&import.value) {
        let message = format!("`{key}` cannot be a template");
        let help = "files are imported before any variable is known: write the path as it is";
        report(message, help, import.span);
    }
}
