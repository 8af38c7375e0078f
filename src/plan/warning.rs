//! What is suspicious in a playbook, though it may be meant.

use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

/// A warning of the planner.
#[derive(Debug, Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum PlanWarning {
    /// A play has nobody to run on.
    #[error("no host matches the play `{play}`")]
    #[diagnostic(
        code(plan::play_without_hosts),
        severity(Warning),
        help("nothing of it runs; check its `hosts` and `--limit`")
    )]
    NoHosts {
        /// The play's name.
        play: Arc<str>,
    },
    /// Others will see a secret.
    #[error(
        "{what} is made of a secret, and everybody on the host can read it in the list of processes"
    )]
    #[diagnostic(
        code(plan::secret_in_command),
        severity(Warning),
        help("hand the secret over in `environment`, which no list of processes shows")
    )]
    SecretInCommand {
        /// The key in backticks.
        what: String,
    },
    /// A file beside the inventory or the playbook cannot be read.
    #[error("`{file}` is encrypted by Ansible Vault: its variables are not known")]
    #[diagnostic(
        code(plan::encrypted_vars),
        severity(Warning),
        help(
            "decrypt it, or take the values from `{{{{ vault('PATH') }}}}` or `{{{{ env('NAME') }}}}`"
        )
    )]
    EncryptedVars {
        /// The file.
        file: String,
    },
}
