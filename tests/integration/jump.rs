//! Jump hosts: targets behind a real server, reached through the library.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sshoal::credential::PrivateKey;
use sshoal::failure::{ErrorCode, Failure};
use sshoal::plan::spec::{
    ConnectTimeouts, ConnectionSpec, Credentials, ExecOptions, HostKeyPolicy, TransferSpec,
};
use sshoal::secret::Secret;
use sshoal::transfer::TransferOperation;
use sshoal::transport::{
    Cancel, Connected, Connector, ConnectorConfig, Ending, Execution, SshConnector,
};
use tempfile::TempDir;

use crate::lab::processes::{kill_all, processes_that_mention, wait_until};
use crate::lab::{Lab, Sshd, SshdOptions, Sshoal, User, UserOptions};

/// A connector with a home of its own.
pub(crate) struct Bench {
    connector: SshConnector,
    _home: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = ConnectorConfig { known_hosts: None, home: home.path().to_owned() };
        Self { connector: SshConnector::new(config), _home: home }
    }

    pub(crate) fn connect(&self, spec: &ConnectionSpec) -> Result<Connected, Failure> {
        self.connector.connect(spec, &Cancel::default())
    }

    #[track_caller]
    fn run(&self, spec: &ConnectionSpec, line: &str) -> Execution {
        match self.connect(spec) {
            Ok(connected) => run(connected, line),
            Err(failure) => panic!("{failure:?}"),
        }
    }

    #[track_caller]
    fn fail(&self, spec: &ConnectionSpec, parts: &[&str]) -> Failure {
        let failure = self.connect(spec).err().expect("connected, although it must fail");
        assert_eq!(failure.code, ErrorCode::ProxyFailed, "{failure:?}");
        assert!(failure.help.is_some(), "{failure:?}");
        for part in parts {
            assert!(failure.message.contains(part), "`{part}` is not in: {}", failure.message);
        }
        failure
    }
}

fn run(mut connected: Connected, line: &str) -> Execution {
    let options = ExecOptions {
        timeout: Some(Duration::from_secs(60)),
        pty: false,
        stdin_open: false,
        environment: Vec::new(),
        working_directory: None,
        read_size: None,
        max_output: 1024,
        sudo: None,
        script: None,
    };
    connected.connection.execute(line, &options, false, &Cancel::default())
}

pub(crate) fn spec(host: &str, port: u16, username: &str) -> ConnectionSpec {
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

fn by_key(server: &Sshd, user: &User) -> ConnectionSpec {
    let mut spec = spec(&server.address(), server.port(), &user.name);
    spec.credentials.keys =
        vec![Arc::new(PrivateKey::read(&user.key.path, None, "`key_filename`").unwrap())];
    spec
}

fn by_password(server: &Sshd, user: &User) -> ConnectionSpec {
    let mut spec = spec(&server.address(), server.port(), &user.name);
    spec.credentials.password = Some(Secret::new(user.password.clone()));
    spec
}

pub(crate) fn through(proxy: &Arc<ConnectionSpec>, mut target: ConnectionSpec) -> ConnectionSpec {
    target.proxy = Some(Arc::clone(proxy));
    target
}

fn logins(server: &Sshd) -> usize {
    let log = server.log();
    log.lines().filter(|line| line.contains("Accepted ") && line.contains(" for ")).count()
}

/// How many sessions with its jump host a run may have that began at `began`: one,
/// and another for each second during which a target held up those behind it, as
/// on a machine that is too busy any target may.
fn sessions_by_now(began: Instant) -> usize {
    1 + usize::try_from(began.elapsed().as_secs()).unwrap()
}

/// A port whose connections are never completed: its backlog is full.
pub(crate) fn black_hole() -> (SocketAddr, OwnedFd, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with};
    let open = |flags| socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    let listener = open(SocketFlags::empty());
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let fill = (0..3)
        .map(|_| {
            let socket = open(SocketFlags::NONBLOCK);
            let _ = connect(&socket, &address);
            TcpStream::from(socket)
        })
        .collect();
    thread::sleep(Duration::from_millis(50));
    (address, listener.into(), fill)
}

#[test]
fn many_targets_share_one_session_with_an_identity_of_its_own() {
    let lab = Lab::get();
    let bastion = SshdOptions::default().addresses(["127.0.0.2"]).start();
    let jumper = lab.add_user("jumper", UserOptions::default());
    let proxy = Arc::new(by_password(&bastion, &jumper));
    let bench = Bench::new();
    let began = Instant::now();
    thread::scope(|scope| {
        for number in 0..24 {
            let target = through(&proxy, by_key(lab.sshd(), &lab.users.plain));
            let (bench, user) = (&bench, &lab.users.plain.name);
            scope.spawn(move || {
                let done = bench.run(&target, &format!("echo {number}; id -un"));
                assert_eq!(done.ending, Ending::Exited(0));
                let said = String::from_utf8(done.output.bytes).unwrap();
                assert_eq!(said, format!("{number}\n{user}\n"));
            });
        }
    });
    let before = logins(&bastion);
    assert!((1..=sessions_by_now(began)).contains(&before), "{}", bastion.log());
    // The same identity in another play is an equal spec, not the same one. Nobody
    // is held up meanwhile.
    let again = Arc::new(ConnectionSpec::clone(&proxy));
    bench.run(&through(&again, by_key(lab.sshd(), &lab.users.plain)), "true");
    assert_eq!(logins(&bastion), before);
}

