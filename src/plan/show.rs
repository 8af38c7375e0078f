//! A plan for people and for programs: what each host will do, in the shape of
//! the documented request, with secrets masked.

mod list;
mod pace;
mod request;

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

pub use self::list::{Listing, list, list_json};
use self::request::request;
use super::model::{Lane, Notify, Plan, PlannedPlay, PlannedTask, Role, TaskBody};
use super::spec::{Action, ShellAction};
use crate::event::{ActionKind, CENSORED};
use crate::secret::Redactor;
use crate::transfer::TransferOperation;

/// The plan as JSON: per play, host and task the requests that will be made.
#[must_use]
pub fn json(plan: &Plan, redactor: &Redactor) -> Value {
    let plays: Vec<Value> = plan.plays.iter().map(|play| play_json(play, redactor)).collect();
    let warnings: Vec<_> = plan.warnings.iter().map(|warning| redactor.mask(warning)).collect();
    json!({ "schema_version": 1, "plays": plays, "warnings": warnings })
}

fn play_json(play: &PlannedPlay, redactor: &Redactor) -> Value {
    let host = |lane: &Lane| {
        let tasks: Vec<Value> =
            lane.tasks.iter().map(|task| task_json(lane, task, redactor)).collect();
        json!({ "host": &*lane.host, "address": &*lane.address, "tasks": tasks })
    };
    let name = redactor.mask(&play.name);
    let mut shown = Map::new();
    shown.insert("name".into(), json!(name));
    pace::json(play, &mut shown);
    shown.insert("hosts".into(), play.lanes.iter().map(host).collect());
    Value::Object(shown)
}

fn task_json(lane: &Lane, task: &PlannedTask, redactor: &Redactor) -> Value {
    let mut shown = Map::new();
    shown.insert("id".into(), json!(&*task.header.id));
    shown.insert("name".into(), json!(redactor.mask(&task.name)));
    shown.insert("action".into(), json!(task.header.action));
    let (state, requests) = match &task.body {
        TaskBody::Skipped => ("skipped".to_owned(), Vec::new()),
        TaskBody::Ready(_) if task.no_log => ("censored".to_owned(), Vec::new()),
        TaskBody::Ready(steps) => {
            let steps = steps.iter().filter(|step| !step.skip);
            let is_handler = task.header.role == Role::Handler;
            let state = if is_handler { "ready, if notified" } else { "ready" };
            (state.to_owned(), steps.map(|step| request(step, redactor)).collect())
        }
        TaskBody::Deferred(body) => {
            (format!("<known after: {}>", body.awaits().join(", ")), Vec::new())
        }
    };
    shown.insert("state".into(), json!(state));
    if task.header.run_once {
        shown.insert("run_once".into(), json!(true));
    }
    let notices = notices(lane, task, redactor);
    if !notices.is_empty() {
        shown.insert("notify".into(), json!(notices));
    }
    shown.insert("requests".into(), Value::Array(requests));
    Value::Object(shown)
}

/// The names of the handlers that a task notifies.
fn notices(lane: &Lane, task: &PlannedTask, redactor: &Redactor) -> Vec<String> {
    match &task.notify {
        Notify::Known(places) => {
            let names = places.iter().filter_map(|place| lane.tasks.get(*place));
            names.map(|handler| redactor.mask(&handler.name).into_owned()).collect()
        }
        Notify::Deferred(later) => vec![format!("<known after: {}>", later.awaits().join(", "))],
    }
}

/// The plan as text: per play its hosts, and per task what each host will do.
/// Hosts that will do the same are shown together.
#[must_use]
pub fn text(plan: &Plan, redactor: &Redactor) -> String {
    let mut out = String::new();
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
            if header.role == Role::Handler {
                let _ = writeln!(out, "      if notified");
            }
            if header.run_once {
                let _ = writeln!(out, "      once, on the first host still in play of each batch");
            }
            for (lines, hosts) in grouped(play, &header.id, index, redactor) {
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

/// What the hosts do in one task, hosts that do the same together.
fn grouped<'p>(
    play: &'p PlannedPlay,
    id: &str,
    index: usize,
    redactor: &Redactor,
) -> indexmap::IndexMap<String, Vec<&'p str>> {
    let mut groups: indexmap::IndexMap<String, Vec<&str>> = indexmap::IndexMap::new();
    for lane in &play.lanes {
        // Lanes of request files hold only their own requests.
        let task = match lane.tasks.get(index) {
            Some(task) if &*task.header.id == id => Some(task),
            _ => lane.tasks.iter().find(|task| &*task.header.id == id),
        };
        if let Some(task) = task {
            let mut summary = summary(task);
            let notices = notices(lane, task, redactor);
            if !notices.is_empty() {
                let _ = write!(summary, "\nif changed, notifies {}", notices.join(", "));
            }
            groups.entry(summary).or_default().push(&lane.host);
        }
    }
    groups
}

fn summary(task: &PlannedTask) -> String {
    match &task.body {
        TaskBody::Skipped => "skipped: `when` is false".to_owned(),
        TaskBody::Deferred(body) => {
            let kind = match task.header.action {
                ActionKind::Command => "command",
                ActionKind::Config => "config",
                ActionKind::FileTransfer => "file transfer",
            };
            format!("{kind} <known after: {}>", body.awaits().join(", "))
        }
        TaskBody::Ready(steps) if task.no_log && steps.iter().any(|step| !step.skip) => {
            CENSORED.to_owned()
        }
        TaskBody::Ready(steps) => {
            let shown: Vec<String> = steps
                .iter()
                .filter(|step| !step.skip)
                .map(|step| step_summary(&step.action))
                .collect();
            match shown.is_empty() {
                true => "skipped: nothing to loop over".to_owned(),
                false => shown.join("\n"),
            }
        }
    }
}

fn step_summary(action: &Action) -> String {
    match action {
        Action::Command(shell) => lines("$", shell),
        Action::Config(shell) => match &shell.exec.sudo {
            Some(sudo) => match &sudo.user {
                Some(user) => lines(&format!("sudo -u {user} $"), shell),
                None => lines("sudo $", shell),
            },
            None => lines("$", shell),
        },
        Action::FileTransfer(spec) => {
            let what = match (&spec.content, spec.recursive) {
                (Some(_), _) => " (rendered)",
                (None, true) => " (recursively)",
                (None, false) => "",
            };
            let elevated = if spec.sudo.is_some() { "sudo " } else { "" };
            match spec.operation {
                TransferOperation::Upload => {
                    let (local, remote) = (&spec.local_path_shown, &spec.remote_path);
                    format!("{elevated}upload {local}{what} → {remote}")
                }
                TransferOperation::Download => {
                    let (local, remote) = (&spec.local_path_shown, &spec.remote_path);
                    format!("{elevated}download {remote}{what} → {local}")
                }
            }
        }
    }
}

fn lines(prompt: &str, action: &ShellAction) -> String {
    let shown = action.shown().map(|command| format!("{prompt} {command}"));
    shown.collect::<Vec<_>>().join("\n")
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
