//! What holds for every subcommand: colours, and variables that are set to nothing.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, ValueEnum};

use super::Cli;

/// When to use colours. `auto` is where a terminal listens, unless `NO_COLOR` or
/// `CLICOLOR` say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// Where a terminal shows them
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl ColorWhen {
    /// Makes it so for the whole process.
    pub(super) fn choose(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

/// The command without the variables that are set to nothing: they count as unset.
pub(super) fn without_empty(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    let command = command.mut_args(|arg| match is_empty(&arg) {
        true => arg.env(clap::builder::Resettable::Reset),
        false => arg,
    });
    command.mut_subcommands(without_empty)
}

/// An error about a value that a variable gave tells the variable: nobody wrote the flag.
pub(super) fn naming_variable(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (Some(flag), Some(value)) =
        (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue))
    else {
        return error;
    };
    if args.iter().any(|arg| arg.to_string_lossy().ends_with(&value)) {
        return error;
    }
    let mut command = Cli::command();
    command.build();
    if let Some(variable) = variable_of(&command, &flag, &value) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// The variable of a flag that has this value.
fn variable_of(command: &clap::Command, flag: &str, value: &str) -> Option<String> {
    let own = command.get_arguments().filter(|arg| arg.to_string() == flag).find_map(|arg| {
        let name = arg.get_env()?;
        (std::env::var_os(name)? == value).then(|| name.to_string_lossy().into_owned())
    });
    own.or_else(|| command.get_subcommands().find_map(|command| variable_of(command, flag, value)))
}
