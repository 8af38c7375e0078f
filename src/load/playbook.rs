//! Playbooks, as written.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{At, Decode, Decoder, OneOrMany, Templated, mapping};
use super::error::LoadError;
use super::node::{Entry, Kind, Node};
use super::request::{Commands, ConnectionArgs, DriverArgs, FILE_TRANSFER, FileTransfer, Options};

mapping! {
    /// One play: hosts, and the tasks that they run.
    "a play" struct RawPlay {
        /// What reports call the play. Default: its host pattern.
        name: Templated<String>,
        /// Host pattern such as `web:!web-03`: names, groups, `*`, `:` or `,` for or, `&` for and, `!` for not.
        hosts: OneOrMany<Templated<String>>,
        /// Variables of the play.
        vars: Vars,
        /// Files with variables, as YAML mappings. Relative paths start at the directory of this file.
        vars_files: OneOrMany<Templated<String>>,
        /// Tags of all tasks of the play.
        tags: Tags,
        /// `paramiko`, or left out.
        driver: Driver,
        /// Request defaults of every task below; they merge key by key.
        connection_args: ConnectionArgs,
        /// Request defaults of every task below; they merge key by key.
        driver_args: DriverArgs,
        /// Request defaults of every task below; they merge key by key.
        options: Options,
        /// The tasks, in order.
        tasks: Vec<At<RawTask>>,
    }
    not_yet {
        "serial" => "every host runs at its own pace for now; use `--limit` to run in batches",
        "max_fail_percentage" => "a failing host never holds the others back for now",
        "any_errors_fatal" => "a failing host never holds the others back for now",
        "handlers" => "until then use `register` and `when: name.changed`",
    }
}

mapping! {
    /// One task: a request, and when and how to make it.
    "a task" struct RawTask {
        /// What reports call the task. Default: its command.
        name: Templated<String>,
        /// `paramiko`, or left out.
        driver: Driver,
        /// How to reach and log in to the host; merges key by key over the play's and the inventory's.
        connection_args: ConnectionArgs,
        /// Command or list of commands, run as the login user. `["__FILE_TRANSFER__"]` stands for a file transfer.
        command: Commands,
        /// Command or list of commands that `driver_args.sudo` elevates.
        config: Commands,
        /// A file transfer, in place of `command` and `config`.
        file_transfer: FileTransfer,
        /// How to run it; merges key by key over the play's and the inventory's.
        driver_args: DriverArgs,
        /// Options; they merge key by key over the play's and the inventory's.
        options: Options,
        /// Expression that must hold for the task to run, without `{{ }}`; a list must hold as a whole.
        when: OneOrMany<Condition>,
        /// Variable that keeps the result for later tasks of the host.
        register: String,
        /// List of items, or a template that gives one; the task runs once per item, which is `item`.
        loop_items["loop"]: LoopItems,
        /// Whether a failure leaves the host and the exit code alone. Default false.
        ignore_errors: bool,
        /// Tags for `--tags` and `--skip-tags`.
        tags: Tags,
        /// Variables of the task.
        vars: Vars,
    }
    not_yet {
        "retries" => "until then loop in the shell: `until CMD; do sleep 5; done` under a `timeout`",
        "delay" => "until then use `sleep` in the command",
        "until" => "until then loop in the shell: `until CMD; do sleep 5; done` under a `timeout`",
        "changed_when" => "commands count as changed for now",
        "failed_when" => "a command fails by its exit status for now; use `|| true`",
        "notify" => "until then use `register` and `when: name.changed`",
        "run_once" => "until then use a play of its own with a single host",
        "no_log" => "known secrets are masked everywhere already",
        "creates" => "until then put the test into the command: `test -e PATH || CMD`",
        "removes" => "until then put the test into the command: `test ! -e PATH || CMD`",
        "unless" => "until then put the test into the command: `TEST || CMD`",
        "only_if" => "until then put the test into the command: `! TEST || CMD`",
    }
}

/// Variables, unrendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vars(pub IndexMap<String, Entry>);

impl JsonSchema for Vars {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Vars".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl Decode for Vars {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        decoder.map(node, what).map(|map| Self(map.clone()))
    }
}

/// `driver`: any text loads, so that requests for other drivers get a clear answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver;

impl JsonSchema for Driver {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Driver".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": "paramiko" })
    }
}

impl Decode for Driver {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let driver = String::decode(node, what, decoder)?;
        if driver == "paramiko" {
            return Some(Self);
        }
        decoder.report(LoadError::Driver { driver }, node.span);
        None
    }
}

/// Tags: a list, or one text with commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(pub Vec<String>);

impl JsonSchema for Tags {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tags".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        OneOrMany::<String>::json_schema(generator)
    }
}

impl Decode for Tags {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let texts = match OneOrMany::<String>::decode(node, what, decoder)? {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts.into_iter().map(|text| text.value).collect(),
        };
        let tags = texts.iter().flat_map(|text| text.split(',')).map(|tag| tag.trim().to_owned());
        Some(Self(tags.filter(|tag| !tag.is_empty()).collect()))
    }
}

/// A condition: an expression, or a plain boolean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `true` or `false`.
    Constant(bool),
    /// A minijinja expression without braces.
    Expression(String),
}

impl JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "boolean"] })
    }
}

impl Decode for Condition {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::Bool(value) => Some(Self::Constant(*value)),
            Kind::Text(text, _) => Some(match super::decode::parse_bool(text) {
                Some(value) => Self::Constant(value),
                None => Self::Expression(text.clone()),
            }),
            _ => {
                let help =
                    "write an expression such as `when: kernel.output is startingwith('5.')`";
                decoder.wrong_type(node, what, "an expression", help);
                None
            }
        }
    }
}

