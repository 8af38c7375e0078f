//! JSON Schemas, generated from the types that read the files.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::cli::SchemaKind;
use crate::load::playbook::{RawPlay, RawTask};
use crate::load::project::RawProject;
use crate::load::request::{ConnectionArgs, DriverArgs, Options};

/// A schema as indented JSON with a final newline.
#[must_use]
pub fn text(kind: SchemaKind) -> String {
    format!("{:#}\n", of(kind).to_value())
}

/// A schema.
#[must_use]
pub fn of(kind: SchemaKind) -> Schema {
    match kind {
        SchemaKind::Playbook => root::<PlaybookFile>("sshoal playbook"),
        SchemaKind::Request => root::<RequestFile>("sshoal request"),
        SchemaKind::Inventory => root::<InventoryFile>("sshoal inventory"),
        SchemaKind::Project => root::<RawProject>("sshoal project file"),
        SchemaKind::Tasks => root::<TasksFile>("sshoal tasks"),
        SchemaKind::Report => crate::report::schema(),
    }
}

fn root<T: JsonSchema>(title: &str) -> Schema {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    tidy(&mut schema);
    schema.insert("title".to_owned(), title.into());
    schema
}

/// Makes the schema shorter to read, and says of numbers what editors understand.
fn tidy(schema: &mut Schema) {
    transform_subschemas(&mut tidy, schema);
    // `anyOf` within `anyOf` is one `anyOf`.
    if let Some(Value::Array(alternatives)) = schema.get("anyOf") {
        let flat = alternatives.iter().flat_map(|alternative| match alternative.as_object() {
            Some(object) if object.len() == 1 => match object.get("anyOf") {
                Some(Value::Array(inner)) => inner.clone(),
                _ => vec![alternative.clone()],
            },
            _ => vec![alternative.clone()],
        });
        let flat: Vec<Value> = flat.collect();
        schema.insert("anyOf".to_owned(), flat.into());
    }
    let is_integer = schema.get("format").and_then(Value::as_str).is_some_and(|format| {
        format.starts_with("int") || format.starts_with("uint") || format == "double"
    });
    if is_integer {
        schema.remove("format");
    }
    // Sixteen bits are only used for ports.
    if schema.get("maximum").is_some_and(|maximum| maximum == u16::MAX) {
        schema.insert("minimum".to_owned(), 1.into());
    }
}

/// A task that names its own host.
fn request(generator: &mut SchemaGenerator) -> Schema {
    let task = generator.subschema_for::<RawTask>();
    json_schema!({
        "description": "One request, which names its own host.",
        "allOf": [task],
        "required": ["connection_args"],
        "properties": { "connection_args": { "required": ["host"] } },
    })
}

/// One item, or a list of them. Said with `if`, for of two alternatives that both
/// fail an editor shows the wrong one.
fn one_or_list(one: &Schema, item: &Schema) -> Schema {
    json_schema!({
        "type": ["array", "object"],
        "if": { "type": "array" },
        "then": { "minItems": 1, "items": item },
        "else": one,
    })
}

macro_rules! written_schema {
    ($($name:ident = $build:expr;)*) => {$(
        struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let build: fn(&mut SchemaGenerator) -> Schema = $build;
                build(generator)
            }
        }
    )*};
}

