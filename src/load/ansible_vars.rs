//! Ansible's connection variables, for inventories that were written for it.

use super::decode::{At, Decode, Decoder, Templated, is_template};
use super::layer::Layer;
use super::node::{Entry, Kind, Node, UNSAFE};
use super::playbook::Vars;
use super::request::{ConnectionArgs, DriverArgs};
use super::ssh_args::{Jump, words};

const HOST: [&str; 2] = ["ansible_host", "ansible_ssh_host"];
const PORT: [&str; 2] = ["ansible_port", "ansible_ssh_port"];
const USER: [&str; 2] = ["ansible_user", "ansible_ssh_user"];
const PASSWORD: [&str; 3] = ["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"];
const KEY_FILE: [&str; 2] = ["ansible_ssh_private_key_file", "ansible_private_key_file"];
const SUDO: [&str; 1] = ["ansible_become"];
const SUDO_PASSWORD: [&str; 2] = ["ansible_become_password", "ansible_become_pass"];
const SUDO_USER: [&str; 1] = ["ansible_become_user"];
/// Arguments of `ssh`, in the order in which Ansible hands them on: of an option
/// that is given twice, the first counts.
const SSH_ARGS: [&str; 3] =
    ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];
/// How Ansible reaches a host.
pub const CONNECTION: &str = "ansible_connection";
/// The connections that sshoal is one of.
const CONNECTIONS: [&str; 6] = [
    "ssh",
    "paramiko",
    "paramiko_ssh",
    "smart",
    "ansible.builtin.ssh",
    "ansible.builtin.paramiko_ssh",
];

/// What the variables say of the connection.
pub(super) fn connection(vars: &Vars, decoder: &mut Decoder) -> ConnectionArgs {
    let args = ConnectionArgs {
        host: alias(vars, &HOST, decoder),
        port: alias(vars, &PORT, decoder),
        username: alias(vars, &USER, decoder),
        password: alias(vars, &PASSWORD, decoder),
        key_filename: alias(vars, &KEY_FILE, decoder),
        ..ConnectionArgs::default()
    };
    let written = SSH_ARGS.iter().filter_map(|name| vars.0.get(*name));
    let mut jump = Jump::default();
    for entry in written {
        if let Kind::Text(text, _) = &entry.value.kind {
            jump = jump.or(Jump::of_ssh_args(&words(text)));
        }
        if jump.host.is_some() && jump.place.is_none() {
            jump.place = Some(entry.clone());
        }
    }
    let Some(place) = jump.place.take() else { return args };
    let at = |text: String| {
        let value =
            if is_template(&text) { Templated::Template(text) } else { Templated::Value(text) };
        At { value, span: place.value.span.or(place.key), key: place.key }
    };
    let port = jump.port.and_then(|port| match port.parse::<u16>() {
        Ok(number) => Some(Templated::Value(number)),
        Err(_) => is_template(&port).then_some(Templated::Template(port)),
    });
    ConnectionArgs {
        proxy_host: jump.host.map(at),
        proxy_port: port.map(|value| At { value, span: place.value.span, key: place.key }),
        proxy_username: jump.user.map(at),
        proxy_key_filename: jump.key.map(at),
        ..args
    }
}

/// What they say of sudo.
pub(super) fn driver(vars: &Vars, decoder: &mut Decoder) -> DriverArgs {
    DriverArgs {
        sudo: alias(vars, &SUDO, decoder),
        sudo_password: alias(vars, &SUDO_PASSWORD, decoder),
        sudo_user: alias(vars, &SUDO_USER, decoder),
        ..DriverArgs::default()
    }
}

/// How Ansible becomes root.
pub const BECOME_METHOD: &str = "ansible_become_method";

/// Whether sshoal becomes root in this way.
#[must_use]
pub fn is_sudo(method: &str) -> bool {
    ["sudo", "ansible.builtin.sudo", "community.general.sudo"].contains(&method)
}

/// Whether sshoal reaches hosts of this `ansible_connection`.
#[must_use]
pub fn is_ssh(connection: &str) -> bool {
    CONNECTIONS.contains(&connection)
}

/// The `ProxyCommand` among a layer's arguments of `ssh` that names no jump host.
#[must_use]
pub fn foreign_proxy(layer: &Layer) -> Option<(&'static str, &Node)> {
    SSH_ARGS.iter().find_map(|name| {
        let node = layer.get(name)?;
        let Kind::Text(text, _) = &node.kind else { return None };
        let jump = Jump::of_ssh_args(&words(text));
        (jump.host.is_none() && jump.is_foreign).then_some((*name, node))
    })
}

fn alias<T: Decode>(
    vars: &Vars,
    names: &[&str],
    decoder: &mut Decoder,
) -> Option<At<Templated<T>>> {
    let (name, entry) = names.iter().find_map(|name| vars.0.get_key_value(*name))?;
    match &entry.value.kind {
        // A value that cannot be read is an error for those who use it, and that
        // is said where the variable is rendered.
        Kind::Tagged(tag, inner) if tag.trim_start_matches('!') == UNSAFE => {
            let value = T::decode(inner, &format!("`{name}`"), decoder)?;
            let span = inner.span.or(entry.key);
            Some(At { value: Templated::Value(value), span, key: entry.key })
        }
        Kind::Tagged(_, inner) => {
            let value = Templated::Template(format!("{{{{ {name} }}}}"));
            Some(At { value, span: inner.span.or(entry.key), key: entry.key })
        }
        // Ansible takes a port in quotes for the number that it spells.
        Kind::Text(text, _) if name.ends_with("_port") => match text.parse::<u64>() {
            Ok(port) => {
                let value = Node { kind: Kind::Number(port.into()), span: entry.value.span };
                decoder.field(name, &Entry { key: entry.key, value })
            }
            Err(_) => own_or_later(name, entry, decoder),
        },
        _ => own_or_later(name, entry, decoder),
    }
}

/// The value, or where it is none, what says so once it is used: Ansible reads an
/// inventory for the sake of the hosts that are run.
fn own_or_later<T: Decode>(
    name: &str,
    entry: &Entry,
    decoder: &Decoder,
) -> Option<At<Templated<T>>> {
    let mut trial = Decoder::new(decoder.templates, None);
    let value = trial.field(name, entry);
    if trial.finish().is_empty() {
        return value;
    }
    let span = entry.value.span.or(entry.key);
    let value = Templated::Template(format!("{{{{ {name} }}}}"));
    Some(At { value, span, key: entry.key })
}
