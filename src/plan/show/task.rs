//! One task of one host: its state, its requests, and whom it notifies.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::request::{Of, Request};
use crate::load::placeholder::KNOWN_AFTER;
use crate::plan::model::{Lane, Notify, PlannedTask, Role, TaskBody};
use crate::secret::Redactor;

/// Which task of a host registers a name: results are known after it.
#[derive(Default)]
pub(super) struct Registers(HashMap<(Arc<str>, Arc<str>), Arc<str>>);

impl Registers {
    /// Notes what a task registers, once it has been shown.
    pub(super) fn note(&mut self, lane: &Lane, task: &PlannedTask) {
        if let Some(register) = &task.header.register {
            let key = (Arc::clone(&lane.host), Arc::clone(register));
            self.0.insert(key, Arc::clone(&task.name));
        }
    }

    fn name<'n>(&'n self, lane: &Lane, register: &'n str) -> &'n str {
        let key = (Arc::clone(&lane.host), Arc::from(register));
        self.0.get(&key).map_or(register, |name| name)
    }

    /// What stands for something that is known once these results are.
    fn after(&self, lane: &Lane, awaits: &[Arc<str>]) -> String {
        let names: Vec<&str> = awaits.iter().map(|name| self.name(lane, name)).collect();
        format!("{KNOWN_AFTER}{}>", names.join(", "))
    }
}

/// What a task of a host does, as far as it is known.
pub(super) struct Shown {
    pub(super) state: String,
    pub(super) requests: Vec<Request>,
    pub(super) notify: Vec<String>,
}

/// Looks at the task at a place of a lane.
pub(super) fn shown(
    lane: &Lane,
    place: usize,
    registers: &Registers,
    redactor: &Redactor,
) -> Shown {
    let task = &lane.tasks[place];
    let (state, mut requests) = match &task.body {
        TaskBody::Skipped => ("skipped".to_owned(), Vec::new()),
        TaskBody::Ready(steps) if steps.is_empty() => ("skipped".to_owned(), Vec::new()),
        TaskBody::Ready(_) if task.no_log => ("censored".to_owned(), Vec::new()),
        TaskBody::Ready(steps) => {
            let written = lane.outline.task(place);
            let after = |name: &str| registers.after(lane, &[Arc::from(name)]);
            let of = Of { task, written: written.as_ref(), after: &after };
            let steps = steps.iter().filter(|step| !step.skip);
            let is_handler = task.header.role == Role::Handler;
            let state = if is_handler { "ready, if notified" } else { "ready" };
            (state.to_owned(), steps.map(|step| of.step(step)).collect())
        }
        TaskBody::Deferred(body) => {
            let all = registers.after(lane, body.awaits());
            let after = |name: &str| match body.awaits().iter().find(|known| ***known == *name) {
                Some(name) => registers.after(lane, &[Arc::clone(name)]),
                None => all.clone(),
            };
            let written = lane.outline.task(place);
            let of = Of { task, written: written.as_ref(), after: &after };
            let requests = if task.no_log { Vec::new() } else { of.later() };
            (all.clone(), requests)
        }
    };
    for request in &mut requests {
        mask(request, redactor);
    }
    let notify = match &task.notify {
        Notify::Known(places) => {
            let names = places.iter().filter_map(|place| lane.tasks.get(*place));
            names.map(|handler| redactor.mask(&handler.name).into_owned()).collect()
        }
        Notify::Deferred(later) => vec![registers.after(lane, later.awaits())],
    };
    Shown { state: redactor.mask(&state).into_owned(), requests, notify }
}

/// The same for programs.
pub(super) fn json(lane: &Lane, place: usize, registers: &Registers, redactor: &Redactor) -> Value {
    let task = &lane.tasks[place];
    let told = shown(lane, place, registers, redactor);
    let mut keys = Map::new();
    keys.insert("id".into(), json!(&*task.header.id));
    keys.insert("name".into(), json!(redactor.mask(&task.name)));
    keys.insert("action".into(), json!(task.header.action));
    keys.insert("state".into(), json!(told.state));
    if task.header.run_once {
        keys.insert("run_once".into(), json!(true));
    }
    if task.no_log {
        keys.insert("no_log".into(), json!(true));
    }
    if !told.notify.is_empty() {
        keys.insert("notify".into(), json!(told.notify));
    }
    let requests = told.requests.into_iter().map(|request| Value::Object(request.keys));
    keys.insert("requests".into(), requests.collect());
    Value::Object(keys)
}

/// Masks every text of a request.
fn mask(request: &mut Request, redactor: &Redactor) {
    let keys = std::mem::take(&mut request.keys);
    if let Value::Object(keys) = redactor.mask_value(Value::Object(keys)) {
        request.keys = keys;
    }
    for text in [&mut request.local_path, &mut request.when].into_iter().flatten() {
        *text = redactor.mask(text).into_owned();
    }
}
