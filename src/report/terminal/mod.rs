//! The terminal: a line per finished task, then a recap.
//!
//! What comes from hosts is made harmless before it is shown. Nothing here asks
//! the environment; width and colour are given, so that the same events always
//! make the same text.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};

use crate::event::{Event, HostName, Outcome, PlayStarted, TaskRecord};
use palette::{BOLD, DIM, Kind, Paint, WARNING};
use recap::Recap;
use text::{counted, cut, harmless, padded, width, wrapped};

mod palette;
mod recap;
mod task;
mod text;

#[cfg(test)]
mod tests;

/// Host names longer than this share of the line are cut.
const LONGEST_HOST: usize = 24;
/// Headings of wide terminals end here: a ruler across two screens helps nobody.
const LONGEST_HEADING: usize = 100;

/// How much to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Failures and the recap.
    Quiet,
    /// A line per finished task, and the recap.
    #[default]
    Normal,
    /// Also the whole output of each command.
    Verbose,
}

/// How to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TerminalOptions {
    /// How many columns a line may take; `None` cuts and wraps nothing.
    pub width: Option<usize>,
    /// Whether to use colours.
    pub color: bool,
    /// How much to show.
    pub verbosity: Verbosity,
}

impl TerminalOptions {
    /// What suits standard output: its width if it is a terminal, and colours as
    /// `choice` says, or with [`ColorChoice::Auto`] as the terminal, `NO_COLOR`
    /// and `CLICOLOR_FORCE` say.
    #[must_use]
    pub fn for_stdout(choice: ColorChoice, verbosity: Verbosity) -> Self {
        let stdout = io::stdout();
        let width = stdout.is_terminal().then(|| {
            let size = rustix::termios::tcgetwinsize(&stdout);
            size.map_or(0, |size| usize::from(size.ws_col))
        });
        let choice = match choice {
            ColorChoice::Auto => AutoStream::choice(&stdout),
            chosen => chosen,
        };
        Self {
            // A terminal that does not know its size is usually this wide.
            width: width.map(|width| if width == 0 { 80 } else { width.max(20) }),
            color: choice != ColorChoice::Never,
            verbosity,
        }
    }
}

/// Shows events to a person.
///
/// Each event's text is written whole and flushed. After the first error nothing
/// more is written: whoever watched has gone, and the run goes on without.
#[derive(Debug)]
pub struct Terminal<W> {
    writer: W,
    broken: Option<io::Error>,
    view: View,
    /// What is cancelled is shown in one line per host, when the host has finished.
    cancelled: HashMap<HostName, (usize, Option<String>)>,
    recap: Recap,
}

/// What every line needs to know.
#[derive(Debug, Clone, Copy)]
struct View {
    options: TerminalOptions,
    paint: Paint,
    /// How many columns the host names of the play take.
    host_width: usize,
}

impl<W: Write> Terminal<W> {
    /// Shows events on `writer`, which gets escape sequences only as
    /// [`TerminalOptions::color`] says.
    pub fn new(writer: W, options: TerminalOptions) -> Self {
        let view = View { options, paint: Paint(options.color), host_width: 0 };
        Self { writer, broken: None, view, cancelled: HashMap::new(), recap: Recap::default() }
    }

    /// Shows one event; they come in the order in which they were emitted.
    pub fn apply(&mut self, event: &Event) {
        let text = self.text_of(event);
        if self.broken.is_none()
            && !text.is_empty()
            && let Err(error) =
                self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush())
        {
            self.broken = Some(error);
        }
    }

    /// Ends the view.
    ///
    /// # Errors
    /// The first error met while writing.
    pub fn finish(self) -> io::Result<()> {
        self.broken.map_or(Ok(()), Err)
    }

    fn text_of(&mut self, event: &Event) -> String {
        self.recap.apply(event);
        match event {
            Event::PlayStarted(play) => {
                self.view.host_width = host_width(play, self.view.options.width);
                match self.view.options.verbosity {
                    Verbosity::Quiet => String::new(),
                    _ => self.view.heading(play),
                }
            }
            Event::TaskFinished { host, record, .. } => self.task(host, record),
            Event::HostFinished { host, .. } => self.cancelled_tasks(host),
            Event::Warned { host, message } => match self.view.options.verbosity {
                Verbosity::Quiet => String::new(),
                _ => self.view.warning(host.as_deref(), message),
            },
            Event::RunFinished { ended_at, cut_short } => {
                self.recap.render(&self.view, *ended_at, *cut_short)
            }
            Event::RunStarted(_) | Event::TaskStarted { .. } | Event::PlayFinished { .. } => {
                String::new()
            }
        }
    }

    fn task(&mut self, host: &HostName, record: &TaskRecord) -> String {
        if record.outcome == Outcome::Cancelled && record.attempts == 0 {
            let reason = || record.error.as_ref().map(|error| error.message.clone());
            let (count, _) = self.cancelled.entry(host.clone()).or_insert_with(|| (0, reason()));
            *count += 1;
            return String::new();
        }
        self.view.task(host, record)
    }

    fn cancelled_tasks(&mut self, host: &HostName) -> String {
        let Some((count, reason)) = self.cancelled.remove(host) else { return String::new() };
        if self.view.options.verbosity == Verbosity::Quiet {
            return String::new();
        }
        let mut text = counted(count, "task");
        if let Some(reason) = reason {
            text += &format!(" {}", harmless(&reason));
        }
        self.view.line(Kind::Of(Outcome::Cancelled), host, "", &text, "")
    }
}

