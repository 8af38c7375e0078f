//! Arguments that several subcommands share.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, ValueEnum};

/// Which hosts.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Inventory")]
pub struct InventoryArgs {
    /// Inventory file, or hosts inline as 'host1,host2,' (repeatable)
    #[arg(short, long = "inventory", value_name = "PATH|HOSTS", env = "SSHOAL_INVENTORY")]
    pub inventory: Vec<String>,
    /// Run only on the hosts of this pattern
    #[arg(short, long, value_name = "PATTERN", env = "SSHOAL_LIMIT")]
    pub limit: Option<String>,
    /// Variable as name=value, @file, or a mapping in JSON or YAML (repeatable); wins over all others
    #[arg(short, long = "extra-vars", value_name = "VARS", env = "SSHOAL_EXTRA_VARS")]
    pub extra_vars: Vec<String>,
}

/// Which tasks.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Tasks")]
pub struct TaskArgs {
    /// Run only tasks with one of these tags
    #[arg(short, long, value_name = "TAGS", value_delimiter = ',', env = "SSHOAL_TAGS")]
    pub tags: Vec<String>,
    /// Leave out tasks with one of these tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',', env = "SSHOAL_SKIP_TAGS")]
    pub skip_tags: Vec<String>,
}

/// How to connect. These win over playbook and inventory.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection (wins over playbook and inventory)")]
pub struct ConnectArgs {
    /// Login user
    #[arg(short, long, value_name = "USER", env = "SSHOAL_USER")]
    pub user: Option<String>,
    /// Private key file
    #[arg(long, value_name = "FILE", env = "SSHOAL_PRIVATE_KEY")]
    pub private_key: Option<PathBuf>,
    /// Ask for the login password
    #[arg(short = 'k', long, env = "SSHOAL_ASK_PASS", value_parser = FalseyValueParser::new())]
    pub ask_pass: bool,
    /// Ask for the sudo password
    #[arg(short = 'K', long, env = "SSHOAL_ASK_SUDO_PASS", value_parser = FalseyValueParser::new())]
    pub ask_sudo_pass: bool,
    /// Connection timeout in seconds
    #[arg(short = 'T', long, value_name = "SECONDS", env = "SSHOAL_TIMEOUT")]
    pub timeout: Option<f64>,
    /// What to do about unknown host keys; changed keys are always refused
    #[arg(long, value_name = "POLICY", env = "SSHOAL_HOST_KEY_POLICY", value_parser = ["auto_add", "reject", "warning"])]
    pub host_key_policy: Option<String>,
    /// File of known host keys, in place of ~/.ssh/known_hosts
    #[arg(long, value_name = "FILE", env = "SSHOAL_KNOWN_HOSTS")]
    pub known_hosts: Option<PathBuf>,
    /// Use a shared password on all hosts at once, instead of proving it on one first
    #[arg(long, env = "SSHOAL_NO_CANARY", value_parser = FalseyValueParser::new())]
    pub no_canary: bool,
    /// How many hosts to work on at a time
    #[arg(short, long, value_name = "N", env = "SSHOAL_FORKS", default_value = "64")]
    pub forks: std::num::NonZeroUsize,
}

/// What to print and write.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// What standard output holds: text for people, the JSON report, or events as JSON lines
    #[arg(short, long, value_enum, default_value_t, env = "SSHOAL_OUTPUT")]
    pub output: OutputFormat,
    /// Write the JSON report to this file as well
    #[arg(long, value_name = "PATH", env = "SSHOAL_REPORT")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub verbosity: VerbosityArgs,
}

/// How much to show.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct VerbosityArgs {
    /// Show the whole output of each command
    #[arg(short, long, action = ArgAction::SetTrue, env = "SSHOAL_VERBOSE", value_parser = FalseyValueParser::new())]
    pub verbose: bool,
    /// Show only failures and the recap
    #[arg(short, long, action = ArgAction::SetTrue, conflicts_with = "verbose", env = "SSHOAL_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
}

/// What standard output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// Text for people
    #[default]
    Text,
    /// The JSON report alone
    Json,
    /// Events as JSON lines, as they happen
    Ndjson,
}
