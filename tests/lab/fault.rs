//! What a server does wrong, on purpose.

use std::time::Duration;

/// What a server does wrong. It begins with connections that are made after it
/// was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens; the port stays reserved.
    Refuse,
    /// Accepts connections and never says a word.
    BlackHole,
    /// Resets connections at once.
    ResetBeforeBanner,
    /// Greets with something that is no SSH.
    GarbageBanner,
    /// Falls silent after the banner.
    StallInKeyExchange,
    /// Falls silent when the client wants to authenticate.
    StallInAuthentication,
    /// Falls silent as soon as an authenticated client wants something.
    StallAfterAuthentication,
    /// Opens no channel.
    RefuseChannels,
    /// Opens channels, and runs no command.
    RefuseExec,
    /// Refuses pseudo-terminals.
    RefusePty,
    /// Has no SFTP.
    NoSftp,
    /// Resets the connection this long after a command has begun.
    DropMidCommand(Duration),
    /// Falls silent, as a host without power does, this long after a command has
    /// begun.
    StallMidCommand(Duration),
    /// Answers every command with this many bytes on each stream, then success.
    Flood(u64),
    /// Sends what commands print one byte at a time, with such a pause after each.
    Trickle(Duration),
}
