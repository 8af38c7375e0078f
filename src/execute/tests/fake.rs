//! A connector that does what host names and commands tell it, and plans for it.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::event::{ActionKind, TransferOperation};
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::*;
use crate::plan::spec::*;
use crate::secret::Secret;
use crate::transfer::TransferRecord;
use crate::transport::*;

/// Logs what it is asked to do. A host named `down…` refuses connections, one
/// named `flaky…` refuses the first, one named `panic…` panics, and `warn…` warns.
/// One named `slow…` waits for the gate before it logs in, and one named `key…`
/// asks for no password. The password `wrong` is that, and to one named
/// `odd…` every password is. A command is a word for what
/// happens, and text to print.
#[derive(Default)]
pub(super) struct Fake {
    log: Log,
    /// The command `gate` waits for one message here.
    gate: Option<Arc<Mutex<Receiver<()>>>>,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: String) {
        self.0.lock().unwrap_or_else(|poison| poison.into_inner()).push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(|poison| poison.into_inner()).clone()
    }
}

impl Log {
    /// What a real connection does with a password. Says whether it is right.
    fn use_password(
        &self,
        host: &str,
        password: &Secret,
        purpose: Purpose,
        watch: &dyn PasswordWatch,
    ) -> Result<bool, Failure> {
        if host.starts_with("key") {
            watch.answered(purpose, Answer::NotAsked);
            return Ok(true);
        }
        if !watch.may_send(purpose) {
            return Err(Failure::new(ErrorCode::CanaryRejected, "kept back"));
        }
        self.push(format!("{purpose:?} password to {host}"));
        let is_right = password.reveal() != "wrong" && !host.starts_with("odd");
        let answer = if is_right { Answer::Accepted } else { Answer::Rejected };
        watch.answered(purpose, answer);
        Ok(is_right)
    }
}

/// Waits for a message.
fn pass(gate: Option<&Arc<Mutex<Receiver<()>>>>) {
    let gate = gate.expect("a gate").lock().unwrap();
    gate.recv_timeout(Duration::from_secs(60)).expect("the gate opens in time");
}

impl Fake {
    /// One whose `gate` commands wait for a message each.
    pub(super) fn with_gate(gate: Receiver<()>) -> Self {
        Self { gate: Some(Arc::new(Mutex::new(gate))), ..Self::default() }
    }

    /// What was asked for so far.
    pub(super) fn log(&self) -> Vec<String> {
        self.log.lines()
    }
}

impl Connector for Fake {
    fn connect_watched(
        &self,
        spec: &ConnectionSpec,
        passwords: &dyn PasswordWatch,
        _: &Cancel,
    ) -> Result<Connected, Unconnected> {
        let line = format!("connect {}@{}", spec.username, spec.host);
        let again = self.log.lines().contains(&line);
        self.log.push(line);
        let host = &*spec.host;
        if host.starts_with("panic") {
            panic!("the connector is broken");
        }
        if host.starts_with("down") || host.starts_with("flaky") && !again {
            let failure = Failure::new(ErrorCode::ConnectRefused, format!("`{host}` refused"));
            return Err(failure.into());
        }
        if host.starts_with("slow") {
            pass(self.gate.as_ref());
        }
        let warnings: Vec<_> =
            host.starts_with("warn").then(|| "odd key".to_owned()).into_iter().collect();
        if let Some(password) = &spec.credentials.password {
            let is_right = self.log.use_password(host, password, Purpose::Login, passwords)?;
            if !is_right {
                let failure = Failure::new(ErrorCode::AuthFailed, "wrong password");
                return Err(Unconnected { failure, warnings });
            }
        }
        Ok(Connected {
            warnings,
            connection: Box::new(FakeConnection {
                name: format!("{}@{host}", spec.username),
                log: self.log.clone(),
                gate: self.gate.clone(),
                lost: false,
                hung_up: false,
            }),
        })
    }
}

struct FakeConnection {
    name: String,
    log: Log,
    gate: Option<Arc<Mutex<Receiver<()>>>>,
    lost: bool,
    hung_up: bool,
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.log.push(format!("close {}", self.name));
    }
}

