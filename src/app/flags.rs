//! Command-line flags as request arguments, which win over playbook and inventory.

use crate::config::{Ask, ConnectConfig};
use crate::diagnostic::Problem;
use crate::load::LoadError;
use crate::load::decode::{At, Templated};
use crate::load::request::{ConnectionArgs, DriverArgs};
use crate::load::values::Seconds;
use crate::plan::FlagArgs;

/// The passwords to log in with and for sudo, as far as the flags say to ask.
pub(super) type Passwords = (Option<String>, Option<String>);

/// What stands for passwords until they are asked for: texts that nothing else is.
pub(super) fn placeholders(ask: Ask) -> Passwords {
    let unknown = || Some(uuid::Uuid::now_v7().to_string());
    match ask {
        Ask::Nothing => (None, None),
        Ask::Login => (unknown(), None),
        Ask::Sudo => (None, unknown()),
        Ask::Both => (unknown(), unknown()),
    }
}

/// Asks for the passwords that the flags say to ask for.
pub(super) fn ask_for(which: Ask) -> Result<Passwords, Vec<Problem>> {
    Ok(match which {
        Ask::Nothing => (None, None),
        Ask::Login => (Some(ask("SSH password: ")?), None),
        Ask::Sudo => (None, Some(ask("sudo password: ")?)),
        Ask::Both => {
            let login = ask("SSH password: ")?;
            let sudo = ask("sudo password (empty: the same): ")?;
            let sudo = if sudo.is_empty() { login.clone() } else { sudo };
            (Some(login), Some(sudo))
        }
    })
}

/// Reads the flags, with these passwords.
pub(super) fn read(
    connect: &ConnectConfig,
    passwords: Passwords,
) -> Result<FlagArgs, Vec<Problem>> {
    let mut problems = Vec::new();
    let text = |text: String| Some(At::nowhere(Templated::Value(text)));
    let timeout = connect.timeout.and_then(|seconds| match Seconds::new(seconds) {
        Some(seconds) => Some(At::nowhere(Templated::Value(seconds))),
        None => {
            let error = LoadError::WrongType {
                what: "`--timeout`".to_owned(),
                expected: Seconds::EXPECTED.to_owned(),
                found: format!("`{seconds}`"),
                help: "write a plain number such as `--timeout 10`".to_owned(),
            };
            problems.push(Problem::new(error, None));
            None
        }
    });
    let policy = connect.host_key_policy.as_deref().and_then(|name| name.parse().ok());
    if !problems.is_empty() {
        return Err(problems);
    }
    let (login, sudo) = passwords;
    Ok(FlagArgs {
        connection: ConnectionArgs {
            username: connect.user.clone().and_then(text),
            password: login.and_then(text),
            key_filename: connect
                .private_key
                .as_ref()
                .and_then(|path| text(path.display().to_string())),
            timeout,
            host_key_policy: policy.map(|policy| At::nowhere(Templated::Value(policy))),
            ..ConnectionArgs::default()
        },
        driver: DriverArgs { sudo_password: sudo.and_then(text), ..DriverArgs::default() },
    })
}

/// Asks on the terminal, without echo.
fn ask(prompt: &str) -> Result<String, Vec<Problem>> {
    rpassword::prompt_password(prompt).map_err(|error| {
        let error = LoadError::Conflict {
            message: format!("cannot ask for a password: {error}"),
            help: "run it in a terminal, or take the password from `{{ env('NAME') }}` in the inventory".to_owned(),
        };
        vec![Problem::new(error, None)]
    })
}
