//! File transfers through sudo.
//!
//! SFTP runs as the login user, so an upload arrives in a private place of that user
//! and is put into place by a script that sudo runs; a download is read through sudo.
//! Contents travel over channels and through files, never in an argument.

mod compare;
mod download;
mod scripts;
mod unchanged;
mod upload;
mod words;

use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use self::words::Answers;
use super::bootstrap::Launch;
use super::capture::Capture;
use super::connection::SshConnection;
use super::exec::{self, End, Limits, Ran};
use super::link::{Deadline, Stop};
use super::password::{PasswordUse, PasswordWatch, Purpose};
use super::quote::quote;
use super::transfer::hexadecimal;
use super::{Cancel, Comparison, Transferred, sudo};
use crate::failure::{ErrorCode, Failure};
use crate::local_file;
use crate::plan::spec::{ExecOptions, SudoSpec, TransferSpec};
use crate::transfer::{TransferOperation, TransferRecord};

/// What the scripts print is short, whatever the tree.
const MAX_OUTPUT: usize = 256 * 1024;
/// How long cleaning up may take after a failure.
const GRACE: Duration = Duration::from_secs(3);

/// Moves what `spec` says, through `sudo`.
pub(super) fn run(
    connection: &mut SshConnection,
    spec: &TransferSpec,
    sudo: &SudoSpec,
    passwords: &dyn PasswordWatch,
    cancel: &Cancel,
) -> Result<Transferred, Failure> {
    let deadline = spec.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut job = Job { connection, spec, sudo, passwords, cancel, deadline };
    match spec.operation {
        TransferOperation::Upload => upload::upload(&mut job),
        TransferOperation::Download => download::download(&mut job),
    }
}

/// Tells what a transfer would do, through sudo or not.
pub(super) fn compare(
    connection: &mut SshConnection,
    spec: &TransferSpec,
    contents: bool,
    passwords: &dyn PasswordWatch,
    cancel: &Cancel,
) -> Result<Comparison, Failure> {
    let deadline = spec.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let nobody = SudoSpec { password: None, user: None, shell: true };
    let sudo = spec.sudo.as_ref().unwrap_or(&nobody);
    let mut job = Job { connection, spec, sudo, passwords, cancel, deadline };
    compare::compare(&mut job, contents)
}

/// One transfer through sudo.
struct Job<'a> {
    connection: &'a mut SshConnection,
    spec: &'a TransferSpec,
    sudo: &'a SudoSpec,
    passwords: &'a dyn PasswordWatch,
    cancel: &'a Cancel,
    deadline: Deadline,
}

