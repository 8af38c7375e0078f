//! What decides whether a step is done, how often, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;
use crate::plan::model::Registered;
use crate::plan::spec::Guards;

/// What decides whether a step is done at all, how often, and what came of it.
#[derive(Debug, Default)]
pub struct Conduct {
    /// What decides on the host whether there is anything to do.
    pub guards: Guards,
    /// Whether to try again.
    pub retry: Option<Retry>,
    /// Whether it counts as changed.
    pub changed_when: Option<Arc<dyn ResultCondition>>,
    /// Whether it counts as failed.
    pub failed_when: Option<Arc<dyn ResultCondition>>,
}

impl Conduct {
    /// Whether a condition looks at the step's result.
    #[must_use]
    pub fn judges(&self) -> bool {
        let until = self.retry.as_ref().and_then(|retry| retry.until.as_ref());
        self.changed_when.is_some() || self.failed_when.is_some() || until.is_some()
    }
}

/// How to try again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// How often to try altogether, 1 or more.
    pub tries: u32,
    /// How long to wait between two tries.
    pub delay: Duration,
    /// What ends the tries; `None` is success.
    pub until: Option<Arc<dyn ResultCondition>>,
}

/// A condition over the result of the step that it belongs to.
pub trait ResultCondition: Send + Sync + fmt::Debug {
    /// Whether it holds for `own`, the step's result so far; `registered` are
    /// the host's results of earlier tasks.
    ///
    /// # Errors
    /// A [`Failure`] with the code `ConditionFailed`.
    fn holds(&self, registered: &Registered, own: &Value) -> Result<bool, Failure>;

    /// Its value, where that depends on no result.
    fn constant(&self) -> Option<bool> {
        None
    }
}
