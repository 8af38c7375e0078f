//! What the user asked for, as plain values: flags and environment variables have
//! been read, mutually exclusive flags have become enums, and nothing knows clap.

mod mode;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

pub use mode::{CheckExit, ModeConfig};

use crate::cli::{CheckFormat, OutputFormat, PlanFormat, SchemaKind};
use crate::execute::CanaryMode;
use crate::load::layer::Layer;
use crate::plan::show::Listing;
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
        /// What to list instead of running.
        list: Listing,
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
        /// The project's defaults; requests name their own hosts.
        inventory: InventoryConfig,
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
        /// How to tell what is wrong.
        format: CheckFormat,
    },
    /// `inventory`.
    Inventory {
        /// Which hosts.
        inventory: InventoryConfig,
        /// What to show of them.
        view: InventoryView,
    },
    /// `schema`.
    Schema(SchemaKind),
}

/// What `inventory` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InventoryView {
    /// Groups, hosts and variables, as JSON.
    List,
    /// The tree below a group.
    Graph {
        /// The group.
        group: String,
    },
    /// The variables of one host, as JSON.
    Host {
        /// The host.
        name: String,
        /// Whether to tell where each comes from.
        origins: bool,
    },
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
    /// Uploads a file.
    Upload {
        /// `LOCAL:REMOTE`.
        paths: String,
        /// Whether to put it into place through sudo.
        sudo: bool,
    },
    /// Downloads a file.
    Download {
        /// `REMOTE:LOCAL`.
        paths: String,
        /// Whether to read it through sudo.
        sudo: bool,
    },
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
    /// Whether it is all right that no host is selected.
    pub allow_no_hosts: bool,
    /// What the project file says of every host.
    pub defaults: Option<Arc<Layer>>,
}

/// Which tasks.
#[derive(Debug, Clone, Default)]
pub struct TaskConfig {
    /// Tags of which a task needs one.
    pub tags: Vec<String>,
    /// Tags that exclude a task.
    pub skip_tags: Vec<String>,
    /// The name of the task to begin with, or a glob.
    pub start_at: Option<String>,
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
    /// Whether `~/.ssh/config` counts, below the inventory. Default yes.
    pub ssh_config: SshConfigUse,
    /// Whether shared passwords are proven on one host first. Default on.
    pub canary: CanaryMode,
    /// How many hosts to work on at a time; see [`Self::forks`].
    pub forks: Option<NonZeroUsize>,
}

impl ConnectConfig {
    /// How many hosts to work on at a time. Default 64.
    #[must_use]
    pub fn forks(&self) -> NonZeroUsize {
        const DEFAULT: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");
        self.forks.unwrap_or(DEFAULT)
    }
}

/// What to do about the user's SSH configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshConfigUse {
    /// Read it.
    Read,
    /// Pass it over.
    Ignore,
}

/// What to do about secrets in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretAccess {
    /// Check references in form; nothing is read.
    Unread,
    /// The same, on a machine that need not have what a run takes from its own:
    /// environment variables, private keys, an agent.
    Elsewhere,
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
    /// What standard output holds. Default: text.
    pub format: Option<OutputFormat>,
    /// Where to write the report as well.
    pub report: Option<PathBuf>,
    /// How much to show.
    pub verbosity: Verbosity,
}
