//! A plan for people and for programs: what each host will do, in the shape of
//! the documented request, with secrets masked.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::model::{Lane, Plan, PlannedPlay, PlannedTask, Step, TaskBody};
use super::spec::{
    Action, ConnectionSpec, Credentials, ExecOptions, HostKeyPolicy, QueueStrategy, ShellAction,
    TransferSpec,
};
use crate::event::ActionKind;
use crate::secret::{MASK, Redactor};
use crate::transfer::{TRANSFER_COMMAND, TransferOperation};

/// The plan as JSON: per play, host and task the requests that will be made.
#[must_use]
pub fn json(plan: &Plan, redactor: &Redactor) -> Value {
    let plays: Vec<Value> = plan.plays.iter().map(|play| play_json(play, redactor)).collect();
    let warnings: Vec<_> = plan.warnings.iter().map(|warning| redactor.mask(warning)).collect();
    json!({ "schema_version": 1, "plays": plays, "warnings": warnings })
}

fn play_json(play: &PlannedPlay, redactor: &Redactor) -> Value {
    let host = |lane: &Lane| {
        let tasks: Vec<Value> = lane.tasks.iter().map(|task| task_json(task, redactor)).collect();
        json!({ "host": &*lane.host, "address": &*lane.address, "tasks": tasks })
    };
    let name = redactor.mask(&play.name);
    json!({ "name": name, "hosts": play.lanes.iter().map(host).collect::<Vec<_>>() })
}

fn task_json(task: &PlannedTask, redactor: &Redactor) -> Value {
    let mut shown = Map::new();
    shown.insert("id".into(), json!(&*task.header.id));
    shown.insert("name".into(), json!(redactor.mask(&task.name)));
    shown.insert("action".into(), json!(task.header.action));
    let (state, requests) = match &task.body {
        TaskBody::Skipped => ("skipped".to_owned(), Vec::new()),
        TaskBody::Ready(steps) => {
            let steps = steps.iter().filter(|step| !step.skip);
            ("ready".to_owned(), steps.map(|step| request(step, redactor)).collect())
        }
        TaskBody::Deferred(body) => {
            (format!("<known after: {}>", body.awaits().join(", ")), Vec::new())
        }
    };
    shown.insert("state".into(), json!(state));
    shown.insert("requests".into(), Value::Array(requests));
    Value::Object(shown)
}

/// A step in the documented request shape, with secrets masked.
fn request(step: &Step, redactor: &Redactor) -> Value {
    let mut request = Map::new();
    request.insert("driver".into(), json!("paramiko"));
    request.insert("connection_args".into(), connection_args(&step.connection));
    let mut driver_args = Map::new();
    match &step.action {
        Action::Command(action) => {
            request.insert("command".into(), json!(action.commands));
            exec_args(action, &mut driver_args);
        }
        Action::Config(action) => {
            request.insert("config".into(), json!(action.commands));
            exec_args(action, &mut driver_args);
        }
        Action::FileTransfer(spec) => {
            request.insert("command".into(), json!([TRANSFER_COMMAND]));
            driver_args.insert("file_transfer".into(), transfer_args(spec));
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
    args.insert("stop_on_error".into(), json!(action.stop_on_error));
    if let Some(sudo) = sudo {
        args.insert("sudo".into(), json!(true));
        if sudo.password.is_some() {
            args.insert("sudo_password".into(), json!(MASK));
        }
        if let Some(user) = &sudo.user {
            args.insert("sudo_user".into(), json!(user));
        }
        args.insert("sudo_shell".into(), json!(sudo.shell));
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
    Value::Object(args)
}

/// The plan as text: per play its hosts, and per task what each host will do.
/// Hosts that will do the same are shown together.
#[must_use]
pub fn text(plan: &Plan, redactor: &Redactor) -> String {
    let mut out = String::new();
    for play in &plan.plays {
        let hosts = count(play.lanes.len(), "host");
        let tasks = count(play.tasks.len(), "task");
        let _ = writeln!(out, "PLAY {} · {hosts} · {tasks}", redactor.mask(&play.name));
        for (index, header) in play.tasks.iter().enumerate() {
            let _ = writeln!(out, "\n  {}  {}", header.id, redactor.mask(&header.name));
            for (lines, hosts) in grouped(play, &header.id, index) {
                let _ = writeln!(out, "      on {}", names(&hosts));
                for line in lines.lines() {
                    let _ = writeln!(out, "        {}", redactor.mask(line));
                }
            }
        }
        out.push('\n');
    }
    out
}

/// What the hosts do in one task, hosts that do the same together.
fn grouped<'p>(
    play: &'p PlannedPlay,
    id: &str,
    index: usize,
) -> indexmap::IndexMap<String, Vec<&'p str>> {
    let mut groups: indexmap::IndexMap<String, Vec<&str>> = indexmap::IndexMap::new();
    for lane in &play.lanes {
        // Lanes of request files hold only their own requests.
        let task = match lane.tasks.get(index) {
            Some(task) if &*task.header.id == id => Some(task),
            _ => lane.tasks.iter().find(|task| &*task.header.id == id),
        };
        if let Some(task) = task {
            groups.entry(summary(task)).or_default().push(&lane.host);
        }
    }
    groups
}

fn summary(task: &PlannedTask) -> String {
    match &task.body {
        TaskBody::Skipped => "skipped: `when` is false".to_owned(),
        TaskBody::Deferred(body) => {
            let kind = match task.header.action {
                ActionKind::Command => "command",
                ActionKind::Config => "config",
                ActionKind::FileTransfer => "file transfer",
            };
            format!("{kind} <known after: {}>", body.awaits().join(", "))
        }
        TaskBody::Ready(steps) => {
            let shown: Vec<String> = steps
                .iter()
                .filter(|step| !step.skip)
                .map(|step| step_summary(&step.action))
                .collect();
            match shown.is_empty() {
                true => "skipped: nothing to loop over".to_owned(),
                false => shown.join("\n"),
            }
        }
    }
}

fn step_summary(action: &Action) -> String {
    match action {
        Action::Command(shell) => lines("$", shell),
        Action::Config(shell) => match &shell.exec.sudo {
            Some(sudo) => match &sudo.user {
                Some(user) => lines(&format!("sudo -u {user} $"), shell),
                None => lines("sudo $", shell),
            },
            None => lines("$", shell),
        },
        Action::FileTransfer(spec) => {
            let what = if spec.content.is_some() { " (rendered)" } else { "" };
            match spec.operation {
                TransferOperation::Upload => {
                    format!("upload {}{what} → {}", spec.local_path_shown, spec.remote_path)
                }
                TransferOperation::Download => {
                    format!("download {} → {}", spec.remote_path, spec.local_path_shown)
                }
            }
        }
    }
}

fn lines(prompt: &str, action: &ShellAction) -> String {
    let shown = action.commands.iter().map(|command| format!("{prompt} {command}"));
    shown.collect::<Vec<_>>().join("\n")
}

fn names(hosts: &[&str]) -> String {
    const SHOWN: usize = 6;
    match hosts.len() {
        0..=SHOWN => hosts.join(", "),
        more => format!("{} and {} more", hosts[..SHOWN].join(", "), more - SHOWN),
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
