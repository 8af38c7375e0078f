//! What can go wrong between this machine and the host, before it is put into
//! words.

use crate::transport::link::Stop;

/// The server's status codes that call for an answer of their own.
pub(super) mod status {
    pub(in super::super) const OK: u32 = 0;
    pub(in super::super) const EOF: u32 = 1;
    pub(in super::super) const NO_SUCH_FILE: u32 = 2;
    pub(in super::super) const PERMISSION_DENIED: u32 = 3;
    pub(in super::super) const FAILURE: u32 = 4;
}

/// Why something remote did not work.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Deadline, cancel flag or connection.
    Stop(Stop),
    /// The SFTP server said no.
    Status { code: u32, message: String },
    /// The program at the other end of the channel ended.
    Closed,
    /// The SFTP server does not keep to the protocol.
    Protocol(String),
}

impl Trouble {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Status { code: status::NO_SUCH_FILE, .. })
    }

    /// Whether the peer still keeps to the protocol, so that cleaning up is worth
    /// a try.
    pub(super) fn leaves_a_link(&self) -> bool {
        !matches!(self, Self::Stop(Stop::Lost(_)) | Self::Protocol(_))
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}
