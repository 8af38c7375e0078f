//! One HTTP exchange with the server: bounded in time and size, never redirected,
//! and its failures in the user's terms.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body, RequestBuilder};
use zeroize::Zeroizing;

use super::{LoginError, VaultError};
use crate::local_file;

/// How long one exchange may take, from the name's resolution to the last byte.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// The longest answer that is read; secrets are a few kilobytes.
const LONGEST_ANSWER: u64 = 4 * 1024 * 1024;

/// An HTTP client for one server.
pub(super) struct Http {
    agent: Agent,
    pub(super) address: String,
    limit: Duration,
}

/// A status and a body: null where the body is not JSON.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    /// The `Location` of a redirect.
    pub(super) location: Option<String>,
    /// Why the body is not JSON.
    pub(super) not_json: Option<String>,
}

impl Http {
    /// A client for the server at `address`, which is trusted by `ca_file` alone
    /// where there is one, and otherwise by the system's authorities.
    pub(super) fn new(
        address: String,
        ca_file: Option<&Path>,
        limit: Duration,
    ) -> Result<Self, VaultError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(limit))
            .max_response_header_size(64 * 1024)
            .user_agent(concat!("sshoal/", env!("CARGO_PKG_VERSION")));
        // A CA file that cannot be used is an error in any case: whoever sets one
        // wants to be sure.
        let roots = match ca_file {
            Some(path) => Some(certificates(path)?),
            None if address.starts_with("https:") => Some(system_certificates()?),
            None => None,
        };
        if let Some(roots) = roots {
            let tls = TlsConfig::builder()
                .provider(TlsProvider::Rustls)
                .root_certs(RootCerts::new_with_certs(&roots))
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .build();
            config = config.tls_config(tls);
        }
        if is_loopback(&address) {
            // A proxy cannot reach what only this machine can.
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().new_agent(), address, limit })
    }

    /// `GET` of a path, which begins behind `/v1/`.
    pub(super) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply, VaultError> {
        let request = self.agent.get(format!("{}/v1/{path}", self.address));
        self.reply(with_headers(request, headers).call())
    }

    /// `POST` of a JSON document to a path, which begins behind `/v1/`.
    pub(super) fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Reply, VaultError> {
        let request = self.agent.post(format!("{}/v1/{path}", self.address));
        let request = request.header("Content-Type", "application/json");
        let body = Zeroizing::new(body.to_string());
        self.reply(with_headers(request, headers).send(body.as_bytes()))
    }

    fn reply(
        &self,
        sent: Result<ureq::http::Response<Body>, ureq::Error>,
    ) -> Result<Reply, VaultError> {
        let mut response = sent.map_err(|error| self.failure(error))?;
        let status = response.status().as_u16();
        let location = response.headers().get("location");
        let location = location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
        let body = Zeroizing::new(body.map_err(|error| self.failure(error))?);
        let (body, not_json) = match serde_json::from_slice(&body) {
            Ok(body) => (body, None),
            Err(error) if error.is_eof() => (Value::Null, Some("its answer is cut off".to_owned())),
            Err(_) => (Value::Null, Some("its answer is not JSON".to_owned())),
        };
        Ok(Reply { status, body, location, not_json })
    }

    /// A failure of the exchange itself, in the user's terms.
    fn failure(&self, error: ureq::Error) -> VaultError {
        use ureq::Error;
        let address = self.address.clone();
        let unreachable = |reason: &str| VaultError::Unreachable {
            address: address.clone(),
            reason: reason.to_owned(),
        };
        let malformed = |reason: &str| VaultError::Malformed {
            address: address.clone(),
            reason: reason.to_owned(),
        };
        match error {
            Error::Timeout(_) => self.timeout(),
            Error::HostNotFound => unreachable("its name cannot be resolved"),
            Error::ConnectionFailed => unreachable("the connection failed"),
            Error::ConnectProxyFailed(_) => unreachable("the proxy of `HTTPS_PROXY` refuses"),
            Error::InvalidProxyUrl => unreachable("`HTTPS_PROXY` is not the address of a proxy"),
            Error::Rustls(error) => self.tls(&error),
            Error::Tls(reason) => {
                let help = "check `VAULT_ADDR`";
                VaultError::Tls { address, reason: reason.to_owned(), help }
            }
            Error::Io(error) => self.io(&error),
            Error::BodyExceedsLimit(_) => malformed("its answer is longer than 4 MiB"),
            Error::LargeResponseHeader(..) => malformed("its answer has too long a header"),
            Error::BadUri(_) | Error::Http(_) => {
                LoginError::BadAddress { reason: "it is no URL" }.into()
            }
            Error::Protocol(_) => malformed("its answer is not HTTP"),
            other => unreachable(&other.to_string()),
        }
    }

    fn io(&self, error: &io::Error) -> VaultError {
        use io::ErrorKind;
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(error) = inner {
            return self.tls(error);
        }
        let reason = match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => return self.timeout(),
            ErrorKind::ConnectionRefused => "it refuses the connection".to_owned(),
            ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
                "it closed the connection".to_owned()
            }
            _ => {
                let text = error.to_string();
                match text.split_once(" (os error") {
                    // The standard library has no kind of its own for this.
                    _ if text.contains("lookup address") => {
                        "its name cannot be resolved".to_owned()
                    }
                    Some((reason, _)) => reason.to_lowercase(),
                    None => text,
                }
            }
        };
        VaultError::Unreachable { address: self.address.clone(), reason }
    }

    fn timeout(&self) -> VaultError {
        let seconds = self.limit.as_secs().max(1);
        VaultError::Timeout { address: self.address.clone(), seconds }
    }

    fn tls(&self, error: &rustls::Error) -> VaultError {
        use rustls::CertificateError as Certificate;
        const AUTHORITY: &str =
            "set `VAULT_CACERT` to the PEM file of the authority that signed it";
        const NAME: &str = "use a name in `VAULT_ADDR` that the certificate has";
        let (reason, help) = match error {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                Certificate::UnknownIssuer | Certificate::BadSignature => {
                    ("nobody trusted here signed its certificate".to_owned(), AUTHORITY)
                }
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                    ("its certificate is for another name".to_owned(), NAME)
                }
                Certificate::Expired | Certificate::ExpiredContext { .. } => {
                    ("its certificate has expired".to_owned(), "renew it, and check the clock here")
                }
                other => (format!("its certificate is not acceptable: {other}"), AUTHORITY),
            },
            rustls::Error::InvalidMessage(_) => (
                "it does not speak TLS".to_owned(),
                "if it really has none, write http:// in `VAULT_ADDR`; the token then travels in the clear",
            ),
            other => (other.to_string(), "check `VAULT_ADDR` and the server's certificate"),
        };
        VaultError::Tls { address: self.address.clone(), reason, help }
    }
}

fn with_headers<T>(request: RequestBuilder<T>, headers: &[(&str, &str)]) -> RequestBuilder<T> {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// Whether a text can stand in a header.
pub(super) fn fits_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x21..0x7f).contains(&byte))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, LoginError> {
    let bad = |reason: String| LoginError::CaFile { path: path.display().to_string(), reason };
    let text = local_file::read(path).map_err(|error| bad(local_file::reason(&error)))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(bad("it is not a PEM file".to_owned())),
        }
    }
    match found.is_empty() {
        true => Err(bad("it holds no certificate".to_owned())),
        false => Ok(found),
    }
}

fn system_certificates() -> Result<Vec<Certificate<'static>>, LoginError> {
    let found = rustls_native_certs::load_native_certs().certs;
    match found.is_empty() {
        true => Err(LoginError::NoAuthorities),
        false => Ok(found.iter().map(|der| Certificate::from_der(der).to_owned()).collect()),
    }
}

fn is_loopback(address: &str) -> bool {
    let uri: Option<ureq::http::Uri> = address.parse().ok();
    let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
