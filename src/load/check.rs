//! What the types of plays and tasks cannot say: which keys exclude each other,
//! and which belong together.

mod transfer;

use super::decode::{At, Decoder, OneOrMany, Templated};
use super::error::LoadError;
use super::playbook::{RawPlay, RawTask, is_variable_name};
use super::request::Commands;
use super::{handlers, import};
use crate::transfer::TRANSFER_COMMAND;

/// Reports what is wrong with a play and its tasks.
pub(super) fn play(play: &At<RawPlay>, decoder: &mut Decoder) {
    if let Some(import) = &play.value.import_playbook {
        let empty = RawPlay { rejected: play.value.rejected.clone(), ..RawPlay::default() };
        let rest = RawPlay {
            name: None,
            tags: None,
            vars: None,
            import_playbook: None,
            ..play.value.clone()
        };
        import::check(
            import,
            "import_playbook",
            "`name`, `tags` and `vars`",
            rest == empty,
            decoder,
        );
        return;
    }
    if play.value.hosts.is_none() && !play.value.rejected.may_be("hosts") {
        let error = LoadError::MissingKey {
            key: "hosts".to_owned(),
            within: "a play".to_owned(),
            help: "say which hosts run it: `hosts: all`, a group, or a pattern".to_owned(),
        };
        decoder.report(error, play.span);
    }
    for at in play.value.tasks.iter().flat_map(|tasks| &tasks.value) {
        task(at, decoder);
    }
    for at in play.value.handlers.iter().flat_map(|handlers| &handlers.value) {
        task(at, decoder);
        handlers::named(at, decoder);
    }
    if let Some(serial) = &play.value.serial
        && matches!(&serial.value, OneOrMany::Many(sizes) if sizes.is_empty())
    {
        let error = LoadError::Conflict {
            message: "`serial` has no batch size".to_owned(),
            help: "write a number, a percentage or a list of these, or remove it".to_owned(),
        };
        decoder.report(error, serial.span);
    }
}

/// Reports what is wrong with a request, which names its own host.
pub(super) fn request(request: &At<RawTask>, decoder: &mut Decoder) {
    let raw = &request.value;
    let help = "a request names its host: `connection_args: { host: …, username: … }`";
    let missing = |key: &str, within: &str| LoadError::MissingKey {
        key: key.to_owned(),
        within: within.to_owned(),
        help: help.to_owned(),
    };
    match &raw.connection_args {
        None if !raw.rejected.may_be("connection_args") => {
            decoder.report(missing("connection_args", "a request"), request.span);
        }
        Some(at) if at.value.host.is_none() && !at.value.rejected.may_be("host") => {
            decoder.report(missing("host", "`connection_args`"), at.key);
        }
        _ => {}
    }
    let of_plays = [
        ("import_tasks", raw.import_tasks.as_ref().map(|at| at.key)),
        ("notify", raw.notify.as_ref().map(|at| at.key)),
        ("run_once", raw.run_once.as_ref().map(|at| at.key)),
    ];
    for (key, span) in of_plays.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        let error = LoadError::Conflict {
            message: format!("`{key}` has a meaning in plays only"),
            help: "remove it from this request, or write a play with `hosts` and `tasks`"
                .to_owned(),
        };
        decoder.report(error, span);
    }
    if raw.import_tasks.is_none() {
        task(request, decoder);
    }
}

/// Reports what is wrong with a task: exclusivity and completeness.
pub(super) fn task(task: &At<RawTask>, decoder: &mut Decoder) {
    let raw = &task.value;
    if let Some(import) = &raw.import_tasks {
        let empty = RawTask { rejected: raw.rejected.clone(), ..RawTask::default() };
        let rest = RawTask {
            name: None,
            when: None,
            tags: None,
            vars: None,
            import_tasks: None,
            ..raw.clone()
        };
        let beside = "`name`, `when`, `tags` and `vars`";
        import::check(import, "import_tasks", beside, rest == empty, decoder);
        return;
    }
    let mut conflict = |message: String, help: &str, span| {
        decoder.report(LoadError::Conflict { message, help: help.to_owned() }, span);
    };
    if let (Some(_), Some(config)) = (&raw.command, &raw.config) {
        conflict(
            "a task has either `command` or `config`, not both".to_owned(),
            "use `config` for what needs sudo and `command` for the rest, in two tasks",
            config.key,
        );
        return;
    }
    let script = raw.script();
    if let Some(script) = script {
        if let Some(commands) = [&raw.command, &raw.config].into_iter().flatten().next()
            && !is_empty(&commands.value)
        {
            conflict(
                "`script_content` cannot stand beside commands".to_owned(),
                "give the script a task of its own, without `command` and `config`",
                commands.key,
            );
        }
        if let Some(transfer) = raw.transfer() {
            conflict(
                "`script_content` cannot stand beside `file_transfer`".to_owned(),
                "give the script a task of its own",
                transfer.key.or(script.key),
            );
        }
        check_script(raw, decoder);
        return;
    }
    let transfer = raw.transfer();
    let sentinel = raw.command.as_ref().filter(|command| is_sentinel(&command.value));
    match (&transfer, sentinel) {
        (None, Some(command)) => conflict(
            format!("the command `{TRANSFER_COMMAND}` needs `file_transfer`"),
            "add `driver_args.file_transfer` with `operation`, `local_path` and `remote_path`",
            command.span,
        ),
        (Some(transfer), None) => {
            if let Some(other) = raw.command.as_ref().or(raw.config.as_ref()) {
                conflict(
                    "`file_transfer` cannot stand beside another command".to_owned(),
                    "give the transfer a task of its own, without `command` and `config`",
                    other.key,
                );
            } else if raw.file_transfer.is_none() {
                conflict(
                    format!(
                        "`driver_args.file_transfer` needs `command: [\"{TRANSFER_COMMAND}\"]`"
                    ),
                    "add that command, or write `file_transfer:` at the level of the task",
                    transfer.key,
                );
            }
        }
        (None, None)
            if raw.command.is_none()
                && raw.config.is_none()
                && !["command", "config", "file_transfer", "import_tasks"]
                    .into_iter()
                    .any(|key| raw.rejected.may_be(key)) =>
        {
            conflict(
                "a task needs `command`, `config` or `file_transfer`".to_owned(),
                "say what to run: `command: uptime`",
                task.span,
            )
        }
        _ => {}
    }
    if let Some(transfer) = transfer {
        transfer::check(transfer, decoder);
    }
    check_own_args(raw, transfer.is_some(), decoder);
    check_rest(raw, decoder);
}

