//! Downloads must not overwrite each other.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::PlanError;
use super::model::{PlannedPlay, TaskBody};
use super::play::TaskShape;
use super::spec::Action;
use crate::diagnostic::{COMMAND_LINE, Problem};
use crate::load::source::{Sources, shown};
use crate::transfer::TransferOperation;

/// Reports each local file that several hosts, or several items of a loop, would
/// download to in one task.
pub(super) fn check<'s>(
    play: &PlannedPlay,
    shapes: impl Iterator<Item = &'s TaskShape>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) {
    for shape in shapes {
        let Some(transfer) = shape.raw.value.transfer() else { continue };
        let tasks = play.lanes.iter().flat_map(|lane| &lane.tasks);
        let tasks = tasks.filter(|task| task.header.id == shape.header.id);
        let mut targets: BTreeMap<&Path, usize> = BTreeMap::new();
        for task in tasks {
            let TaskBody::Ready(steps) = &task.body else { continue };
            for step in steps.iter().filter(|step| !step.skip) {
                if let Action::FileTransfer(spec) = &step.action
                    && spec.operation == TransferOperation::Download
                {
                    *targets.entry(&spec.local_path).or_default() += 1;
                }
            }
        }
        let span = transfer.value.local_path.as_ref().and_then(|at| at.span);
        let is_ad_hoc = span.is_some_and(|span| sources.get(span.file).name == COMMAND_LINE);
        let help = match is_ad_hoc {
            true => {
                "end LOCAL in `/`, as in `--download REMOTE:LOCAL/`: then each host gets a directory of its own"
            }
            false if shape.raw.value.loop_items.is_some() => {
                "make the path differ by host and item: `local_path: \"out/{{ inventory_hostname }}/{{ item }}\"`"
            }
            false => {
                "make the path differ by host: `local_path: \"out/{{ inventory_hostname }}/…\"`"
            }
        };
        for (path, count) in targets.into_iter().filter(|(_, count)| *count > 1) {
            let error = PlanError::SharedDownload { path: shown(path), count, help };
            problems.push(Problem::new(error, span));
        }
    }
}
