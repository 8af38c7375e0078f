//! What a template can see: the variables of one host, in order of precedence.
//!
//! Variables are rendered when they are used, with what stands around the use; so
//! an unused one does no harm. A name that a task of the run will register is
//! known but not yet there: a template that touches it is *pending*, not wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use minijinja::value::{Enumerator, Object, Serde, Value};
use minijinja::{Environment, Error, ErrorKind};

use super::engine::{self, FRAME};
use super::error::ResolveError;
use super::inventory::Inventory;
use super::render::Pending;
use crate::credential::vault::{Vault, VaultError};
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::{is_template, nearest};
use crate::load::layer::Layer;
use crate::load::node::{Kind, Node};
use crate::load::source::{FileId, Sources};

/// What every template of a run can see.
pub struct World {
    pub(super) environment: Environment<'static>,
    /// The inventory.
    pub inventory: Arc<Inventory>,
    /// The texts that templates stand in.
    pub sources: Arc<Sources>,
    /// `--extra-vars`, which win over everything.
    pub extra: Vec<Arc<Layer>>,
    /// The user's home directory, for `~`.
    pub home: PathBuf,
    /// The secrets that references mean.
    pub vault: Arc<Vault>,
    run_id: Arc<str>,
    groups: Value,
}

impl World {
    /// Prepares the template language over an inventory.
    #[must_use]
    pub fn new(
        inventory: Arc<Inventory>,
        sources: Arc<Sources>,
        extra: Vec<Arc<Layer>>,
        run_id: Arc<str>,
        home: PathBuf,
    ) -> Self {
        let groups: BTreeMap<String, Vec<String>> = inventory
            .groups()
            .map(|(name, group)| {
                (name.to_string(), group.hosts.iter().map(ToString::to_string).collect())
            })
            .collect();
        let groups = Value::from(Serde(groups));
        let environment = engine::environment();
        let vault = Arc::new(Vault::unread());
        Self { environment, inventory, sources, extra, home, vault, run_id, groups }
    }

    /// The same world with secrets to read. Without this none are read.
    #[must_use]
    pub fn with_vault(self, vault: Arc<Vault>) -> Self {
        Self { vault, ..self }
    }

