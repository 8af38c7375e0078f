//! `sshoal inventory`: the inventory as Ansible's own tool shows it.
//!
//! What is printed is what the files say. Nothing is rendered, and no secret is
//! read that does not stand in them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize as _;
use serde_json::{Map, Value, json};

use super::prepare::Prepared;
use super::print;
use crate::config::{InventoryConfig, InventoryView};
use crate::diagnostic::{Problem, Problems};
use crate::event::HostName;
use crate::exit_code::ExitCode;
use crate::load::layer::Layer;
use crate::load::node::{Entry, Kind, Node};
use crate::load::source::Sources;
use crate::resolve::ResolveError;
use crate::resolve::inventory::{ALL, Host, Inventory};
use crate::resolve::pattern;

/// Ansible's names for a value that it marks.
const VAULT: &str = "__ansible_vault";
const UNSAFE: &str = "__ansible_unsafe";
/// How Ansible calls the way in which it writes values.
const PROFILE: &str = "inventory_legacy";

/// Shows the inventory.
pub(super) fn show(
    sources: &Arc<Sources>,
    config: &InventoryConfig,
    view: &InventoryView,
) -> Result<ExitCode, Problems> {
    if config.sources.is_empty() {
        let error = crate::plan::PlanError::InventoryNeeded;
        return Err(Problems::collect([Problem::new(error, None)]));
    }
    let prepared = Prepared::inventory(sources, config)?;
    let here = std::path::absolute(".").unwrap_or_else(|_| Path::new(".").to_owned());
    let inventory = super::collected(prepared.inventory_beside(&here))?;
    let extra = &prepared.world().extra;
    let shown = match view {
        InventoryView::List => {
            let hosts: HashSet<HostName> = prepared.select(ALL)?.into_iter().collect();
            pretty(&list(&inventory, &hosts, extra))
        }
        InventoryView::Graph { group } => graph(&inventory, group).map_err(Problems::collect)?,
        InventoryView::Host { name, origins } => {
            let (_, host) = inventory.host(name).ok_or_else(|| {
                Problems::collect([Problem::new(pattern::unknown_host(&inventory, name), None)])
            })?;
            match origins {
                false => pretty(&Value::Object(variables(host, extra))),
                true => pretty(&origins_of(host, extra, sources)),
            }
        }
    };
    super::draw(&Problems::collect(sources.warnings()), sources);
    print(&shown);
    Ok(ExitCode::Success)
}

fn list(inventory: &Inventory, hosts: &HashSet<HostName>, extra: &[Arc<Layer>]) -> Value {
    let mut shown = Map::new();
    for (name, group) in inventory.groups() {
        let mut parts = Map::new();
        let own = group.own_hosts().filter(|host| hosts.contains(*host));
        let own: Vec<Value> = own.map(|host| json!(&**host)).collect();
        if !own.is_empty() && &**name != ALL {
            parts.insert("hosts".to_owned(), own.into());
        }
        let children: Vec<Value> = group.child_groups().map(|child| json!(&**child)).collect();
        if !children.is_empty() {
            parts.insert("children".to_owned(), children.into());
        }
        if !parts.is_empty() {
            shown.insert(name.to_string(), parts.into());
        }
    }
    let hostvars: Map<String, Value> = inventory
        .hosts()
        .filter(|(name, _)| hosts.contains(*name))
        .map(|(name, host)| (name.to_string(), variables(host, extra)))
        .filter(|(_, variables)| !variables.is_empty())
        .map(|(name, variables)| (name, variables.into()))
        .collect();
    shown.insert("_meta".to_owned(), json!({ "hostvars": hostvars, "profile": PROFILE }));
    shown.into()
}

/// The variable of each name that wins.
fn winners<'l>(host: &'l Host, extra: &'l [Arc<Layer>]) -> BTreeMap<&'l str, &'l Entry> {
    let layers = host.layers.iter().chain(extra);
    let entries = layers.flat_map(|layer| &layer.vars.0);
    entries.map(|(name, entry)| (name.as_str(), entry)).collect()
}

fn variables(host: &Host, extra: &[Arc<Layer>]) -> Map<String, Value> {
    let winners = winners(host, extra).into_iter();
    winners.map(|(name, entry)| (name.to_owned(), written(&entry.value))).collect()
}

fn origins_of(host: &Host, extra: &[Arc<Layer>], sources: &Sources) -> Value {
    let origin = |entry: &Entry| {
        let span = entry.key.or(entry.value.span)?;
        let source = sources.get(span.file);
        let line = source.text.get(..span.start)?.matches('\n').count() + 1;
        Some(format!("{}:{line}", source.name))
    };
    let shown = winners(host, extra).into_iter().map(|(name, entry)| {
        let value = json!({ "value": written(&entry.value), "origin": origin(entry) });
        (name.to_owned(), value)
    });
    Value::Object(shown.collect())
}

/// A value as Ansible prints it.
fn written(node: &Node) -> Value {
    match &node.kind {
        Kind::Tagged(tag, inner) => match tag.trim_start_matches('!') {
            "vault" | "vault-encrypted" => json!({ VAULT: written(inner) }),
            "unsafe" => json!({ UNSAFE: written(inner) }),
            _ => written(inner),
        },
        Kind::List(items) => items.iter().map(written).collect(),
        Kind::Map(map) => Value::Object(
            map.iter().map(|(key, entry)| (key.clone(), written(&entry.value))).collect(),
        ),
        _ => node.to_json(),
    }
}

fn graph(inventory: &Inventory, group: &str) -> Result<String, Vec<Problem>> {
    if inventory.group(group).is_none() {
        let help = pattern::group_advice(inventory, group);
        let error = ResolveError::UnknownGroup { name: group.to_owned(), help };
        return Err(vec![Problem::new(error, None)]);
    }
    let mut shown = String::new();
    // What is still to be drawn, the next one last.
    let mut left = vec![(true, group, 0)];
    while let Some((is_group, name, depth)) = left.pop() {
        let lead = match depth {
            0 => String::new(),
            depth => format!("{}--", "  |".repeat(depth)),
        };
        if !is_group {
            shown.push_str(&format!("{lead}{name}\n"));
            continue;
        }
        shown.push_str(&format!("{lead}@{name}:\n"));
        let Some(group) = inventory.group(name) else { continue };
        let children = group.child_groups().map(|child| (true, &**child, depth + 1));
        let hosts = group.own_hosts().filter(|_| name != ALL);
        let below: Vec<_> = children.chain(hosts.map(|host| (false, &**host, depth + 1))).collect();
        left.extend(below.into_iter().rev());
    }
    Ok(shown)
}

/// JSON with sorted keys and Ansible's indentation.
fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    sorted(value).serialize(&mut serializer).expect("JSON can be written to memory");
    out.push(b'\n');
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries: BTreeMap<&String, Value> =
                map.iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.into_iter().map(|(key, value)| (key.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
