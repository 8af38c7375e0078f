//! An open session as a [`Connection`]: runs commands, moves files, and turns
//! what the engine found into results and failures.

use std::time::{Duration, Instant};

use ssh2::Channel;

use super::bootstrap::Launch;
use super::channels::{Channels, Refusal};
use super::exec::{self, Elevation, End, Limits, Ran};
use super::fate::Fate;
use super::link::{Deadline, Link, Stop};
use super::password::{PasswordUse, PasswordWatch, Purpose};
use super::siblings::Left;
use super::transfer::TransferSession;
use super::{
    Cancel, Comparison, Connection, Ending, Execution, Transferred, elevated, siblings, sudo,
};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::{ExecOptions, SudoSpec, TransferSpec};

/// A session over libssh2.
pub(super) struct SshConnection {
    pub(super) link: Link,
    pub(super) channels: Channels,
    /// Whether the host tells which commands still run, as far as is known.
    pub(super) can_look: bool,
    /// What transfers share.
    pub(super) transfers: TransferSession,
}

impl SshConnection {
    /// Takes an authenticated link.
    pub(super) fn new(link: Link) -> Self {
        let transfers = TransferSession::default();
        Self { link, channels: Channels::new(), can_look: true, transfers }
    }

    /// Whether the running command has exited; `None` when the host does not tell,
    /// and then it is not asked again.
    pub(super) fn has_gone(&mut self, deadline: Deadline, cancel: &Cancel) -> Option<bool> {
        let gone = siblings::has_gone(self, deadline, cancel);
        let interrupted =
            cancel.is_cancelled() || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.can_look &= gone.is_some() || interrupted;
        gone
    }

    /// Closes a channel without waiting for the server.
    pub(super) fn retire(&mut self, channel: Channel) {
        // The result is there already; no cancel flag may get between.
        let patience = if self.link.answers() { Duration::from_secs(1) } else { Duration::ZERO };
        let soon = Some(Instant::now() + patience);
        self.channels.retire(channel, &mut self.link, soon, &Cancel::default());
    }

