//! A real OpenSSH server on loopback addresses, with host keys and a
//! configuration of its own, that ends with its handle.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::keys::{KeyFormat, KeyPair, KeyType};
use super::options::{SSHD, SshdOptions};
use super::processes::{descendants, kill_all};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running server. Dropping it ends its process, its sessions and what they run.
#[derive(Debug)]
pub(crate) struct Sshd {
    child: Child,
    addresses: Vec<IpAddr>,
    port: u16,
    host_keys: Vec<(KeyType, KeyPair)>,
    log: PathBuf,
    /// Holds configuration, keys and log; goes last.
    dir: TempDir,
}

impl Sshd {
    /// Starts a server on a free port and waits until it greets on every address.
    ///
    /// # Panics
    /// With the server's log, when it does not start.
    pub(crate) fn start(options: SshdOptions) -> Self {
        super::guard::require_tools();
        let dir = super::directory("sshd");
        let host_keys: Vec<_> = options
            .host_keys
            .iter()
            .map(|&key_type| {
                let path = dir.path().join(format!("host_{}", key_type.name()));
                (key_type, KeyPair::generate(&path, key_type, KeyFormat::OpenSsh, ""))
            })
            .collect();
        let log = dir.path().join("sshd.log");
        // Another process may take the port between our look and sshd's bind.
        for _ in 0..5 {
            let port = free_port(&options.addresses);
            let config = dir.path().join("sshd_config");
            fs::write(&config, options.configuration(port, &host_keys)).unwrap();
            let mut child = spawn(&config, &log);
            if wait_for_banners(&mut child, &options.addresses, port) {
                return Self { child, addresses: options.addresses, port, host_keys, log, dir };
            }
            end(&mut child);
            let said = fs::read_to_string(&log).unwrap_or_default();
            assert!(said.contains("in use"), "sshd did not start; it said:\n{said}");
        }
        panic!("no free port in five attempts");
    }

    /// The first address.
    pub(crate) fn address(&self) -> String {
        self.addresses[0].to_string()
    }

    /// All addresses; they share the port.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = String> + '_ {
        self.addresses.iter().map(ToString::to_string)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The first address with the port.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.addresses[0], self.port)
    }

    /// `known_hosts` lines for every address and host key.
    pub(crate) fn known_hosts(&self) -> String {
        self.host_keys.iter().map(|(key_type, _)| self.known_hosts_of(*key_type)).collect()
    }

    /// `known_hosts` lines for every address with the host key of one type.
    ///
    /// # Panics
    /// When the server has no such key.
    pub(crate) fn known_hosts_of(&self, key_type: KeyType) -> String {
        let key = self.host_key(key_type);
        self.addresses().map(|host| format!("[{host}]:{} {key}\n", self.port)).collect()
    }

    /// The public host key of one type, as `algorithm base64`.
    ///
    /// # Panics
    /// When the server has no such key.
    pub(crate) fn host_key(&self, key_type: KeyType) -> String {
        let (_, pair) = self.host_keys.iter().find(|(have, _)| *have == key_type).unwrap();
        pair.public()
    }

    /// The process id of the listening server.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends every open session, as a crash or a network fault would, and leaves
    /// the listener running.
    pub(crate) fn end_sessions(&self) {
        kill_all(&descendants(self.pid()));
    }

    /// Everything the server has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log_since(0)
    }

    /// How many bytes the server has logged so far.
    pub(crate) fn log_size(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    /// What the server has logged after its first `offset` bytes.
    pub(crate) fn log_since(&self, offset: u64) -> String {
        let mut bytes = Vec::new();
        let mut file = fs::File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The directory with `sshd_config`, host keys and `sshd.log`.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- log of sshd on {}\n{}---", self.socket_address(), self.log());
        }
        end(&mut self.child);
    }
}

fn spawn(config: &Path, log: &Path) -> Child {
    Command::new(SSHD)
        .args(["-D", "-e", "-f"])
        .arg(config)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(log).unwrap())
        .spawn()
        .unwrap()
}

fn end(child: &mut Child) {
    // The listener goes first, or it could accept one more session meanwhile;
    // its children are known before they are re-parented.
    let sessions = descendants(child.id());
    let _ = child.kill();
    let _ = child.wait();
    kill_all(&sessions);
}

/// A port that is free on every address.
fn free_port(addresses: &[IpAddr]) -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind((addresses[0], 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if addresses[1..].iter().all(|address| TcpListener::bind((*address, port)).is_ok()) {
            return port;
        }
    }
    panic!("no port is free on all of {addresses:?}");
}

/// Whether the server greets on every address before it exits or time is up.
fn wait_for_banners(child: &mut Child, addresses: &[IpAddr], port: u16) -> bool {
    let deadline = Instant::now() + START_LIMIT;
    let mut waiting = addresses.to_vec();
    while !waiting.is_empty() {
        if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
            return false;
        }
        waiting.retain(|address| !greets(SocketAddr::new(*address, port)));
        if !waiting.is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
    }
    true
}

fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut start = [0; 4];
    stream.read_exact(&mut start).is_ok() && &start == b"SSH-"
}
