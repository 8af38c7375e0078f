//! Runs the real `sshoal` binary and judges what it did.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::Report;
use super::forbidden::{Files, secret_in_variable, secrets_in, secrets_in_file};
use super::processes::{descendants, kill_all, wait_until};

/// One invocation of `sshoal`, in a clean environment, with an empty directory
/// as its HOME and working directory.
///
/// What is expected is said before [`Sshoal::run`], which compares it. The secrets of
/// the request, of the files and of the variables that it is given are searched for
/// in everything that it prints and writes.
#[must_use = "an invocation does nothing until `run`"]
pub(crate) struct Sshoal {
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    limit: Duration,
    home: TempDir,
    /// Where it is run; `None` is the home directory.
    directory: Option<PathBuf>,
    files: Option<u32>,
    on_terminal: bool,
    off_terminal: bool,
    wrapper: Vec<OsString>,
    forbidden: Vec<String>,
    shown: Vec<String>,
    status: Option<i32>,
    stdout: Option<String>,
    stderr: Option<String>,
}

impl Sshoal {
    /// An invocation without arguments: empty stdin, colours off, 60 seconds.
    pub(crate) fn new() -> Self {
        Self {
            args: Vec::new(),
            envs: vec![("NO_COLOR".into(), "1".into())],
            stdin: Vec::new(),
            limit: Duration::from_secs(60),
            home: super::directory("home"),
            directory: None,
            files: None,
            on_terminal: false,
            off_terminal: false,
            wrapper: Vec::new(),
            forbidden: Vec::new(),
            shown: Vec::new(),
            status: None,
            stdout: None,
            stderr: None,
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Runs it in this directory.
    pub(crate) fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets an environment variable; the rest of this process's environment is
    /// not handed on, `PATH` aside.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        let (name, value) = (name.into(), value.into());
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
            self.forbidden.extend(secret_in_variable(name, value));
        }
        self.envs.push((name, value));
        self
    }

    /// Takes `NO_COLOR` away, which is set otherwise.
    pub(crate) fn colours_allowed(mut self) -> Self {
        self.envs.retain(|(name, _)| name != "NO_COLOR");
        self
    }

    /// What stdin holds.
    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Lets this be seen, although it stands where a secret does: the test is about
    /// that, or it says the same as something that is no secret.
    pub(crate) fn shows(mut self, secret: &str) -> Self {
        self.shown.push(secret.to_owned());
        self
    }

    /// How long it may take. An overrun ends it and fails the test.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it on a terminal. Each prompt there is answered as soon as it has been
    /// shown and the terminal echoes no more; the rest of its output is on stdout.
    pub(crate) fn terminal(mut self, dialogue: &[(&str, &str)]) -> Self {
        let answers = dialogue.iter().map(|(_, answer)| (*answer).to_owned());
        self.forbidden.extend(answers.filter(|answer| !answer.is_empty()));
        self.on_terminal = true;
        self.stdin(serde_json::to_string(dialogue).unwrap())
    }

    /// Runs it in a session that has no terminal, whoever runs the tests.
    pub(crate) fn without_terminal(mut self) -> Self {
        self.off_terminal = true;
        self
    }

    /// How many files it may have open, by the system's hard limit.
    pub(crate) fn files_at_most(mut self, count: u32) -> Self {
        self.files = Some(count);
        self
    }

