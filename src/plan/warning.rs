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
