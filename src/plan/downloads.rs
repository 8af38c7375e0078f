//! Downloads must not overwrite each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use super::error::PlanError;
use super::model::{PlannedPlay, TaskBody};
use super::play::TaskShape;
use super::spec::Action;
use crate::diagnostic::{COMMAND_LINE, Problem};
use crate::event::{HostName, TaskId};
use crate::load::source::{Sources, Span, shown};
use crate::transfer::TransferOperation;

/// Who downloads to which local file, over all plays.
#[derive(Debug, Default)]
pub(super) struct Downloads(BTreeMap<PathBuf, Vec<Use>>);

#[derive(Debug)]
struct Use {
    task: TaskId,
    host: HostName,
    span: Option<Span>,
    help: &'static str,
}

impl Downloads {
    /// Adds what is known of the downloads of a play.
    pub(super) fn gather<'s>(
        &mut self,
        play: &PlannedPlay,
        shapes: impl Iterator<Item = &'s TaskShape>,
        sources: &Sources,
    ) {
        let shapes: HashMap<&TaskId, &TaskShape> =
            shapes.map(|shape| (&shape.header.id, shape)).collect();
        let firsts: Vec<usize> = play.batches().map(|batch| batch.start).collect();
        for (place, lane) in play.lanes.iter().enumerate() {
            // One host of each batch runs a task of `run_once`.
            let is_first = firsts.contains(&place);
            for task in lane.tasks.iter().filter(|task| is_first || !task.header.run_once) {
                let TaskBody::Ready(steps) = &task.body else { continue };
                for step in steps.iter().filter(|step| !step.skip) {
                    if let Action::FileTransfer(spec) = &step.action
                        && spec.operation == TransferOperation::Download
                        && let Some(shape) = shapes.get(&task.header.id)
                    {
                        let transfer = shape.raw.value.transfer();
                        let local = transfer.and_then(|at| at.value.local_path.as_ref());
                        let span = local.and_then(|at| at.span);
                        let (task, host) = (task.header.id.clone(), lane.host.clone());
                        let help = advice(shape, span, sources);
                        let users = self.0.entry(plain(&spec.local_path)).or_default();
                        users.push(Use { task, host, span, help });
                    }
                }
            }
        }
    }

    /// Reports each local file that several hosts, or several items of a loop,
    /// would download to. A host may well overwrite in a later task what an earlier
    /// one brought.
    pub(super) fn check(self, problems: &mut Vec<Problem>) {
        for (path, users) in self.0 {
            let hosts: BTreeSet<&HostName> = users.iter().map(|user| &user.host).collect();
            let distinct: BTreeSet<_> = users.iter().map(|user| (&user.task, &user.host)).collect();
            let Some(last) = users.last() else { continue };
            if hosts.len() > 1 || distinct.len() < users.len() {
                let (count, help) = (users.len(), last.help);
                let error = PlanError::SharedDownload { path: shown(&path), count, help };
                problems.push(Problem::new(error, last.span));
            }
        }
    }
}

/// The path without `.` and `..`. What links make of it is known in the run.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
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
