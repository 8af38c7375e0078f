//! What all tasks of a host in a play start from: its variables, and the request
//! defaults merged along the chain.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use minijinja::value::Value;

use super::Planner;
use super::task::HostBase;
use crate::diagnostic::Problem;
use crate::event::HostName;
use crate::load::decode::{At, Decoder, Templated};
use crate::load::layer::Layer;
use crate::load::playbook::{RawPlay, Vars};
use crate::load::request::{ConnectionArgs, DriverArgs, Options};
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;

/// What all hosts of a play share.
pub(super) struct Shared {
    /// The play's variables.
    pub(super) layer: Option<Arc<Layer>>,
    /// The names of its hosts.
    pub(super) hosts: Value,
    /// The names that its tasks register.
    pub(super) registers: Arc<BTreeSet<Arc<str>>>,
    /// The names that tasks would register which are left out, and what to say then.
    pub(super) left_out: Arc<BTreeMap<Arc<str>, String>>,
}

impl Planner {
    /// A host's variables and merged defaults in a play.
    pub(super) fn base(
        &self,
        raw: &RawPlay,
        shared: &Shared,
        host: &HostName,
        problems: &mut Vec<Problem>,
    ) -> Option<HostBase> {
        let mut scope = Scope::of_host(&self.world, host);
        scope.play_hosts = shared.hosts.clone();
        scope.registers = Arc::clone(&shared.registers);
        scope.left_out = Arc::clone(&shared.left_out);
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
        if let Some(layer) = &shared.layer {
            merge(layer);
            scope.layers.push(Arc::clone(layer));
        }
        merge(&Layer {
            connection: raw.connection_args.as_ref().map(|at| Box::new(at.value.clone())),
            driver: raw.driver_args.as_ref().map(|at| Box::new(at.value.clone())),
            options: raw.options.as_ref().map(|at| Box::new(at.value.clone())),
            ..Layer::default()
        });
        for path in self.vars_files(raw, &scope, problems) {
            let layer = path.map(|path| self.store.vars(&self.world.sources, &path));
            match layer {
                Some(Ok(layer)) => {
                    merge(&layer);
                    scope.layers.push(layer);
                }
                // It may have defined any name, so no name can be called undefined.
                wrong => {
                    problems.extend(wrong.and_then(Result::err).into_iter().flatten());
                    scope.is_incomplete = true;
                    self.is_unsound.set(true);
                }
            }
        }
        if !super::ansible::check(&scope, &connection, problems) {
            return None;
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

    /// The play's files of variables; `None` stands for one that is not there.
    fn vars_files(
        &self,
        raw: &RawPlay,
        scope: &Scope,
        problems: &mut Vec<Problem>,
    ) -> Vec<Option<PathBuf>> {
        let frame = Frame::of_scope(scope.clone());
        let found = |file: At<Templated<String>>| {
            let path = match frame.value(&file, "an item of `vars_files`") {
                Ok(path) => self.world.path(&path, file.span.map(|span| span.file)),
                Err(miss) => {
                    if let Miss::Problems(found) = miss {
                        let found = found.into_iter().map(|it| it.on_host(&scope.host));
                        problems.extend(found);
                    }
                    return None;
                }
            };
            let Err(error) = crate::local_file::open(&path) else { return Some(path) };
            let error = crate::load::unreadable(&path, &error).with_help(
                "check the path; a relative one starts at the directory of this playbook",
            );
            problems.push(Problem::new(error, file.span));
            None
        };
        raw.vars_files.iter().flat_map(At::each).map(found).collect()
    }
}

/// Variables with the request defaults among them.
pub(super) fn decode_layer(vars: &At<Vars>, problems: &mut Vec<Problem>) -> Layer {
    let mut decoder = Decoder::new(true, vars.span);
    let layer = Layer::decode(vars.value.clone(), &mut decoder);
    problems.extend(decoder.finish());
    layer
}
