//! Banner and key exchange: from a connected socket to an encrypted session.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::{MethodType, Session};

use super::Cancel;
use super::link::{self, EAGAIN, Gain, Link, Stop, would_block};
use super::shortage::shortage;
use super::tcp::{cancelled, seconds};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::ConnectionSpec;

/// The order of ciphers. libssh2 hands AES to OpenSSL sixteen bytes at a time and
/// ChaCha20 packet by packet, so that the latter costs two thirds of AES-GCM even
/// where the processor has instructions for AES.
const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,\
     aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,\
     aes128-cbc,aes192-cbc,aes256-cbc";

/// What may come before the banner at most. libssh2 would read on for ever.
const LONGEST_PREAMBLE: usize = 8 * 1024;
/// `LIBSSH2_ERROR_ALLOC`.
const OUT_OF_MEMORY: i32 = -6;
/// `LIBSSH2_ERROR_BANNER_RECV`.
const BANNER_RECV: i32 = -2;

/// Why there is no session.
pub(super) enum Refusal {
    /// The server closed the connection before its banner, as it does when too
    /// many others are just signing in. Worth another try.
    Busy(String),
    /// Trying again would not help.
    Final(Failure),
}

/// Exchanges banners and keys over `socket`.
pub(super) fn shake_hands(
    spec: &ConnectionSpec,
    socket: OwnedFd,
    host_key_algorithms: &str,
    cancel: &Cancel,
) -> Result<Link, Refusal> {
    let address = spec.address();
    let internal = |what: &str| {
        Failure::new(
            ErrorCode::Internal,
            format!("cannot prepare a session for `{address}`: {what}"),
        )
    };
    let lacking = |error: io::Error| {
        let failure = shortage(&address, &error).unwrap_or_else(|| internal(&error.to_string()));
        Refusal::Final(failure)
    };
    let duplicate = socket.try_clone().map_err(lacking)?;
    let session =
        prepared(spec, socket, host_key_algorithms).map_err(|error| match error.code() {
            ssh2::ErrorCode::Session(OUT_OF_MEMORY) => lacking(Errno::NOMEM.into()),
            _ => Refusal::Final(internal(error.message())),
        })?;
    let mut handle = session.clone();
    let mut link = Link::new(session, duplicate, spec.keepalive);
    let mut preamble = Preamble::default();

    let deadline = Instant::now() + spec.timeouts.banner;
    let socket = link.socket().try_clone_to_owned().map_err(lacking)?;
    let step = link.drive(Some(deadline), cancel, |session| {
        let code = match preamble.look(&socket) {
            Sight::Ready => None,
            Sight::Wait => Some(EAGAIN),
            Sight::Endless => Some(BANNER_RECV),
        };
        if let Some(code) = code {
            let code = ssh2::ErrorCode::Session(code);
            return Err(ssh2::Error::new(code, "no banner in what it sent"));
        }
        match handle.handshake() {
            Err(error) if would_block(&error) && has_banner(session) => Ok(Step::BannerSeen),
            other => other.map(|()| Step::Done),
        }
    });
    let step = step.map_err(|stop| match has_banner(link.session()) {
        true => Refusal::Final(key_exchange_failed(spec, &link, stop)),
        false => before_banner(spec, stop, &preamble),
    })?;
    if let Step::BannerSeen = step {
        let deadline = Instant::now() + spec.timeouts.connect;
        link.drive(Some(deadline), cancel, |_| handle.handshake())
            .map_err(|stop| Refusal::Final(key_exchange_failed(spec, &link, stop)))?;
    }
    Ok(link)
}

enum Step {
    BannerSeen,
    Done,
}

impl Gain for Step {}

fn prepared(
    spec: &ConnectionSpec,
    socket: OwnedFd,
    host_key_algorithms: &str,
) -> Result<Session, ssh2::Error> {
    let mut session = Session::new()?;
    link::prepare(&session);
    session.set_blocking(false);
    session.set_banner(concat!("SSH-2.0-sshoal_", env!("CARGO_PKG_VERSION")))?;
    session.set_compress(spec.compress);
    session.method_pref(MethodType::HostKey, host_key_algorithms)?;
    session.method_pref(MethodType::CryptCs, CIPHERS)?;
    session.method_pref(MethodType::CryptSc, CIPHERS)?;
    session.set_tcp_stream(socket);
    Ok(session)
}

/// Whether the peer ends the stream now or within a moment.
fn hangs_up(socket: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::RDHUP)];
    let moment = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
    poll(&mut fds, Some(&moment)).is_ok_and(|count| count > 0)
}

fn has_banner(session: &Session) -> bool {
    session.banner_bytes().is_some_and(|banner| banner.starts_with(b"SSH-"))
}

/// What the peer sends before its banner. libssh2 never gets to see it: one call
/// would read it for as long as it comes, deadline or not.
#[derive(Default)]
struct Preamble {
    text: Vec<u8>,
    dropped: usize,
    waited: bool,
}

/// Whether libssh2 may read.
enum Sight {
    /// A whole banner waits, or nothing at all.
    Ready,
    /// Not yet.
    Wait,
    /// There will never be a banner.
    Endless,
}

