//! From `command`, `config` and `driver_args` to an [`Action`].

use std::sync::Arc;

use minijinja::value::ValueKind;

use super::collect::Collect;
use super::error::PlanError;
use super::exec::{exec, forbid_idle_sudo, sudo};
use super::spec::{Action, ShellAction};
use super::transfer;
use crate::event::ActionKind;
use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::playbook::RawTask;
use crate::load::request::{Commands, DriverArgs};
use crate::resolve::frame::Frame;
use crate::resolve::{FromValue as _, describe};
use crate::secret::Secret;

/// What runs a script unless `script_interpreter` says otherwise.
const INTERPRETER: &str = "sh";

/// What a task does, as far as its keys tell.
pub(super) fn kind(raw: &RawTask) -> ActionKind {
    if raw.transfer().is_some() {
        ActionKind::FileTransfer
    } else if raw.script().is_some() && raw.command.is_none() {
        // A script stands in for commands that sudo may elevate.
        ActionKind::Config
    } else if raw.config.is_some() {
        ActionKind::Config
    } else {
        ActionKind::Command
    }
}

/// Renders and checks a task's action. `args` are its merged `driver_args`;
/// `sudo_password` is what the login's secret has for sudo, if they have none.
pub(super) fn build(
    raw: &RawTask,
    args: &DriverArgs,
    sudo_password: Option<&Secret>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<Action> {
    let kind = kind(raw);
    forbid_idle_sudo(raw, args, collect);
    if kind == ActionKind::FileTransfer {
        let own = raw.transfer()?;
        let sudo = sudo(args, sudo_password, frame, collect);
        let pty = raw.driver_args.as_ref().and_then(|args| args.value.get_pty.as_ref());
        if sudo.is_none() && pty.is_some() {
            let error = PlanError::Unfitting {
                message: "`get_pty` has no meaning for a file transfer without `sudo`".to_owned(),
                help: "remove it from this task".to_owned(),
            };
            collect.error(error, pty);
        }
        let mut spec = transfer::build(own, args.timeout.as_ref(), frame, collect)?;
        spec.sudo = sudo;
        if let Some(sudo) = &mut spec.sudo {
            // Moving a file takes several commands, whatever was inherited.
            sudo.shell = true;
            if spec.recursive && sudo.user.as_deref().is_some_and(|user| user != "root") {
                let error = PlanError::Unfitting {
                    message: "a `recursive` transfer through sudo is root's".to_owned(),
                    help: "leave `sudo_user` out, and set `owner` and `group`".to_owned(),
                };
                collect.error(error, args.sudo_user.as_ref());
            }
            spec.pty = collect.value(frame, args.get_pty.as_ref(), "get_pty").unwrap_or(false);
        }
        return Some(Action::FileTransfer(spec));
    }
    let is_config = kind == ActionKind::Config;
    // The sudo password comes first: what commands make of it is known then.
    let mut exec = exec(args, is_config, sudo_password, frame, collect);
    let (commands, content) = match raw.script() {
        Some(content) => script(content, args, frame, collect),
        None => {
            let (key, commands) = match is_config {
                true => ("config", raw.config.as_ref()?),
                false => ("command", raw.command.as_ref()?),
            };
            (lines(commands, key, frame, collect), None)
        }
    };
    if let Some(exec) = exec.as_mut().filter(|_| raw.script().is_some()) {
        exec.script = content;
        exec.stdin_open = false;
        if let Some(sudo) = &mut exec.sudo {
            // A script takes a shell to hand over, whatever was inherited.
            sudo.shell = true;
        }
    }
    let stop_on_error = collect.value(frame, args.stop_on_error.as_ref(), "stop_on_error");
    let stop_on_error = stop_on_error.unwrap_or(is_config);
    let action = ShellAction { commands: commands?, stop_on_error, exec: exec? };
    Some(match is_config {
        true => Action::Config(action),
        false => Action::Command(action),
    })
}

/// A script's interpreter, which is the command, and the script.
fn script(
    at: &At<Templated<String>>,
    args: &DriverArgs,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> (Option<Vec<String>>, Option<Arc<str>>) {
    let interpreter = args.script_interpreter.as_ref();
    let program = collect.exposed(frame, interpreter, "script_interpreter");
    if program.as_ref().is_some_and(|program| program.trim().is_empty()) {
        let help = "name a program such as `python3`, or leave the key out for `sh`";
        let what = "`script_interpreter`".to_owned();
        collect.error(PlanError::Empty { what, help }, interpreter);
    }
    if program.as_ref().is_some_and(|program| program.contains(['\0', '\n'])) {
        let error = PlanError::OutOfRange {
            what: "`script_interpreter`".to_owned(),
            expected: "one line".to_owned(),
            found: "several".to_owned(),
        };
        collect.error(error, interpreter);
    }
    let content = collect.value(frame, Some(at), "script_content");
    if content.as_ref().is_some_and(|content| content.contains('\0')) {
        collect.error(PlanError::Nul { what: "`script_content`".to_owned() }, Some(at));
    }
    let program = program.unwrap_or_else(|| INTERPRETER.to_owned());
    (content.as_ref().map(|_| vec![program]), content.map(Arc::from))
}

/// The commands: a text, a list of texts, or a template that gives either.
fn lines(
    at: &At<Commands>,
    key: &str,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<Vec<String>> {
    let what = format!("`{key}`");
    let before = collect.problems.len() + collect.pending.len();
    let lines: Vec<String> = match &at.value {
        OneOrMany::One(Templated::Value(line)) => vec![line.clone()],
        OneOrMany::One(Templated::Template(text)) => {
            let value = collect.take(frame.evaluate(text, at.span))?;
            collect.note_exposed(frame, &what, at.span);
            let values = match (value.kind(), value.try_iter()) {
                (ValueKind::Seq | ValueKind::Iterable, Ok(items)) => items.collect(),
                _ => vec![value],
            };
            let lines =
                values.iter().map(|value| String::from_value(value).ok_or_else(|| describe(value)));
            match lines.collect() {
                Ok(lines) => lines,
                Err(found) => {
                    collect.error(PlanError::CommandType { what, found }, Some(at));
                    return None;
                }
            }
        }
        OneOrMany::Many(items) => items
            .iter()
            .filter_map(|item| {
                let line = collect.take(frame.value(item, &format!("an item of {what}")));
                collect.note_exposed(frame, &what, item.span);
                line
            })
            .collect(),
    };
    if collect.problems.len() + collect.pending.len() > before {
        return None;
    }
    if lines.is_empty() || lines.iter().any(|line| line.trim().is_empty()) {
        let help = "give at least one command";
        collect.error(PlanError::Empty { what, help }, Some(at));
        return None;
    }
    if lines.iter().any(|line| line.contains('\0')) {
        collect.error(PlanError::Nul { what }, Some(at));
        return None;
    }
    Some(lines)
}
