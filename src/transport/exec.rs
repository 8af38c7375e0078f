//! Runs one command on one channel: drains both streams alternately, answers
//! sudo, and notices every way in which a command can end.

mod outcome;
mod streams;

use std::time::Instant;

use ssh2::Channel;
use zeroize::Zeroizing;

use super::Cancel;
use super::bootstrap::Launch;
use super::capture::Capture;
use super::channels::send;
use super::connection::SshConnection;
use super::link::{Deadline, Stop};
use super::password::PasswordUse;
use super::prompt::{Gate, Stage};
use super::watch::{Exit, Watch};
use crate::secret::Secret;

pub(super) use outcome::{Elevation, End, Ran};
use outcome::{has_exited, refused};

/// What is read at a time unless `bufsize` says otherwise.
const READ_SIZE: usize = 32 * 1024;
/// How many reads are made before deadline and cancel flag are looked at again.
const READS_IN_A_ROW: usize = 32;

/// What the server refuses when it has no channel for a command.
const CHANNEL: &str = "a channel";

/// The limits of one command.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// When to give up.
    pub(super) deadline: Deadline,
    /// Tells to give up.
    pub(super) cancel: &'a Cancel,
    /// Read size in bytes; `None` is [`READ_SIZE`].
    pub(super) read_size: Option<usize>,
    /// How many bytes of each stream to keep.
    pub(super) max_output: usize,
    /// How many bytes the command may print altogether before it is given up.
    pub(super) believable: Option<u64>,
}

/// sudo's password, and who is told of its use.
pub(super) type SudoPassword<'a> = (&'a Secret, &'a PasswordUse<'a>);

/// Runs `launch`. With `more`, the next command's channel is opened meanwhile.
pub(super) fn run(
    connection: &mut SshConnection,
    launch: Launch,
    password: Option<SudoPassword<'_>>,
    more: bool,
    limits: &Limits<'_>,
) -> Ran {
    run_into(connection, launch, password, more, limits, Capture::new(limits.max_output))
}

/// As [`run`], with a place for standard output.
pub(super) fn run_into(
    connection: &mut SshConnection,
    launch: Launch,
    password: Option<SudoPassword<'_>>,
    more: bool,
    limits: &Limits<'_>,
    out: Capture,
) -> Ran {
    let mut run = Run {
        out,
        err: Capture::new(limits.max_output),
        gate: Gate::new(launch.stages.clone()),
        pending: Zeroizing::default(),
        written: 0,
        eof: Eof::Later,
        buffer: vec![0; limits.read_size.unwrap_or(READ_SIZE).clamp(1, 1 << 20)],
        asked: false,
        elevation: Elevation::Pending,
        late: false,
        looks: 0,
        runs: false,
        began: Instant::now(),
        progress: Instant::now(),
        connection,
        launch,
        usage: password.map(|(_, usage)| usage),
        password: password.map(|(secret, _)| secret),
        more,
        limits: *limits,
    };
    let (end, channel) = run.carry_out();
    let Run { mut gate, mut out, mut err, launch, mut elevation, asked, .. } = run;
    if launch.stages.iter().any(|stage| matches!(stage, Stage::Words { .. })) {
        elevation = Elevation::Untold { asked };
    }
    let said = gate.finish(if launch.pty { &mut out } else { &mut err });
    Ran { out, err, said, end, elevation, channel }
}

struct Run<'a> {
    connection: &'a mut SshConnection,
    launch: Launch,
    /// The password until sudo is given it.
    password: Option<&'a Secret>,
    usage: Option<&'a PasswordUse<'a>>,
    more: bool,
    limits: Limits<'a>,
    out: Capture,
    err: Capture,
    gate: Gate,
    /// What is still to be written to standard input.
    pending: Zeroizing<Vec<u8>>,
    written: usize,
    eof: Eof,
    buffer: Vec<u8>,
    /// Whether sudo has been given the password.
    asked: bool,
    elevation: Elevation,
    /// Whether it is too late to give sudo the password.
    late: bool,
    /// How often the host was asked early whether sudo runs the command.
    looks: usize,
    /// Whether sudo was seen to run something then.
    runs: bool,
    began: Instant,
    /// When sudo last did something that was expected of it.
    progress: Instant,
}

/// The end of the command's standard input.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Eof {
    Later,
    Due,
    Sent,
}