impl Preamble {
    /// Looks at what waits in the socket, and drops the lines before the banner.
    fn look(&mut self, socket: &OwnedFd) -> Sight {
        let mut buffer = [0; LONGEST_PREAMBLE];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let Ok((length, _)) = recv(socket, &mut buffer, flags) else {
            // Most servers speak first; one that waits for our banner gets it
            // after a moment in which a talker would have shown itself.
            return if std::mem::replace(&mut self.waited, true) {
                Sight::Ready
            } else {
                Sight::Wait
            };
        };
        let seen = &buffer[..length];
        let banner = match seen.starts_with(b"SSH-") {
            true => Some(0),
            false => seen.windows(5).position(|w| w == b"\nSSH-").map(|at| at + 1),
        };
        let newline = |text: &[u8]| text.iter().rposition(|byte| *byte == b'\n');
        match banner {
            _ if length == 0 => return Sight::Ready,
            Some(0) if seen.contains(&b'\n') || length == LONGEST_PREAMBLE => return Sight::Ready,
            _ => {}
        }
        let lines = banner.or_else(|| newline(seen).map(|at| at + 1)).unwrap_or_default();
        if self.text.len() < 200 {
            self.text.extend_from_slice(&seen[..lines.min(200)]);
        }
        self.dropped += lines;
        if self.dropped + length - lines >= LONGEST_PREAMBLE && banner.is_none() {
            return Sight::Endless;
        }
        match lines {
            // Part of a line: the socket is readable, so only the end of the
            // stream is worth waiting for.
            0 if hangs_up(socket) => {
                self.text.extend_from_slice(&seen[..length.min(200)]);
                return Sight::Ready;
            }
            0 => {}
            _ => drop(recv(socket, &mut buffer[..lines], RecvFlags::DONTWAIT)),
        }
        Sight::Wait
    }

    /// Its first line, fit to be shown; none where a banner has begun.
    fn first_line(&self) -> Option<String> {
        if self.text.starts_with(b"SSH-") || b"SSH-".starts_with(&self.text) {
            return None;
        }
        let text = String::from_utf8_lossy(&self.text);
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        Some(line.trim().chars().filter(|c| !c.is_control()).take(80).collect())
    }
}

fn before_banner(spec: &ConnectionSpec, stop: Stop, preamble: &Preamble) -> Refusal {
    let address = spec.address();
    let line = preamble.first_line();
    let failure = match (stop, line) {
        (Stop::Cancelled, _) => cancelled(&address),
        (Stop::Lost(_), None) => {
            return Refusal::Busy("closed the connection before its banner".to_owned());
        }
        (Stop::Lost(_), Some(line)) if line.contains("MaxStartups") => {
            return Refusal::Busy(format!("closed the connection with `{line}`"));
        }
        (Stop::Lost(_), Some(line)) if line.starts_with("Not allowed at this time") => {
            Failure::new(
                ErrorCode::ConnectFailed,
                format!("`{address}` closed the connection with `{line}`"),
            )
            .with_help(
                "the server penalises this machine for earlier failures (PerSourcePenalties); \
                 wait, or exempt it there",
            )
        }
        (Stop::Deadline, None) => Failure::new(
            ErrorCode::BannerTimeout,
            format!("`{address}` sent no SSH banner within {}", seconds(spec.timeouts.banner)),
        )
        .with_help(
            "something accepts connections there but does not speak SSH, or the server is \
             overloaded: check `port`, or raise `banner_timeout`",
        ),
        (_, Some(line)) => Failure::new(
            ErrorCode::HandshakeFailed,
            format!("`{address}` is no SSH server: it answered `{line}`"),
        )
        .with_help("check `port`"),
        (Stop::Refused(error), None) => Failure::new(
            ErrorCode::HandshakeFailed,
            format!("`{address}` is no SSH server: {}", error.message().to_lowercase()),
        )
        .with_help("check `port`"),
    };
    Refusal::Final(failure)
}

fn key_exchange_failed(spec: &ConnectionSpec, link: &Link, stop: Stop) -> Failure {
    let address = spec.address();
    let (what, help) = match stop {
        Stop::Cancelled => return cancelled(&address),
        Stop::Deadline => (
            format!("it did not finish within {}", seconds(spec.timeouts.connect)),
            "raise `timeout`, or look at the load of the server",
        ),
        Stop::Lost(_) if link.condemned().is_some() => (
            link.condemned().unwrap_or_default().to_owned(),
            "it is broken, or something else than an SSH server: check `host` and `port`",
        ),
        Stop::Lost(_) => {
            let words = link.farewell().filter(|farewell| !farewell.text.is_empty());
            let words = words.map(|farewell| format!(" with `{}`", farewell.text));
            (
                format!("the server closed the connection{}", words.unwrap_or_default()),
                "the server's log tells why; as a rule the two have no algorithm in common",
            )
        }
        Stop::Refused(error) => (
            error.message().to_lowercase(),
            "as a rule the two have no algorithm in common, or something between them alters \
             the data",
        ),
    };
    Failure::new(
        ErrorCode::HandshakeFailed,
        format!("the key exchange with `{address}` failed: {what}"),
    )
    .with_help(help)
}
