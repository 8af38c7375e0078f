//! Opening connections: every stage, against real servers, through the library.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sshoal::credential::PrivateKey;
use sshoal::failure::{ErrorCode, Failure};
use sshoal::plan::spec::{ConnectTimeouts, ConnectionSpec, Credentials, HostKeyPolicy};
use sshoal::secret::Secret;
use sshoal::transport::{Cancel, Connected, Connector, ConnectorConfig, SshConnector};
use tempfile::TempDir;

use crate::lab::processes::{tool, wait_until};
use crate::lab::{KeyFormat, KeyPair, KeyType, Lab, Sshd, SshdOptions, User, UserOptions};

/// A connector with a home of its own.
struct Bench {
    connector: SshConnector,
    home: TempDir,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { connector: Self::connector(home.path()), home }
    }

    fn connector(home: &Path) -> SshConnector {
        SshConnector::new(ConnectorConfig { known_hosts: None, home: home.to_owned() })
    }

    fn knowing(text: &str) -> Self {
        let bench = Self::new();
        fs::create_dir(bench.home.path().join(".ssh")).unwrap();
        fs::write(bench.known_hosts(), text).unwrap();
        bench
    }

    fn known_hosts(&self) -> PathBuf {
        self.home.path().join(".ssh/known_hosts")
    }

    fn known_hosts_text(&self) -> String {
        fs::read_to_string(self.known_hosts()).unwrap_or_default()
    }

    fn connect(&self, spec: &ConnectionSpec) -> Result<Connected, Failure> {
        self.connector.connect(spec, &Cancel::default())
    }

    #[track_caller]
    fn expect_ok(&self, spec: &ConnectionSpec) -> Vec<String> {
        match self.connect(spec) {
            Ok(connected) => connected.warnings,
            Err(failure) => panic!("{failure:?}"),
        }
    }

    #[track_caller]
    fn expect_failure(&self, spec: &ConnectionSpec, code: ErrorCode) -> Failure {
        match self.connect(spec) {
            Ok(_) => panic!("connected, although {code:?} was expected"),
            Err(failure) => {
                assert_eq!(failure.code, code, "{failure:?}");
                assert!(failure.help.is_some(), "{failure:?}");
                failure
            }
        }
    }
}

fn spec(host: &str, port: u16, username: &str) -> ConnectionSpec {
    let limit = Duration::from_secs(20);
    ConnectionSpec {
        host: host.to_owned(),
        port,
        username: username.to_owned(),
        credentials: Credentials::default(),
        timeouts: ConnectTimeouts { connect: limit, banner: limit, auth: limit },
        keepalive: Duration::from_secs(30),
        host_key_policy: HostKeyPolicy::AutoAdd,
        known_hosts: None,
        compress: false,
        proxy: None,
    }
}

fn at(server: &Sshd, user: &User) -> ConnectionSpec {
    spec(&server.address(), server.port(), &user.name)
}

fn by_password(server: &Sshd, user: &User) -> ConnectionSpec {
    let mut spec = at(server, user);
    spec.credentials.password = Some(Secret::new(user.password.clone()));
    spec
}

fn by_key(server: &Sshd, user: &User) -> ConnectionSpec {
    let mut spec = at(server, user);
    spec.credentials.keys = vec![key(&user.key.path)];
    spec
}

fn key(path: &Path) -> Arc<PrivateKey> {
    Arc::new(PrivateKey::read(path, None, &format!("`key_filename` {}", path.display())).unwrap())
}

fn foreign_key(dir: &Path, name: &str) -> Arc<PrivateKey> {
    key(&KeyPair::generate(&dir.join(name), KeyType::Ed25519, KeyFormat::OpenSsh, "").path)
}

fn contains(failure: &Failure, parts: &[&str]) {
    for part in parts {
        assert!(failure.message.contains(part), "`{part}` is not in: {}", failure.message);
    }
}

/// Waits until the server has logged `text`.
#[track_caller]
fn logs(server: &Sshd, since: u64, text: &str) {
    let logged = wait_until(Duration::from_secs(30), || server.log_since(since).contains(text));
    assert!(logged, "the server did not log `{text}`");
}

