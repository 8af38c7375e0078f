//! INI inventories: `[group]`, `[group:vars]`, `[group:children]`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::section::{header, is_comment};
use super::{Known, RawGroup, RawHost, literal, named, range, take_priority, words};
use crate::load::decode::{Decoder, nearest};
use crate::load::error::LoadError;
use crate::load::layer::Layer;
use crate::load::node::{Entry, Map};
use crate::load::playbook::Vars;
use crate::load::source::Span;

/// What the lines below a header are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Children,
    Vars,
    /// What cannot be told, after an error that has been.
    Unknown,
}

/// A child that is not declared yet, and the groups that name it.
struct Pending {
    child: String,
    parents: Vec<(String, Span)>,
}

/// Reads a text. `known` has the groups of earlier sources.
pub(super) fn read(text: &str, whole: Span, known: &Known, decoder: &mut Decoder) -> Vec<RawGroup> {
    let mut reader = Reader {
        decoder,
        whole,
        groups: Vec::new(),
        declared: known.0.clone(),
        pending: Vec::new(),
        orphan_vars: Vec::new(),
        group: "ungrouped".to_owned(),
        section: Section::Hosts,
        vars: Map::new(),
    };
    let mut start = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let content = line.trim_start();
        let at = start + line.len() - content.len();
        reader.line(content.trim_end(), at);
        start += line.len();
    }
    reader.finish()
}

struct Reader<'r> {
    decoder: &'r mut Decoder,
    whole: Span,
    groups: Vec<RawGroup>,
    declared: BTreeSet<String>,
    pending: Vec<Pending>,
    /// Groups that so far have only variables.
    orphan_vars: Vec<(String, Span)>,
    group: String,
    section: Section,
    /// The variables of the section so far.
    vars: Map,
}