    /// A channel for a command. What transfers keep counts towards the server's
    /// `MaxSessions`, and makes room where that is too low for both.
    pub(super) fn take_channel(
        &mut self,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<Channel, Stop> {
        let Self { link, channels, transfers, .. } = self;
        let refusal = if transfers.holds_channels() { Refusal::Stands } else { Refusal::MayPass };
        let taken = channels.take(link, refusal, deadline, cancel);
        match taken {
            Err(Stop::Refused(_)) if self.end_transfers() => {
                self.channels.take(&mut self.link, Refusal::MayPass, deadline, cancel)
            }
            taken => taken,
        }
    }

    /// Closes what transfers keep open; tells whether there was anything.
    fn end_transfers(&mut self) -> bool {
        let channels = self.transfers.end();
        let any = !channels.is_empty();
        channels.into_iter().for_each(|channel| self.retire(channel));
        any
    }

    /// Ends a command that was given up, and closes its channel. Says what came of
    /// it, and what the user should know.
    pub(super) fn give_up(
        &mut self,
        channel: Channel,
        options: &ExecOptions,
        elevation: Elevation,
        passwords: &dyn PasswordWatch,
    ) -> (Fate, Option<String>) {
        // A host that does not answer could only be waited for in vain.
        let answers = self.link.answers();
        let elevation = match answers {
            true => siblings::how_far(self, elevation),
            false => Some(elevation),
        };
        if options.sudo.is_some() && elevation == Some(Elevation::Pending) {
            // Nothing of root's runs, and sudo itself ends when nobody is there to
            // answer it. Another one must not be given a password that this one has
            // not accepted.
            self.retire(channel);
            let ended = answers && siblings::end_own(self) == Left::Nothing;
            let warning = "sudo had not started the command, and could not be ended on the host";
            return (Fate::NotStarted, (!ended).then(|| warning.to_owned()));
        }
        let left = match answers {
            true => siblings::end(self, options, elevation, passwords),
            false => Left::Unknown,
        };
        self.retire(channel);
        let fate = match left {
            Left::Nothing => Fate::Ended,
            Left::Some(ids) if siblings::are_gone(self, &ids) => Fate::Ended,
            Left::Some(_) => Fate::Runs,
            Left::Untold => Fate::Untold,
            Left::Unknown => Fate::Unknown,
        };
        (fate, fate.warning().map(str::to_owned))
    }
}

impl Connection for SshConnection {
    fn execute_watched(
        &mut self,
        line: &str,
        options: &ExecOptions,
        more: bool,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Execution {
        let began = Instant::now();
        let limits = Limits {
            deadline: options.timeout.and_then(|timeout| began.checked_add(timeout)),
            cancel,
            read_size: options.read_size,
            max_output: options.max_output,
            believable: None,
        };
        let secret = options.sudo.as_ref().and_then(|sudo| sudo.password.as_ref());
        let usage = PasswordUse::new(passwords, Purpose::Sudo);
        let password = secret.map(|secret| (secret, &usage));
        let launch = Launch::new(line, options);
        let prompt = launch.prompt_of_words().map(str::to_owned);
        let ran = exec::run(self, launch, password, more, &limits);
        let Ran { mut out, mut err, said, end, elevation, channel } = ran;
        let stream = if options.pty { &mut out } else { &mut err };
        let mut warnings = Vec::new();
        let ending = match end {
            End::Exited(status) => {
                match refused_words(options, stream.head()).filter(|_| status != 0) {
                    Some(failure) => {
                        prompt.into_iter().for_each(|prompt| stream.cut(prompt.as_bytes()));
                        Ending::Failed(failure)
                    }
                    None => Ending::Exited(status),
                }
            }
            End::Signalled(name) => Ending::Signalled(name),
            End::NotStarted => {
                let text = String::from_utf8_lossy(&said);
                stream.push(&said);
                Ending::Failed(sudo::refusal(&text, &sudo_of(options)))
            }
            End::Trouble(trouble) => {
                stream.push(&said);
                Ending::Failed(sudo::trouble(trouble, &sudo_of(options)))
            }
            End::Refused(what, error) => Ending::Failed(
                Failure::new(
                    ErrorCode::ChannelRefused,
                    format!("the server refused {what}: {}", error.message()),
                )
                .with_help("check `MaxSessions`, `PermitTTY` and `ForceCommand` on the server"),
            ),
            End::Stopped(stop) => {
                let mut fate = Fate::NotStarted;
                if let (Stop::Deadline | Stop::Cancelled, Some(channel)) = (&stop, channel) {
                    let warning;
                    (fate, warning) = self.give_up(channel, options, elevation, passwords);
                    warnings.extend(warning);
                }
                Ending::Failed(fate.failure(stop, options.timeout))
            }
        };
        match &ending {
            Ending::Failed(failure) if failure.code == ErrorCode::SudoAuthFailed => {
                usage.rejected();
            }
            Ending::Exited(_) | Ending::Signalled(_) if secret.is_some() => usage.succeeded(),
            _ => {}
        }
        let duration = began.elapsed();
        Execution { output: out.finish(), error: err.finish(), ending, duration, warnings }
    }

    fn compare(
        &mut self,
        spec: &TransferSpec,
        contents: bool,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<Comparison, Failure> {
        elevated::compare(self, spec, contents, passwords, cancel)
    }

    fn is_alive(&mut self) -> bool {
        !self.link.has_hung_up()
    }

    fn transfer_watched(
        &mut self,
        spec: &TransferSpec,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Result<Transferred, Failure> {
        let soon = Instant::now() + Duration::from_secs(5);
        self.channels.settle(&mut self.link, Some(soon), cancel);
        match &spec.sudo {
            Some(sudo) => elevated::run(self, spec, sudo, passwords, cancel),
            None => self.transfers.run(&mut self.link, spec, cancel),
        }
    }
}

/// The failure that sudo's own words tell, where nothing else tells them from the
/// command's.
fn refused_words(options: &ExecOptions, said: &[u8]) -> Option<Failure> {
    let spec = options.sudo.as_ref().filter(|sudo| !sudo.shell)?;
    let text = String::from_utf8_lossy(said);
    let own = |line: &str| line.contains("sudo") || line.starts_with("Sorry, ");
    let words: Vec<_> = text.lines().filter(|line| own(line)).collect();
    sudo::known_refusal(&words.join("\n"), spec)
}

fn sudo_of(options: &ExecOptions) -> SudoSpec {
    options.sudo.clone().unwrap_or(SudoSpec { password: None, user: None, shell: true })
}