    /// A path as its writer means it: `~` is the home directory, a relative path
    /// starts at the directory of the text that it stands in.
    #[must_use]
    pub fn path(&self, path: &str, written_in: Option<FileId>) -> PathBuf {
        if path == "~" {
            return self.home.clone();
        }
        if let Some(rest) = path.strip_prefix("~/") {
            return self.home.join(rest);
        }
        match written_in {
            Some(file) => self.sources.get(file).directory.join(path),
            None => std::path::absolute(path).unwrap_or_else(|_| Path::new(path).to_owned()),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// The variables of one host in one play.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What all hosts share.
    pub world: Arc<World>,
    /// The host.
    pub host: HostName,
    /// Its variables, lowest precedence first, without `--extra-vars`.
    pub layers: Vec<Arc<Layer>>,
    /// The names of the play's hosts.
    pub play_hosts: Value,
}

impl Scope {
    /// The variables that a host has from the inventory alone.
    #[must_use]
    pub fn of_host(world: &Arc<World>, host: &HostName) -> Self {
        let layers = world.inventory.host(host).map(|(_, host)| host.layers.clone());
        Self {
            world: Arc::clone(world),
            host: Arc::clone(host),
            layers: layers.unwrap_or_default(),
            play_hosts: Value::from(Vec::<String>::new()),
        }
    }

    /// Every layer from the highest precedence down, without registered results.
    fn downwards(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.world.extra.iter().rev().chain(self.layers.iter().rev())
    }
}

/// One rendering: a host's scope, and what the task adds.
///
/// The whole frame is what templates see; looking a name up in it renders the
/// variable behind the name.
pub struct Frame {
    pub(super) scope: Arc<Scope>,
    /// The task's own variables.
    task: Option<Arc<Layer>>,
    item: Option<Value>,
    /// Names that an earlier task registers, without a result so far.
    pending: Arc<BTreeSet<Arc<str>>>,
    /// Results so far, by name.
    registered: BTreeMap<Arc<str>, Value>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The variables being rendered, outermost first.
    stack: Vec<String>,
    /// The texts being rendered, outermost first.
    files: Vec<Option<FileId>>,
    pending: Option<Pending>,
    failure: Option<Problem>,
    /// Whether a secret was used that is not read.
    unread: bool,
    /// Fields of secrets that were asked for and are not there, each with the
    /// number of texts being rendered then.
    missing: Vec<(usize, VaultError)>,
}

impl Frame {
    /// What a task of a host sees.
    #[must_use]
    pub fn new(
        scope: Arc<Scope>,
        task: Option<Arc<Layer>>,
        item: Option<Value>,
        pending: Arc<BTreeSet<Arc<str>>>,
        registered: BTreeMap<Arc<str>, Value>,
    ) -> Arc<Self> {
        Arc::new(Self { scope, task, item, pending, registered, state: Mutex::default() })
    }

    /// The same frame for one item of a loop.
    #[must_use]
    pub fn with_item(&self, item: Value) -> Arc<Self> {
        Arc::new(Self {
            scope: Arc::clone(&self.scope),
            task: self.task.clone(),
            item: Some(item),
            pending: Arc::clone(&self.pending),
            registered: self.registered.clone(),
            state: Mutex::default(),
        })
    }

    /// The same frame for an item that is not known yet.
    #[must_use]
    pub fn with_pending_item(&self) -> Arc<Self> {
        let mut pending = BTreeSet::clone(&self.pending);
        pending.insert("item".into());
        Arc::new(Self {
            scope: Arc::clone(&self.scope),
            task: self.task.clone(),
            item: None,
            pending: Arc::new(pending),
            registered: self.registered.clone(),
            state: Mutex::default(),
        })
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
        {
            let mut state = self.state();
            if state.files.is_empty() {
                state.unread = false;
            }
            state.files.push(file);
        }
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

    /// The names that templates may use here, for suggestions.
    pub(super) fn suggest(&self, name: &str) -> Option<String> {
        let layers = self.task.iter().chain(self.scope.downwards());
        let names: BTreeSet<&str> = layers
            .flat_map(|layer| layer.vars.0.keys().map(String::as_str))
            .chain(self.registered.keys().map(|name| &**name))
            .chain(self.pending.iter().map(|name| &**name))
            .chain(MAGIC)
            .collect();
        nearest(name, names).map(str::to_owned)
    }

    /// Whether a name means anything here, now or once it is registered.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        MAGIC.contains(&name) && (name != "item" || self.item.is_some())
            || self.registered.contains_key(name)
            || self.pending.contains(name)
            || self
                .task
                .iter()
                .chain(self.scope.downwards())
                .any(|layer| layer.vars.0.contains_key(name))
    }

    pub(super) fn lookup(self: &Arc<Self>, name: &str) -> Option<Value> {
        let world = &self.scope.world;
        match name {
            "item" if self.item.is_some() => return self.item.clone(),
            "inventory_hostname" => return Some(Value::from(&*self.scope.host)),
            "groups" => return Some(world.groups.clone()),
            "group_names" => {
                let host = world.inventory.host(&self.scope.host);
                let names =
                    host.map(|(_, host)| host.groups.iter().map(ToString::to_string).collect());
                return Some(Value::from(names.unwrap_or_else(Vec::<String>::new)));
            }
            "hostvars" => return Some(Value::from_object(HostVars(Arc::clone(world)))),
            "play_hosts" => return Some(self.scope.play_hosts.clone()),
            "run_id" => return Some(Value::from(&*world.run_id)),
            FRAME => return Some(Value::from_dyn_object(Arc::clone(self))),
            _ => {}
        }
        let find = |layer: &Arc<Layer>| layer.vars.0.get(name).map(|entry| entry.value.clone());
        if let Some(node) = world.extra.iter().rev().find_map(find) {
            return Some(self.variable(name, &node));
        }
        if let Some(result) = self.registered.get(name) {
            return Some(result.clone());
        }
        if self.pending.contains(name) {
            self.state().pending.get_or_insert_with(|| Pending(name.into()));
            return Some(Value::from(Error::new(ErrorKind::InvalidOperation, "not known yet")));
        }
        let node = self.task.iter().chain(self.scope.layers.iter().rev()).find_map(find)?;
        Some(self.variable(name, &node))
    }

    /// A variable's value, rendered in this frame.
    fn variable(self: &Arc<Self>, name: &str, node: &Node) -> Value {
        if !has_template(node) {
            return Value::from(Serde(node.to_json()));
        }
        let recursion = {
            let mut state = self.state();
            let at = state.stack.iter().position(|outer| outer == name);
            match at {
                Some(at) => Some([&state.stack[at..], &[name.to_owned()]].concat().join(" → ")),
                None => {
                    state.stack.push(name.to_owned());
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
            None => Value::from(Error::new(ErrorKind::InvalidOperation, "not known yet")),
        })
    }

    /// Keeps the innermost error, and poisons the value so that rendering stops.
    fn fail(&self, problem: Problem) -> Value {
        self.state().failure.get_or_insert(problem);
        Value::from(Error::new(ErrorKind::InvalidOperation, "a variable cannot be rendered"))
    }

    /// Keeps why a secret cannot be read, for the text that asks for it.
    pub(super) fn poison(&self, error: VaultError) -> Error {
        self.state().failure.get_or_insert(Problem::new(error, None));
        Error::new(ErrorKind::InvalidOperation, "a secret cannot be read")
    }

    /// Notes that a secret was used that is not read.
    pub(super) fn note_unread(&self) {
        self.state().unread = true;
    }

    /// Whether what is being rendered used a secret that is not read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.state().unread
    }

    /// Notes a field of a secret that is not there, which may yet be an error.
    pub(super) fn note_missing(&self, error: VaultError) {
        let mut state = self.state();
        let depth = state.files.len();
        state.missing.push((depth, error));
    }

    /// The field that the text rendered last asked for, and that is not there.
    pub(super) fn take_missing(&self) -> Option<VaultError> {
        let mut state = self.state();
        let depth = state.files.len();
        let at = state.missing.partition_point(|(level, _)| *level <= depth);
        state.missing.drain(at..).last().map(|(_, error)| error)
    }

    /// The value of a node with its templates rendered; `Err(None)` when it is
    /// pending, which the state then tells.
    fn node(self: &Arc<Self>, node: &Node) -> Result<Value, Option<Problem>> {
        match &node.kind {
            Kind::Text(text, _) if is_template(text) => match self.evaluate(text, node.span) {
                Ok(value) => Ok(value),
                Err(super::render::Miss::Pending(pending)) => {
                    self.state().pending.get_or_insert(pending);
                    Err(None)
                }
                Err(super::render::Miss::Problem(problem)) => Err(Some(*problem)),
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
                pairs.collect::<Result<Vec<_>, _>>().map(Value::from_iter)
            }
            _ => Ok(Value::from(Serde(node.to_json()))),
        }
    }

    /// As `node`, for the renderer.
    pub(super) fn node_value(self: &Arc<Self>, node: &Node) -> Result<Value, Option<Problem>> {
        self.node(node)
    }
}

/// The names that are always there.
const MAGIC: [&str; 7] =
    ["inventory_hostname", "groups", "group_names", "hostvars", "play_hosts", "run_id", "item"];

fn has_template(node: &Node) -> bool {
    match &node.kind {
        Kind::Text(text, _) => is_template(text),
        Kind::List(items) => items.iter().any(has_template),
        Kind::Map(map) => map.values().any(|entry| has_template(&entry.value)),
        _ => false,
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
        let layers = self.task.iter().chain(self.scope.downwards());
        let names: BTreeSet<String> =
            layers.flat_map(|layer| layer.vars.0.keys().cloned()).collect();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }
}

/// `hostvars`: the inventory's variables of any host.
#[derive(Debug)]
struct HostVars(Arc<World>);

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (host, _) = self.0.inventory.host(key.as_str()?)?;
        let scope = Arc::new(Scope::of_host(&self.0, host));
        Some(Value::from_dyn_object(Frame::new(scope, None, None, Arc::default(), BTreeMap::new())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.inventory.hosts().map(|(name, _)| Value::from(&**name)).collect())
    }
}
