//! YAML inventories, and those in JSON that are written like them.

use std::sync::Arc;

use super::{RawGroup, RawHost, RawInventory, named, range, section, take_priority};
use crate::diagnostic::Problem;
use crate::load::decode::{At, Decode, Decoder};
use crate::load::document::{Format, document};
use crate::load::error::LoadError;
use crate::load::layer::Layer;
use crate::load::node::{Entry, Kind, Map, Node};
use crate::load::place::Scalars;
use crate::load::playbook::Vars;
use crate::load::source::{FileId, Sources, Span};
use crate::load::warning::LoadWarning;

const GROUP_KEYS: [&str; 3] = ["hosts", "children", "vars"];

/// Whether a text is YAML (or JSON) rather than INI. Its name tells; where it does
/// not, a text that is a mapping is YAML.
pub(super) fn claims(sources: &Sources, file: FileId) -> bool {
    let source = sources.get(file);
    if begins_as_ini(&source.text) {
        return false;
    }
    if [".yml", ".yaml", ".json"].iter().any(|ending| source.name.ends_with(ending)) {
        return true;
    }
    if source.name.ends_with(".ini") {
        return false;
    }
    match document(sources, file, Format::Yaml(Scalars::Ansible)) {
        Ok(node) => matches!(node.kind, Kind::Map(_)),
        // A text with an error is what it looks like.
        Err(_) => {
            let first = first_line(&source.text);
            first == "---" || first.starts_with('{') || first.ends_with(':')
        }
    }
}

/// Whether the first line is the header of a section, and no list of JSON.
pub(super) fn begins_as_ini(text: &str) -> bool {
    let first = first_line(text);
    section::is_section(first) && !first.contains(['"', '\'', '{', ','])
}

/// The first line that says something.
fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !section::is_comment(line)).unwrap_or_default()
}

/// Reads one inventory file.
pub(super) fn parse(sources: &Sources, file: FileId) -> Result<RawInventory, Vec<Problem>> {
    let source = sources.get(file);
    let whole = Span::whole(file);
    let format = match source.name.ends_with(".json") {
        true => Format::Json,
        false => Format::Yaml(Scalars::Ansible),
    };
    let node = document(sources, file, format)?;
    let decoder = Decoder::new(true, Some(whole));
    let mut reader = Reader { decoder, groups: Vec::new(), sources };
    match &node.kind {
        Kind::Map(map) => match map.get("plugin") {
            Some(Entry { key, value: Node { kind: Kind::Text(..), .. } }) => {
                reader.plugin(*key);
            }
            _ => map.iter().for_each(|(name, entry)| reader.group(name, entry)),
        },
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

struct Reader<'s> {
    sources: &'s Sources,
    decoder: Decoder,
    groups: Vec<RawGroup>,
}

impl Reader<'_> {
    fn plugin(&mut self, key: Option<Span>) {
        let message = "this is the configuration of an Ansible plugin, not an inventory";
        let help = "let Ansible ask the plugin, and use what it answers: \
                    `ansible-inventory -i FILE --list` in an executable script";
        let error = LoadError::Conflict { message: message.to_owned(), help: help.to_owned() };
        self.decoder.report(error, key);
    }

    /// What is said of a group, in the order written: who comes first counts.
    fn group(&mut self, name: &str, entry: &Entry) {
        self.groups.push(RawGroup::empty(name, entry.key));
        let what = format!("the group `{name}`");
        let Some(keys) = self.optional_map(&entry.value, &what) else { return };
        for (key, entry) in keys {
            match key.as_str() {
                "hosts" => self.hosts(name, entry),
                "children" => self.children(name, entry),
                "vars" => self.vars(name, entry),
                _ => self.pass_over(key, entry.key, &what),
            }
        }
    }

    /// As Ansible, which says so too.
    fn pass_over(&self, key: &str, span: Option<Span>, within: &str) {
        let help = Decoder::instead_of(key, within, &GROUP_KEYS);
        let (key, within) = (key.to_owned(), within.to_owned());
        let warning = LoadWarning::UnknownKey { key, within, help };
        self.sources.warn(Problem::new(warning, span));
    }

    fn hosts(&mut self, group: &str, entry: &Entry) {
        let mut hosts = Vec::new();
        match &entry.value.kind {
            Kind::Text(name, _) => self.host(name, entry.value.span, None, &mut hosts),
            _ => {
                let map = self.optional_map(&entry.value, "`hosts`");
                for (name, entry) in map.into_iter().flatten() {
                    let what = format!("the variables of host `{name}`");
                    let layer = self.layer(entry, &what).map(Arc::new);
                    self.host(name, entry.key, layer, &mut hosts);
                }
            }
        }
        self.groups.push(RawGroup { hosts, ..RawGroup::empty(group, None) });
    }

    fn host(
        &mut self,
        written: &str,
        place: Option<Span>,
        layer: Option<Arc<Layer>>,
        hosts: &mut Vec<RawHost>,
    ) {
        match range::expand(written) {
            Ok((names, port)) => hosts.extend(names.iter().map(|name| RawHost {
                name: named(name, place),
                port,
                layer: layer.clone(),
            })),
            Err(reason) => {
                let message = format!("the host `{written}` cannot be read: {reason}");
                let help = "a host is a name or an address, with ranges such as `web[01:50]` \
                            and a port such as `web:2222` where needed"
                    .to_owned();
                self.decoder.report(LoadError::Conflict { message, help }, place);
            }
        }
    }

    fn children(&mut self, group: &str, entry: &Entry) {
        let adopt = |reader: &mut Self, child: At<String>| {
            let children = vec![child];
            reader.groups.push(RawGroup { children, ..RawGroup::empty(group, None) });
        };
        if let Kind::Text(name, _) = &entry.value.kind {
            self.groups.push(RawGroup::empty(name, entry.value.span));
            adopt(self, named(name, entry.value.span));
            return;
        }
        let children = self.optional_map(&entry.value, "`children`");
        for (name, entry) in children.into_iter().flatten() {
            self.group(name, entry);
            adopt(self, named(name, entry.key));
        }
    }

    fn vars(&mut self, group: &str, entry: &Entry) {
        let Some(mut vars) = self.variables(entry, "`vars`") else { return };
        let priority = take_priority(&mut vars, &mut self.decoder);
        let layer = Some(Arc::new(Layer::decode(vars, &mut self.decoder)));
        self.groups.push(RawGroup { layer, priority, ..RawGroup::empty(group, None) });
    }

    fn layer(&mut self, entry: &Entry, what: &str) -> Option<Layer> {
        let vars = self.variables(entry, what)?;
        Some(Layer::decode(vars, &mut self.decoder))
    }

    fn variables(&mut self, entry: &Entry, what: &str) -> Option<Vars> {
        if matches!(entry.value.kind, Kind::Null) {
            return None;
        }
        let vars = Vars::decode(&entry.value, what, &mut self.decoder)?;
        (!vars.0.is_empty()).then_some(vars)
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
