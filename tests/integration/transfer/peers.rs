//! Servers that do as little as they may, and servers that lie.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sshoal::failure::{ErrorCode, Failure};
use sshoal::plan::spec::{
    ConnectTimeouts, ConnectionSpec, Credentials, HostKeyPolicy, TransferSpec,
};
use sshoal::secret::Secret;
use sshoal::transport::{
    Cancel, Connection, Connector as _, ConnectorConfig, SshConnector, Transferred,
};

use super::rig::{download, names, noise, upload};
use crate::in_process::{Listed, Server, ServerOptions, SftpOptions};

const LIMIT: Duration = Duration::from_secs(20);
const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

struct Peer {
    connection: Box<dyn Connection>,
    server: Server,
    here: tempfile::TempDir,
}

impl Peer {
    fn new(sftp: SftpOptions) -> Self {
        let server = ServerOptions::default().password("deploy", "secret-word").sftp(sftp).start();
        let here = tempfile::tempdir().unwrap();
        let spec = ConnectionSpec {
            host: server.socket_address().ip().to_string(),
            port: server.socket_address().port(),
            username: "deploy".to_owned(),
            credentials: Credentials {
                password: Some(Secret::new("secret-word")),
                ..Credentials::default()
            },
            timeouts: ConnectTimeouts { connect: LIMIT, banner: LIMIT, auth: LIMIT },
            keepalive: LIMIT,
            host_key_policy: HostKeyPolicy::AutoAdd,
            known_hosts: None,
            compress: false,
            proxy: None,
        };
        let config = ConnectorConfig { known_hosts: None, home: here.path().join("home") };
        let connected = SshConnector::new(config).connect(&spec, &Cancel::default());
        let connection = connected.unwrap_or_else(|failure| panic!("{failure:?}")).connection;
        let _ = fs::remove_dir_all(here.path().join("home"));
        Self { connection, server, here }
    }

    fn run(&mut self, spec: &TransferSpec) -> Result<Transferred, Failure> {
        self.connection.transfer(spec, &Cancel::default())
    }

    /// A directory here with files of several sizes.
    fn plant(&self) -> std::path::PathBuf {
        let source = self.here.path().join("source");
        fs::create_dir_all(source.join("sub")).unwrap();
        for size in [0, 1, 32768, 100_001] {
            fs::write(source.join(format!("sub/{size}")), noise(size)).unwrap();
        }
        fs::write(source.join("large"), noise(9 << 20)).unwrap();
        symlink("sub/1", source.join("link")).unwrap();
        source
    }
}

fn tree(spec: TransferSpec) -> TransferSpec {
    TransferSpec { recursive: true, ..spec }
}

#[test]
fn short_reads_and_plain_renames_are_enough() {
    let options =
        SftpOptions { reads_short: true, renames_plainly: true, ..SftpOptions::default() };
    let mut peer = Peer::new(options);
    let source = peer.plant();
    let there = peer.server.home().join("tree");
    let back = peer.here.path().join("back");
    for round in 0..2 {
        let sent = peer.run(&tree(upload(&source, &there))).unwrap();
        assert!(sent.changed && sent.record.verified, "{round}: {sent:?}");
        let got = peer.run(&tree(download(&there, &back))).unwrap();
        assert!(got.changed && got.record.verified, "{round}: {got:?}");
        for name in ["sub/0", "sub/1", "sub/32768", "sub/100001", "large"] {
            let content = fs::read(source.join(name)).unwrap();
            assert!(fs::read(there.join(name)).unwrap() == content, "{name}");
            assert!(fs::read(back.join(name)).unwrap() == content, "{name}");
        }
        assert_eq!(
            fs::read_link(back.join("link")).unwrap(),
            fs::read_link(source.join("link")).unwrap()
        );
        // The second round replaces what the first has brought.
        for name in ["sub/1", "sub/100001", "large"] {
            let mut content = fs::read(source.join(name)).unwrap();
            content[0] ^= 1;
            fs::write(source.join(name), content).unwrap();
        }
        fs::remove_file(source.join("link")).unwrap();
        symlink("sub/0", source.join("link")).unwrap();
    }
    let parts =
        |names: BTreeSet<String>| names.into_iter().filter(|name| name.contains("sshoal")).count();
    assert_eq!(
        (parts(names(&there)), parts(names(&there.join("sub"))), parts(names(&back))),
        (0, 0, 0)
    );
    // A single file, too.
    let single = peer.server.home().join("single");
    for name in ["sub/1", "sub/32768"] {
        peer.run(&upload(&source.join(name), &single)).unwrap();
        assert_eq!(fs::read(&single).unwrap(), fs::read(source.join(name)).unwrap());
    }
}

