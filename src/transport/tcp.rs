//! TCP: from a host name to a connected, non-blocking socket.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use super::Cancel;
use super::link::{CANCEL_INTERVAL, timespec};
use super::shortage::shortage;
use crate::failure::{ErrorCode, Failure};

/// How long the first address has before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// Where to connect and until when.
pub(super) struct Target<'t> {
    /// Name or IP address.
    pub(super) host: &'t str,
    /// Port.
    pub(super) port: u16,
    /// What messages call it.
    pub(super) address: &'t str,
    /// The whole time allowed, for messages.
    pub(super) limit: Duration,
    /// When that time is over.
    pub(super) deadline: Instant,
}

/// Resolves and connects, all addresses together under the one deadline.
pub(super) fn dial(target: &Target<'_>, cancel: &Cancel) -> Result<TcpStream, Failure> {
    let addresses = resolve(target, cancel)?;
    let socket = race(target, &addresses, cancel)?;
    Ok(TcpStream::from(socket))
}

/// Makes the socket quick at small messages, and lets the kernel watch over it
/// while nobody does.
pub(super) fn tune(socket: &TcpStream, keepalive: Duration) {
    // Each of these only improves matters, so a refusal is of no consequence.
    let _ = sockopt::set_tcp_nodelay(socket, true);
    let _ = sockopt::set_tcp_quickack(socket, true);
    let probe = (keepalive / 3).max(Duration::from_secs(1));
    let _ = sockopt::set_tcp_keepidle(socket, probe);
    let _ = sockopt::set_tcp_keepintvl(socket, probe);
    let _ = sockopt::set_tcp_keepcnt(socket, 2);
    let _ = sockopt::set_socket_keepalive(socket, true);
}

/// The failure of a run that is being cancelled.
pub(super) fn cancelled(address: &str) -> Failure {
    Failure::new(ErrorCode::Cancelled, format!("cancelled while connecting to `{address}`"))
}

fn resolve(target: &Target<'_>, cancel: &Cancel) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(ip) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, target.port)]);
    }
    let no_address = |reason: &str| {
        Failure::new(ErrorCode::DnsFailed, format!("`{}` has no address: {reason}", target.host))
            .with_help("check the name, or set `connection_args.host` to an IP address")
    };
    // The resolver cannot be interrupted, so it gets a thread that may outlive
    // our interest in its answer.
    let (sender, answer) = sync_channel(1);
    let question = (target.host.to_owned(), target.port);
    std::thread::Builder::new()
        .name("resolver".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            let found = question.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let _ = sender.send(found);
        })
        .map_err(|error| no_address(&format!("cannot start the resolver: {error}")))?;
    loop {
        let left = target.deadline.saturating_duration_since(Instant::now());
        match answer.recv_timeout(left.min(CANCEL_INTERVAL)) {
            Ok(Ok(found)) if found.is_empty() => return Err(no_address("the answer is empty")),
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => return Err(no_address(&resolver_reason(&error))),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(no_address("the resolver gave up"));
            }
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                return Err(cancelled(target.address));
            }
            Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                return Err(no_address(&format!(
                    "the name servers did not answer within {}",
                    seconds(target.limit)
                )));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn resolver_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let reason = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    reason.to_lowercase()
}

/// Tries the addresses in order, each with a head start over the next, and takes
/// the first that answers.
fn race(
    target: &Target<'_>,
    addresses: &[SocketAddr],
    cancel: &Cancel,
) -> Result<OwnedFd, Failure> {
    let mut waiting = addresses.iter();
    let mut running: Vec<(SocketAddr, OwnedFd)> = Vec::new();
    let mut failed: Vec<(SocketAddr, Errno)> = Vec::new();
    // One that was reached and hung up at once, as a busy server does: where no other
    // address is better, that is for the next stage to find out.
    let mut hung_up = None;
    let mut next_start = Instant::now();
    loop {
        let now = Instant::now();
        if cancel.is_cancelled() {
            return Err(cancelled(target.address));
        }
        if now >= target.deadline {
            return Err(timed_out(target));
        }
        if (running.is_empty() || now >= next_start)
            && let Some(&address) = waiting.next()
        {
            next_start = now + HEAD_START;
            match begin(address) {
                Ok((socket, true)) => return Ok(socket),
                Ok((socket, false)) => running.push((address, socket)),
                Err(error) => failed.push((address, error)),
            }
            continue;
        }
        if running.is_empty() {
            return hung_up.ok_or_else(|| refused(target, &failed));
        }
        let mut nap = (target.deadline - now).min(CANCEL_INTERVAL);
        if waiting.len() > 0 {
            nap = nap.min(next_start - now);
        }
        let mut fds: Vec<_> =
            running.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::OUT)).collect();
        if poll(&mut fds, Some(&timespec(nap))).is_err() {
            continue; // Interrupted by a signal.
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for index in (0..ready.len()).rev().filter(|&index| ready[index]) {
            let (address, socket) = running.swap_remove(index);
            match sockopt::socket_error(&socket) {
                Ok(Ok(())) => return Ok(socket),
                Ok(Err(Errno::CONNRESET)) => hung_up = Some(socket),
                Ok(Err(error)) | Err(error) => failed.push((address, error)),
            }
        }
    }
}