written_schema! {
    Request = request;
    PlaybookFile = |generator| {
        let play = generator.subschema_for::<RawPlay>();
        let request = generator.subschema_for::<Request>();
        let item = json_schema!({
            "if": {
                "anyOf": [
                    { "required": ["command"] },
                    { "required": ["config"] },
                    { "required": ["file_transfer"] },
                ],
            },
            "then": request,
            "else": play,
        });
        one_or_list(&item, &item)
    };
    RequestFile = |generator| {
        let request = generator.subschema_for::<Request>();
        one_or_list(&request, &request)
    };
    TasksFile = |generator| {
        let task = generator.subschema_for::<RawTask>();
        json_schema!({
            "description": "A list of tasks, for `import_tasks`.",
            "type": "array",
            "minItems": 1,
            "items": task,
        })
    };
    Variables = |generator| {
        let connection = generator.subschema_for::<ConnectionArgs>();
        let driver = generator.subschema_for::<DriverArgs>();
        let options = generator.subschema_for::<Options>();
        let text = |description: &str| {
            json_schema!({ "type": ["string", "number"], "description": description })
        };
        let secret = |name: &str, ours: &str| {
            // A value that Ansible Vault has encrypted is an object to a validator.
            json_schema!({
                "type": ["string", "number", "object"],
                "description": format!("Ansible's name for `{ours}`; `{name}` in plain text is shown by `sshoal inventory`."),
            })
        };
        let ssh_args = || {
            json_schema!({
                "type": "string",
                "description": "Arguments of ssh, of which the jump host counts: `-J`, `-o ProxyJump=…`, `-o ProxyCommand=\"ssh -W …\"`.",
                "examples": ["-J ops@bastion.example.com:2222"],
            })
        };
        json_schema!({
            "description": "Variables, with the request defaults among them.",
            "type": ["object", "null"],
            "properties": {
                "connection_args": {
                    "description": "Request defaults of these hosts; they merge key by key.",
                    "allOf": [connection],
                },
                "driver_args": {
                    "description": "Request defaults of these hosts; they merge key by key.",
                    "allOf": [driver],
                },
                "options": {
                    "description": "Request defaults of these hosts; they merge key by key. A mapping without a key of theirs is a variable.",
                    "anyOf": [options, { "not": { "anyOf": [
                        { "type": "object", "required": ["queue_strategy"] },
                        { "type": "object", "required": ["ttl"] },
                    ] } }],
                },
                "ansible_host": text("Ansible's name for `connection_args.host`."),
                "ansible_port": text("Ansible's name for `connection_args.port`."),
                "ansible_user": text("Ansible's name for `connection_args.username`."),
                "ansible_password": secret("ansible_password", "connection_args.password"),
                "ansible_ssh_pass": secret("ansible_ssh_pass", "connection_args.password"),
                "ansible_ssh_private_key_file": text("Ansible's name for `connection_args.key_filename`."),
                "ansible_ssh_common_args": ssh_args(),
                "ansible_ssh_extra_args": ssh_args(),
                "ansible_become": { "type": ["boolean", "string"], "description": "Ansible's name for `driver_args.sudo`." },
                "ansible_become_password": secret("ansible_become_password", "driver_args.sudo_password"),
                "ansible_become_pass": secret("ansible_become_pass", "driver_args.sudo_password"),
                "ansible_become_user": text("Ansible's name for `driver_args.sudo_user`."),
                "ansible_connection": text("How Ansible reaches the hosts. A host that a run uses must be reached by `ssh`, `paramiko` or `smart`."),
                "ansible_group_priority": {
                    "type": ["integer", "string"],
                    "description": "Among the groups of a host that are as deep as this one, the variables of a higher priority win. Only counts among the `vars` of a group in an inventory.",
                    "default": 1,
                },
            },
        })
    };
    Group = |generator| {
        let variables = generator.subschema_for::<Variables>();
        let group = generator.subschema_for::<Group>();
        json_schema!({
            "description": "A group of hosts.",
            "type": ["object", "null"],
            "properties": {
                "hosts": {
                    "description": "The hosts of the group, each with its variables. A name may have ranges and a port.",
                    "examples": [{ "web[01:50].example.com": null, "db-01:2222": { "ansible_user": "deploy" } }],
                    "type": ["object", "string", "null"],
                    "additionalProperties": variables,
                },
                "children": {
                    "description": "The groups within this group.",
                    "type": ["object", "string", "null"],
                    "additionalProperties": group,
                },
                "vars": {
                    "description": "Variables of all hosts of the group.",
                    "allOf": [variables],
                },
            },
            "additionalProperties": false,
        })
    };
    InventoryFile = |generator| {
        let group = generator.subschema_for::<Group>();
        json_schema!({
            "description": "An inventory in YAML or JSON, as Ansible has it: groups by name.",
            "examples": [{ "web": { "hosts": { "web-01": null }, "vars": { "ansible_user": "deploy" } } }],
            "type": ["object", "null"],
            "properties": { "all": group },
            "additionalProperties": group,
        })
    };
}