// --- authentication

#[test]
fn a_password_and_a_key_open_a_connection() {
    let lab = Lab::get();
    let bench = Bench::new();
    let user = &lab.users.plain;
    assert!(bench.expect_ok(&by_password(lab.sshd(), user)).is_empty());
    assert!(bench.expect_ok(&by_key(lab.sshd(), user)).is_empty());
}

#[test]
fn every_kind_of_key_in_every_form_signs_in() {
    let lab = Lab::get();
    let bench = Bench::new();
    let user = &lab.add_user("keys", UserOptions::default());
    let dir = lab.scratch();
    for (kind, bits) in
        [("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("ed25519", "256")]
    {
        for form in ["RFC4716", "PEM", "PKCS8"] {
            for passphrase in ["", "correct horse"] {
                let path = dir.path().join(format!("{kind}{bits}{form}{}", passphrase.len()));
                let output = std::process::Command::new("ssh-keygen")
                    .args(["-q", "-t", kind, "-b", bits, "-m", form, "-N", passphrase, "-f"])
                    .arg(&path)
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{output:?}");
                let public = fs::read_to_string(path.with_extension("pub")).unwrap();
                user.authorize(public.trim());
                let given = Secret::new(passphrase);
                let mut spec = at(lab.sshd(), user);
                spec.credentials.keys =
                    vec![Arc::new(PrivateKey::read(&path, Some(&given), "k").unwrap())];
                if let Err(failure) = bench.connect(&spec) {
                    panic!("{kind} {bits} {form}: {failure:?}");
                }
            }
        }
    }
}

#[test]
fn a_wrong_password_says_what_was_tried_and_what_is_offered() {
    let lab = Lab::get();
    let bench = Bench::new();
    let mut spec = by_password(lab.sshd(), &lab.users.plain);
    spec.credentials.password = Some(Secret::new("hunter22"));
    let failure = bench.expect_failure(&spec, ErrorCode::AuthFailed);
    contains(
        &failure,
        &[
            &format!("`{}`", lab.users.plain.name),
            &spec.address(),
            "did not accept `password`, keyboard-interactive with `password`",
            "it offers keyboard-interactive, password, publickey",
        ],
    );
    assert!(!failure.message.contains("hunter22"));
    assert_eq!(failure.help.as_deref(), Some("check `username` and `password`"));
}

#[test]
fn a_key_is_tried_before_the_password_and_default_keys_last() {
    let lab = Lab::get();
    let dir = lab.scratch();
    let server = SshdOptions::default().start();
    let user = &lab.users.plain;

    // A refused key leaves the password, which is then not tried twice.
    let mut spec = by_password(&server, user);
    spec.credentials.keys = vec![foreign_key(dir.path(), "a")];
    Bench::new().expect_ok(&spec);
    logs(&server, 0, "Accepted password");

    // A default key comes after the password.
    let mut spec = by_password(&server, user);
    spec.credentials.default_keys = vec![key(&user.key.path)];
    let logged = server.log_size();
    Bench::new().expect_ok(&spec);
    logs(&server, logged, "Accepted password");

    // And it serves when the password is wrong.
    spec.credentials.password = Some(Secret::new("wrong"));
    let logged = server.log_size();
    Bench::new().expect_ok(&spec);
    logs(&server, logged, "Accepted publickey");
}

#[test]
fn keyboard_interactive_takes_the_password_where_password_is_off() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("PasswordAuthentication no").start();
    Bench::new().expect_ok(&by_password(&server, &lab.users.plain));
    logs(&server, 0, "Accepted keyboard-interactive");
}

#[test]
fn a_server_that_wants_key_and_password_gets_both_in_either_order() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    for methods in ["publickey,password", "password,publickey", "publickey,keyboard-interactive"] {
        let server =
            SshdOptions::default().line(&format!("AuthenticationMethods {methods}")).start();
        let mut spec = by_password(&server, user);
        spec.credentials.keys = vec![key(&user.key.path)];
        Bench::new().expect_ok(&spec);
        spec.credentials.password = None;
        Bench::new().expect_failure(&spec, ErrorCode::AuthFailed);
    }
}

