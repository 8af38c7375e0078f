//! How groups hang together: who has no parent, who is how deep, who is in whom.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::{ALL, Inventory, PRIORITY, UNGROUPED};
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::resolve::error::ResolveError;

impl Inventory {
    /// Puts every group under `all` and every host without a group into `ungrouped`.
    pub(super) fn adopt_strays(&mut self) {
        let mut with_parent: HashSet<Arc<str>> = HashSet::new();
        let mut grouped: HashSet<HostName> = HashSet::new();
        for (name, group) in &self.groups {
            with_parent.extend(group.children.keys().cloned());
            if &**name != ALL && &**name != UNGROUPED {
                grouped.extend(group.direct.iter().cloned());
            }
        }
        let ungrouped = &mut self.groups[UNGROUPED].direct;
        ungrouped.retain(|host| !grouped.contains(host));
        grouped.extend(ungrouped.iter().cloned());
        let strays = self.hosts.keys().filter(|host| !grouped.contains(*host));
        ungrouped.extend(strays.cloned());
        let orphans: Vec<Arc<str>> = self
            .groups
            .keys()
            .filter(|name| &***name != ALL && !with_parent.contains(*name))
            .cloned()
            .collect();
        self.groups[ALL].children.extend(orphans.into_iter().map(|name| (name, None)));
    }

    /// Every group's children, all by index.
    pub(super) fn children(&self) -> Vec<Vec<usize>> {
        let index = |name: &Arc<str>| self.groups.get_index_of(name).expect("children were added");
        self.groups.values().map(|group| group.children.keys().map(index).collect()).collect()
    }

    /// Group indices, parents before children, equals by priority and then by name;
    /// sets the depths.
    pub(super) fn by_depth(&mut self, children: &[Vec<usize>]) -> Vec<usize> {
        // A group's depth is settled once all its parents are: the longest path counts.
        let mut parents = vec![0_usize; self.groups.len()];
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
            (group.depth, group.priority.unwrap_or(PRIORITY), Arc::clone(name))
        });
        order
    }

    /// Every group's hosts by their indices: its own, then those of the groups
    /// within it, level by level.
    pub(super) fn members(&self, children: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let direct: Vec<Vec<usize>> = self
            .groups
            .values()
            .map(|group| group.direct.iter().filter_map(|host| self.position(host)).collect())
            .collect();
        // Marked with the group at hand, so that nothing has to be cleared.
        let mut seen_groups = vec![usize::MAX; children.len()];
        let mut seen_hosts = vec![usize::MAX; self.hosts.len()];
        let mut all = Vec::with_capacity(children.len());
        for start in 0..children.len() {
            let mut members = Vec::new();
            let mut queue = VecDeque::from([start]);
            seen_groups[start] = start;
            while let Some(group) = queue.pop_front() {
                for &host in &direct[group] {
                    if std::mem::replace(&mut seen_hosts[host], start) != start {
                        members.push(host);
                    }
                }
                for &child in &children[group] {
                    if std::mem::replace(&mut seen_groups[child], start) != start {
                        queue.push_back(child);
                    }
                }
            }
            all.push(members);
        }
        all
    }

    /// Groups that contain each other, found without recursion: an inventory may
    /// nest its groups as deep as it likes.
    pub(super) fn find_cycle(&self) -> Result<(), Vec<Problem>> {
        let mut done: HashSet<&str> = HashSet::new();
        for name in self.groups.keys() {
            // The groups from `name` down to the current one, each with its next child.
            let mut path: Vec<(&str, usize)> = vec![(name, 0)];
            let mut open: HashSet<&str> = [&**name].into();
            while let Some((group, next)) = path.last_mut() {
                let Some((child, place)) = self.groups[*group].children.get_index(*next) else {
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
