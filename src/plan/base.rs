//! What all tasks of a host in a play share: its variables and merged defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use minijinja::value::Value;

use super::Planner;
use super::task::HostBase;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::{At, Decoder, OneOrMany, Templated};
use crate::load::layer::Layer;
use crate::load::playbook::{RawPlay, Vars};
use crate::load::request::{ConnectionArgs, DriverArgs, Options};
use crate::resolve::render::Miss;
use crate::resolve::scope::{Frame, Scope};

impl Planner {
    /// A host's variables and merged defaults in a play.
    pub(super) fn base(
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
}

/// Variables with the request defaults among them.
pub(super) fn decode_layer(vars: &At<Vars>, problems: &mut Vec<Problem>) -> Layer {
    let mut decoder = Decoder::new(true, vars.span);
    let layer = Layer::decode(vars.value.clone(), &mut decoder);
    problems.extend(decoder.finish());
    layer
}
