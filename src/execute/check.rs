//! What check mode says of what it does not do.

use std::sync::Arc;

use super::attempt::Attempt;
use super::watch::Watch;
use super::{DiffMode, RunMode, diff};
use crate::event::{CommandResult, Outcome, TransferOperation};
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::Step;
use crate::plan::spec::{ShellAction, TransferSpec};
use crate::transport::{Connection, Transferred};

impl Attempt<'_> {
    /// Records commands that would run.
    pub(super) fn foresee(&mut self, step: &Step, shell: &ShellAction) -> Option<ErrorCode> {
        let conduct = step.conduct.as_ref();
        let changed_when = conduct.and_then(|conduct| conduct.changed_when.as_ref());
        let changes = changed_when.and_then(|condition| condition.constant()).unwrap_or(true);
        let is_guarded = conduct.is_some_and(|conduct| !conduct.guards.is_empty());
        for command in shell.shown() {
            let item = step.item.clone();
            let result = CommandResult { item, command, pty: shell.exec.pty, ..Default::default() };
            self.record(result, if changes { Outcome::Changed } else { Outcome::Ok });
        }
        let note = match (changes, is_guarded) {
            (false, _) => "check mode: would run, and change nothing",
            (true, true) => "check mode: would run",
            (true, false) => {
                "check mode: would run; nothing tells whether it would change anything"
            }
        };
        self.gathered.notes.push(note.to_owned());
        self.gathered.step_changed = changes;
        self.gathered.unknown = true;
        None
    }

    /// Moves files, or only tells what that would do; with the change of a text
    /// where that is to be shown.
    pub(super) fn move_or_compare(
        &mut self,
        connection: &mut dyn Connection,
        spec: &TransferSpec,
        watch: &Watch<'_>,
    ) -> Result<Transferred, Failure> {
        let options = self.context.options;
        let shows = options.diff == DiffMode::Shown
            && !self.no_log
            && spec.operation == TransferOperation::Upload
            && !spec.recursive;
        let mut contents = None;
        let mut transferred = match options.mode {
            RunMode::Check => {
                let compared = connection.compare(spec, shows, watch, &options.cancel)?;
                contents = compared.contents;
                compared.transferred
            }
            RunMode::Apply => {
                if shows {
                    contents = connection.compare(spec, true, watch, &options.cancel)?.contents;
                }
                connection.transfer_watched(spec, watch, &options.cancel)?
            }
        };
        if let Some((before, after)) = contents.filter(|_| transferred.changed) {
            let path = &spec.remote_path;
            transferred.record.diff = diff::unified(path, before, after, &options.redactor);
        }
        Ok(transferred)
    }
}

/// Why a task is left out that needs results which check mode does not have.
pub(super) fn awaits(names: &[Arc<str>]) -> String {
    format!("check mode: it needs `{}`, of a task that check mode did not run", names.join("`, `"))
}