/// What every kind of task has.
fn check_rest(raw: &RawTask, decoder: &mut Decoder) {
    if let (Some(delay), None, None) = (&raw.delay, &raw.retries, &raw.until) {
        let error = LoadError::Conflict {
            message: "`delay` has no meaning without `until` or `retries`".to_owned(),
            help: "say until when to try again: `until: result.ok`".to_owned(),
        };
        decoder.report(error, delay.key);
    }
    if let Some(name) = &raw.register
        && !is_variable_name(&name.value)
    {
        let error = LoadError::Conflict {
            message: format!("`{}` is not a variable name", name.value),
            help: "use letters, digits and `_`, and no digit first".to_owned(),
        };
        decoder.report(error, name.span);
    }
}

/// Whether the commands are just the one that stands for a file transfer.
fn is_sentinel(commands: &Commands) -> bool {
    let is = |text: &Templated<String>| matches!(text, Templated::Value(text) if text == TRANSFER_COMMAND);
    match commands {
        OneOrMany::One(text) => is(text),
        OneOrMany::Many(texts) => texts.len() == 1 && texts.iter().all(|text| is(&text.value)),
    }
}

fn is_empty(commands: &Commands) -> bool {
    matches!(commands, OneOrMany::Many(texts) if texts.is_empty())
}

/// A script is one action, run by what it needs a shell for.
fn check_script(raw: &RawTask, decoder: &mut Decoder) {
    let args = raw.driver_args.as_ref().map(|at| &at.value);
    let unfit = [
        (args.and_then(|args| args.stop_on_error.as_ref()).map(|at| at.key), "stop_on_error"),
        (args.and_then(|args| args.sudo_shell.as_ref()).map(|at| at.key), "sudo_shell"),
    ];
    for (key, name) in unfit.into_iter().filter_map(|(key, name)| Some((key?, name))) {
        let error = LoadError::Conflict {
            message: format!("`{name}` has no meaning for a script"),
            help: "remove it from this task".to_owned(),
        };
        decoder.report(error, key);
    }
    if raw.command.is_some() {
        check_sudo(raw, decoder);
    }
    check_rest(raw, decoder);
}

/// Keys written on the task itself that its action has no use for. Inherited ones
/// are ignored; written here they are a mistake.
fn check_own_args(raw: &RawTask, is_transfer: bool, decoder: &mut Decoder) {
    let Some(args) = &raw.driver_args else { return };
    let args = &args.value;
    if raw.config.is_none() && !is_transfer {
        check_sudo(raw, decoder);
    }
    if let Some(interpreter) = &args.script_interpreter {
        let error = LoadError::Conflict {
            message: "`script_interpreter` has no meaning without `script_content`".to_owned(),
            help: "remove it from this task, or give it a script".to_owned(),
        };
        decoder.report(error, interpreter.key);
    }
    if is_transfer {
        let shell = [
            ("sudo_shell", args.sudo_shell.as_ref().map(|at| at.key)),
            ("environment", args.environment.as_ref().map(|at| at.key)),
            ("working_directory", args.working_directory.as_ref().map(|at| at.key)),
            ("stop_on_error", args.stop_on_error.as_ref().map(|at| at.key)),
            ("max_output", args.max_output.as_ref().map(|at| at.key)),
        ];
        for (key, span) in shell.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let error = LoadError::Conflict {
                message: format!("`{key}` has no meaning for a file transfer"),
                help: "remove it from this task".to_owned(),
            };
            decoder.report(error, span);
        }
    }
}

/// sudo written on a task that runs as the login user.
fn check_sudo(raw: &RawTask, decoder: &mut Decoder) {
    let Some(args) = raw.driver_args.as_ref().map(|at| &at.value) else { return };
    let sudo = [
        ("sudo", args.sudo.as_ref().map(|at| at.key)),
        ("sudo_password", args.sudo_password.as_ref().map(|at| at.key)),
        ("sudo_user", args.sudo_user.as_ref().map(|at| at.key)),
        ("sudo_shell", args.sudo_shell.as_ref().map(|at| at.key)),
    ];
    for (key, span) in sudo.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        let error = LoadError::Conflict {
            message: format!("`{key}` works with `config` and file transfers only"),
            help: "write `config:` in place of `command:` to run through sudo".to_owned(),
        };
        decoder.report(error, span);
    }
}
