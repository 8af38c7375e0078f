//! Secrets that nothing tells but the names of the variables that hold them.

use minijinja::value::{Value, ValueKind};

use super::texts::texts;
use crate::diagnostic::{holds_a_secret, is_no_secret};
use crate::load::node::{Kind, Node};
use crate::resolve::frame::Frame;
use crate::secret::Secret;

impl Frame {
    /// Learns the secrets of a variable that is about to be used: what stands under a
    /// name such as `db_password`, as far as it is no template.
    pub(in crate::resolve) fn learn_named(&self, name: &str, node: &Node) {
        match &node.kind {
            Kind::Map(map) => {
                map.iter().for_each(|(key, entry)| self.learn_named(key, &entry.value));
            }
            Kind::List(items) => items.iter().for_each(|item| self.learn_named(name, item)),
            Kind::Text(text, _) if !crate::load::decode::is_template(text) => {
                self.learn_text(name, text);
            }
            Kind::Number(number) => self.learn_text(name, &number.value().to_string()),
            _ => {}
        }
    }

    /// Learns what a template under such a name gave.
    pub(in crate::resolve) fn learn_rendered(&self, name: &str, value: &Value) {
        let is_text = [ValueKind::String, ValueKind::Number].contains(&value.kind());
        // What stands in for a secret is none.
        if is_text && !self.is_unread() && self.state().trace.stand_ins.is_none() {
            texts(value, &mut |text| self.learn_text(name, text));
        }
    }

    fn learn_text(&self, name: &str, text: &str) {
        let own = name.rsplit('.').next().unwrap_or(name);
        if holds_a_secret(own) && !is_no_secret(text) {
            self.scope.world.secrets.learn(&Secret::new(text));
        }
    }
}
