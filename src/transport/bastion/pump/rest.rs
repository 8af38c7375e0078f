//! The sleep between two passes: until the jump host or one of the local ends of
//! the tunnels has something, or may have.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::{HUNG_UP, Pump};
use crate::transport::bastion::tunnel::Tunnel;
use crate::transport::link::{CANCEL_INTERVAL, Stop, timespec};

/// The longest sleep when nothing is under way.
const LONGEST_NAP: Duration = Duration::from_secs(1);

impl Pump<'_> {
    /// Waits until something can be done.
    pub(super) fn sleep(&mut self) -> Result<(), String> {
        let is_idle = self.tunnels.is_empty() && self.opening.is_none();
        let remote = if self.unsent.is_some() {
            self.link.wanted()
        } else if is_idle {
            // libssh2 has no call that would read now, so all there is to notice
            // is the end of the connection; the kernel's keepalive watches too.
            PollFlags::RDHUP
        } else if self.opening.is_some() || self.tunnels.values().any(Tunnel::wants_remote) {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        if !is_idle {
            self.link.probe().map_err(|stop| match stop {
                Stop::Lost(reason) => reason,
                _ => "the keepalive failed".to_owned(),
            })?;
        }
        let nap = if self.opening.is_some() { CANCEL_INTERVAL } else { LONGEST_NAP };
        let began = Instant::now();
        let (remote_ready, hung_up) = {
            let mut fds = Vec::with_capacity(self.tunnels.len() + 2);
            fds.push(PollFd::new(self.waker, PollFlags::IN));
            fds.push(PollFd::from_borrowed_fd(self.link.socket(), remote));
            let mut polled = Vec::with_capacity(self.tunnels.len());
            // While unsent bytes are under way nothing else can be done anyway.
            if self.unsent.is_none() {
                for (id, tunnel) in &self.tunnels {
                    if !tunnel.is_closing() {
                        fds.push(tunnel.poll_fd());
                        polled.push(*id);
                    }
                }
            }
            match poll(&mut fds, Some(&timespec(nap))) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
            if !fds[0].revents().is_empty() {
                let _ = rustix::io::read(self.waker.as_fd(), &mut [0; 8]);
            }
            let gone = PollFlags::HUP | PollFlags::ERR;
            let hung_up: Vec<_> = polled
                .into_iter()
                .zip(&fds[2..])
                .filter(|(_, fd)| fd.revents().intersects(gone))
                .map(|(id, _)| id)
                .collect();
            (fds[1].revents(), hung_up)
        };
        if (is_idle || remote.is_empty()) && !remote_ready.is_empty() {
            return Err(HUNG_UP.to_owned());
        }
        if !is_idle {
            let heard = !remote_ready.is_empty();
            // Only a wait for the jump host counts as its silence.
            let waited = if remote.is_empty() { Duration::ZERO } else { began.elapsed() };
            self.link.waited(waited, heard);
            self.route.seems_silent(self.link.owes_an_answer());
        }
        for id in hung_up {
            if let Some(tunnel) = self.tunnels.get_mut(&id) {
                tunnel.hang_up();
            }
        }
        Ok(())
    }
}
