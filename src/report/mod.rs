//! Views of a run, each a fold over its events: the JSON report, the event
//! stream, and the terminal.
//!
//! Nothing here knows the plan's insides or the transport. Views that hold
//! nothing back take events by reference; [`ReportBuilder`] takes them by value
//! and comes last, so that outputs are held in memory once.

mod builder;
mod file;
mod model;
mod ndjson;
pub mod terminal;

pub use builder::ReportBuilder;
pub use file::{WriteError, can_write, write_file, write_json};
pub use model::{
    HostOutcome, HostReport, HostStats, PlayReport, Report, Stats, TaskStats, Tool, schema,
};
pub use ndjson::Ndjson;
pub use terminal::{Terminal, TerminalOptions, Verbosity};

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