#[test]
fn a_server_without_passwords_is_told_apart() {
    let lab = Lab::get();
    let server = SshdOptions::default()
        .line("PasswordAuthentication no")
        .line("KbdInteractiveAuthentication no")
        .start();
    let failure =
        Bench::new().expect_failure(&by_password(&server, &lab.users.plain), ErrorCode::AuthFailed);
    contains(&failure, &["the server offers publickey, and no credential for it is given"]);
    assert!(failure.help.unwrap().contains("key_filename"));
}

#[test]
fn too_many_attempts_are_explained() {
    let lab = Lab::get();
    let dir = lab.scratch();
    let server = SshdOptions::default().line("MaxAuthTries 2").start();
    let mut spec = by_password(&server, &lab.users.plain);
    spec.credentials.keys =
        (0..4).map(|number| foreign_key(dir.path(), &number.to_string())).collect();
    let failure = Bench::new().expect_failure(&spec, ErrorCode::AuthFailed);
    contains(&failure, &["the server closed the connection after 2 attempts"]);
    assert!(failure.help.unwrap().contains("MaxAuthTries"));
}

#[test]
fn asking_what_the_server_accepts_costs_none_of_the_attempts() {
    let lab = Lab::get();
    let dir = lab.scratch();
    let user = &lab.users.plain;
    let server = SshdOptions::default().line("MaxAuthTries 2").start();
    let mut spec = by_password(&server, user);
    spec.credentials.keys = vec![foreign_key(dir.path(), "wrong")];
    Bench::new().expect_ok(&spec);
    logs(&server, 0, "Accepted password");

    // Six attempts, as many as a server allows unless it is told otherwise.
    let server = SshdOptions::default().start();
    let agent = Agent::start(dir.path());
    for number in 0..4 {
        let name = dir.path().join(number.to_string());
        agent.add(&KeyPair::generate(&name, KeyType::Ed25519, KeyFormat::OpenSsh, "").path);
    }
    agent.add(&user.key.path);
    let home = tempfile::tempdir().unwrap();
    let bench = Bench { connector: agent.connector(home.path()), home };
    let mut spec = at(&server, user);
    spec.credentials.agent = true;
    spec.credentials.keys = vec![foreign_key(dir.path(), "another")];
    bench.expect_ok(&spec);
    assert_eq!(server.log().matches("Failed publickey").count(), 5);
}

/// A real `ssh-agent`, ended with its handle.
pub(crate) struct Agent {
    child: std::process::Child,
    socket: PathBuf,
}

