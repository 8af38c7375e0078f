//! Passwords on trial: one that many hosts share is proven on one of them before
//! the others use it, so that a wrong one does not lock the account everywhere.
//!
//! Two gates guard a password until one host has accepted it. A lane *enters*
//! before it begins a task that may need it: as long as there is no room it waits
//! without a thread (see [`super::parking`]). And it asks right before the password
//! *goes out*: of those inside, one at a time may send it. The first gate keeps a
//! fleet from crowding at the second; the second alone keeps the promise that a
//! wrong password reaches two hosts at most.
//!
//! Jump hosts that share a `proxy_password` are watched like hosts, by the second gate
//! alone: a jump host has no lane that could wait, and its hosts have nothing to do
//! until it is reached. Its password and a host's are two even if they are alike, for
//! they open accounts on different machines.
//!
//! Knows passwords and the names of hosts; nothing of lanes, threads or connections.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::HostName;
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::{Lane, Plan, Step, TaskBody};
use crate::plan::spec::Action;
use crate::secret::Secret;
use crate::transport::{Answer, Cancel, Purpose};

/// On how many hosts a password must be in use to be tried on one first. With
/// fewer there is nobody to spare after the two that may reject it.
const MANY: usize = 3;
/// How many hosts must reject a password for the run to stop.
const REJECTIONS: usize = 2;
/// How often a host that waits to send looks whether the run is cancelled.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A password of one user, for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Credential {
    purpose: Purpose,
    username: String,
    password: Secret,
}

impl Credential {
    /// The password that `step` may log in with.
    pub(super) fn login(step: &Step) -> Option<Self> {
        let password = step.connection.credentials.password.as_ref()?;
        Some(Self::new(Purpose::Login, step, password))
    }

    /// The password that `step` may have to give to sudo.
    pub(super) fn sudo(step: &Step) -> Option<Self> {
        let sudo = match &step.action {
            Action::Command(shell) | Action::Config(shell) => &shell.exec.sudo,
            Action::FileTransfer(spec) => &spec.sudo,
        };
        let password = sudo.as_ref()?.password.as_ref()?;
        Some(Self::new(Purpose::Sudo, step, password))
    }

    /// The password that logs in to the jump host of `step`, and the jump host.
    pub(super) fn proxy(step: &Step) -> Option<(Self, HostName)> {
        let proxy = step.connection.proxy.as_ref()?;
        let password = proxy.credentials.password.clone()?;
        let username = proxy.username.clone();
        let address = proxy.address().into();
        Some((Self { purpose: Purpose::Proxy, username, password }, address))
    }

    fn new(purpose: Purpose, step: &Step, password: &Secret) -> Self {
        let username = step.connection.username.clone();
        Self { purpose, username, password: password.clone() }
    }
}

/// The passwords of a run, as far as they are on trial.
pub(super) struct Canaries {
    state: Mutex<State>,
    /// Signalled when a password that was sent has been answered.
    answered: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether nothing is on trial.
    off: bool,
    trials: HashMap<Credential, Trial>,
    /// Hosts with tasks that are not rendered yet: they may turn out to use any
    /// password. [`MANY`] at most.
    undetermined: Vec<HostName>,
    stopped: Option<Failure>,
}

/// What is known of one password.
#[derive(Default)]
struct Trial {
    /// Hosts that use it; [`MANY`] at most.
    hosts: Vec<HostName>,
    proven: bool,
    /// How many hosts are at a task that may use it.
    inside: usize,
    /// How many more than one may be.
    extra_room: usize,
    /// Whether it was sent and is not answered yet.
    is_out: bool,
    rejected_by: Vec<HostName>,
}