impl Reader<'_> {
    fn span(&self, start: usize, len: usize) -> Span {
        Span { start, len, ..self.whole }
    }

    fn wrong(&mut self, message: String, help: impl Into<String>, span: Span) {
        self.decoder.report(LoadError::Conflict { message, help: help.into() }, Some(span));
    }

    fn line(&mut self, line: &str, at: usize) {
        if is_comment(line) {
            return;
        }
        if let Some((group, kind)) = header(line) {
            return self.header(group, kind, at);
        }
        if line.starts_with('[') && line.ends_with(']') {
            let message = format!("`{line}` is not the header of a section");
            let help = "write `[group]`, `[group:vars]` or `[group:children]`, without blanks; \
                        an IPv6 address in brackets needs a port: `[::1]:22`";
            self.flush();
            self.section = Section::Unknown;
            return self.wrong(message, help, self.span(at, line.len()));
        }
        match self.section {
            Section::Hosts => self.host(line, at),
            Section::Children => self.child(line, at),
            Section::Vars => self.variable(line, at),
            Section::Unknown => {}
        }
    }

    fn header(&mut self, group: &str, kind: Option<&str>, at: usize) {
        self.flush();
        let span = self.span(at + 1, group.len());
        self.group = group.to_owned();
        self.section = match kind {
            None | Some("hosts") => Section::Hosts,
            Some("children") => Section::Children,
            Some("vars") => Section::Vars,
            Some(kind) => {
                let help = match nearest(kind, ["hosts", "children", "vars"]) {
                    Some(near) => format!("did you mean `[{group}:{near}]`?"),
                    None => "a section is `[group]`, `[group:vars]` or `[group:children]`".into(),
                };
                let place = self.span(at + 1 + group.len() + 1, kind.len());
                self.wrong(format!("a section cannot be of the type `{kind}`"), help, place);
                self.section = Section::Unknown;
                self.declared.insert(group.to_owned());
                return;
            }
        };
        let is_new = !self.declared.contains(group);
        if is_new {
            let waits = self.pending.iter().any(|pending| pending.child == group);
            if self.section == Section::Vars && !waits {
                self.orphan_vars.push((group.to_owned(), span));
            }
            self.declared.insert(group.to_owned());
        }
        self.groups.push(RawGroup::empty(group, Some(span)));
        if self.section == Section::Vars {
            return;
        }
        self.orphan_vars.retain(|(orphan, _)| orphan != group);
        if let Some(at) = self.pending.iter().position(|pending| pending.child == group) {
            for (parent, span) in self.pending.remove(at).parents {
                self.adopt(&parent, group, span);
            }
        }
    }

    fn adopt(&mut self, parent: &str, child: &str, span: Span) {
        let children = vec![named(child, Some(span))];
        self.groups.push(RawGroup { children, ..RawGroup::empty(parent, None) });
    }

    fn host(&mut self, line: &str, at: usize) {
        let words = match words::words(line) {
            Ok(words) => words,
            Err(error) => {
                let place = self.span(at + error.at, 1);
                let help = "close the quote, or put a `\\` before a quote that belongs to the text";
                return self.wrong(error.reason.to_owned(), help, place);
            }
        };
        let Some((name, rest)) = words.split_first() else { return };
        let place = self.span(at + name.start, name.end - name.start);
        let (names, port) = match range::expand(&name.text) {
            Ok(expanded) => expanded,
            Err(reason) => {
                let help = "a host is a name or an address, with ranges such as `web[01:50]` \
                            and a port such as `web:2222` where needed";
                let message = format!("the host `{}` cannot be read: {reason}", name.text);
                return self.wrong(message, help, place);
            }
        };
        if name.text.is_empty() || name.text == "---" {
            let message = format!("`{}` is not a host", name.text);
            let help = "a file that begins with `---` is YAML; give it a name that ends in `.yml`";
            return self.wrong(message, help, place);
        }
        let mut vars = Map::new();
        for word in rest {
            let place = self.span(at + word.start, word.end - word.start);
            let Some((key, value)) = word.text.split_once('=') else {
                let message = format!("this is not a variable of the host `{}`", name.text);
                let help = "write `name=value`; a value with blanks needs quotes: `name='a b'`";
                self.wrong(message, help, place);
                continue;
            };
            let (key_span, value_span) = self.pair(line, at, word, key);
            let value = literal::value(value, Some(value_span));
            vars.insert(key.to_owned(), Entry { key: Some(key_span), value });
        }
        let layer = self.layer(vars);
        let hosts = names.iter().map(|name| RawHost {
            name: named(name, Some(place)),
            port,
            layer: layer.clone(),
        });
        let hosts = hosts.collect();
        self.groups.push(RawGroup { hosts, ..RawGroup::empty(&self.group, None) });
    }

    /// Where name and value of a `name=value` word stand.
    fn pair(&self, line: &str, at: usize, word: &words::Word, key: &str) -> (Span, Span) {
        let written = &line[word.start..word.end];
        let start = at + word.start;
        let whole = self.span(start, written.len());
        match written.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')) {
            Some("") | None => (whole, whole),
            Some(value) => {
                let inner = ['"', '\''].iter().find_map(|quote| {
                    value.strip_prefix(*quote)?.strip_suffix(*quote).filter(|text| !text.is_empty())
                });
                let value_start = start + key.len() + 1 + usize::from(inner.is_some());
                let value = self.span(value_start, inner.unwrap_or(value).len());
                (self.span(start, key.len()), value)
            }
        }
    }

    fn layer(&mut self, vars: Map) -> Option<Arc<Layer>> {
        (!vars.is_empty()).then(|| Arc::new(Layer::decode(Vars(vars), self.decoder)))
    }

    fn variable(&mut self, line: &str, at: usize) {
        let Some((key, value)) = line.split_once('=') else {
            let message = format!("this is not a variable of the group `{}`", self.group);
            let help = "write `name=value`; hosts stand in a section of their own, such as `[web]`";
            return self.wrong(message, help, self.span(at, line.len()));
        };
        let start = at + line.len() - value.trim_start().len();
        let (key, value) = (key.trim_end(), value.trim());
        let key_span = self.span(at, key.len());
        let value_span = if value.is_empty() { key_span } else { self.span(start, value.len()) };
        let value = literal::value(value, Some(value_span));
        self.vars.insert(key.to_owned(), Entry { key: Some(key_span), value });
    }

    fn child(&mut self, line: &str, at: usize) {
        let name = line.split('#').next().unwrap_or_default().trim_end();
        let span = self.span(at, name.len());
        if name.is_empty() || name.contains([':', ']']) || name.contains(char::is_whitespace) {
            let message = format!("`{line}` is not the name of a group");
            let help = format!(
                "below `[{}:children]` stands one group per line, without variables",
                self.group
            );
            return self.wrong(message, help, self.span(at, line.len()));
        }
        if self.declared.contains(name) {
            let group = self.group.clone();
            return self.adopt(&group, name, span);
        }
        let parent = (self.group.clone(), span);
        match self.pending.iter_mut().find(|pending| pending.child == name) {
            Some(pending) => pending.parents.push(parent),
            None => self.pending.push(Pending { child: name.to_owned(), parents: vec![parent] }),
        }
    }

    /// Ends a section.
    fn flush(&mut self) {
        let vars = std::mem::take(&mut self.vars);
        if vars.is_empty() {
            return;
        }
        let mut vars = Vars(vars);
        let priority = take_priority(&mut vars, self.decoder);
        let layer = self.layer(vars.0);
        self.groups.push(RawGroup { layer, priority, ..RawGroup::empty(&self.group, None) });
    }

    fn finish(mut self) -> Vec<RawGroup> {
        self.flush();
        let declared = self.declared.clone();
        let advice = |name: &str, otherwise: String| {
            let others = declared.iter().map(String::as_str).filter(|other| *other != name);
            match nearest(name, others) {
                Some(near) => format!("did you mean `{near}`?"),
                None => otherwise,
            }
        };
        for (group, span) in std::mem::take(&mut self.orphan_vars) {
            let help = advice(&group, format!("add the section `[{group}]` with its hosts"));
            self.wrong(format!("there is no group `{group}` for these variables"), help, span);
        }
        for pending in std::mem::take(&mut self.pending) {
            for (_, span) in pending.parents {
                let child = &pending.child;
                let help = advice(child, format!("add the section `[{child}]` with its hosts"));
                self.wrong(format!("there is no group `{child}`"), help, span);
            }
        }
        self.groups
    }
}
