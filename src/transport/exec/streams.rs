//! The streams of a running command: what is read, and what is written in answer.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use ssh2::{Channel, PtyModeOpcode, PtyModes, Stream};
use zeroize::Zeroize;

use super::super::channels::send;
use super::super::link::{EAGAIN, Sent, Stop, timespec};
use super::super::password::PasswordUse;
use super::super::prompt::Seen;
use super::super::siblings::{self, Sudo};
use super::super::sudo::{ANSWER_PATIENCE, EARLY_LOOKS, PATIENCE, Trouble, WORDS_PATIENCE};
use super::{Elevation, Eof, Limits, Run};

impl Run<'_> {
    /// Ends the command's standard input once everything is written.
    pub(super) fn end_input(&mut self) {
        // A channel's end-of-file never reaches a terminal; commands on one read
        // /dev/null instead.
        if self.eof == Eof::Later && !self.launch.pty && !self.launch.stdin_open {
            self.eof = Eof::Due;
        }
    }

    pub(super) fn write(&mut self, channel: &mut Channel) -> Result<(), Stop> {
        let Limits { deadline, cancel, .. } = self.limits;
        while self.written < self.pending.len() {
            let rest = &self.pending[self.written..];
            let link = &mut self.connection.link;
            let wrote = send(link, deadline, cancel, |link| {
                let sent = channel.write(rest).map(Sent);
                sent.map_err(|error| error_of(link.session(), &error))
            })?;
            match wrote {
                // The server's window is full; it will say when there is room.
                None | Some(Sent(0)) => return Ok(()),
                Some(Sent(count)) => self.written += count,
            }
        }
        if self.written > 0 {
            self.pending.zeroize();
            self.written = 0;
        }
        if self.eof == Eof::Due {
            send(&mut self.connection.link, deadline, cancel, |_| channel.send_eof())?;
            self.eof = Eof::Sent;
        }
        Ok(())
    }

    /// Reads what has arrived on one stream, at most one buffer of it.
    pub(super) fn read(
        &mut self,
        stream: &mut Stream,
        direct: bool,
        trouble: &mut Option<Trouble>,
        is_error: bool,
    ) -> Result<usize, Stop> {
        let Limits { deadline, cancel, .. } = self.limits;
        let buffer = &mut self.buffer;
        let link = &mut self.connection.link;
        let read = send(link, deadline, cancel, |link| {
            stream.read(buffer).map_err(|error| error_of(link.session(), &error))
        })?;
        let count = read.unwrap_or(0);
        let out = if is_error { &mut self.err } else { &mut self.out };
        if direct {
            out.push(&self.buffer[..count]);
        } else if count > 0 {
            let mut seen = self.gate.feed(&self.buffer[..count], out);
            while let Some(what) = seen {
                if what == Seen::Prompt && self.gate.is_in_doubt() && self.is_the_commands() {
                    let out = if is_error { &mut self.err } else { &mut self.out };
                    self.gate.disown(out);
                    self.expect_no_prompt();
                    break;
                }
                *trouble = trouble.or(self.answer(what));
                let out = if is_error { &mut self.err } else { &mut self.out };
                seen = self.gate.feed(b"", out);
            }
        }
        Ok(count)
    }

    fn answer(&mut self, seen: Seen) -> Option<Trouble> {
        let answer = self.answer_to(seen);
        self.progress = Instant::now();
        answer
    }

    fn answer_to(&mut self, seen: Seen) -> Option<Trouble> {
        match (seen, self.password.take()) {
            // Once the run is cancelled, that is what ends the command.
            (Seen::Prompt, Some(_)) if !self.may_send() => {
                (!self.limits.cancel.is_cancelled()).then_some(Trouble::Withheld)
            }
            (Seen::Prompt, Some(password)) => {
                self.asked = true;
                self.pending.extend_from_slice(password.reveal().as_bytes());
                self.pending.push(b'\n');
                if !self.gate.is_waiting() {
                    self.end_input();
                }
                None
            }
            (Seen::Prompt, None) if self.asked => Some(Trouble::WrongPassword),
            (Seen::Prompt, None) if self.late => Some(Trouble::Late),
            (Seen::Prompt, None) => Some(Trouble::NoPassword),
            (Seen::Ready, password) => {
                self.password = password;
                self.pending.append(&mut self.launch.payload);
                None
            }
            (Seen::Started, _) => {
                self.elevation = if self.asked { Elevation::Proven } else { Elevation::Free };
                self.has_begun();
                self.pending.append(&mut self.launch.payload);
                self.end_input();
                None
            }
        }
    }

    pub(super) fn lost_patience(&mut self) -> Option<Trouble> {
        if self.gate.is_waiting() && self.is_elevated() && self.progress.elapsed() >= PATIENCE {
            return Some(Trouble::Silent);
        }
        if self.gate.may_ask() && self.progress.elapsed() >= WORDS_PATIENCE {
            self.progress = Instant::now();
            if self.look_at_sudo() == Some(Sudo::Waits) {
                return (self.began.elapsed() >= PATIENCE).then_some(Trouble::Silent);
            }
            self.give_up_asking();
        } else if self.may_look_early() {
            self.looks += 1;
            // What sudo ran once may have been a helper of PAM's.
            let runs = self.look_at_sudo() == Some(Sudo::Runs);
            if std::mem::replace(&mut self.runs, runs) && runs {
                self.give_up_asking();
            }
        }
        // Where nothing tells that the command began, silence does: a wrong password
        // is answered by another prompt.
        if self.asked && !self.gate.is_waiting() && self.progress.elapsed() >= ANSWER_PATIENCE {
            self.has_begun();
        }
        None
    }

    /// Whether to look already if a sudo that has not asked runs the command, whose input
    /// is open for as long as that is not known.
    fn may_look_early(&self) -> bool {
        let is_open = self.password.is_some() && !self.launch.pty;
        let due = EARLY_LOOKS.get(self.looks).is_some_and(|at| self.progress.elapsed() >= *at);
        is_open && due && self.gate.may_ask()
    }

    /// sudo does not seem to ask.
    fn give_up_asking(&mut self) {
        let out = if self.launch.pty { &mut self.out } else { &mut self.err };
        self.gate.give_up_asking(out);
        self.late = self.password.is_some() && !self.launch.pty;
        self.expect_no_prompt();
    }

    /// How far sudo is, if the host tells.
    fn look_at_sudo(&mut self) -> Option<Sudo> {
        let Limits { deadline, cancel, .. } = self.limits;
        match self.connection.can_look {
            true => siblings::look_at_sudo(self.connection, deadline, cancel),
            false => None,
        }
    }

    /// Whether a prompt is the command's own. A sudo that was given the wrong password
    /// and finds no further one may have ended by the time it is looked for.
    fn is_the_commands(&mut self) -> bool {
        match self.look_at_sudo() {
            Some(Sudo::Runs) => true,
            Some(Sudo::Gone) => !self.asked,
            Some(Sudo::Waits) | None => false,
        }
    }

    /// The command runs, as far as can be known: it gets no input. On a terminal, which
    /// it does not read from, a late sudo can still be answered.
    fn expect_no_prompt(&mut self) {
        self.has_begun();
        if !self.launch.pty {
            self.password = None;
            self.end_input();
        }
    }

    /// Whether sudo may be given the password; waits until that is known. The wait is
    /// no fault of the command's.
    fn may_send(&mut self) -> bool {
        let Some(usage) = self.usage else { return true };
        let may_send = usage.may_send();
        let deadline = self.limits.deadline;
        self.limits.deadline = deadline.and_then(|at| at.checked_add(usage.waited()));
        may_send
    }

    /// sudo has let the command begin.
    fn has_begun(&self) {
        self.usage.into_iter().for_each(PasswordUse::succeeded);
    }

    /// Keeps the receive window wide: libssh2 itself lets it shrink to the size of
    /// one read before it widens it by as much, which is one read per round trip.
    pub(super) fn widen(&mut self, channel: &mut Channel) -> Result<(), Stop> {
        let Limits { deadline, cancel, .. } = self.limits;
        let window = channel.read_window();
        if window.remaining < window.window_size_initial / 2 {
            let more = u64::from(window.window_size_initial - window.remaining);
            send(&mut self.connection.link, deadline, cancel, |_| {
                channel.adjust_receive_window(more, true).map(|_| Sent(0))
            })?;
        }
        Ok(())
    }

    /// Whether something has arrived that libssh2 has not seen.
    pub(super) fn is_readable(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.connection.link.socket(), PollFlags::IN)];
        let now = timespec(Duration::ZERO);
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

/// No echo, so that no password comes back, and no carriage returns.
pub(super) fn modes() -> PtyModes {
    let mut modes = PtyModes::new();
    modes.set_boolean(PtyModeOpcode::ECHO, false);
    modes.set_boolean(PtyModeOpcode::OPOST, false);
    modes.set_boolean(PtyModeOpcode::ONLCR, false);
    modes
}

/// The libssh2 error behind an [`io::Error`], which keeps only its text.
fn error_of(session: &ssh2::Session, error: &io::Error) -> ssh2::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        return ssh2::Error::from_errno(ssh2::ErrorCode::Session(EAGAIN));
    }
    ssh2::Error::last_session_error(session).unwrap_or_else(ssh2::Error::unknown)
}
