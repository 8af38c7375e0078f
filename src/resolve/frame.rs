//! One rendering: a host's scope and what the task adds, as templates see them.
//!
//! Variables are rendered when they are used, with what stands around the use; so
//! an unused one does no harm. A name that a task of the run will register is
//! known but not yet there: a template that touches it is *pending*, not wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Error, ErrorKind};

use super::engine::FRAME;
use super::lazy::HostVars;
use super::names::{OF_HOSTS, is_reserved};
use super::render::Pending;
use super::scope::Scope;
use super::shape::Shape;
use super::soften::marked;
use super::taint::Trace;
use crate::credential::vault::VaultError;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::layer::Layer;
use crate::load::source::{FileId, Span};

/// What templates see: looking a name up in it renders the variable behind it.
pub struct Frame {
    pub(super) scope: Arc<Scope>,
    /// The task's own variables.
    task: Option<Arc<Layer>>,
    pub(super) item: Option<Value>,
    /// Names that an earlier task registers, without a result so far.
    pub(super) pending: Arc<BTreeSet<Arc<str>>>,
    /// The item of a loop over what is not there yet, as far as it is known.
    pub(super) coming: Option<Shape>,
    /// Results so far, by name.
    pub(super) registered: Arc<BTreeMap<Arc<str>, Value>>,
    state: SharedState,
}

/// What frames that look into each other have in common.
pub(super) type SharedState = Arc<Mutex<State>>;

/// What goes on while a template is rendered.
#[derive(Default)]
pub(super) struct State {
    /// The variables being rendered, outermost first.
    pub(super) stack: Vec<(HostName, String)>,
    /// The texts being rendered, outermost first.
    pub(super) files: Vec<Option<FileId>>,
    pub(super) pending: Option<Pending>,
    pub(super) failure: Option<Problem>,
    /// Whether the value that failed is there all the same, in part.
    pub(super) is_firm: bool,
    /// Whether a secret was used that is not read.
    pub(super) unread: bool,
    /// What becomes of secrets.
    pub(super) trace: Trace,
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
        pending: Arc<BTreeSet<Arc<str>>>,
        registered: BTreeMap<Arc<str>, Value>,
    ) -> Arc<Self> {
        Arc::new(Self {
            scope,
            task,
            item: None,
            pending,
            coming: None,
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
            coming: self.coming.clone(),
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

    /// The same frame for the items of a loop over what is not there yet: `items` is
    /// the template that will give it, where it is one.
    #[must_use]
    pub fn with_coming_item(self: &Arc<Self>, items: Option<(&str, Option<Span>)>) -> Arc<Self> {
        let shape = items.map_or(Shape::Any, |(text, span)| self.shape_of(text, span).each());
        Arc::new(Self { coming: Some(shape), ..self.copy() })
    }

    /// The same frame, in which a name stands for a result that is not there yet.
    #[must_use]
    pub fn with_pending(&self, name: &Arc<str>) -> Arc<Self> {
        let mut frame = self.copy();
        Arc::make_mut(&mut frame.pending).insert(Arc::clone(name));
        if frame.registered.contains_key(name) {
            Arc::make_mut(&mut frame.registered).remove(name);
        }
        Arc::new(frame)
    }

    /// The item of the loop.
    #[must_use]
    pub fn item(&self) -> Option<&Value> {
        self.item.as_ref()
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Notes which text is being rendered while `render` runs.
    pub(super) fn within<T>(&self, file: Option<FileId>, render: impl FnOnce() -> T) -> T {
        {
            let mut state = self.state();
            if state.files.is_empty() {
                state.unread = false;
                state.trace.begin();
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
        state.is_firm = false;
        (state.pending.take(), state.failure.take())
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
        state.missing.drain(at..).next_back().map(|(_, error)| error)
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.task.iter().chain(self.scope.downwards())
    }

    pub(super) fn lookup(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some((name, has_soft_parts)) = marked(name) {
            // The mark hides the functions of the language.
            let global = || {
                let mut globals = self.scope.world.environment.globals();
                globals.find(|(global, _)| *global == name).map(|(_, value)| value)
            };
            return self.soft(has_soft_parts, || self.lookup(name).or_else(global));
        }
        let world = &self.scope.world;
        if self.scope.brings_names
            && is_reserved(name)
            && let Some(node) = self.task.as_ref().and_then(|layer| layer.get(name))
        {
            return Some(self.variable(name, node));
        }
        match name {
            "item" if self.item.is_some() => {
                return self.item.clone().map(|item| self.rendered_leaf(item));
            }
            _ if !self.scope.has_host && OF_HOSTS.contains(&name) => return None,
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
            None if name == "item" && self.coming.is_some() => Some(self.wait_for(name)),
            // A file of variables that cannot be read may have defined it.
            None if self.scope.is_incomplete && !self.is_global(name) => Some(self.wait_for(name)),
            None => None,
        }
    }

    fn wait_for(&self, name: &str) -> Value {
        self.state().pending.get_or_insert_with(|| Pending(name.into()));
        poison("not known yet")
    }
}

/// A value that ends the rendering which touches it.
pub(super) fn poison(why: &'static str) -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, why))
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
