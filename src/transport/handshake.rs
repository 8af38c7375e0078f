//! Banner and key exchange: from a connected socket to an encrypted session.

use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::net::{RecvFlags, recv};
use ssh2::{MethodType, Session};

use super::Cancel;
use super::link::{Link, Stop, would_block};
use super::tcp::{cancelled, seconds};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::ConnectionSpec;

/// Ciphers where the processor has AES instructions: AES-GCM first, which then
/// costs a fraction of ChaCha20.
const CIPHERS_WITH_AES: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,\
     chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,\
     aes128-cbc,aes192-cbc,aes256-cbc";

/// What may come before the banner at most. libssh2 would read on for ever.
const LONGEST_PREAMBLE: usize = 8 * 1024;
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
    let internal = |what: String| {
        Refusal::Final(Failure::new(
            ErrorCode::Internal,
            format!("cannot prepare a session for `{address}`: {what}"),
        ))
    };
    let duplicate = socket.try_clone().map_err(|error| internal(error.to_string()))?;
    let session = prepared(spec, socket, host_key_algorithms)
        .map_err(|error| internal(error.message().to_owned()))?;
    let mut handle = session.clone();
    let mut link = Link::new(session, duplicate, spec.keepalive);
    let mut preamble = Preamble::default();

    let deadline = Instant::now() + spec.timeouts.banner;
    let socket = link.socket().try_clone_to_owned().map_err(|error| internal(error.to_string()))?;
    let step = link.drive(Some(deadline), cancel, |session| {
        if preamble.is_endless(&socket) {
            return Err(ssh2::Error::new(
                ssh2::ErrorCode::Session(BANNER_RECV),
                "no banner in what it sent",
            ));
        }
        match handle.handshake() {
            Err(error) if would_block(&error) && has_banner(session) => Ok(Step::BannerSeen),
            other => other.map(|()| Step::Done),
        }
    });
    let step = step.map_err(|stop| match has_banner(link.session()) {
        true => Refusal::Final(key_exchange_failed(spec, stop)),
        false => before_banner(spec, stop, &preamble),
    })?;
    if let Step::BannerSeen = step {
        let deadline = Instant::now() + spec.timeouts.connect;
        link.drive(Some(deadline), cancel, |_| handle.handshake())
            .map_err(|stop| Refusal::Final(key_exchange_failed(spec, stop)))?;
    }
    Ok(link)
}

enum Step {
    BannerSeen,
    Done,
}

fn prepared(
    spec: &ConnectionSpec,
    socket: OwnedFd,
    host_key_algorithms: &str,
) -> Result<Session, ssh2::Error> {
    let mut session = Session::new()?;
    session.set_blocking(false);
    session.set_banner(concat!("SSH-2.0-sshoal_", env!("CARGO_PKG_VERSION")))?;
    session.set_compress(spec.compress);
    session.method_pref(MethodType::HostKey, host_key_algorithms)?;
    if has_aes_instructions() {
        session.method_pref(MethodType::CryptCs, CIPHERS_WITH_AES)?;
        session.method_pref(MethodType::CryptSc, CIPHERS_WITH_AES)?;
    }
    session.set_tcp_stream(socket);
    Ok(session)
}

fn has_aes_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

fn has_banner(session: &Session) -> bool {
    session.banner_bytes().is_some_and(|banner| banner.starts_with(b"SSH-"))
}

/// What the peer sends before its banner, as far as it can be seen waiting.
#[derive(Default)]
struct Preamble {
    text: Vec<u8>,
}

impl Preamble {
    /// Looks at what waits in the socket; true when so much waits without a
    /// banner in it that there will never be one.
    fn is_endless(&mut self, socket: &OwnedFd) -> bool {
        let mut buffer = [0; LONGEST_PREAMBLE];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let Ok((length, _)) = recv(socket, &mut buffer, flags) else { return false };
        let seen = &buffer[..length];
        let has_banner = seen.starts_with(b"SSH-") || seen.windows(5).any(|w| w == b"\nSSH-");
        if !has_banner && self.text.len() < 200 {
            self.text.extend_from_slice(&seen[..length.min(200)]);
        }
        !has_banner && length == LONGEST_PREAMBLE
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

fn key_exchange_failed(spec: &ConnectionSpec, stop: Stop) -> Failure {
    let address = spec.address();
    let (what, help) = match stop {
        Stop::Cancelled => return cancelled(&address),
        Stop::Deadline => (
            format!("it did not finish within {}", seconds(spec.timeouts.connect)),
            "raise `timeout`, or look at the load of the server",
        ),
        Stop::Lost(_) => (
            "the server closed the connection".to_owned(),
            "the server's log tells why; as a rule the two have no algorithm in common",
        ),
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
