//! Processes: running a tool to its end, and finding and ending those that a
//! server or a user left, each by its own id.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Runs `program` with `args`, gives it `input`, and returns what it printed.
///
/// # Panics
/// When it cannot be started or exits with another status than 0.
pub(crate) fn tool<S: AsRef<OsStr>>(program: &str, args: &[S], input: &str) -> String {
    match try_tool(program, args, input) {
        Ok(output) => output,
        Err(message) => panic!("{message}"),
    }
}

/// Like [`tool`], with an error where that panics.
pub(crate) fn try_tool<S: AsRef<OsStr>>(
    program: &str,
    args: &[S],
    input: &str,
) -> Result<String, String> {
    let shown = || {
        let words: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
        format!("`{program} {}`", words.join(" "))
    };
    let mut child = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", shown()))?;
    // A tool that ends before it has read everything is judged by its status.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{} ended with {}: {}",
            shown(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// The children of `pid`, their children, and so on.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> =
        pids().filter_map(|child| Some((child, parent_of(child)?))).collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(child, _)| child));
        next += 1;
    }
    found.split_off(1)
}

/// The processes whose real user is `uid`.
pub(crate) fn processes_of_user(uid: u32) -> Vec<u32> {
    let owner = uid.to_string();
    pids()
        .filter(|pid| {
            status_field(*pid, "Uid:")
                .is_some_and(|ids| ids.split_whitespace().next() == Some(owner.as_str()))
        })
        .collect()
}

/// The processes that have `text` in their command line.
pub(crate) fn processes_that_mention(text: &str) -> Vec<u32> {
    pids()
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(text))
        })
        .collect()
}

/// Whether a process with this id exists.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap_or(false)
}

/// Kills every process in `pids`; those that have gone already are no error.
pub(crate) fn kill_all(pids: &[u32]) {
    for pid in pids {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Kills the processes of a user until there are none.
pub(crate) fn kill_user(uid: u32) {
    wait_until(Duration::from_secs(10), || {
        let left = processes_of_user(uid);
        kill_all(&left);
        left.is_empty()
    });
}

/// Asks `condition` every few milliseconds until it holds (true) or `limit` has
/// passed (false).
pub(crate) fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .expect("Linux has /proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn parent_of(pid: u32) -> Option<u32> {
    status_field(pid, "PPid:")?.parse().ok()
}

fn status_field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}
