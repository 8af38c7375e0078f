//! How the hosts of a play wait for each other: batches, and how many may fail.

use std::sync::Arc;

use super::Planner;
use super::model::{FailureLimit, Pace};
use super::whole::each;
use crate::diagnostic::Problem;
use crate::load::batch::{BatchSize, Percentage};
use crate::load::decode::At;
use crate::load::layer::Layer;
use crate::load::playbook::RawPlay;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;

const ADVICE: &str =
    "this is the same for all hosts of a play: it sees the play's `vars` and `-e NAME=…`";

impl Planner {
    /// How the `count` hosts of a play wait for each other. It sees no host, for it
    /// is the same for all of them.
    pub(super) fn pace(
        &self,
        raw: &RawPlay,
        layer: Option<&Arc<Layer>>,
        count: usize,
        problems: &mut Vec<Problem>,
    ) -> Pace {
        let mut scope = Scope::of_run(&self.world, ADVICE);
        scope.layers.extend(layer.cloned());
        let frame = Frame::of_scope(scope);
        let mut note = |miss| match miss {
            Miss::Problems(found) => problems.extend(found),
            // Nothing is registered where no host is known.
            Miss::Pending(_) => {}
        };
        let mut sizes: Vec<BatchSize> = Vec::new();
        for at in raw.serial.iter().flat_map(At::each) {
            match each(&frame, &at, "`serial`") {
                Ok(found) => sizes.extend(found),
                Err(miss) => note(miss),
            }
        }
        let mut limit = FailureLimit::None;
        if let Some(at) = &raw.max_fail_percentage {
            match frame.value(at, "`max_fail_percentage`") {
                Ok(Percentage(percent)) => limit = FailureLimit::Percent(percent),
                Err(miss) => note(miss),
            }
        }
        if let Some(at) = &raw.any_errors_fatal {
            match frame.value(at, "`any_errors_fatal`") {
                // The stricter of the two.
                Ok(true) => limit = FailureLimit::Any,
                Ok(false) => {}
                Err(miss) => note(miss),
            }
        }
        let batches = (!sizes.is_empty()).then(|| batches(&sizes, count));
        Pace { batches, limit }
    }
}

/// Cuts `count` hosts into batches; the last size repeats.
fn batches(sizes: &[BatchSize], count: usize) -> Vec<usize> {
    let mut batches = Vec::new();
    let mut left = count;
    let mut sizes = sizes.iter();
    let mut size = None;
    while left > 0 {
        size = sizes.next().or(size);
        let wanted = match size {
            None | Some(BatchSize::Count(0)) => left,
            Some(BatchSize::Count(count)) => *count,
            // Never so many that they do not fit: it is a share of `count`.
            Some(BatchSize::Percent(percent)) => (count as f64 * percent / 100.0) as usize,
        };
        let batch = wanted.clamp(1, left);
        batches.push(batch);
        left -= batch;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use BatchSize::{Count, Percent};

    #[test]
    fn hosts_are_cut_into_batches_as_in_ansible() {
        let cases: &[(&[BatchSize], usize, &[usize])] = &[
            (&[Count(2)], 5, &[2, 2, 1]),
            (&[Count(9)], 5, &[5]),
            (&[Count(1), Percent(50.0)], 6, &[1, 3, 2]),
            (&[Percent(30.0)], 10, &[3, 3, 3, 1]),
            (&[Percent(1.0)], 3, &[1, 1, 1]),
            (&[Percent(100.0)], 3, &[3]),
            (&[Count(1), Count(0)], 4, &[1, 3]),
            (&[Count(1), Count(2), Count(3)], 10, &[1, 2, 3, 3, 1]),
            (&[Count(3)], 0, &[]),
        ];
        for (sizes, count, expected) in cases {
            assert_eq!(batches(sizes, *count), *expected, "{sizes:?} of {count}");
        }
    }
}
