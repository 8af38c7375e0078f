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
use super::exec::{Elevation, End, Limits, SudoPassword, run};
use super::link::Deadline;
use super::password::{PasswordUse, PasswordWatch, Purpose, Unwatched};
use crate::plan::spec::ExecOptions;

/// How long ending a command may take altogether, beyond the command's own limit: a
/// second for what ends when asked, half a second for what has to be killed, and the
/// rest for a slow line, a slow host and sudo.
const PATIENCE: Duration = Duration::from_secs(5);
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

/// Ends the sessions of all other children of `$p`, and of what sudo runs on a
/// terminal of its own: TERM, and after a second KILL. Shells read /proc byte
/// by byte, so one pass over it makes a table, and waiting asks known ids only.
///
/// Nothing left is told as the exit status [`ENDED`], which arrives at once where
/// printed words may have to queue behind the output of the command.
const END: &str = "me=$$; while look $me && [ $pp != $p ] && [ $pp -gt 1 ]; do me=$pp; done; \
    scan() { tab=; for d in /proc/[0-9]*; do q=${d#/proc/}; look $q || continue; \
    [ $st = Z ] && continue; k=x; case $c in *\"(sudo)\"*) k=sudo;; \
    *\"(sftp-server)\"*|*\"(sshd\"*) k=sshd;; esac; tab=\"$tab $q:$pp:$se:$k\"; done; }; \
    hit() { left=; for e in $tab; do row $e; \
    case $sids in *\" $se \"*) kill -$1 $q 2>/dev/null; left=\"$left $q\";; esac; done; }; \
    wait() { i=0; while [ -n \"$left\" ] && [ $i -lt $1 ]; do sleep 0.1; i=$((i+1)); \
    old=$left; left=; for q in $old; do look $q && [ $st != Z ] && left=\"$left $q\"; done; \
    done; }; \
    sids=\" \"; subs=\" \"; scan; for e in $tab; do row $e; \
    [ $pp = $p ] && [ $q != $me ] && [ $k != sshd ] && [ $se != $spare ] && sids=\"$sids$se \"; done; \
    for e in $tab; do row $e; [ $k = sudo ] && \
    case $sids in *\" $se \"*) subs=\"$subs$q \";; esac; done; \
    for e in $tab; do row $e; case $subs in *\" $pp \"*) sids=\"$sids$se \";; esac; done; \
    hit TERM; [ -n \"$left\" ] || exit 75; wait 10; scan; hit KILL; wait 5; \
    [ -n \"$left\" ] || exit 75";

/// How [`END`] exits when it has left nothing.
const ENDED: i32 = 75;

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

/// Ends the processes of the command that ran with `options`, whether or not its
/// channel still lives. Says whether that worked.
///
/// root's processes are ended by a second sudo. It is given the password as the
/// first one was: where that did not ask for it, `passwords` is asked anew.
pub(super) fn end(
    connection: &mut SshConnection,
    options: &ExecOptions,
    elevation: Elevation,
    passwords: &dyn PasswordWatch,
) -> bool {
    let Some(sudo) = &options.sudo else { return end_own(connection) };
    // A rule for named commands lets no shell run, and asking for one would only be
    // reported to the host's administrator.
    if !sudo.shell || elevation == Elevation::Pending {
        return false;
    }
    // The cancellation that may have led here must not keep this from running.
    let cancel = Cancel::default();
    let deadline = Some(Instant::now() + PATIENCE);
    let spare = spared(connection);
    let parent = Launch::plain("exec /bin/sh -c 'echo $PPID'");
    let Some(parent) =
        say(connection, parent, deadline, &cancel).filter(|parent| parent.parse::<u32>().is_ok())
    else {
        return false;
    };
    let line = format!("exec /bin/sh -c 'p={parent}; {spare}{LOOK}{ROW}{END}'");
    let options = ExecOptions {
        environment: Vec::new(),
        working_directory: None,
        script: None,
        ..options.clone()
    };
    let watch: &dyn PasswordWatch = match elevation {
        Elevation::Proven => &Unwatched,
        Elevation::Free | Elevation::Pending => passwords,
    };
    let usage = PasswordUse::new(watch, Purpose::Sudo);
    let password = sudo.password.as_ref().map(|secret| (secret, &usage));
    let launch = Launch::new(&line, &options);
    carry_out(connection, launch, password, deadline, &cancel).0 == Some(ENDED)
}

/// Ends what the login user's own rights suffice to end. Says whether nothing is left.
pub(super) fn end_own(connection: &mut SshConnection) -> bool {
    let spare = spared(connection);
    let launch = Launch::plain(&format!("exec /bin/sh -c 'p=$PPID; {spare}{LOOK}{ROW}{END}'"));
    let deadline = Some(Instant::now() + PATIENCE);
    carry_out(connection, launch, None, deadline, &Cancel::default()).0 == Some(ENDED)
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
        (Some(0), output) => {
            Some(String::from_utf8_lossy(&output).lines().last()?.trim().to_owned())
        }
        _ => None,
    }
}

/// Runs a script; its exit status and what it prints.
fn carry_out(
    connection: &mut SshConnection,
    launch: Launch,
    password: Option<SudoPassword<'_>>,
    deadline: Deadline,
    cancel: &Cancel,
) -> (Option<i32>, Vec<u8>) {
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
    let status = match ran.end {
        End::Exited(status) => Some(status),
        _ => None,
    };
    (status, ran.out.finish().bytes)
}
