//! One task on one host: its steps, one after the other, and one try of each.

use std::time::Instant;

use serde_json::Value;

use super::censor::censored_result;
use super::connections::shared;
use super::lane::HostState;
use super::record::{masked_result, of_execution, of_transfer, value_of};
use super::verdict::{Faults, ends_task, of_status, outcome_of};
use super::watch::Watch;
use super::{Context, RunMode};
use crate::event::{CENSORED, CommandResult, Event, HostName, Outcome};
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::Step;
use crate::plan::spec::{Action, ShellAction, TransferSpec};
use crate::transport::{Connection, Transferred, Unconnected};

/// What a try has given so far. It outlives a panic in a connection, so that
/// what was done before is still reported.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// What was done, in order, masked.
    pub(super) results: Vec<CommandResult>,
    /// The same for templates, unmasked; empty unless asked for.
    pub(super) values: Vec<Value>,
    /// What went wrong.
    pub(super) faults: Faults,
    /// Whether something changed.
    pub(super) changed: bool,
    /// Whether the step at work has changed something.
    pub(super) step_changed: bool,
    /// Whether a step was not held back.
    pub(super) ran: bool,
    /// How often the step was tried that was tried most often.
    pub(super) attempts: u32,
    /// What to say about it.
    pub(super) notes: Vec<String>,
    /// Whether check mode cannot know the result.
    pub(super) unknown: bool,
}

/// One task on one host.
pub(super) struct Attempt<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) host: &'a HostName,
    pub(super) state: &'a mut HostState,
    pub(super) gathered: &'a mut Gathered,
    /// Whether nothing of what the task says may be shown.
    pub(super) no_log: bool,
    /// Whether the task's result is registered.
    pub(super) keep_values: bool,
    /// Sends lanes on their way that waited for what has just become known.
    pub(super) wake: &'a dyn Fn(),
    /// The first step after this task, as far as it is known.
    pub(super) next: Option<&'a Step>,
}

/// Whether the task may go on with what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    End,
}

/// What came of one try of a step.
pub(super) enum Tried {
    /// A guard says that there is nothing to do.
    HeldBack,
    /// It was done, for better or worse.
    Done(Flow),
}