impl View {
    fn heading(&self, play: &PlayStarted) -> String {
        let name = harmless(&play.name);
        let size =
            format!("{} · {}", counted(play.hosts.len(), "host"), counted(play.tasks, "task"));
        self.ruler(&name, &size)
    }

    /// A heading across the line, after an empty line.
    fn ruler(&self, title: &str, right: &str) -> String {
        let Some(columns) = self.options.width.map(|width| width.min(LONGEST_HEADING)) else {
            let right = if right.is_empty() { String::new() } else { format!(" · {right}") };
            return format!("\n━━ {}{right}\n", self.paint.with(BOLD, title));
        };
        let gap = if right.is_empty() { 0 } else { 1 };
        let title = cut(title, Some(columns.saturating_sub(width(right) + gap + 7)));
        let used = 3 + width(&title) + 1 + gap + width(right);
        let rule = "━".repeat(columns.saturating_sub(used));
        format!(
            "\n{} {} {}{}{}\n",
            self.paint.with(DIM, "━━"),
            self.paint.with(BOLD, title),
            self.paint.with(DIM, rule),
            " ".repeat(gap),
            right,
        )
    }

    fn warning(&self, host: Option<&str>, message: &str) -> String {
        let who = host.map_or_else(String::new, |host| format!("{}: ", harmless(host)));
        let text = format!("warning: {who}{}", harmless(message));
        let room = self.options.width.map(|width| width.saturating_sub(2));
        let mut lines = String::new();
        for (index, line) in wrapped(&text, room).iter().enumerate() {
            let symbol = if index == 0 { "!" } else { " " };
            lines += &format!("{} {}\n", self.paint.with(WARNING, symbol), line);
        }
        lines
    }

    /// One line about a host: symbol, host, outcome, duration, text, excerpt.
    fn line(&self, kind: Kind, host: &str, took: &str, text: &str, excerpt: &str) -> String {
        let host = self.host(host);
        let columns = 2 + width(&host) + 2 + 11 + 2 + 8 + 2;
        let room = self.options.width.map(|width| width.saturating_sub(columns));
        let text = cut(text, room);
        let left = room.map(|room| room.saturating_sub(width(&text) + 2));
        let excerpt = match left {
            // So little of it would only be noise.
            Some(..8) => String::new(),
            _ if excerpt.is_empty() => String::new(),
            _ => format!("  {}", self.paint.with(DIM, cut(excerpt, left))),
        };
        let style = kind.style();
        let text = match kind {
            Kind::Of(Outcome::Skipped | Outcome::Cancelled) => self.paint.with(DIM, text),
            _ => text.into_owned(),
        };
        format!(
            "{} {host}  {}  {}  {text}{excerpt}\n",
            self.paint.with(style, kind.symbol()),
            self.paint.with(style, padded(kind.label(), 11)),
            self.paint.with(DIM, format_args!("{took:>8}")),
        )
    }

    /// A host's name in the column of host names.
    fn host(&self, host: &str) -> String {
        padded(&cut(&harmless(host), self.options.width.map(|_| self.host_width)), self.host_width)
    }
}

fn host_width(play: &PlayStarted, columns: Option<usize>) -> usize {
    let longest = play.hosts.iter().map(|host| width(&harmless(&host.host))).max().unwrap_or(0);
    longest.min(columns.map_or(LONGEST_HOST, |columns| LONGEST_HOST.min(columns / 4)))
}
