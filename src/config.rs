//! What the user asked for, as plain values: flags and environment variables have
//! been read, mutually exclusive flags have become enums, and nothing knows clap.

mod mode;

use std::num::NonZeroUsize;
use std::path::PathBuf;

pub use mode::{CheckExit, ModeConfig};

use crate::cli::{
    Cli, Command, ConnectArgs, ExecArgs, InventoryArgs, ModeArgs, OutputArgs, OutputFormat,
    PlanFormat, SchemaKind, TaskArgs,
};
use crate::execute::{CanaryMode, DiffMode, RunMode};
use crate::report::Verbosity;

/// One invocation.
#[derive(Debug)]
pub enum Invocation {
    /// `run`.
    Run {
        /// Paths and globs.
        playbooks: Vec<String>,
        /// Which hosts.
        inventory: InventoryConfig,
        /// Which tasks.
        tasks: TaskConfig,
        /// What it may do.
        mode: ModeConfig,
        /// How to connect.
        connect: ConnectConfig,
        /// What to print.
        output: OutputConfig,
    },
    /// `exec`.
    Exec {
        /// Host pattern.
        pattern: String,
        /// What to do on the hosts.
        job: AdHoc,
        /// Which hosts.
        inventory: InventoryConfig,
        /// What it may do.
        mode: ModeConfig,
        /// How to connect.
        connect: ConnectConfig,
        /// What to print.
        output: OutputConfig,
    },
    /// `request`.
    Request {
        /// A path, or `-` for standard input.
        file: String,
        /// How to connect.
        connect: ConnectConfig,
        /// What to print.
        output: OutputConfig,
    },
    /// `plan`.
    Plan {
        /// Paths and globs.
        playbooks: Vec<String>,
        /// How to show the plan.
        format: PlanFormat,
        /// Which hosts.
        inventory: InventoryConfig,
        /// Which tasks.
        tasks: TaskConfig,
        /// How to connect.
        connect: ConnectConfig,
    },
    /// `check`.
    Check {
        /// Paths and globs.
        paths: Vec<String>,
        /// Which hosts.
        inventory: InventoryConfig,
        /// Which tasks.
        tasks: TaskConfig,
        /// How a run would connect.
        connect: ConnectConfig,
        /// What to do about secrets in a vault.
        secrets: SecretAccess,
    },
    /// `schema`.
    Schema(SchemaKind),
}

/// What `exec` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdHoc {
    /// Runs a command.
    Command {
        /// The words, joined by single spaces.
        line: String,
        /// Whether to run it through sudo.
        sudo: bool,
        /// `NAME=VALUE` each.
        environment: Vec<String>,
    },
    /// Uploads `LOCAL:REMOTE`.
    Upload(String),
    /// Downloads `REMOTE:LOCAL`.
    Download(String),
    /// Prints the names of the hosts.
    ListHosts,
    /// Nothing was asked for.
    Nothing,
}

/// Which hosts, and their variables.
#[derive(Debug, Clone, Default)]
pub struct InventoryConfig {
    /// Files and inline lists.
    pub sources: Vec<String>,
    /// A host pattern.
    pub limit: Option<String>,
    /// `--extra-vars`, in order.
    pub extra_vars: Vec<String>,
}

/// Which tasks.
#[derive(Debug, Clone, Default)]
pub struct TaskConfig {
    /// Tags of which a task needs one.
    pub tags: Vec<String>,
    /// Tags that exclude a task.
    pub skip_tags: Vec<String>,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectConfig {
    /// Login user.
    pub user: Option<String>,
    /// Private key file.
    pub private_key: Option<PathBuf>,
    /// Which passwords to ask for.
    pub ask: Ask,
    /// Connection timeout in seconds.
    pub timeout: Option<f64>,
    /// `host_key_policy` by name.
    pub host_key_policy: Option<String>,
    /// In place of the user's known_hosts file.
    pub known_hosts: Option<PathBuf>,
    /// Whether shared passwords are proven on one host first. Default on.
    pub canary: CanaryMode,
    /// How many hosts to work on at a time. Default 64.
    pub forks: NonZeroUsize,
}

/// What to do about secrets in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretAccess {
    /// Check references in form; nothing is read.
    Unread,
    /// Read them.
    Read,
}