impl Run<'_> {
    fn carry_out(&mut self) -> (End, Option<Channel>) {
        let Limits { deadline, cancel, .. } = self.limits;
        let mut channel = match self.connection.take_channel(deadline, cancel) {
            Ok(channel) => channel,
            Err(stop) => return (refused(CHANNEL, stop), None),
        };
        let end = match self.start(&mut channel) {
            Ok(()) => self.drain_to_the_end(&mut channel),
            Err(end) => end,
        };
        if let End::Stopped(_) = end {
            return (end, Some(channel));
        }
        self.connection.retire(channel);
        (end, None)
    }

    /// Sends the requests that start the command; the answer to the last of them
    /// is not waited for.
    fn start(&mut self, channel: &mut Channel) -> Result<(), End> {
        let Limits { deadline, cancel, .. } = self.limits;
        if self.launch.pty {
            self.connection
                .link
                .drive(deadline, cancel, |_| {
                    channel.request_pty("dumb", Some(streams::modes()), None)
                })
                .map_err(|stop| refused("a pseudo-terminal", stop))?;
        }
        if !self.gate.is_waiting() {
            self.pending.append(&mut self.launch.payload);
            // Without a password nothing will ever be written, so that sudo asks
            // in vain and says so at once.
            if !self.gate.may_ask() || self.password.is_none() {
                self.end_input();
            }
        }
        Ok(())
    }

    fn drain_to_the_end(&mut self, channel: &mut Channel) -> End {
        match self.drain_streams(channel) {
            Ok(end) => end,
            Err(stop) => refused("to run the command", stop),
        }
    }

    fn drain_streams(&mut self, channel: &mut Channel) -> Result<End, Stop> {
        let (mut stdout, mut stderr) = (channel.stream(0), channel.stderr());
        let mut started = false;
        let mut watch = Watch::new(!self.launch.pty && self.connection.can_look);
        loop {
            // Asked anew each time: waiting for other hosts moves the deadline.
            let Limits { deadline, cancel, .. } = self.limits;
            if cancel.is_cancelled() || self.out.is_broken() {
                return Err(Stop::Cancelled);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Stop::Deadline);
            }
            let mut heard = self.is_readable();
            if !started {
                let link = &mut self.connection.link;
                let line = &self.launch.line;
                started = send(link, deadline, cancel, |_| channel.exec(line))?.is_some();
                heard = false;
            }
            self.write(channel)?;
            if self.more {
                let SshConnection { link, channels, .. } = &mut *self.connection;
                heard &= !channels.prepare(link, deadline, cancel)?;
            }
            let mut trouble = None;
            let mut read = 0;
            for _ in 0..READS_IN_A_ROW {
                let out = self.read(&mut stdout, !self.launch.pty, &mut trouble, false)?;
                let err = self.read(&mut stderr, self.launch.pty, &mut trouble, true)?;
                self.widen(channel)?;
                read += out + err;
                if out + err == 0 || trouble.is_some() {
                    break;
                }
            }
            if let Some(trouble) = trouble.or_else(|| self.lost_patience()) {
                return Ok(End::Trouble(trouble));
            }
            let printed = self.out.total() + self.err.total();
            if self.limits.believable.is_some_and(|most| printed > most) {
                return Err(Stop::Deadline); // Waiting on would be of no use.
            }
            if channel.eof() {
                self.connection.link.drive(deadline, cancel, |_| channel.wait_close())?;
                return Ok(self.ending(channel));
            }
            if started && !self.gate.is_waiting() {
                let exit = has_exited(channel);
                match watch.observe(read, heard, exit) {
                    Exit::Known => return Ok(self.ending(channel)),
                    Exit::Likely => match self.connection.has_gone(deadline, cancel) {
                        Some(true) => watch.has_exited(),
                        Some(false) => watch.goes_on(),
                        None => watch.give_up(),
                    },
                    Exit::Unlikely => {}
                }
            }
            // Whatever was found changes what to write; otherwise sleep.
            let to_write = self.written < self.pending.len() || self.eof == Eof::Due;
            if read == 0 && !(started && to_write && channel.write_window().remaining > 0) {
                self.connection.link.wait(deadline, cancel)?;
            }
        }
    }

    /// The exit that the server reported.
    fn ending(&mut self, channel: &Channel) -> End {
        if self.gate.is_waiting() && self.is_elevated() {
            return End::NotStarted;
        }
        if let Ok(signal) = channel.exit_signal()
            && let Some(name) = signal.exit_signal
        {
            return End::Signalled(name);
        }
        End::Exited(channel.exit_status().unwrap_or_default())
    }

    fn is_elevated(&self) -> bool {
        self.launch.stages.iter().any(|stage| matches!(stage, Stage::Elevate { .. }))
    }
}
