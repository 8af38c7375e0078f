//! What protects the machine: the lock on the user database, the check that this
//! machine can hold a lab at all, and the removal of what a crashed run left.

use std::fs;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use super::processes::{is_alive, kill_all, processes_that_mention};
use super::users::{remove_sudo_rules, remove_user};

/// What the lab's directories and users are called, before the process id.
pub(super) const DIRECTORY_PREFIX: &str = "sshoal-lab-";
pub(super) const USER_PREFIX: &str = "sshoal-";

/// Held while the user database changes: by one thread of one process at a time.
pub(super) struct SystemLock(#[expect(dead_code, reason = "closing it unlocks")] fs::File);

impl SystemLock {
    pub(super) fn take() -> Self {
        let path = Path::new("/run/sshoal-lab.lock");
        let file = fs::File::create(path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        Self(file)
    }
}

/// Fails the test on a machine that cannot run real servers. Skipping would turn
/// a broken set-up into a green run.
pub(super) fn require_tools() {
    let advice = "run the tests by `tests/run`, which installs what they need";
    assert!(geteuid().is_root(), "the lab creates users and so needs root: {advice}");
    let needed = ["/usr/sbin/sshd", "/usr/bin/ssh-keygen", "/usr/bin/sudo", "/usr/sbin/visudo"];
    for program in needed {
        assert!(Path::new(program).exists(), "`{program}` is missing: {advice}");
    }
    // sshd refuses to start as root without its privilege separation directory.
    fs::create_dir_all("/run/sshd").unwrap();
}

/// Removes users, sudo rules, servers and directories of test processes that no
/// longer exist.
pub(super) fn remove_leftovers() {
    let is_stale = |name: &str| owner_of(name, USER_PREFIX).is_some_and(|pid| !is_alive(pid));
    remove_sudo_rules(is_stale);
    for line in fs::read_to_string("/etc/passwd").unwrap().lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(uid)) = (fields.next(), fields.nth(1))
            && is_stale(name)
        {
            remove_user(name, uid.parse().unwrap());
        }
    }
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if owner_of(&name, DIRECTORY_PREFIX).is_some_and(|pid| !is_alive(pid)) {
            kill_all(&processes_that_mention(&name));
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process id in `prefix` + pid + `-…`.
fn owner_of(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.split_once('-')?.0.parse().ok()
}
