//! The documented request, as written: every key optional, every value a
//! template perhaps.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::credential_ref::{self, CredentialRef};
use super::decode::{At, Decode, Decoder, OneOrMany, Templated, is_plain, mapping};
use super::error::LoadError;
use super::node::{Kind, Node};

/// The command that stands for a file transfer.
pub const FILE_TRANSFER: &str = "__FILE_TRANSFER__";

mapping! {
    /// How to reach and log in to a host.
    "`connection_args`" struct ConnectionArgs {
        /// Server address: IP or domain name. In a playbook it defaults to the host's inventory name.
        host: Templated<String>,
        /// SSH port. Default 22.
        port: Templated<u16>,
        /// SSH login user.
        username: Templated<String>,
        /// Password, for password and keyboard-interactive authentication.
        password: Templated<String>,
        /// Secret in HashiCorp Vault or OpenBao that holds `username` and `password`, in their place: its path, or a mapping.
        credential_ref: CredentialRef,
        /// Path of a private key file. A relative path starts at the directory of this file; `~` is the home directory.
        key_filename: Templated<String>,
        /// Content of a private key, PEM or OpenSSH form.
        pkey: Templated<String>,
        /// Passphrase of the private key, if it is encrypted.
        passphrase: Templated<String>,
        /// Connection timeout in seconds: TCP connect, then the key exchange anew. Default 30.
        timeout: Templated<Seconds>,
        /// Limit of waiting for the server's banner, in seconds. Default: `timeout`.
        banner_timeout: Templated<Seconds>,
        /// Limit of authentication, in seconds. Default: `timeout`.
        auth_timeout: Templated<Seconds>,
        /// What to do about unknown host keys. A changed key is always refused. Default `auto_add`.
        host_key_policy: Templated<HostKeyPolicyName>,
        /// Whether to try the keys in `~/.ssh`. Default true.
        look_for_keys: Templated<bool>,
        /// Whether to ask the SSH agent. Default false.
        allow_agent: Templated<bool>,
        /// Whether to compress. Default false.
        compress: Templated<bool>,
        /// Seconds without an answer after which the connection counts as lost. Default 30.
        keepalive: Templated<Seconds>,
        /// Jump host address; setting it enables the jump host.
        proxy_host: Templated<String>,
        /// SSH port of the jump host. Default 22.
        proxy_port: Templated<u16>,
        /// Login user on the jump host. Default: `username`.
        proxy_username: Templated<String>,
        /// Password on the jump host. The target's password is never sent there.
        proxy_password: Templated<String>,
        /// Path of a private key file for the jump host.
        proxy_key_filename: Templated<String>,
        /// Content of a private key for the jump host.
        proxy_pkey: Templated<String>,
        /// Passphrase of the jump host's private key, if it is encrypted.
        proxy_passphrase: Templated<String>,
    }
    together {
        check: credential_ref::check,
        inherited: credential_ref::inherited,
    }
}

mapping! {
    /// How to run the task's commands or transfer.
    "`driver_args`" struct DriverArgs {
        /// Total wall-clock limit of one command in seconds; null sets no limit (the default).
        timeout: Templated<Limit>,
        /// Whether to use a pseudo-terminal. Default false; with `sudo` and `sudo_password`, true.
        get_pty: Templated<bool>,
        /// Environment variables of the command; they work inside sudo and whatever the server's AcceptEnv.
        environment: EnvironmentMap,
        /// Read size of the channel in bytes; -1 (the default) leaves it to sshoal.
        bufsize: Templated<i64>,
        /// Whether to run through sudo (`config` only).
        sudo: Templated<bool>,
        /// Password for sudo (`config` only); sent once, only when sudo asks.
        sudo_password: Templated<String>,
        /// User to become with sudo. Default root.
        sudo_user: Templated<String>,
        /// Whether sudo runs the whole line in the login shell (the default), or just its words.
        sudo_shell: Templated<bool>,
        /// Whether a failing command keeps the rest of the list from running. Default: false for `command`, true for `config`.
        stop_on_error: Templated<bool>,
        /// Directory to run in. Default: the login directory.
        working_directory: Templated<String>,
        /// How many bytes of each output stream to keep, half from its head and half from its tail. Default 1048576.
        max_output: Templated<u64>,
        /// File transfer (with `command: ["__FILE_TRANSFER__"]`).
        file_transfer: FileTransfer,
    }
    not_yet {
        "script_content" => "until then put the script into `config` or `command` as a multi-line text",
        "script_interpreter" => "until then name the interpreter in the command",
    }
}

mapping! {
    /// A file transfer.
    "`file_transfer`" struct FileTransfer {
        /// Direction: to the host, or from it.
        operation: Templated<OperationName>,
        /// Path on this machine. A relative path starts at the directory of this file.
        local_path: Templated<String>,
        /// Path on the host. A relative path starts at the login directory.
        remote_path: Templated<String>,
        /// Whether to continue an interrupted transfer. Default false.
        resume: Templated<bool>,
        /// Transfer chunk size in bytes; never a limit of what is in flight. Default 32768.
        chunk_size: Templated<u32>,
        /// Total wall-clock limit of the transfer in seconds; null sets no limit (the default).
        timeout: Templated<Limit>,
        /// Permission bits of the written file, as a quoted octal text such as "0644". Default: as the target has them, or else the source.
        mode: Templated<Mode>,
        /// Whether to create missing parent directories. Default false.
        create_dirs: Templated<bool>,
        /// Whether to compare SHA-256 sums afterwards. Default true where the server has a shell.
        verify: Templated<bool>,
        /// Whether to render the local file as a template before uploading it. Default false.
        template: Templated<bool>,
    }
    not_yet {
        "recursive" => "until then transfer the files one by one with a `loop`, or an archive",
        "owner" => "until then set it with a `config` task: `chown USER FILE`",
        "group" => "until then set it with a `config` task: `chgrp GROUP FILE`",
    }
}

