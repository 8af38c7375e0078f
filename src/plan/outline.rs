//! What the tasks of a lane are as written, for whoever shows them: a run needs none
//! of it, so it is only put together when it is asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::play::TaskShape;
use super::store::Store;
use super::task::{FlagArgs, HostTask};
use crate::plan::task::HostBase;

/// The tasks of a lane before rendering; by default, nothing is known of them.
#[derive(Clone, Default)]
pub struct Outline(Option<Arc<Written>>);

pub(super) struct Written {
    pub(super) base: Arc<HostBase>,
    pub(super) shapes: Arc<[TaskShape]>,
    /// The names that tasks of earlier plays register.
    pub(super) before: Arc<BTreeSet<Arc<str>>>,
    pub(super) flags: Arc<FlagArgs>,
    pub(super) store: Arc<Store>,
}

impl Outline {
    pub(super) fn of(written: Written) -> Self {
        Self(Some(Arc::new(written)))
    }

    /// The task at a place among the lane's tasks.
    pub(super) fn task(&self, place: usize) -> Option<HostTask> {
        let written = self.0.as_ref()?;
        let shape = written.shapes.get(place)?;
        let mut pending = Arc::clone(&written.before);
        for earlier in &written.shapes[..place] {
            if let Some(name) = &earlier.header.register
                && !pending.contains(name)
            {
                Arc::make_mut(&mut pending).insert(Arc::clone(name));
            }
        }
        Some(HostTask {
            base: Arc::clone(&written.base),
            raw: Arc::clone(&shape.raw),
            layer: shape.layer.clone(),
            pending,
            flags: Arc::clone(&written.flags),
            store: Arc::clone(&written.store),
        })
    }
}

impl fmt::Debug for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outline").finish_non_exhaustive()
    }
}
