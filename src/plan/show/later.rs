//! A task that waits for a result: what is known of its requests before the run.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::action::action;
use super::request::{Of, Request, connection_args, put_vars};
use super::sketch::{Sketch, conditions};
use super::vars;
use crate::plan::collect::Collect;
use crate::plan::spec::QueueStrategy;
use crate::plan::task::{HostTask, Items};
use crate::resolve::frame::Frame;
use crate::transfer::TRANSFER_COMMAND;

impl Of<'_> {
    /// The requests of a task that waits for results, with `<known after: …>` where a
    /// value is not known yet.
    pub(super) fn later(&self) -> Vec<Request> {
        let Some(task) = self.written else { return Vec::new() };
        let scope = Arc::clone(&task.base.scope);
        let pending = Arc::clone(&task.pending);
        let frame = Frame::new(scope, task.layer.clone(), pending, Default::default());
        let mut looped = Collect::default();
        let frames = match task.items(&frame, &mut looped) {
            Some(Items::None) => vec![frame],
            Some(Items::List(items)) => {
                items.into_iter().map(|item| frame.with_item(item)).collect()
            }
            None => vec![task.with_coming_item(&frame)],
        };
        // What hangs on the item hangs on what there is to loop over.
        let items = looped.pending.first().map(|name| (self.after)(name));
        let after = |name: &str| match &items {
            Some(items) if name == "item" => items.clone(),
            _ => (self.after)(name),
        };
        let turn = |frame: &Arc<Frame>| {
            let mut undecided = Collect::default();
            let holds = task.holds(frame, &mut undecided);
            match holds {
                Some(false) => None,
                Some(true) => Some(self.turn(task, frame, None, &after)),
                None => {
                    let name = undecided.pending.first().map_or("", |name| name);
                    Some(self.turn(task, frame, Some(after(name)), &after))
                }
            }
        };
        frames.iter().filter_map(turn).collect()
    }

    /// One item's request; `undecided` stands for a `when` that is not known yet.
    fn turn(
        &self,
        task: &HostTask,
        frame: &Arc<Frame>,
        undecided: Option<String>,
        after: &dyn Fn(&str) -> String,
    ) -> Request {
        let sketch = Sketch { frame, after };
        let raw = &task.raw.value;
        let mut keys = self.head();
        let mut when = None;
        if let (Some(undecided), Some(at)) = (undecided, &raw.when) {
            let written = match conditions(at) {
                Value::String(text) => text,
                Value::Array(all) => {
                    let texts =
                        all.iter().map(|one| one.as_str().map_or(one.to_string(), str::to_owned));
                    texts.collect::<Vec<_>>().join(" and ")
                }
                other => other.to_string(),
            };
            when = Some(format!("{written}  {undecided}"));
            keys.insert("when".into(), json!(undecided));
        }
        let args = task.connection_args();
        let host = task.base.default_address.as_deref();
        let connection = match task.connection(frame, &mut Collect::default()) {
            Some(spec) => connection_args(&spec, Some(&args), Some(&sketch)),
            None => sketch.connection(&args, host),
        };
        keys.insert("connection_args".into(), connection);
        let driver = task.driver_args();
        let mut collect = Collect::default();
        let mut driver_args = Map::new();
        let known = crate::plan::action::build(raw, &driver, None, frame, &mut collect);
        let known = known.filter(|_| collect.is_clear());
        match (&known, raw.transfer()) {
            (Some(known), _) => {
                let hides_pty = args.credential_ref.is_some() && driver.get_pty.is_none();
                action(known, &mut keys, &mut driver_args, hides_pty);
            }
            (None, Some(transfer)) => {
                keys.insert("command".into(), json!([TRANSFER_COMMAND]));
                if let Value::Object(args) = sketch.transfer(&driver, &transfer.value) {
                    driver_args = args;
                }
            }
            (None, None) => {
                let is_script = raw.script().is_some();
                let is_config = raw.command.is_none();
                let key = if is_config { "config" } else { "command" };
                let commands = raw.config.as_ref().or(raw.command.as_ref());
                let shown = match commands.filter(|_| !is_script) {
                    Some(commands) => sketch.commands(commands),
                    None => json!([]),
                };
                keys.insert(key.into(), shown);
                if let Value::Object(args) = sketch.shell(&driver, is_script, is_config) {
                    driver_args = args;
                }
            }
        }
        keys.insert("driver_args".into(), Value::Object(driver_args));
        let options = task.options();
        let mut shown = self.options(QueueStrategy::Fifo);
        if let (Some(strategy), Value::Object(shown)) = (&options.queue_strategy, &mut shown) {
            shown.insert("queue_strategy".into(), sketch.value(strategy));
        }
        keys.insert("options".into(), shown);
        self.later_conduct(task, &sketch, &mut keys);
        put_vars(vars::of(known.as_ref(), None, task, frame), &mut keys);
        let local_path = raw.transfer().and_then(|at| at.value.local_path.as_ref());
        let local_path = local_path.map(|at| match sketch.value(at) {
            Value::String(text) => text,
            other => other.to_string(),
        });
        Request { keys, local_path, when }
    }

    fn later_conduct(&self, task: &HostTask, sketch: &Sketch<'_>, keys: &mut Map<String, Value>) {
        let raw = &task.raw.value;
        let guards = [
            ("creates", &raw.creates),
            ("removes", &raw.removes),
            ("unless", &raw.unless),
            ("only_if", &raw.only_if),
        ];
        for (key, at) in guards {
            if let Some(at) = at {
                keys.insert(key.into(), sketch.texts(at));
            }
        }
        sketch.put(keys, "retries", &raw.retries);
        sketch.put(keys, "delay", &raw.delay);
        let own = [
            ("until", &raw.until),
            ("changed_when", &raw.changed_when),
            ("failed_when", &raw.failed_when),
        ];
        for (key, at) in own {
            if let Some(at) = at {
                keys.insert(key.into(), conditions(at));
            }
        }
    }
}
