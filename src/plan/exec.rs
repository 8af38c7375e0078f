//! From `driver_args` to how commands run, and through sudo or not.

use std::sync::Arc;
use std::time::Duration;

use super::collect::Collect;
use super::error::PlanError;
use super::spec::{ExecOptions, SudoSpec};
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::playbook::RawTask;
use crate::load::request::DriverArgs;
use crate::load::values::Limit;
use crate::resolve::frame::Frame;
use crate::secret::Secret;

/// Documented default of `max_output`: 1 MiB.
const MAX_OUTPUT: u64 = 1024 * 1024;

/// How commands run.
pub(super) fn exec(
    args: &DriverArgs,
    is_config: bool,
    sudo_password: Option<&Secret>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<ExecOptions> {
    let sudo = match is_config {
        true => sudo(args, sudo_password, frame, collect),
        false => None,
    };
    let get_pty = collect.value(frame, args.get_pty.as_ref(), "get_pty");
    // Documented: a sudo password turns the terminal on unless it is set. One that
    // comes with the login does not, for whether there is one shows only in a vault.
    let asks = sudo.is_some() && args.sudo_password.is_some();
    let environment = environment(args, frame, collect);
    let working_directory =
        collect.exposed(frame, args.working_directory.as_ref(), "working_directory");
    if working_directory.as_ref().is_some_and(|path| path.contains('\0')) {
        let error = PlanError::Nul { what: "`working_directory`".to_owned() };
        collect.error(error, args.working_directory.as_ref());
    }
    Some(ExecOptions {
        timeout: limit(args.timeout.as_ref(), frame, collect),
        pty: get_pty.unwrap_or(asks),
        stdin_open: !is_config && get_pty == Some(true),
        environment,
        working_directory,
        read_size: read_size(args, frame, collect),
        max_output: max_output(args, frame, collect),
        sudo,
        script: None,
    })
}

/// How sudo is used, if it is.
pub(super) fn sudo(
    args: &DriverArgs,
    of_login: Option<&Secret>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<SudoSpec> {
    if !collect.value(frame, args.sudo.as_ref(), "sudo").unwrap_or(false) {
        return None;
    }
    super::ansible::check_method(frame, collect);
    let password = args.sudo_password.as_ref();
    let password = password.and_then(|at| collect.take(frame.secret(at, "`sudo_password`")));
    if password.as_ref().is_some_and(|password| password.reveal().contains(['\0', '\n'])) {
        let error = PlanError::OutOfRange {
            what: "`sudo_password`".to_owned(),
            expected: "one line".to_owned(),
            found: "several".to_owned(),
        };
        collect.error(error, args.sudo_password.as_ref());
    }
    Some(SudoSpec {
        password: password.or_else(|| of_login.cloned()),
        user: collect.exposed(frame, args.sudo_user.as_ref(), "sudo_user"),
        shell: collect.value(frame, args.sudo_shell.as_ref(), "sudo_shell").unwrap_or(true),
    })
}

fn environment(
    args: &DriverArgs,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, at) in args.environment.iter().flat_map(|map| &map.value.0) {
        let Some(value) = collect.value::<String>(frame, Some(at), name) else { continue };
        if value.contains('\0') {
            collect.error(PlanError::Nul { what: format!("`{name}`") }, Some(at));
        }
        variables.push((name.clone(), value));
    }
    variables
}

/// A total limit; unset and null both mean none.
pub(super) fn limit(
    at: Option<&At<Templated<Limit>>>,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Option<Duration> {
    let limit = collect.value(frame, at, "timeout")?;
    limit.0.map(|seconds| Duration::from_secs_f64(seconds.0))
}

fn read_size(args: &DriverArgs, frame: &Arc<Frame>, collect: &mut Collect) -> Option<usize> {
    let size = collect.value(frame, args.bufsize.as_ref(), "bufsize")?;
    match usize::try_from(size) {
        Ok(size @ 1..=0x0400_0000) => Some(size),
        _ if size == -1 => None,
        _ => {
            let error = PlanError::OutOfRange {
                what: "`bufsize`".to_owned(),
                expected: "-1 or a number of bytes from 1 to 67108864".to_owned(),
                found: size.to_string(),
            };
            collect.error(error, args.bufsize.as_ref());
            None
        }
    }
}

fn max_output(args: &DriverArgs, frame: &Arc<Frame>, collect: &mut Collect) -> usize {
    let bytes = collect.value(frame, args.max_output.as_ref(), "max_output");
    usize::try_from(bytes.unwrap_or(MAX_OUTPUT)).unwrap_or(usize::MAX)
}

/// What is written on the task itself and only sudo would look at, where nothing says
/// whether to use it: it would run as somebody else than meant.
pub(super) fn forbid_idle_sudo(raw: &RawTask, args: &DriverArgs, collect: &mut Collect) {
    let Some(own) = raw.driver_args.as_ref().map(|at| &at.value) else { return };
    if args.sudo.is_some() {
        return;
    }
    let keys = [
        ("sudo_password", own.sudo_password.as_ref().map(|at| at.key)),
        ("sudo_user", own.sudo_user.as_ref().map(|at| at.key)),
        ("sudo_shell", own.sudo_shell.as_ref().map(|at| at.key)),
    ];
    for (key, span) in keys.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        let error = PlanError::Unfitting {
            message: format!("`{key}` has no effect without `sudo`"),
            help: "add `sudo: true`, or remove it from this task".to_owned(),
        };
        collect.problems.push(Problem::new(error, span));
    }
}
