//! From `connection_args` to a [`ConnectionSpec`].

use std::sync::Arc;
use std::time::Duration;

use super::collect::Collect;
use super::error::PlanError;
use super::identity::Identity;
use super::login;
use super::spec::{ConnectTimeouts, ConnectionSpec, Credentials, HostKeyPolicy};
use super::store::Store;
use crate::credential::PrivateKey;
use crate::load::decode::{At, Templated};
use crate::load::request::ConnectionArgs;
use crate::load::values::{HostKeyPolicyName, Seconds};
use crate::resolve::frame::Frame;
use crate::secret::Secret;

/// Documented defaults.
pub(super) const PORT: u16 = 22;
const TIMEOUT: f64 = 30.0;
const KEEPALIVE: f64 = 30.0;

/// Renders and checks `connection_args`. `host` is the default address; without
/// one, the arguments must name it.
pub(super) fn build(
    args: &ConnectionArgs,
    host: Option<&str>,
    frame: &Arc<Frame>,
    store: &Store,
    collect: &mut Collect,
) -> Option<ConnectionSpec> {
    let mut reader = Reader { frame, store, collect };
    let shared = reader.shared(args);
    let before = reader.unknowns();
    let mut host = reader.text(args.host.as_ref(), "host").or_else(|| host.map(str::to_owned));
    if host.is_none() && reader.unknowns() == before {
        reader.collect.error(PlanError::NoHost, args.username.as_ref());
    }
    let before = reader.unknowns();
    let login = login::read(args, frame, reader.collect);
    let mut username = match &login {
        Some(login) => Some(login.username.clone()),
        None => reader.text(args.username.as_ref(), "username"),
    };
    // Whatever the inventory leaves open, the user's own configuration may say.
    let ssh = host.as_ref().map(|host| store.ssh_host(host, username.as_deref()));
    let ssh = ssh.unwrap_or_default();
    host = ssh.host_name.clone().or(host);
    if reader.unknowns() == before {
        username = username.or_else(|| ssh.user.clone());
    }
    if username.is_none() && reader.unknowns() == before {
        reader.collect.error(PlanError::NoUsername, args.host.as_ref());
    }
    let port = reader.port(args.port.as_ref(), "port").or(ssh.port).unwrap_or(PORT);
    let before = reader.unknowns();
    let (mut keys, password) = reader.identity(Identity {
        password: args.password.as_ref(),
        pkey: args.pkey.as_ref(),
        key_filename: args.key_filename.as_ref(),
        passphrase: args.passphrase.as_ref(),
        reference: args.credential_ref.as_ref().zip(login.as_ref()),
        prefix: "",
    });
    let known = reader.unknowns() == before;
    let has_own = args.pkey.is_some() || args.key_filename.is_some() || !keys.is_empty();
    let limits = reader.ssh_keys(&ssh, has_own, &mut keys);
    let credentials = Credentials {
        keys,
        password,
        agent: shared.agent && store.has_agent() && !limits,
        default_keys: if limits { Vec::new() } else { shared.default_keys.clone() },
        sudo_password: login.and_then(|login| login.sudo_password),
    };
    let jump = ssh.jump_args(args);
    let proxy = reader.proxy(jump.as_ref().unwrap_or(args), username.as_deref(), &shared);
    let (host, username) = (host?, username?);
    if known {
        reader.require(&credentials, &username, false, args.username.as_ref());
    }
    Some(ConnectionSpec {
        host,
        port,
        username,
        credentials,
        timeouts: shared.timeouts,
        keepalive: shared.keepalive,
        host_key_policy: shared.policy,
        known_hosts: ssh.known_hosts,
        compress: shared.compress,
        proxy,
    })
}

/// What the target and its jump host have in common.
struct Shared {
    timeouts: ConnectTimeouts,
    keepalive: Duration,
    policy: HostKeyPolicy,
    compress: bool,
    agent: bool,
    default_keys: Vec<Arc<PrivateKey>>,
}

pub(super) struct Reader<'r> {
    pub(super) frame: &'r Arc<Frame>,
    pub(super) store: &'r Store,
    pub(super) collect: &'r mut Collect,
}

