//! The JSON Schemas in `schemas/`: current, and of one mind with the loader.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::lab::Sshoal;

const KINDS: [&str; 6] = ["playbook", "inventory", "request", "report", "project", "tasks"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator(kind: &str) -> Validator {
    let text = fs::read_to_string(root().join(format!("schemas/{kind}.schema.json"))).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn accepts(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}\n{}", errors.join("\n"));
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// Set `UPDATE_SCHEMAS` to write them.
#[test]
fn the_files_are_what_the_command_prints() {
    for kind in KINDS {
        let path = root().join(format!("schemas/{kind}.schema.json"));
        let printed = Sshoal::new().args(["schema", kind]).status(0).stderr("").run().stdout;
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &printed).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == printed, "run `sshoal schema {kind} > schemas/{kind}.schema.json`");
    }
}

#[test]
fn every_playbook_and_inventory_here_is_valid() {
    let (playbook, inventory) = (validator("playbook"), validator("inventory"));
    let tasks = validator("tasks");
    let mut seen = [0, 0];
    for path in
        [files_below(&root().join("playbooks")), files_below(&root().join("tests/integration"))]
            .concat()
    {
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let mut value = yaml(&path);
        let name = path.display().to_string();
        // What playbooks import there is tasks.
        if path.parent().is_some_and(|parent| parent.ends_with("playbooks/tasks")) {
            accepts(&tasks, &value, &name);
            value = json!([{ "hosts": "all", "tasks": value }]);
        }
        let is_inventory = value.as_object().is_some_and(|map| {
            map.values().any(|group| group.get("hosts").or(group.get("children")).is_some())
        });
        if is_inventory {
            accepts(&inventory, &value, &name);
            seen[1] += 1;
        } else if value.is_array() {
            accepts(&playbook, &value, &name);
            seen[0] += 1;
        }
    }
    assert!(seen[0] > 1 && seen[1] > 0, "looked at {seen:?} files only");
}

#[test]
fn playbooks_name_their_schema() {
    let top = root().join("playbooks");
    let mut seen = 0;
    for path in files_below(&top) {
        let below = path.strip_prefix(&top).unwrap().to_path_buf();
        let kind = match below.components().next().unwrap().as_os_str().to_str().unwrap() {
            _ if path.extension().is_none_or(|extension| extension != "yml") => continue,
            "tasks" => "tasks",
            "inventory" | "inventories" if !below.to_str().unwrap().contains("_vars") => {
                "inventory"
            }
            _ if below.components().count() == 1 => "playbook",
            // Variables have no schema of their own.
            _ => continue,
        };
        let up = "../".repeat(below.components().count());
        let text = fs::read_to_string(&path).unwrap();
        let comment = format!("# yaml-language-server: $schema={up}schemas/{kind}.schema.json");
        assert!(text.lines().any(|line| line == comment), "{}: {comment}", path.display());
        seen += 1;
    }
    assert!(seen > 3);
}

/// The examples of the documented request.
fn documented() -> Vec<Value> {
    let files = files_below(&root().join("tests/integration/documented"));
    assert!(files.len() > 12, "{files:?}");
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    files.iter().map(read).collect()
}

#[test]
fn the_documented_examples_are_valid() {
    let (request, playbook) = (validator("request"), validator("playbook"));
    for example in documented() {
        accepts(&request, &example, &example.to_string());
        accepts(&playbook, &example, &example.to_string());
    }
    accepts(&request, &documented().into(), "a list of them");
    accepts(&playbook, &documented().into(), "a playbook of them");
}

