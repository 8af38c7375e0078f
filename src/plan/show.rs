//! A plan for people and for programs: what each host will do, in the shape of
//! the documented request, with secrets masked.

mod action;
mod json;
mod later;
mod list;
mod pace;
mod request;
mod sketch;
mod task;
mod vars;
mod words;

use std::fmt::Write as _;

pub use self::json::json;
pub use self::list::{Listing, list, list_json};
use self::task::{Registers, Shown};
use super::model::{Lane, Plan, PlannedPlay, PlannedTask, Role, TaskBody, TaskHeader};
use crate::event::CENSORED;
use crate::secret::Redactor;

const IGNORED: &str = "its failure is ignored";

/// The plan as text: per play its hosts, and per task what each host will do.
/// Hosts that will do the same are shown together.
#[must_use]
pub fn text(plan: &Plan, redactor: &Redactor) -> String {
    let mut out = String::new();
    let mut registers = Registers::default();
    for play in &plan.plays {
        let hosts = count(play.lanes.len(), "host");
        let handlers = play.tasks.iter().filter(|task| task.role == Role::Handler).count();
        let tasks = count(play.tasks.len() - handlers, "task");
        let handlers = match handlers {
            0 => String::new(),
            more => format!(" · {}", count(more, "handler")),
        };
        let _ = writeln!(out, "PLAY {} · {hosts} · {tasks}{handlers}", redactor.mask(&play.name));
        pace::text(play, &mut out);
        for (index, header) in play.tasks.iter().enumerate() {
            let _ = writeln!(out, "\n  {}  {}", header.id, redactor.mask(&header.name));
            let all_ignore = !play.lanes.is_empty()
                && on_hosts(play, header, index)
                    .all(|(lane, place)| lane.tasks[place].ignore_errors);
            for line in about(header, all_ignore) {
                let _ = writeln!(out, "      {line}");
            }
            let groups = grouped(play, header, index, !all_ignore, &mut registers, redactor);
            for (lines, hosts) in groups {
                let _ = writeln!(out, "      on {}", names(&hosts));
                for line in lines.lines() {
                    let _ = writeln!(out, "        {}", redactor.mask(line));
                }
            }
        }
        out.push('\n');
    }
    out
}

/// What holds for a task on every host.
fn about(header: &TaskHeader, all_ignore: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if header.role == Role::Handler {
        lines.push("if notified".to_owned());
    }
    if header.run_once {
        lines.push("once, on the first host still in play of each batch".to_owned());
    }
    if let Some(register) = &header.register {
        lines.push(format!("its result is known as {register}"));
    }
    if all_ignore {
        lines.push(IGNORED.to_owned());
    }
    lines
}

/// A task on every host that has it: the host's lane, and its place there.
fn on_hosts<'p>(
    play: &'p PlannedPlay,
    header: &'p TaskHeader,
    index: usize,
) -> impl Iterator<Item = (&'p Lane, usize)> {
    play.lanes.iter().filter_map(move |lane| {
        // Lanes of request files hold only their own requests.
        let place = match lane.tasks.get(index) {
            Some(task) if task.header.id == header.id => Some(index),
            _ => lane.tasks.iter().position(|task| task.header.id == header.id),
        };
        place.map(|place| (lane, place))
    })
}

/// What the hosts do in one task, hosts that do the same together.
fn grouped<'p>(
    play: &'p PlannedPlay,
    header: &'p TaskHeader,
    index: usize,
    tells_ignored: bool,
    registers: &mut Registers,
    redactor: &Redactor,
) -> indexmap::IndexMap<String, Vec<&'p str>> {
    let mut groups: indexmap::IndexMap<String, Vec<&str>> = indexmap::IndexMap::new();
    for (lane, place) in on_hosts(play, header, index) {
        let task = &lane.tasks[place];
        let told = task::shown(lane, place, registers, redactor);
        registers.note(lane, task);
        let mut summary = summary(task, &told);
        if tells_ignored && task.ignore_errors {
            summary = format!("{summary}\n{IGNORED}");
        }
        groups.entry(summary).or_default().push(&lane.host);
    }
    groups
}

fn summary(task: &PlannedTask, told: &Shown) -> String {
    let mut lines: Vec<String> = match &task.body {
        TaskBody::Skipped => vec!["skipped: `when` is false".to_owned()],
        TaskBody::Ready(steps) if steps.is_empty() => {
            vec!["skipped: nothing to loop over".to_owned()]
        }
        TaskBody::Ready(_) if task.no_log => vec![CENSORED.to_owned()],
        TaskBody::Deferred(_) if task.no_log => vec![format!("{CENSORED} {}", told.state)],
        TaskBody::Deferred(_) if told.requests.is_empty() => vec![told.state.clone()],
        TaskBody::Ready(_) | TaskBody::Deferred(_) => {
            let mut lines: Vec<String> = Vec::new();
            // What the items of a loop have in common is told once, below the last.
            let all: Vec<_> = told.requests.iter().map(words::lines).collect();
            for (place, request) in all.iter().enumerate() {
                let details = words::details(request);
                let next = all.get(place + 1).map(|next| words::details(next));
                let shown = if next == Some(details) {
                    request.len() - details.len()
                } else {
                    request.len()
                };
                lines.extend(request[..shown].iter().cloned());
            }
            lines
        }
    };
    if !told.notify.is_empty() {
        lines.push(format!("if changed, notifies {}", told.notify.join(", ")));
    }
    lines.join("\n")
}

fn names(hosts: &[&str]) -> String {
    const SHOWN: usize = 6;
    match hosts.len() {
        0..=SHOWN => hosts.join(", "),
        more => format!("{} and {} more", hosts[..SHOWN].join(", "), more - SHOWN),
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ if what.ends_with("ch") => format!("{number} {what}es"),
        _ => format!("{number} {what}s"),
    }
}
