//! One rendering: a host's scope and what the task adds, as templates see them.
//!
//! Variables are rendered when they are used, with what stands around the use; so
//! an unused one does no harm. A name that a task of the run will register is
//! known but not yet there: a template that touches it is *pending*, not wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use minijinja::value::{Enumerator, Object, Serde, Value};
use minijinja::{Error, ErrorKind};

use super::engine::FRAME;
use super::error::ResolveError;
use super::lazy::{HostVars, LazyMap};
use super::render::{Miss, Pending};
use super::scope::Scope;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::{is_template, nearest};
use crate::load::layer::Layer;
use crate::load::node::{Kind, Node};
use crate::load::source::FileId;

/// How many variables may be rendered within each other. More is a mistake, and
/// would end in the stack's end.
const DEEPEST: usize = 24;

/// What templates see: looking a name up in it renders the variable behind it.
pub struct Frame {
    pub(super) scope: Arc<Scope>,
    /// The task's own variables.
    task: Option<Arc<Layer>>,
    item: Option<Value>,
    /// Names that an earlier task registers, without a result so far.
    pub(super) pending: Arc<BTreeSet<Arc<str>>>,
    /// Names that may turn out to be there once pending ones are known.
    maybe: BTreeSet<String>,
    /// Results so far, by name.
    registered: Arc<BTreeMap<Arc<str>, Value>>,
    state: SharedState,
}

/// What frames that look into each other have in common.
pub(super) type SharedState = Arc<Mutex<State>>;

/// What goes on while a template is rendered.
#[derive(Default)]
pub(super) struct State {
    /// The variables being rendered, outermost first.
    stack: Vec<(HostName, String)>,
    /// The texts being rendered, outermost first.
    files: Vec<Option<FileId>>,
    pending: Option<Pending>,
    failure: Option<Problem>,
}

impl Frame {
    /// What a task of a host sees.
    #[must_use]
    pub fn new(
        scope: Arc<Scope>,
        task: Option<Arc<Layer>>,
        pending: Arc<BTreeSet<Arc<str>>>,
        registered: BTreeMap<Arc<str>, Value>,
    ) -> Arc<Self> {
        Arc::new(Self {
            scope,
            task,
            item: None,
            pending,
            maybe: BTreeSet::new(),
            registered: Arc::new(registered),
            state: SharedState::default(),
        })
    }

    /// What a scope alone offers.
    #[must_use]
    pub fn of_scope(scope: Scope) -> Arc<Self> {
        Self::new(Arc::new(scope), None, Arc::default(), BTreeMap::new())
    }

    /// A scope alone, looked into by another frame.
    pub(super) fn foreign(scope: Scope, state: SharedState) -> Arc<Self> {
        let mut frame = Self::of_scope(scope).copy();
        frame.state = state;
        Arc::new(frame)
    }

    fn copy(&self) -> Self {
        Self {
            scope: Arc::clone(&self.scope),
            task: self.task.clone(),
            item: self.item.clone(),
            pending: Arc::clone(&self.pending),
            maybe: self.maybe.clone(),
            registered: Arc::clone(&self.registered),
            // Values that render when they are read report to where they come from.
            state: Arc::clone(&self.state),
        }
    }

    /// The same frame for one item of a loop.
    #[must_use]
    pub fn with_item(&self, item: Value) -> Arc<Self> {
        Arc::new(Self { item: Some(item), ..self.copy() })
    }

    /// The same frame, in which names that are not defined may yet turn out to be.
    #[must_use]
    pub fn with_maybe(&self, names: impl IntoIterator<Item = String>) -> Arc<Self> {
        let mut frame = self.copy();
        frame.maybe.extend(names);
        Arc::new(frame)
    }

    /// Whether a name is one of those that may turn out to be there.
    #[must_use]
    pub fn is_maybe(&self, name: &str) -> bool {
        self.maybe.contains(name)
    }

    /// The scope that it looks into.
    #[must_use]
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// A path as the text means it that is being rendered.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        let file = self.state().files.last().copied().flatten();
        self.scope.world.path(path, file)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Notes which text is being rendered while `render` runs.
    pub(super) fn within<T>(&self, file: Option<FileId>, render: impl FnOnce() -> T) -> T {
        self.state().files.push(file);
        let result = render();
        self.state().files.pop();
        result
    }

    /// Takes what lookups reported since the last call: a name that is not known
    /// yet, or an error within a variable.
    pub(super) fn take_reports(&self) -> (Option<Pending>, Option<Problem>) {
        let mut state = self.state();
        (state.pending.take(), state.failure.take())
    }

    fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.task.iter().chain(self.scope.downwards())
    }

    /// The known name that most resembles another.
    pub(super) fn suggest(&self, name: &str) -> Option<String> {
        let names: BTreeSet<&str> = self
            .layers()
            .flat_map(|layer| layer.vars.0.keys().map(String::as_str))
            .chain(self.registered.keys().map(|name| &**name))
            .chain(self.pending.iter().map(|name| &**name))
            .chain(MAGIC.into_iter().filter(|name| *name != "item" || self.item.is_some()))
            .collect();
        nearest(name, names).map(str::to_owned)
    }

    /// Whether a name means anything here, now or later.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        MAGIC.contains(&name) && (name != "item" || self.item.is_some())
            || self.registered.contains_key(name)
            || self.pending.contains(name)
            || self.maybe.contains(name)
            || self.layers().any(|layer| layer.vars.0.contains_key(name))
    }

    pub(super) fn lookup(self: &Arc<Self>, name: &str) -> Option<Value> {
        let world = &self.scope.world;
        match name {
            "item" if self.item.is_some() => return self.item.clone(),
            "inventory_hostname" => return Some(Value::from(&*self.scope.host)),
            "groups" => return Some(world.groups.clone()),
            "group_names" => {
                let host = world.inventory.host(&self.scope.host);
                let groups = host.map(|(_, host)| host.groups.as_slice()).unwrap_or_default();
                let mut names: Vec<String> = groups.iter().map(ToString::to_string).collect();
                names.sort();
                return Some(Value::from(names));
            }
            "hostvars" => {
                let hosts = HostVars::new(Arc::clone(world), Arc::clone(&self.state));
                return Some(Value::from_object(hosts));
            }
            "play_hosts" => return Some(self.scope.play_hosts.clone()),
            "run_id" => return Some(Value::from(&*world.run_id)),
            FRAME => return Some(Value::from_dyn_object(Arc::clone(self))),
            _ => {}
        }
        if let Some(node) = world.extra.iter().rev().find_map(|layer| layer.get(name)) {
            return Some(self.variable(name, node));
        }
        if let Some(result) = self.registered.get(name) {
            return Some(result.clone());
        }
        if self.pending.contains(name) {
            return Some(self.wait_for(name));
        }
        let mut layers = self.task.iter().chain(self.scope.layers.iter().rev());
        match layers.find_map(|layer| layer.get(name)) {
            Some(node) => Some(self.variable(name, node)),
            None => self.maybe.contains(name).then(|| self.wait_for(name)),
        }
    }

    fn wait_for(&self, name: &str) -> Value {
        self.state().pending.get_or_insert_with(|| Pending(name.into()));
        poison("not known yet")
    }

    /// A variable's value, rendered in this frame. A mapping is rendered entry by
    /// entry, as they are read.
    pub(super) fn variable(self: &Arc<Self>, name: &str, node: &Node) -> Value {
        if let Some(tag) = unusable_tag(node) {
            let error = ResolveError::Tagged { name: name.to_owned(), tag: tag.to_owned() };
            return self.fail(Problem::new(error, node.span));
        }
        match &node.kind {
            _ if !has_template(node) => Value::from(Serde(node.to_json())),
            Kind::Map(map) => Value::from_object(LazyMap::new(self, name, map)),
            _ => self.guarded(name, node),
        }
    }

    /// Renders a variable, unless it is being rendered already.
    fn guarded(self: &Arc<Self>, name: &str, node: &Node) -> Value {
        let entry = (Arc::clone(&self.scope.host), name.to_owned());
        let recursion = {
            let mut state = self.state();
            let known = state.stack.iter().position(|outer| *outer == entry);
            match known.or_else(|| (state.stack.len() >= DEEPEST).then_some(0)) {
                Some(at) => {
                    let names = state.stack[at..].iter().chain([&entry]).map(|(_, name)| &**name);
                    Some(names.collect::<Vec<_>>().join(" → "))
                }
                None => {
                    state.stack.push(entry);
                    None
                }
            }
        };
        if let Some(path) = recursion {
            let error = ResolveError::Recursion { name: name.to_owned(), path };
            return self.fail(Problem::new(error, node.span));
        }
        let rendered = self.node(node);
        self.state().stack.pop();
        rendered.unwrap_or_else(|problem| match problem {
            Some(problem) => self.fail(problem),
            None => poison("not known yet"),
        })
    }

    /// Keeps the innermost error, and poisons the value so that rendering stops.
    fn fail(&self, problem: Problem) -> Value {
        self.state().failure.get_or_insert(problem);
        poison("a variable cannot be rendered")
    }

    /// The value of a node with its templates rendered; `Err(None)` when it is
    /// pending, which the state then tells.
    pub(super) fn node(self: &Arc<Self>, node: &Node) -> Result<Value, Option<Problem>> {
        match &node.kind {
            Kind::Text(text, _) if is_template(text) => match self.evaluate(text, node.span) {
                Ok(value) => Ok(value),
                Err(Miss::Pending(pending)) => {
                    self.state().pending.get_or_insert(pending);
                    Err(None)
                }
                Err(Miss::Problem(problem)) => Err(Some(*problem)),
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
            _ => Ok(Value::from(Serde(node.to_json()))),
        }
    }
}

/// The names that are always there; `item` within a loop.
const MAGIC: [&str; 7] =
    ["inventory_hostname", "groups", "group_names", "hostvars", "play_hosts", "run_id", "item"];

/// A value that ends the rendering which touches it.
fn poison(why: &'static str) -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, why))
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

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({})", self.scope.host)
    }
}

impl Object for Frame {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lookup(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.layers().flat_map(|layer| layer.vars.0.keys().cloned());
        let names: BTreeSet<String> = names.collect();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }
}
