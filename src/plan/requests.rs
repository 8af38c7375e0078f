//! Plans requests that name their own hosts: files of documented requests.

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use minijinja::value::Value;

use super::Planner;
use super::model::PlannedPlay;
use super::play::{Known, TaskShape};
use super::task::HostBase;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::{At, Templated};
use crate::load::playbook::RawTask;
use crate::load::request::{ConnectionArgs, DriverArgs, Options};
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
        let shapes = self.shapes(number, requests.iter(), &[], problems);
        let headers = shapes.iter().map(|shape| Arc::clone(&shape.header)).collect();
        let mut hosts: IndexMap<HostName, Vec<TaskShape>> = IndexMap::new();
        for shape in shapes {
            hosts.entry(host_of(&shape.raw.value)).or_default().push(shape);
        }
        let lanes = hosts.into_iter().map(|(host, shapes)| {
            let mut scope = Scope::of_host(&self.world, &host);
            scope.play_hosts = Value::from(vec![host.to_string()]);
            let base = HostBase {
                scope: Arc::new(scope),
                default_address: None,
                connection: ConnectionArgs::default(),
                driver: DriverArgs::default(),
                options: Options::default(),
                spec: OnceLock::new(),
            };
            self.lane(&host, &Arc::new(base), &shapes, known, problems)
        });
        let lanes = lanes.collect();
        PlannedPlay { name: name.into(), tasks: headers, lanes }
    }
}

/// The host that a request names; its text when that is a template.
fn host_of(raw: &RawTask) -> HostName {
    let args = raw.connection_args.as_ref().map(|at| &at.value);
    match args.and_then(|args| args.host.as_ref()).map(|at| &at.value) {
        Some(Templated::Value(host) | Templated::Template(host)) => host.as_str().into(),
        None => "(no host)".into(),
    }
}