impl Attempt<'_> {
    /// Runs `steps`. All of them run even if one fails, unless its failure would
    /// befall the others too.
    pub(super) fn run(mut self, steps: &[Step]) {
        for (index, step) in steps.iter().enumerate() {
            if step.skip {
                self.keep_skipped(step);
                continue;
            }
            let next = steps[index + 1..].iter().find(|step| !step.skip).or(self.next);
            let more = next.is_some_and(|next| is_shell(&next.action) && shared(step, next));
            if self.run_step(step, more) == Flow::End {
                return;
            }
        }
    }

    /// Does a step once, unless a guard holds it back. `asked` tells whether the
    /// guards have let it pass.
    pub(super) fn try_once(&mut self, step: &Step, asked: &mut bool, more: bool) -> Tried {
        let options = self.context.options;
        if options.cancel.is_cancelled() {
            self.gathered.faults.add(interrupted());
            return Tried::Done(Flow::End);
        }
        // Taken out of the state while it works, so that the rest of this
        // attempt stays usable; a panic in between lets go of all connections.
        let mut connections = std::mem::take(&mut self.state.connections);
        let watch = Watch::new(self.context, self.host, step, self.wake);
        let (connection, warnings) =
            match connections.for_step(step, self.context.connector, &watch, &options.cancel) {
                Ok(opened) => opened,
                Err(Unconnected { failure, warnings }) => {
                    self.state.connections = connections;
                    warnings.into_iter().for_each(|warning| self.warn(warning));
                    self.gathered.faults.add(failure);
                    return Tried::Done(Flow::End);
                }
            };
        warnings.into_iter().for_each(|warning| self.warn(warning));
        let passed = *asked || {
            let passed = self.ask_guards(connection, step, &watch);
            *asked = matches!(passed, Ok(true));
            match passed {
                Ok(passed) => passed,
                Err(code) => {
                    if code == ErrorCode::ConnectionLost {
                        connections.discard(step);
                    }
                    self.state.connections = connections;
                    return Tried::Done(if ends_task(code) { Flow::End } else { Flow::On });
                }
            }
        };
        if !passed {
            self.state.connections = connections;
            return Tried::HeldBack;
        }
        self.gathered.ran = true;
        let ended_by = match &step.action {
            Action::Command(shell) | Action::Config(shell) => match options.mode {
                RunMode::Apply => self.run_commands(connection, step, shell, &watch, more),
                RunMode::Check => self.foresee(step, shell),
            },
            Action::FileTransfer(spec) => self.run_transfer(connection, step, spec, &watch),
        };
        if ended_by == Some(ErrorCode::ConnectionLost) {
            connections.discard(step);
        }
        self.state.connections = connections;
        Tried::Done(ended_by.map_or(Flow::On, |_| Flow::End))
    }

    /// Runs the commands of a step; gives the code that ends the task, if one does.
    fn run_commands(
        &mut self,
        connection: &mut dyn Connection,
        step: &Step,
        shell: &ShellAction,
        watch: &Watch<'_>,
        more: bool,
    ) -> Option<ErrorCode> {
        let cancel = &self.context.options.cancel;
        let count = shell.commands.len();
        for (index, (command, shown)) in shell.commands.iter().zip(shell.shown()).enumerate() {
            if cancel.is_cancelled() {
                self.gathered.faults.add(interrupted());
                self.gathered.faults.add_not_run(count - index);
                return Some(ErrorCode::Cancelled);
            }
            let after = count - index - 1;
            let more = after > 0 || more;
            let mut execution =
                connection.execute_watched(command, &shell.exec, more, watch, cancel);
            std::mem::take(&mut execution.warnings)
                .into_iter()
                .for_each(|text| self.warn_of_task(text));
            let (result, failure) =
                of_execution(step.item.as_ref(), &shown, shell.exec.pty, execution);
            let outcome = match &failure {
                Some(failure) => outcome_of(failure.code),
                None if result.exit_status == Some(0) => Outcome::Changed,
                None => Outcome::Failed,
            };
            let result = self.record(result, outcome);
            // Built from the masked result: a secret that the message cuts in two
            // would not be recognised afterwards.
            let failure = failure.or_else(|| {
                of_status(&result.command, result.exit_status, result.signal.as_deref())
            });
            let Some(failure) = failure else {
                self.gathered.step_changed = true;
                continue;
            };
            let code = failure.code;
            self.gathered.faults.add(failure);
            if ends_task(code) || shell.stop_on_error {
                self.gathered.faults.add_not_run(after);
                return Some(code).filter(|&code| ends_task(code));
            }
        }
        None
    }

    /// Runs the transfer of a step; gives the code that ends the task, if one does.
    fn run_transfer(
        &mut self,
        connection: &mut dyn Connection,
        step: &Step,
        spec: &TransferSpec,
        watch: &Watch<'_>,
    ) -> Option<ErrorCode> {
        let began = Instant::now();
        let claimed = self.context.downloads.claim(self.host, spec);
        let transferred = claimed.and_then(|()| self.move_or_compare(connection, spec, watch));
        let duration = began.elapsed();
        match transferred {
            Ok(Transferred { record, changed, files, warnings }) => {
                let done = Ok((record, changed, files));
                let result =
                    of_transfer(step.item.as_ref(), duration, self.context.options.mode, done);
                self.record(result, if changed { Outcome::Changed } else { Outcome::Ok });
                self.gathered.step_changed = changed;
                warnings.into_iter().for_each(|warning| self.warn_of_task(warning));
                None
            }
            Err(failure) => {
                let code = failure.code;
                let mode = self.context.options.mode;
                let result = of_transfer(step.item.as_ref(), duration, mode, Err(&failure));
                self.record(result, outcome_of(code));
                self.gathered.faults.add(failure);
                Some(code).filter(|&code| ends_task(code))
            }
        }
    }

    /// Keeps the value of `result` if it is asked for, and the masked result.
    pub(super) fn record(&mut self, result: CommandResult, outcome: Outcome) -> &CommandResult {
        self.keep_value(|| value_of(&result, outcome));
        let results = &mut self.gathered.results;
        results.push(match self.no_log {
            true => censored_result(result),
            false => masked_result(&self.context.options.redactor, result),
        });
        &results[results.len() - 1]
    }

    /// Keeps the value of a step that is not done.
    pub(super) fn keep_skipped(&mut self, step: &Step) {
        let item = step.item.clone();
        self.keep_value(|| {
            value_of(&CommandResult { item, ..CommandResult::default() }, Outcome::Skipped)
        });
    }

    fn keep_value(&mut self, value: impl FnOnce() -> Value) {
        if self.keep_values {
            self.gathered.values.push(value());
        }
    }

    /// Tells the user something about what the task does.
    pub(super) fn warn_of_task(&mut self, warning: String) {
        self.warn(if self.no_log { CENSORED.to_owned() } else { warning });
    }

    /// Tells the user, once per host and run.
    pub(super) fn warn(&mut self, warning: String) {
        let message = self.context.options.redactor.mask(&warning).into_owned();
        if self.state.warned.insert(message.clone()) {
            self.context.emit(Event::Warned { host: Some(self.host.clone()), message });
        }
    }
}

/// Why a task did not run, or did not run on, when the run was cancelled.
pub(super) fn interrupted() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the run was interrupted")
}

fn is_shell(action: &Action) -> bool {
    matches!(action, Action::Command(_) | Action::Config(_))
}
