//! Values that are rendered when they are read: the parts of a mapping, and the
//! variables of other hosts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, Value};

use super::engine::FRAME;
use super::frame::{Frame, SharedState};
use super::scope::{Scope, World};
use super::soften::marked;
use crate::load::node::{Map, Node};

/// A mapping with templates in it.
#[derive(Debug)]
pub(super) struct LazyMap {
    frame: Arc<Frame>,
    /// What errors call it, such as `site.tls`.
    name: String,
    entries: Arc<IndexMap<String, Node>>,
    /// Whether an entry may miss because something in its template does.
    is_soft: AtomicBool,
}

impl LazyMap {
    pub(super) fn new(frame: &Arc<Frame>, name: &str, map: &Map) -> Self {
        let entries = map.iter().map(|(key, entry)| (key.clone(), entry.value.clone())).collect();
        Self {
            frame: Arc::clone(frame),
            name: name.to_owned(),
            entries: Arc::new(entries),
            is_soft: AtomicBool::new(false),
        }
    }
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let node = self.entries.get(key)?;
        let look = || Some(self.frame.variable(&format!("{}.{key}", self.name), node));
        match self.is_soft.load(Ordering::Relaxed) {
            true => self.frame.soft(true, look),
            false => look(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // Whoever wants all entries relies on each.
        self.is_soft.store(false, Ordering::Relaxed);
        Enumerator::Values(self.entries.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

/// A value parts of which may miss.
pub(super) fn softened(value: Value) -> Value {
    if let Some(map) = value.downcast_object_ref::<LazyMap>() {
        return Value::from_object(LazyMap {
            frame: Arc::clone(&map.frame),
            name: map.name.clone(),
            entries: Arc::clone(&map.entries),
            is_soft: AtomicBool::new(true),
        });
    }
    match value.downcast_object_ref::<HostVars>() {
        Some(HostVars { world, state, .. }) => Value::from_object(HostVars {
            world: Arc::clone(world),
            state: Arc::clone(state),
            is_soft: true,
        }),
        None => value,
    }
}

/// `hostvars`: the inventory's variables of any host.
pub(super) struct HostVars {
    world: Arc<World>,
    state: SharedState,
    /// Whether a variable may miss because something in its template does.
    is_soft: bool,
}

impl HostVars {
    pub(super) fn new(world: Arc<World>, state: SharedState) -> Self {
        Self { world, state, is_soft: false }
    }
}

impl fmt::Debug for HostVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostVars")
    }
}

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (host, _) = self.world.inventory.host(key.as_str()?)?;
        let scope = Scope::of_host(&self.world, host);
        let frame = Frame::foreign(scope, Arc::clone(&self.state));
        Some(match self.is_soft {
            true => Value::from_object(SoftFrame(frame)),
            false => Value::from_dyn_object(frame),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let hosts = self.world.inventory.hosts();
        Enumerator::Values(hosts.map(|(name, _)| Value::from(&**name)).collect())
    }
}

/// The variables of a host, each of which may miss.
#[derive(Debug)]
struct SoftFrame(Arc<Frame>);

impl Object for SoftFrame {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        self.0.soft(true, || self.0.lookup(name))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.0.enumerate()
    }
}

/// What leads to a frame, for code with marked names.
#[derive(Debug)]
pub(super) struct Marked(pub(super) Value);

impl Object for Marked {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let look = |name: &str| self.0.get_attr(name).ok().filter(|it| !it.is_undefined());
        let name = key.as_str()?;
        let Some((name, has_soft_parts)) = marked(name) else { return look(name) };
        let frame = look(FRAME)?.downcast_object::<Frame>()?;
        frame.soft(has_soft_parts, || look(name))
    }
}