impl Canaries {
    /// The trials that `plan` makes necessary.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut state = State::default();
        plan.plays.iter().flat_map(|play| &play.lanes).for_each(|lane| state.survey(lane));
        Self { state: Mutex::new(state), answered: Condvar::new() }
    }

    /// No trials: every password is used at once.
    pub(super) fn off() -> Self {
        let state = State { off: true, ..State::default() };
        Self { state: Mutex::new(state), answered: Condvar::new() }
    }

    /// Enters for those of `wanted` that are on trial, and returns them for
    /// [`Self::leave`]; `None` when there is no room.
    pub(super) fn enter(&self, wanted: &[Credential]) -> Option<Vec<Credential>> {
        if wanted.is_empty() {
            return Some(Vec::new());
        }
        let mut state = self.lock();
        let on_trial: Vec<_> =
            wanted.iter().filter(|wanted| state.is_on_trial(wanted)).cloned().collect();
        // All or none: who waits for one password while others wait for it over
        // another would wait for ever.
        if !on_trial.iter().all(|credential| state.trial(credential).has_room()) {
            return None;
        }
        on_trial.iter().for_each(|credential| state.trial(credential).inside += 1);
        Some(on_trial)
    }

    /// Ends what [`Self::enter`] began, when `host` has ended the task. Where it
    /// proved nothing (because it is down, say), two may follow: a fleet of which
    /// much is down is not to be tried host by host.
    pub(super) fn leave(&self, host: &HostName, entered: Vec<Credential>) {
        let mut state = self.lock();
        for credential in entered {
            let trial = state.trial(&credential);
            trial.inside -= 1;
            if !trial.rejected_by.contains(host) {
                trial.extra_room = trial.extra_room.saturating_add(1);
            }
        }
    }

    /// Whether the password may go out now. Waits while it is out to another host.
    pub(super) fn may_send(&self, credential: &Credential, cancel: &Cancel) -> bool {
        let mut state = self.lock();
        loop {
            if cancel.is_cancelled() || state.stopped.is_some() {
                return false;
            }
            if !state.is_on_trial(credential) {
                return true;
            }
            let trial = state.trial(credential);
            if !trial.is_out {
                trial.is_out = true;
                return true;
            }
            let woken = self.answered.wait_timeout(state, LOOK_AGAIN);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes in what `host` made of the password. Says whether lanes that wait may
    /// be able to go on.
    pub(super) fn heard(&self, credential: &Credential, host: &HostName, answer: Answer) -> bool {
        let mut state = self.lock();
        if !state.is_on_trial(credential) {
            return false;
        }
        let trial = state.trial(credential);
        match answer {
            Answer::Accepted => trial.proven = true,
            // Keys or sudo's rules do here what the password was given for, and
            // that is rarely so on one host alone. Where it is, hosts are still
            // asked one at a time.
            Answer::NotAsked => trial.extra_room = usize::MAX,
            Answer::Rejected if !trial.rejected_by.contains(host) => {
                trial.rejected_by.push(host.clone());
            }
            Answer::Rejected | Answer::Unclear => {}
        }
        if answer != Answer::NotAsked {
            trial.is_out = false;
        }
        let stops = trial.rejected_by.len() >= REJECTIONS && !trial.proven;
        if stops {
            let failure = rejected(credential, &trial.rejected_by);
            state.stopped.get_or_insert(failure);
        }
        self.answered.notify_all();
        stops || matches!(answer, Answer::Accepted | Answer::NotAsked)
    }

    /// Why no further task may begin, if a password turned out to be wrong.
    pub(super) fn stopped(&self) -> Option<Failure> {
        self.lock().stopped.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes which passwords a lane uses.
    fn survey(&mut self, lane: &Lane) {
        for task in &lane.tasks {
            match &task.body {
                TaskBody::Skipped => {}
                TaskBody::Deferred(_) => note(&mut self.undetermined, &lane.host),
                TaskBody::Ready(steps) => {
                    for step in steps.iter().filter(|step| !step.skip) {
                        let both = [Credential::login(step), Credential::sudo(step)];
                        for credential in both.into_iter().flatten() {
                            note(&mut self.trial(&credential).hosts, &lane.host);
                        }
                        if let Some((credential, jump_host)) = Credential::proxy(step) {
                            note(&mut self.trial(&credential).hosts, &jump_host);
                        }
                    }
                }
            }
        }
    }

    /// Whether the password is shared by many hosts, and none has accepted it yet.
    fn is_on_trial(&self, credential: &Credential) -> bool {
        let trial = self.trials.get(credential);
        let hosts = trial.map_or(&[][..], |trial| &trial.hosts);
        let others = self.undetermined.iter().filter(|host| !hosts.contains(host)).count();
        !self.off && hosts.len() + others >= MANY && trial.is_none_or(|trial| !trial.proven)
    }

    fn trial(&mut self, credential: &Credential) -> &mut Trial {
        self.trials.entry(credential.clone()).or_default()
    }
}

impl Trial {
    fn has_room(&self) -> bool {
        self.proven || self.inside <= self.extra_room
    }
}

/// Adds `host` unless it is there or the list is long enough.
fn note(hosts: &mut Vec<HostName>, host: &HostName) {
    if hosts.len() < MANY && !hosts.contains(host) {
        hosts.push(host.clone());
    }
}

fn rejected(credential: &Credential, hosts: &[HostName]) -> Failure {
    let what = match credential.purpose {
        Purpose::Login => "password",
        Purpose::Sudo => "sudo password",
        Purpose::Proxy => "`proxy_password`",
    };
    let hosts: Vec<_> = hosts.iter().map(|host| format!("`{host}`")).collect();
    Failure::new(
        ErrorCode::CanaryRejected,
        format!(
            "not run, because {} did not accept the {what} of `{}`",
            hosts.join(" and "),
            credential.username
        ),
    )
    .with_help("correct the password; `--no-canary` tries it on every host all the same")
}
