//! A client of the SSH agent, as far as signing in needs one. A frozen agent, or a
//! token that waits to be touched, costs no more than the time there is.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};

use crate::transport::Cancel;
use crate::transport::link::{CANCEL_INTERVAL, timespec};

/// `SSH_AGENTC_REQUEST_IDENTITIES` and its answer.
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
/// `SSH_AGENTC_SIGN_REQUEST` and its answer.
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// The longest answer that is believed, as in OpenSSH.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Why the agent does not do what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody listens, or the connection broke.
    Unreachable,
    /// The time is over.
    Silent,
    /// The run is being cancelled.
    Cancelled,
    /// It says no: it is locked, or the user does not allow it.
    Unwilling,
    /// Its answer makes no sense.
    Garbled,
}

impl Trouble {
    /// What happened, to be read after "the SSH agent".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "cannot be reached",
            Self::Silent => "does not answer",
            Self::Cancelled => "was not waited for",
            Self::Unwilling => "refuses",
            Self::Garbled => "gives an answer that makes no sense",
        }
    }
}

impl From<Errno> for Trouble {
    fn from(_: Errno) -> Self {
        Self::Unreachable
    }
}

/// A key that the agent holds.
pub(super) struct Identity {
    /// The public half, as the protocol writes it.
    pub(super) blob: Vec<u8>,
    pub(super) comment: String,
}

/// A connection to the agent.
pub(super) struct Agent<'a> {
    socket: OwnedFd,
    deadline: Instant,
    cancel: &'a Cancel,
}

