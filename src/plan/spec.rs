//! What the transport is told to do: complete, checked, and free of templates.
//!
//! Everything here is a value of the documented request with its default filled
//! in. Durations are total limits, not idle limits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::credential::PrivateKey;
use crate::secret::Secret;
use crate::transfer::TransferOperation;

/// Where and how to reach one host: the documented `connection_args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSpec {
    /// The name or IP address to connect to.
    pub host: String,
    /// The SSH port; documented default 22.
    pub port: u16,
    /// The login user.
    pub username: String,
    /// What to prove the user's identity with, in the order of the fields.
    pub credentials: Credentials,
    /// How long each stage of connecting may take.
    pub timeouts: ConnectTimeouts,
    /// How long the peer may stay silent before the connection counts as lost.
    pub keepalive: Duration,
    /// What to do about unknown host keys.
    pub host_key_policy: HostKeyPolicy,
    /// Files of known host keys in place of the user's, the first of which takes
    /// newcomers. `--known-hosts` wins over it.
    pub known_hosts: Option<Vec<PathBuf>>,
    /// Whether to ask for zlib compression.
    pub compress: bool,
    /// The jump host, if there is one; it has no jump host of its own.
    pub proxy: Option<Arc<ConnectionSpec>>,
}

impl ConnectionSpec {
    /// `host:port`, or `[host]:port` where the host is an IPv6 address.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }
}

/// `host:port`, or `[host]:port` where the host is an IPv6 address.
#[must_use]
pub fn address(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// What may prove the user's identity, tried in the order of the fields.
///
/// After `password`, keyboard-interactive is tried with the same password, and
/// `default_keys` come last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// `pkey` and then `key_filename`, as far as given.
    pub keys: Vec<Arc<PrivateKey>>,
    /// Whether to ask the SSH agent (`allow_agent`).
    pub agent: bool,
    /// `password`.
    pub password: Option<Secret>,
    /// The keys found in `~/.ssh` (`look_for_keys`).
    pub default_keys: Vec<Arc<PrivateKey>>,
    /// What `credential_ref` has for sudo: no way to log in, and what sudo gets
    /// where `sudo_password` is not set.
    pub sudo_password: Option<Secret>,
}

/// How long each stage of connecting may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectTimeouts {
    /// TCP connect, all addresses together; then the key exchange anew. Default 30 s.
    pub connect: Duration,
    /// Waiting for the server's banner. As `connect` when unset.
    pub banner: Duration,
    /// Authentication, all methods together. As `connect` when unset.
    pub auth: Duration,
}

/// What to do about a host key that no known_hosts file has.
///
/// A key that differs from the known one is refused under every policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Accept it and append it to known_hosts. The documented default.
    AutoAdd,
    /// Refuse the connection.
    Reject,
    /// Accept it with a warning, and do not save it.
    Warning,
}

/// How long a connection is kept: the documented `queue_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueStrategy {
    /// For one host's tasks of one play. The documented default.
    Fifo,
    /// For the whole run.
    Pinned,
}

/// What a task does on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Commands as the login user.
    Command(ShellAction),
    /// Commands, elevated by sudo where `sudo` says so.
    Config(ShellAction),
    /// A file transfer.
    FileTransfer(TransferSpec),
}

/// Commands to run one after the other, each on a channel of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellAction {
    /// The commands, as written.
    pub commands: Vec<String>,
    /// Whether a failing command keeps the rest from running.
    pub stop_on_error: bool,
    /// How to run each.
    pub exec: ExecOptions,
}

impl ShellAction {
    /// What to call each command: a script by its interpreter.
    pub fn shown(&self) -> impl Iterator<Item = String> {
        let suffix = if self.exec.script.is_some() { " (script_content)" } else { "" };
        self.commands.iter().map(move |command| format!("{command}{suffix}"))
    }
}

/// How to run a command: the documented `driver_args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOptions {
    /// Total wall-clock limit of one command; `None` sets no limit.
    pub timeout: Option<Duration>,
    /// Whether to allocate a pseudo-terminal.
    pub pty: bool,
    /// Whether the command's standard input stays open: only a plain `command`
    /// with an explicit PTY has the terminal, everything else reads end-of-file.
    pub stdin_open: bool,
    /// Variables to set, in order. Values may hold any character but NUL.
    pub environment: Vec<(String, String)>,
    /// The directory to run in; `None` is the login directory.
    pub working_directory: Option<String>,
    /// Read size of the channel in bytes; `None` is the transport's default.
    pub read_size: Option<usize>,
    /// How many bytes of each stream to keep, half from its head and half from
    /// its tail. Default 1 MiB.
    pub max_output: usize,
    /// Whether and how to elevate.
    pub sudo: Option<SudoSpec>,
    /// A script for the command to run: the command is the script's interpreter,
    /// and finds it as its last argument. It holds any character but NUL.
    pub script: Option<Arc<str>>,
}

/// What decides on the host whether a task has anything to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guards {
    /// Paths or patterns: nothing is to be done if all of them exist.
    pub creates: Vec<String>,
    /// Paths or patterns: nothing is to be done if none of them exists.
    pub removes: Vec<String>,
    /// Shell commands: nothing is to be done if any of them succeeds.
    pub unless: Vec<String>,
    /// Shell commands: nothing is to be done if any of them fails.
    pub only_if: Vec<String>,
}

impl Guards {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { creates, removes, unless, only_if } = self;
        [creates, removes, unless, only_if].into_iter().all(Vec::is_empty)
    }
}

/// How to elevate a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SudoSpec {
    /// The password, sent once and only when sudo asks.
    pub password: Option<Secret>,
    /// The user to become; `None` is root.
    pub user: Option<String>,
    /// Whether the whole line runs in the login shell (true, the default), or
    /// its words are handed to sudo as they are.
    pub shell: bool,
}

/// A file transfer: the documented `file_transfer`, of a file or of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferSpec {
    /// Its direction.
    pub operation: TransferOperation,
    /// The path on this machine, made absolute.
    pub local_path: PathBuf,
    /// The path as the user wrote it, for reports.
    pub local_path_shown: String,
    /// The text to upload instead of the file's bytes: a rendered template.
    pub content: Option<Arc<[u8]>>,
    /// The path on the host; a relative one starts at the login directory.
    pub remote_path: String,
    /// Whether to continue an interrupted transfer.
    pub resume: bool,
    /// The unit of reads and of progress in bytes; never a limit of what is in
    /// flight. Default 32768.
    pub chunk_size: usize,
    /// Total wall-clock limit; `None` sets no limit.
    pub timeout: Option<Duration>,
    /// Permission bits of the written file; `None` keeps the target's, or for a
    /// new file the source's.
    pub mode: Option<u32>,
    /// Whether to create missing parent directories of the written file.
    pub create_dirs: bool,
    /// Whether to compare SHA-256 sums where the server has a shell. Default true.
    pub verify: bool,
    /// Whether both paths name directories, of which all files are transferred.
    pub recursive: bool,
    /// Who is to own what an upload writes, by name or number; `None` keeps the
    /// target's owner.
    pub owner: Option<String>,
    /// The group, likewise.
    pub group: Option<String>,
    /// Whether and how to elevate what touches the remote path.
    pub sudo: Option<SudoSpec>,
    /// Whether sudo gets a pseudo-terminal.
    pub pty: bool,
}
