//! The end of a run at a glance: hosts against outcomes, and one verdict.

use std::collections::HashMap;
use std::fmt::Write as _;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::palette::{BOLD, DIM, Kind};
use super::task::kind_of;
use super::text::{counted, cut, duration, harmless, number, padded, width};
use super::{Verbosity, View};
use crate::event::{Event, HostName, Outcome, RunOutcome};
use crate::report::HostOutcome;

/// A fleet larger than this is not listed host by host; what needs attention is.
const LISTED_HOSTS: usize = 40;

/// What the recap counts.
#[derive(Debug, Default)]
pub(super) struct Recap {
    started_at: Option<Timestamp>,
    hosts: IndexMap<HostName, Host>,
    warnings: usize,
    check_mode: bool,
}

#[derive(Debug, Default)]
struct Host {
    outcome: HostOutcome,
    counts: HashMap<Kind, usize>,
}

impl Recap {
    /// Counts one event.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::RunStarted(run) => {
                self.started_at = Some(run.started_at);
                self.check_mode = run.check_mode;
            }
            Event::PlayStarted(play) => {
                for host in &play.hosts {
                    self.hosts.entry(host.host.clone()).or_default();
                }
            }
            Event::TaskFinished { host, record, .. } => {
                let host = self.hosts.entry(host.clone()).or_default();
                host.outcome = host.outcome.worst(HostOutcome::of_task(record));
                *host.counts.entry(kind_of(record)).or_default() += 1;
            }
            Event::Warned { .. } => self.warnings += 1,
            _ => {}
        }
    }

    /// The recap of everything counted.
    pub(super) fn render(
        &self,
        view: &View,
        ended_at: Timestamp,
        cut_short: Option<RunOutcome>,
    ) -> String {
        let mut text = String::new();
        if !self.hosts.is_empty() {
            text += &view.ruler("recap", "");
            text += &self.table(view);
        }
        text.push('\n');
        text += &self.verdict(view, ended_at, cut_short);
        text
    }

    fn table(&self, view: &View) -> String {
        let occurring: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| self.hosts.values().any(|host| host.counts.contains_key(kind)))
            .collect();
        let everyone = match view.options.verbosity {
            Verbosity::Quiet => false,
            Verbosity::Normal => self.hosts.len() <= LISTED_HOSTS,
            Verbosity::Verbose => true,
        };
        let listed: Vec<(&HostName, &Host)> = self
            .hosts
            .iter()
            .filter(|(_, host)| everyone || host.outcome != HostOutcome::Ok)
            .collect();
        if listed.is_empty() {
            return match self.hosts.len() {
                1 => "✓ 1 host ok\n".to_owned(),
                more => format!("✓ all {} ok\n", counted(more, "host")),
            };
        }
        let names: Vec<_> = listed.iter().map(|(name, _)| harmless(name)).collect();
        let cells: usize = occurring.iter().map(|kind| cell_width(*kind)).sum();
        let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        // Where the line is short, first the gaps give, then the names.
        let gap = match view.options.width {
            Some(columns) if 2 + longest + cells + 2 * occurring.len() > columns => 1,
            _ => 2,
        };
        let room = view
            .options
            .width
            .map(|columns| columns.saturating_sub(2 + cells + gap * occurring.len()).max(8));
        let name_width = room.map_or(longest, |room| longest.min(room));

        let mut text = " ".repeat(2 + name_width);
        for kind in &occurring {
            let label = format!("{:>1$}", kind.label(), gap + cell_width(*kind));
            text += &view.paint.with(DIM, label);
        }
        text.push('\n');
        for (name, (_, host)) in names.iter().zip(&listed) {
            let kind = kind_of_host(host.outcome);
            let name = padded(&cut(name, room), name_width);
            let _ = write!(text, "{} {name}", view.paint.with(kind.style(), kind.symbol()));
            for kind in &occurring {
                let columns = gap + cell_width(*kind);
                text += &match host.counts.get(kind) {
                    Some(count) => view.paint.with(kind.style(), format_args!("{count:>columns$}")),
                    None => view.paint.with(DIM, format_args!("{:>columns$}", "·")),
                };
            }
            text.push('\n');
        }
        let rest = self.hosts.len() - listed.len();
        if rest > 0 {
            let line = format!("✓ {} ok", counted(rest, "other host"));
            text += &view.paint.with(kind_of_host(HostOutcome::Ok).style(), line);
            text.push('\n');
        }
        text
    }

    fn verdict(&self, view: &View, ended_at: Timestamp, cut_short: Option<RunOutcome>) -> String {
        let count = |outcome| self.hosts.values().filter(|host| host.outcome == outcome).count();
        let mut parts = vec![counted(self.hosts.len(), "host")];
        let mut good = true;
        for (outcome, label) in [
            (HostOutcome::Ok, "ok"),
            (HostOutcome::Failed, "failed"),
            (HostOutcome::Unreachable, "unreachable"),
            (HostOutcome::Cancelled, "cancelled"),
        ] {
            let hosts = count(outcome);
            if hosts > 0 {
                let style = kind_of_host(outcome).style().bold();
                parts.push(view.paint.with(style, format_args!("{} {label}", number(hosts))));
                good &= outcome == HostOutcome::Ok;
            }
        }
        if self.warnings > 0 {
            parts.push(counted(self.warnings, "warning"));
        }
        if let Some(started_at) = self.started_at {
            parts.push(duration(ended_at.duration_since(started_at).as_secs_f64().max(0.0)));
        }
        if self.check_mode {
            parts.push("check mode: nothing was changed".to_owned());
        }
        let word = match cut_short {
            Some(RunOutcome::Interrupted) => "interrupted · ",
            Some(RunOutcome::Aborted) => "aborted · ",
            _ => "",
        };
        let kind = match good && cut_short.is_none() {
            true => Kind::Of(Outcome::Ok),
            false => Kind::Of(Outcome::Failed),
        };
        format!(
            "{} {}{}\n",
            view.paint.with(kind.style(), kind.symbol()),
            view.paint.with(BOLD, word),
            parts.join(" · ")
        )
    }
}

fn cell_width(kind: Kind) -> usize {
    kind.label().len().max(4)
}

fn kind_of_host(outcome: HostOutcome) -> Kind {
    Kind::Of(match outcome {
        HostOutcome::Ok => Outcome::Ok,
        HostOutcome::Failed => Outcome::Failed,
        HostOutcome::Unreachable => Outcome::Unreachable,
        HostOutcome::Cancelled => Outcome::Cancelled,
    })
}
