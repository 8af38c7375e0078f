//! Values that are rendered when they are read: the parts of a mapping, and the
//! variables of other hosts.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, Value};

use super::frame::{Frame, SharedState};
use super::scope::{Scope, World};
use crate::load::node::{Map, Node};

/// A mapping with templates in it.
#[derive(Debug)]
pub(super) struct LazyMap {
    frame: Arc<Frame>,
    /// What errors call it, such as `site.tls`.
    name: String,
    entries: IndexMap<String, Node>,
}

impl LazyMap {
    pub(super) fn new(frame: &Arc<Frame>, name: &str, map: &Map) -> Self {
        let entries = map.iter().map(|(key, entry)| (key.clone(), entry.value.clone())).collect();
        Self { frame: Arc::clone(frame), name: name.to_owned(), entries }
    }
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let node = self.entries.get(key)?;
        Some(self.frame.variable(&format!("{}.{key}", self.name), node))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.entries.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

/// `hostvars`: the inventory's variables of any host.
pub(super) struct HostVars {
    world: Arc<World>,
    state: SharedState,
}

impl HostVars {
    pub(super) fn new(world: Arc<World>, state: SharedState) -> Self {
        Self { world, state }
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
        Some(Value::from_dyn_object(Frame::foreign(scope, Arc::clone(&self.state))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let hosts = self.world.inventory.hosts();
        Enumerator::Values(hosts.map(|(name, _)| Value::from(&**name)).collect())
    }
}