/// What both the schema and the loader refuse.
fn wrong_tasks() -> Vec<Value> {
    let upload = json!({ "operation": "upload", "local_path": "a", "remote_path": "b" });
    vec![
        json!({ "comand": "uptime" }),
        json!({ "command": "uptime", "config": "uptime" }),
        json!({ "name": "nothing" }),
        json!({ "command": "uptime", "file_transfer": upload }),
        json!({ "config": "uptime", "file_transfer": upload }),
        json!({ "command": { "run": "uptime" } }),
        json!({ "command": ["uptime", ["df"]] }),
        json!({ "command": "uptime", "connection_args": { "prot": 22 } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": 5 } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": { "mount": "kv" } } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": { "path": null } } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": "a", "username": "u" } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": { "path": "a" }, "password": "p" } }),
        json!({ "command": "uptime", "connection_args": { "port": "22" } }),
        json!({ "command": "uptime", "connection_args": { "port": 70000 } }),
        json!({ "command": "uptime", "connection_args": { "timeout": 0 } }),
        json!({ "command": "uptime", "connection_args": { "host_key_policy": "accept" } }),
        json!({ "command": "uptime", "driver_args": { "timeout": "soon" } }),
        json!({ "command": "uptime", "driver_args": { "get_pty": "maybe" } }),
        json!({ "command": "uptime", "driver_args": { "environment": { "A-B": "x" } } }),
        json!({ "command": "uptime", "driver_args": { "environment": ["A=b"] } }),
        json!({ "command": "uptime", "driver_args": { "file_transfer": upload } }),
        json!({ "command": ["__FILE_TRANSFER__"] }),
        json!({ "file_transfer": { "operation": "upload", "local_path": "a" } }),
        json!({ "file_transfer": { "operation": "copy", "local_path": "a", "remote_path": "b" } }),
        json!({ "file_transfer": { "operation": "upload", "local_path": "a", "remote_path": "b", "mode": 644 } }),
        json!({ "file_transfer": { "operation": "upload", "local_path": "a", "remote_path": "b", "mode": "rw" } }),
        json!({ "command": "uptime", "options": { "queue_strategy": "lifo" } }),
        json!({ "command": "uptime", "options": { "ttl": -1 } }),
        json!({ "command": "uptime", "driver": "netmiko" }),
        json!({ "command": "uptime", "loop": "some" }),
        json!({ "command": "uptime", "when": ["a", ["b"]] }),
        json!({ "command": "uptime", "register": ["a"] }),
        json!({ "command": "uptime", "ignore_errors": "maybe" }),
        json!({ "command": "uptime", "vars": ["a"] }),
        json!({ "command": "uptime", "register": "a-b" }),
        json!({ "command": "uptime", "register": "1a" }),
        json!({ "command": "uptime", "driver_args": { "sudo": true } }),
        json!({ "command": "uptime", "driver_args": { "sudo_user": "app" } }),
        json!({ "command": "uptime", "driver_args": { "script_interpreter": "bash" } }),
        json!({ "config": "uptime", "driver_args": { "script_interpreter": "bash" } }),
        json!({ "command": "uptime", "retries": -1 }),
        json!({ "command": "uptime", "retries": "many" }),
        json!({ "command": "uptime", "retries": 2, "delay": -1 }),
        json!({ "command": "uptime", "creates": { "path": "/a" } }),
        json!({ "command": "uptime", "unless": [["a"]] }),
        json!({ "command": "uptime", "no_log": "maybe" }),
        json!({ "import_tasks": "a.yml", "command": "uptime" }),
        json!({ "import_tasks": "a.yml", "register": "a" }),
    ]
}

#[test]
fn what_is_wrong_is_refused_by_schema_and_loader_alike() {
    let (playbook, request) = (validator("playbook"), validator("request"));
    let tasks = validator("tasks");
    let refused = |playbook_text: &Value| {
        let text = playbook_text.to_string();
        let args = ["check", "playbook.json"];
        Sshoal::new().file("playbook.json", text).args(args).run().status == Some(1)
    };
    for task in wrong_tasks() {
        let play = json!([{ "hosts": "all", "tasks": [task] }]);
        assert!(!playbook.is_valid(&play), "the schema takes {play}");
        assert!(refused(&play), "the loader takes {play}");
        assert!(!tasks.is_valid(&json!([task])), "the schema of tasks takes {task}");
        let mut alone = task.clone();
        if alone.get("connection_args").is_none() {
            alone["connection_args"] = json!({});
        }
        alone["connection_args"]["host"] = "web-01".into();
        assert!(!request.is_valid(&alone), "the request schema takes {alone}");
    }
    for play in [
        json!([{ "tasks": [{ "command": "uptime" }] }]),
        json!([{ "host": "all" }]),
        json!([{ "hosts": "all", "task": [] }]),
        json!([{ "hosts": "all", "tasks": { "command": "uptime" } }]),
        json!([{ "hosts": { "web": null } }]),
        json!([{ "hosts": "all", "serial": "0%" }]),
        json!([{ "hosts": "all", "serial": "150%" }]),
        json!([{ "hosts": "all", "serial": "half" }]),
        json!([{ "hosts": "all", "serial": [1, -1] }]),
        json!([{ "hosts": "all", "serial": [] }]),
        json!([{ "hosts": "all", "max_fail_percentage": 101 }]),
        json!([{ "hosts": "all", "max_fail_percentage": "101%" }]),
        json!([{ "hosts": "all", "max_fail_percentage": "few" }]),
        json!([{ "hosts": "all", "any_errors_fatal": "maybe" }]),
        json!([{ "hosts": "all", "handlers": [{ "command": "uptime" }] }]),
        json!([{ "hosts": "all", "handlers": { "command": "uptime" } }]),
        json!([{ "hosts": "all", "tasks": [{ "command": "uptime", "run_once": "maybe" }] }]),
        json!([{ "hosts": "all", "tasks": [{ "import_tasks": "{{ a }}.yml" }] }]),
        json!([{ "import_playbook": "{{ a }}.yml" }]),
        json!([{ "import_playbook": "a.yml", "hosts": "all" }]),
        json!([]),
        json!("uptime"),
    ] {
        assert!(!playbook.is_valid(&play), "the schema takes {play}");
        assert!(refused(&play), "the loader takes {play}");
    }
    for wrong in [
        json!({ "command": "uptime" }),
        json!({ "command": "uptime", "connection_args": { "username": "deploy" } }),
        json!([]),
    ] {
        assert!(!request.is_valid(&wrong), "the schema takes {wrong}");
    }
}

