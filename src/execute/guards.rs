//! Asks a step's guards on its host.

use super::attempt::Attempt;
use super::watch::Watch;
use crate::failure::ErrorCode;
use crate::plan::model::Step;
use crate::plan::spec::{Action, ExecOptions, Guards, TransferSpec};
use crate::transport::{Connection, HeldBack};

impl Attempt<'_> {
    /// Whether no guard holds the step back. Otherwise the reason is noted; a
    /// failure is filed, and gives its code.
    pub(super) fn ask_guards(
        &mut self,
        connection: &mut dyn Connection,
        step: &Step,
        watch: &Watch<'_>,
    ) -> Result<bool, ErrorCode> {
        let Some(conduct) = step.conduct.as_ref().filter(|conduct| !conduct.guards.is_empty())
        else {
            return Ok(true);
        };
        let options = match &step.action {
            Action::Command(shell) | Action::Config(shell) => shell.exec.clone(),
            Action::FileTransfer(spec) => beside_transfer(spec),
        };
        let cancel = &self.context.options.cancel;
        let looked = connection.look(&conduct.guards, &options, watch, cancel);
        looked.warnings.into_iter().for_each(|warning| self.warn_of_task(warning));
        match looked.held {
            Ok(None) => Ok(true),
            Ok(Some(held)) => {
                self.gathered.notes.push(reason(held, &conduct.guards));
                Ok(false)
            }
            Err(failure) => {
                let code = failure.code;
                self.gathered.faults.add(failure);
                Err(code)
            }
        }
    }
}

/// How commands run that belong to a file transfer.
fn beside_transfer(spec: &TransferSpec) -> ExecOptions {
    ExecOptions {
        timeout: spec.timeout,
        pty: spec.pty && spec.sudo.is_some(),
        stdin_open: false,
        environment: Vec::new(),
        working_directory: None,
        read_size: None,
        max_output: 64 * 1024,
        sudo: spec.sudo.clone(),
        script: None,
    }
}

fn reason(held: HeldBack, guards: &Guards) -> String {
    let text = |list: &[String], index: usize| list.get(index).cloned().unwrap_or_default();
    let named = |list: &[String]| format!("`{}`", list.join("`, `"));
    match held {
        HeldBack::Creates if guards.creates.len() == 1 => {
            format!("{} exists", named(&guards.creates))
        }
        HeldBack::Creates => format!("{} exist", named(&guards.creates)),
        HeldBack::Removes if guards.removes.len() == 1 => {
            format!("{} does not exist", named(&guards.removes))
        }
        HeldBack::Removes => format!("none of {} exists", named(&guards.removes)),
        HeldBack::Unless(index) => format!("`unless` holds: {}", text(&guards.unless, index)),
        HeldBack::OnlyIf(index) => {
            format!("`only_if` does not hold: {}", text(&guards.only_if, index))
        }
    }
}
