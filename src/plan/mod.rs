//! Turns raw playbooks and a resolved inventory into a plan: complete, checked,
//! and with every template rendered that does not need a result of the run.

pub mod model;
pub mod spec;
