//! What can be wrong with names, patterns and templates.

use miette::Diagnostic;
use thiserror::Error;

impl ResolveError {
    /// The code of [`ResolveError::Undefined`].
    pub(super) const UNDEFINED: &str = "resolve::undefined";
}

/// An error in resolving inventory, patterns or templates.
#[derive(Debug, Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum ResolveError {
    /// A pattern names something that the inventory does not have.
    #[error("the inventory has no host or group `{name}`")]
    #[diagnostic(code(resolve::unknown_host), help("{help}"))]
    UnknownHost {
        /// The name in the pattern.
        name: String,
        /// A suggestion, or the known groups.
        help: String,
    },
    /// A glob or regex matches no name in the inventory.
    #[error("no host or group of the inventory matches `{pattern}`")]
    #[diagnostic(code(resolve::unmatched_pattern), help("{help}"))]
    NothingMatches {
        /// The part of the pattern.
        pattern: String,
        /// The known groups.
        help: String,
    },
    /// The inventory has no group of this name.
    #[error("the inventory has no group `{name}`")]
    #[diagnostic(code(resolve::unknown_group), help("{help}"))]
    UnknownGroup {
        /// The name.
        name: String,
        /// A suggestion, or the known groups.
        help: String,
    },
    /// A pattern names nothing at all.
    #[error("the host pattern is empty")]
    #[diagnostic(code(resolve::empty_pattern), help("write `all` where every host is meant"))]
    EmptyPattern,
    /// A pattern cannot be read.
    #[error("the host pattern `{pattern}` cannot be read: {reason}")]
    #[diagnostic(
        code(resolve::bad_pattern),
        help("examples: `web`, `web:db`, `web:!web-03`, `web[0:2]`, `~web-\\d+`")
    )]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// The file behind an `@` cannot be used.
    #[error("the hosts in `@{path}` cannot be read: {reason}")]
    #[diagnostic(
        code(resolve::pattern_file),
        help("a file has one pattern per line, or is a report of sshoal in JSON")
    )]
    PatternFile {
        /// The path as written.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A line of the file behind an `@` is no pattern.
    #[error("{place}: {error}")]
    #[diagnostic(code(resolve::pattern_file), help("take the line out, or correct the name"))]
    InPatternFile {
        /// Which line of which file.
        place: String,
        /// What is wrong with it.
        error: Box<ResolveError>,
    },
    /// The groups of an inventory contain each other.
    #[error("the group `{group}` contains itself, by way of {path}")]
    #[diagnostic(code(resolve::group_cycle), help("remove one of the `children:` entries"))]
    GroupCycle {
        /// The group.
        group: String,
        /// The groups on the way.
        path: String,
    },
    /// A name is a host and a group at once.
    #[error("`{name}` is the name of a host and of a group")]
    #[diagnostic(
        code(resolve::ambiguous_name),
        severity(Warning),
        help("rename one of them: in a pattern the name means the group")
    )]
    AmbiguousName {
        /// The name.
        name: String,
    },
    /// A template uses a name that is not defined.
    #[error("undefined variable `{name}`")]
    #[diagnostic(code(resolve::undefined), help("{help}"))]
    Undefined {
        /// The name, or the expression.
        name: String,
        /// A suggestion.
        help: String,
    },
    /// A template cannot be parsed.
    #[error("the template cannot be read: {message}")]
    #[diagnostic(code(resolve::template_syntax), help("{help}"))]
    TemplateSyntax {
        /// What minijinja said.
        message: String,
        /// What to do.
        help: String,
    },
    /// A template uses a filter that the language does not have.
    #[error("there is no filter `{name}`")]
    #[diagnostic(code(resolve::unknown_filter), help("{help}"))]
    UnknownFilter {
        /// Its name.
        name: String,
        /// A suggestion.
        help: String,
    },
    /// A template uses a test that the language does not have.
    #[error("there is no test `{name}`")]
    #[diagnostic(code(resolve::unknown_test), help("{help}"))]
    UnknownTest {
        /// Its name.
        name: String,
        /// A suggestion.
        help: String,
    },
    /// A template calls a function that the language does not have.
    #[error("there is no function `{name}`")]
    #[diagnostic(code(resolve::unknown_function), help("{help}"))]
    UnknownFunction {
        /// Its name.
        name: String,
        /// A suggestion.
        help: String,
    },
    /// A template calls a method that a value does not have.
    #[error("`{value}` is {kind}, which has no method `{name}`")]
    #[diagnostic(code(resolve::unknown_method), help("{help}"))]
    UnknownMethod {
        /// The value, as written.
        value: String,
        /// What it is.
        kind: &'static str,
        /// The method.
        name: String,
        /// What to write instead.
        help: String,
    },
    /// A variable's value has a tag that says what sshoal cannot do.
    #[error("the variable `{name}` is a `!{tag}` value, which sshoal cannot read")]
    #[diagnostic(
        code(resolve::tagged),
        help(
            "give the plain value, for example from `{{{{ env('NAME') }}}}` or `{{{{ file('PATH') }}}}`"
        )
    )]
    Tagged {
        /// The variable.
        name: String,
        /// The tag, without its `!`.
        tag: String,
    },
    /// A template failed while it was rendered.
    #[error("the template fails: {message}")]
    #[diagnostic(code(resolve::template), help("{help}"))]
    Template {
        /// What minijinja said.
        message: String,
        /// What to do.
        help: String,
    },
    /// A template gave a value of the wrong type.
    #[error("{what} must be {expected}, but {} is {found}", .variable.as_ref().map_or("it".to_owned(), |name| format!("`{name}`")))]
    #[diagnostic(
        code(resolve::template_type),
        help(
            "give a value of that type; in a template, filters such as `int`, `string` and `bool` change it"
        )
    )]
    TemplateType {
        /// The key, in backticks.
        what: String,
        /// The type in words.
        expected: String,
        /// What it gave.
        found: String,
        /// The variable that the value is, where the template is nothing else.
        variable: Option<String>,
    },
    /// A variable is a number that does not fit where it is used.
    #[error("{what} must be {expected}, but `{variable}` is {number}")]
    #[diagnostic(code(resolve::template_type), help("correct the value of `{variable}`"))]
    OutOfRange {
        /// The key, in backticks.
        what: String,
        /// The type in words.
        expected: String,
        /// The variable.
        variable: String,
        /// Its value.
        number: String,
    },
    /// A variable's template uses the variable itself.
    #[error("the variable `{name}` is defined by itself: {path}")]
    #[diagnostic(code(resolve::recursion), help("give one of them another name or a plain value"))]
    Recursion {
        /// The variable.
        name: String,
        /// The names on the way.
        path: String,
    },
    /// Variables use variables, and so on, without end as it seems.
    #[error("the variable `{name}` is {depth} variables deep: {path}")]
    #[diagnostic(
        code(resolve::depth),
        help("let fewer variables stand between the template and the value")
    )]
    TooDeep {
        /// The variable.
        name: String,
        /// How many variables are being rendered.
        depth: usize,
        /// The first and the last names on the way.
        path: String,
    },
    /// A template takes more steps, or gives more text, than anything needs.
    #[error("{message}")]
    #[diagnostic(
        code(resolve::template_cost),
        help("look for loops within loops; large files are better uploaded without `template`")
    )]
    TemplateCost {
        /// What there is too much of.
        message: String,
    },
}
