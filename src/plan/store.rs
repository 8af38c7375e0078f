//! What planning reads from this machine, once per run: private keys and files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::credential::{KeyError, PrivateKey};
use crate::diagnostic::Problem;
use crate::load::layer::Layer;
use crate::load::source::Sources;
use crate::load::ssh_config::{SshConfig, SshHost};
use crate::resolve::taint::KnownSecrets;
use crate::secret::Secret;

type KeyResult = Result<Arc<PrivateKey>, KeyError>;
type VarsResult = Result<Arc<Layer>, Vec<Problem>>;

/// A cache of what was read, and what the user should know of it.
#[derive(Debug)]
pub(super) struct Store {
    home: PathBuf,
    agent: bool,
    secrets: Arc<KnownSecrets>,
    ssh_config: Option<Arc<SshConfig>>,
    defaults: OnceLock<Vec<Arc<PrivateKey>>>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    keys: HashMap<(String, Option<String>), KeyResult>,
    vars: HashMap<PathBuf, VarsResult>,
    /// Tasks that a warning was noted for.
    warned: HashSet<usize>,
    warnings: Vec<Problem>,
}

impl Store {
    /// A store for a user's home directory; `agent` tells whether an SSH agent
    /// can be reached.
    pub(super) fn new(
        home: PathBuf,
        agent: bool,
        secrets: Arc<KnownSecrets>,
        ssh_config: Option<Arc<SshConfig>>,
    ) -> Self {
        let (defaults, cache) = (OnceLock::new(), Mutex::default());
        Self { home, agent, secrets, ssh_config, defaults, cache }
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

    /// Notes a key, which is a secret in every form that it has.
    fn learn(&self, key: &PrivateKey) {
        self.secrets.learn(&key.pem);
        self.secrets.learn(&key.written);
    }

    /// Notes what the user should know of a task, once.
    pub(super) fn warn(&self, task: usize, warning: impl FnOnce() -> Problem) {
        let mut cache = self.cache();
        if cache.warned.insert(task) {
            cache.warnings.push(warning());
        }
    }

    /// Takes what was noted since the last call.
    pub(super) fn take_warnings(&self) -> Vec<Problem> {
        std::mem::take(&mut self.cache().warnings)
    }

    /// Forgets what was noted, for everything is looked at once more.
    pub(super) fn forget_warnings(&self) {
        let mut cache = self.cache();
        cache.warnings.clear();
        cache.warned.clear();
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
        if let Ok(key) = &loaded {
            self.learn(key);
        }
        self.cache().keys.insert(id, loaded.clone());
        loaded
    }

    /// The keys in `~/.ssh`.
    pub(super) fn default_keys(&self) -> &[Arc<PrivateKey>] {
        self.defaults.get_or_init(|| {
            let keys: Vec<_> = PrivateKey::defaults(&self.home).into_iter().map(Arc::new).collect();
            keys.iter().for_each(|key| self.learn(key));
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
