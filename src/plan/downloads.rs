//! Downloads must not overwrite each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::PlanError;
use super::model::{PlannedPlay, TaskBody};
use super::play::TaskShape;
use super::spec::Action;
use crate::diagnostic::{COMMAND_LINE, Problem};
use crate::load::source::{Sources, Span, shown};
use crate::transfer::TransferOperation;

/// Reports each local file of a play that several hosts, or several items of a
/// loop, would download to.
pub(super) fn check<'s>(
    play: &PlannedPlay,
    shapes: impl Iterator<Item = &'s TaskShape>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) {
    let mut targets: BTreeMap<&Path, Vec<(&str, &str)>> = BTreeMap::new();
    let firsts: Vec<usize> = play.batches().map(|batch| batch.start).collect();
    for (place, lane) in play.lanes.iter().enumerate() {
        // One host of each batch runs a task of `run_once`.
        let is_first = firsts.contains(&place);
        for task in lane.tasks.iter().filter(|task| is_first || !task.header.run_once) {
            let TaskBody::Ready(steps) = &task.body else { continue };
            for step in steps.iter().filter(|step| !step.skip) {
                if let Action::FileTransfer(spec) = &step.action
                    && spec.operation == TransferOperation::Download
                {
                    let users = targets.entry(&spec.local_path).or_default();
                    users.push((&task.header.id, &lane.host));
                }
            }
        }
    }
    // A host may well overwrite in a later task what an earlier one brought.
    targets.retain(|_, users| {
        let hosts: BTreeSet<&str> = users.iter().map(|(_, host)| *host).collect();
        let distinct: BTreeSet<_> = users.iter().collect();
        hosts.len() > 1 || distinct.len() < users.len()
    });
    if targets.is_empty() {
        return;
    }
    let shapes: Vec<&TaskShape> = shapes.collect();
    for (path, users) in targets {
        let Some((last, _)) = users.last() else { continue };
        let Some(shape) = shapes.iter().find(|shape| *shape.header.id == **last) else { continue };
        let transfer = shape.raw.value.transfer();
        let span = transfer.and_then(|at| at.value.local_path.as_ref()).and_then(|at| at.span);
        let help = advice(shape, span, sources);
        let error = PlanError::SharedDownload { path: shown(path), count: users.len(), help };
        problems.push(Problem::new(error, span));
    }
}

fn advice(shape: &TaskShape, span: Option<Span>, sources: &Sources) -> &'static str {
    let is_ad_hoc = span.is_some_and(|span| sources.get(span.file).name == COMMAND_LINE);
    if is_ad_hoc {
        "end LOCAL in `/`, as in `--download REMOTE:LOCAL/`: then each host gets a directory of its own"
    } else if shape.raw.value.loop_items.is_some() {
        "make the path differ by host and item: `local_path: \"out/{{ inventory_hostname }}/{{ item }}\"`"
    } else {
        "make the path differ by host: `local_path: \"out/{{ inventory_hostname }}/…\"`"
    }
}
