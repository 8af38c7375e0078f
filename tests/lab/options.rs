//! How a server is set up.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::PublicKey;

use super::exec::Reply;
use super::fault::Fault;
use super::server::Server;

/// Lists a directory in the place of the file system; `None` leaves it to that.
type Lister = Arc<dyn Fn(&str) -> Option<Vec<Listed>> + Send + Sync>;

type EndlessLister = Arc<dyn Fn(&str, u64) -> Option<Vec<Listed>> + Send + Sync>;

/// What an SFTP server lists: a name, and the mode with the kind of the file.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Where a symbolic link leads.
    pub(crate) target: String,
}

/// How an SFTP server differs from OpenSSH's; the default does as little as it may.
#[derive(Clone, Default)]
pub(crate) struct SftpOptions {
    /// Gives fewer bytes than asked for.
    pub(crate) reads_short: bool,
    /// Does not know `posix-rename@openssh.com`.
    pub(crate) renames_plainly: bool,
    /// Writes other bytes than it is sent.
    pub(crate) damages: bool,
    /// Says that files are so large.
    pub(crate) claims_size: Option<u64>,
    pub(crate) lists: Option<Lister>,
    /// Lists a directory for ever: what its nth answer has, from 0.
    pub(crate) lists_for_ever: Option<EndlessLister>,
}

type Responder = Arc<dyn Fn(&str) -> Option<Reply> + Send + Sync>;

/// How a server is set up. The default is a port that the system picks on
/// 127.0.0.1, a new Ed25519 host key, an empty home, and nobody who may log in.
#[derive(Clone)]
pub(crate) struct ServerOptions {
    pub(super) address: IpAddr,
    pub(super) home: Option<PathBuf>,
    pub(super) users: Vec<Login>,
    pub(super) anyone: bool,
    pub(super) accept_env: bool,
    pub(super) most_connections: Option<usize>,
    pub(super) responder: Option<Responder>,
    pub(super) fault: Option<Fault>,
    pub(super) sftp: SftpOptions,
}

/// One way for one user to log in.
#[derive(Clone)]
pub(super) enum Login {
    Password { user: String, password: String },
    Key { user: String, key: Box<PublicKey> },
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            home: None,
            users: Vec::new(),
            anyone: false,
            accept_env: false,
            most_connections: None,
            responder: None,
            fault: None,
            sftp: SftpOptions::default(),
        }
    }
}

impl ServerOptions {
    /// The loopback address to listen on; see also [`loopback`].
    ///
    /// # Panics
    /// When it is not a loopback address.
    #[must_use]
    pub(crate) fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = address.into();
        assert!(self.address.is_loopback(), "a lab is for this machine only");
        self
    }

    /// Uses this existing directory, and leaves it when the server ends, instead
    /// of a temporary one.
    #[must_use]
    pub(crate) fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Lets `user` in with `password`, also by keyboard-interactive.
    #[must_use]
    pub(crate) fn password(mut self, user: &str, password: &str) -> Self {
        self.users.push(Login::Password { user: user.into(), password: password.into() });
        self
    }

    /// Lets `user` in with the private half of this OpenSSH public key.
    ///
    /// # Panics
    /// When the key cannot be parsed.
    #[must_use]
    pub(crate) fn key(mut self, user: &str, public_key: &str) -> Self {
        let key = Box::new(PublicKey::from_openssh(public_key).unwrap());
        self.users.push(Login::Key { user: user.into(), key });
        self
    }

    /// Lets anyone in with any password or key.
    #[must_use]
    pub(crate) fn anyone(mut self) -> Self {
        self.anyone = true;
        self
    }

    /// Accepts environment variables, which are refused otherwise.
    #[must_use]
    pub(crate) fn accept_env(mut self) -> Self {
        self.accept_env = true;
        self
    }

    /// Resets connections that come while there are so many.
    #[must_use]
    pub(crate) fn connections_at_most(mut self, count: usize) -> Self {
        self.most_connections = Some(count);
        self
    }

    /// Answers commands without a process where `responder` has a reply: for
    /// fleets of a size that processes would not allow.
    #[must_use]
    pub(crate) fn respond(
        mut self,
        responder: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        self.responder = Some(Arc::new(responder));
        self
    }

    /// What goes wrong from the start.
    #[must_use]
    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// How its SFTP server differs.
    #[must_use]
    pub(crate) fn sftp(mut self, sftp: SftpOptions) -> Self {
        self.sftp = sftp;
        self
    }

    /// Starts the server: [`Server::start`].
    pub(crate) fn start(self) -> Server {
        Server::start(self)
    }
}

/// The `index`th of many loopback addresses: 127.0.1.0, 127.0.1.1, …
///
/// # Panics
/// Beyond 65,000 addresses.
pub(crate) fn loopback(index: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(index + 256).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 0, high, low)
}
