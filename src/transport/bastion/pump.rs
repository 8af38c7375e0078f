//! The loop of a jump host's session: opens tunnels and moves their bytes.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::tunnel::{Call, Step, Tunnel};
use super::{Bastion, Opened, Request, lock};
use crate::transport::link::{CANCEL_INTERVAL, Link, Stop, classify, timespec, would_block};
use crate::transport::tcp::seconds;

/// The longest sleep when nothing is under way.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// A session and its tunnels.
pub(super) struct Pump<'p> {
    link: Link,
    bastion: &'p Arc<Bastion>,
    seat: u64,
    waker: &'p OwnedFd,
    tunnels: Vec<Tunnel>,
    opening: Option<Opening>,
    /// The call that left bytes unsent, to be repeated before any other.
    unsent: Option<Unsent>,
    has_served: bool,
}

/// How the session ended.
pub(super) struct Ended {
    /// The request that was being opened.
    pub(super) pending: Option<Request>,
    /// Why.
    pub(super) reason: String,
}

struct Opening {
    /// Gone once it is answered, though libssh2 still waits for the jump host.
    request: Option<Request>,
    host: String,
    port: u16,
    began: Instant,
}

#[derive(Clone, Copy)]
enum Unsent {
    Open,
    Tunnel(usize, Call),
}

impl<'p> Pump<'p> {
    /// A pump without tunnels yet.
    pub(super) fn new(
        link: Link,
        bastion: &'p Arc<Bastion>,
        seat: u64,
        waker: &'p OwnedFd,
    ) -> Self {
        let (tunnels, opening, unsent) = (Vec::new(), None, None);
        Self { link, bastion, seat, waker, tunnels, opening, unsent, has_served: false }
    }

    /// Whether it ever opened a tunnel.
    pub(super) fn has_served(&self) -> bool {
        self.has_served
    }

