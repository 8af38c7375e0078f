//! Handlers and the names that tasks notify them by, as far as both are no templates.

use super::decode::{At, Decoder, Templated, nearest};
use super::error::LoadError;
use super::playbook::{RawPlay, RawTask};
use crate::diagnostic::Problem;

/// Reports a handler without a name.
pub(super) fn named(handler: &At<RawTask>, decoder: &mut Decoder) {
    let raw = &handler.value;
    if raw.name.is_none() && raw.import_tasks.is_none() && !raw.rejected.may_be("name") {
        let error = LoadError::MissingKey {
            key: "name".to_owned(),
            within: "a handler".to_owned(),
            help: "tasks notify a handler by its name".to_owned(),
        };
        decoder.report(error, handler.span);
    }
}

/// Reports names in `notify` that no handler of the play has, as far as both are
/// no templates. The play has what it imports by now.
pub(super) fn notify(play: &RawPlay, problems: &mut Vec<Problem>) {
    let handlers = || play.handlers.iter().flat_map(|handlers| &handlers.value);
    let mut names: Vec<&str> = Vec::new();
    let mut is_complete = true;
    for handler in handlers() {
        match handler.value.name.as_ref().map(|at| (&at.value, at.span)) {
            Some((Templated::Value(name), span)) => {
                if names.contains(&name.as_str()) {
                    let error = LoadError::Conflict {
                        message: format!("two handlers have the name `{name}`"),
                        help: "give each a name of its own, or make them one".to_owned(),
                    };
                    problems.push(Problem::new(error, span));
                }
                names.push(name);
            }
            // Which name it has is only known on a host.
            _ => is_complete = false,
        }
    }
    let tasks = play.tasks.iter().flat_map(|tasks| &tasks.value);
    for at in tasks.chain(handlers()).filter_map(|task| task.value.notify.as_ref()) {
        for part in at.each() {
            if let Templated::Value(name) = &part.value
                && is_complete
                && !names.contains(&name.as_str())
            {
                let help = handler_help(name, &names);
                let error = LoadError::UnknownHandler { name: name.clone(), help };
                problems.push(Problem::new(error, part.span));
            }
        }
    }
}

/// What to say to those who name a handler that is not there.
pub(crate) fn handler_help(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "the play has no `handlers`".to_owned(),
        None => format!("its handlers are `{}`", known.join("`, `")),
    }
}
