//! Looks at, and ends, what a command left on the host.
//!
//! No wrapper goes around a command for this: sshd makes every exec channel's
//! shell the leader of a session, and is itself the parent of all shells of one
//! connection. So a second channel finds the first one's processes as those whose
//! session belongs to another child of its own parent.

use std::time::{Duration, Instant};

use super::Cancel;
use super::bootstrap::Launch;
use super::connection::SshConnection;
use super::exec::{End, Limits, SudoPassword, run};
use super::link::Deadline;

mod ending;

pub(super) use ending::{Left, are_gone, end, end_own, how_far};

/// How long a look may take.
const GLANCE: Duration = Duration::from_secs(5);
/// No script here prints more.
const MAX_OUTPUT: usize = 4096;
/// Who prints so much, login scripts included, runs something else.
const FAR_TOO_MUCH: u64 = 256 * 1024;

/// Reads one process: `c` is its line, `st` its state, `pp` its parent, `se` its
/// session. A name may contain anything, so fields count from its last bracket; one
/// with a line break in it is passed over.
const LOOK: &str = "look() { { read -r s < /proc/$1/stat; } 2>/dev/null || return 1; \
    c=$s; set -- ${s##*) }; st=$1; pp=$2; se=$4; [ -n \"$se\" ]; }; ";

/// Whether another command's shell is a child of this connection's sshd. Where
/// process 1 is hidden, others may be too, and nothing can be said; nor where
/// something stands between sshd and the shell, as a forced command does.
const GONE: &str = "p=$PPID; look 1 && look $p || { echo unknown; exit; }; \
    case $c in *\"(sshd\"*) ;; *) echo unknown; exit;; esac; \
    for d in /proc/[0-9]*; do q=${d#/proc/}; [ $q = $$ ] && continue; \
    look $q && [ $pp = $p ] && [ $se != $spare ] || continue; \
    case $c in *\"(sftp-server)\"*|*\"(sshd\"*) continue;; esac; \
    echo running; exit; done; echo gone";

/// Takes a process out of a table of them.
const ROW: &str = "row() { q=${1%%:*}; set -- ${1#*:}; pp=${1%%:*}; set -- ${1#*:}; \
    se=${1%%:*}; k=${1#*:}; }; ";

/// Whether another command is a sudo that runs nothing yet. The program that sudo runs
/// is its child, or has taken its place.
const WAITS: &str = "p=$PPID; look 1 && look $p || { echo unknown; exit; }; \
    case $c in *\"(sshd\"*) ;; *) echo unknown; exit;; esac; \
    tab=; sids=\" \"; subs=\" \"; for d in /proc/[0-9]*; do q=${d#/proc/}; [ $q = $$ ] && continue; \
    look $q && [ $st != Z ] || continue; k=x; case $c in *\"(sudo)\"*) k=sudo;; esac; \
    tab=\"$tab $q:$pp:$se:$k\"; [ $pp = $p ] && [ $se != $spare ] && sids=\"$sids$se \"; done; \
    for e in $tab; do row $e; [ $k = sudo ] && \
    case $sids in *\" $se \"*) subs=\"$subs$q \";; esac; done; \
    [ \"$subs\" = \" \" ] && { echo gone; exit; }; for e in $tab; do row $e; \
    case $subs in *\" $pp \"*) echo runs; exit;; esac; done; echo waits";

/// Whether the command that runs on another channel has exited; `None` when the
/// host does not tell.
pub(super) fn has_gone(
    connection: &mut SshConnection,
    deadline: Deadline,
    cancel: &Cancel,
) -> Option<bool> {
    match glance(connection, GONE, deadline, cancel)?.as_str() {
        "gone" => Some(true),
        "running" => Some(false),
        _ => None,
    }
}

/// What a host says about the sudo on another channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sudo {
    /// It runs nothing yet.
    Waits,
    /// It runs the command.
    Runs,
    /// There is none: it has ended, or the command has taken its place.
    Gone,
}

/// How far the sudo on another channel is; `None` when the host does not tell.
pub(super) fn look_at_sudo(
    connection: &mut SshConnection,
    deadline: Deadline,
    cancel: &Cancel,
) -> Option<Sudo> {
    match glance(connection, &format!("{ROW}{WAITS}"), deadline, cancel)?.as_str() {
        "waits" => Some(Sudo::Waits),
        "runs" => Some(Sudo::Runs),
        "gone" => Some(Sudo::Gone),
        _ => None,
    }
}

fn glance(
    connection: &mut SshConnection,
    script: &str,
    deadline: Deadline,
    cancel: &Cancel,
) -> Option<String> {
    let glance = Instant::now() + GLANCE;
    let deadline = Some(deadline.map_or(glance, |deadline| deadline.min(glance)));
    let spare = spared(connection);
    let launch = Launch::plain(&format!("exec /bin/sh -c '{spare}{LOOK}{script}'"));
    say(connection, launch, deadline, cancel)
}

/// Exempts the shell that transfers keep from being taken for a command's.
fn spared(connection: &SshConnection) -> String {
    match connection.transfers.shell_session() {
        Some(session) => format!("spare={session}; "),
        None => "spare=none; ".to_owned(),
    }
}

/// The last line that a script prints.
fn say(
    connection: &mut SshConnection,
    launch: Launch,
    deadline: Deadline,
    cancel: &Cancel,
) -> Option<String> {
    match carry_out(connection, launch, None, deadline, cancel) {
        (Script::Exited(0), output) => last_line(&output),
        _ => None,
    }
}

/// The last line of an output: what stands above it, login scripts have printed.
fn last_line(output: &[u8]) -> Option<String> {
    Some(String::from_utf8_lossy(output).lines().last()?.trim().to_owned())
}

/// What came of a script.
#[derive(Debug, PartialEq, Eq)]
enum Script {
    /// It exited with this status.
    Exited(i32),
    /// The server has no channel for it.
    Refused,
    /// It did not run, or not to its end.
    Failed,
}

/// Runs a script, and tells what it prints.
fn carry_out(
    connection: &mut SshConnection,
    launch: Launch,
    password: Option<SudoPassword<'_>>,
    deadline: Deadline,
    cancel: &Cancel,
) -> (Script, Vec<u8>) {
    let limits = Limits {
        deadline,
        cancel,
        read_size: None,
        max_output: MAX_OUTPUT,
        believable: Some(FAR_TOO_MUCH),
    };
    // The script itself must not be looked at in turn.
    let can_look = std::mem::replace(&mut connection.can_look, false);
    let ran = run(connection, launch, password, false, &limits);
    connection.can_look = can_look;
    ran.channel.into_iter().for_each(|channel| connection.retire(channel));
    let came = match ran.end {
        End::Exited(status) => Script::Exited(status),
        End::Refused(..) => Script::Refused,
        _ => Script::Failed,
    };
    (came, ran.out.finish().bytes)
}