    /// Works until the connection is lost or the run has no more use for it.
    pub(super) fn run(&mut self) -> Ended {
        let reason = loop {
            if self.bastion.closed.is_cancelled() {
                break "the run ended".to_owned();
            }
            // What one tunnel reads may bring data for those before it, so only
            // a pass in which nothing moved allows a sleep.
            match self.pass() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(reason) => break reason,
            }
            if let Err(reason) = self.sleep() {
                break reason;
            }
        };
        let pending = self.opening.take().and_then(|opening| opening.request);
        Ended { pending, reason }
    }

    /// Does what can be done without waiting; true when something moved.
    fn pass(&mut self) -> Result<bool, String> {
        let mut moved = match self.unsent.take() {
            Some(Unsent::Open) => self.open()?,
            Some(Unsent::Tunnel(index, call)) => self.call(index, call)?,
            None => false,
        };
        if self.unsent.is_some() {
            return Ok(false);
        }
        if self.opening.is_none()
            && let Some(request) = self.bastion.next_request(self.seat)
        {
            let (host, port) = (request.host.clone(), request.port);
            self.opening =
                Some(Opening { request: Some(request), host, port, began: Instant::now() });
        }
        if self.opening.is_some() {
            moved |= self.open()?;
        }
        for index in 0..self.tunnels.len() {
            for call in Tunnel::CALLS {
                if self.unsent.is_some() {
                    return Ok(moved);
                }
                moved |= self.call(index, call)?;
            }
        }
        self.tunnels.retain(|tunnel| !tunnel.is_closed());
        Ok(moved)
    }

    fn call(&mut self, index: usize, call: Call) -> Result<bool, String> {
        match self.tunnels[index].make(call) {
            Step::Idle => Ok(false),
            step @ (Step::Moved | Step::Blocked) => {
                // A call may both move something and leave the rest unsent.
                if self.has_unsent_bytes() {
                    self.unsent = Some(Unsent::Tunnel(index, call));
                }
                Ok(step == Step::Moved)
            }
            Step::Broken => match ssh2::Error::last_session_error(self.link.session()) {
                Some(error) => match classify(error) {
                    Stop::Lost(reason) => Err(reason),
                    _ => Ok(true), // The tunnel alone; it closes in the next pass.
                },
                None => Ok(true),
            },
        }
    }

    fn has_unsent_bytes(&self) -> bool {
        self.link.wanted().contains(PollFlags::OUT)
    }

    /// Goes on with the channel that is being opened.
    fn open(&mut self) -> Result<bool, String> {
        let Some(opening) = &mut self.opening else { return Ok(false) };
        match self.link.session().channel_direct_tcpip(&opening.host, opening.port, None) {
            Ok(channel) => {
                self.has_served = true;
                let request = opening.request.take();
                self.opening = None;
                let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
                ours.set_nonblocking(true).map_err(|error| error.to_string())?;
                let mut tunnel = Tunnel::new(channel, ours);
                match request.filter(|request| !request.abandoned.is_cancelled()) {
                    Some(request) => {
                        let warnings = std::mem::take(&mut lock(&self.bastion.state).warnings);
                        let opened = Opened { socket: theirs.into(), warnings };
                        let _ = request.reply.send(Ok(opened));
                    }
                    None => tunnel.hang_up(),
                }
                self.tunnels.push(tunnel);
                Ok(true)
            }
            Err(error) if would_block(&error) => {
                if self.has_unsent_bytes() {
                    self.unsent = Some(Unsent::Open);
                }
                self.look_at_the_clock();
                Ok(false)
            }
            Err(error) => match classify(error) {
                Stop::Refused(error) => {
                    if let Some(request) = opening.request.take() {
                        let failure = self.bastion.refused(&request, &error);
                        let _ = request.reply.send(Err(failure));
                    }
                    // The jump host works, even if it does not want this.
                    self.has_served = true;
                    self.opening = None;
                    Ok(true)
                }
                Stop::Lost(reason) => Err(reason),
                Stop::Deadline | Stop::Cancelled => Ok(false),
            },
        }
    }

    /// Gives up on a target after its limit, and calls for relief before that.
    fn look_at_the_clock(&mut self) {
        let Some(opening) = &mut self.opening else { return };
        let took = opening.began.elapsed();
        if let Some(request) = opening.request.take_if(|request| took >= request.limit) {
            let what =
                format!("no answer from `{}` within {}", request.address, seconds(request.limit));
            let failure = self.bastion.failure(&what).with_help(
                "check that the target is up and that the jump host can reach it, or raise \
                 `timeout`",
            );
            let _ = request.reply.send(Err(failure));
        }
        self.bastion.relieve();
    }

    /// Waits until something can be done.
    fn sleep(&mut self) -> Result<(), String> {
        let is_idle = self.tunnels.is_empty() && self.opening.is_none();
        let remote = if self.unsent.is_some() {
            self.link.wanted()
        } else if is_idle {
            // libssh2 has no call that would read now, so all there is to notice
            // is the end of the connection; the kernel's keepalive watches too.
            PollFlags::RDHUP
        } else if self.opening.is_some() || self.tunnels.iter().any(Tunnel::wants_remote) {
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
                for (index, tunnel) in self.tunnels.iter().enumerate() {
                    if !tunnel.is_closing() {
                        fds.push(tunnel.poll_fd());
                        polled.push(index);
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
            let hung_up: Vec<usize> = polled
                .into_iter()
                .zip(&fds[2..])
                .filter(|(_, fd)| fd.revents().intersects(gone))
                .map(|(index, _)| index)
                .collect();
            (fds[1].revents(), hung_up)
        };
        if (is_idle || remote.is_empty()) && !remote_ready.is_empty() {
            return Err("the jump host closed the connection".to_owned());
        }
        if !is_idle {
            let heard = !remote_ready.is_empty();
            // Only a wait for the jump host counts as its silence.
            let waited = if remote.is_empty() { Duration::ZERO } else { began.elapsed() };
            self.link.waited(waited, heard);
        }
        for index in hung_up {
            self.tunnels[index].hang_up();
        }
        Ok(())
    }
}
