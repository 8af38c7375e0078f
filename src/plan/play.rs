//! Expands plays over their hosts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use minijinja::value::Value;

use super::base::decode_layer;
use super::model::{Lane, PlannedPlay, PlannedTask, TaskBody, TaskHeader};
use super::name::written_name;
use super::task::{Deferred, Expansion, HostBase, HostTask};
use super::{Planner, action, downloads};
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::layer::Layer;
use crate::load::playbook::{RawPlay, RawTask};
use crate::resolve::pattern;
use crate::resolve::render::Miss;
use crate::resolve::scope::{Frame, Scope};

/// The names that earlier tasks of each host register.
pub(super) type Known = HashMap<HostName, Arc<BTreeSet<Arc<str>>>>;

/// A task of a play, with what holds on every host.
pub(super) struct TaskShape {
    pub(super) raw: Arc<At<RawTask>>,
    pub(super) header: Arc<TaskHeader>,
    pub(super) layer: Option<Arc<Layer>>,
}

impl Planner {
    /// Plans one play; `number` counts plays from 1.
    pub(super) fn play(
        &self,
        number: usize,
        play: &At<RawPlay>,
        known: &mut Known,
        problems: &mut Vec<Problem>,
    ) -> Option<PlannedPlay> {
        let raw = &play.value;
        let (pattern, hosts) = self.hosts(raw, problems)?;
        let tags = raw.tags.as_ref().map(|tags| tags.value.0.as_slice()).unwrap_or_default();
        let tasks = raw.tasks.iter().flat_map(|tasks| &tasks.value);
        let shapes = self.shapes(number, tasks, tags, problems);
        let play_layer = raw.vars.as_ref().map(|vars| Arc::new(decode_layer(vars, problems)));
        let name = self.play_name(raw, play_layer.as_ref(), &pattern, problems);
        let names = hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let play_hosts = Value::from(names);
        let mut lanes = Vec::with_capacity(hosts.len());
        for host in hosts {
            let Some(base) = self.base(raw, play_layer.as_ref(), &host, &play_hosts, problems)
            else {
                continue;
            };
            let base = Arc::new(base);
            lanes.push(self.lane(&host, &base, &shapes, known, problems));
        }
        downloads::check(&lanes, &shapes, problems);
        let tasks = shapes.into_iter().map(|shape| shape.header).collect();
        Some(PlannedPlay { name, tasks, lanes })
    }

    /// The play's pattern and the hosts that it and the limit select.
    fn hosts(&self, raw: &RawPlay, problems: &mut Vec<Problem>) -> Option<(String, Vec<HostName>)> {
        let at = raw.hosts.as_ref()?;
        // A pattern belongs to no host yet: it sees what is given for the whole run.
        let frame = self.global_frame(None);
        let parts: Vec<&At<Templated<String>>>;
        let single;
        match &at.value {
            OneOrMany::One(one) => {
                single = At { value: one.clone(), span: at.span, key: at.key };
                parts = vec![&single];
            }
            OneOrMany::Many(many) => parts = many.iter().collect(),
        }
        let mut rendered = Vec::new();
        for part in parts {
            match frame.value(part, "`hosts`") {
                Ok(text) => rendered.push(text),
                Err(Miss::Problem(problem)) => problems.push(*problem),
                Err(Miss::Pending(_)) => {}
            }
        }
        let pattern = rendered.join(",");
        let hosts = match pattern::select(&self.world.inventory, &pattern) {
            Ok(hosts) => hosts,
            Err(errors) => {
                problems.extend(errors.into_iter().map(|error| Problem::new(error, at.span)));
                return None;
            }
        };
        let hosts: Vec<HostName> = match &self.limit {
            Some(limit) => hosts.into_iter().filter(|host| limit.contains(host)).collect(),
            None => hosts,
        };
        Some((pattern, hosts))
    }

    /// What is the same on all hosts: what is given for the whole run, and the
    /// play's own variables.
    pub(super) fn global_frame(&self, play_layer: Option<&Arc<Layer>>) -> Arc<Frame> {
        let scope = Scope {
            world: Arc::clone(&self.world),
            host: "all".into(),
            layers: play_layer.into_iter().cloned().collect(),
            play_hosts: Value::from(Vec::<String>::new()),
        };
        Frame::new(Arc::new(scope), None, None, Arc::default(), BTreeMap::new())
    }

    /// The play's tasks that the tags select, with the ids that all its tasks have.
    pub(super) fn shapes<'t>(
        &self,
        number: usize,
        tasks: impl Iterator<Item = &'t At<RawTask>>,
        play_tags: &[String],
        problems: &mut Vec<Problem>,
    ) -> Vec<TaskShape> {
        let mut shapes = Vec::new();
        for (index, task) in tasks.enumerate() {
            let own = task.value.tags.as_ref().map(|tags| tags.value.0.as_slice());
            let tags = play_tags.iter().chain(own.unwrap_or_default());
            self.note_tags(tags.clone());
            if !self.tags.selects(tags.map(String::as_str)) {
                continue;
            }
            let raw = &task.value;
            let header = TaskHeader {
                id: format!("{number}.{}", index + 1).into(),
                name: written_name(raw).into(),
                action: action::kind(raw),
                register: raw.register.as_ref().map(|at| Arc::from(at.value.as_str())),
                ignore_errors: raw.ignore_errors.as_ref().is_some_and(|at| at.value),
            };
            let layer = raw.vars.as_ref().map(|vars| Arc::new(decode_layer(vars, problems)));
            shapes.push(TaskShape { raw: Arc::new(task.clone()), header: Arc::new(header), layer });
        }
        shapes
    }

    /// A host's tasks.
    pub(super) fn lane(
        &self,
        host: &HostName,
        base: &Arc<HostBase>,
        shapes: &[TaskShape],
        known: &mut Known,
        problems: &mut Vec<Problem>,
    ) -> Lane {
        let mut tasks = Vec::with_capacity(shapes.len());
        let mut address = None;
        let names = known.entry(Arc::clone(host)).or_default();
        for shape in shapes {
            let task = HostTask {
                base: Arc::clone(base),
                raw: Arc::clone(&shape.raw),
                layer: shape.layer.clone(),
                pending: Arc::clone(names),
                flags: Arc::clone(&self.flags),
                store: Arc::clone(&self.store),
            };
            let ttl = task.ttl();
            let expansion = task.expand(None);
            let body = match expansion {
                Expansion::Skipped => TaskBody::Skipped,
                Expansion::Steps(steps) => {
                    if let Some(step) = steps.first() {
                        address.get_or_insert_with(|| step.connection.address());
                    }
                    TaskBody::Ready(steps)
                }
                Expansion::Pending(awaits) => {
                    if let Some(Some(spec)) = base.spec.get() {
                        address.get_or_insert_with(|| spec.address());
                    }
                    TaskBody::Deferred(Arc::new(Deferred { task, awaits }))
                }
                Expansion::Wrong { problems: found, .. } => {
                    problems.extend(found);
                    TaskBody::Skipped
                }
            };
            let name = self.task_name(shape, base, names, problems);
            tasks.push(PlannedTask { header: Arc::clone(&shape.header), name, ttl, body });
            if let Some(name) = &shape.header.register
                && !names.contains(name)
            {
                Arc::make_mut(names).insert(Arc::clone(name));
            }
        }
        let address = address.map_or_else(|| Arc::clone(host), Arc::from);
        Lane { host: Arc::clone(host), address, tasks }
    }
}
