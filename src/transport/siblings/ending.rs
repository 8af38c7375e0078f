//! Ends what a command left on the host.

use std::time::{Duration, Instant};

use super::{LOOK, ROW, Script, Sudo, carry_out, last_line, look_at_sudo, say, spared};
use crate::plan::spec::{ExecOptions, SudoSpec};
use crate::transport::Cancel;
use crate::transport::bootstrap::Launch;
use crate::transport::connection::SshConnection;
use crate::transport::exec::Elevation;
use crate::transport::password::{PasswordUse, PasswordWatch, Purpose, Unwatched};
use crate::transport::quote::encode;

/// How long ending a command may take altogether, beyond the command's own limit: a
/// second for what ends when asked, half a second for what has to be killed, and the
/// rest for a slow line, a slow host and sudo.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what a closed channel ends is waited for.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(3);

/// Ends the sessions of all other children of `$p`, and of what sudo runs on a
/// terminal of its own: TERM, and after a second KILL. Shells read /proc byte
/// by byte, so one pass over it makes a table, and waiting asks known ids only.
///
/// What is left is printed. That nothing is left is told as the exit status [`ENDED`],
/// which arrives at once where words may have to queue behind the command's output.
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
    [ -n \"$left\" ] || exit 75; echo left$left";

/// How [`END`] exits when it has left nothing.
const ENDED: i32 = 75;

/// What is left of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport) enum Left {
    /// Nothing.
    Nothing,
    /// The processes with these ids, each after a blank.
    Some(String),
    /// The server lets nothing run beside the command.
    Untold,
    /// Nobody knows.
    Unknown,
}

/// Ends the processes of the command that ran with `options`, whether or not its
/// channel still lives.
///
/// root's processes are ended by a second sudo, where that runs a shell. It is given the
/// password as the first one was: where that did not ask for it, `passwords` is asked
/// anew. Where nothing is known of that one, there is no second.
pub(in crate::transport) fn end(
    connection: &mut SshConnection,
    options: &ExecOptions,
    elevation: Option<Elevation>,
    passwords: &dyn PasswordWatch,
) -> Left {
    let elevated = match (&options.sudo, elevation) {
        (Some(sudo), Some(elevation)) => {
            end_elevated(connection, options, sudo, elevation, passwords)
        }
        _ => None,
    };
    // What is not root's at least, and perhaps root's stands and falls with that.
    elevated.unwrap_or_else(|| end_own(connection))
}

/// As another user; `None` where sudo does not let that be done.
fn end_elevated(
    connection: &mut SshConnection,
    options: &ExecOptions,
    sudo: &SudoSpec,
    elevation: Elevation,
    passwords: &dyn PasswordWatch,
) -> Option<Left> {
    // The cancellation that may have led here must not keep this from running.
    let cancel = Cancel::default();
    let deadline = Some(Instant::now() + PATIENCE);
    // A rule for named commands lets no shell run, and trying to would only be reported
    // to the host's administrator.
    if !sudo.shell && elevation == Elevation::Free && !lists_shell(connection, sudo, &cancel) {
        return None;
    }
    let spare = spared(connection);
    let parent = Launch::plain("exec /bin/sh -c 'echo $PPID'");
    let parent = say(connection, parent, deadline, &cancel)?;
    parent.parse::<u32>().ok()?;
    let line = format!("exec /bin/sh -c 'p={parent}; {spare}{LOOK}{ROW}{END}'");
    let options = ExecOptions {
        environment: Vec::new(),
        working_directory: None,
        script: None,
        sudo: Some(SudoSpec { shell: true, ..sudo.clone() }),
        ..options.clone()
    };
    let watch: &dyn PasswordWatch = match elevation {
        Elevation::Proven => &Unwatched,
        _ => passwords,
    };
    let usage = PasswordUse::new(watch, Purpose::Sudo);
    let password = sudo.password.as_ref().map(|secret| (secret, &usage));
    let launch = Launch::new(&line, &options);
    match judged(carry_out(connection, launch, password, deadline, &cancel)) {
        Left::Unknown | Left::Untold => None,
        left => Some(left),
    }
}

/// Whether sudo lists a shell among what it lets the login user run.
fn lists_shell(connection: &mut SshConnection, sudo: &SudoSpec, cancel: &Cancel) -> bool {
    let script = "case $SHELL in */bash|*/dash|*/ksh|*/sh|*/zsh) ;; *) SHELL=/bin/sh;; esac; \
        sudo -n -l ${1:+-u \"$(printf %b \"$1\")\"} -- \"$SHELL\" >/dev/null 2>&1 && echo may";
    let user = encode(sudo.user.as_deref().unwrap_or_default());
    let launch = Launch::plain(&format!("exec /bin/sh -c '{script}' sshoal {user}"));
    let deadline = Some(Instant::now() + PATIENCE);
    say(connection, launch, deadline, cancel).is_some_and(|said| said == "may")
}

/// How far the sudo of a command that is given up has got: what is known of it, or what
/// the host tells.
pub(in crate::transport) fn how_far(
    connection: &mut SshConnection,
    elevation: Elevation,
) -> Option<Elevation> {
    let Elevation::Untold { asked } = elevation else { return Some(elevation) };
    match look_at_sudo(connection, None, &Cancel::default())? {
        Sudo::Waits => Some(Elevation::Pending),
        Sudo::Runs if asked => Some(Elevation::Proven),
        // It may have ended because of the password.
        Sudo::Gone if asked => None,
        Sudo::Runs | Sudo::Gone => Some(Elevation::Free),
    }
}

/// Ends what the login user's own rights suffice to end.
pub(in crate::transport) fn end_own(connection: &mut SshConnection) -> Left {
    let spare = spared(connection);
    let launch = Launch::plain(&format!("exec /bin/sh -c 'p=$PPID; {spare}{LOOK}{ROW}{END}'"));
    let deadline = Some(Instant::now() + PATIENCE);
    judged(carry_out(connection, launch, None, deadline, &Cancel::default()))
}

fn judged((came, output): (Script, Vec<u8>)) -> Left {
    match came {
        Script::Exited(ENDED) => Left::Nothing,
        Script::Exited(0) => {
            let said = last_line(&output).unwrap_or_default();
            let ids = said.strip_prefix("left").unwrap_or_default();
            match ids.split_whitespace().all(|id| id.parse::<u32>().is_ok()) && !ids.is_empty() {
                true => Left::Some(ids.to_owned()),
                false => Left::Unknown,
            }
        }
        Script::Refused => Left::Untold,
        Script::Exited(_) | Script::Failed => Left::Unknown,
    }
}

/// Whether the processes with these ids have gone, now that the command's channel is
/// closed: the end of a terminal ends what runs on it.
pub(in crate::transport) fn are_gone(connection: &mut SshConnection, ids: &str) -> bool {
    let script = format!(
        "i=0; while [ $i -lt 10 ]; do any=; for q in{ids}; do look $q && [ $st != Z ] && any=y; \
         done; [ -n \"$any\" ] || {{ echo gone; exit; }}; sleep 0.1; i=$((i+1)); done; echo there"
    );
    let launch = Launch::plain(&format!("exec /bin/sh -c '{LOOK}{script}'"));
    let deadline = Some(Instant::now() + HANG_UP_PATIENCE);
    say(connection, launch, deadline, &Cancel::default()).is_some_and(|said| said == "gone")
}
