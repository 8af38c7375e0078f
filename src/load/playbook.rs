//! Playbooks, as written.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::batch::{BatchSize, Percentage};
use super::decode::{At, Decode, Decoder, OneOrMany, Templated};
use super::error::LoadError;
use super::mapping::mapping;
use super::node::{Entry, Kind, Node};
use super::request::{Commands, ConnectionArgs, DriverArgs, FileTransfer, Options};
use super::tags::Tags;
use super::values::{Pause, Retries};

mapping! {
    /// One play: hosts, and the tasks that they run.
    #[schemars(rename = "Play", transform = super::shape::play)]
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
        /// How many hosts at a time: a number, a percentage such as "25%", or a list of these whose last item repeats. Each batch ends before the next begins; if all of its hosts fail, the run ends. Default: all at once.
        serial: OneOrMany<Templated<BatchSize>>,
        /// The run ends once more than this share of a batch's hosts has failed. The hosts go task by task then. Default: no limit.
        max_fail_percentage: Templated<Percentage>,
        /// Whether a single failed host ends the run. The hosts go task by task then. Default false.
        #[schemars(extend("default" = false))]
        any_errors_fatal: Templated<bool>,
        /// The tasks, in order.
        tasks: Vec<At<RawTask>>,
        /// Tasks that run once per host after the others, in this order, if a task that changed something has notified them by name.
        handlers: Vec<At<RawTask>>,
        /// In place of all other keys but `name`, `tags` and `vars`: another playbook, whose plays stand here. A relative path starts at the directory of this file.
        import_playbook: String,
    }
}

mapping! {
    /// One task: a request, and when and how to make it.
    #[schemars(rename = "Task", transform = super::shape::task)]
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
        /// How often to try again after the first time: until `until` holds, or without it until the task succeeds. Default 3 with `until`, otherwise 0. With `loop`, per item.
        retries: Templated<Retries>,
        /// Seconds to wait before trying again. Default 5.
        #[schemars(extend("default" = 5))]
        delay: Templated<Pause>,
        /// Expression over the task's own result that ends the retries, without `{{ }}`; a list must hold as a whole. The result has the name that `register` gives it, or `result`.
        until: OneOrMany<Condition>,
        /// Whether the task counts as changed: an expression over its own result, named as in `until`, or true or false; a list must hold as a whole. Default: commands do.
        changed_when: OneOrMany<Condition>,
        /// Whether the task counts as failed, likewise. Default: by exit status. Unreachable hosts and timeouts fail in any case.
        failed_when: OneOrMany<Condition>,
        /// Path on the host, or a pattern such as `/opt/app-*`: the task is skipped if it exists (of a list, if all do).
        creates: OneOrMany<Templated<String>>,
        /// Path on the host, or a pattern: the task is skipped if it does not exist (of a list, if none does).
        removes: OneOrMany<Templated<String>>,
        /// Shell command on the host: the task is skipped if it exits with 0 (of a list, if any does). Elevated as the task is.
        unless: OneOrMany<Templated<String>>,
        /// Shell command on the host: the task is skipped unless it exits with 0 (of a list, unless all do). Elevated as the task is.
        only_if: OneOrMany<Templated<String>>,
        /// Whether commands, outputs, items and errors are kept out of everything that is shown. Default false.
        #[schemars(extend("default" = false))]
        no_log: Templated<bool>,
        /// Whether a failure leaves the host and the exit code alone; not that a host is unreachable. Default false.
        #[schemars(extend("default" = false))]
        ignore_errors: Templated<bool>,
        /// Tags for `--tags` and `--skip-tags`.
        tags: Tags,
        /// Variables of the task.
        vars: Vars,
        /// Names of handlers to run at the end of the play if the task changes something.
        notify: OneOrMany<Templated<String>>,
        /// Whether only the first host of the batch runs it, for all of them; its registered result is everyone's. Default false.
        #[schemars(extend("default" = false))]
        run_once: Templated<bool>,
        /// In place of all other keys but `name`, `when`, `tags` and `vars`: a file with a list of tasks, which stand here and inherit these. A relative path starts at the directory of this file.
        import_tasks: String,
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
        decoder.map(node, what).map(|map| Self(decoder.variables.reread_map(map)))
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
            Kind::Text(text, _) => Some(match super::primitive::parse_bool(text) {
                Some(value) => Self::Constant(value),
                None => Self::Expression(text.clone()),
            }),
            _ => {
                let help = "write an expression, such as `kernel.output is startingwith('5.')`";
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
        json_schema!({ "anyOf": [{ "type": "array" }, super::shape::template()] })
    }
}

impl Decode for LoopItems {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::List(items) => Some(Self::List(decoder.variables.reread_list(items))),
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

impl RawTask {
    /// The file transfer, from either place where it may stand.
    #[must_use]
    pub fn transfer(&self) -> Option<&At<FileTransfer>> {
        let nested = self.driver_args.as_ref().and_then(|args| args.value.file_transfer.as_ref());
        self.file_transfer.as_ref().or(nested)
    }

    /// The script, which only the task itself can have.
    #[must_use]
    pub fn script(&self) -> Option<&At<Templated<String>>> {
        self.driver_args.as_ref().and_then(|args| args.value.script_content.as_ref())
    }
}

/// Whether templates can call a variable by this name.
#[must_use]
pub fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}
