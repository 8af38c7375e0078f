//! Colours and symbols by outcome.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::event::Outcome;

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const MAGENTA: Style = AnsiColor::Magenta.on_default().bold();

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const HELP: Style = AnsiColor::Cyan.on_default();
pub(super) const WARNING: Style = YELLOW;
pub(super) const ADDED: Style = GREEN;
pub(super) const REMOVED: Style = AnsiColor::Red.on_default();
pub(super) const STDERR: Style = AnsiColor::Red.on_default();

/// What a person counts: outcomes, and failures that do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Of(Outcome),
    Ignored,
}

impl Kind {
    /// Every kind, in the order in which recaps count them.
    pub(super) const ALL: [Self; 8] = [
        Self::Of(Outcome::Ok),
        Self::Of(Outcome::Changed),
        Self::Of(Outcome::Failed),
        Self::Of(Outcome::TimedOut),
        Self::Of(Outcome::Unreachable),
        Self::Ignored,
        Self::Of(Outcome::Skipped),
        Self::Of(Outcome::Cancelled),
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Of(Outcome::TimedOut) => "timed out",
            Self::Of(outcome) => outcome.as_str(),
            Self::Ignored => "ignored",
        }
    }

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Of(Outcome::Ok) => "✓",
            Self::Of(Outcome::Changed) => "●",
            Self::Of(Outcome::Failed | Outcome::TimedOut | Outcome::Unreachable)
            | Self::Ignored => "✗",
            Self::Of(Outcome::Skipped | Outcome::Cancelled) => "○",
        }
    }

    pub(super) fn style(self) -> Style {
        match self {
            Self::Of(Outcome::Ok) => GREEN,
            Self::Of(Outcome::Changed) | Self::Ignored => YELLOW,
            Self::Of(Outcome::Failed | Outcome::TimedOut) => RED,
            Self::Of(Outcome::Unreachable) => MAGENTA,
            Self::Of(Outcome::Skipped | Outcome::Cancelled) => DIM,
        }
    }
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    /// `text` in `style`; blanks stay as they are.
    pub(super) fn with(self, style: Style, text: impl Display) -> String {
        let text = text.to_string();
        match self.0 && !text.trim().is_empty() {
            true => format!("{style}{text}{style:#}"),
            false => text,
        }
    }
}
