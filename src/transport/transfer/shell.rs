//! A shell on the host that computes hashes beside the SFTP server.
//!
//! `/bin/sh` reads its commands from the channel, so that the login shell has
//! nothing to quote or to expand, no path shows in a process list, and one
//! channel serves all questions of a connection.

use std::io::{Read, Write};
use std::time::Duration;

use ssh2::Channel;

use super::job::HostShell;
use super::trouble::Trouble;
use super::wire::Wire;
use crate::transport::link::Stop;

/// How long the host may take to start a shell that answers at all. A login
/// script that waits for a key would otherwise use up the whole transfer's time.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer that is read; ours are a line each.
const LONGEST_OUTPUT: usize = 64 * 1024;
/// What precedes every answer, so that greetings of login scripts are not
/// mistaken for one.
const MARK: &str = "sshoal-answer:";
/// Errors are answers of their own here, and a full error stream would block.
const PROLOGUE: &str = r#"exec 2>/dev/null
sum() {
  if command -v sha256sum >/dev/null; then sha256sum
  elif command -v shasum >/dev/null; then shasum -a 256
  elif command -v sha256 >/dev/null; then sha256
  elif command -v openssl >/dev/null; then openssl dgst -sha256 -r
  else echo none
  fi
}
sums() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"
  elif command -v shasum >/dev/null; then shasum -a 256 "$@"
  elif command -v sha256 >/dev/null; then sha256 -r "$@"
  elif command -v openssl >/dev/null; then openssl dgst -sha256 -r "$@"
  else echo none
  fi
  answer sums
}
follow() {
  if test -r "$1"; then
    exec 3<"$1"
    answer yes
    hash=$(while read -r count && test "$count" -gt 0; do dd bs="$count" count=1 <&3; done | sum)
    if test -e /dev/fd/3 && test ! "$2" -ef /dev/fd/3; then hash=; fi
    answer "$hash"
    exec 3<&-
  else answer no
  fi
}
answer() { printf 'sshoal-answer:%s\n' "$1"; }
read -r stat </proc/$$/stat
set -- ${stat##*) }
answer "ready $4"
"#;

/// What the host's shell says about a file's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sum {
    /// SHA-256 in lower-case hexadecimal.
    Known(String),
    /// The file cannot be read, or is gone.
    Unreadable,
    /// No known program computes SHA-256.
    NoTool,
}

/// What the host's shell says about the hashes of several files.
pub(super) enum Sums {
    /// Of those that can be read, in order.
    Known(Vec<String>),
    /// No known program computes SHA-256.
    NoTool,
}

/// A running `/bin/sh` on the host.
pub(super) struct Shell {
    channel: Channel,
    pending: Vec<u8>,
    output: Vec<u8>,
    /// The id of its session on the host, where the host tells.
    session: Option<u32>,
}

impl Shell {
    /// Starts a shell, where the host has one for us.
    pub(super) fn open(wire: &mut Wire<'_>) -> Result<HostShell, Trouble> {
        let mut within = wire.within(PATIENCE);
        let channel = match within.open(ssh2::Session::channel_session) {
            Ok(channel) => channel,
            Err(Stop::Refused(_)) => return Ok(HostShell::Crowded),
            Err(Stop::Deadline) if !wire.is_late() => return Ok(HostShell::Missing),
            Err(stop) => return Err(stop.into()),
        };
        match Self::greet(channel, &mut within) {
            Ok(shell) => Ok(HostShell::Running(shell)),
            Err(Trouble::Stop(Stop::Deadline)) if !wire.is_late() => Ok(HostShell::Missing),
            Err(Trouble::Stop(Stop::Refused(_)) | Trouble::Closed) => Ok(HostShell::Missing),
            Err(trouble) => Err(trouble),
        }
    }

    fn greet(mut channel: Channel, wire: &mut Wire<'_>) -> Result<Self, Trouble> {
        wire.drive(|_| channel.exec("/bin/sh"))?;
        let mut shell = Self { channel, pending: Vec::new(), output: Vec::new(), session: None };
        shell.say(PROLOGUE);
        match shell.answer(wire)?.strip_prefix("ready") {
            Some(session) => shell.session = session.trim().parse().ok(),
            None => return Err(Trouble::Closed),
        }
        Ok(shell)
    }

    /// The id of its session on the host, where the host tells.
    pub(super) fn session(&self) -> Option<u32> {
        self.session
    }

    /// Whether it still runs, as far as is known without asking.
    pub(super) fn is_alive(&mut self, wire: &mut Wire<'_>) -> bool {
        self.poke(wire).is_ok() && !self.channel.eof()
    }

    /// Gives its channel up, to be closed.
    pub(super) fn into_channel(self) -> Channel {
        self.channel
    }

    /// Runs `script`, which must call `answer` once, and waits for the answer.
    pub(super) fn ask(&mut self, wire: &mut Wire<'_>, script: &str) -> Result<String, Trouble> {
        self.say(script);
        self.say("\n");
        self.answer(wire)
    }

