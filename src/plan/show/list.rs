//! What `--list-hosts`, `--list-tasks` and `--list-tags` print.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::count;
use crate::plan::model::{Plan, PlannedPlay, Role, TaskHeader};
use crate::secret::Redactor;

/// What to list of each play.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its hosts.
    pub hosts: bool,
    /// Its tasks, each with its tags; no handlers.
    pub tasks: bool,
    /// The tags that its tasks have.
    pub tags: bool,
}

impl Listing {
    /// Whether there is nothing to list.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The lists as text.
#[must_use]
pub fn list(plan: &Plan, what: Listing, redactor: &Redactor) -> String {
    let mut out = String::new();
    for (index, play) in plan.plays.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        let hosts = count(play.lanes.len(), "host");
        let _ = writeln!(out, "{gap}PLAY {} · {hosts}", redactor.mask(&play.name));
        if what.hosts {
            let _ = writeln!(out, "  hosts:");
            for lane in &play.lanes {
                let _ = writeln!(out, "    {}", lane.host);
            }
        }
        if what.tasks {
            let _ = writeln!(out, "  tasks:");
            for task in tasks(play) {
                let name = redactor.mask(&task.name);
                let tags = match task.tags.is_empty() {
                    true => String::new(),
                    false => format!("  [{}]", tags_of([task]).join(", ")),
                };
                let _ = writeln!(out, "    {}  {name}{tags}", task.id);
            }
        }
        if what.tags {
            let _ = writeln!(out, "  tags: {}", tags_of(tasks(play)).join(", "));
        }
    }
    // A play without tags would otherwise end in a space.
    out.replace("tags: \n", "tags:\n")
}

/// The same for programs.
#[must_use]
pub fn list_json(plan: &Plan, what: Listing, redactor: &Redactor) -> Value {
    let play = |play: &PlannedPlay| {
        let mut shown = Map::new();
        shown.insert("name".into(), json!(redactor.mask(&play.name)));
        if what.hosts {
            let hosts = play.lanes.iter().map(|lane| json!(&*lane.host));
            shown.insert("hosts".into(), hosts.collect());
        }
        if what.tasks {
            let tasks = tasks(play).map(|task| {
                json!({
                    "id": &*task.id,
                    "name": redactor.mask(&task.name),
                    "tags": tags_of([task]),
                })
            });
            shown.insert("tasks".into(), tasks.collect());
        }
        if what.tags {
            shown.insert("tags".into(), json!(tags_of(tasks(play))));
        }
        Value::Object(shown)
    };
    json!({ "plays": plan.plays.iter().map(play).collect::<Vec<_>>() })
}

fn tasks(play: &PlannedPlay) -> impl Iterator<Item = &TaskHeader> {
    play.tasks.iter().map(AsRef::as_ref).filter(|task| task.role == Role::Task)
}

/// Tags in alphabetical order, each once.
fn tags_of<'t>(tasks: impl IntoIterator<Item = &'t TaskHeader>) -> Vec<&'t str> {
    let tags = tasks.into_iter().flat_map(|task| task.tags.iter().map(String::as_str));
    tags.collect::<BTreeSet<_>>().into_iter().collect()
}
