//! Reads secrets from a KV version 2 engine over HTTP.

use std::fmt;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::environment::{Environment, Login};
use super::http::{Http, LIMIT, Reply, fits_header};
use super::{Fields, LoginError, Reference, SecretReader, VaultError};
use crate::secret::{Redactor, Secret, url_encoded};

/// The longest text of the server's that a message repeats, in characters.
const LONGEST_SAID: usize = 200;

/// A client of HashiCorp Vault or OpenBao. It logs in when first needed.
pub struct VaultClient {
    environment: Environment,
    limit: Duration,
    session: OnceLock<Result<Session, VaultError>>,
    /// What is wrong with the server as a whole: the next secret would only wait
    /// for the same.
    broken: Mutex<Option<VaultError>>,
}

/// A login to one server.
struct Session {
    http: Http,
    token: Secret,
    namespace: Option<String>,
    /// Knows the token, should the server repeat it.
    redactor: Redactor,
}

impl VaultClient {
    /// A client for what the environment names.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self { environment, limit: LIMIT, session: OnceLock::new(), broken: Mutex::default() }
    }

    /// The same client with another limit for each exchange. Default 10 s.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    fn session(&self) -> Result<&Session, VaultError> {
        let session = self.session.get_or_init(|| Session::open(&self.environment, self.limit));
        session.as_ref().map_err(Clone::clone)
    }
}

impl fmt::Debug for VaultClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultClient").finish_non_exhaustive()
    }
}

impl SecretReader for VaultClient {
    fn read(&self, reference: &Reference) -> Result<Fields, VaultError> {
        let broken = || self.broken.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(error) = broken().clone() {
            return Err(error);
        }
        let result = self.session().and_then(|session| session.read(reference));
        if let Err(error) = &result
            && error.is_general()
        {
            *broken() = Some(error.clone());
        }
        result
    }
}

impl Session {
    fn open(environment: &Environment, limit: Duration) -> Result<Self, VaultError> {
        let address = environment.address()?;
        let namespace = environment.namespace.clone();
        if namespace.as_deref().is_some_and(|namespace| !fits_header(namespace)) {
            return Err(LoginError::BadHeader { what: "`VAULT_NAMESPACE`".to_owned() }.into());
        }
        let login = environment.login()?;
        let http = Http::new(address, environment.ca_file.as_deref(), limit)?;
        let mut session =
            Self { http, token: Secret::new(""), namespace, redactor: Redactor::default() };
        session.token = match login {
            Login::Token(token, what) => match fits_header(token.reveal()) {
                true => token,
                false => return Err(LoginError::BadHeader { what }.into()),
            },
            Login::AppRole { role_id, secret_id } => session.log_in(&role_id, &secret_id)?,
        };
        session.redactor.learn([&session.token]);
        Ok(session)
    }

    fn log_in(&self, role_id: &Secret, secret_id: &Secret) -> Result<Secret, VaultError> {
        self.redactor.learn([secret_id]);
        let body = json!({ "role_id": role_id.reveal(), "secret_id": secret_id.reveal() });
        let reply = self.http.post("auth/approle/login", &self.headers(), &body)?;
        match reply.status {
            200 => {
                let token = reply.body["auth"]["client_token"].as_str();
                match token.filter(|token| fits_header(token)) {
                    Some(token) => Ok(Secret::new(token)),
                    None => Err(self.malformed(&reply, "its login gives no token")),
                }
            }
            status @ (400 | 401 | 403) => Err(LoginError::LoginRefused { status }.into()),
            404 if !reply.says("namespace") => Err(LoginError::LoginRefused { status: 404 }.into()),
            _ => Err(self.unexpected(&reply)),
        }
    }

    fn read(&self, reference: &Reference) -> Result<Fields, VaultError> {
        let mount = encoded(reference.mount());
        let mut path = format!("{mount}/data/{}", encoded(reference.path()));
        if let Some(version) = reference.version() {
            path.push_str(&format!("?version={version}"));
        }
        let mut reply = self.http.get(&path, &self.headers())?;
        let secret = reference.to_string();
        match reply.status {
            200 => match reply.body.pointer_mut("/data/data").map(Value::take) {
                Some(Value::Object(fields)) => Ok(Fields::new(fields)),
                Some(Value::Null) if reply.has_metadata() => Err(VaultError::Deleted { secret }),
                _ if reply.body["data"].is_object() => Err(VaultError::NotKv2 {
                    mount: reference.mount().to_owned(),
                    found: "another engine".to_owned(),
                }),
                _ => Err(self.malformed(&reply, "its answer holds no secret")),
            },
            404 if reply.has_metadata() => Err(VaultError::Deleted { secret }),
            404 if reply.says("no handler for route") => {
                Err(VaultError::NoMount { mount: reference.mount().to_owned() })
            }
            404 if reply.body["errors"].as_array().is_some_and(Vec::is_empty) => {
                Err(self.absent(reference))
            }
            403 => {
                let policy = format!("{}/data/{}", reference.mount(), reference.path());
                Err(VaultError::Forbidden { secret, policy })
            }
            405 => Err(VaultError::NotKv2 {
                mount: reference.mount().to_owned(),
                found: "another engine".to_owned(),
            }),
            _ => Err(self.unexpected(&reply)),
        }
    }

