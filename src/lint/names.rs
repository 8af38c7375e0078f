//! Names that are given and never used.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::{LintWarning, tasks};
use crate::diagnostic::Problem;
use crate::load::decode::{At, Templated};
use crate::load::playbook::{RawPlay, RawTask, Vars};
use crate::load::source::{Sources, Span};
use crate::load::uses::Uses;
use crate::resolve::uses;

/// Words of a request or of Ansible, which sshoal itself uses.
fn has_a_meaning(name: &str) -> bool {
    ["connection_args", "driver_args", "options"].contains(&name) || name.starts_with("ansible_")
}

/// Reports variables of plays and tasks, and registered results, that no template and
/// no condition looks up, in no file that was read.
pub(super) fn unused(sources: &Sources, plays: &[At<RawPlay>], problems: &mut Vec<Problem>) {
    let Some(templates) = templates(sources, plays) else { return };
    let mut given: Vec<(&str, Option<Span>, bool)> = Vec::new();
    for play in plays {
        variables(play.value.vars.as_ref(), &mut given);
        for task in tasks(&play.value) {
            variables(task.value.vars.as_ref(), &mut given);
            if let Some(register) = &task.value.register {
                given.push((&register.value, register.span, true));
            }
        }
    }
    // What stands on an import is given once, however many tasks inherit it.
    let mut places = HashSet::new();
    given.retain(|(name, span, _)| places.insert((*name, *span)));
    if given.is_empty() {
        return;
    }
    let (expression, template) = (&uses::of_expression, &uses::of_template);
    let mut uses = Uses { expression, template, names: BTreeSet::new() };
    sources.numbered().for_each(|(file, _)| uses.add(sources, file));
    templates.iter().for_each(|text| uses.text(text, false));
    for (name, span, is_result) in given {
        if has_a_meaning(name) || uses.names.contains(name) {
            continue;
        }
        let name = name.to_owned();
        let warning = match is_result {
            true => LintWarning::UnusedRegister { name },
            false => LintWarning::UnusedVariable { name },
        };
        problems.push(Problem::new(warning, span));
    }
}

fn variables<'v>(vars: Option<&'v At<Vars>>, given: &mut Vec<(&'v str, Option<Span>, bool)>) {
    let vars = vars.iter().flat_map(|vars| &vars.value.0);
    given.extend(vars.map(|(name, entry)| (name.as_str(), entry.key, false)));
}

/// The texts of the template files that the plays upload; `None` when it cannot be
/// told which these are.
fn templates(sources: &Sources, plays: &[At<RawPlay>]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for task in plays.iter().flat_map(|play| tasks(&play.value)) {
        let Some(path) = template_of(&task.value) else { continue };
        let Templated::Value(relative) = &path.value else { return None };
        let directory = path.span.map(|span| sources.get(span.file).directory.clone());
        let path = directory.unwrap_or_default().join(Path::new(relative));
        texts.push(crate::local_file::read_to_string(&path).ok()?);
    }
    Some(texts)
}

/// The local path of a file that may be rendered.
fn template_of(task: &RawTask) -> Option<&At<Templated<String>>> {
    let transfer = &task.transfer()?.value;
    let is_template = transfer.template.as_ref()?;
    match is_template.value {
        Templated::Value(false) => None,
        _ => transfer.local_path.as_ref(),
    }
}
