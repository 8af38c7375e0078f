//! One layer of variables, with the request defaults that stand among them.

use super::ansible_vars;
use super::decode::{At, Decode, Decoder, Templated};
use super::node::{Entry, Kind, Node};
use super::playbook::Vars;
use super::request::{ConnectionArgs, DriverArgs, Options};

/// Variables of one place (a group, a host, a file), and what of the request they set.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// The variables, unrendered.
    pub vars: Vars,
    /// `connection_args`, and Ansible's names for them.
    pub connection: Option<Box<ConnectionArgs>>,
    /// `driver_args`, and Ansible's names for them.
    pub driver: Option<Box<DriverArgs>>,
    /// `options`.
    pub options: Option<Box<Options>>,
}

impl Layer {
    /// The layer of a host that was named with a port behind it.
    #[must_use]
    pub fn of_port(port: u16) -> Self {
        let value = Node { kind: Kind::Number(port.into()), span: None };
        let entry = Entry { key: None, value };
        let connection = ConnectionArgs {
            port: Some(At::nowhere(Templated::Value(port))),
            ..ConnectionArgs::default()
        };
        Self {
            vars: Vars([("ansible_port".to_owned(), entry)].into_iter().collect()),
            connection: Some(Box::new(connection)),
            ..Self::default()
        }
    }

    /// A variable of it, unrendered.
    #[must_use]
    pub fn get<'l>(&'l self, name: &str) -> Option<&'l Node> {
        self.vars.0.get(name).map(|entry| &entry.value)
    }

    /// Finds the request defaults among variables.
    pub fn decode(vars: Vars, decoder: &mut Decoder) -> Self {
        let mut layer = Self::default();
        for (name, entry) in &vars.0 {
            match name.as_str() {
                "connection_args" => layer.connection = field(name, entry, decoder),
                "driver_args" => layer.driver = field(name, entry, decoder),
                "options" if looks_like_options(entry) => {
                    layer.options = field(name, entry, decoder);
                }
                _ => {}
            }
        }
        let ansible = ansible_vars::connection(&vars, decoder);
        if ansible != ConnectionArgs::default() {
            let own = layer.connection.take().map(|own| *own).unwrap_or_default();
            layer.connection = Some(Box::new(own.over(&ansible)));
        }
        let ansible = ansible_vars::driver(&vars, decoder);
        if ansible != DriverArgs::default() {
            let own = layer.driver.take().map(|own| *own).unwrap_or_default();
            layer.driver = Some(Box::new(own.over(&ansible)));
        }
        layer.vars = vars;
        layer
    }
}

/// `options` is too common a word to claim: only a mapping with one of our keys is ours.
fn looks_like_options(entry: &Entry) -> bool {
    match &entry.value.kind {
        Kind::Map(map) => map.keys().any(|key| Options::KEYS.contains(&key.as_str())),
        _ => false,
    }
}

fn field<T: Decode>(name: &str, entry: &Entry, decoder: &mut Decoder) -> Option<Box<T>> {
    decoder.field(name, entry).map(|at: At<T>| Box::new(at.value))
}
