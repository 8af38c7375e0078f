//! Where packets begin and end, in what is to be sent and in what has arrived.

use super::{BACKLOG, Sftp};
use crate::transport::transfer::packet::Fields;
use crate::transport::transfer::trouble::Trouble;
use crate::transport::transfer::wire::Wire;

/// The largest answer that is believed; OpenSSH sends up to 256 KiB.
const LONGEST_ANSWER: usize = 512 * 1024;

impl Sftp {
    /// Forgets what is queued, except the rest of a packet that is partly sent.
    pub(in super::super) fn abort(&mut self) {
        self.outgoing.truncate(self.end_of_begun_packets());
    }

    /// Sends what [`Sftp::abort`] has left.
    pub(in super::super) fn flush(&mut self, wire: &mut Wire<'_>) -> Result<(), Trouble> {
        while self.sent < self.outgoing.len() {
            self.pump(wire)?;
        }
        Ok(())
    }

    pub(super) fn drop_sent_packets(&mut self) {
        let mut end = 0;
        while self.outgoing.len() - end >= 4 {
            let length = length_prefix(&self.outgoing[end..]).unwrap_or(0);
            if end + 4 + length > self.sent {
                break;
            }
            end += 4 + length;
        }
        // Moving the rest to the front costs as much as it is long, so that is
        // done only when much has gone.
        if end == self.outgoing.len() || end >= BACKLOG / 2 {
            self.outgoing.drain(..end);
            self.sent -= end;
        }
    }

    fn end_of_begun_packets(&self) -> usize {
        let mut end = 0;
        while end < self.sent {
            end += 4 + length_prefix(&self.outgoing[end..]).unwrap_or(0);
        }
        end
    }

    pub(super) fn whole_packet(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let rest = &self.incoming[self.taken..];
        let packet = match length_prefix(rest) {
            Some(length) if length > LONGEST_ANSWER => {
                return Err(Trouble::Protocol(format!(
                    "it announces an answer of {length} bytes, which begins with {:?}",
                    String::from_utf8_lossy(&rest[..rest.len().min(40)])
                )));
            }
            Some(length) => rest[4..].get(..length).map(<[u8]>::to_vec),
            None => None,
        };
        match &packet {
            Some(packet) => self.taken += 4 + packet.len(),
            None => {
                self.incoming.drain(..self.taken);
                self.taken = 0;
            }
        }
        Ok(packet)
    }
}

fn length_prefix(bytes: &[u8]) -> Option<usize> {
    Fields(bytes).u32().map(|length| length as usize)
}
