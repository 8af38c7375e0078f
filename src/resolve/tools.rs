//! The filters and tests of the template language, for those who mistype one.

use minijinja::{Environment, ErrorKind};

use super::advice::tool_advice;
use super::error::ResolveError;
use crate::load::decode::nearest;

/// A filter or a test: what stands behind `|` or `is`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tool {
    before: &'static str,
    unknown: ErrorKind,
    known: &'static [&'static str],
}

pub(super) const FILTER: Tool = Tool {
    before: "|",
    unknown: ErrorKind::UnknownFilter,
    known: &[
        "abs",
        "attr",
        "b64decode",
        "b64encode",
        "batch",
        "bool",
        "capitalize",
        "default",
        "dictsort",
        "escape",
        "first",
        "float",
        "format",
        "from_json",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "lines",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "pprint",
        "quote",
        "regex_replace",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "select",
        "selectattr",
        "slice",
        "sort",
        "split",
        "string",
        "sum",
        "title",
        "to_json",
        "to_yaml",
        "tojson",
        "trim",
        "unique",
        "upper",
        "urlencode",
        "zip",
    ],
};

pub(super) const TEST: Tool = Tool {
    before: "is",
    unknown: ErrorKind::UnknownTest,
    known: &[
        "boolean",
        "defined",
        "divisibleby",
        "endingwith",
        "eq",
        "even",
        "false",
        "filter",
        "float",
        "ge",
        "gt",
        "in",
        "integer",
        "iterable",
        "le",
        "lower",
        "lt",
        "mapping",
        "ne",
        "none",
        "number",
        "odd",
        "safe",
        "sameas",
        "sequence",
        "startingwith",
        "string",
        "test",
        "true",
        "undefined",
        "upper",
    ],
};

impl Tool {
    /// Whether the language has it: trying is the only way to ask.
    pub(super) fn has(self, environment: &Environment<'_>, name: &str) -> bool {
        let tried = environment
            .compile_expression(&format!("'' {} {name}", self.before))
            .and_then(|expression| expression.eval(()));
        !tried.is_err_and(|error| error.kind() == self.unknown)
    }

    /// The error for a name that the language does not have.
    pub(super) fn unknown(self, environment: &Environment<'_>, name: &str) -> ResolveError {
        let known = self.known.iter().copied().filter(|known| self.has(environment, known));
        let all = || self.known.join("`, `");
        let help = match (tool_advice(self.before, name), nearest(name, known)) {
            (Some(advice), _) => advice.to_owned(),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) if self.unknown == ErrorKind::UnknownTest => {
                format!("the tests are `{}`", all())
            }
            (None, None) => "minijinja's own are there, and `b64encode`, `b64decode`, `quote`, `to_json`, `from_json`, `to_yaml`, `regex_replace`, `urlencode`".to_owned(),
        };
        let name = name.to_owned();
        match self.unknown {
            ErrorKind::UnknownTest => ResolveError::UnknownTest { name, help },
            _ => ResolveError::UnknownFilter { name, help },
        }
    }
}
