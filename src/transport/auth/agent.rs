//! The SSH agent's keys.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh2::{Agent, PublicKey, Session};

/// `SSH_AGENTC_REQUEST_IDENTITIES` as a whole message.
const REQUEST_IDENTITIES: [u8; 5] = [0, 0, 0, 1, 11];

/// The keys that the agent holds.
pub(super) struct Identities {
    agent: Agent,
    keys: Vec<PublicKey>,
}

/// Whether a public key in text form is the one with this wire format.
pub(super) fn is_same_key(public: &str, blob: &[u8]) -> bool {
    public.split_whitespace().nth(1).is_some_and(|base64| base64 == STANDARD.encode(blob))
}

impl Identities {
    /// Connects to the agent at `socket` and lists its keys; the error fits
    /// behind "the SSH agent".
    pub(super) fn of(session: &Session, socket: &Path, deadline: Instant) -> Result<Self, String> {
        answers(socket, deadline)?;
        let list = || {
            let mut agent = session.agent()?;
            agent.set_identity_path(socket)?;
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok(Self { agent, keys })
        };
        let identities: Self =
            list().map_err(|error: ssh2::Error| format!("fails: {}", error.message()))?;
        match identities.keys.is_empty() {
            true => Err("holds no keys".to_owned()),
            false => Ok(identities),
        }
    }

    /// The keys with their wire format and what messages call them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PublicKey, &[u8], String)> {
        self.keys.iter().map(|key| {
            let comment = match key.comment() {
                "" => "without a name",
                comment => comment,
            };
            (key, key.blob(), format!("agent key `{comment}`"))
        })
    }

    /// Authenticates with one of the keys.
    pub(super) fn sign_in(&self, user: &str, key: &PublicKey) -> Result<(), ssh2::Error> {
        self.agent.userauth(user, key)
    }
}

/// libssh2 waits for its agent without a limit, so a dead one is found out here.
fn answers(socket: &Path, deadline: Instant) -> Result<(), String> {
    let patience = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    exchange(socket, patience).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            "does not answer".to_owned()
        }
        _ => "cannot be reached".to_owned(),
    })
}

fn exchange(socket: &Path, patience: Duration) -> std::io::Result<()> {
    let mut socket = UnixStream::connect(socket)?;
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))?;
    socket.write_all(&REQUEST_IDENTITIES)?;
    socket.read_exact(&mut [0; 5])
}
