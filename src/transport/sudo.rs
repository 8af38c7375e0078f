//! What sudo says when it does not run a command, translated into failures.

use std::time::Duration;

use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::SudoSpec;

/// How long sudo may take to ask, or to start the command, before its silence
/// counts as a question that only a person would understand.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait for a prompt when nothing tells that sudo asks for none. Then the
/// host is asked whether the command runs, and unless it says that sudo still has to
/// begin, the command's standard input is ended, so that it cannot wait for more.
pub(super) const WORDS_PATIENCE: Duration = Duration::from_secs(5);

/// When to look, before that, whether sudo runs the command already: one that reads its
/// input to the end waits for as long.
pub(super) const EARLY_LOOKS: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_millis(1000),
    Duration::from_millis(1500),
    Duration::from_millis(2500),
];

/// How long sudo may take to reject a password (PAM delays that by a few seconds)
/// when nothing tells that it was accepted.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// What became clear while sudo talked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It asked again.
    WrongPassword,
    /// It asked, and there is nothing to answer.
    NoPassword,
    /// It neither asked nor started the command within [`PATIENCE`].
    Silent,
    /// It asked, and the password may not be sent any more.
    Withheld,
    /// It asked after its input was ended, see [`WORDS_PATIENCE`] and [`EARLY_LOOKS`].
    Late,
}

/// The failure for what became clear while sudo talked.
pub(super) fn trouble(trouble: Trouble, sudo: &SudoSpec) -> Failure {
    match trouble {
        Trouble::WrongPassword => wrong_password(),
        Trouble::NoPassword => password_required(),
        Trouble::Withheld => Failure::new(
            ErrorCode::CanaryRejected,
            "sudo was not given the password: other hosts have rejected it",
        )
        .with_help("correct the password; `--no-canary` sends it to every host all the same"),
        Trouble::Late => Failure::new(
            ErrorCode::SudoPromptUnknown,
            "sudo asked for the password when its input had been ended: it had seemed to run \
             the command",
        )
        .with_help("set `driver_args.get_pty: true`: on a terminal sudo may take its time"),
        Trouble::Silent => Failure::new(
            ErrorCode::SudoPromptUnknown,
            format!(
                "sudo neither started the command nor asked for a password within {} s",
                PATIENCE.as_secs()
            ),
        )
        .with_help(match sudo.shell {
            true => {
                "the host may ask for more than a password, or word its prompt otherwise; \
                 let this user run it without one (NOPASSWD), or set `Defaults \
                 passprompt_override` in sudoers"
            }
            false => "the host may ask for more than a password",
        }),
    }
}

/// The failure for a sudo that ended before the command began, by what it said.
pub(super) fn refusal(said: &str, sudo: &SudoSpec) -> Failure {
    known_refusal(said, sudo).unwrap_or_else(|| {
        let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let message = match last {
            Some(line) => format!("sudo did not start the command: {line}"),
            None => "sudo ended without starting the command".to_owned(),
        };
        Failure::new(ErrorCode::SudoNotPermitted, message)
    })
}

/// The failure for what sudo said, if these are words of sudo's.
pub(super) fn known_refusal(said: &str, sudo: &SudoSpec) -> Option<Failure> {
    let said_any = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
    if said_any(&["incorrect password attempt", "Sorry, try again.", "Authentication failed"]) {
        return Some(wrong_password());
    }
    if said_any(&["must have a tty", "a terminal is required to run", "no tty present"]) {
        return Some(
            Failure::new(ErrorCode::SudoRequiresTty, "sudo insists on a terminal (`requiretty`)")
                .with_help("set `driver_args.get_pty: true`"),
        );
    }
    if said_any(&["a password is required", "no password was provided"]) {
        return Some(password_required());
    }
    let missing = said_any(&[
        "sudo: not found",
        "sudo: command not found",
        "sudo: No such file",
        "'sudo': No such file",
        "‘sudo’: No such file",
        "command not found: sudo",
        "Unknown command: sudo",
    ]);
    if missing {
        return Some(
            Failure::new(ErrorCode::SudoNotPermitted, "the host has no `sudo`").with_help(
                "install sudo there, or leave `driver_args.sudo` out and log in as the user \
                 that the command needs",
            ),
        );
    }
    if said_any(&["unknown user"]) {
        let user = sudo.user.as_deref().unwrap_or("root");
        return Some(
            Failure::new(ErrorCode::SudoNotPermitted, format!("sudo knows no user `{user}`"))
                .with_help("check `driver_args.sudo_user`"),
        );
    }
    let forbidden = said_any(&[
        "is not in the sudoers file",
        "is not allowed to ",
        "may not run sudo",
        "you are not permitted",
        "you are not allowed",
        "a valid sudoers",
    ]);
    forbidden.then(|| not_permitted(said, sudo))
}

fn not_permitted(said: &str, sudo: &SudoSpec) -> Failure {
    let unlisted = said.contains("is not in the sudoers file");
    let user = sudo.user.as_deref().unwrap_or("root");
    let message = match (unlisted, sudo.shell) {
        (true, _) => "the login user is not in the host's sudoers".to_owned(),
        (false, true) => format!("sudo does not let the login user run a shell as `{user}`"),
        (false, false) => format!("sudo does not let the login user run this as `{user}`"),
    };
    let failure = Failure::new(ErrorCode::SudoNotPermitted, message);
    match sudo.shell {
        true => failure.with_help(
            "add a rule to the host's sudoers; where a rule names single commands, set \
             `driver_args.sudo_shell: false`",
        ),
        false => failure.with_help(
            "compare the command, word by word, with the rules that `sudo -l` lists on the host",
        ),
    }
}

fn wrong_password() -> Failure {
    Failure::new(ErrorCode::SudoAuthFailed, "sudo did not accept the password")
        .with_help("check `driver_args.sudo_password`; it was tried once only")
}

fn password_required() -> Failure {
    Failure::new(ErrorCode::SudoPasswordRequired, "sudo asks for a password and none is given")
        .with_help("set `driver_args.sudo_password`, or use `--ask-sudo-pass`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sudo_says_has_a_code() {
        let sudo = SudoSpec { password: None, user: None, shell: true };
        for (said, code) in [
            ("ann is not in the sudoers file.", ErrorCode::SudoNotPermitted),
            ("Sorry, user ann is not allowed to execute 'x' as root", ErrorCode::SudoNotPermitted),
            ("sudo: sorry, you must have a tty to run sudo", ErrorCode::SudoRequiresTty),
            ("sudo: a password is required", ErrorCode::SudoPasswordRequired),
            ("sudo: 1 incorrect password attempt", ErrorCode::SudoAuthFailed),
            ("sshoal: 1: exec: sudo: not found", ErrorCode::SudoNotPermitted),
            ("sudo: unknown user nobody2", ErrorCode::SudoNotPermitted),
        ] {
            assert_eq!(
                known_refusal(said, &sudo).map(|failure| failure.code),
                Some(code),
                "{said}"
            );
        }
        assert!(known_refusal("cat: /x: Permission denied", &sudo).is_none());
    }

    #[test]
    fn a_refused_shell_mentions_the_way_around() {
        let sudo = SudoSpec { password: None, user: None, shell: true };
        let failure = refusal("Sorry, user ann is not allowed to execute x", &sudo);
        assert!(failure.help.is_some_and(|help| help.contains("sudo_shell: false")));
    }
}
