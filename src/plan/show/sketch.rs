//! The arguments of a request as they are written, with the templates rendered that
//! can be: for what has to wait for a result, and for what the plan itself does not
//! keep.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::load::credential_ref::CredentialRef;
use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::playbook::Condition;
use crate::load::request::{Commands, ConnectionArgs, DriverArgs, FileTransfer};
use crate::load::source::Span;
use crate::load::values::{
    EnvironmentMap, HostKeyPolicyName, Limit, Mode, OperationName, Pause, QueueStrategyName,
    Retries, Seconds,
};
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::secret::MASK;

/// Renders single values; `after` says what stands for one that waits for a name.
pub(super) struct Sketch<'s> {
    pub(super) frame: &'s Arc<Frame>,
    pub(super) after: &'s dyn Fn(&str) -> String,
}

/// A value as a request has it.
pub(super) trait Plain {
    fn plain(&self) -> Value;
}

macro_rules! plain {
    ($($name:ty: $this:ident => $value:expr,)*) => {$(
        impl Plain for $name {
            fn plain(&self) -> Value {
                let $this = self;
                json!($value)
            }
        }
    )*};
}

plain! {
    String: this => this,
    bool: this => this,
    u16: this => this,
    u32: this => this,
    u64: this => this,
    i64: this => this,
    Seconds: this => this.0,
    Pause: this => this.0,
    Retries: this => this.0,
    Limit: this => this.0.map(|seconds| seconds.0),
    Mode: this => format!("{:04o}", this.0),
    HostKeyPolicyName: this => match this {
        Self::AutoAdd => "auto_add",
        Self::Reject => "reject",
        Self::Warning => "warning",
    },
    QueueStrategyName: this => match this {
        Self::Fifo => "fifo",
        Self::Pinned => "pinned",
    },
    OperationName: this => match this {
        Self::Upload => "upload",
        Self::Download => "download",
    },
}

type Field<T> = Option<At<Templated<T>>>;

