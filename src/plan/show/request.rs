//! A step as the documented request that it stands for, with secrets masked.
//!
//! `sshoal request` takes what stands here. What it cannot know is left to whoever
//! feeds it: secrets are `***`, and what waits for a result is `<known after: …>`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::action::action;
use super::sketch::{Sketch, conditions};
use super::vars;
use crate::load::request::ConnectionArgs;
use crate::plan::model::{Conduct, PlannedTask, ResultCondition, Step};
use crate::plan::spec::{Action, ConnectionSpec, Credentials, HostKeyPolicy, QueueStrategy};
use crate::plan::task::HostTask;
use crate::resolve::frame::Frame;
use crate::secret::MASK;

/// A request, and what a text tells otherwise.
#[derive(Default)]
pub(super) struct Request {
    /// The request itself.
    pub(super) keys: Map<String, Value>,
    /// The local path of a transfer as it is written.
    pub(super) local_path: Option<String>,
    /// The `when` that is not decided yet, as it is written.
    pub(super) when: Option<String>,
}

/// A task, how it is written, and what renders its values.
pub(super) struct Of<'t> {
    pub(super) task: &'t PlannedTask,
    pub(super) written: Option<&'t HostTask>,
    pub(super) after: &'t dyn Fn(&str) -> String,
}

impl Of<'_> {
    /// The request of a step.
    pub(super) fn step(&self, step: &Step) -> Request {
        let frame = self.written.map(|task| frame_of(task, step.item.as_ref()));
        let args = self.written.map(HostTask::connection_args);
        let mut keys = self.head();
        let sketch = frame.as_ref().map(|frame| Sketch { frame, after: self.after });
        let connection = connection_args(&step.connection, args.as_ref(), sketch.as_ref());
        keys.insert("connection_args".into(), connection);
        let mut driver_args = Map::new();
        let has_reference = args.is_some_and(|args| args.credential_ref.is_some());
        let sets_pty = self.written.is_none_or(|task| task.driver_args().get_pty.is_some());
        action(&step.action, &mut keys, &mut driver_args, has_reference && !sets_pty);
        keys.insert("driver_args".into(), Value::Object(driver_args));
        keys.insert("options".into(), self.options(step.strategy));
        if let Some(conduct) = &step.conduct {
            self.conduct(conduct, &mut keys);
        }
        if let (Some(task), Some(frame)) = (self.written, &frame) {
            let vars = vars::of(Some(&step.action), step.conduct.as_deref(), task, frame);
            put_vars(vars, &mut keys);
        }
        let local_path = match &step.action {
            Action::FileTransfer(spec) => Some(spec.local_path_shown.clone()),
            Action::Command(_) | Action::Config(_) => None,
        };
        Request { keys, local_path, when: None }
    }

    /// What every request begins with.
    pub(super) fn head(&self) -> Map<String, Value> {
        let mut keys = Map::new();
        keys.insert("name".into(), json!(&*self.task.name));
        if let Some(register) = &self.task.header.register {
            keys.insert("register".into(), json!(&**register));
        }
        if self.task.ignore_errors {
            keys.insert("ignore_errors".into(), json!(true));
        }
        keys.insert("driver".into(), json!("paramiko"));
        keys
    }

    pub(super) fn options(&self, strategy: QueueStrategy) -> Value {
        let strategy = match strategy {
            QueueStrategy::Fifo => "fifo",
            QueueStrategy::Pinned => "pinned",
        };
        let mut options = Map::new();
        options.insert("queue_strategy".into(), json!(strategy));
        if let Some(ttl) = self.task.ttl {
            options.insert("ttl".into(), json!(ttl.as_secs()));
        }
        Value::Object(options)
    }

    fn conduct(&self, conduct: &Conduct, keys: &mut Map<String, Value>) {
        let guards = &conduct.guards;
        let texts = [
            ("creates", &guards.creates),
            ("removes", &guards.removes),
            ("unless", &guards.unless),
            ("only_if", &guards.only_if),
        ];
        for (key, texts) in texts.into_iter().filter(|(_, texts)| !texts.is_empty()) {
            keys.insert(key.into(), json!(texts));
        }
        let raw = self.written.map(|task| &task.raw.value);
        let until = match &conduct.retry {
            Some(retry) => {
                keys.insert("retries".into(), json!(retry.tries - 1));
                keys.insert("delay".into(), json!(retry.delay.as_secs_f64()));
                retry.until.as_ref()
            }
            None => None,
        };
        let own = [
            ("until", until, raw.and_then(|raw| raw.until.as_ref())),
            (
                "changed_when",
                conduct.changed_when.as_ref(),
                raw.and_then(|raw| raw.changed_when.as_ref()),
            ),
            (
                "failed_when",
                conduct.failed_when.as_ref(),
                raw.and_then(|raw| raw.failed_when.as_ref()),
            ),
        ];
        for (key, condition, at) in own {
            let Some(condition): Option<&Arc<dyn ResultCondition>> = condition else { continue };
            let shown = match (condition.constant(), at) {
                (Some(value), _) => json!(value),
                (None, Some(at)) => conditions(at),
                (None, None) => continue,
            };
            keys.insert(key.into(), shown);
        }
    }
}