    /// Runs it by another program, such as `timeout 5`.
    pub(crate) fn under<S: Into<OsString>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.wrapper = words.into_iter().map(Into::into).collect();
        self
    }

    /// Writes a file below HOME, making its directories.
    pub(crate) fn file(mut self, relative: &str, content: impl AsRef<[u8]>) -> Self {
        self.forbidden.extend(secrets_in_file(relative, content.as_ref()));
        let path = self.home.path().join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Writes `~/.ssh/known_hosts`.
    pub(crate) fn known_hosts(self, lines: &str) -> Self {
        self.file(".ssh/known_hosts", lines)
    }

    /// `sshoal request - -o json` with this request on stdin.
    pub(crate) fn request(mut self, request: &Value) -> Self {
        self.forbidden.extend(secrets_in(request));
        self.args(["request", "-", "-o", "json"]).stdin(request.to_string())
    }

    /// The directory that is HOME and the working directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A further secret that must appear nowhere in the output or in a file under HOME
    /// that is new or has changed.
    pub(crate) fn forbid(mut self, secret: &str) -> Self {
        assert!(!secret.is_empty(), "an empty secret is in every output");
        self.forbidden.push(secret.to_owned());
        self
    }

    /// The exit status to expect.
    pub(crate) fn status(mut self, status: i32) -> Self {
        self.status = Some(status);
        self
    }

    /// All of stdout to expect.
    pub(crate) fn stdout(mut self, text: impl Into<String>) -> Self {
        self.stdout = Some(text.into());
        self
    }

    /// All of stderr to expect.
    pub(crate) fn stderr(mut self, text: impl Into<String>) -> Self {
        self.stderr = Some(text.into());
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it overruns its limit, does something else than expected, or shows a
    /// forbidden text. The message has everything that it printed.
    pub(crate) fn run(self) -> Finished {
        self.start().wait()
    }

    /// Starts it and returns while it runs.
    pub(crate) fn start(self) -> Running {
        let program = env!("CARGO_BIN_EXE_sshoal");
        let mut words = self.wrapper.clone();
        if let Some(count) = self.files {
            words.extend(["prlimit".into(), format!("--nofile={count}:{count}").into()]);
        }
        if self.on_terminal {
            words.extend(["python3".into(), "-c".into(), include_str!("terminal.py").into()]);
        }
        if self.off_terminal {
            words.extend(["setsid".into(), "--wait".into()]);
        }
        words.push(program.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let before = Files::below(self.home.path());
        let mut child = command
            .args(&self.args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.as_deref().unwrap_or(self.home.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.stdin.clone();
        // It may end without reading, so a broken pipe is no error here.
        thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let child = Alive(child);
        Running { child, stdout, stderr, started: Instant::now(), before, invocation: self }
    }
}

/// A `sshoal` that runs; it is killed when this is dropped.
#[must_use = "dropping it kills it"]
pub(crate) struct Running {
    child: Alive,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    started: Instant,
    before: Files,
    invocation: Sshoal,
}

/// A process that ends with its handle, and with it those that it has started.
struct Alive(Child);

impl Alive {
    fn kill(&mut self) {
        let children = descendants(self.0.id());
        let _ = self.0.kill();
        kill_all(&children);
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.kill();
            let _ = self.0.wait();
        }
    }
}

impl Running {
    /// The process id, to send it signals.
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits for its end and compares: see [`Sshoal::run`].
    pub(crate) fn wait(mut self) -> Finished {
        let limit = self.invocation.limit;
        let in_time = wait_until(limit, || self.child.0.try_wait().unwrap().is_some());
        let duration = self.started.elapsed();
        if !in_time {
            self.child.kill();
        }
        let status = self.child.0.wait().unwrap();
        let finished = Finished {
            status: status.code(),
            stdout: String::from_utf8_lossy(&self.stdout.join().unwrap()).into_owned(),
            stderr: String::from_utf8_lossy(&self.stderr.join().unwrap()).into_owned(),
            duration,
            home: self.invocation.home,
        };
        assert!(in_time, "sshoal ran longer than {limit:?}\n{}", finished.transcript());
        let new: Vec<_> = Files::below(finished.home()).new_since(&self.before).collect();
        let shown = &self.invocation.shown;
        for secret in self.invocation.forbidden.iter().filter(|secret| !shown.contains(secret)) {
            finished.expect_nowhere(secret, &new);
        }
        if let Some(status) = self.invocation.status {
            finished.expect_status(status);
        }
        let transcript = finished.transcript();
        if let Some(expected) = &self.invocation.stdout {
            assert_eq!(expected, &finished.stdout, "stdout differs\n{transcript}");
        }
        if let Some(expected) = &self.invocation.stderr {
            assert_eq!(expected, &finished.stderr, "stderr differs\n{transcript}");
        }
        finished
    }
}

/// What an invocation did.
pub(crate) struct Finished {
    /// The exit status; `None` when a signal ended it.
    pub(crate) status: Option<i32>,
    /// Everything on stdout.
    pub(crate) stdout: String,
    /// Everything on stderr.
    pub(crate) stderr: String,
    /// From start to end.
    pub(crate) duration: Duration,
    home: TempDir,
}

impl Finished {
    /// Fails unless this was the exit status.
    #[track_caller]
    pub(crate) fn expect_status(&self, status: i32) -> &Self {
        assert_eq!(self.status, Some(status), "exit status differs\n{}", self.transcript());
        self
    }

    /// The report that stdout holds with `-o json`.
    ///
    /// # Panics
    /// When stdout is anything but one JSON document.
    #[track_caller]
    pub(crate) fn report(&self) -> Report {
        match serde_json::from_str(&self.stdout) {
            Ok(report) => Report(report),
            Err(error) => panic!("stdout is no report: {error}\n{}", self.transcript()),
        }
    }

    /// The directory that was HOME; it lives as long as this.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Status, stdout and stderr, for a message.
    pub(crate) fn transcript(&self) -> String {
        let Self { status, stdout, stderr, .. } = self;
        format!("--- status: {status:?}\n--- stdout:\n{stdout}\n--- stderr:\n{stderr}\n---")
    }

    /// Fails when the output has `secret`, or a file that `sshoal` wrote.
    #[track_caller]
    fn expect_nowhere(&self, secret: &str, written: &[(PathBuf, Vec<u8>)]) {
        // What JSON writes for a secret with quotes differs from the secret.
        let quoted = Value::from(secret).to_string();
        let forms = [secret, quoted.trim_matches('"')];
        let shown = |text: &str| forms.iter().any(|form| text.contains(form));
        assert!(!shown(&self.stdout), "a secret is on stdout");
        assert!(!shown(&self.stderr), "a secret is on stderr");
        for (file, bytes) in written {
            assert!(!shown(&String::from_utf8_lossy(bytes)), "a secret is in {}", file.display());
        }
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}
