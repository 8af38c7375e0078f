//! Hosts and groups: who belongs where, and which variables apply in which order.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::error::ResolveError;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::At;
use crate::load::inventory::{RawGroup, RawInventory};
use crate::load::layer::Layer;
use crate::load::source::Span;

/// The group of all hosts.
pub const ALL: &str = "all";
/// The group of the hosts that are in no other.
pub const UNGROUPED: &str = "ungrouped";

/// A resolved inventory.
#[derive(Debug, Default)]
pub struct Inventory {
    hosts: IndexMap<HostName, Host>,
    groups: IndexMap<Arc<str>, Group>,
}

/// A host and what it inherits.
#[derive(Debug, Default)]
pub struct Host {
    /// Every group that it is in, directly or not, parents before children, without `all`.
    pub groups: Vec<Arc<str>>,
    /// Its variables, lowest precedence first: `all`, groups (parents before
    /// children, equals by name), the host's own.
    pub layers: Vec<Arc<Layer>>,
    own: Vec<Arc<Layer>>,
    place: Option<Span>,
}

/// A group and who is in it.
#[derive(Debug, Default)]
pub struct Group {
    /// Its hosts, directly or by way of a child, in inventory order.
    pub hosts: Vec<HostName>,
    layers: Vec<Arc<Layer>>,
    direct: Vec<HostName>,
    children: Vec<(Arc<str>, Option<Span>)>,
    depth: usize,
}

impl Inventory {
    /// Merges inventory sources; later ones add to earlier ones and win over them.
    ///
    /// # Errors
    /// Groups that contain each other, or a name that is both host and group.
    pub fn build(sources: Vec<RawInventory>) -> Result<Self, Vec<Problem>> {
        let mut inventory = Self::default();
        inventory.groups.insert(ALL.into(), Group::default());
        for group in sources.into_iter().flat_map(|source| source.groups) {
            inventory.add(group);
        }
        inventory.check_names()?;
        inventory.connect()?;
        Ok(inventory)
    }