#[test]
fn what_a_server_writes_wrongly_never_gets_its_name() {
    let mut peer = Peer::new(SftpOptions { damages: true, ..SftpOptions::default() });
    let source = peer.plant();
    let there = peer.server.home().join("tree");
    fs::create_dir_all(there.join("sub")).unwrap();
    fs::write(there.join("sub/1"), "old").unwrap();
    let failure = peer.run(&tree(upload(&source, &there))).unwrap_err();
    assert_eq!(failure.code, ErrorCode::TransferVerifyFailed, "{failure:?}");
    assert!(failure.message.contains("tree/sub/"), "{failure:?}");
    assert_eq!(fs::read(there.join("sub/1")).unwrap(), b"old");
    let left: Vec<_> = names(&there.join("sub")).into_iter().collect();
    assert!(left.iter().all(|name| !name.contains("sshoal")), "{left:?}");
}

fn listed(name: &str, mode: u32) -> Listed {
    Listed { name: name.to_owned(), mode, size: 5, target: "/etc".to_owned() }
}

#[test]
fn names_that_leave_the_directory_are_refused_before_anything_is_written() {
    for name in ["../escaped", "a/../../escaped", "/tmp/escaped", "", "nul\0", "sub/file"] {
        let lists = move |path: &str| {
            path.ends_with("evil").then(|| vec![listed("fine", FILE), listed(name, FILE)])
        };
        let mut peer =
            Peer::new(SftpOptions { lists: Some(Arc::new(lists)), ..SftpOptions::default() });
        let evil = peer.server.home().join("evil");
        fs::create_dir(&evil).unwrap();
        let here = peer.here.path().join("here");
        let failure = peer.run(&tree(download(&evil, &here))).unwrap_err();
        assert_eq!(failure.code, ErrorCode::TransferFailed, "{name:?}: {failure:?}");
        assert!(failure.message.contains("no name of a file"), "{failure:?}");
        assert_eq!(names(peer.here.path()), BTreeSet::new());
    }
}

#[test]
fn a_name_is_not_both_a_link_and_a_directory() {
    let lists = |path: &str| {
        path.ends_with("evil").then(|| vec![listed("a", LINK), listed("a", DIRECTORY)])
    };
    let mut peer =
        Peer::new(SftpOptions { lists: Some(Arc::new(lists)), ..SftpOptions::default() });
    let evil = peer.server.home().join("evil");
    fs::create_dir(&evil).unwrap();
    let failure = peer.run(&tree(download(&evil, &peer.here.path().join("here")))).unwrap_err();
    assert!(failure.message.contains("is there twice"), "{failure:?}");
    assert_eq!(names(peer.here.path()), BTreeSet::new());
}

#[test]
fn a_link_that_an_earlier_download_has_brought_is_not_written_through() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let calls = Arc::new(AtomicUsize::new(0));
    let lists = move |path: &str| {
        if path.ends_with("evil/a") {
            return Some(vec![listed("planted", FILE)]);
        }
        let link = |name: &str| Listed { target: target.clone(), ..listed(name, LINK) };
        let first = calls.load(Ordering::Relaxed) == 0;
        path.ends_with("evil").then(|| {
            calls.fetch_add(1, Ordering::Relaxed);
            if first { vec![link("a")] } else { vec![listed("a", DIRECTORY)] }
        })
    };
    let mut peer =
        Peer::new(SftpOptions { lists: Some(Arc::new(lists)), ..SftpOptions::default() });
    let evil = peer.server.home().join("evil");
    fs::create_dir_all(evil.join("a")).unwrap();
    fs::write(evil.join("a/planted"), "12345").unwrap();
    let here = peer.here.path().join("here");
    let spec = tree(download(&evil, &here));
    peer.run(&spec).unwrap();
    assert_eq!(fs::read_link(here.join("a")).unwrap(), outside.path());
    let failure = peer.run(&spec).unwrap_err();
    assert!(failure.message.contains("in the way"), "{failure:?}");
    assert_eq!(names(outside.path()), BTreeSet::new());
}

