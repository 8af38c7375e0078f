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
}
