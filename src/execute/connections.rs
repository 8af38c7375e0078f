//! The open connections of one host, and how long each is kept.

use std::sync::Arc;

use crate::plan::model::Step;
use crate::plan::spec::{ConnectionSpec, QueueStrategy};
use crate::transport::{Cancel, Connection, Connector, PasswordWatch, Unconnected};

/// The open connections of one host.
///
/// A connection serves exactly the steps that name the same place, identity and
/// strategy. So `fifo` work always has a session that was opened in its own play,
/// even where an earlier play left a pinned one.
#[derive(Default)]
pub(super) struct Connections(Vec<Held>);

struct Held {
    spec: Arc<ConnectionSpec>,
    strategy: QueueStrategy,
    connection: Box<dyn Connection>,
}

impl Connections {
    /// The connection for `step`, opened now if it is not open (any more), and what the
    /// user should know about a fresh one.
    pub(super) fn for_step(
        &mut self,
        step: &Step,
        connector: &dyn Connector,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<(&mut dyn Connection, Vec<String>), Unconnected> {
        // One that the peer closed while it was idle has nothing in flight that
        // could be lost or done twice.
        self.0.retain_mut(|held| !held.serves(step) || held.connection.is_alive());
        let (index, warnings) = match self.0.iter().position(|held| held.serves(step)) {
            Some(index) => (index, Vec::new()),
            None => {
                let opened = connector.connect_watched(&step.connection, passwords, cancel)?;
                self.0.push(Held {
                    spec: step.connection.clone(),
                    strategy: step.strategy,
                    connection: opened.connection,
                });
                (self.0.len() - 1, opened.warnings)
            }
        };
        Ok((&mut *self.0[index].connection, warnings))
    }

    /// Whether `step` needs no new connection.
    pub(super) fn has(&self, step: &Step) -> bool {
        self.0.iter().any(|held| held.serves(step))
    }

    /// Lets go of the connection that serves `step`, because it is lost.
    pub(super) fn discard(&mut self, step: &Step) {
        self.0.retain(|held| !held.serves(step));
    }

    /// Closes what is not kept beyond the play.
    pub(super) fn end_play(&mut self) {
        self.0.retain(|held| held.strategy == QueueStrategy::Pinned);
    }
}

impl Held {
    fn serves(&self, step: &Step) -> bool {
        self.strategy == step.strategy && same_place(&self.spec, &step.connection)
    }
}

/// Whether two steps share a connection.
pub(super) fn shared(one: &Step, other: &Step) -> bool {
    one.strategy == other.strategy && same_place(&one.connection, &other.connection)
}

fn same_place(one: &Arc<ConnectionSpec>, other: &Arc<ConnectionSpec>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
