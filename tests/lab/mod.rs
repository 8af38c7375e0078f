//! An SSH server that lives in this process: for demonstrations without any
//! set-up, for peers that misbehave on purpose, and for fleets larger than real
//! servers on one machine allow.
//!
//! ```ignore
//! let server = ServerOptions::default().password("deploy", "secret").start();
//! // … connect to server.socket_address() …
//! ```
//!
//! A [`Server`] runs commands as the user of this process, in a directory of its
//! own that is their HOME, and serves that directory over SFTP. It knows nothing
//! of any client; what it does wrong, a [`Fault`] says. All servers of a process
//! share one runtime. A server listens on loopback addresses alone, for whoever
//! logs in runs commands.

mod exec;
mod fault;
mod options;
mod process;
mod server;
mod session;
mod sftp;
mod wire;

pub(crate) use exec::Reply;
pub(crate) use fault::Fault;
pub(crate) use options::{Listed, ServerOptions, SftpOptions, loopback};
pub(crate) use server::{Server, random_bytes, runtime};