    /// An inventory of hosts without groups and variables, from names given inline.
    #[must_use]
    pub fn of_names<'n>(names: impl IntoIterator<Item = &'n str>) -> RawGroup {
        let hosts = names.into_iter().map(|name| (At::nowhere(name.to_owned()), None)).collect();
        RawGroup {
            name: At::nowhere(UNGROUPED.to_owned()),
            hosts,
            children: Vec::new(),
            layer: None,
        }
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
        groups.chain(self.hosts.values().flat_map(|host| &host.own))
    }

    fn add(&mut self, raw: RawGroup) {
        let name: Arc<str> = raw.name.value.into();
        let mut direct = Vec::new();
        for (host, layer) in raw.hosts {
            let place = host.key;
            let host: HostName = host.value.into();
            let entry = self.hosts.entry(Arc::clone(&host)).or_default();
            entry.own.extend(layer);
            entry.place = entry.place.or(place);
            direct.push(host);
        }
        let children: Vec<(Arc<str>, Option<Span>)> =
            raw.children.into_iter().map(|at| (at.value.into(), at.key)).collect();
        for (child, _) in &children {
            self.groups.entry(Arc::clone(child)).or_default();
        }
        let group = self.groups.entry(name).or_default();
        group.layers.extend(raw.layer);
        group.direct.extend(direct);
        group.children.extend(children);
    }

    fn check_names(&self) -> Result<(), Vec<Problem>> {
        let both = self.hosts.iter().filter(|(host, _)| self.groups.contains_key(&***host));
        let problems: Vec<Problem> = both
            .map(|(name, host)| {
                let error = ResolveError::AmbiguousName { name: name.to_string() };
                Problem::new(error, host.place)
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Computes depths, members and every host's layers.
    fn connect(&mut self) -> Result<(), Vec<Problem>> {
        self.adopt_strays();
        self.find_cycle()?;
        let order = self.by_depth();
        let members = self.members(&order);
        for (index, members) in members.into_iter().enumerate() {
            let names = members
                .iter()
                .map(|&at| Arc::clone(self.hosts.get_index(at).expect("a member is a host").0));
            let names = names.collect();
            self.groups[index].hosts = names;
        }
        // One pass over the groups in order of precedence reaches every host once
        // per group that it is in, however many hosts there are.
        for index in order {
            let (name, group) = self.groups.get_index(index).expect("it was just listed");
            for host in &group.hosts {
                let host = self.hosts.get_mut(host).expect("a member is a host");
                if &**name != ALL {
                    host.groups.push(Arc::clone(name));
                }
                host.layers.extend(group.layers.iter().cloned());
            }
        }
        for host in self.hosts.values_mut() {
            host.layers.extend(host.own.iter().cloned());
        }
        Ok(())
    }

    /// Puts every group under `all` and every host without a group into `ungrouped`.
    fn adopt_strays(&mut self) {
        let mut with_parent: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut grouped: BTreeSet<HostName> = BTreeSet::new();
        for (name, group) in &self.groups {
            with_parent.extend(group.children.iter().map(|(child, _)| Arc::clone(child)));
            if &**name != ALL && &**name != UNGROUPED {
                grouped.extend(group.direct.iter().cloned());
            }
        }
        let strays: Vec<HostName> =
            self.hosts.keys().filter(|host| !grouped.contains(*host)).cloned().collect();
        let ungrouped = self.groups.entry(UNGROUPED.into()).or_default();
        ungrouped.direct = strays;
        let orphans: Vec<(Arc<str>, Option<Span>)> = self
            .groups
            .keys()
            .filter(|name| &***name != ALL && !with_parent.contains(*name))
            .map(|name| (Arc::clone(name), None))
            .collect();
        self.groups[ALL].children.extend(orphans);
    }

    /// Group indices, parents before children and equals by name; sets the depths.
    fn by_depth(&mut self) -> Vec<usize> {
        // A group's depth is settled once all its parents are: the longest path counts.
        let mut parents = vec![0_usize; self.groups.len()];
        let index = |name: &Arc<str>| self.groups.get_index_of(name).expect("children were added");
        let children: Vec<Vec<usize>> = self
            .groups
            .values()
            .map(|group| group.children.iter().map(|(child, _)| index(child)).collect())
            .collect();
        children.iter().flatten().for_each(|&child| parents[child] += 1);
        let mut settled: Vec<usize> = (0..parents.len()).filter(|&at| parents[at] == 0).collect();
        while let Some(at) = settled.pop() {
            let depth = self.groups[at].depth + 1;
            for &child in &children[at] {
                let group = &mut self.groups[child];
                group.depth = group.depth.max(depth);
                parents[child] -= 1;
                if parents[child] == 0 {
                    settled.push(child);
                }
            }
        }
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|&index| {
            let (name, group) = self.groups.get_index(index).expect("an index in range");
            (group.depth, Arc::clone(name))
        });
        order
    }

    /// Every group's hosts, by their places in the inventory. `order` has parents
    /// before children.
    fn members(&self, order: &[usize]) -> Vec<BTreeSet<usize>> {
        let mut members: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); order.len()];
        for &index in order.iter().rev() {
            let group = &self.groups[index];
            let direct = group.direct.iter().filter_map(|host| self.hosts.get_index_of(host));
            let mut all: BTreeSet<usize> = direct.collect();
            for (child, _) in &group.children {
                let child = self.groups.get_index_of(child).expect("children were added");
                all.extend(&members[child]);
            }
            members[index] = all;
        }
        members
    }

    /// Groups that contain each other, found without recursion: an inventory may
    /// nest its groups as deep as it likes.
    fn find_cycle(&self) -> Result<(), Vec<Problem>> {
        let mut done: HashSet<&str> = HashSet::new();
        for name in self.groups.keys() {
            // The groups from `name` down to the current one, each with its next child.
            let mut path: Vec<(&str, usize)> = vec![(name, 0)];
            let mut open: HashSet<&str> = [&**name].into();
            while let Some((group, next)) = path.last_mut() {
                let Some((child, place)) = self.groups[*group].children.get(*next) else {
                    open.remove(group);
                    done.insert(group);
                    path.pop();
                    continue;
                };
                *next += 1;
                if done.contains(&**child) {
                    continue;
                }
                if open.contains(&**child) {
                    let start = path.iter().position(|(name, _)| *name == &**child);
                    let start = start.unwrap_or_default();
                    let names: Vec<&str> = path[start..].iter().map(|(name, _)| *name).collect();
                    let path = [names.join(" → "), child.to_string()].join(" → ");
                    let error = ResolveError::GroupCycle { group: child.to_string(), path };
                    return Err(vec![Problem::new(error, *place)]);
                }
                open.insert(child);
                path.push((child, 0));
            }
        }
        Ok(())
    }
}
