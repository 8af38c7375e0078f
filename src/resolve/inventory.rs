//! Hosts and groups: who belongs where, and which variables apply in which order.

mod graph;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::error::ResolveError;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::inventory::{RawGroup, RawHost, RawInventory, VarsDir};
use crate::load::layer::Layer;
use crate::load::source::Span;

/// The group of all hosts.
pub const ALL: &str = "all";
/// The group of the hosts that are in no other.
pub const UNGROUPED: &str = "ungrouped";
/// The rank of a group that gives itself none.
const PRIORITY: i64 = 1;

/// A resolved inventory.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    hosts: IndexMap<HostName, Host>,
    groups: IndexMap<Arc<str>, Group>,
    /// Variables beside the inventory's sources, in the order of those.
    beside: Vec<Arc<VarsDir>>,
    /// Variables beside the playbook.
    beside_play: Option<Arc<VarsDir>>,
}

/// A host and what it inherits.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Every group that it is in, directly or not, parents before children (then by
    /// priority, then by name), without `all`.
    pub groups: Vec<Arc<str>>,
    /// Its variables, lowest precedence first: `all`, groups, `group_vars/all`,
    /// `group_vars` of groups, the host's own, `host_vars`.
    pub layers: Vec<Arc<Layer>>,
    own: Vec<Arc<Layer>>,
    place: Option<Span>,
}

/// A group and who is in it.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its hosts, directly or by way of a child, in Ansible's order: its own, then
    /// those of its children, then those of theirs.
    pub hosts: Vec<HostName>,
    /// Its priority among groups of the same depth, if it has one.
    pub priority: Option<i64>,
    layers: Vec<Arc<Layer>>,
    direct: Vec<HostName>,
    children: IndexMap<Arc<str>, Option<Span>>,
    depth: usize,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            priority: None,
            layers: Vec::new(),
            direct: Vec::new(),
            children: IndexMap::new(),
            depth: 0,
        }
    }
}

impl Group {
    /// The hosts that it names itself, in order.
    pub fn own_hosts(&self) -> impl Iterator<Item = &HostName> {
        self.direct.iter()
    }

    /// The groups right within it, in order.
    pub fn child_groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.children.keys()
    }
}

impl Inventory {
    /// Merges inventory sources; later ones add to earlier ones and win over them.
    ///
    /// # Errors
    /// Groups that contain each other.
    pub fn build(sources: Vec<RawInventory>) -> Result<Self, Vec<Problem>> {
        let mut inventory = Self::default();
        let mut all = Group::default();
        all.children.insert(UNGROUPED.into(), None);
        inventory.groups.insert(ALL.into(), all);
        inventory.groups.insert(UNGROUPED.into(), Group::default());
        let mut direct = HashSet::new();
        for group in sources.into_iter().flat_map(|source| source.groups) {
            inventory.add(group, &mut direct);
        }
        inventory.connect()?;
        Ok(inventory)
    }

    /// The same inventory with the variables that stand beside its sources, which
    /// are given in their order.
    #[must_use]
    pub fn with_vars(mut self, beside: Vec<Arc<VarsDir>>) -> Self {
        self.beside = beside;
        self.lay();
        self
    }

    /// The same inventory with the variables that stand beside a playbook.
    #[must_use]
    pub fn with_play_vars(&self, beside: Arc<VarsDir>) -> Self {
        let mut inventory = self.clone();
        inventory.beside_play = Some(beside);
        inventory.lay();
        inventory
    }

    /// The hosts, in the order in which they were first named.
    pub fn hosts(&self) -> impl Iterator<Item = (&HostName, &Host)> {
        self.hosts.iter()
    }

