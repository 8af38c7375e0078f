//! Turns the command line, as clap sees it, into plain configuration.

use super::{
    Cli, Command, ConnectArgs, ExecArgs, InventoryArgs, InventoryCommand, ListArgs, ModeArgs,
    OutputArgs, TaskArgs,
};
use crate::config::{
    AdHoc, Ask, CheckExit, ConnectConfig, InventoryConfig, InventoryView, Invocation, ModeConfig,
    OutputConfig, SecretAccess, SshConfigUse, TaskConfig,
};
use crate::execute::{CanaryMode, DiffMode, RunMode};
use crate::plan::show::Listing;
use crate::report::Verbosity;

impl From<Cli> for Invocation {
    fn from(cli: Cli) -> Self {
        match cli.command {
            Command::Run(args) => Self::Run {
                playbooks: args.playbooks,
                inventory: args.inventory.into(),
                tasks: args.tasks.into(),
                mode: args.mode.into(),
                list: args.list.into(),
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
                inventory: InventoryConfig::default(),
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
                    false => SecretAccess::Elsewhere,
                },
                format: args.format,
            },
            Command::Inventory(args) => match args.what {
                InventoryCommand::List(args) => {
                    Self::Inventory { inventory: args.inventory.into(), view: InventoryView::List }
                }
                InventoryCommand::Graph(args) => Self::Inventory {
                    inventory: args.inventory.into(),
                    view: InventoryView::Graph { group: args.group },
                },
                InventoryCommand::Show(args) => Self::Inventory {
                    inventory: args.inventory.into(),
                    view: InventoryView::Host { name: args.host, origins: args.origins },
                },
            },
            Command::Schema(args) => Self::Schema(args.kind),
        }
    }
}

fn ad_hoc(args: &ExecArgs) -> AdHoc {
    let sudo = args.sudo;
    match (&args.upload, &args.download) {
        _ if args.list_hosts => AdHoc::ListHosts,
        (Some(paths), _) => AdHoc::Upload { paths: paths.clone(), sudo },
        (_, Some(paths)) => AdHoc::Download { paths: paths.clone(), sudo },
        _ if args.command.is_empty() => AdHoc::Nothing,
        _ => AdHoc::Command {
            line: args.command.join(" "),
            sudo,
            environment: args.environment.clone(),
        },
    }
}

impl From<InventoryArgs> for InventoryConfig {
    fn from(args: InventoryArgs) -> Self {
        Self {
            sources: args.inventory,
            limit: args.limit,
            extra_vars: args.extra_vars,
            allow_no_hosts: args.allow_no_hosts,
            defaults: None,
        }
    }
}

impl From<TaskArgs> for TaskConfig {
    fn from(args: TaskArgs) -> Self {
        Self { tags: args.tags, skip_tags: args.skip_tags, start_at: args.start_at_task }
    }
}

impl From<ListArgs> for Listing {
    fn from(args: ListArgs) -> Self {
        Self { hosts: args.list_hosts, tasks: args.list_tasks, tags: args.list_tags }
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
            ssh_config: match args.no_ssh_config {
                true => SshConfigUse::Ignore,
                false => SshConfigUse::Read,
            },
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
