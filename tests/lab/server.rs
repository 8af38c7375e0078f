//! A server: its listener, its connections and its end.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{Config, run_stream};
use russh::{MethodKind, MethodSet, SshId};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::exec::Reply;
use super::fault::Fault;
use super::options::ServerOptions;
use super::process::kill_leftovers;
use super::session::Session;
use super::wire::{Switch, Wire};

/// A running server. Dropping it resets its connections, kills what its commands
/// left running, and removes its home.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
    /// Goes last, after the processes in it.
    _home: Option<TempDir>,
}

/// What a server's sessions share.
pub(super) struct Shared {
    pub(super) options: ServerOptions,
    pub(super) home: PathBuf,
    fault: Mutex<Option<Fault>>,
    config: Mutex<Arc<Config>>,
    switches: Mutex<Vec<Switch>>,
    commands: Mutex<Vec<String>>,
    accepted: AtomicUsize,
    had_processes: AtomicBool,
}

impl Server {
    /// Starts a server; it listens when this returns.
    pub(crate) fn start(options: ServerOptions) -> Self {
        let scratch = options
            .home
            .is_none()
            .then(|| tempfile::Builder::new().prefix("ssh-server-").tempdir().unwrap());
        let home = options.home.as_deref().or(scratch.as_ref().map(TempDir::path)).unwrap();
        let shared = Arc::new(Shared {
            home: home.canonicalize().unwrap(),
            fault: Mutex::new(options.fault),
            config: Mutex::new(Arc::new(config())),
            switches: Mutex::default(),
            commands: Mutex::default(),
            accepted: AtomicUsize::new(0),
            had_processes: AtomicBool::new(false),
            options,
        });
        let _runtime = runtime().enter();
        let socket = match shared.options.address {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        }
        .unwrap();
        socket.bind(SocketAddr::new(shared.options.address, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = match shared.options.fault {
            // A socket that is bound and does not listen keeps the port and
            // refuses connections.
            Some(Fault::Refuse) => runtime().spawn(async move {
                std::future::pending::<()>().await;
                drop(socket);
            }),
            _ => runtime().spawn(accept(socket.listen(1024).unwrap(), Arc::clone(&shared))),
        };
        Self { address, shared, listener, _home: scratch }
    }

    /// Address and port.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        self.address
    }

    /// The address as text.
    pub(crate) fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The directory that commands start in and that SFTP serves.
    pub(crate) fn home(&self) -> &Path {
        &self.shared.home
    }

    /// The public host key, as `algorithm base64`.
    pub(crate) fn host_key(&self) -> String {
        self.shared.config().keys[0].public_key().to_openssh().unwrap()
    }

    /// The line of known_hosts for this server, with its end of line.
    pub(crate) fn known_hosts_line(&self) -> String {
        format!("[{}]:{} {}\n", self.host(), self.port(), self.host_key())
    }

    /// Shows another host key to later connections.
    pub(crate) fn change_host_key(&self) {
        *lock(&self.shared.config) = Arc::new(config());
    }

    /// Begins or ends (`None`) a fault for later connections.
    ///
    /// # Panics
    /// For [`Fault::Refuse`], which a server must start with.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        assert_ne!(fault, Some(Fault::Refuse), "a listener that listens cannot refuse");
        *lock(&self.shared.fault) = fault;
    }

    /// Resets every open connection.
    pub(crate) fn reset_connections(&self) {
        lock(&self.shared.switches).drain(..).for_each(|switch| switch.cut());
    }

    /// Falls silent on every open connection, as a host without power does.
    pub(crate) fn silence_connections(&self) {
        lock(&self.shared.switches).iter().for_each(Switch::silence);
    }

    /// How many connections were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// The commands that clients asked for, in order.
    pub(crate) fn commands(&self) -> Vec<String> {
        lock(&self.shared.commands).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.abort();
        self.reset_connections();
        if self.shared.had_processes.load(Ordering::Relaxed) {
            kill_leftovers(&self.shared.home);
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} in {})", self.address, self.shared.home.display())
    }
}

impl Shared {
    pub(super) fn fault(&self) -> Option<Fault> {
        *lock(&self.fault)
    }

    pub(super) fn note_process(&self) {
        self.had_processes.store(true, Ordering::Relaxed);
    }

    /// Notes the command, and answers it if there is a responder for it.
    pub(super) fn reply_to(&self, command: &str) -> Option<Reply> {
        lock(&self.commands).push(command.to_owned());
        self.options.responder.as_ref().and_then(|responder| responder(command))
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.config))
    }
}

/// The runtime of all servers of this process. It ends with the process, for a
/// server may be dropped anywhere, and dropping a runtime waits.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ssh-server")
            .enable_all()
            .build()
            .unwrap()
    })
}

fn config() -> Config {
    let methods = [MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive];
    Config {
        server_id: SshId::Standard("SSH-2.0-Lab_1".into()),
        keys: vec![PrivateKey::from(Ed25519Keypair::from_seed(&random_bytes()))],
        methods: MethodSet::from(&methods[..]),
        auth_rejection_time: Duration::ZERO,
        inactivity_timeout: None,
        // The session must not wait for a command that does not read its input,
        // or it could not hear that the client reads no output either.
        channel_buffer_size: 4096,
        nodelay: true,
        ..Config::default()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        let switch = Switch::default();
        let full = {
            let mut open = lock(&shared.switches);
            let full = shared.options.most_connections.is_some_and(|most| open.len() >= most);
            if !full {
                open.push(switch.clone());
            }
            full
        };
        if full {
            drop(Wire::new(stream, switch));
            continue;
        }
        tokio::spawn(serve(stream, switch, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, switch: Switch, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut wire = Wire::new(stream, switch.clone());
    let fault = shared.fault();
    match fault {
        Some(Fault::ResetBeforeBanner) => return,
        Some(Fault::GarbageBanner) => {
            let _ = wire.write_all(b"220 mail.example.com ESMTP ready\r\n").await;
            return listen_to_the_end(wire).await;
        }
        Some(Fault::StallInKeyExchange) => {
            let _ = wire.write_all(b"SSH-2.0-Lab_1\r\n").await;
            return listen_to_the_end(wire).await;
        }
        Some(Fault::BlackHole) => return listen_to_the_end(wire).await,
        _ => {}
    }
    let config = shared.config();
    let session = Session::new(Arc::clone(&shared), switch.clone(), fault);
    if let Ok(running) = run_stream(config, wire, session).await {
        let _ = running.await;
    }
    lock(&shared.switches).retain(|other| !other.is(&switch));
}

/// Says nothing more until the client, or the server's end, closes the wire.
async fn listen_to_the_end(mut wire: Wire) {
    let _ = tokio::io::copy(&mut wire, &mut tokio::io::sink()).await;
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many bytes from the system's random generator.
pub(crate) fn random_bytes<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}