impl Job<'_> {
    /// Runs `script` as the other user and gives the lines that it says.
    fn script(&mut self, script: &str, args: &[&str]) -> Result<Answers, Failure> {
        self.capture(script, args, Capture::new(MAX_OUTPUT))
    }

    /// As [`Job::script`], with a path that no process list may show: the script finds
    /// it in the variable `SSHOAL_STAGED`.
    fn secretly(&mut self, script: &str, args: &[&str], path: &str) -> Result<Answers, Failure> {
        let environment = vec![("SSHOAL_STAGED".to_owned(), path.to_owned())];
        let options = ExecOptions { environment, ..self.options(Some(self.sudo.clone())) };
        let launch = Launch::new(&line(script, args), &options);
        self.carry_out(launch, &options, Capture::new(MAX_OUTPUT))
    }

    /// As [`Job::script`], with a place for what the script prints.
    fn capture(&mut self, script: &str, args: &[&str], out: Capture) -> Result<Answers, Failure> {
        let options = self.options(Some(self.sudo.clone()));
        let line = line(script, args);
        let launch = Launch::new(&line, &options);
        self.carry_out(launch, &options, out)
    }

    /// Runs `script` as the login user.
    fn plainly(&mut self, script: &str, args: &[&str]) -> Result<Answers, Failure> {
        let options = self.options(None);
        let launch = Launch::plain(&line(script, args));
        self.carry_out(launch, &options, Capture::new(MAX_OUTPUT))
    }

    fn carry_out(
        &mut self,
        launch: Launch,
        options: &ExecOptions,
        out: Capture,
    ) -> Result<Answers, Failure> {
        let limits = Limits {
            deadline: self.deadline,
            cancel: self.cancel,
            read_size: Some(256 * 1024),
            max_output: MAX_OUTPUT,
            believable: None,
        };
        let usage = PasswordUse::new(self.passwords, Purpose::Sudo);
        let secret = options.sudo.as_ref().and_then(|sudo| sudo.password.as_ref());
        let password = secret.map(|secret| (secret, &usage));
        let ran = exec::run_into(self.connection, launch, password, false, &limits, out);
        self.deadline = self.deadline.and_then(|at| at.checked_add(usage.waited()));
        let Ran { out, err, said, end, elevation, channel } = ran;
        let failure = match end {
            End::Exited(status) => {
                if secret.is_some() {
                    usage.succeeded();
                }
                let text = |capture: Capture| {
                    String::from_utf8_lossy(&capture.finish().bytes).into_owned()
                };
                let answers = Answers { out: text(out), err: text(err), status };
                return self.judge(answers);
            }
            End::Signalled(name) => Failure::new(
                ErrorCode::TransferFailed,
                format!("the host's part of {} was killed by SIG{name}", self.subject()),
            ),
            End::NotStarted => sudo::refusal(&String::from_utf8_lossy(&said), self.sudo),
            End::Trouble(trouble) => sudo::trouble(trouble, self.sudo),
            End::Refused(what, error) => Failure::new(
                ErrorCode::ChannelRefused,
                format!("the server refused {what}: {}", error.message()),
            ),
            End::Stopped(stop) => {
                if let (Stop::Deadline | Stop::Cancelled, Some(channel)) = (&stop, channel) {
                    // Its words are about a command; this is a transfer.
                    let _ = self.connection.give_up(channel, options, elevation, self.passwords);
                }
                self.stopped(stop)
            }
        };
        if failure.code == ErrorCode::SudoAuthFailed {
            usage.rejected();
        }
        Err(failure)
    }

    /// The login user's own part of the work, by SFTP.
    fn transfer(&mut self, part: TransferSpec) -> Result<Transferred, Failure> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let part = TransferSpec { timeout: left, sudo: None, owner: None, group: None, ..part };
        let SshConnection { link, transfers, .. } = &mut *self.connection;
        match transfers.run(link, &part, self.cancel) {
            Ok(mut done) => {
                let warnings = done.warnings.iter();
                done.warnings = warnings.map(|it| self.unstaged(it, &part.remote_path)).collect();
                Ok(done)
            }
            // It has been told how much was left.
            Err(failure) if failure.code == ErrorCode::TransferTimeout => {
                Err(self.stopped(Stop::Deadline))
            }
            Err(failure) => Err(self.of_target(failure, &part.remote_path)),
        }
    }

    /// Runs `work` with a new directory that nobody but the login user can enter, and
    /// removes it afterwards.
    fn with_stage<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let make = "d=$(mktemp -d \"${TMPDIR:-/var/tmp}/sshoal-XXXXXXXXXX\" 2>/dev/null) || \
                    d=$(mktemp -d /tmp/sshoal-XXXXXXXXXX 2>&1) || fail \"$d\"; \
                    echo \"sshoal-stage:$d\"\n";
        let answers = self.plainly(make, &[])?;
        let Some(stage) = answers.get("stage").map(str::to_owned) else {
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                "the host offers no shell to prepare a transfer through sudo",
            ));
        };
        let done = work(self, &stage);
        let deadline = Some(Instant::now() + GRACE);
        let cancel = Cancel::default();
        let mut cleaner = Job {
            connection: &mut *self.connection,
            spec: self.spec,
            sudo: self.sudo,
            passwords: self.passwords,
            cancel: &cancel,
            deadline,
        };
        let lost = matches!(&done, Err(failure) if failure.code == ErrorCode::ConnectionLost);
        if !lost {
            let _ = cleaner.plainly("chmod -R u+rwX -- \"$1\"; rm -rf -- \"$1\"\n", &[&stage]);
        }
        done
    }

    fn is_root(&self) -> bool {
        self.sudo.user.as_deref().is_none_or(|user| user == "root")
    }

    fn options(&self, sudo: Option<SudoSpec>) -> ExecOptions {
        ExecOptions {
            timeout: None,
            pty: self.spec.pty && sudo.is_some(),
            stdin_open: false,
            environment: Vec::new(),
            working_directory: None,
            read_size: None,
            max_output: MAX_OUTPUT,
            sudo,
            script: None,
        }
    }

    /// The remote path as a script takes it: relative to the login directory, where
    /// sudo stays, and never an option.
    fn remote_path(&self) -> String {
        let path = match self.spec.remote_path.as_str() {
            "~" => ".",
            path => path.strip_prefix("~/").unwrap_or(path),
        };
        match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("./{path}"),
        }
    }

    fn record(&self, moved: u64, total: u64) -> TransferRecord {
        TransferRecord {
            operation: self.spec.operation,
            local_path: self.spec.local_path_shown.clone(),
            remote_path: self.spec.remote_path.clone(),
            bytes_transferred: moved,
            total_bytes: total,
            resumed: false,
            resume_note: self
                .spec
                .resume
                .then(|| "started from the beginning: sudo's part cannot be continued".to_owned()),
            verified: false,
            sha256: None,
            diff: None,
        }
    }
}

/// Feeds a local file to `take`.
fn read_all(path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = local_file::open(path)?;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The command line that runs `script` in `/bin/sh`, whatever the login shell.
fn line(script: &str, args: &[&str]) -> String {
    let script = format!("{}{script}", scripts::PROLOGUE);
    let args: String = args.iter().map(|arg| format!(" {}", quote(arg))).collect();
    format!("exec /bin/sh -c {} sh{args}", quote(&script))
}