impl Connection for FakeConnection {
    fn execute_watched(
        &mut self,
        line: &str,
        options: &ExecOptions,
        more: bool,
        passwords: &dyn PasswordWatch,
        cancel: &Cancel,
    ) -> Execution {
        assert!(!self.lost, "a lost connection is of no use");
        self.log.push(format!("{line}{}", if more { " +" } else { "" }));
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        let fail = |code, message: &str| Ending::Failed(Failure::new(code, message));
        let sudo = options.sudo.as_ref().and_then(|sudo| sudo.password.as_ref());
        let host = self.name.split_once('@').map_or("", |(_, host)| host);
        let word = match sudo {
            Some(password) => {
                match self.log.use_password(host, password, Purpose::Sudo, passwords) {
                    Ok(true) => word,
                    Ok(false) => "sudo",
                    Err(_) => "kept-back",
                }
            }
            None => word,
        };
        let ending = match word {
            "ok" | "bytes" => Ending::Exited(0),
            "fail" => Ending::Exited(1),
            // Succeeds the third time, whatever the connection.
            "third" => {
                let times =
                    self.log.lines().iter().filter(|said| said.starts_with("third")).count();
                if times < 3 { Ending::Exited(1) } else { Ending::Exited(0) }
            }
            "lose-once" => {
                let times = self.log.lines().iter().filter(|said| said.starts_with("lose")).count();
                self.lost = times == 1;
                match self.lost {
                    true => fail(ErrorCode::ConnectionLost, "gone"),
                    false => Ending::Exited(0),
                }
            }
            "hang-up" => {
                self.hung_up = true;
                Ending::Exited(0)
            }
            "kill" => Ending::Signalled("KILL".to_owned()),
            "slow" => fail(ErrorCode::CommandTimeout, "took too long"),
            "sudo" => fail(ErrorCode::SudoAuthFailed, "wrong password"),
            "kept-back" => fail(ErrorCode::CanaryRejected, "kept back"),
            "lose" => {
                self.lost = true;
                fail(ErrorCode::ConnectionLost, "gone; it may still be running")
            }
            "panic" => panic!("the connection is broken"),
            "cancel" => {
                cancel.cancel();
                fail(ErrorCode::Cancelled, "the run was interrupted")
            }
            "gate" => {
                pass(self.gate.as_ref());
                Ending::Exited(0)
            }
            other => panic!("no such word: {other}"),
        };
        let bytes = match word {
            "bytes" => b"a\xffb".to_vec(),
            _ => text.as_bytes().to_vec(),
        };
        Execution {
            output: Captured { total: bytes.len() as u64, bytes, truncated: false },
            error: Captured::default(),
            ending,
            duration: Duration::from_millis(5),
            warnings: Vec::new(),
        }
    }

    /// A guard's text is a word: `there` exists, `yes` succeeds, `lost` loses the
    /// connection, and everything else is not so.
    fn look(
        &mut self,
        guards: &Guards,
        _: &ExecOptions,
        _: &dyn PasswordWatch,
        _: &Cancel,
    ) -> Looked {
        self.log.push("look".to_owned());
        let any = |list: &[String], word: &str| list.iter().any(|text| text == word);
        let held = if any(&guards.creates, "there") {
            Ok(Some(HeldBack::Creates))
        } else if any(&guards.unless, "yes") {
            Ok(Some(HeldBack::Unless(0)))
        } else if any(&guards.only_if, "no") {
            Ok(Some(HeldBack::OnlyIf(0)))
        } else if any(&guards.only_if, "lost") {
            Err(Failure::new(ErrorCode::ConnectionLost, "gone"))
        } else if any(&guards.only_if, "slow") {
            Err(Failure::new(ErrorCode::CommandTimeout, "too slow"))
        } else {
            Ok(None)
        };
        Looked { held, warnings: vec![] }
    }

    fn compare(
        &mut self,
        spec: &TransferSpec,
        contents: bool,
        _: &dyn PasswordWatch,
        _: &Cancel,
    ) -> Result<Comparison, Failure> {
        self.log.push(format!("compare {}", spec.remote_path));
        let transferred = moved(spec)?;
        let bytes = |text: &str| Content::Bytes(text.as_bytes().to_vec());
        let contents = contents.then(|| (bytes("a\nhunter22\n"), bytes("a\nb\n")));
        Ok(Comparison { transferred, contents })
    }

    fn is_alive(&mut self) -> bool {
        !self.hung_up
    }

    fn transfer_watched(
        &mut self,
        spec: &TransferSpec,
        _: &dyn PasswordWatch,
        _: &Cancel,
    ) -> Result<Transferred, Failure> {
        self.log.push(format!("transfer {}", spec.remote_path));
        moved(spec)
    }
}

/// What a transfer gives, by its remote path.
fn moved(spec: &TransferSpec) -> Result<Transferred, Failure> {
    if spec.remote_path.contains("full") {
        return Err(Failure::new(ErrorCode::TransferNoSpace, "the disk is full"));
    }
    let changed = !spec.remote_path.contains("same");
    Ok(Transferred {
        record: TransferRecord {
            operation: spec.operation,
            local_path: spec.local_path_shown.clone(),
            remote_path: spec.remote_path.clone(),
            bytes_transferred: if changed { 12_345 } else { 0 },
            total_bytes: 12_345,
            resumed: false,
            resume_note: None,
            verified: true,
            sha256: None,
            diff: None,
        },
        changed,
        files: None,
        warnings: vec![],
    })
}

