//! What holds for every subcommand: colours, and variables that are set to nothing.

use clap::ValueEnum;

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
