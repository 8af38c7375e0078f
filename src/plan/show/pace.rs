//! How the hosts of a play wait for each other, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{count, names};
use crate::plan::model::{FailureLimit, PlannedPlay};

/// Adds `batches`, `max_fail_percentage` and `any_errors_fatal` where they are asked for.
pub(super) fn json(play: &PlannedPlay, shown: &mut Map<String, Value>) {
    if play.pace.batches.is_some() {
        let batches = play.batches().map(|batch| {
            play.lanes[batch].iter().map(|lane| json!(&*lane.host)).collect::<Value>()
        });
        shown.insert("batches".into(), batches.collect());
    }
    match play.pace.limit {
        FailureLimit::None => {}
        FailureLimit::Percent(percent) => {
            shown.insert("max_fail_percentage".into(), json!(percent));
        }
        FailureLimit::Any => {
            shown.insert("any_errors_fatal".into(), json!(true));
        }
    }
}

/// Tells the same in lines below the play's heading.
pub(super) fn text(play: &PlannedPlay, out: &mut String) {
    if play.pace.batches.is_some() {
        let batches: Vec<_> = play.batches().collect();
        let _ = writeln!(out, "  {}, one after the other", count(batches.len(), "batch"));
        for (index, batch) in batches.into_iter().enumerate() {
            let hosts: Vec<&str> = play.lanes[batch].iter().map(|lane| &*lane.host).collect();
            let _ = writeln!(out, "    {}: {}", index + 1, names(&hosts));
        }
    }
    let _ = match play.pace.limit {
        FailureLimit::None => Ok(()),
        FailureLimit::Percent(percent) => {
            writeln!(out, "  task by task; ends when more than {percent}% of a batch have failed")
        }
        FailureLimit::Any => writeln!(out, "  task by task; ends when a host has failed"),
    };
}
