//! JSON Schemas, generated from the types that read the files.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::cli::SchemaKind;
use crate::load::playbook::{RawPlay, RawTask};
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
        SchemaKind::Report => crate::report::schema(),
    }
}

fn root<T: JsonSchema>(title: &str) -> Schema {
    let mut schema = generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// Adds what the types cannot say to the schema of a task.
fn task(generator: &mut SchemaGenerator) -> Schema {
    let task = generator.subschema_for::<RawTask>();
    // Exactly one of the three says what to do; `driver_args.file_transfer` goes
    // with the command that stands for it.
    let only = |key: &str, others: [&str; 2]| {
        let others = others.map(|other| json_schema!({ "required": [other] }));
        json_schema!({ "required": [key], "not": { "anyOf": others } })
    };
    json_schema!({
        "allOf": [task],
        "oneOf": [
            only("command", ["config", "file_transfer"]),
            only("config", ["command", "file_transfer"]),
            { "required": ["file_transfer"], "not": { "required": ["config"] } },
        ],
    })
}

/// A task that names its own host.
fn request(generator: &mut SchemaGenerator) -> Schema {
    let task = task(generator);
    json_schema!({
        "allOf": [task],
        "required": ["connection_args"],
        "properties": { "connection_args": { "required": ["host"] } },
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
    Task = task;
    Request = request;
    Play = |generator| {
        let play = generator.subschema_for::<RawPlay>();
        json_schema!({ "allOf": [play], "required": ["hosts"] })
    };
    PlaybookFile = |generator| {
        let plays = generator.subschema_for::<Vec<Play>>();
        let requests = generator.subschema_for::<RequestFile>();
        json_schema!({ "anyOf": [plays, requests] })
    };
    RequestFile = |generator| {
        let one = generator.subschema_for::<Request>();
        let many = generator.subschema_for::<Vec<Request>>();
        json_schema!({ "anyOf": [one, many] })
    };
    Variables = |generator| {
        let connection = generator.subschema_for::<ConnectionArgs>();
        let driver = generator.subschema_for::<DriverArgs>();
        let options = generator.subschema_for::<Options>();
        json_schema!({
            "type": ["object", "null"],
            "properties": {
                "connection_args": connection,
                "driver_args": driver,
                "options": { "anyOf": [options, true] },
            },
        })
    };
    Group = |generator| {
        let variables = generator.subschema_for::<Variables>();
        let group = generator.subschema_for::<Group>();
        json_schema!({
            "type": ["object", "null"],
            "properties": {
                "hosts": {
                    "description": "The hosts of the group, each with its variables.",
                    "type": ["object", "string", "null"],
                    "additionalProperties": variables,
                },
                "children": {
                    "description": "The groups within this group.",
                    "type": ["object", "null"],
                    "additionalProperties": group,
                },
                "vars": variables,
            },
            "additionalProperties": false,
        })
    };
    InventoryFile = |generator| {
        let group = generator.subschema_for::<Group>();
        json_schema!({ "type": "object", "additionalProperties": group })
    };
}
