//! Starting a command as a server's shell does, and ending all that it started.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// The shell that runs commands.
pub(super) const SHELL: &str = "/bin/sh";

/// Starts `line` in `home`, as the leader of a session of its own.
///
/// The shell's parent is a `timeout` without a limit, so that it has no siblings:
/// a command that looks for the other commands of its connection among `$PPID`'s
/// children must not find those of other servers, nor the tests. `timeout` ends
/// as its child did, be it by a signal.
pub(super) fn spawn(
    line: &[u8],
    home: &Path,
    user: &str,
    environment: &[(String, String)],
) -> std::io::Result<Child> {
    use std::os::unix::ffi::OsStrExt as _;
    Command::new("timeout")
        .args(["0", "setsid", SHELL, "-c"])
        .arg(std::ffi::OsStr::from_bytes(line))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
        .env("HOME", home)
        .env("SHELL", SHELL)
        .env("USER", user)
        .env("LOGNAME", user)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Sends `signal` to everything in the session that [`spawn`] began.
pub(super) fn signal_session(parent: u32, signal: Signal) {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        if let Some(leader) = child.parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(leader, signal);
        }
    }
}

/// Kills every process that has `home` as its HOME: what commands left running.
pub(super) fn kill_leftovers(home: &Path) {
    let mark = format!("HOME={}", home.display());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
