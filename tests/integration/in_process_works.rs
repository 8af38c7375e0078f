//! The in-process server itself: what other tests and the demo build on must
//! hold for the clients that everybody uses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ssh2::{OpenFlags, OpenType, RenameFlags, Session};

use crate::in_process::{Fault, Reply, Server, ServerOptions, loopback};
use crate::lab::processes::tool;
use crate::lab::{KeyFormat, KeyPair, KeyType};

const USER: &str = "deploy";
const PASSWORD: &str = "a-password-of-the-lab";

fn options() -> ServerOptions {
    ServerOptions::default().password(USER, PASSWORD)
}

fn handshake(server: &Server) -> Result<Session, ssh2::Error> {
    handshake_within(server, 20_000)
}

fn handshake_within(server: &Server, milliseconds: u32) -> Result<Session, ssh2::Error> {
    let mut session = Session::new().unwrap();
    session.set_timeout(milliseconds);
    session.set_tcp_stream(TcpStream::connect(server.socket_address()).unwrap());
    session.handshake()?;
    Ok(session)
}

fn log_in(server: &Server) -> Session {
    let session = handshake(server).unwrap();
    session.userauth_password(USER, PASSWORD).unwrap();
    session
}

/// Standard output, standard error, exit status and signal of a command.
fn execute(session: &Session, line: &str) -> (String, String, i32, Option<String>) {
    let mut channel = session.channel_session().unwrap();
    channel.exec(line).unwrap();
    channel.send_eof().unwrap();
    let (mut output, mut error) = (String::new(), String::new());
    channel.read_to_string(&mut output).unwrap();
    channel.stderr().read_to_string(&mut error).unwrap();
    channel.wait_close().unwrap();
    let signal = channel.exit_signal().unwrap().exit_signal;
    (output, error, channel.exit_status().unwrap(), signal)
}