mapping! {
    /// Options common to all drivers.
    "`options`" struct Options {
        /// `fifo` (the default): one connection for a host's tasks of a play. `pinned`: the connection stays for the whole run.
        queue_strategy: Templated<QueueStrategyName>,
        /// How long to keep the task's result, in seconds.
        ttl: Templated<u64>,
    }
}

/// Declares a text with a fixed set of values.
macro_rules! choices {
    ($( $(#[$meta:meta])* $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )* } )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
        pub enum $name { $( $(#[$variant_meta])* #[schemars(rename = $text)] $variant, )* }

        impl $name {
            /// The texts that stand for the values.
            pub const NAMES: &'static [&'static str] = &[$($text),*];
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $( $text => Ok(Self::$variant), )*
                    _ => Err(format!("one of {}", Self::NAMES.join(", "))),
                }
            }
        }

        impl Decode for $name {
            fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
                if let Kind::Text(text, _) = &node.kind && let Ok(value) = text.parse() {
                    return Some(value);
                }
                let written = match &node.kind { Kind::Text(text, _) => text.as_str(), _ => "" };
                let help = match super::decode::nearest(written, Self::NAMES.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "choose one of these".to_owned(),
                };
                decoder.wrong_type(node, what, &format!("one of {}", Self::NAMES.join(", ")), &help);
                None
            }
        }
    )*};
}

choices! {
    /// `host_key_policy`.
    HostKeyPolicyName {
        /// Accept and save unknown keys.
        AutoAdd = "auto_add",
        /// Refuse unknown keys.
        Reject = "reject",
        /// Accept unknown keys with a warning, and do not save them.
        Warning = "warning",
    }
    /// `queue_strategy`.
    QueueStrategyName {
        /// One connection for a host's tasks of a play.
        Fifo = "fifo",
        /// The connection stays for the whole run.
        Pinned = "pinned",
    }
    /// `operation` of a file transfer.
    OperationName {
        /// To the host.
        Upload = "upload",
        /// From the host.
        Download = "download",
    }
}

/// A duration of more than zero seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(pub f64);

/// Longer than any run; keeps arithmetic on clocks within its range.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

impl Seconds {
    /// Checks the range.
    #[must_use]
    pub fn new(seconds: f64) -> Option<Self> {
        (seconds > 0.0 && seconds <= LONGEST).then_some(Self(seconds))
    }

    /// The range in words.
    pub const EXPECTED: &'static str = "a number of seconds above 0";
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0 })
    }
}

impl Decode for Seconds {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let seconds = match &node.kind {
            Kind::Number(number) => number.as_f64().and_then(Self::new),
            _ => None,
        };
        if seconds.is_none() {
            decoder.wrong_type(node, what, Self::EXPECTED, "write a plain number such as `30`");
        }
        seconds
    }
}

/// A duration, or null for no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit(pub Option<Seconds>);

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "null"], "exclusiveMinimum": 0 })
    }
}

impl Decode for Limit {
    const TAKES_NULL: bool = true;

    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match node.kind {
            Kind::Null => Some(Self(None)),
            _ => Seconds::decode(node, what, decoder).map(|seconds| Self(Some(seconds))),
        }
    }
}

/// Permission bits, written as a quoted octal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Reads octal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bits = u32::from_str_radix(text, 8).ok()?;
        (bits <= 0o7777 && !text.starts_with('+')).then_some(Self(bits))
    }

    /// The form in words.
    pub const EXPECTED: &'static str = "permission bits in octal, in quotes";
}

impl JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-7]{1,5}$|\{[{%]", "examples": ["0644", "0755"] })
    }
}

impl Decode for Mode {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        if let Kind::Text(text, _) = &node.kind
            && !is_plain(node)
            && let Some(mode) = Self::parse(text)
        {
            return Some(mode);
        }
        let help =
            "quote it, for YAML reads an unquoted 0644 in more than one way: `mode: \"0644\"`";
        decoder.wrong_type(node, what, Self::EXPECTED, help);
        None
    }
}

/// Environment variables, in the order written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnvironmentMap(pub IndexMap<String, At<Templated<String>>>);

impl JsonSchema for EnvironmentMap {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Environment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}

/// Whether a shell can export a variable of this name.
#[must_use]
pub fn is_exportable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Decode for EnvironmentMap {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        let map = decoder.map(node, what)?;
        let mut variables = IndexMap::new();
        for (name, entry) in map {
            if !is_exportable(name) {
                let error = LoadError::Conflict {
                    message: format!("`{name}` is not a name that a shell can export"),
                    help: "use letters, digits and `_`, and no digit first".to_owned(),
                };
                decoder.report(error, entry.key);
                continue;
            }
            let value = match &entry.value.kind {
                // The text of a boolean is what a shell script compares with.
                Kind::Bool(value) => Some(At {
                    value: Templated::Value(value.to_string()),
                    span: entry.value.span,
                    key: entry.key,
                }),
                Kind::Null => Some(At {
                    value: Templated::Value(String::new()),
                    span: entry.key,
                    key: entry.key,
                }),
                _ => decoder.field(name, entry),
            };
            variables.extend(value.map(|value| (name.clone(), value)));
        }
        Some(Self(variables))
    }
}

/// `command` or `config`: one command, or a list.
pub type Commands = OneOrMany<Templated<String>>;
