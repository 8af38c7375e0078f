//! `sshoal inventory`: what the inventory says.

use clap::{Args, Subcommand};

use super::args::InventoryArgs;

/// `sshoal inventory`.
#[derive(Debug, Args)]
pub struct InventoryCommandArgs {
    /// What to show
    #[command(subcommand)]
    pub what: InventoryCommand,
}

/// What `sshoal inventory` shows.
#[derive(Debug, Subcommand)]
pub enum InventoryCommand {
    /// Print groups, hosts and variables as `ansible-inventory --list` does
    ///
    /// The values are those that the inventory files say: templates are not rendered and
    /// secrets in a vault are not read, but a password that stands there in plain text is
    /// printed in plain text.
    List(InventoryListArgs),
    /// Print the tree of groups and hosts as `ansible-inventory --graph` does
    Graph(InventoryGraphArgs),
    /// Print the variables of one host as `ansible-inventory --host` does
    ///
    /// The values are those that the inventory files say, plain passwords included.
    Show(InventoryShowArgs),
}

/// `sshoal inventory list`.
#[derive(Debug, Args)]
pub struct InventoryListArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub inventory: InventoryArgs,
}

/// `sshoal inventory graph`.
#[derive(Debug, Args)]
pub struct InventoryGraphArgs {
    /// The group to start from
    #[arg(value_name = "GROUP", default_value = "all")]
    pub group: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub inventory: InventoryArgs,
}

/// `sshoal inventory show`.
#[derive(Debug, Args)]
pub struct InventoryShowArgs {
    /// The host's name in the inventory
    #[arg(value_name = "HOST")]
    pub host: String,
    /// Also tell which file and line each variable comes from
    #[arg(long, env = "SSHOAL_ORIGINS", value_parser = clap::builder::BoolishValueParser::new())]
    pub origins: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment for help")]
    pub inventory: InventoryArgs,
}