/// Starts one connection attempt; true when it succeeded at once.
fn begin(address: SocketAddr) -> Result<(OwnedFd, bool), Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) => Ok((socket, true)),
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, false)),
        Err(error) => Err(error),
    }
}

fn timed_out(target: &Target<'_>) -> Failure {
    Failure::new(
        ErrorCode::ConnectTimeout,
        format!("`{}` did not answer within {}", target.address, seconds(target.limit)),
    )
    .with_help("check that the host is up and that no firewall drops the port, or raise `timeout`")
}

fn refused(target: &Target<'_>, failed: &[(SocketAddr, Errno)]) -> Failure {
    let address = target.address;
    if failed.iter().any(|(_, error)| *error == Errno::TIMEDOUT) {
        return timed_out(target);
    }
    if failed.iter().all(|(_, error)| *error == Errno::CONNREFUSED) {
        return Failure::new(
            ErrorCode::ConnectRefused,
            format!("`{address}` refused the connection"),
        )
        .with_help("check that an SSH server listens there, and `port`");
    }
    let lacks = |error: &Errno| shortage(address, &io::Error::from(*error));
    if let Some(failure) = failed.iter().find_map(|(_, error)| lacks(error)) {
        return failure;
    }
    let mut reasons: Vec<String> = Vec::new();
    for (tried, error) in failed {
        let error = io::Error::from_raw_os_error(error.raw_os_error()).to_string().to_lowercase();
        let error = error.split(" (os error").next().unwrap_or_default();
        let reason = match failed.len() {
            1 => error.to_owned(),
            _ => format!("{}: {error}", tried.ip()),
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Failure::new(
        ErrorCode::ConnectFailed,
        format!("cannot connect to `{address}`: {}", reasons.join("; ")),
    )
    .with_help("check the address and the route to it")
}

/// A duration as messages show it.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn target<'t>(host: &'t str, port: u16, limit: Duration) -> Target<'t> {
        Target { host, port, address: host, limit, deadline: Instant::now() + limit }
    }

    #[test]
    fn a_listening_port_is_reached_by_name_and_by_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let socket = dial(&target(host, port, Duration::from_secs(5)), &Cancel::default());
            assert!(socket.is_ok(), "{host}: {:?}", socket.err());
        }
    }

    #[test]
    fn a_closed_port_is_refused_and_an_unknown_name_has_no_address() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let limit = Duration::from_secs(5);
        let refused = dial(&target("127.0.0.1", port, limit), &Cancel::default()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::ConnectRefused);
        let unknown = dial(&target("no.such.invalid", port, limit), &Cancel::default());
        assert_eq!(unknown.unwrap_err().code, ErrorCode::DnsFailed);
    }

    #[test]
    fn a_server_that_hangs_up_at_once_was_reached_all_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
            }
        });
        for _ in 0..200 {
            let target = target("127.0.0.1", port, Duration::from_secs(20));
            if let Err(failure) = dial(&target, &Cancel::default()) {
                panic!("{failure}");
            }
        }
    }

    #[test]
    fn a_later_address_is_tried_when_an_earlier_one_is_dead() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let live = listener.local_addr().unwrap();
        let dead: SocketAddr = ([127, 0, 0, 2], live.port()).into();
        let target = target("several", live.port(), Duration::from_secs(5));
        assert!(race(&target, &[dead, live], &Cancel::default()).is_ok());
        let failure = race(&target, &[dead, dead], &Cancel::default()).unwrap_err();
        assert_eq!(failure.code, ErrorCode::ConnectRefused);
    }

    #[test]
    fn silence_ends_at_the_limit_and_hears_cancel() {
        // A full backlog drops further handshakes, as a dead host would.
        let listener =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::empty(), None)
                .unwrap();
        rustix::net::bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let bound = TcpListener::from(listener);
        let address = bound.local_addr().unwrap();
        let _fill: Vec<_> = (0..3).map(|_| begin(address).unwrap()).collect();
        std::thread::sleep(Duration::from_millis(50));

        let began = Instant::now();
        let silent = target("127.0.0.1", address.port(), Duration::from_millis(400));
        let failure = race(&silent, &[address], &Cancel::default()).unwrap_err();
        assert_eq!(failure.code, ErrorCode::ConnectTimeout);
        assert!(began.elapsed() < Duration::from_secs(20));

        let cancel = Cancel::default();
        cancel.cancel();
        let silent = target("127.0.0.1", address.port(), Duration::from_secs(30));
        let failure = race(&silent, &[address], &cancel).unwrap_err();
        assert_eq!(failure.code, ErrorCode::Cancelled);
    }
}
