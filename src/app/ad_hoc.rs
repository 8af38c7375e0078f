//! `sshoal exec`: one task over a host pattern. Its texts are literal.

use std::path::Path;

use crate::config::AdHoc;
use crate::diagnostic::{COMMAND_LINE, Problem};
use crate::load::decode::{At, OneOrMany, Templated};
use crate::load::playbook::{RawPlay, RawTask};
use crate::load::request::{DriverArgs, FileTransfer};
use crate::load::source::{Sources, Span};
use crate::load::values::{EnvironmentMap, OperationName, is_exportable};
use crate::load::{LoadError, PlaybookContent, RawPlaybook};

/// The playbook that stands for the command line.
pub(super) fn playbook(
    sources: &Sources,
    pattern: &str,
    job: &AdHoc,
) -> Result<RawPlaybook, Vec<Problem>> {
    let here = std::path::absolute(".").unwrap_or_else(|_| Path::new(".").to_owned());
    let file = sources.add(COMMAND_LINE, &here, String::new());
    let task = task(job, Span::whole(file)).map_err(|error| vec![Problem::new(error, None)])?;
    let shown = sources.add("<PATTERN>", &here, pattern.to_owned());
    let span = Some(Span { len: pattern.len(), ..Span::whole(shown) });
    let play = RawPlay {
        hosts: Some(At {
            value: OneOrMany::One(Templated::Value(pattern.to_owned())),
            span,
            key: span,
        }),
        name: Some(At::nowhere(Templated::Value(format!("exec {pattern}")))),
        tasks: Some(At::nowhere(vec![At::nowhere(task)])),
        ..RawPlay::default()
    };
    Ok(RawPlaybook {
        file,
        imports: Vec::new(),
        content: PlaybookContent::Plays(vec![At::nowhere(play)]),
        problems: Vec::new(),
    })
}

fn task(job: &AdHoc, place: Span) -> Result<RawTask, LoadError> {
    match job {
        AdHoc::Command { line, sudo, environment } => command(line, *sudo, environment),
        AdHoc::Upload { paths, sudo } => {
            let (local, remote) = split(paths, "--upload LOCAL:REMOTE")?;
            Ok(transfer(OperationName::Upload, local, remote, *sudo, place))
        }
        AdHoc::Download { paths, sudo } => {
            let (remote, local) = split(paths, "--download REMOTE:LOCAL")?;
            // One file per host: a directory of its own for each.
            let local = match local.ends_with('/') {
                true => {
                    let name = remote.rsplit('/').next().unwrap_or(remote);
                    Templated::Template(format!(
                        "{{% raw %}}{local}{{% endraw %}}{{{{ inventory_hostname }}}}/{{% raw %}}{name}{{% endraw %}}"
                    ))
                }
                false => Templated::Value(local.to_owned()),
            };
            let mut task = transfer(OperationName::Download, "", remote, *sudo, place);
            if let Some(transfer) = &mut task.file_transfer {
                transfer.value.local_path = Some(At { value: local, span: Some(place), key: None });
                transfer.value.create_dirs = Some(At::nowhere(Templated::Value(true)));
            }
            Ok(task)
        }
        AdHoc::Nothing | AdHoc::ListHosts => Err(LoadError::Conflict {
            message: "nothing to do on the hosts".to_owned(),
            help: "give a command after `--`, or `--upload`, `--download` or `--list-hosts`"
                .to_owned(),
        }),
    }
}

fn command(line: &str, sudo: bool, environment: &[String]) -> Result<RawTask, LoadError> {
    let mut variables = EnvironmentMap::default();
    for pair in environment {
        match pair.split_once('=') {
            Some((name, value)) if is_exportable(name) => {
                let value = At::nowhere(Templated::Value(value.to_owned()));
                variables.0.insert(name.to_owned(), value);
            }
            other => {
                // The value may be a secret.
                let message = match other {
                    Some((name, _)) => format!("`--env {name}=…` sets no variable"),
                    None => "an `--env` sets no variable".to_owned(),
                };
                return Err(LoadError::Conflict {
                    message,
                    help: "write `--env NAME=VALUE`; a name has letters, digits and `_`".to_owned(),
                });
            }
        }
    }
    let commands = Some(At::nowhere(OneOrMany::One(Templated::Value(line.to_owned()))));
    let args = DriverArgs {
        environment: (!variables.0.is_empty()).then(|| At::nowhere(variables)),
        ..if sudo { elevated() } else { DriverArgs::default() }
    };
    let driver_args = Some(At::nowhere(args));
    Ok(match sudo {
        true => RawTask { config: commands, driver_args, ..RawTask::default() },
        false => RawTask { command: commands, driver_args, ..RawTask::default() },
    })
}

fn transfer(
    operation: OperationName,
    local: &str,
    remote: &str,
    sudo: bool,
    place: Span,
) -> RawTask {
    let transfer = FileTransfer {
        operation: Some(At::nowhere(Templated::Value(operation))),
        local_path: Some(At {
            value: Templated::Value(local.to_owned()),
            span: Some(place),
            key: None,
        }),
        remote_path: Some(At::nowhere(Templated::Value(remote.to_owned()))),
        ..FileTransfer::default()
    };
    let driver_args = sudo.then(|| At::nowhere(elevated()));
    let file_transfer = Some(At::nowhere(transfer));
    RawTask { file_transfer, driver_args, ..RawTask::default() }
}

fn elevated() -> DriverArgs {
    DriverArgs { sudo: Some(At::nowhere(Templated::Value(true))), ..DriverArgs::default() }
}

fn split<'p>(paths: &'p str, form: &str) -> Result<(&'p str, &'p str), LoadError> {
    match paths.split_once(':') {
        Some((first, second)) if !first.is_empty() && !second.is_empty() => Ok((first, second)),
        _ => Err(LoadError::Conflict {
            message: format!("`{paths}` does not name two paths"),
            help: format!("write `{form}`"),
        }),
    }
}
