//! Several hosts must not download to one file.

use std::collections::HashMap;
use std::path::PathBuf;

use super::error::PlanError;
use super::model::{Lane, TaskBody};
use super::play::TaskShape;
use super::spec::Action;
use crate::diagnostic::Problem;
use crate::event::ActionKind;
use crate::transfer::TransferOperation;

/// Reports local paths that more than one host would write.
pub(super) fn check(lanes: &[Lane], shapes: &[TaskShape], problems: &mut Vec<Problem>) {
    for (index, shape) in shapes.iter().enumerate() {
        if shape.header.action != ActionKind::FileTransfer {
            continue;
        }
        let mut targets: HashMap<&PathBuf, usize> = HashMap::new();
        for lane in lanes {
            let TaskBody::Ready(steps) = &lane.tasks[index].body else { continue };
            for step in steps.iter().filter(|step| !step.skip) {
                if let Action::FileTransfer(spec) = &step.action
                    && spec.operation == TransferOperation::Download
                {
                    *targets.entry(&spec.local_path).or_default() += 1;
                }
            }
        }
        let mut shared: Vec<_> = targets.into_iter().filter(|(_, count)| *count > 1).collect();
        shared.sort();
        for (path, count) in shared {
            let path = path.display().to_string();
            let at = shape.raw.value.transfer().and_then(|at| at.value.local_path.as_ref());
            let span = at.and_then(|at| at.span);
            problems.push(Problem::new(PlanError::SharedDownload { path, count }, span));
        }
    }
}
