//! Which known_hosts files count for which host.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::KnownHosts;

/// The known_hosts files of a run: the user's for most hosts, and those that hosts
/// have in their place. Each is read once.
pub(in crate::transport) struct KnownHostsFiles {
    user: Arc<KnownHosts>,
    /// Whether the user's file was named for this run, and so counts for every host.
    is_given: bool,
    of_hosts: Mutex<HashMap<Vec<PathBuf>, Arc<KnownHosts>>>,
}

impl KnownHostsFiles {
    /// The files of a user, or `given` in place of them.
    pub(in crate::transport) fn new(home: &Path, given: Option<PathBuf>) -> Self {
        let ssh = home.join(".ssh");
        let is_given = given.is_some();
        let user = match given {
            Some(file) => vec![file],
            None => vec![ssh.join("known_hosts"), ssh.join("known_hosts2")],
        };
        let user = Arc::new(KnownHosts::new(user, system()));
        Self { user, is_given, of_hosts: Mutex::default() }
    }

    /// Those that count for a host with files of its own, or without.
    pub(in crate::transport) fn of(&self, own: Option<&[PathBuf]>) -> Arc<KnownHosts> {
        let Some(own) = own.filter(|_| !self.is_given) else { return Arc::clone(&self.user) };
        let mut of_hosts = self.of_hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = of_hosts.get(own) {
            return Arc::clone(known);
        }
        let known = Arc::new(KnownHosts::new(own.to_vec(), system()));
        of_hosts.insert(own.to_vec(), Arc::clone(&known));
        known
    }
}

fn system() -> Vec<PathBuf> {
    ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from).to_vec()
}