impl Agent {
    pub(crate) fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child = std::process::Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        assert!(wait_until(Duration::from_secs(30), || socket.exists()));
        Self { child, socket }
    }

    pub(crate) fn add(&self, key: &Path) {
        let output = std::process::Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    fn connector(&self, home: &Path) -> SshConnector {
        let config = ConnectorConfig { known_hosts: None, home: home.to_owned() };
        SshConnector::with_agent(config, Some(self.socket.clone()))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_agent_signs_in_before_the_password_and_a_dead_one_does_no_harm() {
    let lab = Lab::get();
    let dir = lab.scratch();
    let server = SshdOptions::default().start();
    let user = &lab.users.plain;
    let agent = Agent::start(dir.path());
    let home = tempfile::tempdir().unwrap();
    let bench = Bench { connector: agent.connector(home.path()), home };

    let mut spec = by_password(&server, user);
    spec.credentials.agent = true;
    let only_agent = |spec: &ConnectionSpec| {
        let mut spec = spec.clone();
        spec.credentials.password = None;
        spec
    };
    // Without keys it is passed over, and the failure says so.
    bench.expect_ok(&spec);
    logs(&server, 0, "Accepted password");
    let failure = bench.expect_failure(&only_agent(&spec), ErrorCode::AuthFailed);
    contains(&failure, &["the SSH agent holds no keys"]);

    let foreign = KeyPair::generate(&dir.path().join("x"), KeyType::Rsa, KeyFormat::OpenSsh, "");
    agent.add(&foreign.path);
    agent.add(&user.key.path);
    let logged = server.log_size();
    bench.expect_ok(&spec);
    logs(&server, logged, "Accepted publickey");
    bench.expect_ok(&only_agent(&spec));

    // A key file that was refused is not offered again from the agent.
    let mut twice = only_agent(&spec);
    twice.credentials.keys = vec![key(&foreign.path)];
    let logged = server.log_size();
    bench.expect_ok(&twice);
    logs(&server, logged, "Accepted publickey");
    assert_eq!(server.log_since(logged).matches("Failed publickey").count(), 1);

    // Nor is a default key that the agent has offered already.
    let mut twice = only_agent(&spec);
    twice.username = lab.users.sh.name.clone();
    twice.credentials.default_keys = vec![key(&foreign.path)];
    let logged = server.log_size();
    let failure = bench.expect_failure(&twice, ErrorCode::AuthFailed);
    assert_eq!(failure.message.matches("key `").count(), 2, "{}", failure.message);
    logs(&server, logged, "Connection closed");
    assert_eq!(server.log_since(logged).matches("Failed publickey").count(), 2);

    drop(agent);
    bench.expect_ok(&spec);
    let failure = bench.expect_failure(&only_agent(&spec), ErrorCode::AuthFailed);
    contains(&failure, &["the SSH agent cannot be reached"]);

    // One that accepts connections and never answers costs its time limit only.
    let mute = dir.path().join("mute");
    let _listener = std::os::unix::net::UnixListener::bind(&mute).unwrap();
    let config = ConnectorConfig { known_hosts: None, home: dir.path().to_owned() };
    let connector = SshConnector::with_agent(config, Some(mute));
    // It leaves time for what comes after it.
    let mut patient = spec.clone();
    patient.timeouts.auth = Duration::from_secs(10);
    connector.connect(&patient, &Cancel::default()).map(drop).unwrap();
    let mut spec = only_agent(&spec);
    spec.timeouts.auth = Duration::from_secs(1);
    let began = Instant::now();
    let failure = connector.connect(&spec, &Cancel::default()).err().unwrap();
    assert!(began.elapsed() < Duration::from_secs(40));
    contains(&failure, &["the SSH agent does not answer"]);
}

#[test]
fn a_server_that_asks_for_nothing_gets_nothing() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("PermitEmptyPasswords yes").pam(false).start();
    let user = lab.add_user("open", UserOptions::default());
    tool("passwd", &["-q", "-d", &user.name], "");
    Bench::new().expect_ok(&at(&server, &user));
}

// --- host keys

#[test]
fn auto_add_saves_a_key_once_and_a_changed_one_is_refused_under_every_policy() {
    let lab = Lab::get();
    let bench = Bench::new();
    let mut spec = by_key(lab.sshd(), &lab.users.plain);
    bench.expect_ok(&spec);
    bench.expect_ok(&spec);
    let key = lab.sshd().host_key(KeyType::Ed25519);
    let name = format!("[{}]:{}", spec.host, spec.port);
    assert_eq!(bench.known_hosts_text(), format!("{name} {key}\n"));

    let other = SshdOptions::default().start();
    let bench = Bench::knowing(&format!("# mine\n{name} {}\n", other.host_key(KeyType::Ed25519)));
    for policy in [HostKeyPolicy::AutoAdd, HostKeyPolicy::Warning, HostKeyPolicy::Reject] {
        spec.host_key_policy = policy;
        let failure = bench.expect_failure(&spec, ErrorCode::HostKeyChanged);
        contains(&failure, &["SHA256:", &format!("{}:2", bench.known_hosts().display())]);
        assert!(failure.help.unwrap().contains(&format!("-R '{name}'")));
    }
    assert_eq!(bench.known_hosts_text().lines().count(), 2);
}

#[test]
fn reject_wants_a_known_key_and_shows_how_to_add_it() {
    let lab = Lab::get();
    let bench = Bench::new();
    let mut spec = by_key(lab.sshd(), &lab.users.plain);
    spec.host_key_policy = HostKeyPolicy::Reject;
    let failure = bench.expect_failure(&spec, ErrorCode::HostKeyUnknown);
    let help = failure.help.unwrap();
    assert!(help.contains(&format!("ssh-keyscan -p {} 127.0.0.1 >>", spec.port)), "{help}");
    assert!(!bench.known_hosts().exists());
    Bench::knowing(&lab.sshd().known_hosts()).expect_ok(&spec);
}

#[test]
fn the_type_that_is_known_is_asked_for() {
    let lab = Lab::get();
    let mut spec = by_key(lab.sshd(), &lab.users.plain);
    spec.host_key_policy = HostKeyPolicy::Reject;
    for kind in KeyType::ALL {
        Bench::knowing(&lab.sshd().known_hosts_of(kind)).expect_ok(&spec);
    }
    let other_type = SshdOptions::default().host_keys([KeyType::Rsa]).start();
    let name = format!("[{}]:{}", other_type.address(), other_type.port());
    let bench = Bench::knowing(&format!("{name} {}\n", lab.sshd().host_key(KeyType::Ed25519)));
    bench.expect_failure(&by_key(&other_type, &lab.users.plain), ErrorCode::HostKeyChanged);
}

#[test]
fn hashed_and_revoked_keys_are_recognised() {
    let lab = Lab::get();
    let mut spec = by_key(lab.sshd(), &lab.users.plain);
    spec.host_key_policy = HostKeyPolicy::Reject;
    let bench = Bench::knowing(&lab.sshd().known_hosts());
    let hashed = std::process::Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(bench.known_hosts())
        .output()
        .unwrap();
    assert!(hashed.status.success());
    assert!(bench.known_hosts_text().starts_with("|1|"));
    bench.expect_ok(&spec);

    let key = lab.sshd().host_key(KeyType::Ed25519);
    let bench = Bench::knowing(&format!("{}@revoked * {key}\n", lab.sshd().known_hosts()));
    for policy in [HostKeyPolicy::AutoAdd, HostKeyPolicy::Warning, HostKeyPolicy::Reject] {
        spec.host_key_policy = policy;
        bench.expect_failure(&spec, ErrorCode::HostKeyRevoked);
    }
}

#[test]
fn a_warning_or_an_unwritable_file_costs_a_warning() {
    let lab = Lab::get();
    let mut spec = by_key(lab.sshd(), &lab.users.plain);
    spec.host_key_policy = HostKeyPolicy::Warning;
    let bench = Bench::new();
    assert!(bench.expect_ok(&spec)[0].contains("without being saved: ssh-ed25519 SHA256:"));
    assert!(!bench.known_hosts().exists());

    // Even root cannot write a file where a directory is in the way.
    spec.host_key_policy = HostKeyPolicy::AutoAdd;
    let bench = Bench::new();
    fs::create_dir_all(bench.known_hosts()).unwrap();
    assert!(bench.expect_ok(&spec)[0].contains("cannot be saved"));
}

#[test]
fn fifty_first_contacts_at_once_leave_clean_lines() {
    let lab = Lab::get();
    let addresses: Vec<_> = (1..=10).map(|number| format!("127.0.9.{number}")).collect();
    let server = SshdOptions::default().addresses(addresses.iter().map(String::as_str)).start();
    let home = tempfile::tempdir().unwrap();
    let connectors = [Bench::connector(home.path()), Bench::connector(home.path())];
    thread::scope(|scope| {
        for number in 0..50 {
            let connector = &connectors[number % 2];
            let mut spec = by_key(&server, &lab.users.plain);
            spec.host = addresses[number % 10].clone();
            scope.spawn(move || {
                if let Err(failure) = connector.connect(&spec, &Cancel::default()) {
                    panic!("{failure:?}");
                }
            });
        }
    });
    let text = fs::read_to_string(home.path().join(".ssh/known_hosts")).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let key = server.host_key(KeyType::Ed25519);
    let mut expected: Vec<_> =
        addresses.iter().map(|host| format!("[{host}]:{} {key}", server.port())).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

// --- the stages before

#[test]
fn a_dead_port_is_refused_and_an_unknown_name_has_no_address() {
    let bench = Bench::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let failure =
        bench.expect_failure(&spec("127.0.0.1", port, "nobody"), ErrorCode::ConnectRefused);
    contains(&failure, &[&format!("`127.0.0.1:{port}` refused the connection")]);
    bench.expect_failure(&spec("no-such-host.invalid", 22, "nobody"), ErrorCode::DnsFailed);
}

#[test]
fn a_black_hole_ends_with_the_banner_timeout() {
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spec = spec("127.0.0.1", hole.local_addr().unwrap().port(), "nobody");
    spec.timeouts.banner = Duration::from_millis(600);
    let began = Instant::now();
    Bench::new().expect_failure(&spec, ErrorCode::BannerTimeout);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(30), "{took:?}");

    spec.timeouts.banner = Duration::from_secs(60);
    let cancel = Cancel::default();
    let canceller = cancel.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        canceller.cancel();
    });
    let began = Instant::now();
    let failure = Bench::new().connector.connect(&spec, &cancel).err().unwrap();
    assert_eq!(failure.code, ErrorCode::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// A peer that answers every connection with `text` and goes on as `then` says.
fn peer(text: &'static [u8], then: fn(&mut std::net::TcpStream)) -> (u16, Arc<TcpListener>) {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let accepting = Arc::clone(&listener);
    thread::spawn(move || {
        for stream in accepting.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(text);
            then(&mut stream);
        }
    });
    (port, listener)
}

