//! Whether a run changes anything, and what it tells of that.

use crate::execute::{DiffMode, RunMode};

/// What a run may do, and how it tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModeConfig {
    /// Whether to change anything.
    pub mode: RunMode,
    /// Whether to show what uploads change.
    pub diff: DiffMode,
    /// What the exit code of a check tells.
    pub exit: CheckExit,
}

/// What the exit code of a run in check mode tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckExit {
    /// Whether anything failed.
    #[default]
    Failures,
    /// Also whether anything would change.
    Changes,
}
