//! The faulty hosts: servers that misbehave, lines that do, and a full disk.

use std::any::Any;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream as AsyncStream;
use tokio::task::JoinHandle;

use super::options;
use crate::in_process::{Fault, Server, ServerOptions, runtime};

/// A faulty host.
pub(super) struct Peer {
    /// Where it is reached.
    pub(super) address: SocketAddr,
    /// What known_hosts says before the run.
    pub(super) known_hosts: String,
    /// The server's directory, where there is a server.
    pub(super) home: PathBuf,
    _keep: Vec<Box<dyn Any>>,
}

impl Peer {
    /// A server with a fault.
    pub(super) fn with(fault: Fault) -> Self {
        Self::of(options().fault(fault), Vec::new())
    }

    /// A server whose host key is not the one that is known.
    pub(super) fn with_another_key() -> Self {
        let server = options().start();
        let known_hosts = server.known_hosts_line();
        server.change_host_key();
        Self { known_hosts, ..Self::server(server, Vec::new()) }
    }

    /// A server whose disk holds less than [`data`].
    pub(super) fn with_a_small_disk() -> Self {
        let disk = SmallDisk::mount();
        Self::of(options().home(disk.0.path()), vec![Box::new(disk)])
    }

    /// A sound server behind a line that is not. It has a file `data`.
    pub(super) fn behind(damage: Damage) -> Self {
        let peer = Self::of(options(), Vec::new());
        std::fs::write(peer.home.join("data"), data()).unwrap();
        let line = Line::to(peer.address, damage);
        let address = line.address;
        let mut keep = peer._keep;
        keep.push(Box::new(line));
        Self { address, known_hosts: String::new(), home: peer.home, _keep: keep }
    }

    /// An address that answers to no handshake of TCP, as a host without power.
    pub(super) fn black_hole() -> Self {
        let open =
            |flags| socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        let listener = open(SocketFlags::empty());
        bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        listen(&listener, 0).unwrap();
        let listener = TcpListener::from(listener);
        let address = listener.local_addr().unwrap();
        // Once its backlog is full, Linux answers no further ones.
        let mut keep: Vec<Box<dyn Any>> = vec![Box::new(listener)];
        for _ in 0..3 {
            let socket = open(SocketFlags::NONBLOCK);
            let _ = connect(&socket, &address);
            keep.push(Box::new(TcpStream::from(socket)));
        }
        std::thread::sleep(Duration::from_millis(50));
        Self { address, known_hosts: String::new(), home: PathBuf::new(), _keep: keep }
    }

    fn of(options: ServerOptions, keep: Vec<Box<dyn Any>>) -> Self {
        Self::server(options.start(), keep)
    }

    fn server(server: Server, keep: Vec<Box<dyn Any>>) -> Self {
        let (address, home) = (server.socket_address(), server.home().to_owned());
        let mut all: Vec<Box<dyn Any>> = vec![Box::new(server)];
        // A disk goes after the server on it.
        all.extend(keep);
        Self { address, known_hosts: String::new(), home, _keep: all }
    }

    /// The names of what is in the server's directory.
    pub(super) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.home).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

/// What transfers move: 4 MiB that nothing compresses.
pub(super) fn data() -> Vec<u8> {
    let mut bytes = Vec::new();
    let random = std::fs::File::open("/dev/urandom").unwrap();
    random.take(4 * 1024 * 1024).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A file system of 1 MiB, gone with its handle.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::Builder::new().prefix("sshoal-small-disk-").tempdir().unwrap();
        mount("tmpfs", dir.path(), "tmpfs", MountFlags::NOSUID, Some(c"size=1m")).unwrap();
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// What a line does wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    /// Resets the connection when the client has sent so many bytes.
    CutAfter(u64),
    /// Carries nothing any more when the client has sent so many bytes.
    SilentAfter(u64),
    /// Resets the connection when the server has sent so many bytes.
    CutAfterReceiving(u64),
    /// Carries nothing any more when the server has sent so many bytes.
    SilentAfterReceiving(u64),
    /// Carries what the server says one byte at a time, with such a pause after
    /// each.
    Trickle(Duration),
}

/// A TCP proxy that does damage; it ends with its handle.
struct Line {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Line {
    fn to(server: SocketAddr, damage: Damage) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let _runtime = runtime().enter();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let task = runtime().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = AsyncStream::connect(server).await.unwrap();
                tokio::spawn(carry(client, server, damage));
            }
        });
        Self { address, task }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: AsyncStream, mut server: AsyncStream, damage: Damage) {
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let (up, down) = match damage {
        Damage::CutAfter(bytes) | Damage::SilentAfter(bytes) => (bytes, u64::MAX),
        Damage::CutAfterReceiving(bytes) | Damage::SilentAfterReceiving(bytes) => (u64::MAX, bytes),
        Damage::Trickle(_) => (u64::MAX, u64::MAX),
    };
    let up = copy(from_client.take(up), to_server);
    let down = async {
        match damage {
            Damage::Trickle(pause) => trickle(from_server, to_client, pause).await,
            _ => copy(from_server.take(down), to_client).await,
        }
    };
    tokio::select! { () = up => {}, () = down => {} }
    if let Damage::SilentAfter(_) | Damage::SilentAfterReceiving(_) = damage {
        // The client's own end of the connection is all that ends it.
        let _ = client.readable().await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn trickle(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    pause: Duration,
) {
    let mut byte = [0];
    while from.read_exact(&mut byte).await.is_ok() && to.write_all(&byte).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}
