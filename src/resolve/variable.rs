//! Renders what stands behind a variable's name.

use std::sync::Arc;

use minijinja::value::{Serde, Value};

use super::convert::describe;
use super::error::ResolveError;
use super::frame::{Frame, poison};
use super::lazy::{LazyMap, softened};
use super::render::{Miss, between_braces};
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::is_template;
use crate::load::node::{Kind, Node};
use crate::load::playbook::is_variable_name;

/// How many variables may be rendered within each other. More is a mistake, and
/// would end in the stack's end.
const DEEPEST: usize = 40;

impl Frame {
    /// A variable's value, rendered in this frame. A mapping is rendered entry by
    /// entry, as they are read.
    pub(super) fn variable(self: &Arc<Self>, name: &str, node: &Node) -> Value {
        if let Some(tag) = unusable_tag(node) {
            let error = ResolveError::Tagged { name: name.to_owned(), tag: tag.to_owned() };
            return self.fail(Problem::new(error, node.span));
        }
        self.learn_named(name, node);
        let value = match &node.kind {
            _ if !has_template(node) => self.leaf(Value::from(Serde(node.to_json()))),
            Kind::Map(map) => Value::from_object(LazyMap::new(self, name, map)),
            _ => self.guarded(name, node),
        };
        if has_template(node) {
            self.learn_rendered(name, &value);
        }
        value
    }

    /// The error for a template whose value is of another type than is `expected`.
    pub(super) fn unfit(
        &self,
        text: &str,
        value: &Value,
        what: &str,
        expected: &str,
    ) -> ResolveError {
        let (what, expected) = (what.to_owned(), expected.to_owned());
        let variable = variable_alone(text).map(str::to_owned);
        let written = variable.as_deref().and_then(|name| self.number(name));
        match (variable, written) {
            (Some(variable), Some(number)) => {
                ResolveError::OutOfRange { what, expected, variable, number }
            }
            (variable, _) => {
                ResolveError::TemplateType { what, expected, found: describe(value), variable }
            }
        }
    }

    /// The number that a variable is, where it is written as one.
    fn number(&self, name: &str) -> Option<String> {
        let node = self.layers().find_map(|layer| layer.get(name))?;
        match &node.kind {
            Kind::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Renders a variable, unless it is being rendered already.
    fn guarded(self: &Arc<Self>, name: &str, node: &Node) -> Value {
        let entry = (Arc::clone(&self.scope.host), name.to_owned());
        let endless = {
            let mut state = self.state();
            let endless = endless(&state.stack, &entry);
            if endless.is_none() {
                state.stack.push(entry);
            }
            endless
        };
        if let Some(error) = endless {
            return self.fail(Problem::new(error, node.span));
        }
        let rendered = self.node(node);
        self.state().stack.pop();
        rendered.unwrap_or_else(|problems| match problems {
            // One is enough to tell that the variable cannot be used.
            Some(problems) => {
                // A list is there, whatever its items are.
                self.state().is_firm = matches!(node.kind, Kind::List(_));
                problems.into_iter().next().map_or(Value::UNDEFINED, |it| self.fail(it))
            }
            None => poison("not known yet"),
        })
    }

    /// A value that may miss, or parts of which may: whose template fails only because
    /// something in it is undefined is not there itself.
    pub(super) fn soft(
        self: &Arc<Self>,
        has_soft_parts: bool,
        look: impl FnOnce() -> Option<Value>,
    ) -> Option<Value> {
        if self.state().failure.is_some() {
            return look();
        }
        let value = look()?;
        let mut state = self.state();
        let is_missing =
            state.failure.as_ref().is_some_and(|it| it.code() == ResolveError::UNDEFINED);
        if is_missing && !state.is_firm {
            state.failure = None;
            return None;
        }
        drop(state);
        Some(if has_soft_parts { softened(value) } else { value })
    }

    /// Keeps the innermost error, and poisons the value so that rendering stops.
    fn fail(&self, problem: Problem) -> Value {
        self.state().failure.get_or_insert(problem);
        poison("a variable cannot be rendered")
    }

    /// The value of a node with its templates rendered; `Err(None)` when it is
    /// pending, which the state then tells.
    pub(super) fn node(self: &Arc<Self>, node: &Node) -> Result<Value, Option<Vec<Problem>>> {
        match &node.kind {
            Kind::Text(text, _) if is_template(text) => match self.evaluate(text, node.span) {
                Ok(value) => Ok(value),
                Err(Miss::Pending(pending)) => {
                    self.state().pending.get_or_insert(pending);
                    Err(None)
                }
                Err(Miss::Problems(problems)) => Err(Some(problems)),
            },
            Kind::List(items) => {
                let items: Result<Vec<Value>, _> =
                    items.iter().map(|item| self.node(item)).collect();
                items.map(Value::from)
            }
            Kind::Map(map) => {
                let pairs = map.iter().map(|(key, entry)| {
                    self.node(&entry.value).map(|value| (Value::from(key.as_str()), value))
                });
                pairs.collect::<Result<Vec<_>, _>>().map(Value::from_pairs)
            }
            _ => Ok(self.leaf(Value::from(Serde(node.to_json())))),
        }
    }
}

/// The variable whose value a template is, where it does nothing with it.
fn variable_alone(text: &str) -> Option<&str> {
    const LITERALS: [&str; 6] = ["true", "True", "false", "False", "none", "None"];
    let name = between_braces(text.trim_end())?.trim();
    (is_variable_name(name) && !LITERALS.contains(&name)).then_some(name)
}

/// What keeps a variable from being rendered within those of `stack`.
fn endless(stack: &[(HostName, String)], entry: &(HostName, String)) -> Option<ResolveError> {
    let name = entry.1.clone();
    if let Some(at) = stack.iter().position(|outer| outer == entry) {
        let names = stack[at..].iter().chain([entry]).map(|(_, name)| &**name);
        let path = names.collect::<Vec<_>>().join(" → ");
        return Some(ResolveError::Recursion { name, path });
    }
    if stack.len() < DEEPEST {
        return None;
    }
    let [(_, first), .., (_, last)] = stack else { return None };
    let path = format!("{first} → … → {last} → {name}");
    Some(ResolveError::TooDeep { name, depth: stack.len() + 1, path })
}

fn has_template(node: &Node) -> bool {
    match &node.kind {
        Kind::Text(text, _) => is_template(text),
        Kind::List(items) => items.iter().any(has_template),
        Kind::Map(map) => map.values().any(|entry| has_template(&entry.value)),
        _ => false,
    }
}

/// The tag of a value that means something else than what it holds. Ansible's
/// `!unsafe` says that the text is no template, which tagged values never are.
fn unusable_tag(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Tagged(tag, _) if tag.trim_start_matches('!') != "unsafe" => Some(tag),
        _ => None,
    }
}
