//! A connection's exec channels: the one opened ahead of its command, and those
//! whose closing nobody waits for.

use ssh2::{BlockDirections, Channel, Session};

use super::Cancel;
use super::link::{Deadline, Gain, Link, Stop, would_block};

/// The channels of one connection that no command is running on.
pub(super) struct Channels {
    next: Next,
    retired: Vec<Channel>,
    /// Whether the server lets a channel be opened while another is in use.
    ahead: bool,
}

/// What a refused channel means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no room while the connection keeps what it has.
    Stands,
    /// The server may still count a channel that was given back.
    MayPass,
}

enum Next {
    None,
    /// The request is under way. libssh2 keeps its state in the session, so the
    /// next call to open a channel goes on with this one.
    Opening,
    Ready(Channel),
}

impl Channels {
    pub(super) fn new() -> Self {
        Self { next: Next::None, retired: Vec::new(), ahead: true }
    }

    /// A channel for the next command.
    pub(super) fn take(
        &mut self,
        link: &mut Link,
        refusal: Refusal,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<Channel, Stop> {
        self.sweep();
        let ask = |session: &Session| session.channel_session();
        match std::mem::replace(&mut self.next, Next::Opening) {
            Next::Ready(channel) => {
                self.next = Next::None;
                return Ok(channel);
            }
            Next::Opening => match link.drive(deadline, cancel, ask) {
                // It was asked for while another was in use, which a low
                // `MaxSessions` does not allow. Now none is.
                Err(Stop::Refused(_)) => self.ahead = false,
                opened => return self.opened(opened),
            },
            Next::None => {}
        }
        let opened = match refusal {
            Refusal::MayPass => link.open(deadline, cancel, ask),
            Refusal::Stands => link.drive(deadline, cancel, ask),
        };
        self.opened(opened)
    }

    /// Takes note of what came of a request for a channel.
    fn opened(&mut self, opened: Result<Channel, Stop>) -> Result<Channel, Stop> {
        if !matches!(opened, Err(Stop::Deadline | Stop::Cancelled)) {
            self.next = Next::None;
        }
        opened
    }

    /// Goes on with opening the channel for the command after this one, without
    /// waiting. Says whether an answer arrived.
    pub(super) fn prepare(
        &mut self,
        link: &mut Link,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<bool, Stop> {
        if !self.ahead || matches!(self.next, Next::Ready(_)) {
            return Ok(false);
        }
        match send(link, deadline, cancel, |link| link.session().channel_session()) {
            Ok(Some(channel)) => {
                self.next = Next::Ready(channel);
                Ok(true)
            }
            Ok(None) => {
                self.next = Next::Opening;
                Ok(false)
            }
            Err(Stop::Refused(_)) => {
                self.next = Next::None;
                self.ahead = false;
                Ok(true)
            }
            Err(stop) => {
                self.next = Next::Opening;
                Err(stop)
            }
        }
    }

    /// Lets go of whatever was opened ahead, so that the session is free for
    /// another use.
    pub(super) fn settle(&mut self, link: &mut Link, deadline: Deadline, cancel: &Cancel) {
        if matches!(self.next, Next::Opening)
            && let Ok(channel) = link.drive(deadline, cancel, |session| session.channel_session())
        {
            self.next = Next::Ready(channel);
        }
        if let Next::Ready(channel) = std::mem::replace(&mut self.next, Next::None) {
            self.retire(channel, link, deadline, cancel);
        }
    }

    /// Closes a channel without waiting for the server to do the same. A failure
    /// shows with the next use of the connection.
    pub(super) fn retire(
        &mut self,
        mut channel: Channel,
        link: &mut Link,
        deadline: Deadline,
        cancel: &Cancel,
    ) {
        if let Ok(None) = send(link, deadline, cancel, |_| channel.close()) {
            self.retired.push(channel);
        }
        link.has_released();
    }

    /// Frees the channels that the server has closed in the meantime.
    fn sweep(&mut self) {
        self.retired.retain_mut(|channel| matches!(channel.close(), Err(e) if would_block(&e)));
    }
}

/// Repeats `operation` until all that it wants to send is sent, as libssh2
/// demands before any other call; `None` when only the answer is missing.
pub(super) fn send<T: Gain>(
    link: &mut Link,
    deadline: Deadline,
    cancel: &Cancel,
    mut operation: impl FnMut(&Link) -> Result<T, ssh2::Error>,
) -> Result<Option<T>, Stop> {
    loop {
        let result = link.attempt(&mut operation);
        link.is_kept()?;
        match result {
            Ok(value) => return Ok(Some(value)),
            Err(error) if would_block(&error) => match link.session().block_directions() {
                BlockDirections::Outbound | BlockDirections::Both => link.wait(deadline, cancel)?,
                _ => return Ok(None),
            },
            Err(error) => return Err(link.stopped(error)),
        }
    }
}
