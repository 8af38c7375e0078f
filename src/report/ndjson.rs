//! The event stream: one JSON object per line, written as things happen.

use std::io::{self, Write};

use crate::event::Event;

/// Writes each event as a line of JSON.
///
/// Each line is written whole and flushed, so that a reader never waits for the
/// rest of one. After the first error nothing more is written: whoever read the
/// stream has gone, and the run goes on without.
#[derive(Debug)]
pub struct Ndjson<W> {
    writer: W,
    broken: Option<io::Error>,
}

impl<W: Write> Ndjson<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer, broken: None }
    }

    /// Writes one event.
    pub fn apply(&mut self, event: &Event) {
        if self.broken.is_none()
            && let Err(error) = self.write(event)
        {
            self.broken = Some(error);
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// The first error met while writing.
    pub fn finish(self) -> io::Result<()> {
        self.broken.map_or(Ok(()), Err)
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.writer.write_all(&line)?;
        self.writer.flush()
    }
}
