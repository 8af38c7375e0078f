//! The integration tests: one binary, one module per subject.
//!
//! They run the real `sshoal` against real servers and users of this machine
//! (see [`lab`]), so they need root, OpenSSH's server and sudo: `tests/run`
//! installs what is missing and runs them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod architecture;
mod big_transfer;
mod canary;
mod check;
mod connect;
mod crowds;
mod diagnostics;
mod documented;
mod exec;
mod faults;
mod file_limits;
mod fleet;
mod fuzz;
mod hostile;
#[expect(clippy::allow_attributes, reason = "whether all of the server is used varies")]
#[allow(dead_code, unused_imports, reason = "the server offers more than today's tests need")]
#[path = "../lab/mod.rs"]
mod in_process;
mod in_process_works;
mod inventory;
mod jump;
mod jump_in_trouble;
mod keys_in_requests;
mod known_hosts_of_a_host;
#[expect(clippy::allow_attributes, reason = "whether all of the lab is used varies")]
#[allow(dead_code, unused_imports, reason = "the lab offers more than today's tests need")]
mod lab;
mod lab_works;
mod locked_file;
mod parameters;
mod password_waits;
mod project;
mod schemas;
mod secrets;
mod signals;
mod tasks;
mod together;
mod transfer;
mod usage;
mod vault;
