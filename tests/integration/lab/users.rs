//! Real throw-away Unix users: a home in the lab's directory, a random password,
//! an authorised key and, where asked for, rules for sudo. All of it goes with
//! the [`User`].

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::guard::SystemLock;
use super::keys::{KeyFormat, KeyPair, KeyType};
use super::processes::{kill_user, tool, try_tool, wait_until};
use super::sshd::Sshd;

const SUDOERS_DIR: &str = "/etc/sudoers.d";

/// What a user may do with sudo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sudo {
    /// Not in sudoers.
    No,
    /// Everything, with the user's password.
    Password,
    /// Everything, without a password.
    NoPassword,
    /// These lines of a sudoers file, with `USER` for the user's name.
    Rules(String),
}

/// A user to create.
#[derive(Debug, Clone)]
pub(crate) struct UserOptions {
    shell: String,
    password: Option<String>,
    sudo: Sudo,
}

impl Default for UserOptions {
    fn default() -> Self {
        Self { shell: "/bin/bash".to_owned(), password: None, sudo: Sudo::No }
    }
}

impl UserOptions {
    /// The login shell; bash unless set.
    #[must_use]
    pub(crate) fn shell(mut self, shell: &str) -> Self {
        self.shell = shell.to_owned();
        self
    }

    /// The password; 24 random letters and digits unless set.
    #[must_use]
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// What sudo lets the user do; nothing unless set.
    #[must_use]
    pub(crate) fn sudo(mut self, sudo: Sudo) -> Self {
        self.sudo = sudo;
        self
    }
}

/// A real user of this machine, removed on drop together with its processes,
/// its home and its sudo rules.
#[derive(Debug)]
pub(crate) struct User {
    /// The login name.
    pub(crate) name: String,
    /// The numeric id; the group's is the same.
    pub(crate) uid: u32,
    /// The password.
    pub(crate) password: String,
    /// The home directory.
    pub(crate) home: PathBuf,
    /// An Ed25519 key that the user's `authorized_keys` has.
    pub(crate) key: KeyPair,
    sudoers: Option<PathBuf>,
}

impl User {
    /// Creates the user `name`, with home and key under `root`.
    pub(super) fn create(root: &Path, name: &str, options: UserOptions) -> Self {
        assert!(name.len() <= 32, "`{name}` is longer than a user name may be");
        let home = root.join("home").join(name);
        fs::create_dir_all(&home).unwrap();
        let keys = root.join("keys");
        fs::create_dir_all(&keys).unwrap();
        let key = KeyPair::generate(&keys.join(name), KeyType::Ed25519, KeyFormat::OpenSsh, "");
        let password = options.password.unwrap_or_else(|| random_text(24));

        let uid = {
            let _serial = SystemLock::take();
            let home = home.to_str().unwrap();
            let args = ["-M", "-U", "-d", home, "-s", &options.shell, "-c", "sshoal test", name];
            patiently("useradd", &args, "");
            patiently("chpasswd", &[], &format!("{name}:{password}\n"));
            tool("id", &["-u", name], "").trim().parse().unwrap()
        };
        let mut user = Self { name: name.to_owned(), uid, password, home, key, sudoers: None };
        chown(&user.home, Some(uid), Some(uid)).unwrap();
        user.authorize(&user.key.public());
        user.sudoers = sudo_rules(name, &options.sudo);
        user
    }

    /// Lets the holder of this public key (`algorithm base64`) log in. Other tests
    /// may be logging in meanwhile, or add a key as well.
    pub(crate) fn authorize(&self, public_key: &str) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.home.join(".ssh");
        if !dir.exists() {
            fs::create_dir(&dir).unwrap();
            self.own(&dir, 0o700);
        }
        let (file, draft) = (dir.join("authorized_keys"), dir.join("authorized_keys.draft"));
        let known = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&draft, format!("{known}{public_key} sshoal-lab\n")).unwrap();
        self.own(&draft, 0o600);
        fs::rename(&draft, &file).unwrap();
    }

    /// Writes a file of the user's into its home and returns its path.
    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.join(relative);
        fs::write(&path, content).unwrap();
        self.own(&path, 0o644);
        path
    }

    /// `connection_args` that reach `server` as this user by password.
    pub(crate) fn password_args(&self, server: &Sshd) -> Value {
        json!({
            "host": server.address(),
            "port": server.port(),
            "username": self.name,
            "password": self.password,
        })
    }

    /// `connection_args` that reach `server` as this user by key file.
    pub(crate) fn key_args(&self, server: &Sshd) -> Value {
        json!({
            "host": server.address(),
            "port": server.port(),
            "username": self.name,
            "key_filename": self.key.path,
        })
    }

    fn own(&self, path: &Path, mode: u32) {
        chown(path, Some(self.uid), Some(self.uid)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(file) = &self.sudoers {
            let _ = fs::remove_file(file);
        }
        remove_user(&self.name, self.uid);
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Ends the processes of a user and removes it from the system.
pub(super) fn remove_user(name: &str, uid: u32) {
    kill_user(uid);
    let _serial = SystemLock::take();
    // A session that has just been killed may still be noted as a login.
    wait_until(Duration::from_secs(10), || {
        try_tool("userdel", &[name], "").is_ok() || try_tool("id", &[name], "").is_err()
    });
    for dir in ["/run/sudo/ts", "/var/lib/sudo/lectured"] {
        for id in [name, &uid.to_string()] {
            let _ = fs::remove_file(Path::new(dir).join(id));
        }
    }
}

/// Removes the sudo rules of users whose name satisfies `is_stale`.
pub(super) fn remove_sudo_rules(is_stale: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(SUDOERS_DIR).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(&is_stale) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a drop-in file, checked before it is moved to where sudo sees it: a
/// broken one would lock everybody out of sudo.
fn sudo_rules(name: &str, sudo: &Sudo) -> Option<PathBuf> {
    let rules = match sudo {
        Sudo::No => return None,
        Sudo::Password => format!("{name} ALL=(ALL:ALL) ALL\n"),
        Sudo::NoPassword => format!("{name} ALL=(ALL:ALL) NOPASSWD: ALL\n"),
        Sudo::Rules(rules) => format!("{}\n", rules.replace("USER", name)),
    };
    assert!(!name.contains('.'), "sudo ignores files with a dot in their name");
    // For the same reason the draft has a dot: sudo does not read it.
    let draft = Path::new(SUDOERS_DIR).join(format!("{name}.draft"));
    fs::write(&draft, rules).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o440)).unwrap();
    if let Err(message) = try_tool("visudo", &["-cqf", draft.to_str().unwrap()], "") {
        let _ = fs::remove_file(&draft);
        panic!("{message}");
    }
    let file = Path::new(SUDOERS_DIR).join(name);
    fs::rename(&draft, &file).unwrap();
    Some(file)
}

/// Runs a tool that changes the user database, again while another process has
/// locked it.
fn patiently(program: &str, args: &[&str], input: &str) {
    let mut last = String::new();
    let done = wait_until(Duration::from_secs(20), || match try_tool(program, args, input) {
        Ok(_) => true,
        Err(message) => {
            assert!(message.contains("lock"), "{message}");
            last = message;
            false
        }
    });
    assert!(done, "{last}");
}

/// `length` random letters and digits.
pub(crate) fn random_text(length: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = vec![0; length];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}
