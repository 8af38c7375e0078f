//! What a step does, as the keys of the documented request.

use serde_json::{Map, Value, json};

use crate::plan::spec::{Action, ExecOptions, ShellAction, SudoSpec, TransferSpec};
use crate::secret::MASK;
use crate::transfer::TRANSFER_COMMAND;

/// The keys of an action. `hides_pty` leaves out a terminal that hangs on a secret.
pub(super) fn action(
    action: &Action,
    keys: &mut Map<String, Value>,
    driver_args: &mut Map<String, Value>,
    hides_pty: bool,
) {
    match action {
        Action::Command(action) => {
            keys.insert("command".into(), commands(action));
            exec_args(action, driver_args);
        }
        Action::Config(action) => {
            keys.insert("config".into(), commands(action));
            exec_args(action, driver_args);
            if hides_pty {
                driver_args.shift_remove("get_pty");
            }
        }
        Action::FileTransfer(spec) => {
            keys.insert("command".into(), json!([TRANSFER_COMMAND]));
            driver_args.insert("file_transfer".into(), transfer_args(spec));
            if let Some(sudo) = &spec.sudo {
                sudo_args(sudo, driver_args);
                driver_args.insert("get_pty".into(), json!(spec.pty));
            }
        }
    }
}

/// The commands; none beside a script, whose interpreter they hold.
fn commands(action: &ShellAction) -> Value {
    match action.exec.script {
        Some(_) => json!([]),
        None => json!(action.commands),
    }
}

fn exec_args(action: &ShellAction, args: &mut Map<String, Value>) {
    let exec = &action.exec;
    let ExecOptions { timeout, pty, environment, working_directory, max_output, sudo, .. } = exec;
    if let Some(timeout) = timeout {
        args.insert("timeout".into(), json!(timeout.as_secs_f64()));
    }
    args.insert("get_pty".into(), json!(pty));
    if !environment.is_empty() {
        let variables = environment.iter().map(|(name, value)| (name.clone(), json!(value)));
        args.insert("environment".into(), Value::Object(variables.collect()));
    }
    if let Some(directory) = working_directory {
        args.insert("working_directory".into(), json!(directory));
    }
    if let Some(size) = exec.read_size {
        args.insert("bufsize".into(), json!(size));
    }
    args.insert("max_output".into(), json!(max_output));
    if let (Some(script), [interpreter]) = (&exec.script, action.commands.as_slice()) {
        args.insert("script_content".into(), json!(script));
        args.insert("script_interpreter".into(), json!(interpreter));
    } else {
        args.insert("stop_on_error".into(), json!(action.stop_on_error));
    }
    if let Some(sudo) = sudo {
        sudo_args(sudo, args);
        if exec.script.is_some() {
            return;
        }
        args.insert("sudo_shell".into(), json!(sudo.shell));
    }
}

fn sudo_args(sudo: &SudoSpec, args: &mut Map<String, Value>) {
    args.insert("sudo".into(), json!(true));
    if sudo.password.is_some() {
        args.insert("sudo_password".into(), json!(MASK));
    }
    if let Some(user) = &sudo.user {
        args.insert("sudo_user".into(), json!(user));
    }
}

fn transfer_args(spec: &TransferSpec) -> Value {
    let mut args = Map::new();
    args.insert("operation".into(), json!(spec.operation));
    args.insert("local_path".into(), json!(spec.local_path.display().to_string()));
    args.insert("remote_path".into(), json!(spec.remote_path));
    args.insert("resume".into(), json!(spec.resume));
    args.insert("chunk_size".into(), json!(spec.chunk_size));
    if let Some(timeout) = spec.timeout {
        args.insert("timeout".into(), json!(timeout.as_secs_f64()));
    }
    if let Some(mode) = spec.mode {
        args.insert("mode".into(), json!(format!("{mode:04o}")));
    }
    args.insert("create_dirs".into(), json!(spec.create_dirs));
    args.insert("verify".into(), json!(spec.verify));
    args.insert("template".into(), json!(spec.content.is_some()));
    args.insert("recursive".into(), json!(spec.recursive));
    for (key, name) in [("owner", &spec.owner), ("group", &spec.group)] {
        if let Some(name) = name {
            args.insert(key.into(), json!(name));
        }
    }
    Value::Object(args)
}