#[test]
fn what_the_loader_takes_is_valid() {
    let playbook = validator("playbook");
    for task in [
        json!({ "command": "uptime", "connection_args": { "password": 12345, "port": "{{ port }}" } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": "a/b", "username": null, "pkey": "{{ k }}" } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": null, "username": "u" } }),
        json!({ "command": "uptime", "connection_args": { "credential_ref": { "path": "{{ p }}", "version": 3, "mount": null } } }),
        json!({ "command": "{{ lines }}", "driver_args": { "timeout": null, "get_pty": "yes" } }),
        json!({ "command": "uptime", "loop": "{{ names }}", "when": [true, "a is defined"], "tags": "a,b" }),
        json!({ "config": ["a", "{{ b }}"], "driver_args": { "sudo": "{{ elevated }}", "environment": { "A": 1, "B": true } } }),
        json!({ "file_transfer": { "operation": "{{ way }}", "local_path": "a", "remote_path": "b", "mode": "0644" } }),
        json!({ "command": "uptime", "tags": 5, "driver_args": { "environment": { "A": null }, "sudo": null } }),
        json!({ "command": "uptime", "retries": "3", "delay": "0.5", "ignore_errors": "{{ false }}", "run_once": "no" }),
        json!({ "command": "uptime", "register": "größe_2" }),
        json!({ "driver_args": { "script_content": "id", "script_interpreter": "bash", "sudo": true } }),
        json!({ "command": ["__FILE_TRANSFER__"], "driver_args": { "sudo": true, "file_transfer": { "operation": "download", "local_path": "a", "remote_path": "b" } } }),
        json!({ "command": "uptime", "vars": null, "options": { "queue_strategy": "{{ strategy }}", "ttl": 600 } }),
    ] {
        let play = json!([{ "hosts": ["web", "!db"], "serial": [1, "12.5 %", "100%", "0.5%"], "max_fail_percentage": "30%", "tasks": [task] }]);
        accepts(&playbook, &play, &play.to_string());
        let check = Sshoal::new().file("playbook.json", play.to_string());
        check.args(["check", "playbook.json"]).status(0).run();
    }
}

#[test]
fn project_files_are_held_to_their_schema() {
    let project = validator("project");
    let check = |value: &Value| {
        let sshoal = Sshoal::new().file("sshoal.yml", value.to_string());
        let sshoal = sshoal.file("p.yml", "- hosts: all\n  tasks: [{ command: id }]\n");
        sshoal.args(["check", "p.yml"]).run().status
    };
    for right in [
        json!({ "forks": 5, "canary": false, "output": "json", "vars": { "a": 1 } }),
        json!({ "inventory": ["a,"], "connection_args": { "username": "u", "password": "p" } }),
    ] {
        accepts(&project, &right, &right.to_string());
        assert_eq!(check(&right), Some(0), "the loader refuses {right}");
    }
    for wrong in [
        json!([]),
        json!({ "forks": 0 }),
        json!({ "fork": 5 }),
        json!({ "output": "xml" }),
        json!({ "canary": "maybe" }),
        json!({ "connection_args": { "prot": 22 } }),
        json!({ "options": { "ttl": "soon" } }),
    ] {
        assert!(!project.is_valid(&wrong), "the schema takes {wrong}");
        assert_eq!(check(&wrong), Some(1), "the loader takes {wrong}");
    }
}

#[test]
fn inventories_are_held_to_their_schema() {
    let inventory = validator("inventory");
    for right in [
        json!(null),
        json!({ "all": { "hosts": { "a": null }, "children": { "web": { "hosts": "b", "vars": {} } } } }),
        json!({ "web": { "vars": { "options": { "verbose": true }, "ansible_port": "22", "any": [1] } } }),
    ] {
        accepts(&inventory, &right, &right.to_string());
    }
    for wrong in [
        json!([]),
        json!({ "web": { "hosts": ["a"] } }),
        json!({ "web": { "hosts": { "a": { "connection_args": { "prot": 22 } } } } }),
        json!({ "web": { "vars": { "driver_args": { "timeout": "soon" } } } }),
        json!({ "web": { "vars": { "options": { "ttl": "soon" } } } }),
    ] {
        assert!(!inventory.is_valid(&wrong), "the schema takes {wrong}");
        let text = wrong.to_string();
        let finished = Sshoal::new()
            .file("inventory.json", text)
            .args(["exec", "all", "-i", "inventory.json", "--list-hosts"])
            .run();
        assert_eq!(finished.status, Some(1), "the loader takes {wrong}");
    }
    // As in Ansible, an editor should tell and a run should go on.
    for passed_over in [
        json!({ "web": { "host": {} } }),
        json!({ "all": { "children": { "web": { "childs": {} } } } }),
    ] {
        assert!(!inventory.is_valid(&passed_over), "the schema takes {passed_over}");
        let sshoal = Sshoal::new().file("inventory.json", passed_over.to_string());
        let args = ["inventory", "list", "-i", "inventory.json"];
        let told = sshoal.args(args).status(0).run().stderr;
        assert!(told.contains("it is passed over"), "{told}");
    }
}
