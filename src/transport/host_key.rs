//! Host keys: which algorithms to ask for, and what to do about the answer.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use super::Cancel;
use super::known_hosts::{KnownHosts, Verdict, key_type, name_of};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::{ConnectionSpec, HostKeyPolicy};

/// Key types in OpenSSH's order of preference, and the signature algorithms
/// that go with each.
const PREFERENCE: [(&str, &str); 5] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("ssh-rsa", "rsa-sha2-512,rsa-sha2-256,ssh-rsa"),
];

/// The algorithms to ask for: those of known keys first, or an entry of one type
/// would look like a changed key when the server prefers another. Certificates
/// are never asked for.
pub(super) fn algorithms(known_hosts: &KnownHosts, spec: &ConnectionSpec) -> String {
    let known = known_hosts.key_types(&spec.host, spec.port);
    let is_known = |kind: &str| known.iter().any(|known| known == kind);
    let (first, rest): (Vec<_>, Vec<_>) = PREFERENCE.iter().partition(|(kind, _)| is_known(kind));
    let names: Vec<&str> = first.iter().chain(&rest).map(|(_, names)| *names).collect();
    names.join(",")
}

/// Judges the key that a server presented; a warning is what the user should
/// know although the connection goes on.
pub(super) fn check(
    known_hosts: &KnownHosts,
    spec: &ConnectionSpec,
    key: &[u8],
    cancel: &Cancel,
) -> Result<Option<String>, Failure> {
    let verdict = known_hosts.look_up(&spec.host, spec.port, key);
    let verdict = match (verdict, spec.host_key_policy) {
        (Verdict::Unknown, HostKeyPolicy::Reject) => return Err(unknown(known_hosts, spec, key)),
        (Verdict::Unknown, HostKeyPolicy::Warning) => {
            return Ok(Some(format!(
                "the host key of `{}` is not known and was accepted without being saved: {}",
                spec.address(),
                described(key)
            )));
        }
        (Verdict::Unknown, HostKeyPolicy::AutoAdd) => {
            let deadline = Instant::now() + spec.timeouts.connect;
            match known_hosts.remember(&spec.host, spec.port, key, deadline, cancel) {
                Ok(verdict) => verdict,
                Err(error) => {
                    return Ok(known_hosts.is_first_complaint().then(|| {
                        format!(
                            "the host key of `{}` was accepted but cannot be saved in `{}`: {error}; the same goes for every other host that is new in this run",
                            spec.address(),
                            known_hosts.file().display()
                        )
                    }));
                }
            }
        }
        (verdict, _) => verdict,
    };
    match verdict {
        Verdict::Known | Verdict::Unknown => Ok(None),
        Verdict::Changed { place, known } => Err(Failure::new(
            ErrorCode::HostKeyChanged,
            format!(
                "the host key of `{}` has changed: it presents {}, but {place} has {}",
                spec.address(),
                described(key),
                described(&known)
            ),
        )
        .with_help(format!(
            "someone may be intercepting the connection, or the host was reinstalled; once you \
             are sure, remove the old key: ssh-keygen -f '{}' -R '{}'",
            place.file.display(),
            name_of(&spec.host, spec.port)
        ))),
        Verdict::Revoked(place) => Err(Failure::new(
            ErrorCode::HostKeyRevoked,
            format!(
                "the host key of `{}` is revoked: {place} lists {}",
                spec.address(),
                described(key)
            ),
        )
        .with_help("give the host a new key; a revoked one may be in the wrong hands")),
    }
}

fn unknown(known_hosts: &KnownHosts, spec: &ConnectionSpec, key: &[u8]) -> Failure {
    let port = match spec.port {
        22 => String::new(),
        port => format!("-p {port} "),
    };
    Failure::new(
        ErrorCode::HostKeyUnknown,
        format!(
            "the host key of `{}` is not known, and `host_key_policy` is `reject`: it presents {}",
            spec.address(),
            described(key)
        ),
    )
    .with_help(format!(
        "compare the fingerprint with the host's own, then add the key: ssh-keyscan {port}{} >> {}",
        spec.host,
        known_hosts.file().display()
    ))
}

/// Type and fingerprint, as `ssh-keygen -l` shows them.
fn described(key: &[u8]) -> String {
    let kind = key_type(key).unwrap_or("unknown type");
    format!("{kind} SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}
