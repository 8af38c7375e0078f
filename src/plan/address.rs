//! Where a host is reached, for those that are only named.

use std::sync::Arc;

use super::collect::Collect;
use super::connection::{PORT, Reader};
use super::spec;
use super::store::Store;
use crate::load::request::ConnectionArgs;
use crate::resolve::frame::Frame;

/// Where a host is reached that nothing is done on, as far as that is known.
pub(super) fn of_args(
    args: &ConnectionArgs,
    host: Option<&str>,
    frame: &Arc<Frame>,
    store: &Store,
) -> Option<String> {
    let mut unheard = Collect::default();
    let mut reader = Reader { frame, store, collect: &mut unheard };
    let host = reader.text(args.host.as_ref(), "host").or_else(|| host.map(str::to_owned))?;
    let username = reader.text(args.username.as_ref(), "username");
    let ssh = store.ssh_host(&host, username.as_deref());
    let port = reader.port(args.port.as_ref(), "port").or(ssh.port).unwrap_or(PORT);
    Some(spec::address(ssh.host_name.as_deref().unwrap_or(&host), port))
}
