//! Commands: a real process or a prepared reply, its streams pumped into the
//! channel and its end told as SSH tells it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::ChildStdin;

use super::fault::Fault;
use super::process;
use super::server::Shared;

/// `SSH_EXTENDED_DATA_STDERR`.
const STDERR: u32 = 1;

/// A prepared answer to a command, in place of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    /// What the command prints.
    pub(crate) stdout: Vec<u8>,
    /// What it prints on standard error.
    pub(crate) stderr: Vec<u8>,
    /// Its exit status.
    pub(crate) status: u32,
    /// How long it takes.
    pub(crate) delay: Duration,
}

/// One command to run on one channel.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) channel: Channel<Msg>,
    pub(super) handle: Handle,
    pub(super) user: String,
    pub(super) environment: Vec<(String, String)>,
    /// With a terminal there is one stream.
    pub(super) pty: bool,
    pub(super) fault: Option<Fault>,
}

impl Job {
    /// Runs `line` to its end, or to that of its channel, whichever comes first.
    pub(super) async fn run(self, line: Vec<u8>) {
        let reply = self.shared.reply_to(&String::from_utf8_lossy(&line));
        let id = self.channel.id();
        let (from_client, to_client) = self.channel.split();
        let output = Output { to_client, pty: self.pty, fault: self.fault };
        let ending = match (self.fault, reply) {
            (Some(Fault::Flood(bytes)), _) => output.flood(bytes).await,
            (_, Some(reply)) => output.answer(reply).await,
            _ => match process::spawn(&line, &self.shared.home, &self.user, &self.environment) {
                Ok(child) => {
                    self.shared.note_process();
                    Box::pin(attend(child, from_client, &output, &self.handle, id)).await
                }
                Err(error) => {
                    output.answer(Reply::failed(127, &format!("cannot start: {error}\n"))).await
                }
            },
        };
        if let Some(status) = ending {
            tell(&self.handle, id, status).await;
        }
        let _ = output.to_client.eof().await;
        let _ = output.to_client.close().await;
    }
}

impl Reply {
    /// Success with this output.
    pub(crate) fn ok(stdout: impl Into<Vec<u8>>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// Failure with this status and message.
    pub(crate) fn failed(status: u32, stderr: &str) -> Self {
        Self { status, stderr: stderr.into(), ..Self::default() }
    }
}

/// Pumps a process's streams until all have ended. As in OpenSSH, the exit status
/// goes out when the process ends, while its background children may still hold
/// the streams, and with them the channel.
async fn attend(
    mut child: tokio::process::Child,
    from_client: ChannelReadHalf,
    output: &Output,
    handle: &Handle,
    id: ChannelId,
) -> Option<ExitStatus> {
    let parent = child.id().unwrap_or_default();
    let stdin = child.stdin.take();
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return None;
    };
    let streams = async {
        let status = async {
            if let Ok(status) = child.wait().await {
                tell(handle, id, status).await;
            }
        };
        tokio::join!(output.pump(stdout, None), output.pump(stderr, Some(STDERR)), status);
    };
    tokio::select! {
        () = streams => {}
        () = feed(from_client, stdin, parent) => process::signal_session(parent, Signal::KILL),
    }
    None
}

/// Hands on what the client sends, until it closes the channel.
async fn feed(mut from_client: ChannelReadHalf, mut stdin: Option<ChildStdin>, parent: u32) {
    while let Some(message) = from_client.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            }
            ChannelMsg::Eof => stdin = None,
            ChannelMsg::Signal { signal } => {
                if let Some(signal) = signal_of(&signal) {
                    process::signal_session(parent, signal);
                }
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// The way of a command's output to the client.
struct Output {
    to_client: ChannelWriteHalf<Msg>,
    pty: bool,
    fault: Option<Fault>,
}

impl Output {
    /// Copies `source` to its end. Waits where the client does not keep up.
    async fn pump(&self, mut source: impl AsyncRead + Unpin, stream: Option<u32>) {
        let mut sink = self.sink(stream);
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(count @ 1..) = source.read(&mut buffer).await {
            if self.send(&mut sink, &buffer[..count]).await.is_err() {
                return;
            }
        }
    }

    async fn send(
        &self,
        sink: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
    ) -> std::io::Result<()> {
        let Some(Fault::Trickle(pause)) = self.fault else {
            return sink.write_all(bytes).await;
        };
        for byte in bytes {
            sink.write_all(&[*byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn answer(&self, reply: Reply) -> Option<ExitStatus> {
        tokio::time::sleep(reply.delay).await;
        self.pump(&*reply.stdout, None).await;
        self.pump(&*reply.stderr, Some(STDERR)).await;
        // A wait status holds the exit status in its second byte.
        Some(ExitStatus::from_raw(((reply.status & 0xff) << 8) as i32))
    }

    async fn flood(&self, bytes: u64) -> Option<ExitStatus> {
        let drops = || tokio::io::repeat(b'x').take(bytes);
        tokio::join!(self.pump(drops(), None), self.pump(drops(), Some(STDERR)));
        Some(ExitStatus::from_raw(0))
    }

    fn sink(&self, stream: Option<u32>) -> impl AsyncWrite + Unpin + use<'_> {
        Box::pin(self.to_client.make_writer_ext(stream.filter(|_| !self.pty)))
    }
}

/// Tells how a process ended, as `exit-status` or `exit-signal`.
async fn tell(handle: &Handle, id: ChannelId, status: ExitStatus) {
    let _ = match (status.code(), status.signal()) {
        (None, Some(signal)) => {
            let core = status.core_dumped();
            handle
                .exit_signal_request(id, signal_name(signal), core, String::new(), String::new())
                .await
        }
        (code, _) => handle.exit_status_request(id, code.unwrap_or_default() as u32).await,
    };
}

fn signal_name(signal: i32) -> Sig {
    match Signal::from_named_raw(signal) {
        Some(Signal::HUP) => Sig::HUP,
        Some(Signal::INT) => Sig::INT,
        Some(Signal::QUIT) => Sig::QUIT,
        Some(Signal::ILL) => Sig::ILL,
        Some(Signal::ABORT) => Sig::ABRT,
        Some(Signal::FPE) => Sig::FPE,
        Some(Signal::KILL) => Sig::KILL,
        Some(Signal::USR1) => Sig::USR1,
        Some(Signal::SEGV) => Sig::SEGV,
        Some(Signal::PIPE) => Sig::PIPE,
        Some(Signal::ALARM) => Sig::ALRM,
        Some(Signal::TERM) => Sig::TERM,
        _ => Sig::Custom(format!("{signal}@lab")),
    }
}

fn signal_of(name: &Sig) -> Option<Signal> {
    Some(match name {
        Sig::HUP => Signal::HUP,
        Sig::INT => Signal::INT,
        Sig::QUIT => Signal::QUIT,
        Sig::KILL => Signal::KILL,
        Sig::USR1 => Signal::USR1,
        Sig::TERM => Signal::TERM,
        _ => return None,
    })
}
