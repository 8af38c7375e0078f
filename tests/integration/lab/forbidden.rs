//! What an invocation of `sshoal` must not show: the secrets that it is given, found
//! where secrets stand, and the files in which they could turn up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Shorter ones are in many an output by accident.
const SHORTEST: usize = 8;

/// Keys of `connection_args` and `driver_args` that hold secrets.
const SECRETS: [&str; 7] = [
    "password",
    "passphrase",
    "pkey",
    "proxy_password",
    "proxy_passphrase",
    "proxy_pkey",
    "sudo_password",
];
/// Ansible's names for some of them.
const ANSIBLES: [&str; 4] =
    ["ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass"];

/// The secrets of a request, a playbook or an inventory.
pub(super) fn secrets_in(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(document, &mut found);
    found
}

/// The secrets of a file that holds one of these; none in any other.
pub(super) fn secrets_in_file(path: &str, content: &[u8]) -> Vec<String> {
    if ![".yml", ".yaml", ".json"].iter().any(|end| path.ends_with(end)) {
        return Vec::new();
    }
    serde_yaml::from_slice(content).map_or_else(|_| Vec::new(), |document| secrets_in(&document))
}

/// The secret that a variable of the environment holds.
pub(super) fn secret_in_variable(name: &str, value: &str) -> Vec<String> {
    let is_secret = ["PASSWORD", "TOKEN", "SECRET_ID"].iter().any(|end| name.ends_with(end));
    if is_secret { lines_of(value) } else { Vec::new() }
}

fn walk(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(entries) => {
            for (key, value) in entries {
                let is_args = ["connection_args", "driver_args"].contains(&key.as_str());
                if let (true, Value::Object(args)) = (is_args, value) {
                    let secrets = args.iter().filter(|(key, _)| SECRETS.contains(&key.as_str()));
                    found.extend(secrets.flat_map(|(_, value)| texts(value)));
                }
                if ANSIBLES.contains(&key.as_str()) {
                    found.extend(texts(value));
                }
                walk(value, found);
            }
        }
        _ => {}
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_str().map_or_else(Vec::new, lines_of)
}

/// A secret's lines, of which a key has many; a template is none.
fn lines_of(secret: &str) -> Vec<String> {
    let is_secret =
        |line: &&str| line.len() >= SHORTEST && !line.starts_with("-----") && !line.contains("{{");
    secret.lines().map(str::trim).filter(is_secret).map(str::to_owned).collect()
}

/// The files below a directory with what they hold.
pub(super) struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    /// Those of now.
    pub(super) fn below(directory: &Path) -> Self {
        let files = paths_below(directory).into_iter();
        Self(files.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect())
    }

    /// Those that were not there `before`, or hold something else now.
    pub(super) fn new_since(self, before: &Self) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
        self.0.into_iter().filter(|(path, bytes)| before.0.get(path) != Some(bytes))
    }
}

fn paths_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(paths_below(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}
