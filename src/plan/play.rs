//! Expands plays over their hosts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use minijinja::value::Value;

use super::Planner;
use super::action;
use super::error::PlanError;
use super::model::{Lane, PlannedPlay, PlannedTask, TaskBody, TaskHeader};
use super::spec::Action;
use super::task::{Deferred, Expansion, HostBase, HostTask};
use crate::diagnostic::Problem;
use crate::event::{ActionKind, HostName};
use crate::load::decode::{At, Decoder, OneOrMany, Templated};
use crate::load::layer::Layer;
use crate::load::playbook::{RawPlay, RawTask};
use crate::load::request::{ConnectionArgs, DriverArgs, FILE_TRANSFER, Options};
use crate::resolve::pattern;
use crate::resolve::render::Miss;
use crate::resolve::scope::{Frame, Scope};
use crate::transfer::TransferOperation;

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
        let name = self.play_name(raw, &pattern, problems);
        let names = hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let play_hosts = Value::from(names);
        let play_layer = raw.vars.as_ref().map(|vars| Arc::new(decode_layer(vars, problems)));
        let mut lanes = Vec::with_capacity(hosts.len());
        for host in hosts {
            let Some(base) = self.base(raw, play_layer.as_ref(), &host, &play_hosts, problems)
            else {
                continue;
            };
            let base = Arc::new(base);
            lanes.push(self.lane(&host, &base, &shapes, known, problems));
        }
        check_downloads(&lanes, &shapes, problems);
        let tasks = shapes.into_iter().map(|shape| shape.header).collect();
        Some(PlannedPlay { name, tasks, lanes })
    }

    /// The play's pattern and the hosts that it and the limit select.
    fn hosts(&self, raw: &RawPlay, problems: &mut Vec<Problem>) -> Option<(String, Vec<HostName>)> {
        let at = raw.hosts.as_ref()?;
        // A pattern belongs to no host yet: it sees what is given for the whole run.
        let frame = self.global_frame();
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

    fn global_frame(&self) -> Arc<Frame> {
        let scope = Scope {
            world: Arc::clone(&self.world),
            host: "all".into(),
            layers: Vec::new(),
            play_hosts: Value::from(Vec::<String>::new()),
        };
        Frame::new(Arc::new(scope), None, None, Arc::default(), BTreeMap::new())
    }

    fn play_name(&self, raw: &RawPlay, pattern: &str, problems: &mut Vec<Problem>) -> Arc<str> {
        match raw.name.as_ref().map(|name| self.global_frame().value(name, "`name`")) {
            Some(Ok(name)) => name.into(),
            Some(Err(Miss::Problem(problem))) => {
                problems.push(*problem);
                pattern.into()
            }
            _ => pattern.into(),
        }
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

    /// A host's variables and merged defaults in a play.
    fn base(
        &self,
        raw: &RawPlay,
        play_layer: Option<&Arc<Layer>>,
        host: &HostName,
        play_hosts: &Value,
        problems: &mut Vec<Problem>,
    ) -> Option<HostBase> {
        let mut scope = Scope::of_host(&self.world, host);
        scope.play_hosts = play_hosts.clone();
        let mut connection = ConnectionArgs::default();
        let mut driver = DriverArgs::default();
        let mut options = Options::default();
        let mut merge = |layer: &Layer| {
            if let Some(args) = &layer.connection {
                connection = ConnectionArgs::clone(args).over(&connection);
            }
            if let Some(args) = &layer.driver {
                driver = DriverArgs::clone(args).over(&driver);
            }
            if let Some(args) = &layer.options {
                options = Options::clone(args).over(&options);
            }
        };
        scope.layers.iter().for_each(|layer| merge(layer));
        if let Some(layer) = play_layer {
            merge(layer);
            scope.layers.push(Arc::clone(layer));
        }
        merge(&Layer {
            connection: raw.connection_args.as_ref().map(|at| Box::new(at.value.clone())),
            driver: raw.driver_args.as_ref().map(|at| Box::new(at.value.clone())),
            options: raw.options.as_ref().map(|at| Box::new(at.value.clone())),
            ..Layer::default()
        });
        for path in self.vars_files(raw, &scope, problems)? {
            match self.store.vars(&self.world.sources, &path) {
                Ok(layer) => {
                    merge(&layer);
                    scope.layers.push(layer);
                }
                Err(errors) => {
                    problems.extend(errors);
                    return None;
                }
            }
        }
        Some(HostBase {
            scope: Arc::new(scope),
            default_address: Some(Arc::clone(host)),
            connection,
            driver,
            options,
            spec: OnceLock::new(),
        })
    }

    fn vars_files(
        &self,
        raw: &RawPlay,
        scope: &Scope,
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<PathBuf>> {
        let Some(at) = &raw.vars_files else { return Some(Vec::new()) };
        let single;
        let files: Vec<&At<Templated<String>>> = match &at.value {
            OneOrMany::One(one) => {
                single = At { value: one.clone(), span: at.span, key: at.key };
                vec![&single]
            }
            OneOrMany::Many(many) => many.iter().collect(),
        };
        let frame =
            Frame::new(Arc::new(scope.clone()), None, None, Arc::default(), BTreeMap::new());
        let mut paths = Vec::new();
        for file in files {
            match frame.value(file, "an item of `vars_files`") {
                Ok(path) => {
                    let path = self.world.path(&path, file.span.map(|span| span.file));
                    if let Err(error) = std::fs::File::open(&path) {
                        let error = crate::load::unreadable(&path, &error);
                        problems.push(Problem::new(error, file.span));
                        return None;
                    }
                    paths.push(path);
                }
                Err(Miss::Problem(problem)) => {
                    problems.push(problem.on_host(&scope.host));
                    return None;
                }
                Err(Miss::Pending(_)) => return None,
            }
        }
        Some(paths)
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

    /// The task's name on this host. One that waits for a result keeps its text.
    fn task_name(
        &self,
        shape: &TaskShape,
        base: &Arc<HostBase>,
        names: &Arc<BTreeSet<Arc<str>>>,
        problems: &mut Vec<Problem>,
    ) -> Arc<str> {
        let Some(at @ At { value: Templated::Template(_), .. }) = &shape.raw.value.name else {
            return Arc::clone(&shape.header.name);
        };
        let scope = Arc::clone(&base.scope);
        let frame =
            Frame::new(scope, shape.layer.clone(), None, Arc::clone(names), BTreeMap::new());
        match frame.value(at, "`name`") {
            Ok(name) => name.into(),
            Err(Miss::Pending(_)) => Arc::clone(&shape.header.name),
            Err(Miss::Problem(problem)) => {
                problems.push(problem.on_host(&base.scope.host));
                Arc::clone(&shape.header.name)
            }
        }
    }
}

/// Variables with the request defaults among them.
fn decode_layer(vars: &At<crate::load::playbook::Vars>, problems: &mut Vec<Problem>) -> Layer {
    let mut decoder = Decoder::new(true, vars.span);
    let layer = Layer::decode(vars.value.clone(), &mut decoder);
    problems.extend(decoder.finish());
    layer
}

/// What reports call a task: its name, or what it does.
fn written_name(raw: &RawTask) -> String {
    let text = |text: &Templated<String>| match text {
        Templated::Value(text) | Templated::Template(text) => text.clone(),
    };
    if let Some(name) = &raw.name {
        return text(&name.value);
    }
    if let Some(transfer) = raw.transfer() {
        let path = |at: &Option<At<Templated<String>>>| {
            at.as_ref().map(|at| text(&at.value)).unwrap_or_default()
        };
        let operation = match &transfer.value.operation {
            Some(At { value: Templated::Value(operation), .. }) => match operation {
                crate::load::values::OperationName::Upload => "upload",
                crate::load::values::OperationName::Download => "download",
            },
            _ => "transfer",
        };
        return format!("{operation} {}", path(&transfer.value.remote_path));
    }
    let commands = raw.command.as_ref().or(raw.config.as_ref());
    let first = match commands.map(|at| &at.value) {
        Some(OneOrMany::One(one)) => text(one),
        Some(OneOrMany::Many(many)) => many.first().map(|at| text(&at.value)).unwrap_or_default(),
        None => FILE_TRANSFER.to_owned(),
    };
    let line = first.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.len() < first.trim_end().len() => format!("{line} …"),
        None => line.to_owned(),
    }
}

/// Several hosts must not download to one file.
fn check_downloads(lanes: &[Lane], shapes: &[TaskShape], problems: &mut Vec<Problem>) {
    for (index, shape) in shapes.iter().enumerate() {
        if shape.header.action != ActionKind::FileTransfer {
            continue;
        }
        let mut targets: HashMap<&PathBuf, usize> = HashMap::new();
        for lane in lanes {
            let TaskBody::Ready(steps) = &lane.tasks[index].body else { continue };
            for step in steps.iter().filter(|step| !step.skip) {
                if let Action::FileTransfer(spec) = &step.action
                    && spec.operation == TransferOperation::Download
                {
                    *targets.entry(&spec.local_path).or_default() += 1;
                }
            }
        }
        let mut shared: Vec<_> = targets.into_iter().filter(|(_, count)| *count > 1).collect();
        shared.sort();
        for (path, count) in shared {
            let path = path.display().to_string();
            let at = shape.raw.value.transfer().and_then(|at| at.value.local_path.as_ref());
            let span = at.and_then(|at| at.span);
            problems.push(Problem::new(PlanError::SharedDownload { path, count }, span));
        }
    }
}
