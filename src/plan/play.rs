//! Expands plays over their hosts.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use minijinja::value::Value;

use super::base::{Shared, decode_layer};
use super::deferred::Deferred;
use super::handlers::{self, Handlers};
use super::model::{Lane, Notify, PlannedPlay, PlannedTask, Role, TaskBody, TaskHeader};
use super::name::written_name;
use super::outline::{Outline, Written};
use super::task::{Expansion, HostBase, HostTask};
use super::whole::each;
use super::{Planner, action};
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::At;
use crate::load::layer::Layer;
use crate::load::playbook::{RawPlay, RawTask};
use crate::load::source::Span;
use crate::resolve::frame::Frame;
use crate::resolve::pattern;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;

const HOSTS_ADVICE: &str =
    "`hosts` is read before any host is known: it sees the play's `vars` and `-e NAME=…`";
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
        let tasks = raw.tasks.iter().flat_map(|tasks| &tasks.value);
        let play_layer = raw.vars.as_ref().map(|vars| Arc::new(decode_layer(vars, problems)));
        let layer = play_layer.as_ref();
        let tags = &self.tags(raw.tags.as_ref(), layer, None, problems);
        let mut shapes = self.shapes(number, Role::Task, tasks, tags, layer, problems);
        if self.start.is_ahead() {
            return None; // The run begins in a later play.
        }
        if !shapes.is_empty() {
            let handlers = raw.handlers.iter().flat_map(|handlers| &handlers.value);
            shapes.extend(self.shapes(number, Role::Handler, handlers, tags, layer, problems));
        }
        let (pattern, hosts) = self.hosts(raw, layer, problems)?;
        let shapes: Arc<[TaskShape]> = shapes.into();
        let name = self.play_name(raw, layer, &pattern, problems);
        let registers = shapes.iter().filter_map(|shape| shape.header.register.clone());
        let registers = Arc::new(registers.collect());
        let pace = self.pace(raw, layer, hosts.len(), problems);
        let left_out = Arc::new(self.left_out.borrow().clone());
        let mut shared = Shared { layer: play_layer, hosts: Value::UNDEFINED, registers, left_out };
        let tasks = shapes.iter().map(|shape| Arc::clone(&shape.header)).collect();
        let mut planned = PlannedPlay { name, tasks, lanes: Vec::with_capacity(hosts.len()), pace };
        let sizes = planned.pace.batches.clone().unwrap_or_else(|| vec![hosts.len()]);
        let mut left = hosts.as_slice();
        for size in sizes {
            let batch;
            (batch, left) = left.split_at(size);
            shared.hosts = Value::from(batch.iter().map(ToString::to_string).collect::<Vec<_>>());
            for host in batch {
                let Some(base) = self.base(raw, &shared, host, problems) else {
                    continue;
                };
                let base = Arc::new(base);
                planned.lanes.push(self.lane(host, &base, &shapes, known, problems));
            }
        }
        self.downloads().gather(&planned, shapes.iter(), &self.world.sources);
        Some(planned)
    }

    /// The play's pattern and the hosts that it and the limit select.
    fn hosts(
        &self,
        raw: &RawPlay,
        layer: Option<&Arc<Layer>>,
        problems: &mut Vec<Problem>,
    ) -> Option<(String, Vec<HostName>)> {
        let at = raw.hosts.as_ref()?;
        // A pattern belongs to no host yet.
        let mut scope = Scope::of_run(&self.world, HOSTS_ADVICE);
        scope.layers.extend(layer.cloned());
        let frame = Frame::of_scope(scope);
        let mut parts: Vec<(String, Option<Span>)> = Vec::new();
        let before = problems.len();
        for part in at.each() {
            match each(&frame, &part, "`hosts`") {
                Ok(texts) => parts.extend(texts.into_iter().map(|text| (text, part.span))),
                Err(Miss::Problems(found)) => problems.extend(found),
                Err(Miss::Pending(_)) => {}
            }
        }
        if problems.len() > before {
            return None;
        }
        let pattern = parts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",");
        let locate = |path: &str| self.world.path(path, at.span.map(|span| span.file));
        match pattern::select(&self.world.inventory, &pattern, &locate) {
            Ok(mut hosts) => {
                if let Some(limit) = &self.limit {
                    hosts.retain(|host| limit.contains(host));
                }
                Some((pattern, hosts))
            }
            Err(errors) => {
                let place = |range| self.place_in(&parts, range).or(at.span);
                problems.extend(
                    errors.into_iter().map(|(error, range)| Problem::new(error, place(range))),
                );
                None
            }
        }
    }

    /// Where a part of the joined pattern stands.
    fn place_in(&self, parts: &[(String, Option<Span>)], range: Range<usize>) -> Option<Span> {
        let mut start = 0;
        for (text, span) in parts {
            let end = start + text.len();
            if range.start >= start && range.end <= end {
                let span = (*span)?;
                let source = self.world.sources.get(span.file);
                let inner = range.start - start..range.end - start;
                return crate::load::part(&source.text, span, text, inner).or(Some(span));
            }
            start = end + 1;
        }
        None
    }

    /// The play's tasks that the tags select, with the ids that all its tasks have.
    pub(super) fn shapes<'t>(
        &self,
        number: usize,
        role: Role,
        tasks: impl Iterator<Item = &'t At<RawTask>>,
        play_tags: &[String],
        play_layer: Option<&Arc<Layer>>,
        problems: &mut Vec<Problem>,
    ) -> Vec<TaskShape> {
        let mut shapes = Vec::new();
        for (index, task) in tasks.enumerate() {
            let raw = &task.value;
            let layer = raw.vars.as_ref().map(|vars| Arc::new(decode_layer(vars, problems)));
            let own = self.tags(raw.tags.as_ref(), play_layer, layer.as_ref(), problems);
            let tags = play_tags.iter().chain(&own);
            let name = written_name(raw);
            if role == Role::Task {
                self.note_tags(tags.clone());
                let left_out = match self.tags.leaves_out(tags.clone().map(String::as_str)) {
                    None if !self.start.reaches(&name) => Some("`--start-at-task`"),
                    left_out => left_out,
                };
                if let Some(flag) = left_out {
                    self.note_left_out(raw, &name, flag);
                    continue;
                }
            }
            let letter = if role == Role::Handler { "h" } else { "" };
            let run_once = raw
                .run_once
                .as_ref()
                .is_some_and(|at| self.flag(at, "run_once", play_layer, layer.as_ref(), problems));
            let header = TaskHeader {
                id: format!("{number}.{letter}{}", index + 1).into(),
                name: name.into(),
                action: action::kind(raw),
                register: raw.register.as_ref().map(|at| Arc::from(at.value.as_str())),
                role,
                run_once,
                tags: tags.cloned().collect(),
            };
            shapes.push(TaskShape { raw: Arc::new(task.clone()), header: Arc::new(header), layer });
        }
        shapes
    }

    /// A host's tasks.
    pub(super) fn lane(
        &self,
        host: &HostName,
        base: &Arc<HostBase>,
        shapes: &Arc<[TaskShape]>,
        known: &mut Known,
        problems: &mut Vec<Problem>,
    ) -> Lane {
        let mut tasks = Vec::with_capacity(shapes.len());
        let mut notices = Vec::new();
        let mut address = None;
        let names = known.entry(Arc::clone(host)).or_default();
        let outline = Outline::of(Written {
            base: Arc::clone(base),
            shapes: Arc::clone(shapes),
            before: Arc::clone(names),
            flags: Arc::clone(&self.flags),
            store: Arc::clone(&self.store),
        });
        for shape in shapes.iter() {
            let task = HostTask {
                base: Arc::clone(base),
                raw: Arc::clone(&shape.raw),
                layer: shape.layer.clone(),
                pending: Arc::clone(names),
                flags: Arc::clone(&self.flags),
                store: Arc::clone(&self.store),
            };
            let notice = task.raw.value.notify.is_some().then(|| (tasks.len(), task.clone()));
            let expansion = task.expand(None);
            // What will not run may lack what the names need.
            notices.extend(notice.filter(|_| !matches!(expansion, Expansion::Skipped)));
            let is_skipped = match &expansion {
                Expansion::Skipped | Expansion::Wrong { condition: true, .. } => true,
                Expansion::Steps(steps) => steps.is_empty(),
                Expansion::Pending(_) | Expansion::Wrong { condition: false, .. } => false,
            };
            let no_log = task.no_log(is_skipped, problems);
            let ignore_errors = task.ignores_errors(is_skipped, problems);
            let (mut name, mut ttl) = (Arc::clone(&shape.header.name), None);
            // A task that will not run may lack what its name and the rest need.
            if !is_skipped {
                // What its name is made of may be what is not to be shown.
                let rendered = task.name(problems);
                name = rendered.filter(|_| !no_log).unwrap_or(name);
                ttl = task.ttl(problems);
            }
            let body = match expansion {
                Expansion::Skipped => {
                    address = address.or_else(|| task.address());
                    TaskBody::Skipped
                }
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
            let notify = Notify::default();
            let header = Arc::clone(&shape.header);
            tasks.push(PlannedTask { header, name, ttl, no_log, ignore_errors, body, notify });
            if let Some(name) = &shape.header.register
                && !names.contains(name)
            {
                Arc::make_mut(names).insert(Arc::clone(name));
            }
        }
        if !notices.is_empty() {
            let handlers = Arc::new(Handlers::among(&tasks));
            for (place, task) in notices {
                tasks[place].notify = handlers::notify(&task, place, &handlers, problems);
            }
        }
        let address = address.map_or_else(|| Arc::clone(host), Arc::from);
        Lane { host: Arc::clone(host), address, tasks, outline }
    }
}
