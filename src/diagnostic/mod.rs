//! Errors about what the user wrote: each with its place, all of them at once.
//!
//! Every stage has an error enum of its own; [`Problem`] adds the place, and
//! [`render`] draws it for a person.

mod mask;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use crate::load::source::{Sources, Span};

/// A stage's error, ready to be placed.
pub type StageError = Arc<dyn Diagnostic + Send + Sync>;

/// One error (or warning) and the place that it is about.
#[derive(Debug, Clone)]
pub struct Problem {
    error: StageError,
    span: Option<Span>,
    hosts: Vec<Arc<str>>,
}

impl Problem {
    /// An error about the text at `span`; `None` where no text is at fault.
    pub fn new(error: impl Diagnostic + Send + Sync + 'static, span: Option<Span>) -> Self {
        Self { error: Arc::new(error), span, hosts: Vec::new() }
    }

    /// The same error, as it showed for this host.
    #[must_use]
    pub fn on_host(mut self, host: &Arc<str>) -> Self {
        self.hosts.push(Arc::clone(host));
        self
    }

    /// The same error at `span`, unless it has a place already.
    #[must_use]
    pub fn or_at(mut self, span: Option<Span>) -> Self {
        self.span = self.span.or(span);
        self
    }

    /// Whether the error is one of this stage: codes are `stage::name`.
    #[must_use]
    pub fn is_of(&self, stage: &str) -> bool {
        let code = self.error.code().map(|code| code.to_string()).unwrap_or_default();
        code.strip_prefix(stage).is_some_and(|rest| rest.starts_with("::"))
    }

    /// The place.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// The error and its place, in one line.
    #[must_use]
    pub fn one_line(&self, sources: &Sources) -> String {
        let Some(span) = self.span else { return self.error.to_string() };
        let source = sources.get(span.file);
        let before = &source.text[..span.start.min(source.text.len())];
        let line = before.matches('\n').count() + 1;
        format!("{} ({}:{line})", self.error, source.name)
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        self.error.help().map(|help| help.to_string())
    }

    fn help(&self) -> Option<String> {
        let help = self.error.help().map(|help| help.to_string());
        let hosts = match self.hosts.as_slice() {
            [] => return help,
            [one] => format!("seen on host `{one}`"),
            [one, two] => format!("seen on hosts `{one}` and `{two}`"),
            [one, two, rest @ ..] => {
                format!("seen on hosts `{one}`, `{two}` and {} more", rest.len())
            }
        };
        Some(help.map_or(hosts.clone(), |help| format!("{help}\n{hosts}")))
    }
}

/// Every problem found, in the order of their places, equal ones merged.
#[derive(Debug, Clone, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Merges equal problems (one template error on a thousand hosts is one
    /// problem) and sorts them by place.
    #[must_use]
    pub fn collect(problems: impl IntoIterator<Item = Problem>) -> Self {
        let mut seen: HashMap<(Option<Span>, String), usize> = HashMap::new();
        let mut merged: Vec<Problem> = Vec::new();
        for problem in problems {
            let key = (problem.span, problem.error.to_string());
            match seen.get(&key) {
                Some(&at) => {
                    let known = &mut merged[at].hosts;
                    let fresh = problem.hosts.into_iter().filter(|host| !known.contains(host));
                    let fresh: Vec<_> = fresh.collect();
                    known.extend(fresh);
                }
                None => {
                    seen.insert(key, merged.len());
                    merged.push(problem);
                }
            }
        }
        merged.sort_by_key(|problem| problem.span);
        Self(merged)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// How to draw problems.
#[derive(Debug, Clone, Copy)]
pub struct RenderStyle {
    /// Whether to use colours and underlining escapes.
    pub color: bool,
    /// The width of the terminal in columns.
    pub width: usize,
}

/// Draws problems for a person, each with its code, the underlined source and help.
#[must_use]
pub fn render(problems: &Problems, sources: &Sources, style: RenderStyle) -> String {
    let theme = match style.color {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width)
        .with_links(false)
        .with_context_lines(1);
    let mut out = String::new();
    for problem in problems.iter() {
        let placed = Placed::new(problem, sources);
        handler.render_report(&mut out, &placed).expect("a String takes any text");
        out.push('\n');
    }
    out
}

/// The name of the text that stands for the command line's flags and arguments.
pub const COMMAND_LINE: &str = "<command line>";

/// A problem together with its source text, as miette wants it.
struct Placed<'p> {
    problem: &'p Problem,
    source: Option<NamedSource<String>>,
    label: Option<LabeledSpan>,
    help: Option<String>,
}

impl<'p> Placed<'p> {
    fn new(problem: &'p Problem, sources: &Sources) -> Self {
        let mut help = problem.help();
        let mut source = None;
        let mut label = None;
        if let Some(span) = problem.span {
            let text = sources.get(span.file);
            if text.name == COMMAND_LINE {
                // There is nothing to look at but what was just typed.
            } else if span.len == 0 && span.start == 0 {
                let place = format!("in {}", text.name);
                help = Some(help.map_or(place.clone(), |help| format!("{help}\n{place}")));
            } else {
                let words = problem
                    .error
                    .labels()
                    .and_then(|mut labels| labels.next())
                    .and_then(|label| label.label().map(str::to_owned));
                label = Some(LabeledSpan::new(words, span.start, span.len));
                source = Some(NamedSource::new(&text.name, mask::mask_source(&text.text)));
            }
        }
        Self { problem, source, label, help }
    }
}

impl fmt::Debug for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.error.fmt(f)
    }
}

impl fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.problem.error, f)
    }
}

impl std::error::Error for Placed<'_> {}

impl Diagnostic for Placed<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.error.code()
    }

    fn severity(&self) -> Option<miette::Severity> {
        self.problem.error.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.label.clone()?;
        Some(Box::new(std::iter::once(label)))
    }
}
