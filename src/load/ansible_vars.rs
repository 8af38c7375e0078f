//! Ansible's connection variables, for inventories that were written for it.

use super::decode::{At, Decode, Decoder, Templated, is_template};
use super::layer::Layer;
use super::node::{Entry, Kind, Node, UNSAFE};
use super::playbook::Vars;
use super::request::{ConnectionArgs, DriverArgs};

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

/// Whether sshoal reaches hosts of this `ansible_connection`.
#[must_use]
pub fn is_ssh(connection: &str) -> bool {
    CONNECTIONS.contains(&connection)
}

/// The `ProxyCommand` among a layer's arguments of `ssh` that names no jump host.
#[must_use]
pub fn foreign_proxy<'l>(layer: &'l Layer) -> Option<(&'static str, &'l Node)> {
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
            Err(_) => decoder.field(name, entry),
        },
        _ => decoder.field(name, entry),
    }
}

/// The jump host that `[user@]host[:port]` names; none for `none`.
#[must_use]
pub fn jump_host(text: &str) -> Option<Jump> {
    Some(Jump::of_destination(text)).filter(|jump| jump.host.is_some())
}

/// A jump host, as arguments of `ssh` name it.
#[derive(Debug, Default)]
pub struct Jump {
    /// Its name or address.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<String>,
    /// The login user there.
    pub user: Option<String>,
    /// The path of a private key.
    key: Option<String>,
    /// Whether there is a `ProxyCommand` that is no `ssh -W`.
    is_foreign: bool,
    place: Option<Entry>,
}

/// Options of `ssh` that take a value.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOopQRSWw";

impl Jump {
    fn or(self, other: Self) -> Self {
        if self.host.is_some() { self } else { Self { place: None, ..other } }
    }

    fn of_ssh_args(words: &[String]) -> Self {
        let mut found = Self::default();
        for (option, value) in options(words).0 {
            let jump = match (option, split_option(&value)) {
                ('J', _) => Self::of_destination(&value),
                ('o', Some((name, value))) if name.eq_ignore_ascii_case("proxyjump") => {
                    Self::of_destination(value)
                }
                ('o', Some((name, value))) if name.eq_ignore_ascii_case("proxycommand") => {
                    Self::of_command(value)
                }
                _ => continue,
            };
            found.is_foreign |= jump.is_foreign;
            found = found.or(jump);
        }
        found
    }

    /// `[user@]host[:port]`, or the same as a URL.
    fn of_destination(text: &str) -> Self {
        let text = text.trim().trim_start_matches("ssh://").trim_end_matches('/');
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            return Self::default();
        }
        let (user, rest) = match outside(text, '@').next_back() {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let (host, port) = match outside(rest, ':').collect::<Vec<_>>().as_slice() {
            [at] => (&rest[..*at], Some(&rest[at + 1..])),
            _ => (rest, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            host: text(host),
            port: port.and_then(text),
            user: user.and_then(text),
            ..Self::default()
        }
    }

    /// `ssh -W %h:%p … [user@]host`, which is how one jumped before there was `-J`.
    fn of_command(text: &str) -> Self {
        let foreign = Self { is_foreign: true, ..Self::default() };
        if text.trim().eq_ignore_ascii_case("none") {
            return Self::default();
        }
        let words = words(text);
        let is_ssh = words.first().is_some_and(|word| word.rsplit('/').next() == Some("ssh"));
        let (options, destination) = options(words.get(1..).unwrap_or_default());
        let forwards = options.iter().any(|(option, _)| *option == 'W');
        let Some(destination) = destination.filter(|_| is_ssh && forwards) else { return foreign };
        let mut jump = Self::of_destination(&destination);
        for (option, value) in options {
            let (name, value) = match (option, split_option(&value)) {
                ('p', _) => ("port", value.as_str()),
                ('l', _) => ("user", value.as_str()),
                ('i', _) => ("identityfile", value.as_str()),
                ('o', Some((name, value))) => (name, value),
                _ => continue,
            };
            let slot = match name.to_ascii_lowercase().as_str() {
                "port" => &mut jump.port,
                "user" => &mut jump.user,
                "identityfile" => &mut jump.key,
                _ => continue,
            };
            slot.get_or_insert_with(|| value.to_owned());
        }
        jump
    }
}

/// The options among the words, each with its value, and the first word that is none.
fn options(words: &[String]) -> (Vec<(char, String)>, Option<String>) {
    let mut found = Vec::new();
    let mut rest = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            rest = rest.or(Some(word.clone()));
            continue;
        };
        for (at, letter) in letters.char_indices() {
            if !WITH_VALUE.contains(letter) {
                continue;
            }
            let value = match &letters[at + letter.len_utf8()..] {
                "" => words.next().cloned().unwrap_or_default(),
                value => value.to_owned(),
            };
            found.push((letter, value));
            break;
        }
    }
    (found, rest)
}