    /// Asks for the hashes of several files by one process. The names show in the
    /// host's process list, which those of temporary files may.
    pub(super) fn ask_sums<'p>(&mut self, paths: impl IntoIterator<Item = &'p str>) {
        self.say("sums");
        for path in paths {
            self.say(" ");
            self.say(&quoted(path));
        }
        self.say("\n");
    }

    /// What [`Shell::ask_sums`] asked for, once it is there: a hash for every file
    /// that could be read, in order, or fewer.
    pub(super) fn sums(&mut self) -> Option<Sums> {
        let end = format!("{MARK}sums\n");
        let output = &self.output;
        let at = output.windows(end.len()).position(|window| window == end.as_bytes())?;
        let text: Vec<u8> = self.output.drain(..at + end.len()).take(at).collect();
        let text = String::from_utf8_lossy(&text);
        // A name with a newline or a backslash is shown escaped, behind a backslash.
        let words = text
            .lines()
            .filter_map(|line| line.strip_prefix('\\').unwrap_or(line).split_whitespace().next());
        let words: Vec<_> = words.collect();
        if words == ["none"] {
            return Some(Sums::NoTool);
        }
        let sums = words.into_iter().filter(|word| is_sum(word));
        Some(Sums::Known(sums.map(str::to_ascii_lowercase).collect()))
    }

    /// Asks for the hash of the file at `path`, or of its first `prefix` bytes.
    /// The host computes while this side does something else.
    pub(super) fn ask_sum(&mut self, path: &str, prefix: Option<u64>) {
        let path = quoted(path);
        self.say(&match prefix {
            None => format!("answer \"$(sum <{path})\"\n"),
            Some(count) => {
                format!("answer \"$(test -r {path} && head -c {count} <{path} | sum)\"\n")
            }
        });
    }

    /// Waits for what [`Shell::ask_sum`] asked for.
    pub(super) fn sum(&mut self, wire: &mut Wire<'_>) -> Result<Sum, Trouble> {
        let answer = self.answer(wire)?;
        // `sha256sum` adds the file's name, BSD's `sha256` nothing.
        let word = answer.split_whitespace().next().unwrap_or_default();
        Ok(match word {
            "none" => Sum::NoTool,
            _ if is_sum(word) => Sum::Known(word.to_ascii_lowercase()),
            _ => Sum::Unreadable,
        })
    }

    /// Makes the host hash the file at `path` piece by piece, as
    /// [`Shell::announce`] allows; [`Shell::sum`] then gives the hash, if that file
    /// is at `last_path` by then.
    pub(super) fn follow(
        &mut self,
        wire: &mut Wire<'_>,
        path: &str,
        last_path: &str,
    ) -> Result<bool, Trouble> {
        self.say(&format!("follow {} {}\n", quoted(path), quoted(last_path)));
        // Until the answer is here nothing more may be sent: the shell reads its
        // commands in blocks, and would swallow what is meant for the loop.
        Ok(self.answer(wire)? == "yes")
    }

    /// Tells a following host that so many more bytes are there; 0 ends the file.
    pub(super) fn announce(&mut self, count: u64) {
        self.say(&format!("{count}\n"));
    }

    /// Whether `path` is a regular file of our own that no symbolic link leads to.
    /// A temporary file that somebody else laid there must not be continued.
    pub(super) fn is_own(&mut self, wire: &mut Wire<'_>, path: &str) -> Result<bool, Trouble> {
        let path = quoted(path);
        self.say(&format!(
            "if test -f {path} && test ! -h {path} && test -O {path}; then answer yes; else answer no; fi\n"
        ));
        Ok(self.answer(wire)? == "yes")
    }

    /// Copies the first `count` bytes of `from` to `to`, which must not exist.
    pub(super) fn copy(
        &mut self,
        wire: &mut Wire<'_>,
        from: &str,
        to: &str,
        count: u64,
    ) -> Result<bool, Trouble> {
        let (from, to) = (quoted(from), quoted(to));
        self.say(&format!(
            "if (set -C; umask 077; head -c {count} <{from} >{to}); then answer yes; else answer no; fi\n"
        ));
        Ok(self.answer(wire)? == "yes")
    }

    fn say(&mut self, text: &str) {
        self.pending.extend_from_slice(text.as_bytes());
    }

    /// Hands pending commands to the channel as far as it takes them, and takes
    /// what has arrived; tells whether anything moved.
    pub(super) fn poke(&mut self, wire: &mut Wire<'_>) -> Result<bool, Trouble> {
        let mut progress = false;
        if !self.pending.is_empty() {
            let written = wire.write(|| self.channel.write(&self.pending));
            if let Some(count) = wire.moved(written)? {
                self.pending.drain(..count);
                progress = true;
            }
        }
        let mut buffer = [0; 4096];
        loop {
            let read = wire.read(|| self.channel.read(&mut buffer));
            let Some(count) = wire.moved(read)? else { return Ok(progress) };
            self.output.extend_from_slice(&buffer[..count]);
            progress = true;
            if self.output.len() > LONGEST_OUTPUT {
                return Err(Trouble::Closed);
            }
        }
    }

    fn answer(&mut self, wire: &mut Wire<'_>) -> Result<String, Trouble> {
        loop {
            while let Some(end) = self.output.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.output.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some((_, answer)) = line.trim_end().split_once(MARK) {
                    return Ok(answer.to_owned());
                }
            }
            wire.check()?;
            if !self.poke(wire)? {
                if self.channel.eof() {
                    return Err(Trouble::Closed);
                }
                wire.wait()?;
            }
        }
    }
}

fn is_sum(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
