//! Errors about what the user wrote: each with its place, all of them at once.
//!
//! Every stage has an error enum of its own; [`Problem`] adds the place, and
//! [`render`] draws it for a person.

mod excerpt;
pub mod finding;
pub mod format;
mod mask;
mod plain;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan};
pub use plain::{holds_a_secret, is_no_secret, plain_secrets};

use crate::load::source::{FileId, Sources, Span};
use excerpt::Excerpt;

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
        self.code().strip_prefix(stage).is_some_and(|rest| rest.starts_with("::"))
    }

    /// Its code, `stage::name`.
    #[must_use]
    pub fn code(&self) -> String {
        self.error.code().map(|code| code.to_string()).unwrap_or_default()
    }

    /// Whether it is merely suspicious, and keeps nothing from running.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.error.severity().is_some_and(|severity| severity != miette::Severity::Error)
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

    /// The error, its place to the column, and what to do about it, in one line.
    #[must_use]
    pub fn in_words(&self, sources: &Sources) -> String {
        let place = self.span.map(|span| format!(" ({})", sources.place(span)));
        let advice = self.advice().map(|advice| format!("; {advice}"));
        format!("{}{}{}", self.error, place.unwrap_or_default(), advice.unwrap_or_default())
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        self.error.help().map(|help| help.to_string())
    }

    fn help(&self) -> Option<String> {
        let help = self.error.help().map(|help| help.to_string());
        let Some(hosts) = seen_on(&self.hosts) else { return help };
        Some(help.map_or(hosts.clone(), |help| format!("{help}\n{hosts}")))
    }
}

/// On which hosts a problem shows, in a few words.
fn seen_on(hosts: &[impl fmt::Display]) -> Option<String> {
    match hosts {
        [] => None,
        [one] => Some(format!("seen on host `{one}`")),
        [one, two] => Some(format!("seen on hosts `{one}` and `{two}`")),
        [one, two, rest @ ..] => {
            Some(format!("seen on hosts `{one}`, `{two}` and {} more", rest.len()))
        }
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
        type Place = (Option<Span>, String);
        let mut merged: IndexMap<Place, (Problem, IndexSet<Arc<str>>)> = IndexMap::new();
        for mut problem in problems {
            let hosts = std::mem::take(&mut problem.hosts);
            let key = (problem.span, problem.error.to_string());
            merged.entry(key).or_insert((problem, IndexSet::new())).1.extend(hosts);
        }
        let merged = merged.into_values();
        let mut problems: Vec<Problem> = merged
            .map(|(problem, hosts)| Problem { hosts: hosts.into_iter().collect(), ..problem })
            .collect();
        problems.sort_by_key(|problem| problem.span);
        Self(problems)
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

    /// Errors and warnings apart, each in order.
    #[must_use]
    pub fn split(self) -> (Self, Self) {
        let (warnings, errors) = self.0.into_iter().partition(Problem::is_warning);
        (Self(errors), Self(warnings))
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

/// How many problems are drawn. More are no help to a person, and each takes a walk
/// through its whole source.
const DRAWN: usize = 100;

/// Draws problems for a person, each with its code, the underlined source and help;
/// those beyond the first hundred are only counted.
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
    let mut masked = HashMap::new();
    for problem in problems.iter().take(DRAWN) {
        let placed = Placed::new(problem, sources, &mut masked);
        handler.render_report(&mut out, &placed).expect("a String takes any text");
        out.push('\n');
    }
    if let Some(more) = problems.len().checked_sub(DRAWN).filter(|more| *more > 0) {
        out += &format!("… and {more} more\n\n");
    }
    out
}

/// The name of the text that stands for the command line's flags and arguments.
pub const COMMAND_LINE: &str = "<command line>";

/// A problem together with its source text, as miette wants it.
struct Placed<'p> {
    problem: &'p Problem,
    message: String,
    source: Option<Arc<Excerpt>>,
    label: Option<LabeledSpan>,
    help: Option<String>,
}

impl<'p> Placed<'p> {
    fn new(
        problem: &'p Problem,
        sources: &Sources,
        masked: &mut HashMap<FileId, Arc<Excerpt>>,
    ) -> Self {
        let redactor = sources.redactor();
        let message = redactor.mask(&problem.error.to_string()).into_owned();
        let mut help = problem.help().map(|help| redactor.mask(&help).into_owned());
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
                let len = Excerpt::underlined(&text.text, span.start, span.len);
                label = Some(LabeledSpan::new(words, span.start, len));
                let shown =
                    || Arc::new(Excerpt::new(&text.name, mask::shown(&text.text, redactor)));
                source = Some(Arc::clone(masked.entry(span.file).or_insert_with(shown)));
            }
        }
        Self { problem, message, source, label, help }
    }
}

impl fmt::Debug for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadError;

    fn problem(message: String, host: &str) -> Problem {
        let error = LoadError::Conflict { message, help: String::new() };
        Problem::new(error, None).on_host(&host.into())
    }

    #[test]
    fn equal_problems_are_one_which_names_each_host_once() {
        let hosts = ["a", "b", "a", "c", "b", "d"];
        let problems = Problems::collect(hosts.map(|host| problem("wrong".to_owned(), host)));
        let drawn = render(&problems, &Sources::default(), RenderStyle { color: false, width: 80 });
        assert_eq!(problems.len(), 1);
        assert!(drawn.contains("seen on hosts `a`, `b` and 2 more"), "{drawn}");
    }

    #[test]
    fn a_flood_of_problems_is_counted_rather_than_drawn() {
        let problems = Problems::collect((0..250).map(|at| problem(format!("no. {at}."), "a")));
        let drawn = render(&problems, &Sources::default(), RenderStyle { color: false, width: 80 });
        assert!(drawn.contains("no. 99.") && !drawn.contains("no. 100."), "{drawn}");
        assert!(drawn.ends_with("… and 150 more\n\n"), "{drawn}");
    }
}
