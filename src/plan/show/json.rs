//! A plan for programs, written host by host: as a whole it would be large.

use std::cell::RefCell;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Value, json};

use super::pace;
use super::task::{self, Registers};
use crate::plan::model::{Lane, Plan, PlannedPlay};
use crate::secret::Redactor;

/// Writes the plan as JSON: per play, host and task the requests that will be made.
///
/// # Errors
/// It cannot be written.
pub fn json(plan: &Plan, redactor: &Redactor, out: &mut dyn Write) -> io::Result<()> {
    let registers = RefCell::default();
    serde_json::to_writer_pretty(&mut *out, &ShownPlan { plan, redactor, registers: &registers })?;
    out.write_all(b"\n")?;
    out.flush()
}

struct ShownPlan<'p> {
    plan: &'p Plan,
    redactor: &'p Redactor,
    registers: &'p RefCell<Registers>,
}

impl Serialize for ShownPlan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("schema_version", &1)?;
        map.serialize_entry("plays", &Plays(self))?;
        let warnings = self.plan.warnings.iter().map(|warning| self.redactor.mask(warning));
        map.serialize_entry("warnings", &warnings.collect::<Vec<_>>())?;
        map.end()
    }
}

struct Plays<'s>(&'s ShownPlan<'s>);

impl Serialize for Plays<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plays = &self.0.plan.plays;
        let mut seq = serializer.serialize_seq(Some(plays.len()))?;
        for play in plays {
            seq.serialize_element(&ShownPlay(self.0, play))?;
        }
        seq.end()
    }
}

struct ShownPlay<'s>(&'s ShownPlan<'s>, &'s PlannedPlay);

impl Serialize for ShownPlay<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(shown, play) = self;
        let mut keys = Map::new();
        keys.insert("name".into(), json!(shown.redactor.mask(&play.name)));
        pace::json(play, &mut keys);
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &keys {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("hosts", &Hosts(shown, play))?;
        map.end()
    }
}

struct Hosts<'s>(&'s ShownPlan<'s>, &'s PlannedPlay);

impl Serialize for Hosts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(shown, play) = self;
        let mut seq = serializer.serialize_seq(Some(play.lanes.len()))?;
        for lane in &play.lanes {
            seq.serialize_element(&host(shown, lane))?;
        }
        seq.end()
    }
}

fn host(shown: &ShownPlan<'_>, lane: &Lane) -> Value {
    let mut registers = shown.registers.borrow_mut();
    let tasks = lane.tasks.iter().enumerate().map(|(place, task)| {
        let told = task::json(lane, place, &registers, shown.redactor);
        registers.note(lane, task);
        told
    });
    let tasks: Vec<Value> = tasks.collect();
    json!({ "host": &*lane.host, "address": &*lane.address, "tasks": tasks })
}
