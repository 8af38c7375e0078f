//! One layer of variables, with the request defaults that stand among them.

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
        let ansible = ansible_connection(&vars, decoder);
        if ansible != ConnectionArgs::default() {
            let own = layer.connection.take().map(|own| *own).unwrap_or_default();
            layer.connection = Some(Box::new(own.over(&ansible)));
        }
        let ansible = ansible_driver(&vars, decoder);
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

/// Ansible's connection variables, for inventories that were written for it.
fn ansible_connection(vars: &Vars, decoder: &mut Decoder) -> ConnectionArgs {
    ConnectionArgs {
        host: alias(vars, &["ansible_host", "ansible_ssh_host"], decoder),
        port: alias(vars, &["ansible_port", "ansible_ssh_port"], decoder),
        username: alias(vars, &["ansible_user", "ansible_ssh_user"], decoder),
        password: alias(vars, &["ansible_password", "ansible_ssh_pass"], decoder),
        key_filename: alias(vars, &["ansible_ssh_private_key_file"], decoder),
        ..ConnectionArgs::default()
    }
}

fn ansible_driver(vars: &Vars, decoder: &mut Decoder) -> DriverArgs {
    DriverArgs {
        sudo_password: alias(vars, &["ansible_become_password", "ansible_become_pass"], decoder),
        sudo_user: alias(vars, &["ansible_become_user"], decoder),
        ..DriverArgs::default()
    }
}

fn alias<T: Decode>(
    vars: &Vars,
    names: &[&str],
    decoder: &mut Decoder,
) -> Option<At<Templated<T>>> {
    let (name, entry) = names.iter().find_map(|name| vars.0.get_key_value(*name))?;
    // Ansible takes a port in quotes for the number that it spells.
    if let Kind::Text(text, _) = &entry.value.kind
        && name.ends_with("_port")
        && let Ok(port) = text.parse::<u64>()
    {
        let value = Node { kind: Kind::Number(port.into()), span: entry.value.span };
        return decoder.field(name, &Entry { key: entry.key, value });
    }
    decoder.field(name, entry)
}