impl Reader<'_> {
    /// Whether what is not on this machine is missing.
    pub(super) fn is_runner(&self) -> bool {
        self.frame.scope().world.is_runner
    }

    fn unknowns(&self) -> usize {
        self.collect.problems.len() + self.collect.pending.len()
    }

    pub(super) fn text(&mut self, at: Option<&At<Templated<String>>>, key: &str) -> Option<String> {
        let text: String = self.collect.value(self.frame, at, key)?;
        self.check_text(&text, at?, key).then_some(text)
    }

    /// Whether a text can be used at all.
    fn check_text(&mut self, text: &str, at: &At<Templated<String>>, key: &str) -> bool {
        if text.contains('\0') {
            self.collect.error(PlanError::Nul { what: format!("`{key}`") }, Some(at));
            return false;
        }
        if text.is_empty() {
            let error = PlanError::OutOfRange {
                what: format!("`{key}`"),
                expected: "a text".to_owned(),
                found: "empty".to_owned(),
            };
            self.collect.error(error, Some(at));
            return false;
        }
        true
    }

    pub(super) fn secret(
        &mut self,
        at: Option<&At<Templated<String>>>,
        key: &str,
    ) -> Option<Secret> {
        let at = at?;
        let secret = self.collect.take(self.frame.secret(at, &format!("`{key}`")))?;
        self.check_text(secret.reveal(), at, key).then_some(secret)
    }

    pub(super) fn port(&mut self, at: Option<&At<Templated<u16>>>, key: &str) -> Option<u16> {
        let port = self.collect.value(self.frame, at, key);
        if port == Some(0) {
            let error = PlanError::OutOfRange {
                what: format!("`{key}`"),
                expected: "a port from 1 to 65535".to_owned(),
                found: "0".to_owned(),
            };
            self.collect.error(error, at);
        }
        port
    }

    fn seconds(&mut self, at: Option<&At<Templated<Seconds>>>, key: &str) -> Option<Duration> {
        let seconds = self.collect.value(self.frame, at, key)?;
        Some(Duration::from_secs_f64(seconds.0))
    }

    fn flag(&mut self, at: Option<&At<Templated<bool>>>, key: &str, default: bool) -> bool {
        self.collect.value(self.frame, at, key).unwrap_or(default)
    }

    fn shared(&mut self, args: &ConnectionArgs) -> Shared {
        let connect = self.seconds(args.timeout.as_ref(), "timeout");
        let connect = connect.unwrap_or(Duration::from_secs_f64(TIMEOUT));
        let timeouts = ConnectTimeouts {
            connect,
            banner: self.seconds(args.banner_timeout.as_ref(), "banner_timeout").unwrap_or(connect),
            auth: self.seconds(args.auth_timeout.as_ref(), "auth_timeout").unwrap_or(connect),
        };
        let keepalive = self.seconds(args.keepalive.as_ref(), "keepalive");
        let policy =
            self.collect.value(self.frame, args.host_key_policy.as_ref(), "host_key_policy");
        let look_for_keys = self.flag(args.look_for_keys.as_ref(), "look_for_keys", true);
        Shared {
            timeouts,
            keepalive: keepalive.unwrap_or(Duration::from_secs_f64(KEEPALIVE)),
            policy: match policy.unwrap_or(HostKeyPolicyName::AutoAdd) {
                HostKeyPolicyName::AutoAdd => HostKeyPolicy::AutoAdd,
                HostKeyPolicyName::Reject => HostKeyPolicy::Reject,
                HostKeyPolicyName::Warning => HostKeyPolicy::Warning,
            },
            compress: self.flag(args.compress.as_ref(), "compress", false),
            agent: self.flag(args.allow_agent.as_ref(), "allow_agent", false),
            default_keys: match look_for_keys {
                true => self.store.default_keys().to_vec(),
                false => Vec::new(),
            },
        }
    }

    /// The jump host. What it lacks of its own comes from the agent and the
    /// default keys, never from the target's secrets.
    fn proxy(
        &mut self,
        args: &ConnectionArgs,
        username: Option<&str>,
        shared: &Shared,
    ) -> Option<Arc<ConnectionSpec>> {
        let before = self.unknowns();
        let host = self.text(args.proxy_host.as_ref(), "proxy_host")?;
        let own = self.text(args.proxy_username.as_ref(), "proxy_username");
        let ssh = self.store.ssh_host(&host, own.as_deref());
        self.one_jump(&host, &ssh, args.proxy_host.as_ref());
        let own = own.or_else(|| ssh.user.clone());
        let port = self.port(args.proxy_port.as_ref(), "proxy_port").or(ssh.port).unwrap_or(PORT);
        let host = ssh.host_name.clone().unwrap_or(host);
        let (mut keys, password) = self.identity(Identity {
            password: args.proxy_password.as_ref(),
            pkey: args.proxy_pkey.as_ref(),
            key_filename: args.proxy_key_filename.as_ref(),
            passphrase: args.proxy_passphrase.as_ref(),
            reference: None,
            prefix: "proxy_",
        });
        let has_own = args.proxy_pkey.is_some() || args.proxy_key_filename.is_some();
        let limits = self.ssh_keys(&ssh, has_own, &mut keys);
        let bare = keys.is_empty() && password.is_none();
        let credentials = Credentials {
            agent: (shared.agent || bare) && self.store.has_agent() && !limits,
            default_keys: if limits { Vec::new() } else { shared.default_keys.clone() },
            keys,
            password,
            sudo_password: None,
        };
        let username = own.or_else(|| username.map(str::to_owned))?;
        if self.unknowns() == before {
            self.require(&credentials, &username, true, args.proxy_host.as_ref());
        }
        Some(Arc::new(ConnectionSpec {
            host,
            port,
            username,
            credentials,
            timeouts: shared.timeouts,
            keepalive: shared.keepalive,
            host_key_policy: shared.policy,
            known_hosts: ssh.known_hosts,
            compress: false,
            proxy: None,
        }))
    }

    fn require<T>(
        &mut self,
        credentials: &Credentials,
        username: &str,
        is_proxy: bool,
        at: Option<&At<T>>,
    ) {
        let none = self.is_runner()
            && credentials.keys.is_empty()
            && credentials.password.is_none()
            && credentials.default_keys.is_empty()
            && !credentials.agent;
        if none {
            let (to, help) = match is_proxy {
                true => (
                    "to the jump host ",
                    "set `proxy_password`, `proxy_key_filename` or `proxy_pkey` in `connection_args`, or start an SSH agent; the target's own are never used there",
                ),
                false => (
                    "",
                    "set `password`, `key_filename` or `pkey` in `connection_args`, or use `-k` or `--private-key FILE`",
                ),
            };
            let user = username.to_owned();
            self.collect.error(PlanError::NoCredential { user, to, help }, at);
        }
    }
}
