//! Inventories, as written: groups, hosts and their variables.

use std::sync::Arc;

use super::decode::{At, Decode, Decoder};
use super::document::{Format, document};
use super::error::LoadError;
use super::layer::Layer;
use super::node::{Entry, Kind, Map, Node};
use super::place::Scalars;
use super::playbook::Vars;
use super::source::{FileId, Sources, Span};
use crate::diagnostic::Problem;

/// One inventory source, flattened: a group may occur several times.
#[derive(Debug)]
pub struct RawInventory {
    /// The file.
    pub file: FileId,
    /// What it says of groups, in the order written.
    pub groups: Vec<RawGroup>,
}

/// What one place says of a group.
#[derive(Debug)]
pub struct RawGroup {
    /// The group's name.
    pub name: At<String>,
    /// Its hosts, each with the variables given there.
    pub hosts: Vec<(At<String>, Option<Arc<Layer>>)>,
    /// The groups within it.
    pub children: Vec<At<String>>,
    /// Its variables.
    pub layer: Option<Arc<Layer>>,
}

/// Reads one inventory file.
pub(super) fn parse(sources: &Sources, file: FileId) -> Result<RawInventory, Vec<Problem>> {
    let source = sources.get(file);
    let whole = Span::whole(file);
    let first = source
        .text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with(';'));
    let is_ini = first.is_some_and(|line| {
        let inner = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|inner| !inner.contains(['"', '\'', '{', ',']))
    });
    if is_ini || source.text.starts_with("#!") {
        let kind = if is_ini { "an INI inventory" } else { "an inventory script" };
        let error = LoadError::Conflict {
            message: format!("{kind} is not supported yet"),
            help: "write it as YAML: `all:` with `hosts:`, `children:` and `vars:` below"
                .to_owned(),
        };
        let line = first.unwrap_or_default();
        let start = source.text.find(line).unwrap_or_default();
        let place = if is_ini { Span { start, len: line.len(), ..whole } } else { whole };
        return Err(vec![Problem::new(error, Some(place))]);
    }
    let format = match source.name.ends_with(".json") {
        true => Format::Json,
        false => Format::Yaml(Scalars::Ansible),
    };
    let node = document(sources, file, format)?;
    let mut reader = Reader { decoder: Decoder::new(true, Some(whole)), groups: Vec::new() };
    match &node.kind {
        Kind::Map(map) => map.iter().for_each(|(name, entry)| reader.group(name, entry)),
        Kind::Null => {}
        _ => {
            let help = "start with `all:`, and `hosts:` or `children:` below it";
            reader.decoder.wrong_type(&node, "an inventory", "a mapping of groups", help);
        }
    }
    let problems = reader.decoder.finish();
    match problems.is_empty() {
        true => Ok(RawInventory { file, groups: reader.groups }),
        false => Err(problems),
    }
}

struct Reader {
    decoder: Decoder,
    groups: Vec<RawGroup>,
}

fn named(name: &str, key: Option<Span>) -> At<String> {
    At { value: name.to_owned(), span: key, key }
}

const GROUP_KEYS: [&str; 3] = ["hosts", "children", "vars"];

impl Reader {
    fn group(&mut self, name: &str, entry: &Entry) {
        let mut group = RawGroup {
            name: named(name, entry.key),
            hosts: Vec::new(),
            children: Vec::new(),
            layer: None,
        };
        let at = self.groups.len();
        let what = format!("the group `{name}`");
        if let Some(keys) = self.optional_map(&entry.value, &what) {
            for (key, entry) in keys {
                match key.as_str() {
                    "hosts" => group.hosts = self.hosts(entry),
                    "children" => group.children = self.children(entry),
                    "vars" => group.layer = self.layer(entry, "`vars`"),
                    _ => self.decoder.unknown_key(key, entry.key, &what, &GROUP_KEYS),
                }
            }
        }
        // Parents stand before the children that were found within them.
        self.groups.insert(at, group);
    }

    fn hosts(&mut self, entry: &Entry) -> Vec<(At<String>, Option<Arc<Layer>>)> {
        if let Kind::Text(name, _) = &entry.value.kind {
            return vec![(named(name, entry.value.span), None)];
        }
        let Some(hosts) = self.optional_map(&entry.value, "`hosts`") else { return Vec::new() };
        hosts
            .iter()
            .map(|(name, entry)| {
                let what = format!("the variables of host `{name}`");
                (named(name, entry.key), self.layer(entry, &what))
            })
            .collect()
    }

    fn children(&mut self, entry: &Entry) -> Vec<At<String>> {
        let Some(children) = self.optional_map(&entry.value, "`children`") else {
            return Vec::new();
        };
        for (name, entry) in children {
            self.group(name, entry);
        }
        children.iter().map(|(name, entry)| named(name, entry.key)).collect()
    }

    fn layer(&mut self, entry: &Entry, what: &str) -> Option<Arc<Layer>> {
        if matches!(entry.value.kind, Kind::Null) {
            return None;
        }
        let vars = Vars::decode(&entry.value, what, &mut self.decoder)?;
        (!vars.0.is_empty()).then(|| Arc::new(Layer::decode(vars, &mut self.decoder)))
    }

    fn optional_map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Map> {
        match &node.kind {
            Kind::Null => None,
            Kind::Map(map) => Some(map),
            _ => {
                let help = "write one `name:` per line, with the variables indented below";
                self.decoder.wrong_type(node, what, "a mapping", help);
                None
            }
        }
    }
}
