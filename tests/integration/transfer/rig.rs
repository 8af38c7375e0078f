//! What tests of transfers stand on: a connection of the lab's user, a directory
//! on each side, and a line that can be slowed down and cut.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sshoal::credential::PrivateKey;
use sshoal::failure::{ErrorCode, Failure};
use sshoal::plan::spec::{
    ConnectTimeouts, ConnectionSpec, Credentials, HostKeyPolicy, TransferSpec,
};
use sshoal::transfer::TransferOperation;
use sshoal::transport::{
    Cancel, Connection, Connector as _, ConnectorConfig, SshConnector, Transferred,
};
use tempfile::TempDir;

pub(crate) use crate::lab::noise;
use crate::lab::{Lab, LabHandle, Sshd, User};

/// A connection of the lab's plain user, and a directory on each side.
pub(crate) struct Rig {
    pub(crate) connection: Box<dyn Connection>,
    /// Stands for this machine.
    pub(crate) here: TempDir,
    /// Stands for the host; the user's own.
    pub(crate) there: PathBuf,
    pub(crate) lab: LabHandle,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let lab = Lab::get();
        let connection = connect(lab.sshd(), lab.sshd().socket_address(), &lab.users.plain);
        Self::on(lab, connection)
    }

    pub(crate) fn on(lab: LabHandle, connection: Box<dyn Connection>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let user = &lab.users.plain;
        let there = user.home.join(format!("there-{count}"));
        fs::create_dir(&there).unwrap();
        chown(&there, Some(user.uid), Some(user.uid)).unwrap();
        Self { connection, here: lab.scratch(), there, lab }
    }

    /// A file on this machine.
    pub(crate) fn local(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.here.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A file of the user on the host.
    pub(crate) fn remote(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.there.join(name);
        fs::write(&path, content).unwrap();
        let uid = self.lab.users.plain.uid;
        chown(&path, Some(uid), Some(uid)).unwrap();
        path
    }

    pub(crate) fn run(&mut self, spec: &TransferSpec) -> Result<Transferred, Failure> {
        self.connection.transfer(spec, &Cancel::default())
    }

    /// Runs a transfer that must succeed.
    pub(crate) fn ok(&mut self, spec: &TransferSpec) -> Transferred {
        self.run(spec).unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    /// Runs a transfer that must fail with `code`.
    pub(crate) fn fail(&mut self, spec: &TransferSpec, code: ErrorCode) -> Failure {
        let failure = self.run(spec).expect_err("the transfer should have failed");
        assert_eq!(failure.code, code, "{failure:?}");
        failure
    }
}

/// A connection of `user` by way of `address`, which leads to the server.
pub(crate) fn connect(server: &Sshd, address: SocketAddr, user: &User) -> Box<dyn Connection> {
    let home = tempfile::tempdir().unwrap();
    let limit = Duration::from_secs(20);
    let key = PrivateKey::read(&user.key.path, None, "test").unwrap();
    let spec = ConnectionSpec {
        host: address.ip().to_string(),
        port: address.port(),
        username: user.name.clone(),
        credentials: Credentials { keys: vec![Arc::new(key)], ..Credentials::default() },
        timeouts: ConnectTimeouts { connect: limit, banner: limit, auth: limit },
        keepalive: Duration::from_secs(30),
        host_key_policy: HostKeyPolicy::AutoAdd,
        known_hosts: None,
        compress: false,
        proxy: None,
    };
    let config = ConnectorConfig { known_hosts: None, home: home.path().to_owned() };
    let opened = SshConnector::new(config).connect(&spec, &Cancel::default());
    opened.unwrap_or_else(|failure| panic!("{failure:?}\n{}", server.log())).connection
}

pub(crate) fn upload(local: &Path, remote: &Path) -> TransferSpec {
    TransferSpec {
        operation: TransferOperation::Upload,
        local_path: local.to_owned(),
        local_path_shown: local.display().to_string(),
        content: None,
        remote_path: remote.display().to_string(),
        resume: false,
        chunk_size: 32768,
        timeout: Some(Duration::from_secs(60)),
        mode: None,
        create_dirs: false,
        verify: true,
        recursive: false,
        owner: None,
        group: None,
        sudo: None,
        pty: false,
    }
}

pub(crate) fn download(remote: &Path, local: &Path) -> TransferSpec {
    TransferSpec { operation: TransferOperation::Download, ..upload(local, remote) }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// The names in a directory.
pub(crate) fn names(directory: &Path) -> BTreeSet<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    fs::read_dir(directory).unwrap().map(name).collect()
}

/// A line to a server that carries so many bytes a second each way.
pub(crate) struct SlowLine {
    pub(crate) address: SocketAddr,
    speed: Arc<AtomicU64>,
}

impl SlowLine {
    pub(crate) fn to(server: &Sshd, bytes_per_second: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let speed = Arc::new(AtomicU64::new(bytes_per_second));
        let (target, pace) = (server.socket_address(), speed.clone());
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(target).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let pace = pace.clone();
                thread::spawn(move || carry(from, to, &pace));
            }
        });
        Self { address, speed }
    }

    /// Changes the speed; 0 lets nothing through any more.
    pub(crate) fn set_speed(&self, bytes_per_second: u64) {
        self.speed.store(bytes_per_second, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, speed: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let began = Instant::now();
        loop {
            let speed = speed.load(Ordering::Relaxed);
            if speed > 0 && began.elapsed().as_secs_f64() >= count as f64 / speed as f64 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