/// Adds the variables that a request brings along.
pub(super) fn put_vars(vars: Map<String, Value>, keys: &mut Map<String, Value>) {
    if !vars.is_empty() {
        keys.insert("vars".into(), Value::Object(vars));
    }
}

/// What a task sees besides results, for one item of its loop.
fn frame_of(task: &HostTask, item: Option<&Value>) -> Arc<Frame> {
    let scope = Arc::clone(&task.base.scope);
    let pending = Arc::clone(&task.pending);
    let frame = Frame::new(scope, task.layer.clone(), pending, Default::default());
    match item {
        Some(item) => frame.with_item(minijinja::value::Value::from(minijinja::value::Serde(item))),
        None => frame,
    }
}

/// `connection_args` of a connection; `args` are those that it was made of.
pub(super) fn connection_args(
    spec: &ConnectionSpec,
    written: Option<&ConnectionArgs>,
    sketch: Option<&Sketch<'_>>,
) -> Value {
    let mut args = Map::new();
    args.insert("host".into(), json!(spec.host));
    args.insert("port".into(), json!(spec.port));
    args.insert("username".into(), json!(spec.username));
    credentials(&spec.credentials, "", &mut args);
    args.insert("timeout".into(), json!(spec.timeouts.connect.as_secs_f64()));
    args.insert("banner_timeout".into(), json!(spec.timeouts.banner.as_secs_f64()));
    args.insert("auth_timeout".into(), json!(spec.timeouts.auth.as_secs_f64()));
    args.insert("keepalive".into(), json!(spec.keepalive.as_secs_f64()));
    let policy = match spec.host_key_policy {
        HostKeyPolicy::AutoAdd => "auto_add",
        HostKeyPolicy::Reject => "reject",
        HostKeyPolicy::Warning => "warning",
    };
    args.insert("host_key_policy".into(), json!(policy));
    args.insert("look_for_keys".into(), json!(true));
    args.insert("allow_agent".into(), json!(false));
    args.insert("compress".into(), json!(spec.compress));
    if let Some(proxy) = &spec.proxy {
        args.insert("proxy_host".into(), json!(proxy.host));
        args.insert("proxy_port".into(), json!(proxy.port));
        args.insert("proxy_username".into(), json!(proxy.username));
        credentials(&proxy.credentials, "proxy_", &mut args);
    }
    if let (Some(written), Some(sketch)) = (written, sketch) {
        sketch.identity(written, &mut args);
    }
    Value::Object(args)
}

fn credentials(credentials: &Credentials, prefix: &str, args: &mut Map<String, Value>) {
    if credentials.password.is_some() {
        args.insert(format!("{prefix}password"), json!(MASK));
    }
    for key in &credentials.keys {
        match &key.file {
            // A request names one; the others are those of `IdentityFile` again.
            Some(file) => {
                let at = args.entry(format!("{prefix}key_filename"));
                at.or_insert_with(|| json!(file.display().to_string()));
            }
            None => {
                args.insert(format!("{prefix}pkey"), json!(MASK));
            }
        }
    }
}
