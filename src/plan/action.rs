//! From `command`, `config` and `driver_args` to an [`Action`].

use std::sync::Arc;
use std::time::Duration;

use minijinja::value::ValueKind;

use super::collect::Collect;
use super::error::PlanError;
use super::spec::{Action, ExecOptions, ShellAction, SudoSpec};
use super::transfer;
use crate::event::ActionKind;
use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::playbook::RawTask;
use crate::load::request::{Commands, DriverArgs};
use crate::load::values::Limit;
use crate::resolve::frame::Frame;
use crate::resolve::{FromValue as _, describe};

/// Documented default of `max_output`: 1 MiB.
const MAX_OUTPUT: u64 = 1024 * 1024;
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

/// Renders and checks a task's action. `args` are its merged `driver_args`.
pub(super) fn build(
    raw: &RawTask,
    args: &DriverArgs,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<Action> {
    let kind = kind(raw);
    if kind == ActionKind::FileTransfer {
        let own = raw.transfer()?;
        let mut spec = transfer::build(own, args.timeout.as_ref(), frame, collect)?;
        spec.sudo = sudo(args, frame, collect);
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
    let mut exec = exec(args, is_config, frame, collect);
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

fn exec(
    args: &DriverArgs,
    is_config: bool,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<ExecOptions> {
    let sudo = match is_config {
        true => sudo(args, frame, collect),
        false => None,
    };
    let get_pty = collect.value(frame, args.get_pty.as_ref(), "get_pty");
    // Documented: a sudo password turns the terminal on unless it is set.
    let asks = sudo.as_ref().is_some_and(|sudo| sudo.password.is_some());
    let environment = environment(args, frame, collect);
    let working_directory =
        collect.exposed(frame, args.working_directory.as_ref(), "working_directory");
    if working_directory.as_ref().is_some_and(|path| path.contains('\0')) {
        let error = PlanError::Nul { what: "`working_directory`".to_owned() };
        collect.error(error, args.working_directory.as_ref());
    }
    Some(ExecOptions {
        timeout: limit(args.timeout.as_ref(), frame, collect),
        pty: get_pty.unwrap_or(asks),
        stdin_open: !is_config && get_pty == Some(true),
        environment,
        working_directory,
        read_size: read_size(args, frame, collect),
        max_output: max_output(args, frame, collect),
        sudo,
        script: None,
    })
}

fn sudo(args: &DriverArgs, frame: &Arc<Frame>, collect: &mut Collect) -> Option<SudoSpec> {
    if !collect.value(frame, args.sudo.as_ref(), "sudo").unwrap_or(false) {
        return None;
    }
    let password = args.sudo_password.as_ref();
    let password = password.and_then(|at| collect.take(frame.secret(at, "`sudo_password`")));
    if password.as_ref().is_some_and(|password| password.reveal().contains(['\0', '\n'])) {
        let error = PlanError::OutOfRange {
            what: "`sudo_password`".to_owned(),
            expected: "one line".to_owned(),
            found: "several".to_owned(),
        };
        collect.error(error, args.sudo_password.as_ref());
    }
    Some(SudoSpec {
        password,
        user: collect.exposed(frame, args.sudo_user.as_ref(), "sudo_user"),
        shell: collect.value(frame, args.sudo_shell.as_ref(), "sudo_shell").unwrap_or(true),
    })
}

fn environment(
    args: &DriverArgs,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, at) in args.environment.iter().flat_map(|map| &map.value.0) {
        let Some(value) = collect.value::<String>(frame, Some(at), name) else { continue };
        if value.contains('\0') {
            collect.error(PlanError::Nul { what: format!("`{name}`") }, Some(at));
        }
        variables.push((name.clone(), value));
    }
    variables
}

/// A total limit; unset and null both mean none.
pub(super) fn limit(
    at: Option<&At<Templated<Limit>>>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<Duration> {
    let limit = collect.value(frame, at, "timeout")?;
    limit.0.map(|seconds| Duration::from_secs_f64(seconds.0))
}

fn read_size(args: &DriverArgs, frame: &Arc<Frame>, collect: &mut Collect) -> Option<usize> {
    let size = collect.value(frame, args.bufsize.as_ref(), "bufsize")?;
    match usize::try_from(size) {
        Ok(size @ 1..=0x0400_0000) => Some(size),
        _ if size == -1 => None,
        _ => {
            let error = PlanError::OutOfRange {
                what: "`bufsize`".to_owned(),
                expected: "-1 or a number of bytes from 1 to 67108864".to_owned(),
                found: size.to_string(),
            };
            collect.error(error, args.bufsize.as_ref());
            None
        }
    }
}

fn max_output(args: &DriverArgs, frame: &Arc<Frame>, collect: &mut Collect) -> usize {
    let bytes = collect.value(frame, args.max_output.as_ref(), "max_output");
    usize::try_from(bytes.unwrap_or(MAX_OUTPUT)).unwrap_or(usize::MAX)
}