impl Sketch<'_> {
    /// The value of a template, or what stands for it.
    pub(super) fn text(&self, text: &str, span: Option<Span>) -> Value {
        match self.frame.evaluate(text, span) {
            Ok(value) => serde_json::to_value(&value).unwrap_or_default(),
            Err(Miss::Pending(name)) => json!((self.after)(&name.0)),
            // What is wrong has been told; what is left hangs on something unknown.
            Err(Miss::Problems(_)) => json!((self.after)("")),
        }
    }

    pub(super) fn value<T: Plain>(&self, at: &At<Templated<T>>) -> Value {
        match &at.value {
            Templated::Value(value) => value.plain(),
            Templated::Template(text) => self.text(text, at.span),
        }
    }

    /// Adds an optional key.
    pub(super) fn put<T: Plain>(&self, args: &mut Map<String, Value>, key: &str, at: &Field<T>) {
        if let Some(at) = at {
            args.insert(key.to_owned(), self.value(at));
        }
    }

    /// Adds a key whose value nobody is shown.
    fn hide(&self, args: &mut Map<String, Value>, key: &str, at: &Field<String>) {
        if at.is_some() {
            args.insert(key.to_owned(), json!(MASK));
        }
    }

    /// Adds a path on this machine, made absolute.
    pub(super) fn put_path(&self, args: &mut Map<String, Value>, key: &str, at: &Field<String>) {
        let Some(at) = at else { return };
        let value = match (self.value(at), self.is_known(at)) {
            (Value::String(path), true) => {
                let file = at.span.map(|span| span.file);
                json!(self.frame.scope().world.path(&path, file).display().to_string())
            }
            (other, _) => other,
        };
        args.insert(key.to_owned(), value);
    }

    fn is_known(&self, at: &At<Templated<String>>) -> bool {
        match &at.value {
            Templated::Value(_) => true,
            Templated::Template(text) => self.frame.evaluate(text, at.span).is_ok(),
        }
    }

    /// `command` or `config`.
    pub(super) fn commands(&self, commands: &At<Commands>) -> Value {
        match &commands.value {
            OneOrMany::One(Templated::Template(text)) => match self.text(text, commands.span) {
                list @ Value::Array(_) => list,
                one => json!([one]),
            },
            OneOrMany::One(Templated::Value(text)) => json!([text]),
            OneOrMany::Many(many) => many.iter().map(|at| self.value(at)).collect(),
        }
    }

    /// One text, or a list.
    pub(super) fn texts(&self, at: &At<OneOrMany<Templated<String>>>) -> Value {
        at.each().iter().map(|at| self.value(at)).collect()
    }

    /// `connection_args`.
    pub(super) fn connection(&self, args: &ConnectionArgs, host: Option<&str>) -> Value {
        let mut shown = Map::new();
        if let (None, Some(host)) = (&args.host, host) {
            shown.insert("host".into(), json!(host));
        }
        self.put(&mut shown, "host", &args.host);
        self.put(&mut shown, "port", &args.port);
        self.put(&mut shown, "username", &args.username);
        self.hide(&mut shown, "password", &args.password);
        self.put(&mut shown, "timeout", &args.timeout);
        self.put(&mut shown, "banner_timeout", &args.banner_timeout);
        self.put(&mut shown, "auth_timeout", &args.auth_timeout);
        self.put(&mut shown, "host_key_policy", &args.host_key_policy);
        self.put(&mut shown, "compress", &args.compress);
        self.put(&mut shown, "keepalive", &args.keepalive);
        self.put(&mut shown, "proxy_host", &args.proxy_host);
        self.put(&mut shown, "proxy_port", &args.proxy_port);
        self.put(&mut shown, "proxy_username", &args.proxy_username);
        self.hide(&mut shown, "proxy_password", &args.proxy_password);
        self.identity(args, &mut shown);
        Value::Object(shown)
    }

    /// What of `connection_args` a plan resolves: where keys come from, and where to
    /// look for others.
    pub(super) fn identity(&self, args: &ConnectionArgs, shown: &mut Map<String, Value>) {
        if let Some(reference) = &args.credential_ref {
            shown.insert("credential_ref".into(), self.reference(&reference.value));
            // They are what the reference stands for.
            shown.shift_remove("username");
            shown.shift_remove("password");
        }
        self.put_path(shown, "key_filename", &args.key_filename);
        self.hide(shown, "pkey", &args.pkey);
        self.hide(shown, "passphrase", &args.passphrase);
        self.put_path(shown, "proxy_key_filename", &args.proxy_key_filename);
        self.hide(shown, "proxy_pkey", &args.proxy_pkey);
        self.hide(shown, "proxy_passphrase", &args.proxy_passphrase);
        self.put(shown, "look_for_keys", &args.look_for_keys);
        self.put(shown, "allow_agent", &args.allow_agent);
    }

    fn reference(&self, reference: &CredentialRef) -> Value {
        let keys = &reference.0;
        let mut shown = Map::new();
        self.put(&mut shown, "path", &keys.path);
        self.put(&mut shown, "mount", &keys.mount);
        self.put(&mut shown, "version", &keys.version);
        self.put(&mut shown, "username_key", &keys.username_key);
        self.put(&mut shown, "password_key", &keys.password_key);
        match (shown.len(), shown.get("path")) {
            (1, Some(path)) => path.clone(),
            _ => Value::Object(shown),
        }
    }

    /// What of `driver_args` runs commands.
    pub(super) fn shell(&self, args: &DriverArgs, is_script: bool, is_config: bool) -> Value {
        let mut shown = Map::new();
        self.put(&mut shown, "timeout", &args.timeout);
        self.put(&mut shown, "get_pty", &args.get_pty);
        if let Some(environment) = &args.environment {
            shown.insert("environment".into(), self.environment(&environment.value));
        }
        self.put(&mut shown, "working_directory", &args.working_directory);
        self.put(&mut shown, "bufsize", &args.bufsize);
        self.put(&mut shown, "max_output", &args.max_output);
        if is_script {
            self.put(&mut shown, "script_content", &args.script_content);
            self.put(&mut shown, "script_interpreter", &args.script_interpreter);
        } else {
            self.put(&mut shown, "stop_on_error", &args.stop_on_error);
        }
        if is_config {
            self.sudo(args, &mut shown);
            if !is_script {
                self.put(&mut shown, "sudo_shell", &args.sudo_shell);
            }
        }
        Value::Object(shown)
    }

    fn sudo(&self, args: &DriverArgs, shown: &mut Map<String, Value>) {
        self.put(shown, "sudo", &args.sudo);
        self.hide(shown, "sudo_password", &args.sudo_password);
        self.put(shown, "sudo_user", &args.sudo_user);
    }

    fn environment(&self, environment: &EnvironmentMap) -> Value {
        let variables = environment.0.iter();
        variables.map(|(name, at)| (name.clone(), self.value(at))).collect()
    }

    /// What of `driver_args` transfers a file.
    pub(super) fn transfer(&self, args: &DriverArgs, transfer: &FileTransfer) -> Value {
        let mut shown = Map::new();
        self.put(&mut shown, "operation", &transfer.operation);
        self.put_path(&mut shown, "local_path", &transfer.local_path);
        self.put(&mut shown, "remote_path", &transfer.remote_path);
        self.put(&mut shown, "resume", &transfer.resume);
        self.put(&mut shown, "chunk_size", &transfer.chunk_size);
        self.put(&mut shown, "timeout", &transfer.timeout);
        if transfer.timeout.is_none() {
            self.put(&mut shown, "timeout", &args.timeout);
        }
        self.put(&mut shown, "mode", &transfer.mode);
        self.put(&mut shown, "create_dirs", &transfer.create_dirs);
        self.put(&mut shown, "verify", &transfer.verify);
        self.put(&mut shown, "template", &transfer.template);
        self.put(&mut shown, "recursive", &transfer.recursive);
        self.put(&mut shown, "owner", &transfer.owner);
        self.put(&mut shown, "group", &transfer.group);
        let mut outer = Map::new();
        outer.insert("file_transfer".into(), Value::Object(shown));
        self.sudo(args, &mut outer);
        if args.sudo.is_some() {
            self.put(&mut outer, "get_pty", &args.get_pty);
        }
        Value::Object(outer)
    }
}

/// Conditions as they are written.
pub(super) fn conditions(at: &At<OneOrMany<Condition>>) -> Value {
    let one = |condition: &Condition| match condition {
        Condition::Constant(value) => json!(value),
        Condition::Expression(text) => json!(text),
    };
    match &at.value {
        OneOrMany::One(condition) => one(condition),
        OneOrMany::Many(conditions) => conditions.iter().map(|at| one(&at.value)).collect(),
    }
}

/// The text of a template file.
pub(super) fn template_text(frame: &Frame, path: &Path) -> Option<String> {
    let sources = &frame.scope().world.sources;
    let file = sources.template(path).ok()?;
    Some(sources.get(file).text.clone())
}
