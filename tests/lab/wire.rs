//! A TCP connection that can be silenced or reset from outside, whatever the SSH
//! session on it is doing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// One end of a connection, under the control of its [`Switch`].
pub(super) struct Wire {
    stream: TcpStream,
    switch: Switch,
}

/// Silences or resets a [`Wire`]; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Switch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    #[default]
    Open,
    Silent,
    Cut,
}

impl Switch {
    /// From now on nothing is read or written, and the connection stays.
    pub(super) fn silence(&self) {
        self.set(Mode::Silent);
    }

    /// Resets the connection.
    pub(super) fn cut(&self) {
        self.set(Mode::Cut);
    }

    /// Whether both control the same wire.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn set(&self, mode: Mode) {
        let mut state = self.state();
        if state.mode != Mode::Cut {
            state.mode = mode;
        }
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    pub(super) fn new(stream: TcpStream, switch: Switch) -> Self {
        // An abrupt end is a reset, not a polite goodbye. Session ends that are
        // polite have said so in SSH before.
        let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO));
        Self { stream, switch }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mode = {
            let mut state = self.switch.state();
            state.reader = Some(context.waker().clone());
            state.mode
        };
        match mode {
            Mode::Open => Pin::new(&mut self.stream).poll_read(context, buffer),
            Mode::Silent => Poll::Pending,
            Mode::Cut => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mode = {
            let mut state = self.switch.state();
            state.writer = Some(context.waker().clone());
            state.mode
        };
        match mode {
            Mode::Open => Pin::new(&mut self.stream).poll_write(context, bytes),
            Mode::Silent => Poll::Pending,
            Mode::Cut => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
