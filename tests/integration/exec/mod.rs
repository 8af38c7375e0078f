//! Commands over real connections, through the library's [`Connection`].

mod deadlines;
mod environment;
mod given_up;
mod long;
mod output;
mod quoting;
mod round_trips;
mod servers;
mod sudo;
mod words;

use std::time::Duration;

use sshoal::plan::spec::{
    ConnectTimeouts, ConnectionSpec, Credentials, ExecOptions, HostKeyPolicy, SudoSpec,
};
use sshoal::secret::Secret;
use sshoal::transport::{
    Cancel, Connection, Connector, ConnectorConfig, Ending, Execution, SshConnector,
};

use crate::lab::processes::{processes_that_mention, wait_until};
use crate::lab::{Lab, Sshd, User};
pub(crate) use given_up::SLOW_SUDO;
pub(crate) use sudo::with_sudo_of;

/// Where `user` is reached on `server`, by password.
fn spec(server: &Sshd, user: &User) -> ConnectionSpec {
    let limit = Duration::from_secs(20);
    ConnectionSpec {
        host: server.address(),
        port: server.port(),
        username: user.name.clone(),
        credentials: Credentials {
            password: Some(Secret::new(user.password.as_str())),
            ..Credentials::default()
        },
        timeouts: ConnectTimeouts { connect: limit, banner: limit, auth: limit },
        keepalive: Duration::from_secs(30),
        host_key_policy: HostKeyPolicy::Warning,
        known_hosts: None,
        compress: false,
        proxy: None,
    }
}

/// A connection of `user` to `server`.
fn connect(server: &Sshd, user: &User) -> Box<dyn Connection> {
    connect_to(&spec(server, user))
}

fn connect_to(spec: &ConnectionSpec) -> Box<dyn Connection> {
    let home = std::env::temp_dir().join("sshoal-no-such-home");
    let connector = SshConnector::new(ConnectorConfig { known_hosts: None, home });
    connector.connect(spec, &Cancel::default()).unwrap().connection
}

/// A connection of the lab's plain user to the shared server.
fn plain(lab: &Lab) -> Box<dyn Connection> {
    connect(lab.sshd(), &lab.users.plain)
}

/// Options that no test should reach the limits of by accident.
fn options() -> ExecOptions {
    ExecOptions {
        timeout: Some(Duration::from_secs(60)),
        pty: false,
        stdin_open: false,
        environment: Vec::new(),
        working_directory: None,
        read_size: None,
        max_output: 1 << 20,
        sudo: None,
        script: None,
    }
}

/// [`options`] with a whole line elevated, by `password`.
fn elevated(password: Option<&str>, pty: bool) -> ExecOptions {
    let password = password.map(Secret::new);
    ExecOptions { pty, sudo: Some(SudoSpec { password, user: None, shell: true }), ..options() }
}

/// [`options`] with the words of a line elevated, and no shell.
fn words(password: Option<&str>, pty: bool) -> ExecOptions {
    let password = password.map(Secret::new);
    ExecOptions { pty, sudo: Some(SudoSpec { password, user: None, shell: false }), ..options() }
}

/// Runs a command that none follows and nothing interrupts.
fn run(connection: &mut Box<dyn Connection>, line: &str, options: &ExecOptions) -> Execution {
    connection.execute(line, options, false, &Cancel::default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The standard output of a command that must exit with status 0.
fn output(connection: &mut Box<dyn Connection>, line: &str, options: &ExecOptions) -> String {
    let execution = run(connection, line, options);
    assert_eq!(execution.ending, Ending::Exited(0), "{line}: {}", shown(&execution));
    text(&execution.output.bytes)
}

/// The code of a command that must fail without an exit status.
fn failure(execution: &Execution) -> String {
    match &execution.ending {
        Ending::Failed(failure) => {
            serde_json::to_value(failure.code).unwrap().as_str().unwrap().to_owned()
        }
        ending => panic!("it ended with {ending:?}: {}", shown(execution)),
    }
}

fn shown(execution: &Execution) -> String {
    format!(
        "{:?}, output {:?}, error {:?}, warnings {:?}",
        execution.ending,
        text(&execution.output.bytes),
        text(&execution.error.bytes),
        execution.warnings
    )
}

/// Waits until this machine runs `sleep`, a command line that begins so and that
/// nothing else has; not the shells and sudo that have it among their words.
#[track_caller]
fn wait_for(sleep: &str) {
    let runs = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").starts_with(sleep)
    };
    let begun = || processes_that_mention(sleep).iter().any(runs);
    assert!(wait_until(Duration::from_secs(50), begun), "`{sleep}` did not begin");
}
