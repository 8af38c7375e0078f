//! Plans requests that name their own hosts: files of documented requests.

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use minijinja::value::Value;

use super::Planner;
use super::model::{Pace, PlannedPlay, Role};
use super::play::{Known, TaskShape};
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
        let mut hosts: IndexMap<HostName, Vec<TaskShape>> = IndexMap::new();
        for shape in shapes {
            hosts.entry(self.host_of(&shape)).or_default().push(shape);
        }
        let hosts = hosts.into_iter().map(|(host, shapes)| (host, Arc::from(shapes)));
        let hosts: IndexMap<HostName, Arc<[TaskShape]>> = hosts.collect();
        let lanes = hosts.iter().map(|(host, shapes)| {
            let mut scope = Scope::of_host(&self.world, host);
            scope.play_hosts = Value::from(vec![host.to_string()]);
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

    /// The host that a request names; its text while that is a template which
    /// cannot be rendered.
    fn host_of(&self, shape: &TaskShape) -> HostName {
        let args = shape.raw.value.connection_args.as_ref().map(|at| &at.value);
        let Some(at) = args.and_then(|args| args.host.as_ref()) else { return "(no host)".into() };
        let (Templated::Value(text) | Templated::Template(text)) = &at.value;
        let mut scope = Scope::of_run(&self.world, "");
        scope.layers.extend(shape.layer.clone());
        Frame::of_scope(scope).value(at, "`host`").unwrap_or_else(|_| text.clone()).into()
    }
}

fn defaults<T: Clone + Default>(project: Option<&T>) -> T {
    project.cloned().unwrap_or_default()
}