#[test]
fn much_data_goes_through_unharmed_beside_other_targets() {
    let lab = Lab::get();
    let proxy = Arc::new(by_key(lab.bastion(), &lab.users.plain));
    let bench = Bench::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            let target = through(&proxy, by_key(lab.sshd(), &lab.users.plain));
            let bench = &bench;
            scope.spawn(move || {
                let done = bench.run(&target, "head -c 16000000 /dev/zero; echo end >&2");
                assert_eq!(done.ending, Ending::Exited(0));
                assert_eq!((done.output.total, done.error.bytes), (16_000_000, b"end\n".to_vec()));
            });
        }
    });
}

#[test]
fn uploads_go_through_unharmed_beside_each_other() {
    let lab = Lab::get();
    let proxy = Arc::new(by_key(lab.bastion(), &lab.users.plain));
    let bench = Bench::new();
    let dir = lab.scratch();
    let local = dir.path().join("data");
    let bytes: Vec<u8> = (0u32..6_000_000).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&local, &bytes).unwrap();
    thread::scope(|scope| {
        for number in 0..3 {
            let target = through(&proxy, by_key(lab.sshd(), &lab.users.plain));
            let spec = TransferSpec {
                operation: TransferOperation::Upload,
                local_path: local.clone(),
                local_path_shown: "data".to_owned(),
                content: None,
                remote_path: format!("jumped-{number}"),
                resume: false,
                chunk_size: 32768,
                timeout: Some(Duration::from_secs(120)),
                mode: None,
                create_dirs: false,
                verify: true,
                recursive: false,
                owner: None,
                group: None,
                sudo: None,
                pty: false,
            };
            let (bench, bytes) = (&bench, &bytes);
            let landed = lab.users.plain.home.join(&spec.remote_path);
            scope.spawn(move || {
                let mut connected = bench.connect(&target).unwrap_or_else(|f| panic!("{f:?}"));
                let done = connected.connection.transfer(&spec, &Cancel::default()).unwrap();
                assert!(done.changed && done.record.verified, "{done:?}");
                assert!(std::fs::read(landed).unwrap() == *bytes);
            });
        }
    });
}

#[test]
fn a_jump_host_that_is_down_or_refuses_fails_those_behind_it_only() {
    let lab = Lab::get();
    let bench = Bench::new();
    let target = || by_key(lab.sshd(), &lab.users.plain);

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let down = Arc::new(spec("127.0.0.1", port, "nobody"));
    let address = format!("jump host `127.0.0.1:{port}`");
    bench.fail(&through(&down, target()), &[&address, "refused the connection"]);

    let bastion = SshdOptions::default().addresses(["127.0.0.2"]).start();
    let mut wrong = by_password(&bastion, &lab.users.plain);
    wrong.credentials.password = Some(Secret::new("wrong"));
    let wrong = Arc::new(wrong);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                bench.fail(&through(&wrong, target()), &["authentication of", "`password`"]);
            });
        }
    });
    // A refused identity is not tried again: that could lock the account.
    bench.fail(&through(&wrong, target()), &["authentication of"]);
    let failures = bastion.log().matches("Failed password").count();
    assert!(failures <= 1, "{failures} attempts\n{}", bastion.log());

    bench.run(&target(), "true");
}

#[test]
fn a_target_that_the_jump_host_cannot_reach_is_named() {
    let lab = Lab::get();
    let bench = Bench::new();
    let proxy = Arc::new(by_key(lab.bastion(), &lab.users.plain));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = through(&proxy, spec("127.0.0.1", port, "nobody"));
    bench.fail(&dead, &[&format!("cannot connect to `127.0.0.1:{port}`")]);
    bench.run(&through(&proxy, by_key(lab.sshd(), &lab.users.plain)), "true");

    let strict = SshdOptions::default().line("AllowTcpForwarding no").start();
    let proxy = Arc::new(by_key(&strict, &lab.users.plain));
    let target = through(&proxy, by_key(lab.sshd(), &lab.users.plain));
    let failure = bench.fail(&target, &["does not allow a connection"]);
    assert!(failure.help.unwrap().contains("AllowTcpForwarding"));
}

