//! The project file `sshoal.yml`: defaults for every invocation below its directory.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{Decode, Decoder, OneOrMany};
use super::document::{Format, document};
use super::file::read;
use super::layer::Layer;
use super::mapping::mapping;
use super::node::{Kind, Node};
use super::playbook::Vars;
use super::request::{ConnectionArgs, DriverArgs, Options};
use super::source::{FileId, Sources, Span};
use super::values::OutputName;
use crate::diagnostic::Problem;

/// What a project file is called.
pub const PROJECT_FILE: &str = "sshoal.yml";

mapping! {
    /// Defaults of a project. Flags and environment variables win over them, and so
    /// do inventories and playbooks.
    #[schemars(rename = "Project")]
    "sshoal.yml" struct RawProject {
        /// Inventory sources, used when no `-i` is given. Relative paths start at the directory of this file.
        inventory: OneOrMany<String>,
        /// How many hosts to work on at a time, as `--forks`. Default 64.
        forks: Forks,
        /// File of known host keys, as `--known-hosts`.
        known_hosts: String,
        /// Whether a password that many hosts share is proven on one of them first. Default true; false is `--no-canary`.
        #[schemars(extend("default" = true))]
        canary: bool,
        /// What standard output holds, as `--output`: `text`, `json` or `ndjson`. Default `text`.
        output: OutputName,
        /// File for the JSON report of every run, as `--report`.
        report: String,
        /// Variables below those of every inventory.
        vars: Vars,
        /// Request defaults below those of every inventory; they merge key by key.
        connection_args: ConnectionArgs,
        /// Request defaults below those of every inventory; they merge key by key.
        driver_args: DriverArgs,
        /// Request defaults below those of every inventory; they merge key by key.
        options: Options,
    }
}

/// How many hosts to work on at a time: 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forks(pub NonZeroUsize);

impl JsonSchema for Forks {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Forks".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "default": 64 })
    }
}

impl Decode for Forks {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let forks = match &node.kind {
            Kind::Number(number) => number.as_u64().and_then(|forks| usize::try_from(forks).ok()),
            _ => None,
        };
        let forks = forks.and_then(NonZeroUsize::new).map(Self);
        if forks.is_none() {
            decoder.wrong_type(
                node,
                what,
                "an integer of 1 or more",
                "write a number such as `64`",
            );
        }
        forks
    }
}

/// A project file, read.
#[derive(Debug)]
pub struct Project {
    /// Where relative paths in it start.
    pub directory: PathBuf,
    /// What it says.
    pub raw: RawProject,
    /// Its variables and request defaults: the lowest layer of every host's.
    pub layer: Layer,
}

/// Reads a project file.
///
/// # Errors
/// All that is wrong with it.
pub fn project(sources: &Sources, path: &Path) -> Result<Project, Vec<Problem>> {
    let file = read(sources, path)?;
    project_of(sources, file)
}

/// The project file in a text.
///
/// # Errors
/// All that is wrong with it.
pub fn project_of(sources: &Sources, file: FileId) -> Result<Project, Vec<Problem>> {
    let node = document(sources, file, Format::of(&sources.get(file).name, ""))?;
    let mut decoder = Decoder::new(true, Some(Span::whole(file)));
    let raw = match node.kind {
        Kind::Null => RawProject::default(),
        _ => RawProject::decode(&node, "the project file", &mut decoder).unwrap_or_default(),
    };
    let vars = raw.vars.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let within = Layer::decode(vars, &mut decoder);
    let problems = decoder.finish();
    if !problems.is_empty() {
        return Err(problems);
    }
    // What stands beside `vars` lies over what stands within.
    let layer = Layer {
        connection: over(
            raw.connection_args.as_ref().map(|at| &at.value),
            within.connection,
            |upper, lower| upper.over(lower),
        ),
        driver: over(
            raw.driver_args.as_ref().map(|at| &at.value),
            within.driver,
            |upper, lower| upper.over(lower),
        ),
        options: over(raw.options.as_ref().map(|at| &at.value), within.options, |upper, lower| {
            upper.over(lower)
        }),
        vars: within.vars,
    };
    Ok(Project { directory: sources.get(file).directory.clone(), raw, layer })
}

fn over<T: Clone>(upper: Option<&T>, lower: Option<Box<T>>, lay: fn(T, &T) -> T) -> Option<Box<T>> {
    match (upper.cloned(), lower) {
        (Some(upper), Some(lower)) => Some(Box::new(lay(upper, &lower))),
        (upper, lower) => upper.map(Box::new).or(lower),
    }
}
