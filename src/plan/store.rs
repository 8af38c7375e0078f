//! What planning reads from this machine, once per run: private keys, files, and
//! every secret that turns up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::credential::{KeyError, PrivateKey};
use crate::diagnostic::Problem;
use crate::load::layer::Layer;
use crate::load::source::Sources;
use crate::load::ssh_config::{SshConfig, SshHost};
use crate::secret::Secret;

type KeyResult = Result<Arc<PrivateKey>, KeyError>;
type VarsResult = Result<Arc<Layer>, Vec<Problem>>;

/// A cache of what was read, and a list of the secrets in it.
#[derive(Debug)]
pub(super) struct Store {
    home: PathBuf,
    agent: bool,
    ssh_config: Option<Arc<SshConfig>>,
    defaults: OnceLock<Vec<Arc<PrivateKey>>>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    keys: HashMap<(String, Option<String>), KeyResult>,
    vars: HashMap<PathBuf, VarsResult>,
    secrets: Vec<Secret>,
}

impl Store {
    /// A store for a user's home directory; `agent` tells whether an SSH agent
    /// can be reached.
    pub(super) fn new(home: PathBuf, agent: bool, ssh_config: Option<Arc<SshConfig>>) -> Self {
        Self { home, agent, ssh_config, defaults: OnceLock::new(), cache: Mutex::default() }
    }

    /// What the user's SSH configuration says of a host.
    pub(super) fn ssh_host(&self, host: &str, user: Option<&str>) -> SshHost {
        let config = self.ssh_config.as_ref();
        config.map(|config| config.host(host, user)).unwrap_or_default()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Whether an SSH agent can be reached.
    pub(super) fn has_agent(&self) -> bool {
        self.agent
    }

    /// Wraps a secret and remembers to mask it.
    pub(super) fn secret(&self, text: String) -> Secret {
        let secret = Secret::new(text);
        let mut cache = self.cache();
        // Thousands of hosts share a password; the last few are the likely twins.
        if !cache.secrets.iter().rev().take(8).any(|known| known == &secret) {
            cache.secrets.push(secret.clone());
        }
        secret
    }

    /// The secrets seen so far; those before `from` are left out.
    pub(super) fn secrets(&self, from: usize) -> Vec<Secret> {
        self.cache().secrets.get(from..).unwrap_or_default().to_vec()
    }

    /// How many secrets have been seen so far.
    pub(super) fn secret_count(&self) -> usize {
        self.cache().secrets.len()
    }

    /// A key from its text.
    pub(super) fn key(&self, text: &Secret, passphrase: Option<&Secret>, label: &str) -> KeyResult {
        let id = (text.reveal().to_owned(), passphrase.map(|secret| secret.reveal().to_owned()));
        self.cached_key(id, || PrivateKey::parse(text.reveal(), passphrase, label))
    }

    /// A key from a file.
    pub(super) fn key_file(&self, path: &Path, passphrase: Option<&Secret>) -> KeyResult {
        let shown = path.display().to_string();
        let id = (shown.clone(), passphrase.map(|secret| secret.reveal().to_owned()));
        let label = format!("`key_filename` {shown}");
        self.cached_key(id, || PrivateKey::read(path, passphrase, &label))
    }

    fn cached_key(
        &self,
        id: (String, Option<String>),
        load: impl FnOnce() -> Result<PrivateKey, KeyError>,
    ) -> KeyResult {
        if let Some(known) = self.cache().keys.get(&id) {
            return known.clone();
        }
        let loaded = load().map(Arc::new);
        let mut cache = self.cache();
        if let Ok(key) = &loaded {
            cache.secrets.extend([key.pem.clone(), key.written.clone()]);
        }
        cache.keys.insert(id, loaded.clone());
        loaded
    }

    /// The keys in `~/.ssh`.
    pub(super) fn default_keys(&self) -> &[Arc<PrivateKey>] {
        self.defaults.get_or_init(|| {
            let keys: Vec<_> = PrivateKey::defaults(&self.home).into_iter().map(Arc::new).collect();
            let texts = keys.iter().flat_map(|key| [key.pem.clone(), key.written.clone()]);
            self.cache().secrets.extend(texts);
            keys
        })
    }

    /// The variables of a file.
    pub(super) fn vars(&self, sources: &Sources, path: &Path) -> VarsResult {
        if let Some(known) = self.cache().vars.get(path) {
            return known.clone();
        }
        let loaded = crate::load::vars_layer(sources, path).map(Arc::new);
        self.cache().vars.insert(path.to_owned(), loaded.clone());
        loaded
    }
}