#[test]
fn targets_that_do_not_answer_hold_up_no_others() {
    let lab = Lab::get();
    let bench = Bench::new();
    let bastion = SshdOptions::default().addresses(["127.0.0.2"]).start();
    let proxy = Arc::new(by_key(&bastion, &lab.users.plain));
    let (hole, _listener, _fill) = black_hole();
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            let mut dead = spec("127.0.0.1", hole.port(), "nobody");
            dead.timeouts.connect = Duration::from_secs(25);
            let dead = through(&proxy, dead);
            let bench = &bench;
            scope.spawn(move || bench.fail(&dead, &["no answer from", "within 25 s"]));
        }
        thread::sleep(Duration::from_millis(300));
        for _ in 0..6 {
            let target = through(&proxy, by_key(lab.sshd(), &lab.users.plain));
            let (bench, began) = (&bench, &began);
            scope.spawn(move || {
                bench.run(&target, "true");
                let took = began.elapsed();
                assert!(took < Duration::from_secs(24), "held up for {took:?}");
            });
        }
    });
    // The two wait beside each other.
    assert!(began.elapsed() < Duration::from_secs(48), "{:?}", began.elapsed());
    // One for each of the two and one for all others, or a few on a busy machine.
    assert!(logins(&bastion) <= 5, "{}", bastion.log());
}

#[test]
fn a_lost_jump_host_ends_its_targets_and_is_reached_anew() {
    let lab = Lab::get();
    let bench = Bench::new();
    let bastion = SshdOptions::default().addresses(["127.0.0.2"]).start();
    let proxy = Arc::new(by_key(&bastion, &lab.users.plain));
    let target = through(&proxy, by_key(lab.sshd(), &lab.users.plain));
    let running = bench.connect(&target).unwrap_or_else(|failure| panic!("{failure:?}"));
    let sleep = format!("sleep 100.{}7", std::process::id());
    let ending = thread::scope(|scope| {
        let running = scope.spawn(|| run(running, &sleep).ending);
        let begun = || !processes_that_mention(&sleep).is_empty();
        assert!(wait_until(Duration::from_secs(40), begun));
        bastion.end_sessions();
        running.join().unwrap()
    });
    let Ending::Failed(failure) = ending else { panic!("{ending:?}") };
    assert_eq!(failure.code, ErrorCode::ConnectionLost, "{failure:?}");

    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bench.run(&target, "true"));
        }
    });
    let anew = logins(&bastion) - 1;
    assert!((1..=sessions_by_now(began)).contains(&anew), "{}", bastion.log());
}

#[test]
fn host_keys_of_jump_host_and_target_are_both_checked() {
    let lab = Lab::get();
    let mut proxy = by_key(lab.bastion(), &lab.users.plain);
    proxy.host_key_policy = HostKeyPolicy::Reject;
    let target = by_key(lab.sshd(), &lab.users.plain);
    Bench::new().fail(&through(&Arc::new(proxy.clone()), target.clone()), &["is not known"]);

    proxy.host_key_policy = HostKeyPolicy::Warning;
    let mut target = through(&Arc::new(proxy), target);
    target.host_key_policy = HostKeyPolicy::Warning;
    let connected = Bench::new().connect(&target).unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(connected.warnings.len(), 2, "{:?}", connected.warnings);
}

#[test]
fn sessions_end_with_the_connector() {
    let lab = Lab::get();
    let bastion = SshdOptions::default().addresses(["127.0.0.2"]).start();
    let proxy = Arc::new(by_key(&bastion, &lab.users.plain));
    let bench = Bench::new();
    let target = through(&proxy, by_key(lab.sshd(), &lab.users.plain));
    let held = bench.connect(&target).unwrap_or_else(|failure| panic!("{failure:?}"));
    drop(held);
    drop(bench);
    assert!(wait_until(Duration::from_secs(30), || {
        let log = bastion.log();
        log.contains("Disconnected from user") || log.contains("Connection closed by")
    }));
}

/// In a process of its own: other tests' jump hosts are busy.
#[test]
fn a_session_uses_no_processor_while_idle() {
    let lab = Lab::get();
    let sleep = format!("sleep 100.{}8", std::process::id());
    let mut args = lab.users.plain.key_args(lab.sshd());
    args["proxy_host"] = lab.bastion().address().into();
    args["proxy_port"] = lab.bastion().port().into();
    args["proxy_key_filename"] = lab.users.plain.key.path.to_str().unwrap().into();
    let request = serde_json::json!({"connection_args": args, "command": sleep});
    let running = Sshoal::new().request(&request).start();
    let begun = || !processes_that_mention(&sleep).is_empty();
    assert!(wait_until(Duration::from_secs(40), begun));
    // It may still look whether the command goes on.
    thread::sleep(Duration::from_secs(2));
    let before = jump_host_ticks(running.pid());
    thread::sleep(Duration::from_secs(2));
    let spent = jump_host_ticks(running.pid()) - before;
    kill_all(&processes_that_mention(&sleep));
    running.wait();
    assert!(spent < 50, "{spent} ticks in two seconds of nothing to do");
}

/// What the threads of a process that serve jump hosts have used, in hundredths of a
/// second.
fn jump_host_ticks(process: u32) -> u64 {
    let tasks: Vec<_> = std::fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok())
        .filter(|stat| stat.contains("(jump host"))
        .collect();
    assert_ne!(tasks, [""; 0], "no thread serves a jump host");
    let ticks = tasks.iter().map(|stat| {
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    });
    ticks.sum()
}