/// What a task loops over.
#[derive(Debug, Clone, PartialEq)]
pub enum LoopItems {
    /// A template that gives a list.
    Template(String),
    /// A list, whose texts may be templates.
    List(Vec<Node>),
}

impl JsonSchema for LoopItems {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Loop".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "array" }, { "type": "string", "pattern": r"\{[{%]" }] })
    }
}

impl Decode for LoopItems {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::List(items) => Some(Self::List(items.clone())),
            Kind::Text(text, _) if super::decode::is_template(text) => {
                Some(Self::Template(text.clone()))
            }
            _ => {
                let help = "write a list, or a template that gives one: `loop: \"{{ packages }}\"`";
                decoder.wrong_type(node, what, "a list", help);
                None
            }
        }
    }
}

impl RawPlay {
    /// Reports what the types cannot say.
    pub(super) fn check(play: &At<Self>, decoder: &mut Decoder) {
        if play.value.hosts.is_none() {
            let error = LoadError::MissingKey {
                key: "hosts".to_owned(),
                within: "a play".to_owned(),
                help: "say which hosts run it: `hosts: all`, a group, or a pattern".to_owned(),
            };
            decoder.report(error, play.span);
        }
        for task in play.value.tasks.iter().flat_map(|tasks| &tasks.value) {
            RawTask::check(task, decoder);
        }
    }
}

impl RawTask {
    /// Reports what the types cannot say: exclusivity and completeness.
    pub(super) fn check(task: &At<Self>, decoder: &mut Decoder) {
        let raw = &task.value;
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
        let transfer = raw.transfer();
        let sentinel = raw.command.as_ref().filter(|command| is_sentinel(&command.value));
        match (&transfer, sentinel) {
            (None, Some(command)) => conflict(
                format!("the command `{FILE_TRANSFER}` needs `file_transfer`"),
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
                            "`driver_args.file_transfer` needs `command: [\"{FILE_TRANSFER}\"]`"
                        ),
                        "add that command, or write `file_transfer:` at the level of the task",
                        transfer.key,
                    );
                }
            }
            (None, None) if raw.command.is_none() && raw.config.is_none() => conflict(
                "a task needs `command`, `config` or `file_transfer`".to_owned(),
                "say what to run: `command: uptime`",
                task.span,
            ),
            _ => {}
        }
        if let Some(transfer) = transfer {
            check_transfer(transfer, decoder);
        }
        check_own_args(raw, transfer.is_some(), decoder);
        if let Some(name) = &raw.register {
            let mut chars = name.value.chars();
            let fine = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && chars.all(|c| c.is_alphanumeric() || c == '_');
            if !fine {
                let error = LoadError::Conflict {
                    message: format!("`{}` is not a variable name", name.value),
                    help: "use letters, digits and `_`, and no digit first".to_owned(),
                };
                decoder.report(error, name.span);
            }
        }
    }

    /// The file transfer, from either place where it may stand.
    #[must_use]
    pub fn transfer(&self) -> Option<&At<FileTransfer>> {
        let nested = self.driver_args.as_ref().and_then(|args| args.value.file_transfer.as_ref());
        self.file_transfer.as_ref().or(nested)
    }
}

/// Whether the commands are just the one that stands for a file transfer.
fn is_sentinel(commands: &Commands) -> bool {
    let is =
        |text: &Templated<String>| matches!(text, Templated::Value(text) if text == FILE_TRANSFER);
    match commands {
        OneOrMany::One(text) => is(text),
        OneOrMany::Many(texts) => texts.len() == 1 && texts.iter().all(|text| is(&text.value)),
    }
}

fn check_transfer(transfer: &At<FileTransfer>, decoder: &mut Decoder) {
    let value = &transfer.value;
    let required = [
        ("operation", value.operation.is_none()),
        ("local_path", value.local_path.is_none()),
        ("remote_path", value.remote_path.is_none()),
    ];
    for (key, _) in required.into_iter().filter(|(_, missing)| *missing) {
        let error = LoadError::MissingKey {
            key: key.to_owned(),
            within: "`file_transfer`".to_owned(),
            help: "it needs `operation` (upload or download), `local_path` and `remote_path`"
                .to_owned(),
        };
        decoder.report(error, transfer.key);
    }
}

/// Keys written on the task itself that its action has no use for. Inherited ones
/// are ignored; written here they are a mistake.
fn check_own_args(raw: &RawTask, is_transfer: bool, decoder: &mut Decoder) {
    let Some(args) = &raw.driver_args else { return };
    let args = &args.value;
    let sudo = [
        ("sudo", args.sudo.as_ref().map(|at| at.key)),
        ("sudo_password", args.sudo_password.as_ref().map(|at| at.key)),
        ("sudo_user", args.sudo_user.as_ref().map(|at| at.key)),
        ("sudo_shell", args.sudo_shell.as_ref().map(|at| at.key)),
    ];
    if raw.config.is_none() {
        for (key, span) in sudo.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let (message, help) = match is_transfer {
                true => (
                    format!("`{key}` does not work with a file transfer yet"),
                    "transfer to a path of the login user, then move the file with a `config` task",
                ),
                false => (
                    format!("`{key}` works with `config` only"),
                    "write `config:` in place of `command:` to run through sudo",
                ),
            };
            decoder.report(LoadError::Conflict { message, help: help.to_owned() }, span);
        }
    }
    if is_transfer {
        let shell = [
            ("get_pty", args.get_pty.as_ref().map(|at| at.key)),
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