#[test]
fn directories_without_an_end_are_given_up() {
    let lists = |path: &str| path.contains("evil").then(|| vec![listed("deeper", DIRECTORY)]);
    let mut peer =
        Peer::new(SftpOptions { lists: Some(Arc::new(lists)), ..SftpOptions::default() });
    let evil = peer.server.home().join("evil");
    fs::create_dir(&evil).unwrap();
    let failure = peer.run(&tree(download(&evil, &peer.here.path().join("here")))).unwrap_err();
    assert!(failure.message.contains("too deep"), "{failure:?}");
    assert_eq!(names(peer.here.path()), BTreeSet::new());
}

#[test]
fn a_size_that_is_a_lie_is_noticed() {
    let claims =
        |claims_size| SftpOptions { claims_size: Some(claims_size), ..SftpOptions::default() };
    let mut peer = Peer::new(claims(u64::MAX / 2));
    let file = peer.server.home().join("file");
    fs::write(&file, noise(1000)).unwrap();
    let here = peer.here.path().join("here");
    let failure = peer.run(&download(&file, &here)).unwrap_err();
    assert_eq!(failure.code, ErrorCode::TransferNoSpace, "{failure:?}");
    let mut peer = Peer::new(claims(2000));
    let file = peer.server.home().join("file");
    fs::write(&file, noise(1000)).unwrap();
    let here = peer.here.path().join("here");
    let failure = peer.run(&download(&file, &here)).unwrap_err();
    assert_eq!(failure.code, ErrorCode::TransferFailed, "{failure:?}");
    assert_eq!(names(peer.here.path()), BTreeSet::new());
}

#[test]
fn this_machine_denying_is_told_apart() {
    // root may do anything in a directory; nobody can where there is none.
    let mut peer = Peer::new(SftpOptions::default());
    let file = peer.server.home().join("file");
    fs::write(&file, "12345").unwrap();
    let tree_there = peer.server.home().join("tree");
    fs::create_dir_all(&tree_there).unwrap();
    fs::write(tree_there.join("file"), "12345").unwrap();
    for spec in [
        download(&file, Path::new("/sys/kernel/sshoal-test")),
        tree(download(&tree_there, Path::new("/sys/kernel"))),
    ] {
        let failure = peer.run(&spec).unwrap_err();
        assert_eq!(failure.code, ErrorCode::TransferPermission, "{failure:?}");
        assert!(failure.message.contains("this machine denies"), "{failure:?}");
    }
    let failure = peer.run(&upload(Path::new("/proc/self/mem"), &file)).unwrap_err();
    assert_eq!(failure.code, ErrorCode::TransferFailed, "{failure:?}");
}

#[test]
fn lists_without_an_end_are_given_up() {
    const PIPE: u32 = 0o010_644;
    let dots = |_: u64| vec![listed(".", DIRECTORY)];
    let pipes = |count: u64| {
        (0..2000).map(|number| listed(&format!("{count}-{number}"), PIPE)).collect::<Vec<_>>()
    };
    let nothing = |_: u64| Vec::new();
    type Answers = fn(u64) -> Vec<Listed>;
    let cases: [(Answers, &str); 3] =
        [(dots, "is there twice"), (pipes, "more than 1000000 files"), (nothing, "malformed")];
    for (answers, expected) in cases {
        let lists = move |path: &str, count: u64| path.ends_with("evil").then(|| answers(count));
        let lists_for_ever = Some(Arc::new(lists) as _);
        let mut peer = Peer::new(SftpOptions { lists_for_ever, ..SftpOptions::default() });
        let evil = peer.server.home().join("evil");
        fs::create_dir(&evil).unwrap();
        let here = peer.here.path().join("here");
        let spec = TransferSpec {
            timeout: Some(Duration::from_secs(300)),
            ..tree(download(&evil, &here))
        };
        let failure = peer.run(&spec).unwrap_err();
        assert_eq!(failure.code, ErrorCode::TransferFailed, "{failure:?}");
        assert!(failure.message.contains(expected), "{failure:?}");
        assert_eq!(names(peer.here.path()), BTreeSet::new());
    }
}