/// Which passwords to ask for on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// None.
    Nothing,
    /// The login password.
    Login,
    /// The sudo password.
    Sudo,
    /// Both.
    Both,
}

/// What to print and write.
#[derive(Debug, Clone)]
pub struct OutputConfig {
    /// What standard output holds.
    pub format: OutputFormat,
    /// Where to write the report as well.
    pub report: Option<PathBuf>,
    /// How much to show.
    pub verbosity: Verbosity,
}

impl From<Cli> for Invocation {
    fn from(cli: Cli) -> Self {
        match cli.command {
            Command::Run(args) => Self::Run {
                playbooks: args.playbooks,
                inventory: args.inventory.into(),
                tasks: args.tasks.into(),
                mode: args.mode.into(),
                connect: args.connect.into(),
                output: args.output.into(),
            },
            Command::Exec(args) => Self::Exec {
                job: ad_hoc(&args),
                pattern: args.pattern,
                inventory: args.inventory.into(),
                mode: args.mode.into(),
                connect: args.connect.into(),
                output: args.output.into(),
            },
            Command::Request(args) => Self::Request {
                file: args.file,
                connect: args.connect.into(),
                output: args.output.into(),
            },
            Command::Plan(args) => Self::Plan {
                playbooks: args.playbooks,
                format: args.output,
                inventory: args.inventory.into(),
                tasks: args.tasks.into(),
                connect: args.connect.into(),
            },
            Command::Check(args) => Self::Check {
                paths: args.paths,
                inventory: args.inventory.into(),
                tasks: args.tasks.into(),
                connect: args.connect.into(),
                secrets: match args.with_credentials {
                    true => SecretAccess::Read,
                    false => SecretAccess::Unread,
                },
            },
            Command::Schema(args) => Self::Schema(args.kind),
        }
    }
}

fn ad_hoc(args: &ExecArgs) -> AdHoc {
    match (&args.upload, &args.download) {
        _ if args.list_hosts => AdHoc::ListHosts,
        (Some(upload), _) => AdHoc::Upload(upload.clone()),
        (_, Some(download)) => AdHoc::Download(download.clone()),
        _ if args.command.is_empty() => AdHoc::Nothing,
        _ => AdHoc::Command {
            line: args.command.join(" "),
            sudo: args.sudo,
            environment: args.environment.clone(),
        },
    }
}

impl From<InventoryArgs> for InventoryConfig {
    fn from(args: InventoryArgs) -> Self {
        Self { sources: args.inventory, limit: args.limit, extra_vars: args.extra_vars }
    }
}

impl From<TaskArgs> for TaskConfig {
    fn from(args: TaskArgs) -> Self {
        Self { tags: args.tags, skip_tags: args.skip_tags }
    }
}

impl From<ModeArgs> for ModeConfig {
    fn from(args: ModeArgs) -> Self {
        Self {
            mode: if args.check { RunMode::Check } else { RunMode::Apply },
            diff: if args.diff { DiffMode::Shown } else { DiffMode::Hidden },
            exit: match args.check && args.detailed_exitcode {
                true => CheckExit::Changes,
                false => CheckExit::Failures,
            },
        }
    }
}

impl From<ConnectArgs> for ConnectConfig {
    fn from(args: ConnectArgs) -> Self {
        Self {
            user: args.user,
            private_key: args.private_key,
            ask: match (args.ask_pass, args.ask_sudo_pass) {
                (false, false) => Ask::Nothing,
                (true, false) => Ask::Login,
                (false, true) => Ask::Sudo,
                (true, true) => Ask::Both,
            },
            timeout: args.timeout,
            host_key_policy: args.host_key_policy,
            known_hosts: args.known_hosts,
            canary: if args.no_canary { CanaryMode::Off } else { CanaryMode::On },
            forks: args.forks,
        }
    }
}

impl From<OutputArgs> for OutputConfig {
    fn from(args: OutputArgs) -> Self {
        Self {
            format: args.output,
            report: args.report,
            verbosity: match (args.verbosity.verbose, args.verbosity.quiet) {
                (_, true) => Verbosity::Quiet,
                (true, false) => Verbosity::Verbose,
                (false, false) => Verbosity::Normal,
            },
        }
    }
}
