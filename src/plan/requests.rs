//! Plans requests that name their own hosts: files of documented requests.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use minijinja::value::Value;

use super::Planner;
use super::connection::PORT;
use super::model::{Pace, PlannedPlay, Role};
use super::play::{Known, TaskShape};
use super::spec::address;
use super::task::HostBase;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::{At, Templated};
use crate::load::playbook::RawTask;
use crate::resolve::frame::Frame;
use crate::resolve::scope::Scope;

impl Planner {
    /// Plans requests as one synthetic play: one lane per host that they name,
    /// with that host's requests in order.
    pub(super) fn requests(
        &self,
        number: usize,
        name: &str,
        requests: &[At<RawTask>],
        known: &mut Known,
        problems: &mut Vec<Problem>,
    ) -> PlannedPlay {
        let shapes = self.shapes(number, Role::Task, requests.iter(), &[], None, problems);
        let headers = shapes.iter().map(|shape| Arc::clone(&shape.header)).collect();
        let hosts = self.by_host(shapes).into_iter();
        let hosts: IndexMap<HostName, Arc<[TaskShape]>> =
            hosts.map(|(host, shapes)| (host, Arc::from(shapes))).collect();
        let lanes = hosts.iter().map(|(host, shapes)| {
            let mut scope = Scope::of_host(&self.world, host);
            scope.play_hosts = Value::from(vec![host.to_string()]);
            scope.brings_names = true;
            let project = self.world.project.as_deref();
            let base = HostBase {
                scope: Arc::new(scope),
                default_address: None,
                connection: defaults(project.and_then(|layer| layer.connection.as_deref())),
                driver: defaults(project.and_then(|layer| layer.driver.as_deref())),
                options: defaults(project.and_then(|layer| layer.options.as_deref())),
                spec: OnceLock::new(),
            };
            self.lane(host, &Arc::new(base), shapes, known, problems)
        });
        let lanes = lanes.collect();
        let play = PlannedPlay { name: name.into(), tasks: headers, lanes, pace: Pace::default() };
        self.downloads().gather(
            &play,
            hosts.values().flat_map(|shapes| shapes.iter()),
            &self.world.sources,
        );
        play
    }

    /// The requests of each host. Different ports of one address are different hosts,
    /// as behind a forwarding gateway, and have the port in their names.
    fn by_host(&self, shapes: Vec<TaskShape>) -> IndexMap<HostName, Vec<TaskShape>> {
        let doors: Vec<_> = shapes.iter().map(|shape| self.door_of(shape)).collect();
        let mut ports: HashMap<&str, HashSet<u16>> = HashMap::new();
        for (host, port) in &doors {
            ports.entry(host).or_default().insert(*port);
        }
        let mut hosts: IndexMap<HostName, Vec<TaskShape>> = IndexMap::new();
        for (shape, (host, port)) in shapes.into_iter().zip(&doors) {
            let name: HostName = match ports[host.as_str()].len() {
                1 => host.as_str().into(),
                _ => address(host, *port).into(),
            };
            hosts.entry(name).or_default().push(shape);
        }
        hosts
    }

    /// The host that a request names, and its port; the text of a template while that
    /// cannot be rendered.
    fn door_of(&self, shape: &TaskShape) -> (String, u16) {
        let args = shape.raw.value.connection_args.as_ref().map(|at| &at.value);
        let mut scope = Scope::of_run(&self.world, "");
        scope.layers.extend(shape.layer.clone());
        let frame = Frame::of_scope(scope);
        let port = args.and_then(|args| args.port.as_ref());
        let port = port.and_then(|port| frame.value(port, "`port`").ok()).unwrap_or(PORT);
        let Some(at) = args.and_then(|args| args.host.as_ref()) else {
            return ("(no host)".to_owned(), port);
        };
        let (Templated::Value(text) | Templated::Template(text)) = &at.value;
        (frame.value(at, "`host`").unwrap_or_else(|_| text.clone()), port)
    }
}

fn defaults<T: Clone + Default>(project: Option<&T>) -> T {
    project.cloned().unwrap_or_default()
}