#[test]
fn peers_that_speak_something_else_are_named() {
    let bench = Bench::new();
    let (port, _peer) = peer(b"HTTP/1.1 400 Bad Request\r\n\r\n", |stream| {
        let _ = stream.read(&mut [0; 256]);
    });
    let failure =
        bench.expect_failure(&spec("127.0.0.1", port, "nobody"), ErrorCode::HandshakeFailed);
    contains(&failure, &["is no SSH server: it answered `HTTP/1.1 400 Bad Request`"]);

    // One that never stops talking must not keep us listening.
    let (port, _peer) = peer(b"blah\n", |stream| {
        let line = [b'y', b'\n'].repeat(4096);
        while stream.write_all(&line).is_ok() {}
    });
    let mut talker = spec("127.0.0.1", port, "nobody");
    talker.timeouts.banner = Duration::from_secs(100);
    let began = Instant::now();
    bench.expect_failure(&talker, ErrorCode::HandshakeFailed);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());

    // A banner and then silence is not the banner's fault.
    let (port, _peer) = peer(b"SSH-2.0-mute\r\n", |stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut mute = spec("127.0.0.1", port, "nobody");
    mute.timeouts.connect = Duration::from_millis(600);
    let failure = bench.expect_failure(&mute, ErrorCode::HandshakeFailed);
    contains(&failure, &["did not finish within 0.6 s"]);
}

#[test]
fn a_server_that_hangs_up_is_tried_again_and_then_explained() {
    let (port, _peer) = peer(b"Exceeded MaxStartups\r\n", |stream| {
        // To close with unread bytes would reset the connection, text and all.
        let _ = stream.read(&mut [0; 256]);
    });
    let mut busy = spec("127.0.0.1", port, "nobody");
    busy.timeouts.connect = Duration::from_secs(2);
    let began = Instant::now();
    let failure = Bench::new().expect_failure(&busy, ErrorCode::ConnectFailed);
    assert!(began.elapsed() < Duration::from_secs(20));
    contains(&failure, &["Exceeded MaxStartups", "times"]);
    assert!(failure.help.unwrap().contains("MaxStartups"));
}

#[test]
fn a_crowd_gets_through_a_narrow_door() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("MaxStartups 2:100:2").start();
    let bench = Bench::new();
    let mut spec = by_key(&server, &lab.users.plain);
    // Two at a time, again and again: on a busy machine that takes its time.
    spec.timeouts.connect = Duration::from_secs(100);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| bench.expect_ok(&spec));
        }
    });
}