#[test]
fn commands_run_in_the_home_and_tell_how_they_ended() {
    let server = options().start();
    fs::write(server.home().join("motd"), "hello\n").unwrap();
    let session = log_in(&server);
    let (output, error, status, signal) =
        execute(&session, "cat motd; pwd; echo $HOME >&2; cat; exit 3");
    let home = server.home().display();
    assert_eq!(output, format!("hello\n{home}\n"));
    assert_eq!(error, format!("{home}\n"));
    assert_eq!((status, signal), (3, None));
    assert_eq!(execute(&session, "kill -KILL $$").3.as_deref(), Some("KILL"));
    assert_eq!(server.commands().len(), 2);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn both_streams_flow_at_once_and_stdin_arrives() {
    let server = options().start();
    let session = log_in(&server);
    let mut channel = session.channel_session().unwrap();
    channel.exec("cat; head -c 8000000 /dev/zero | tee /dev/stderr").unwrap();
    channel.write_all(b"typed").unwrap();
    channel.send_eof().unwrap();
    session.set_blocking(false);
    let mut read = [Vec::new(), Vec::new()];
    while !channel.eof() {
        for (stream, read) in [0, 1].into_iter().zip(&mut read) {
            let mut buffer = [0; 65536];
            if let Ok(count) = channel.stream(stream).read(&mut buffer) {
                read.extend_from_slice(&buffer[..count]);
            }
        }
    }
    assert_eq!(&read[0][..5], b"typed");
    assert_eq!(read.map(|bytes| bytes.len()), [8_000_005, 8_000_000]);
}

#[test]
fn files_make_the_round_trip_by_sftp() {
    let server = options().start();
    let session = log_in(&server);
    let sftp = session.sftp().unwrap();
    assert_eq!(sftp.realpath(Path::new(".")).unwrap(), server.home());

    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let mut file = sftp.open_mode(Path::new("part"), flags, 0o640, OpenType::File).unwrap();
    file.write_all(&content).unwrap();
    drop(file);
    let (part, target) = (Path::new("part"), Path::new("target"));
    sftp.rename(part, target, Some(RenameFlags::empty())).unwrap();
    let stat = sftp.stat(target).unwrap();
    assert_eq!((stat.size, stat.perm.map(|mode| mode & 0o777)), (Some(3_000_000), Some(0o640)));

    let mut back = Vec::new();
    sftp.open(server.home().join("target")).unwrap().read_to_end(&mut back).unwrap();
    assert!(back == content);
    sftp.mkdir(Path::new("dir"), 0o700).unwrap();
    assert_eq!(sftp.readdir(Path::new(".")).unwrap().len(), 2);
    let mode = fs::metadata(server.home().join("dir")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    sftp.open(Path::new("/etc/passwd")).err().unwrap();
    sftp.open(Path::new("../../etc/passwd")).err().unwrap();
    sftp.unlink(target).unwrap();
    assert!(!server.home().join("target").exists());
}

#[test]
fn openssh_clients_are_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("id");
    let key = KeyPair::generate(&path, KeyType::Ed25519, KeyFormat::OpenSsh, "");
    let server = ServerOptions::default().key(USER, &key.public()).start();
    let known_hosts = dir.path().join("known_hosts");
    fs::write(&known_hosts, server.known_hosts_line()).unwrap();
    let known_hosts = format!("-oUserKnownHostsFile={}", known_hosts.display());
    let (port, key) = (format!("-oPort={}", server.port()), path.to_str().unwrap());
    let options = ["-Fnone", "-oBatchMode=yes", &known_hosts, &port, "-i", key];
    let run = |program: &str, rest: &[&str], input: &str| {
        tool(program, &[&options[..], rest].concat(), input)
    };
    let target = format!("{USER}@{}", server.host());
    assert_eq!(run("ssh", &[&target, "cat; id -un >&2"], "typed"), "typed");

    fs::write(server.home().join("target"), "old").unwrap();
    let batch = format!("put {key} part\nrename part target\nls -l\nget target {key}.back\n");
    assert!(run("sftp", &["-b", "-", &target], &batch).contains("target"));
    let file = |name: &str| fs::read(name).unwrap();
    assert_eq!(file(key), file(&format!("{key}.back")));
    assert!(!server.home().join("part").exists());
}

#[test]
fn only_those_it_knows_get_in() {
    let server = options().start();
    let session = handshake(&server).unwrap();
    session.userauth_password(USER, "wrong").unwrap_err();
    session.userauth_password("other", PASSWORD).unwrap_err();
    session.userauth_password(USER, PASSWORD).unwrap();
    let any = ServerOptions::default().anyone().start();
    handshake(&any).unwrap().userauth_password("who", "ever").unwrap();
}

#[test]
fn a_server_carries_connections_to_another() {
    let (bastion, target) = (options().start(), options().address(loopback(7)).start());
    let outer = log_in(&bastion);
    let channel = outer.channel_direct_tcpip(&target.host(), target.port(), None).unwrap();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    outer.set_blocking(false);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let pump = thread::spawn(move || pump(channel, far, &stopped));
    let mut inner = Session::new().unwrap();
    inner.set_tcp_stream(near);
    inner.handshake().unwrap();
    inner.userauth_password(USER, PASSWORD).unwrap();
    assert_eq!(execute(&inner, "pwd").0, format!("{}\n", target.home().display()));
    drop(inner);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    pump.join().unwrap();
}

fn pump(
    mut channel: ssh2::Channel,
    mut far: std::os::unix::net::UnixStream,
    stop: &std::sync::atomic::AtomicBool,
) {
    far.set_nonblocking(true).unwrap();
    let mut buffer = [0; 65536];
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        if let Ok(count @ 1..) = channel.read(&mut buffer) {
            far.write_all(&buffer[..count]).unwrap();
        }
        if let Ok(count @ 1..) = far.read(&mut buffer) {
            let mut sent = 0;
            while sent < count {
                sent += channel.write(&buffer[sent..count]).unwrap_or(0);
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn closing_a_channel_ends_its_command() {
    let server = options().start();
    let session = log_in(&server);
    let mut channel = session.channel_session().unwrap();
    channel.exec("echo $$; sleep 4322 & wait").unwrap();
    let mut pid = String::new();
    while !pid.ends_with('\n') {
        let mut byte = [0];
        channel.read_exact(&mut byte).unwrap();
        pid.push(byte[0].into());
    }
    assert!(Path::new("/proc").join(pid.trim()).exists());
    channel.close().unwrap();
    let gone = || !Path::new("/proc").join(pid.trim()).exists();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !gone() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(gone());
}

#[test]
fn a_command_has_no_siblings() {
    let server = options().start();
    let session = log_in(&server);
    let mut other = session.channel_session().unwrap();
    other.exec("sleep 4323").unwrap();
    let seen = execute(&session, "cat /proc/$PPID/task/$PPID/children; echo $$").0;
    let mut pids = seen.split_whitespace();
    assert_eq!(pids.next(), pids.next());
}

#[test]
fn what_commands_leave_behind_goes_with_the_server() {
    let server = options().start();
    let session = log_in(&server);
    let pid = execute(&session, "setsid sleep 4324 >/dev/null 2>&1 & echo $!").0;
    let process = Path::new("/proc").join(pid.trim());
    let home = server.home().to_owned();
    assert!(process.exists() && home.exists());
    drop(server);
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::read(process.join("environ")).is_ok_and(|text| !text.is_empty()) {
        assert!(Instant::now() < deadline, "it is still there");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(!home.exists());
}

#[test]
fn faults_before_authentication() {
    for fault in [
        Fault::BlackHole,
        Fault::ResetBeforeBanner,
        Fault::GarbageBanner,
        Fault::StallInKeyExchange,
    ] {
        let server = options().fault(fault).start();
        assert!(handshake_within(&server, 300).is_err(), "{fault:?}");
        server.set_fault(None);
        assert!(handshake(&server).is_ok(), "{fault:?} goes on");
    }
    let server = options().fault(Fault::Refuse).start();
    let error = TcpStream::connect(server.socket_address()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    let server = options().fault(Fault::StallInAuthentication).start();
    let session = handshake(&server).unwrap();
    session.set_timeout(300);
    session.userauth_password(USER, PASSWORD).unwrap_err();
}

#[test]
fn faults_after_authentication() {
    let refuses = |fault| {
        let server = options().fault(fault).start();
        (log_in(&server), server)
    };
    let (session, _server) = refuses(Fault::RefuseChannels);
    assert!(session.channel_session().is_err());
    let (session, _server) = refuses(Fault::RefuseExec);
    assert!(session.channel_session().unwrap().exec("true").is_err());
    let (session, _server) = refuses(Fault::RefusePty);
    let mut channel = session.channel_session().unwrap();
    assert!(channel.request_pty("vt100", None, None).is_err());
    let (session, _server) = refuses(Fault::NoSftp);
    assert!(session.sftp().is_err());
    assert_eq!(execute(&session, "echo fine").0, "fine\n");
    let (session, _server) = refuses(Fault::Flood(5_000));
    assert_eq!(execute(&session, "true").0.len(), 5_000);
    let (session, _server) = refuses(Fault::Trickle(Duration::from_millis(100)));
    let start = Instant::now();
    assert_eq!(execute(&session, "echo abc").0, "abc\n");
    assert!(start.elapsed() > Duration::from_millis(300));

    let (session, _server) = refuses(Fault::StallAfterAuthentication);
    thread::sleep(Duration::from_millis(100));
    session.set_timeout(300);
    assert!(session.channel_session().is_err());
    for fault in [
        // Long enough for a busy machine to start a shell.
        Fault::DropMidCommand(Duration::from_secs(4)),
        Fault::StallMidCommand(Duration::from_secs(4)),
    ] {
        let (session, _server) = refuses(fault);
        session.set_timeout(8_000);
        let mut channel = session.channel_session().unwrap();
        channel.exec("echo begun; sleep 4325").unwrap();
        let mut text = String::new();
        assert!(channel.read_to_string(&mut text).is_err(), "{fault:?}");
        assert_eq!(text, "begun\n");
    }
}

#[test]
fn a_changed_host_key_is_another_key() {
    let server = options().start();
    let before = server.known_hosts_line();
    let shown = |session: &Session| session.host_key().unwrap().0.to_vec();
    let first = shown(&handshake(&server).unwrap());
    server.change_host_key();
    assert_ne!(server.known_hosts_line(), before);
    assert_ne!(shown(&handshake(&server).unwrap()), first);
}

#[test]
fn a_responder_answers_without_a_process() {
    let reply = |line: &str| (line == "uname -r").then(|| Reply::ok("6.1.0\n"));
    let servers: Vec<_> =
        (0..50).map(|index| options().address(loopback(index)).respond(reply).start()).collect();
    for server in &servers {
        assert_eq!(execute(&log_in(server), "uname -r").0, "6.1.0\n");
    }
}
