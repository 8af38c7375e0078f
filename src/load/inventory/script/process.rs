//! Runs an inventory script: with a deadline, without standard input, in a process
//! group that ends with it.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::interrupt::Held;
use crate::diagnostic::Problem;
use crate::load::document::{Format, document};
use crate::load::error::LoadError;
use crate::load::node::{Kind, Node};
use crate::load::source::{FileId, Sources, shown};

/// How much it may print in one call.
const MOST_OUTPUT: u64 = 64 * 1024 * 1024;
/// How much of what it complains is shown.
const MOST_COMPLAINT: usize = 2000;

/// A script, and until when it may run.
pub(super) struct Script<'s> {
    path: &'s Path,
    name: String,
    limit: Duration,
    deadline: Instant,
}

impl<'s> Script<'s> {
    /// A script that may take `limit`, all of its calls together.
    pub(super) fn new(path: &'s Path, limit: Duration) -> Self {
        Self { path, name: shown(path), limit, deadline: Instant::now() + limit }
    }

    /// Calls it and reads what it prints as JSON.
    pub(super) fn call(
        &self,
        sources: &Sources,
        args: &[&str],
    ) -> Result<(FileId, Node), Vec<Problem>> {
        let (text, complaint) = self.output(args).map_err(|(message, help)| {
            vec![Problem::new(LoadError::Conflict { message, help }, None)]
        })?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let file = sources.add(format!("<{} {}>", self.name, args.join(" ")), &directory, text);
        if sources.get(file).text.trim().is_empty() && args[0] == "--host" {
            return Ok((file, Node { kind: Kind::Null, span: None }));
        }
        document(sources, file, Format::Json).map(|node| (file, node)).map_err(|mut problems| {
            let message = format!("what the inventory script `{}` prints is not JSON", self.name);
            let help = match complaint.is_empty() {
                true => format!("see what `{} {}` prints", self.name, args.join(" ")),
                false => format!("it also said: {complaint}"),
            };
            problems.push(Problem::new(LoadError::Conflict { message, help }, None));
            problems
        })
    }

    /// What it prints, and what it complains.
    fn output(&self, args: &[&str]) -> Result<(String, String), (String, String)> {
        let what = format!("the inventory script `{}`", self.name);
        // Without a slash the name would be looked for on the search path.
        let program = std::path::absolute(self.path).unwrap_or_else(|_| self.path.to_owned());
        let held = Held::new();
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| {
                let help = "check its first line and its permissions".to_owned();
                (format!("{what} cannot be started: {error}"), help)
            })?;
        let group = Group::of(&child);
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < self.deadline && !held.is_interrupted() => {
                    thread::sleep(Duration::from_millis(5));
                }
                _ => break None,
            }
        };
        // What it left behind would keep the pipes open.
        group.kill();
        let _ = child.wait();
        drop(held);
        let stdout = stdout.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let stderr = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let complaint = complaint(&stderr);
        let said = match complaint.is_empty() {
            true => "it said nothing on its standard error".to_owned(),
            false => format!("it said: {complaint}"),
        };
        match status {
            None => {
                let limit = self.limit;
                Err((format!("{what} did not end within {limit:?}"), said))
            }
            Some(status) if !status.success() => Err((format!("{what} failed: {status}"), said)),
            Some(_) if stdout.len() as u64 > MOST_OUTPUT => {
                let limit = MOST_OUTPUT / 1024 / 1024;
                Err((format!("{what} printed more than {limit} MiB"), said))
            }
            Some(_) => match String::from_utf8(stdout) {
                Ok(text) => Ok((text, complaint)),
                Err(_) => Err((format!("{what} printed what is not UTF-8"), said)),
            },
        }
    }
}

/// The process group of a script, which ends with this handle's [`Group::kill`].
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(i32::try_from(child.id()).ok().and_then(Pid::from_raw))
    }

    fn kill(&self) {
        if let Some(pid) = self.0 {
            // It has usually ended by itself.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Reads a stream to its end, keeping what is allowed and one byte more.
fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = stream.by_ref().take(MOST_OUTPUT + 1).read_to_end(&mut kept);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        kept
    })
}

fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    // Its end tells most: a traceback's last line.
    let mut start = text.len().saturating_sub(MOST_COMPLAINT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}