    /// A host by name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<(&HostName, &Host)> {
        self.hosts.get_key_value(name)
    }

    /// A host's position in inventory order.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.hosts.get_index_of(name)
    }

    /// The host at a position.
    pub(super) fn name(&self, position: usize) -> &HostName {
        self.hosts.get_index(position).expect("a position of a host").0
    }

    /// The groups, `all` first.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.groups.iter()
    }

    /// A group by name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Every layer of variables, in no order.
    pub(super) fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        let groups = self.groups.values().flat_map(|group| &group.layers);
        let beside = self.beside.iter().chain(&self.beside_play);
        let beside = beside.flat_map(|dir| dir.groups.values().chain(dir.hosts.values()).flatten());
        groups.chain(self.hosts.values().flat_map(|host| &host.own)).chain(beside)
    }

    /// `direct` has each group's hosts by name, so that none is in it twice.
    fn add(&mut self, raw: RawGroup, direct: &mut HashSet<(Arc<str>, HostName)>) {
        let name: Arc<str> = raw.name.value.into();
        let group = self.groups.entry(Arc::clone(&name)).or_default();
        group.layers.extend(raw.layer);
        group.priority = raw.priority.or(group.priority);
        for RawHost { name: host, port, layer } in raw.hosts {
            let place = host.key;
            let host: HostName = host.value.into();
            let entry = self.hosts.entry(Arc::clone(&host)).or_insert_with(|| Host {
                // The port behind a name counts where the host is first named.
                own: port.map(|port| Arc::new(Layer::of_port(port))).into_iter().collect(),
                place,
                ..Host::default()
            });
            entry.own.extend(layer);
            if direct.insert((Arc::clone(&name), Arc::clone(&host))) {
                group.direct.push(host);
            }
        }
        for child in raw.children {
            let place = child.key;
            let child: Arc<str> = child.value.into();
            self.groups.entry(Arc::clone(&child)).or_default();
            self.groups[&name].children.entry(child).or_insert(place);
        }
    }

    /// Names that are those of hosts and of groups.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        let both = self.hosts.iter().filter(|(host, _)| self.groups.contains_key(&***host));
        let warning = |(name, host): (&HostName, &Host)| {
            let error = ResolveError::AmbiguousName { name: name.to_string() };
            Problem::new(error, host.place)
        };
        both.map(warning).collect()
    }

    /// Computes depths, members and every host's layers.
    fn connect(&mut self) -> Result<(), Vec<Problem>> {
        self.adopt_strays();
        self.find_cycle()?;
        let children = self.children();
        let order = self.by_depth(&children);
        let members = self.members(&children);
        for (group, members) in self.groups.values_mut().zip(members) {
            let names = members
                .iter()
                .map(|&at| Arc::clone(self.hosts.get_index(at).expect("a member is a host").0));
            group.hosts = names.collect();
        }
        // One pass over the groups in order of precedence reaches every host once
        // per group that it is in, however many hosts there are.
        for index in order {
            let (name, group) = self.groups.get_index(index).expect("it was just listed");
            if &**name != ALL {
                for host in &group.hosts {
                    let host = self.hosts.get_mut(host).expect("a member is a host");
                    host.groups.push(Arc::clone(name));
                }
            }
        }
        self.lay();
        Ok(())
    }

    /// Puts every host's layers in order.
    fn lay(&mut self) {
        let of = |map: &HashMap<String, Vec<Arc<Layer>>>, name: &str| {
            map.get(name).cloned().unwrap_or_default()
        };
        let of_all: Vec<Arc<Layer>> = {
            let dirs = self.beside.iter().chain(&self.beside_play);
            dirs.flat_map(|dir| of(&dir.groups, ALL)).collect()
        };
        for (name, host) in &mut self.hosts {
            let mut layers = self.groups[ALL].layers.clone();
            for group in &host.groups {
                layers.extend(self.groups[group].layers.iter().cloned());
            }
            layers.extend(of_all.iter().cloned());
            let dirs = || self.beside.iter().chain(&self.beside_play);
            // All groups of one directory come before those of the next.
            for dir in dirs().filter(|dir| !dir.groups.is_empty()) {
                layers.extend(host.groups.iter().flat_map(|group| of(&dir.groups, group)));
            }
            layers.extend(host.own.iter().cloned());
            layers.extend(dirs().flat_map(|dir| of(&dir.hosts, name)));
            host.layers = layers;
        }
    }
}
