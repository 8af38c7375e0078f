//! What the JSON Schemas say beyond the types: alternatives, and what the loader
//! takes for a value of another type.

use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use crate::transfer::TRANSFER_COMMAND;

/// A text with a template in it.
pub(super) fn template() -> Schema {
    json_schema!({ "type": "string", "pattern": r"\{[{%]", "description": "A template." })
}

/// A value, or a template that gives one.
pub(super) fn templated(value: Schema) -> Schema {
    match value.get("type").and_then(Value::as_str) {
        // A text is its own template. A number is read as the text that it is
        // written as, so that a password may be one.
        Some("string") if value.get("enum").is_none() && value.get("pattern").is_none() => {
            json_schema!({ "type": ["string", "number"] })
        }
        Some("string") if value.get("enum").is_none() => value,
        Some("boolean") => {
            let words = r"^([Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|[Tt]rue|[Ff]alse)$|\{[{%]";
            json_schema!({ "anyOf": [value, { "type": "string", "pattern": words }] })
        }
        _ => json_schema!({ "anyOf": [value, template()] }),
    }
}

/// A task has one thing to do, and the sentinel goes with a file transfer.
pub(super) fn task(schema: &mut Schema) {
    let script = json!({
        "required": ["driver_args"],
        "properties": { "driver_args": { "type": "object", "required": ["script_content"] } },
    });
    let only = |key: &str, others: [&str; 2]| {
        let [first, second] = others;
        let [first, second, import] =
            [first, second, "import_tasks"].map(|other| json!({ "required": [other] }));
        json!({ "required": [key], "not": { "anyOf": [first, second, import, script] } })
    };
    let none = json!({ "type": "array", "maxItems": 0 });
    let stands_for_it = json!({ "enum": [TRANSFER_COMMAND, [TRANSFER_COMMAND]] });
    let import = json!({
        "required": ["import_tasks"],
        "propertyNames": { "enum": ["import_tasks", "name", "when", "tags", "vars"] },
    });
    let one_of = json!([
        import,
        only("command", ["config", "file_transfer"]),
        only("config", ["command", "file_transfer"]),
        {
            "required": ["file_transfer"],
            "not": {
                "anyOf": [{ "required": ["config"] }, { "required": ["import_tasks"] }, script],
            },
            "properties": { "command": stands_for_it },
        },
        {
            "allOf": [script],
            "not": {
                "anyOf": [{ "required": ["file_transfer"] }, { "required": ["command", "config"] }],
            },
            "properties": { "command": none, "config": none },
        },
    ]);
    let sentinel = json!({ "required": ["command"], "properties": { "command": stands_for_it } });
    let nested = json!({
        "required": ["driver_args"],
        "properties": { "driver_args": { "type": "object", "required": ["file_transfer"] } },
    });
    let unset = |keys: &[&str]| {
        let keys = keys.iter().map(|key| ((*key).to_owned(), json!({ "type": "null" })));
        let keys: serde_json::Map<String, Value> = keys.collect();
        json!({ "properties": { "driver_args": { "properties": keys } } })
    };
    let no_sudo = unset(&["sudo", "sudo_password", "sudo_user", "sudo_shell"]);
    let no_interpreter = unset(&["script_interpreter"]);
    let plain = json!({ "required": ["command"], "not": sentinel });
    let together = json!([
        { "if": plain, "then": no_sudo },
        { "if": { "not": script }, "then": no_interpreter },
        { "if": nested, "then": { "anyOf": [sentinel, { "required": ["file_transfer"] }] } },
        { "if": sentinel, "then": { "anyOf": [nested, { "required": ["file_transfer"] }] } },
    ]);
    schema.insert("oneOf".to_owned(), one_of);
    schema.insert("allOf".to_owned(), together);
    add(schema, "register", "pattern", json!(r"^[\p{L}_][\p{L}\p{N}_]*$"));
    add(schema, "import_tasks", "not", json!({ "pattern": r"\{[{%#]" }));
    let when = json!(["kernel.ok", ["os is defined", "os == 'debian'"]]);
    for (key, examples) in [
        ("command", json!(["uptime", ["uname -r", "df -h"]])),
        (
            "config",
            json!(["systemctl reload nginx", ["apt-get update", "apt-get install -y nginx"]]),
        ),
        ("when", when),
        ("loop", json!([["small", "large"], "{{ packages }}"])),
        ("until", json!(["result.exit_status == 0", "'ready' in result.output"])),
        ("changed_when", json!([false, "'changed' in result.output"])),
        ("failed_when", json!(["result.exit_status > 1"])),
        ("creates", json!(["/opt/app/bin"])),
        ("unless", json!(["systemctl is-active nginx"])),
        ("notify", json!(["reload nginx"])),
        (
            "file_transfer",
            json!([{ "operation": "upload", "local_path": "files/site.conf", "remote_path": "/etc/nginx/site.conf" }]),
        ),
    ] {
        add(schema, key, "examples", examples);
    }
}

/// A play has hosts, or it stands for the plays of another file.
pub(super) fn play(schema: &mut Schema) {
    let import = json!({
        "required": ["import_playbook"],
        "propertyNames": { "enum": ["import_playbook", "name", "tags", "vars"] },
    });
    let own = json!({ "required": ["hosts"], "not": { "required": ["import_playbook"] } });
    schema.insert("oneOf".to_owned(), json!([own, import]));
    add(schema, "import_playbook", "not", json!({ "pattern": r"\{[{%#]" }));
    add(schema, "serial", "not", json!({ "type": "array", "maxItems": 0 }));
    add(schema, "serial", "examples", json!([2, "25%", [1, "25%"]]));
    add(schema, "hosts", "examples", json!(["web", "web:!web-03", "web-[01:05]", "all"]));
    // Nothing could notify one without a name.
    let named = json!([{ "required": ["name"] }, { "required": ["import_tasks"] }]);
    let handlers = schema.get_mut("properties").and_then(|all| all.get_mut("handlers"));
    if let Some(Value::Object(items)) = handlers.and_then(|handlers| handlers.get_mut("items")) {
        items.insert("anyOf".to_owned(), named);
    }
}

/// Adds what the type of a property cannot say.
fn add(schema: &mut Schema, property: &str, key: &str, value: Value) {
    let found = schema.get_mut("properties").and_then(|all| all.get_mut(property));
    if let Some(Value::Object(property)) = found {
        property.insert(key.to_owned(), value);
    }
}
