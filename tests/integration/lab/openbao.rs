//! A real OpenBao server in its development mode: in memory, unsealed, with a KV
//! version 2 engine at `secret`. It ends with its handle.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::processes::wait_until;
use super::sshoal::Sshoal;
use super::users::random_text;

const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server. Dropping it ends its process.
#[derive(Debug)]
pub(crate) struct OpenBao {
    child: Child,
    port: u16,
    /// The token that may do everything.
    pub(crate) root_token: String,
    ca: Option<PathBuf>,
    agent: Agent,
    dir: TempDir,
}

impl OpenBao {
    /// A server that the tests share which run at the same time. Each keeps to
    /// secrets of its own.
    pub(crate) fn get() -> Arc<Self> {
        static SHARED: Mutex<Weak<OpenBao>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts a server without TLS.
    ///
    /// # Panics
    /// With what it said, when it does not start.
    pub(crate) fn start() -> Self {
        Self::launch(false)
    }

    /// Starts a server with TLS, whose authority is that of [`OpenBao::ca`].
    ///
    /// # Panics
    /// With what it said, when it does not start.
    pub(crate) fn start_tls() -> Self {
        Self::launch(true)
    }

    fn launch(tls: bool) -> Self {
        let dir = super::directory("openbao");
        let root_token = random_text(30);
        // Another process may take the port between our look and the server's bind.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = spawn(dir.path(), port, &root_token, tls);
            let ca = tls.then(|| dir.path().join("vault-ca.pem"));
            let mut agent = None;
            wait_until(START_LIMIT, || {
                agent = answering_agent(port, ca.as_deref());
                agent.is_some() || child.try_wait().unwrap().is_some()
            });
            if let Some(agent) = agent {
                return Self { child, port, root_token, ca, agent, dir };
            }
            let _ = child.kill();
            child.wait().unwrap();
            let said = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            assert!(said.contains("in use"), "OpenBao did not start; it said:\n{said}");
        }
        panic!("no free port in five attempts");
    }

    /// What `VAULT_ADDR` is.
    pub(crate) fn address(&self) -> String {
        address(self.port, self.ca.is_some())
    }

    /// Where it listens.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The PEM file of the authority that signed the server's certificate.
    pub(crate) fn ca(&self) -> &Path {
        self.ca.as_deref().unwrap()
    }

    /// `sshoal` with this server's address, and a token that it must not show.
    pub(crate) fn sshoal(&self, token: &str) -> Sshoal {
        Sshoal::new().env("VAULT_ADDR", self.address()).env("VAULT_TOKEN", token).forbid(token)
    }

    /// `sshoal` with this server's address and the token for everything.
    pub(crate) fn sshoal_as_root(&self) -> Sshoal {
        self.sshoal(&self.root_token)
    }

    /// Stores a secret at a path below `secret`.
    pub(crate) fn put(&self, path: &str, fields: &Value) {
        self.call("", &format!("secret/data/{path}"), Some(&json!({ "data": fields })));
    }

    /// A token that may read the secrets below `prefix` and nothing else.
    pub(crate) fn token(&self, prefix: &str) -> String {
        self.policy(prefix);
        let body = json!({ "policies": [prefix], "no_default_policy": true });
        let answer = self.call("", "auth/token/create", Some(&body));
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Role and secret id of an AppRole that may read the secrets below `prefix`.
    pub(crate) fn app_role(&self, prefix: &str) -> (String, String) {
        self.policy(prefix);
        let mounts = self.call("", "sys/auth", None);
        if mounts["data"]["approle/"].is_null() {
            self.call("", "sys/auth/approle", Some(&json!({ "type": "approle" })));
        }
        let role = format!("auth/approle/role/{prefix}");
        self.call("", &role, Some(&json!({ "token_policies": [prefix] })));
        let role_id = self.call("", &format!("{role}/role-id"), None);
        let secret_id = self.call("", &format!("{role}/secret-id"), Some(&json!({})));
        (
            role_id["data"]["role_id"].as_str().unwrap().to_owned(),
            secret_id["data"]["secret_id"].as_str().unwrap().to_owned(),
        )
    }

    fn policy(&self, prefix: &str) {
        let policy = format!("path \"secret/data/{prefix}/*\" {{ capabilities = [\"read\"] }}");
        let body = json!({ "policy": policy });
        self.call("", &format!("sys/policies/acl/{prefix}"), Some(&body));
    }

    /// `POST` of `body`, or `GET` without one, as root, in a namespace. An engine that
    /// has just been mounted is given time to be ready.
    ///
    /// # Panics
    /// When the server refuses.
    #[track_caller]
    pub(crate) fn call(&self, namespace: &str, path: &str, body: Option<&Value>) -> Value {
        let mut answer = Err(String::new());
        wait_until(Duration::from_secs(30), || {
            answer = self.try_call(namespace, path, body);
            !answer.as_ref().is_err_and(|text| text.contains("Upgrading from non-versioned"))
        });
        match answer {
            Ok(answer) => answer,
            Err(text) => panic!("OpenBao refuses {path}: {text}"),
        }
    }

    fn try_call(&self, namespace: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let url = format!("{}/v1/{path}", self.address());
        let (token, header) = ("X-Vault-Token", "X-Vault-Namespace");
        let sent = match body {
            Some(body) => {
                let request = self.agent.post(url).header(token, &self.root_token);
                request.header(header, namespace).send(body.to_string())
            }
            None => {
                let request = self.agent.get(url).header(token, &self.root_token);
                request.header(header, namespace).call()
            }
        };
        let mut answer = sent.unwrap();
        let status = answer.status();
        let text = answer.body_mut().read_to_string().unwrap();
        match status.is_success() {
            true => Ok(serde_json::from_str(&text).unwrap_or_default()),
            false => Err(format!("{status} {text}")),
        }
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(port: u16, tls: bool) -> String {
    format!("{}://127.0.0.1:{port}", if tls { "https" } else { "http" })
}

fn spawn(dir: &Path, port: u16, root_token: &str, tls: bool) -> Child {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openbao/bao");
    assert!(
        program.exists(),
        "`{}` is missing: run the tests by `tests/run`, which installs it",
        program.display()
    );
    let log = fs::File::create(dir.join("log")).unwrap();
    let mut command = Command::new(program);
    command.args(["server", if tls { "-dev-tls" } else { "-dev" }, "-dev-no-store-token"]);
    if tls {
        command.arg(format!("-dev-tls-cert-dir={}", dir.display()));
    }
    command
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .env_clear()
        .env("HOME", dir)
        .env("BAO_DEV_ROOT_TOKEN_ID", root_token)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A client, once the server is unsealed and has its secrets engine.
fn answering_agent(port: u16, ca: Option<&Path>) -> Option<Agent> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(20)));
    if let Some(ca) = ca {
        let certificate = Certificate::from_pem(&fs::read(ca).ok()?).ok()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[certificate]))
            .unversioned_rustls_crypto_provider(provider);
        config = config.tls_config(tls.build());
    }
    let agent = config.build().new_agent();
    let url = format!("{}/v1/secret/data/none", address(port, ca.is_some()));
    // Without a token it is forbidden, which takes an engine to say.
    let answer = agent.get(url).call().ok()?;
    (answer.status() == 403).then_some(agent)
}
