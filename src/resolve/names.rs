//! What names mean to a frame, and what to say about those that mean nothing.

use std::collections::BTreeSet;

use minijinja::value::{Value, ValueKind};

use super::advice::{function_advice, name_advice, parts_advice};
use super::error::ResolveError;
use super::frame::Frame;
use super::lazy::HostVars;
use super::shape::Shape;
use crate::load::decode::nearest;

/// The names that are always there; `item` within a loop.
const MAGIC: [&str; 7] =
    ["inventory_hostname", "groups", "group_names", "hostvars", "play_hosts", "run_id", "item"];

/// Those that only a host gives a value.
pub(super) const OF_HOSTS: [&str; 3] = ["inventory_hostname", "group_names", "play_hosts"];

/// Whether no task may give a result or a variable this name.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    MAGIC.contains(&name)
}

impl Frame {
    /// Whether a name is always there, as far as this frame has a host and an item.
    fn is_magic(&self, name: &str) -> bool {
        match name {
            "item" => self.item.is_some(),
            _ => MAGIC.contains(&name) && (self.scope.has_host || !OF_HOSTS.contains(&name)),
        }
    }

    /// The known name that most resembles another.
    pub(super) fn suggest(&self, name: &str) -> Option<String> {
        let count = self.layers().map(|layer| layer.vars.0.len()).sum();
        // Any two letters are alike.
        let is_long = |name: &str| name.chars().nth(1).is_some();
        if !is_long(name) || !self.scope.world.may_compare(count) {
            return None;
        }
        let names: BTreeSet<&str> = self
            .layers()
            .flat_map(|layer| layer.vars.0.keys().map(String::as_str))
            .chain(self.registered.keys().map(|name| &**name))
            .chain(self.pending.iter().map(|name| &**name))
            .chain(MAGIC.into_iter().filter(|name| self.is_magic(name)))
            .filter(|name| is_long(name))
            .collect();
        nearest(name, names).map(str::to_owned)
    }

    /// Whether a name means anything here, now or later.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.is_magic(name)
            || self.registered.contains_key(name)
            || self.pending.contains(name)
            || name == "item" && self.coming.is_some()
            || self.layers().any(|layer| layer.vars.0.contains_key(name))
    }

    /// Whether the language itself has a function of this name.
    pub(super) fn is_global(&self, name: &str) -> bool {
        self.scope.world.environment.globals().any(|(global, _)| global == name)
    }

    /// What is known of the value of a name that cannot be looked up yet; `None` for
    /// a name that nothing defines.
    pub(super) fn expected(&self, name: &str) -> Option<Shape> {
        let is_set = |name| self.layers().any(|layer| layer.vars.0.contains_key(name));
        if self.pending.contains(name) && !self.registered.contains_key(name) {
            return Some(Shape::Result);
        }
        if name == "item" && self.item.is_none() && !is_set(name) {
            return self.coming.clone();
        }
        let is_something = self.knows(name) || self.scope.is_incomplete || self.is_global(name);
        is_something.then_some(Shape::Any)
    }

    /// What to do about a name that nothing defines.
    pub(super) fn advice(&self, name: &str) -> String {
        let is_somewhere = self.scope.world.is_defined_somewhere(name);
        if let Some(advice) = name_advice(name).filter(|_| !is_somewhere) {
            return advice.to_owned();
        }
        if let Some(advice) = self.scope.advice {
            // No flag defines a name that has a meaning already.
            return match is_reserved(name) {
                true => advice.to_owned(),
                false => advice.replace("NAME", name),
            };
        }
        if let Some(told) = self.scope.left_out.get(name) {
            return told.clone();
        }
        if self.scope.registers.contains(name) {
            return format!(
                "a task registers `{name}`, but none that runs before this one: move that task up"
            );
        }
        if name == "item" {
            return "`item` is there in a task with `loop`: write what to loop over, or another name"
                .to_owned();
        }
        if is_somewhere {
            return format!(
                "other hosts of the inventory have it: define it for these too, or give a default: `{{{{ {name} | default('…') }}}}`"
            );
        }
        match self.suggest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it, or give a default: `{{{{ {name} | default('…') }}}}`"),
        }
    }

    /// What to say about a part that a value does not have.
    pub(super) fn lacks(&self, shown: &str, outer: &Value, part: &str) -> String {
        let inventory = &self.scope.world.inventory;
        if outer.downcast_object_ref::<HostVars>().is_some() {
            let near = nearest(part, inventory.hosts().map(|(name, _)| &**name));
            return match near {
                Some(near) => format!("did you mean `{shown}['{near}']`?"),
                None => "`sshoal inventory graph` shows the hosts".to_owned(),
            };
        }
        if let Some(other) = outer.downcast_object_ref::<Frame>() {
            return self.lacks_of_host(shown, other, part);
        }
        if outer.kind() == ValueKind::Map {
            return parts_advice(shown, outer, part);
        }
        match super::advice::method_advice(part) {
            Some(advice) if outer.kind() == ValueKind::String => advice,
            _ => parts_advice(shown, outer, part),
        }
    }

    /// What to say about a variable that `hostvars` does not have of a host.
    fn lacks_of_host(&self, shown: &str, other: &Self, part: &str) -> String {
        let is_result = self.scope.registers.contains(part) || self.pending.contains(part);
        if is_result || self.registered.contains_key(part) {
            return format!(
                "`hostvars` has what the inventory says of a host, and no results: `{part}` is known to the tasks of its own host"
            );
        }
        if self.scope.world.is_defined_somewhere(part) {
            return format!(
                "other hosts of the inventory have it, this one has not: define it for this one too, or give a default: `{{{{ {shown}.{part} | default('…') }}}}`"
            );
        }
        if self.knows(part) {
            return format!(
                "`hostvars` has what the inventory says of a host; `{part}` is defined in the play: write `{part}` alone, or define it in the inventory"
            );
        }
        let names: BTreeSet<&str> =
            other.layers().flat_map(|layer| layer.vars.0.keys().map(String::as_str)).collect();
        match nearest(part, names) {
            Some(near) => format!("did you mean `{shown}.{near}`?"),
            None => format!(
                "the inventory has no such variable for this host: define it, or give a default: `{{{{ {shown}.{part} | default('…') }}}}`"
            ),
        }
    }

    /// The error for a function that the language does not have.
    pub(super) fn unknown_function(&self, name: &str) -> ResolveError {
        let help = match function_advice(name) {
            Some(advice) => advice.to_owned(),
            None => {
                let environment = &self.scope.world.environment;
                let known: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
                match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "the functions are `{}`",
                        known.into_iter().collect::<Vec<_>>().join("`, `")
                    ),
                }
            }
        };
        ResolveError::UnknownFunction { name: name.to_owned(), help }
    }
}
