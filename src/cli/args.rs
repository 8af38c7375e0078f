//! Arguments that several subcommands share.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};

/// Which hosts.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Inventory")]
pub struct InventoryArgs {
    /// Inventory file, directory or script, or hosts inline as 'host1,host2,' (repeatable)
    #[arg(short, long = "inventory", value_name = "PATH|HOSTS", env = "SSHOAL_INVENTORY")]
    pub inventory: Vec<String>,
    /// Run only on the hosts of this pattern; '@FILE' takes one from each line, or from a report the hosts that failed
    #[arg(short, long, value_name = "PATTERN", env = "SSHOAL_LIMIT")]
    pub limit: Option<String>,
    /// Exit with 0 when the pattern and the limit select no host
    #[arg(long, env = "SSHOAL_ALLOW_NO_HOSTS", value_parser = BoolishValueParser::new())]
    pub allow_no_hosts: bool,
    /// Variable as name=value, @file, or a mapping in JSON or YAML (repeatable); wins over all others
    #[arg(
        short,
        long = "extra-vars",
        value_name = "VARS",
        env = "SSHOAL_EXTRA_VARS",
        hide_env_values = true
    )]
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
    /// Begin with the first task of this name; globs such as 'install*' work too
    #[arg(long, value_name = "NAME", env = "SSHOAL_START_AT_TASK")]
    pub start_at_task: Option<String>,
}

/// What to list instead of running.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Tasks")]
pub struct ListArgs {
    /// Print the hosts of each play, and do nothing else
    #[arg(long, env = "SSHOAL_LIST_HOSTS", value_parser = BoolishValueParser::new())]
    pub list_hosts: bool,
    /// Print the tasks of each play with their tags, and do nothing else
    #[arg(long, env = "SSHOAL_LIST_TASKS", value_parser = BoolishValueParser::new())]
    pub list_tasks: bool,
    /// Print the tags of each play, and do nothing else
    #[arg(long, env = "SSHOAL_LIST_TAGS", value_parser = BoolishValueParser::new())]
    pub list_tags: bool,
}

/// What a run may do.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Mode")]
pub struct ModeArgs {
    /// Change nothing: ask guards, compare files, and report what would change
    #[arg(short = 'C', long, env = "SSHOAL_CHECK", value_parser = BoolishValueParser::new())]
    pub check: bool,
    /// Show what uploads of single text files change
    #[arg(short = 'D', long, env = "SSHOAL_DIFF", value_parser = BoolishValueParser::new())]
    pub diff: bool,
    /// With --check, exit with 5 when something would change
    #[arg(long, env = "SSHOAL_DETAILED_EXITCODE", value_parser = BoolishValueParser::new())]
    pub detailed_exitcode: bool,
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
    #[arg(short = 'k', long, env = "SSHOAL_ASK_PASS", value_parser = BoolishValueParser::new())]
    pub ask_pass: bool,
    /// Ask for the sudo password
    #[arg(short = 'K', long, env = "SSHOAL_ASK_SUDO_PASS", value_parser = BoolishValueParser::new())]
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
    /// Pass ~/.ssh/config over, which otherwise counts below the inventory
    #[arg(long, env = "SSHOAL_NO_SSH_CONFIG", value_parser = BoolishValueParser::new())]
    pub no_ssh_config: bool,
    /// Use a shared password on all hosts at once, instead of proving it on one first
    #[arg(long, env = "SSHOAL_NO_CANARY", value_parser = BoolishValueParser::new())]
    pub no_canary: bool,
    /// How many hosts to work on at a time [default: 64]
    #[arg(short, long, value_name = "N", env = "SSHOAL_FORKS")]
    pub forks: Option<std::num::NonZeroUsize>,
}

/// What to print and write.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// What standard output holds: text for people, the JSON report, or events as JSON lines
    /// [default: text]
    #[arg(short, long, value_enum, env = "SSHOAL_OUTPUT")]
    pub output: Option<OutputFormat>,
    /// Write the JSON report to this file as well
    #[arg(long, value_name = "PATH", env = "SSHOAL_REPORT")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub verbosity: VerbosityArgs,
}

/// How much to show.
///
/// A flag wins over the environment variable of its opposite, which clap's own
/// conflicts would refuse; of two flags or two variables `quiet` wins.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerbosityArgs {
    /// Show the whole output of each command.
    pub verbose: bool,
    /// Show only failures and the recap.
    pub quiet: bool,
}

const VERBOSE: &str = "verbose";
const QUIET: &str = "quiet";

impl FromArgMatches for VerbosityArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = [VERBOSE, QUIET].map(|flag| {
            let is_set = matches.get_flag(flag);
            (is_set, is_set && matches.value_source(flag) == Some(ValueSource::CommandLine))
        });
        let [(verbose, verbose_given), (quiet, quiet_given)] = flags;
        let quiet = quiet && (quiet_given || !verbose_given);
        Ok(Self { verbose: verbose && !quiet, quiet })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for VerbosityArgs {
    fn augment_args(command: Command) -> Command {
        let flag = |name: &'static str| {
            Arg::new(name)
                .long(name)
                .action(ArgAction::SetTrue)
                .value_parser(BoolishValueParser::new())
        };
        command
            .arg(
                flag(VERBOSE)
                    .short('v')
                    .env("SSHOAL_VERBOSE")
                    .help("Show the whole output of each command"),
            )
            .arg(
                flag(QUIET).short('q').env("SSHOAL_QUIET").help("Show only failures and the recap"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_shows_no_value_of_extra_vars() {
        let command = InventoryArgs::augment_args(Command::new("just"));
        let extra = command.get_arguments().find(|arg| arg.get_id() == "extra_vars").unwrap();
        assert!(extra.is_hide_env_values_set());
    }
}