/// `Name=value` or `Name value`.
fn split_option(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.trim().split_once(['=', ' '])?;
    Some((name.trim(), value.trim_start_matches(['=', ' ']).trim().trim_matches('"')))
}

/// Where `mark` stands outside of templates and brackets.
fn outside(text: &str, mark: char) -> impl DoubleEndedIterator<Item = usize> {
    let mut depth = 0_i32;
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if c == mark && depth <= 0 => found.push(at),
            _ => {}
        }
    }
    found.into_iter()
}

/// Words as a shell would split them, but templates stay whole.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut is_open) = (String::new(), false);
    let (mut quote, mut braces) = (None, 0_i32);
    for c in text.chars() {
        match c {
            _ if quote == Some(c) && braces == 0 => quote = None,
            '\'' | '"' if quote.is_none() && braces == 0 => (quote, is_open) = (Some(c), true),
            c if c.is_whitespace() && quote.is_none() && braces == 0 => {
                if is_open {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            _ => {
                match c {
                    '{' => braces += 1,
                    '}' => braces -= 1,
                    _ => {}
                }
                word.push(c);
                is_open = true;
            }
        }
    }
    if is_open {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(args: &str) -> (Option<String>, Option<String>, Option<String>, Option<String>, bool) {
        let jump = Jump::of_ssh_args(&words(args));
        (jump.user, jump.host, jump.port, jump.key, jump.is_foreign)
    }

    #[test]
    fn a_jump_host_is_found_in_each_of_its_forms() {
        let text = |text: &str| Some(text.to_owned());
        let plain = |user: Option<&str>, host: &str, port: Option<&str>| {
            (user.map(str::to_owned), text(host), port.map(str::to_owned), None, false)
        };
        for (args, expected) in [
            ("-J bastion", plain(None, "bastion", None)),
            ("-Jops@bastion:2222", plain(Some("ops"), "bastion", Some("2222"))),
            ("-C -o ProxyJump=ops@bastion", plain(Some("ops"), "bastion", None)),
            ("-oProxyJump='ops@[2001:db8::1]:22'", plain(Some("ops"), "2001:db8::1", Some("22"))),
            ("-o 'ProxyJump bastion'", plain(None, "bastion", None)),
            ("-J ssh://ops@bastion:22/", plain(Some("ops"), "bastion", Some("22"))),
            (
                "-J {{ user }}@{{ hosts['a'] }}:{{ port }}",
                plain(Some("{{ user }}"), "{{ hosts['a'] }}", Some("{{ port }}")),
            ),
            ("-J first -J second", plain(None, "first", None)),
            ("-J a,b", plain(None, "a,b", None)),
            (
                r#"-o ProxyCommand="ssh -q -W %h:%p -p 2222 -i ~/.ssh/jump ops@bastion""#,
                (text("ops"), text("bastion"), text("2222"), text("~/.ssh/jump"), false),
            ),
            (
                r#"-o ProxyCommand="ssh -l ops -o Port=2222 bastion -W %h:%p""#,
                plain(Some("ops"), "bastion", Some("2222")),
            ),
            ("-o StrictHostKeyChecking=no -4", (None, None, None, None, false)),
            ("-J none", (None, None, None, None, false)),
            ("-o ProxyCommand='nc -x proxy %h %p'", (None, None, None, None, true)),
            ("-o", (None, None, None, None, false)),
            ("-", (None, None, None, None, false)),
        ] {
            assert_eq!(jump(args), expected, "{args}");
        }
    }
}
