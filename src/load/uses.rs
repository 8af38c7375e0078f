//! The names that a text may look up, whatever kind of file it is.

use std::collections::BTreeSet;

use super::Scalars;
use super::decode::is_template;
use super::document::{Format, document};
use super::node::{Kind, Node};
use super::source::{FileId, Sources};

/// The keys whose texts are expressions without braces.
const CONDITIONS: [&str; 4] = ["when", "until", "changed_when", "failed_when"];

/// What may use names, gathered from files.
pub struct Uses<'u> {
    /// The names of an expression.
    pub expression: &'u dyn Fn(&str) -> BTreeSet<String>,
    /// The names of a template.
    pub template: &'u dyn Fn(&str) -> BTreeSet<String>,
    /// Every name found so far.
    pub names: BTreeSet<String>,
}

impl Uses<'_> {
    /// Adds what a file uses. Where it is no YAML or JSON, every word of a line with a
    /// template counts.
    pub fn add(&mut self, sources: &Sources, file: FileId) {
        let source = sources.get(file);
        let format = match source.name.ends_with(".json") {
            true => Format::Json,
            false => Format::Yaml(Scalars::Core),
        };
        match document(sources, file, format) {
            Ok(node) => self.node(&node, false),
            Err(_) => {
                let lines = source.text.lines().filter(|line| is_template(line));
                lines.for_each(|line| self.words(line));
            }
        }
    }

    fn node(&mut self, node: &Node, is_condition: bool) {
        match &node.kind {
            Kind::Map(map) => {
                for (key, entry) in map {
                    self.node(&entry.value, CONDITIONS.contains(&key.as_str()));
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.node(item, is_condition)),
            Kind::Tagged(_, inner) => self.node(inner, is_condition),
            Kind::Text(text, _) => self.text(text, is_condition),
            _ => {}
        }
    }

    /// Adds what a text uses: a template, or an expression where one is meant.
    pub fn text(&mut self, text: &str, is_condition: bool) {
        let is_template = is_template(text);
        if !is_condition && !is_template {
            return;
        }
        // What is looked up in another host's variables is a text or an attribute.
        if text.contains("hostvars") {
            self.words(text);
        }
        if is_condition {
            self.names.extend((self.expression)(text));
        }
        if is_template {
            self.names.extend((self.template)(text));
        }
    }

    fn words(&mut self, text: &str) {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        self.names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }
}
