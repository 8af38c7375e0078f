//! What `~/.ssh/config` says of a host, where playbook and inventory say nothing.

use std::sync::Arc;

use super::connection::Reader;
use super::error::PlanError;
use crate::credential::PrivateKey;
use crate::load::decode::{At, Templated};
use crate::load::request::ConnectionArgs;
use crate::load::ssh_args::jump_host;
use crate::load::ssh_config::SshHost;

impl SshHost {
    /// The arguments with the jump host of `ProxyJump`, where they have none.
    pub(super) fn jump_args(&self, args: &ConnectionArgs) -> Option<ConnectionArgs> {
        let jump = self.proxy_jump.as_ref().filter(|_| args.proxy_host.is_none())?;
        let jump = jump_host(jump)?;
        let text = |text: String| Some(At::nowhere(Templated::Value(text)));
        let port = jump.port.and_then(|port| port.parse().ok());
        Some(ConnectionArgs {
            proxy_host: jump.host.and_then(text),
            proxy_username: jump.user.and_then(text).or_else(|| args.proxy_username.clone()),
            proxy_port: port.map(Templated::Value).map(At::nowhere),
            ..args.clone()
        })
    }
}

impl Reader<'_> {
    /// Adds the keys of `IdentityFile`, unless there are keys of higher standing.
    /// As with ssh, one that cannot be read is passed over. Whether nothing else is
    /// to be tried than keys that are named.
    pub(super) fn ssh_keys(
        &self,
        ssh: &SshHost,
        has_own: bool,
        keys: &mut Vec<Arc<PrivateKey>>,
    ) -> bool {
        if !has_own {
            let files = ssh.identity_files.iter();
            keys.extend(files.filter_map(|path| self.store.key_file(path, None).ok()));
        }
        !keys.is_empty() && ssh.identities_only
    }

    /// Refuses what takes more than one jump.
    pub(super) fn one_jump(
        &mut self,
        host: &str,
        ssh: &SshHost,
        at: Option<&At<Templated<String>>>,
    ) {
        if host.contains(',') || ssh.proxy_jump.is_some() {
            let error = PlanError::Unfitting {
                message: format!("the way through `{host}` has more than one jump host"),
                help: "sshoal goes through one: name the last one that this machine can reach"
                    .to_owned(),
            };
            self.collect.error(error, at);
        }
    }
}
