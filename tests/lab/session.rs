//! One client's session: who may log in, and what its channels become.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session as Ssh,
    VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use tokio::net::TcpStream;

use super::exec::Job;
use super::fault::Fault;
use super::options::Login;
use super::server::Shared;
use super::sftp::Files;
use super::wire::Switch;

type Answer<T = ()> = Result<T, russh::Error>;

/// One client's session.
pub(super) struct Session {
    shared: Arc<Shared>,
    switch: Switch,
    fault: Option<Fault>,
    user: String,
    channels: HashMap<ChannelId, Pending>,
    subsystems: Vec<ChannelId>,
}

/// A channel that has not been told yet what it is for.
struct Pending {
    channel: Channel<Msg>,
    pty: bool,
    environment: Vec<(String, String)>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, switch: Switch, fault: Option<Fault>) -> Self {
        let (channels, subsystems) = (HashMap::new(), Vec::new());
        Self { shared, switch, fault, user: String::new(), channels, subsystems }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Accepts or rejects, and remembers who it was.
    fn judge(&mut self, user: &str, accepts: impl Fn(&Login) -> bool) -> Auth {
        user.clone_into(&mut self.user);
        if self.has(Fault::StallInAuthentication) {
            self.switch.silence();
        }
        match self.shared.options.anyone || self.shared.options.users.iter().any(accepts) {
            true => Auth::Accept,
            false => Auth::reject(),
        }
    }

    fn judge_key(&mut self, user: &str, offered: &PublicKey) -> Auth {
        self.judge(user, |login| {
            matches!(login, Login::Key { user: who, key }
                if who == user && key.key_data() == offered.key_data())
        })
    }

    fn judge_password(&mut self, user: &str, offered: &str) -> Auth {
        self.judge(user, |login| {
            matches!(login, Login::Password { user: who, password }
                if who == user && password == offered)
        })
    }

    /// Does to the connection what the fault does in the middle of a command.
    fn interrupt(&self) {
        let switch = self.switch.clone();
        let (pause, cut) = match self.fault {
            Some(Fault::DropMidCommand(pause)) => (pause, true),
            Some(Fault::StallMidCommand(pause)) => (pause, false),
            _ => return,
        };
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if cut { switch.cut() } else { switch.silence() }
        });
    }
}

impl Handler for Session {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Answer<Auth> {
        // Only to fall silent in time; nobody is let in without any proof.
        self.judge(user, |_| false);
        Ok(Auth::reject())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Answer<Auth> {
        Ok(self.judge_password(user, password))
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Answer<Auth> {
        Ok(self.judge_key(user, offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Answer<Auth> {
        Ok(self.judge_key(user, key.public_key))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Answer<Auth> {
        let Some(mut response) = response else {
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Password: ".into(), false)].into(),
            });
        };
        let offered = response.next().unwrap_or_default();
        Ok(self.judge_password(user, &String::from_utf8_lossy(&offered)))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Answer {
        if self.has(Fault::RefuseChannels) {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        if self.has(Fault::StallAfterAuthentication) {
            self.switch.silence();
        }
        let pending = Pending { channel, pty: false, environment: Vec::new() };
        self.channels.insert(pending.channel.id(), pending);
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        ssh: &mut Ssh,
    ) -> Answer {
        if self.has(Fault::RefuseChannels) {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        let (handle, id) = (ssh.handle(), channel.id());
        let target = (host.to_owned(), u16::try_from(port).unwrap_or_default());
        // Connecting may take its time; the session has other channels to serve.
        tokio::spawn(async move {
            let Ok(mut tcp) = TcpStream::connect(target).await else {
                return reply.reject(ChannelOpenFailure::ConnectFailed).await;
            };
            reply.accept().await;
            let _ = tokio::io::copy_bidirectional(&mut channel.into_stream(), &mut tcp).await;
            let _ = handle.close(id).await;
        });
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Ssh) -> Answer {
        self.channels.remove(&id);
        self.subsystems.retain(|subsystem| *subsystem != id);
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, ssh: &mut Ssh) -> Answer {
        // A client that has said its last word to SFTP waits for the close.
        if self.subsystems.contains(&id) {
            ssh.close(id)?;
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        ssh: &mut Ssh,
    ) -> Answer {
        match self.channels.get_mut(&id) {
            Some(pending) if self.fault != Some(Fault::RefusePty) => {
                pending.pty = true;
                ssh.channel_success(id)
            }
            _ => ssh.channel_failure(id),
        }
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        ssh: &mut Ssh,
    ) -> Answer {
        match self.channels.get_mut(&id) {
            Some(pending) if self.shared.options.accept_env => {
                pending.environment.push((name.to_owned(), value.to_owned()));
                ssh.channel_success(id)
            }
            _ => ssh.channel_failure(id),
        }
    }

    async fn exec_request(&mut self, id: ChannelId, line: &[u8], ssh: &mut Ssh) -> Answer {
        if self.has(Fault::RefuseExec) {
            return ssh.channel_failure(id);
        }
        let Some(pending) = self.channels.remove(&id) else {
            return ssh.channel_failure(id);
        };
        ssh.channel_success(id)?;
        let job = Job {
            shared: Arc::clone(&self.shared),
            channel: pending.channel,
            handle: ssh.handle(),
            user: self.user.clone(),
            environment: pending.environment,
            pty: pending.pty,
            fault: self.fault,
        };
        tokio::spawn(job.run(line.to_vec()));
        self.interrupt();
        Ok(())
    }

    async fn shell_request(&mut self, id: ChannelId, ssh: &mut Ssh) -> Answer {
        ssh.channel_failure(id)
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, ssh: &mut Ssh) -> Answer {
        if name != "sftp" || self.has(Fault::NoSftp) {
            return ssh.channel_failure(id);
        }
        let Some(pending) = self.channels.remove(&id) else {
            return ssh.channel_failure(id);
        };
        ssh.channel_success(id)?;
        self.subsystems.push(id);
        let files = Files::new(self.shared.home.clone());
        russh_sftp::server::run(pending.channel.into_stream(), files).await;
        Ok(())
    }
}