    /// Why there is no secret: a KV version 1 engine says the same of every path
    /// that version 2 would have.
    fn absent(&self, reference: &Reference) -> VaultError {
        let mount = reference.mount();
        let path = format!("sys/internal/ui/mounts/{}", encoded(mount));
        if let Ok(reply) = self.http.get(&path, &self.headers())
            && reply.status == 200
        {
            let data = &reply.body["data"];
            let is_v2 = data["options"]["version"] == "2";
            let found = match data["type"].as_str() {
                Some("kv" | "generic") if !is_v2 => "a KV version 1 engine".to_owned(),
                Some("kv") | None => String::new(),
                Some(other) => format!("a `{}` engine", self.shown(other)),
            };
            if !found.is_empty() {
                return VaultError::NotKv2 { mount: mount.to_owned(), found };
            }
        }
        let first = reference.path().split('/').next().unwrap_or_default();
        let help = if first == mount || first == "data" {
            format!("the path begins below the mount `{mount}`: leave out `{first}/`")
        } else if reference.version().is_some() {
            "check the path and the version".to_owned()
        } else {
            format!("check the path, and that `{mount}` is the right `mount`")
        };
        VaultError::NotFound { secret: reference.to_string(), help }
    }

    /// What goes with every request.
    fn headers(&self) -> Vec<(&str, &str)> {
        // Vault's agents refuse requests without this one.
        let mut headers = vec![("X-Vault-Request", "true")];
        if !self.token.reveal().is_empty() {
            headers.push(("X-Vault-Token", self.token.reveal()));
        }
        if let Some(namespace) = &self.namespace {
            headers.push(("X-Vault-Namespace", namespace));
        }
        headers
    }

    fn malformed(&self, reply: &Reply, otherwise: &str) -> VaultError {
        let reason = reply.not_json.clone().unwrap_or_else(|| otherwise.to_owned());
        VaultError::Malformed { address: self.http.address.clone(), reason }
    }

    fn unexpected(&self, reply: &Reply) -> VaultError {
        let address = self.http.address.clone();
        let status = reply.status;
        if (300..400).contains(&status) {
            let location = reply.location.as_deref().unwrap_or("nowhere");
            let location = location.split('?').next().unwrap_or_default();
            return VaultError::Redirect { address, location: self.shown(location) };
        }
        if status == 503 && reply.says("sealed") {
            return VaultError::Sealed { address };
        }
        if status == 404 && reply.says("namespace") {
            return VaultError::NoNamespace;
        }
        let said: Vec<&str> = reply.errors().collect();
        let said = match said.is_empty() {
            true => String::new(),
            false => format!(": {}", self.shown(&said.join("; "))),
        };
        let help = match status {
            400 if address.starts_with("http:") => {
                "a server with TLS needs https:// in `VAULT_ADDR`"
            }
            429 => "the server limits requests: try again later",
            500.. => "look into the server's log",
            _ => "check `VAULT_ADDR` and `VAULT_NAMESPACE`",
        };
        VaultError::Status { address, status, said, help }
    }

    /// A text of the server's, fit to be shown: on one line, not too long, and
    /// without the token.
    fn shown(&self, text: &str) -> String {
        let masked = self.redactor.mask(text);
        let plain = masked.chars().map(|c| if c.is_control() { ' ' } else { c });
        plain.take(LONGEST_SAID).collect()
    }
}

impl Reply {
    fn errors(&self) -> impl Iterator<Item = &str> {
        self.body["errors"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    fn says(&self, words: &str) -> bool {
        self.errors().any(|error| error.contains(words))
    }

    fn has_metadata(&self) -> bool {
        self.body["data"]["metadata"].is_object()
    }
}

/// A path with what a URL cannot hold encoded.
fn encoded(path: &str) -> String {
    path.split('/').map(url_encoded).collect::<Vec<_>>().join("/")
}
