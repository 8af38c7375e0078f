//! Opens connections: stage by stage, each under a limit of its own.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bastion::{Bastions, Journey, arrive};
use super::connection::SshConnection;
use super::governor::{Admission, Governor, Shut};
use super::handshake::{Refusal, shake_hands};
use super::known_hosts::KnownHostsFiles;
use super::link::{CANCEL_INTERVAL, Link};
use super::password::PasswordWatch;
use super::tcp::{self, Target, cancelled};
use super::{Cancel, Connected, Connector, Unconnected, auth, host_key};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::ConnectionSpec;

/// The mean pause before the second try; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest mean pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What a connector needs to know beside the specs.
#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    /// Replaces the user's known_hosts file (`--known-hosts`).
    pub known_hosts: Option<PathBuf>,
    /// The user's home directory.
    pub home: PathBuf,
}

/// Opens SSH connections.
pub struct SshConnector {
    opener: Arc<Opener>,
    bastions: Bastions,
}

impl SshConnector {
    /// A connector for one run. It touches neither network nor files yet. The
    /// SSH agent is the one that `SSH_AUTH_SOCK` names.
    #[must_use]
    pub fn new(config: ConnectorConfig) -> Self {
        let agent = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
        Self::with_agent(config, agent.map(PathBuf::from))
    }

    /// As [`SshConnector::new`], with the agent that listens at `agent`, or none.
    #[must_use]
    pub fn with_agent(config: ConnectorConfig, agent: Option<PathBuf>) -> Self {
        let opener = Arc::new(Opener {
            known_hosts: KnownHostsFiles::new(&config.home, config.known_hosts),
            agent,
            governor: Governor::default(),
        });
        Self { bastions: Bastions::new(Arc::clone(&opener)), opener }
    }
}

impl Connector for SshConnector {
    fn connect_watched(
        &self,
        spec: &ConnectionSpec,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<Connected, Unconnected> {
        let mut warnings = Vec::new();
        let mut journey = Journey::default();
        let mut dial = |deadline| match &spec.proxy {
            Some(proxy) => self.bastions.dial(proxy, spec, &mut journey, passwords, cancel),
            None => self.opener.dial(spec, deadline, cancel),
        };
        let opened = self.opener.open(spec, &mut warnings, passwords, cancel, &mut dial);
        if let Some(proxy) = &spec.proxy {
            self.bastions.hand_over_warnings(proxy, &mut warnings);
        }
        match arrive(journey, opened) {
            Ok(link) => Ok(Connected { connection: Box::new(SshConnection::new(link)), warnings }),
            Err(failure) => Err(Unconnected { failure, warnings }),
        }
    }
}

/// Turns a way to reach a host into an authenticated session; shared by targets
/// and jump hosts.
pub(super) struct Opener {
    known_hosts: KnownHostsFiles,
    agent: Option<PathBuf>,
    governor: Governor,
}

impl Opener {
    /// Dials, shakes hands, checks the host key and authenticates. `dial` makes
    /// a connected socket, and may be called several times.
    pub(super) fn open(
        &self,
        spec: &ConnectionSpec,
        warnings: &mut Vec<String>,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
        dial: &mut dyn FnMut(Instant) -> Result<OwnedFd, Failure>,
    ) -> Result<Link, Failure> {
        // Until it is authenticated, a connection counts for `MaxStartups`.
        let (mut link, _admissions) = self.reach(spec, cancel, dial)?;
        let key = link.session().host_key().map(|(key, _)| key.to_vec()).unwrap_or_default();
        let known_hosts = self.known_hosts.of(spec.known_hosts.as_deref());
        warnings.extend(host_key::check(&known_hosts, spec, &key, cancel)?);
        auth::authenticate(&mut link, spec, self.agent.as_deref(), passwords, cancel)?;
        Ok(link)
    }

    /// Connects over TCP.
    pub(super) fn dial(
        &self,
        spec: &ConnectionSpec,
        deadline: Instant,
        cancel: &Cancel,
    ) -> Result<OwnedFd, Failure> {
        let address = spec.address();
        let target = Target {
            host: &spec.host,
            port: spec.port,
            address: &address,
            limit: spec.timeouts.connect,
            deadline,
        };
        let socket = tcp::dial(&target, cancel)?;
        tcp::tune(&socket, spec.keepalive);
        Ok(socket.into())
    }

    /// Dials and shakes hands, again when the server is busy.
    fn reach(
        &self,
        spec: &ConnectionSpec,
        cancel: &Cancel,
        dial: &mut dyn FnMut(Instant) -> Result<OwnedFd, Failure>,
    ) -> Result<(Link, Vec<Admission>), Failure> {
        let known_hosts = self.known_hosts.of(spec.known_hosts.as_deref());
        let algorithms = host_key::algorithms(&known_hosts, spec);
        let deadline = Instant::now() + spec.timeouts.connect;
        let gates = self.governor.gates(spec);
        let (mut attempts, mut mean_pause) = (0, FIRST_PAUSE);
        let mut last = None;
        loop {
            let entered = gates.iter().map(|gate| gate.enter(deadline, cancel));
            let admissions = match entered.collect::<Result<Vec<_>, _>>() {
                Ok(admissions) => admissions,
                Err(Shut::Cancelled) => return Err(cancelled(&spec.address())),
                Err(Shut::Deadline) => return Err(last.unwrap_or_else(|| crowded(spec))),
            };
            let socket = dial(deadline)?;
            let what = match shake_hands(spec, socket, &algorithms, cancel) {
                Ok(link) => {
                    admissions.iter().for_each(Admission::passed);
                    return Ok((link, admissions));
                }
                Err(Refusal::Final(failure)) => return Err(failure),
                Err(Refusal::Busy(what)) => what,
            };
            admissions.iter().for_each(Admission::turned_away);
            drop(admissions);
            attempts += 1;
            let pause = jittered(mean_pause);
            mean_pause = (mean_pause * 2).min(LONGEST_PAUSE);
            if Instant::now() + pause >= deadline {
                return Err(busy(spec, &what, attempts));
            }
            last = Some(busy(spec, &what, attempts));
            sleep(pause, cancel).ok_or_else(|| cancelled(&spec.address()))?;
        }
    }
}

fn crowded(spec: &ConnectionSpec) -> Failure {
    Failure::new(
        ErrorCode::ConnectTimeout,
        format!(
            "no turn to sign in at `{}` came within {}: others still are",
            spec.address(),
            tcp::seconds(spec.timeouts.connect)
        ),
    )
    .with_help("raise `timeout`, or lower `--forks`; or look at the load of the server")
}

fn busy(spec: &ConnectionSpec, what: &str, attempts: u32) -> Failure {
    let times = match attempts {
        1 => String::new(),
        count => format!(", {count} times"),
    };
    Failure::new(ErrorCode::ConnectFailed, format!("`{}` {what}{times}", spec.address())).with_help(
        "the server may have too many connections that are just signing in (MaxStartups): lower \
         `--forks`, or raise it there; or it bans this machine (fail2ban, hosts.deny)",
    )
}

/// Between half and one and a half of `mean`, so that many clients that were
/// turned away together do not come back together.
fn jittered(mean: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    mean / 2 + mean * u32::try_from(random).expect("below 1000") / 1000
}

/// Sleeps; `None` when cancelled meanwhile.
fn sleep(pause: Duration, cancel: &Cancel) -> Option<()> {
    let until = Instant::now() + pause;
    loop {
        if cancel.is_cancelled() {
            return None;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Some(());
        }
        std::thread::sleep(left.min(CANCEL_INTERVAL));
    }
}