impl<'a> Agent<'a> {
    /// Connects to the agent that listens at `path`.
    pub(super) fn connect(
        path: &Path,
        deadline: Instant,
        cancel: &'a Cancel,
    ) -> Result<Self, Trouble> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let address = SocketAddrUnix::new(path)?;
        let agent = Self { socket, deadline, cancel };
        loop {
            match connect(&agent.socket, &address) {
                Ok(()) => return Ok(agent),
                // Its queue is full, and a socket of this kind tells nobody when that
                // changes.
                Err(Errno::AGAIN) => agent.wait(PollFlags::empty())?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The keys that it holds.
    pub(super) fn identities(&mut self) -> Result<Vec<Identity>, Trouble> {
        let answer = self.exchange(IDENTITIES_ANSWER, &[REQUEST_IDENTITIES])?;
        let mut fields = Fields(&answer);
        let count = fields.number()?;
        let identity = |_| {
            let blob = fields.text()?.to_vec();
            let comment = String::from_utf8_lossy(fields.text()?).into_owned();
            Ok(Identity { blob, comment })
        };
        (0..count).map(identity).collect()
    }

    /// Has it sign `data` with a key: the name of the algorithm and the signature, in
    /// their wire format. `flags` ask for a kind of signature.
    pub(super) fn sign(
        &mut self,
        blob: &[u8],
        data: &[u8],
        flags: u32,
    ) -> Result<Vec<u8>, Trouble> {
        let mut request = vec![SIGN_REQUEST];
        for text in [blob, data] {
            request.extend_from_slice(&length(text).to_be_bytes());
            request.extend_from_slice(text);
        }
        request.extend_from_slice(&flags.to_be_bytes());
        let answer = self.exchange(SIGN_RESPONSE, &request)?;
        Ok(Fields(&answer).text()?.to_vec())
    }

    /// Sends a request and waits for the answer, of which it gives what follows the
    /// type.
    fn exchange(&mut self, wanted: u8, request: &[u8]) -> Result<Vec<u8>, Trouble> {
        let mut message = length(request).to_be_bytes().to_vec();
        message.extend_from_slice(request);
        let mut rest = &message[..];
        while !rest.is_empty() {
            match send(&self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut head = [0; 4];
        self.read(&mut head)?;
        let length = u32::from_be_bytes(head) as usize;
        if !(1..=LONGEST_ANSWER).contains(&length) {
            return Err(Trouble::Garbled);
        }
        let mut answer = vec![0; length];
        self.read(&mut answer)?;
        match answer.remove(0) {
            kind if kind == wanted => Ok(answer),
            _ => Err(Trouble::Unwilling),
        }
    }

    fn read(&self, mut buffer: &mut [u8]) -> Result<(), Trouble> {
        while !buffer.is_empty() {
            match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Trouble::Unreachable),
                Ok((count, _)) => buffer = &mut buffer[count..],
                Err(Errno::AGAIN) => self.wait(PollFlags::IN)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sleeps until the socket is ready, or for a moment.
    fn wait(&self, wanted: PollFlags) -> Result<(), Trouble> {
        if self.cancel.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::Silent);
        }
        let nap = timespec(left.min(CANCEL_INTERVAL));
        let mut fds = [PollFd::new(&self.socket, wanted)];
        // A socket that is not connected yet is not worth looking at.
        let fds = if wanted.is_empty() { &mut fds[..0] } else { &mut fds[..] };
        match poll(fds, Some(&nap)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads the parts of a message one after the other.
pub(super) struct Fields<'m>(pub(super) &'m [u8]);

impl<'m> Fields<'m> {
    fn number(&mut self) -> Result<u32, Trouble> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Trouble::Garbled)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*head))
    }

    pub(super) fn text(&mut self) -> Result<&'m [u8], Trouble> {
        let length = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Trouble::Garbled)?;
        self.0 = rest;
        Ok(text)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Trouble> {
        self.0 = self.0.get(count..).ok_or(Trouble::Garbled)?;
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a request is a few kilobytes")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::*;

    fn agent(answer: &'static [u8], limit: Duration) -> Result<Vec<Identity>, Trouble> {
        use std::io::{Read as _, Write as _};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            stream.write_all(answer).unwrap();
            let _ = stream.read(&mut [0]);
        });
        let cancel = Cancel::default();
        let mut agent = Agent::connect(&path, Instant::now() + limit, &cancel).unwrap();
        let found = agent.identities();
        drop(agent);
        thread.join().unwrap();
        found
    }

    #[test]
    fn keys_are_listed_and_nonsense_is_not_believed() {
        let patience = Duration::from_secs(60);
        let found = agent(b"\0\0\0\x10\x0c\0\0\0\x01\0\0\0\x02AB\0\0\0\x01c", patience).unwrap();
        assert_eq!((found.len(), &*found[0].blob, &*found[0].comment), (1, &b"AB"[..], "c"));
        for (answer, trouble) in [
            (&b"\0\0\0\x01\x05"[..], Trouble::Unwilling),
            (b"\0\0\0\x00", Trouble::Garbled),
            (b"\xff\0\0\0", Trouble::Garbled),
            (b"\0\0\0\x05\x0c\xff\xff\xff\xff", Trouble::Garbled),
            (b"\0\0\0\x0b\x0c\0\0\0\x01\0\0\0\x09AB", Trouble::Garbled),
        ] {
            assert_eq!(agent(answer, patience).err(), Some(trouble), "{answer:?}");
        }
    }

    #[test]
    fn a_mute_agent_costs_the_time_there_is() {
        let began = Instant::now();
        let found = agent(b"\0\0\0\x05\x0c", Duration::from_millis(300));
        assert_eq!(found.err(), Some(Trouble::Silent));
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_full_queue_is_waited_for_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent");
        let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let cancel = Cancel::default();
        let soon = || Instant::now() + Duration::from_millis(200);
        let connected: Vec<_> =
            (0..4).map(|_| Agent::connect(&path, soon(), &cancel).err()).collect();
        assert_eq!(connected.last(), Some(&Some(Trouble::Silent)));
        cancel.cancel();
        let far = Instant::now() + Duration::from_secs(60);
        assert_eq!(Agent::connect(&path, far, &cancel).err(), Some(Trouble::Cancelled));
    }
}