/// A host's identity for the fake.
pub(super) fn login(username: &str, host: &str) -> Arc<ConnectionSpec> {
    Arc::new(ConnectionSpec {
        host: host.to_owned(),
        port: 22,
        username: username.to_owned(),
        credentials: Credentials::default(),
        timeouts: ConnectTimeouts {
            connect: Duration::from_secs(1),
            banner: Duration::from_secs(1),
            auth: Duration::from_secs(1),
        },
        keepalive: Duration::from_secs(30),
        host_key_policy: HostKeyPolicy::Reject,
        known_hosts: None,
        compress: false,
        proxy: None,
    })
}

/// A step that runs `commands` on `host`.
pub(super) fn step(host: &str, commands: &[&str]) -> Step {
    Step {
        item: None,
        skip: false,
        connection: login("me", host),
        strategy: QueueStrategy::Fifo,
        action: Action::Command(ShellAction {
            commands: commands.iter().map(|&command| command.to_owned()).collect(),
            stop_on_error: false,
            exec: ExecOptions {
                timeout: None,
                pty: false,
                stdin_open: false,
                environment: vec![],
                working_directory: None,
                read_size: None,
                max_output: 1024,
                sudo: None,
                script: None,
            },
        }),
        conduct: None,
    }
}

/// A step that uploads to `remote_path` on `host`.
pub(super) fn upload(host: &str, remote_path: &str) -> Step {
    let spec = TransferSpec { remote_path: remote_path.to_owned(), ..download("/l".as_ref()) };
    let spec = TransferSpec { operation: TransferOperation::Upload, ..spec };
    Step { action: Action::FileTransfer(spec), ..step(host, &[]) }
}

/// A download to `local_path`.
pub(in crate::execute) fn download(local_path: &std::path::Path) -> TransferSpec {
    let name = local_path.file_name().unwrap_or_default();
    TransferSpec {
        operation: TransferOperation::Download,
        local_path: local_path.to_owned(),
        local_path_shown: name.to_string_lossy().into_owned(),
        content: None,
        remote_path: "/r".to_owned(),
        resume: false,
        chunk_size: 32768,
        timeout: None,
        mode: None,
        create_dirs: false,
        verify: true,
        recursive: false,
        owner: None,
        group: None,
        sudo: None,
        pty: false,
    }
}

/// A deferred task: a closure over the registered results.
pub(super) struct Later<F>(pub(super) F);

impl<F> std::fmt::Debug for Later<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Later")
    }
}

impl<F> DeferredBody for Later<F>
where
    F: Fn(&Registered) -> Result<Resolution, Failure> + Send + Sync,
{
    fn resolve(&self, registered: &Registered) -> Result<Resolution, Failure> {
        self.0(registered)
    }
}

/// A deferred body from a closure.
pub(super) fn later<F>(resolve: F) -> TaskBody
where
    F: Fn(&Registered) -> Result<Resolution, Failure> + Send + Sync + 'static,
{
    TaskBody::Deferred(Arc::new(Later(resolve)))
}

/// A task with `body`, named and registered as `name`.
pub(super) fn task(name: &str, body: TaskBody) -> PlannedTask {
    with_header(name, body, false)
}

/// The same with `ignore_errors`.
pub(super) fn ignoring(name: &str, body: TaskBody) -> PlannedTask {
    with_header(name, body, true)
}

fn with_header(name: &str, body: TaskBody, ignore_errors: bool) -> PlannedTask {
    PlannedTask {
        header: Arc::new(TaskHeader {
            id: name.into(),
            name: name.into(),
            action: ActionKind::Command,
            register: Some(name.into()),
            role: Role::Task,
            run_once: false,
            tags: Arc::default(),
        }),
        name: name.into(),
        ttl: None,
        no_log: false,
        ignore_errors,
        body,
        notify: Notify::default(),
    }
}

/// A play of lanes.
pub(super) fn play<'h>(
    lanes: impl IntoIterator<Item = (&'h str, Vec<PlannedTask>)>,
) -> PlannedPlay {
    let lanes: Vec<Lane> = lanes
        .into_iter()
        .map(|(host, tasks)| Lane {
            host: host.into(),
            address: format!("{host}:22").into(),
            tasks,
            outline: Outline::default(),
        })
        .collect();
    let tasks = lanes
        .first()
        .map_or_else(Vec::new, |lane| lane.tasks.iter().map(|task| task.header.clone()).collect());
    PlannedPlay { name: "play".into(), tasks, lanes, pace: Pace::default() }
}
