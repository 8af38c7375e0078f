//! A step as the documented request that it stands for, with secrets masked.

use serde_json::{Map, Value, json};

use crate::plan::model::Step;
use crate::plan::spec::{
    Action, ConnectionSpec, Credentials, ExecOptions, HostKeyPolicy, QueueStrategy, ShellAction,
    SudoSpec, TransferSpec,
};
use crate::secret::{MASK, Redactor};
use crate::transfer::TRANSFER_COMMAND;

/// A step in the documented request shape, with secrets masked.
pub(super) fn request(step: &Step, redactor: &Redactor) -> Value {
    let mut request = Map::new();
    request.insert("driver".into(), json!("paramiko"));
    request.insert("connection_args".into(), connection_args(&step.connection));
    let mut driver_args = Map::new();
    match &step.action {
        Action::Command(action) => {
            request.insert("command".into(), commands(action));
            exec_args(action, &mut driver_args);
        }
        Action::Config(action) => {
            request.insert("config".into(), commands(action));
            exec_args(action, &mut driver_args);
        }
        Action::FileTransfer(spec) => {
            request.insert("command".into(), json!([TRANSFER_COMMAND]));
            driver_args.insert("file_transfer".into(), transfer_args(spec));
            if let Some(sudo) = &spec.sudo {
                sudo_args(sudo, &mut driver_args);
            }
        }
    }
    request.insert("driver_args".into(), Value::Object(driver_args));
    let strategy = match step.strategy {
        QueueStrategy::Fifo => "fifo",
        QueueStrategy::Pinned => "pinned",
    };
    request.insert("options".into(), json!({ "queue_strategy": strategy }));
    mask(Value::Object(request), redactor)
}

/// Masks every text of a value.
fn mask(value: Value, redactor: &Redactor) -> Value {
    match value {
        Value::String(text) => Value::String(redactor.mask(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(|item| mask(item, redactor)).collect(),
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, value)| (key, mask(value, redactor))).collect(),
        ),
        other => other,
    }
}

fn connection_args(spec: &ConnectionSpec) -> Value {
    let mut args = Map::new();
    args.insert("host".into(), json!(spec.host));
    args.insert("port".into(), json!(spec.port));
    args.insert("username".into(), json!(spec.username));
    credentials(&spec.credentials, "", &mut args);
    args.insert("timeout".into(), json!(spec.timeouts.connect.as_secs_f64()));
    args.insert("banner_timeout".into(), json!(spec.timeouts.banner.as_secs_f64()));
    args.insert("auth_timeout".into(), json!(spec.timeouts.auth.as_secs_f64()));
    let policy = match spec.host_key_policy {
        HostKeyPolicy::AutoAdd => "auto_add",
        HostKeyPolicy::Reject => "reject",
        HostKeyPolicy::Warning => "warning",
    };
    args.insert("host_key_policy".into(), json!(policy));
    args.insert("allow_agent".into(), json!(spec.credentials.agent));
    args.insert("compress".into(), json!(spec.compress));
    if let Some(proxy) = &spec.proxy {
        args.insert("proxy_host".into(), json!(proxy.host));
        args.insert("proxy_port".into(), json!(proxy.port));
        args.insert("proxy_username".into(), json!(proxy.username));
        credentials(&proxy.credentials, "proxy_", &mut args);
    }
    Value::Object(args)
}

fn credentials(credentials: &Credentials, prefix: &str, args: &mut Map<String, Value>) {
    if credentials.password.is_some() {
        args.insert(format!("{prefix}password"), json!(MASK));
    }
    if !credentials.keys.is_empty() {
        args.insert(format!("{prefix}pkey"), json!(MASK));
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
    let ExecOptions { timeout, pty, environment, working_directory, max_output, sudo, .. } =
        &action.exec;
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
    args.insert("max_output".into(), json!(max_output));
    if let (Some(script), [interpreter]) = (&action.exec.script, action.commands.as_slice()) {
        args.insert("script_content".into(), json!(script));
        args.insert("script_interpreter".into(), json!(interpreter));
    } else {
        args.insert("stop_on_error".into(), json!(action.stop_on_error));
    }
    if let Some(sudo) = sudo {
        sudo_args(sudo, args);
        if action.exec.script.is_some() {
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
