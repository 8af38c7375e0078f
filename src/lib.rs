//! `sshoal` runs declarative YAML playbooks of SSH requests over an inventory of
//! Linux hosts and emits one JSON report.
//!
//! One way through the house: **load → resolve → plan → execute → report**. Each
//! stage has types of its own, and knows only what stands below it here:
//!
//! | module | owns | must not know |
//! |---|---|---|
//! | [`load`] | files → raw types with source positions | what hosts mean |
//! | [`resolve`] | inventory, precedence, patterns, templates | network, clock, threads |
//! | [`plan`] | raw types + inventory → a complete, checked plan | network, clock, threads |
//! | [`credential`] | private keys, secrets in a vault | plays, hosts |
//! | [`execute`] | plan → events, on a thread pool | ssh2, YAML, stdout |
//! | [`transport`] | connections, commands, transfers | plays, inventory, events |
//! | [`report`] | events → terminal and JSON | the plan's insides, transport |

mod app;
pub mod cli;
pub mod config;
pub mod credential;
pub mod diagnostic;
pub mod event;
pub mod execute;
pub mod exit_code;
pub mod failure;
pub mod lint;
pub mod load;
pub mod local_file;
pub mod plan;
pub mod record;
pub mod report;
pub mod resolve;
pub mod schema;
pub mod secret;
pub mod transfer;
pub mod transport;

/// Does what was asked for, with the process's standard output and error, and
/// returns the exit code. `project` is the project file to use; `None` looks for one.
#[must_use]
pub fn run(
    invocation: config::Invocation,
    project: Option<&std::path::Path>,
) -> exit_code::ExitCode {
    app::run(invocation, project)
}
