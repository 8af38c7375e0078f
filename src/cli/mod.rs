//! The command line, as clap sees it. Nothing outside this module knows clap: it
//! becomes plain configuration, [`crate::config`].

mod args;
mod global;
mod inventory;
mod invocation;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use args::{
    ConnectArgs, InventoryArgs, ListArgs, ModeArgs, OutputArgs, OutputFormat, TaskArgs,
    VerbosityArgs,
};
pub use global::ColorWhen;
use global::without_empty;
pub use inventory::{
    InventoryCommand, InventoryCommandArgs, InventoryGraphArgs, InventoryListArgs,
    InventoryShowArgs,
};

use crate::exit_code::ExitCode;

/// Run declarative playbooks of SSH requests over a fleet of Linux hosts.
///
/// Everything that can be known is proven before the first connection: names,
/// types, templates, files and keys.
#[derive(Debug, Parser)]
#[command(name = "sshoal", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Project file with defaults; otherwise sshoal.yml is looked for from here upwards
    #[arg(long, global = true, value_name = "FILE", env = "SSHOAL_PROJECT")]
    pub project: Option<PathBuf>,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        env = "SSHOAL_COLOR"
    )]
    pub color: ColorWhen,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    all well
  1    invalid input or usage; nothing ran
  2    a task failed or timed out
  3    the run was aborted: too many hosts failed, or two rejected a password that others share
  4    a host was unreachable
  5    --check --detailed-exitcode: something would change
  6    a task failed, and a host was unreachable
  130  interrupted
  101  a bug in sshoal";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run playbooks
    Run(RunArgs),
    /// Run one command or transfer one file on the hosts that a pattern selects
    Exec(ExecArgs),
    /// Run a request, or a list of them, in the documented JSON (or YAML) shape
    Request(RequestArgs),
    /// Show what a run would do on each host, without connecting
    Plan(PlanArgs),
    /// Check playbooks, inventories and requests, without connecting
    Check(CheckArgs),
    /// Show the inventory: its groups, hosts and variables
    Inventory(InventoryCommandArgs),
    /// Print a JSON Schema, for editors and validators
    Schema(SchemaArgs),
}

/// `sshoal run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Playbook files; globs such as 'playbooks/*.yml' work too
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub tasks: TaskArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub mode: ModeArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub list: ListArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub connect: ConnectArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub output: OutputArgs,
}

/// `sshoal exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sshoal exec -i inventory.yml web -- uptime
  sshoal exec -i inventory.yml 'web:!web-03' --sudo -K -- systemctl restart nginx
  sshoal exec -i inventory.yml all --upload motd:/tmp/motd
  sshoal exec -i web-01,web-02, all --list-hosts")]
pub struct ExecArgs {
    /// Host pattern, such as web or 'web:!web-03'
    #[arg(value_name = "PATTERN")]
    pub pattern: String,
    /// Command and its arguments, joined by single spaces as ssh does
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
    /// Run the command, or move the file, through sudo
    #[arg(long, env = "SSHOAL_SUDO", value_parser = BoolishValueParser::new())]
    pub sudo: bool,
    /// Environment variable of the command (repeatable)
    #[arg(long = "env", value_name = "NAME=VALUE", env = "SSHOAL_ENV", hide_env_values = true)]
    pub environment: Vec<String>,
    /// Upload a local file instead of running a command
    #[arg(long, value_name = "LOCAL:REMOTE", env = "SSHOAL_UPLOAD", conflicts_with_all = ["command", "download", "environment"])]
    pub upload: Option<String>,
    /// Download a file instead of running a command; LOCAL ending in '/' gets a directory per host
    #[arg(long, value_name = "REMOTE:LOCAL", env = "SSHOAL_DOWNLOAD", conflicts_with_all = ["command", "environment"])]
    pub download: Option<String>,
    /// Print the names of the hosts, one per line, and do nothing else
    #[arg(long, env = "SSHOAL_LIST_HOSTS", value_parser = BoolishValueParser::new())]
    pub list_hosts: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub mode: ModeArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub connect: ConnectArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub output: OutputArgs,
}

/// `sshoal request`.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// File with a request or a list of requests; '-' reads standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub connect: ConnectArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub output: OutputArgs,
}

/// `sshoal plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Playbook files; globs such as 'playbooks/*.yml' work too
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, env = "SSHOAL_PLAN_OUTPUT")]
    pub output: PlanFormat,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub tasks: TaskArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub connect: ConnectArgs,
}

/// How `sshoal plan` shows the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PlanFormat {
    /// For people
    #[default]
    Text,
    /// For programs: per host, requests in the documented shape
    Json,
}

/// `sshoal check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Playbooks, inventories and requests; default: playbooks/*.yml
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Also check what only the machine that runs it has: variables of env(), private keys, and the secrets that credential_ref and vault() mean, read from VAULT_ADDR
    #[arg(long, env = "SSHOAL_WITH_CREDENTIALS", value_parser = BoolishValueParser::new())]
    pub with_credentials: bool,
    /// Output format: text for people, or what a CI system reads
    #[arg(long, value_enum, default_value_t, env = "SSHOAL_FORMAT")]
    pub format: CheckFormat,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub inventory: InventoryArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub tasks: TaskArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub connect: ConnectArgs,
}

/// How `sshoal check` tells what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CheckFormat {
    /// For people
    #[default]
    Text,
    /// For programs: every problem with its place
    Json,
    /// Annotations of GitHub Actions, and a table in the step's summary
    Github,
    /// A Code Quality report of GitLab
    Gitlab,
}

/// `sshoal schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which schema
    #[arg(value_enum, value_name = "WHAT")]
    pub kind: SchemaKind,
}

/// The schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Playbooks
    Playbook,
    /// Inventories
    Inventory,
    /// Requests
    Request,
    /// Reports
    Report,
    /// The project file, sshoal.yml
    Project,
    /// Lists of tasks, for `import_tasks`
    Tasks,
}

/// Parses the arguments of a process, runs, and returns its exit code.
///
/// Output goes to the process's standard output and error.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    // Usage errors exit with 1 like other invalid input; 2 means that a task failed.
    let matches = match without_empty(Cli::command()).try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => {
            let error = global::naming_variable(error, &args);
            // Printing fails only when nobody listens any more.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::InvalidInput as u8 } else { 0 };
        }
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => {
            let project = cli.project.clone();
            cli.color.choose();
            crate::run(cli.into(), project.as_deref()) as u8
        }
        Err(error) => {
            let _ = error.print();
            ExitCode::InvalidInput as u8
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A command and all below it.
    fn all(command: &clap::Command) -> Vec<&clap::Command> {
        let below = command.get_subcommands().flat_map(all);
        std::iter::once(command).chain(below).collect()
    }

    #[test]
    fn every_flag_has_a_variable_of_its_own() {
        let command = Cli::command();
        command.clone().debug_assert();
        let mut flags = BTreeMap::new();
        let commands = all(&command);
        assert!(commands.iter().any(|command| command.get_name() == "show"));
        for command in commands {
            for flag in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let name = flag.get_long().unwrap_or_default();
                if ["help", "version"].contains(&name) {
                    continue;
                }
                let variable = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(variable.starts_with("SSHOAL_"), "--{name} of {}", command.get_name());
                let other = flags.insert(variable.to_owned(), name.to_owned());
                assert!(other.is_none_or(|other| other == name), "{variable} is that of two flags");
            }
        }
    }
}
