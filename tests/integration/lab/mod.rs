//! The lab: real OpenSSH servers, real users, real sudo, all thrown away
//! afterwards.
//!
//! ```ignore
//! let lab = Lab::get();
//! let finished = Sshoal::new()
//!     .request(&json!({
//!         "connection_args": lab.users.plain.password_args(lab.sshd()),
//!         "command": "uname -r",
//!     }))
//!     .forbid(&lab.users.plain.password)
//!     .run();
//! finished.expect_status(0);
//! ```
//!
//! [`Lab::get`] shares one lab among all tests that run at the same time. A test
//! that needs a server with other options starts one by [`SshdOptions`]; one that
//! needs another user calls [`Lab::add_user`].

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError, Weak};
use std::thread;

use tempfile::TempDir;

mod forbidden;
mod guard;
mod keys;
mod line;
mod openbao;
mod options;
pub(crate) mod processes;
mod report;
mod sshd;
mod sshoal;
mod users;

pub(crate) use keys::{KeyFormat, KeyPair, KeyType};
pub(crate) use line::{delayed_line, noise};
pub(crate) use openbao::OpenBao;
pub(crate) use options::SshdOptions;
pub(crate) use report::Report;
pub(crate) use sshd::Sshd;
pub(crate) use sshoal::{Finished, Sshoal};
pub(crate) use users::{Sudo, User, UserOptions, random_text};

/// Real servers and users, shared by the tests that run at the same time.
#[derive(Debug)]
pub(crate) struct Lab {
    sshd: OnceLock<Sshd>,
    bastion: OnceLock<Sshd>,
    /// The users that every lab has.
    pub(crate) users: Users,
    /// Users of single tests are counted for their names.
    added: AtomicU32,
    id: String,
    root: TempDir,
}

/// The users that every lab has. All have a password and an authorised key.
#[derive(Debug)]
pub(crate) struct Users {
    /// Logs in with bash; not in sudoers.
    pub(crate) plain: User,
    /// May do everything by sudo with the password.
    pub(crate) sudoer: User,
    /// May do everything by sudo without a password.
    pub(crate) nopasswd: User,
    /// Logs in with `/bin/sh`, which is no bash; not in sudoers.
    pub(crate) sh: User,
}

impl Lab {
    /// The shared lab: created when first needed, torn down with its last handle.
    ///
    /// # Panics
    /// When the machine cannot run it: not root, or sshd or sudo missing.
    pub(crate) fn get() -> LabHandle {
        static SHARED: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = shared.upgrade().unwrap_or_else(|| {
            let lab = Arc::new(Lab::build());
            *shared = Arc::downgrade(&lab);
            lab
        });
        drop(shared);
        LabHandle { logged: lab.servers().map(|server| server.map_or(0, Sshd::log_size)), lab }
    }

    /// The shared server, with the default options.
    pub(crate) fn sshd(&self) -> &Sshd {
        self.sshd.get_or_init(|| SshdOptions::default().start())
    }

    /// A second server, to jump from. It is reached at 127.0.0.2.
    pub(crate) fn bastion(&self) -> &Sshd {
        self.bastion.get_or_init(|| SshdOptions::default().addresses(["127.0.0.2"]).start())
    }

    /// Another user, removed with its handle. `role` becomes part of its name;
    /// ten letters at most.
    pub(crate) fn add_user(&self, role: &str, options: UserOptions) -> User {
        let number = self.added.fetch_add(1, Ordering::Relaxed);
        User::create(self.root.path(), &format!("{}{number}-{role}", self.id), options)
    }

    /// A new empty directory that root alone can enter.
    pub(crate) fn scratch(&self) -> TempDir {
        directory("scratch")
    }

    fn build() -> Self {
        static ONCE: Once = Once::new();
        guard::require_tools();
        ONCE.call_once(guard::remove_leftovers);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}{}-{count}-", guard::USER_PREFIX, process::id());
        let root = directory("users");
        // Users must be able to walk to their homes.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let user = |role: &str, options: UserOptions| {
            User::create(root.path(), &format!("{id}{role}"), options)
        };
        let users = Users {
            plain: user("plain", UserOptions::default()),
            sudoer: user("sudoer", UserOptions::default().sudo(Sudo::Password)),
            nopasswd: user("nopasswd", UserOptions::default().sudo(Sudo::NoPassword)),
            sh: user("sh", UserOptions::default().shell("/bin/sh")),
        };
        let (sshd, bastion) = (OnceLock::new(), OnceLock::new());
        Self { users, sshd, bastion, added: AtomicU32::new(0), id, root }
    }

    /// The shared servers, as far as they were needed yet.
    fn servers(&self) -> [Option<&Sshd>; 2] {
        [self.sshd.get(), self.bastion.get()]
    }
}

/// One test's hold on the shared [`Lab`]. When that test fails, it shows what
/// the shared servers logged meanwhile.
#[derive(Debug)]
pub(crate) struct LabHandle {
    lab: Arc<Lab>,
    logged: [u64; 2],
}

impl Deref for LabHandle {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for LabHandle {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for (server, logged) in self.lab.servers().into_iter().zip(self.logged) {
            if let Some(server) = server {
                let log = server.log_since(logged);
                eprintln!("--- log of sshd on {} meanwhile\n{log}---", server.socket_address());
            }
        }
    }
}

/// A temporary directory whose name tells which process it belongs to.
pub(crate) fn directory(purpose: &str) -> TempDir {
    let prefix = format!("{}{}-{purpose}-", guard::DIRECTORY_PREFIX, process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir().unwrap()
}
