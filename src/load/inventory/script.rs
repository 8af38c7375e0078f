//! Inventories that an executable prints: `--list`, and `--host NAME` where the
//! list has no variables of hosts.

mod process;

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use process::Script;

use super::{RawGroup, RawHost, RawInventory, named, take_priority};
use crate::diagnostic::Problem;
use crate::load::decode::{At, Decode, Decoder};
use crate::load::layer::Layer;
use crate::load::node::{Entry, Kind, Map, Node};
use crate::load::playbook::Vars;
use crate::load::source::{Sources, Span};

/// How long a script may take, all of its calls together.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether the file is a program: executable, and a script or no text at all. An
/// inventory that merely has the bit, from some other file system, stays a text.
pub(in crate::load) fn is_script(path: &Path) -> bool {
    let is_executable = std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    is_executable && {
        let mut head = [0; 4];
        let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head));
        read.is_ok_and(|len| head[..len].starts_with(b"#!") || head[..len] == *b"\x7fELF")
    }
}

/// Runs the script and reads what it prints.
pub(in crate::load) fn read(sources: &Sources, path: &Path) -> Result<RawInventory, Vec<Problem>> {
    read_within(sources, path, DEADLINE)
}

fn read_within(
    sources: &Sources,
    path: &Path,
    limit: Duration,
) -> Result<RawInventory, Vec<Problem>> {
    let script = Script::new(path, limit);
    let (file, node) = script.call(sources, &["--list"])?;
    let mut reader = Reader {
        decoder: Decoder::new(true, Some(Span::whole(file))),
        groups: Vec::new(),
        hosts: Vec::new(),
    };
    let meta = reader.list(&node);
    let problems = std::mem::take(&mut reader.decoder).finish();
    if !problems.is_empty() {
        return Err(problems);
    }
    let hosts = std::mem::take(&mut reader.hosts);
    for host in hosts {
        let layer = match &meta {
            Some(vars) => match vars.get(&host) {
                Some(entry) => reader.layer(&host, entry),
                None => None,
            },
            None => {
                let (file, node) = script.call(sources, &["--host", &host])?;
                reader.decoder = Decoder::new(true, Some(Span::whole(file)));
                let layer = reader.layer(&host, &Entry { key: None, value: node });
                let problems = std::mem::take(&mut reader.decoder).finish();
                if !problems.is_empty() {
                    return Err(problems);
                }
                layer
            }
        };
        if layer.is_some() {
            let hosts = vec![RawHost { name: named(&host, None), port: None, layer }];
            // Its groups have it already; this only adds variables.
            reader.groups.push(RawGroup { hosts, ..RawGroup::empty("all", None) });
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
    /// Every host once, in order.
    hosts: Vec<String>,
}

impl Reader {
    /// Reads the groups, and returns the variables of hosts where there are any.
    fn list(&mut self, node: &Node) -> Option<Map> {
        let map = self.decoder.map(node, "what the script prints")?.clone();
        let mut meta = None;
        for (name, entry) in &map {
            if name != "_meta" {
                self.group(name, entry);
                continue;
            }
            let Some(vars) = self.decoder.map(&entry.value, "`_meta`") else { continue };
            if let Some(hostvars) = vars.get("hostvars") {
                meta = self.decoder.map(&hostvars.value, "`hostvars`").cloned();
            }
        }
        let mut seen = std::collections::HashSet::new();
        self.hosts.retain(|host| seen.insert(host.clone()));
        meta
    }

    fn group(&mut self, name: &str, entry: &Entry) {
        self.groups.push(RawGroup::empty(name, entry.key));
        let map = match &entry.value.kind {
            Kind::List(_) => return self.members(name, &entry.value),
            _ => match self.decoder.map(&entry.value, &format!("the group `{name}`")) {
                Some(map) => map.clone(),
                None => return,
            },
        };
        let known = ["hosts", "vars", "children"];
        if !map.is_empty() && !known.iter().any(|key| map.contains_key(*key)) {
            let help =
                "a group is a list of hosts, or an object with `hosts`, `vars` or `children`";
            self.decoder.wrong_type(&entry.value, &format!("the group `{name}`"), "a group", help);
            return;
        }
        if let Some(hosts) = map.get("hosts") {
            self.members(name, &hosts.value);
        }
        if let Some(vars) = map.get("vars")
            && let Some(mut vars) = Vars::decode(&vars.value, "`vars`", &mut self.decoder)
        {
            let priority = take_priority(&mut vars, &mut self.decoder);
            let layer = Some(Arc::new(Layer::decode(vars, &mut self.decoder)));
            self.groups.push(RawGroup { layer, priority, ..RawGroup::empty(name, None) });
        }
        for child in map
            .get("children")
            .map(|entry| self.names(&entry.value, "`children`"))
            .into_iter()
            .flatten()
        {
            self.groups.push(RawGroup::empty(&child, None));
            let children = vec![named(&child, None)];
            self.groups.push(RawGroup { children, ..RawGroup::empty(name, None) });
        }
    }

    fn members(&mut self, group: &str, node: &Node) {
        let names = self.names(node, "`hosts`");
        let host = |name: &String| RawHost { name: named(name, None), port: None, layer: None };
        let hosts = names.iter().map(host).collect();
        self.groups.push(RawGroup { hosts, ..RawGroup::empty(group, None) });
        self.hosts.extend(names);
    }

    fn names(&mut self, node: &Node, what: &str) -> Vec<String> {
        match &node.kind {
            Kind::Null => Vec::new(),
            _ => {
                let names = Vec::<At<String>>::decode(node, what, &mut self.decoder);
                names.unwrap_or_default().into_iter().map(|at| at.value).collect()
            }
        }
    }

    fn layer(&mut self, host: &str, entry: &Entry) -> Option<Arc<Layer>> {
        if matches!(entry.value.kind, Kind::Null) {
            return None;
        }
        let what = format!("the variables of host `{host}`");
        let vars = Vars::decode(&entry.value, &what, &mut self.decoder)?;
        (!vars.0.is_empty()).then(|| Arc::new(Layer::decode(vars, &mut self.decoder)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn complaints(text: &str, limit: Duration) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(is_script(&path));
        let sources = Sources::default();
        let problems = read_within(&sources, &path, limit).map(|_| ()).unwrap_err();
        problems.iter().map(|problem| problem.one_line(&sources)).collect()
    }

    #[test]
    fn a_script_that_does_not_end_is_ended_with_its_children() {
        let started = Instant::now();
        let text = "#!/bin/sh\necho waiting >&2\nsleep 97 &\nsleep 97\n";
        let said = complaints(text, Duration::from_millis(500)).join("\n");
        assert!(said.contains("did not end within 500ms"), "{said}");
        // Its child, too, would have kept the pipes open.
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_script_that_fails_is_quoted() {
        let limit = Duration::from_secs(60);
        let said = complaints("#!/bin/sh\necho '{'\necho why >&2\nexit 3\n", limit).join("\n");
        assert!(said.contains("failed: exit status: 3"), "{said}");
        let said = complaints("#!/bin/sh\necho no json\n", limit).join("\n");
        assert!(said.contains("is not JSON"), "{said}");
        let said = complaints("#!/bin/sh\necho '{\"web\": {\"hosts\": 5}}'\n", limit).join("\n");
        assert!(said.contains("`hosts` must be a list"), "{said}");
        let said = complaints("#!/nowhere/at/all\n", limit).join("\n");
        assert!(said.contains("cannot be started"), "{said}");
    }
}
