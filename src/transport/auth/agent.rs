//! Signing in with the keys that the SSH agent holds.

use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Dialogue, Halt, Outcome};
use crate::credential::PrivateKey;
use crate::transport::link::{Signer, Unsigned, sign_in};

mod client;

use client::{Agent, Fields, Identity, Trouble};

/// `SSH_AGENT_RSA_SHA2_256` and `_512`.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

impl Dialogue<'_> {
    pub(super) fn ask_agent(&mut self, socket: &Path) -> Result<Outcome, Halt> {
        let until = self.patience_with_agent();
        let connected = Agent::connect(socket, until, self.cancel);
        let listed = connected.and_then(|mut agent| Ok((agent.identities()?, agent)));
        let (identities, mut agent) = match listed {
            Ok((identities, agent)) if !identities.is_empty() => (identities, agent),
            Ok(_) => {
                self.report.note("the SSH agent holds no keys".to_owned());
                return Ok(Outcome::Rejected);
            }
            Err(trouble) => {
                self.report.note(format!("the SSH agent {}", trouble.words()));
                return self.without(trouble);
            }
        };
        for identity in identities {
            // An agent that came too late once may answer yet, and not what it is asked.
            if Instant::now() >= until {
                return self.without(Trouble::Silent);
            }
            // A key file that was refused already only costs another attempt.
            if self.spec.credentials.keys.iter().any(|key| is_same(key, &identity.blob)) {
                continue;
            }
            let outcome = self.try_identity(&mut agent, &identity)?;
            if !matches!(outcome, Outcome::Rejected) {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Rejected)
    }

    fn try_identity(
        &mut self,
        agent: &mut Agent<'_>,
        identity: &Identity,
    ) -> Result<Outcome, Halt> {
        let label = label(identity);
        let (spec, blob) = (self.spec, &identity.blob[..]);
        let mut trouble = None;
        let mut signer = |data: &[u8]| {
            signed(agent, blob, data).map_err(|why| match why {
                Some(why) => {
                    trouble = Some(why);
                    Unsigned::Refused
                }
                None => Unsigned::OtherKind,
            })
        };
        let signer: &mut Signer<'_> = &mut signer;
        let outcome =
            self.request(&label, |session| sign_in(session, &spec.username, blob, &mut *signer));
        let Some(trouble) = trouble else {
            self.offered_by_agent.push(identity.blob.clone());
            return outcome;
        };
        self.report.note(format!("the SSH agent {} when asked to sign", trouble.words()));
        self.without(trouble)
    }

    /// Until when the agent is waited for. What comes after it has its share of the time.
    fn patience_with_agent(&self) -> Instant {
        let given = &self.spec.credentials;
        let now = Instant::now();
        match given.password.is_some() || !given.default_keys.is_empty() {
            true => now + self.deadline.saturating_duration_since(now) / 2,
            false => self.deadline,
        }
    }

    /// Goes on without the agent, where there is time for it.
    fn without(&self, trouble: Trouble) -> Result<Outcome, Halt> {
        match trouble {
            Trouble::Silent if Instant::now() >= self.deadline => Err(Halt::Deadline),
            Trouble::Cancelled => Err(Halt::Cancelled),
            _ => Ok(Outcome::Rejected),
        }
    }

    /// Whether the server has judged this key already, when the agent offered it.
    pub(super) fn was_offered(&self, key: &PrivateKey) -> bool {
        self.offered_by_agent.iter().any(|blob| is_same(key, blob))
    }
}

/// Whether a key is the one whose public half this is, in its wire format.
fn is_same(key: &PrivateKey, blob: &[u8]) -> bool {
    key.public.split_whitespace().nth(1).is_some_and(|base64| base64 == STANDARD.encode(blob))
}

/// What messages call a key.
fn label(identity: &Identity) -> String {
    match identity.comment.as_str() {
        "" => "an agent key without a name".to_owned(),
        comment => format!("agent key `{comment}`"),
    }
}

/// Has the agent sign what libssh2 shows; no reason where it can only sign otherwise
/// than asked.
fn signed(agent: &mut Agent<'_>, blob: &[u8], data: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    let algorithm = algorithm_of(data)?;
    let flags = match algorithm.as_str() {
        "rsa-sha2-256" => RSA_SHA2_256,
        "rsa-sha2-512" => RSA_SHA2_512,
        _ => 0,
    };
    let signature = agent.sign(blob, data, flags)?;
    unpacked(&signature, &algorithm)
}

/// The algorithm that a request to sign in asks for, certificates aside.
fn algorithm_of(data: &[u8]) -> Result<String, Trouble> {
    let mut fields = Fields(data);
    fields.text()?; // The session's id.
    fields.skip(1)?; // The kind of message.
    for _ in ["user", "service", "method"] {
        fields.text()?;
    }
    fields.skip(1)?; // That there is a signature.
    let name = String::from_utf8_lossy(fields.text()?).into_owned();
    Ok(match name.strip_suffix("-cert-v01@openssh.com") {
        Some(name) if name.starts_with("sk-") => format!("{name}@openssh.com"),
        Some(name) => name.to_owned(),
        None => name,
    })
}

/// The signature without its algorithm, as libssh2 wants it.
fn unpacked(signature: &[u8], algorithm: &str) -> Result<Vec<u8>, Option<Trouble>> {
    let mut fields = Fields(signature);
    // An agent of old knows of no flags.
    if fields.text()? != algorithm.as_bytes() {
        return Err(None);
    }
    // A token's has more to it, which libssh2 takes as it is.
    match algorithm.starts_with("sk-") {
        true => Ok(fields.0.to_vec()),
        false => Ok(fields.text()?.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[&str]) -> Vec<u8> {
        let prefixed = |part: &&str| {
            let length = u32::try_from(part.len()).unwrap().to_be_bytes();
            [&length[..], part.as_bytes()].concat()
        };
        parts.iter().flat_map(prefixed).collect()
    }

    fn request(algorithm: &str) -> Vec<u8> {
        let parts =
            [texts(&["id"]), vec![50], texts(&["u", "ssh-connection", "publickey"]), vec![1]];
        [parts.concat(), texts(&[algorithm, "blob"])].concat()
    }

    #[test]
    fn the_algorithm_is_read_from_what_is_to_be_signed() {
        for (asked, signs) in [
            ("rsa-sha2-512", "rsa-sha2-512"),
            ("rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-256"),
            ("ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"),
            ("sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com"),
        ] {
            assert_eq!(algorithm_of(&request(asked)).unwrap(), signs);
        }
        assert_eq!(algorithm_of(b"\0\0\0\x09id"), Err(Trouble::Garbled));
    }

    #[test]
    fn a_signature_is_unpacked_and_one_of_another_kind_is_not_taken() {
        let plain = texts(&["ssh-ed25519", "signature"]);
        assert_eq!(unpacked(&plain, "ssh-ed25519"), Ok(b"signature".to_vec()));
        assert_eq!(unpacked(&texts(&["ssh-rsa", "s"]), "rsa-sha2-512"), Err(None));
        assert_eq!(unpacked(b"\0\0", "ssh-rsa"), Err(Some(Trouble::Garbled)));
        let token = [texts(&["sk-ssh-ed25519@openssh.com", "sig"]), vec![1, 0, 0, 0, 7]].concat();
        let rest = [texts(&["sig"]), vec![1, 0, 0, 0, 7]].concat();
        assert_eq!(unpacked(&token, "sk-ssh-ed25519@openssh.com"), Ok(rest));
    }
}
