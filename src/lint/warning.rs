//! The warnings themselves.

use miette::Diagnostic;
use thiserror::Error;

/// Something suspicious.
#[derive(Debug, Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum LintWarning {
    /// Nothing mentions a variable.
    #[error("the variable `{name}` is never used")]
    #[diagnostic(
        code(lint::unused_variable),
        severity(Warning),
        help("remove it, or correct the name where it should be used")
    )]
    UnusedVariable {
        /// The variable.
        name: String,
    },
    /// Nothing mentions a registered result.
    #[error("the result `{name}` is registered and never used")]
    #[diagnostic(
        code(lint::unused_register),
        severity(Warning),
        help("remove `register`, or correct the name where the result should be used")
    )]
    UnusedRegister {
        /// The registered name.
        name: String,
    },
    /// A condition that is the same whatever happens.
    #[error("this `when` is {always}")]
    #[diagnostic(code(lint::constant_condition), severity(Warning), help("{help}"))]
    ConstantCondition {
        /// What it always is.
        always: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// A task that no host runs.
    #[error("this task runs on none of the {hosts} hosts of its play")]
    #[diagnostic(
        code(lint::never_runs),
        severity(Warning),
        help("its `when` is false, or its `loop` is empty, on each of them")
    )]
    NeverRuns {
        /// How many hosts the play has.
        hosts: usize,
    },
    /// A handler that never runs.
    #[error("nothing notifies the handler `{name}`")]
    #[diagnostic(
        code(lint::idle_handler),
        severity(Warning),
        help("add `notify: {name}` to the task that should, or remove the handler")
    )]
    IdleHandler {
        /// The handler.
        name: String,
    },
    /// An output that is compared with what it cannot be.
    #[error("`{what}` ends with a newline, and so it never is this text")]
    #[diagnostic(
        code(lint::untrimmed_output),
        severity(Warning),
        help("output ends with a newline: write `{what} | trim`")
    )]
    Untrimmed {
        /// The result and its part.
        what: String,
    },
    /// A secret that everybody with the repository can read.
    #[error("`{key}` stands here in plain text, in a file under git")]
    #[diagnostic(
        code(lint::plain_secret),
        severity(Warning),
        help(
            "take it from the environment, `\"{{{{ env('NAME') }}}}\"`, or from a vault, and change it: git remembers"
        )
    )]
    PlainSecret {
        /// The key whose value it is.
        key: String,
    },
    /// A play for CI that believes whoever answers.
    #[error("a play for CI accepts every unknown host key (`host_key_policy: {name}`)")]
    #[diagnostic(
        code(lint::auto_add_in_ci),
        severity(Warning),
        help(
            "a CI system starts without known hosts, so it would never notice another machine: use `reject` with a `known_hosts` file from the repository"
        )
    )]
    AutoAdd {
        /// The policy.
        name: &'static str,
    },
}

impl LintWarning {
    /// A constant condition; `None` where its value is not known before it runs.
    pub(super) fn constant(value: Option<bool>) -> Self {
        let (always, help) = match value {
            Some(true) => ("always true", "remove it"),
            Some(false) => (
                "always false: the task never runs",
                "remove the task, or give it a tag and use `--skip-tags`",
            ),
            None => (
                "the same on every host, for it mentions no variable",
                "correct the name that it should mention; texts stand in quotes, names do not",
            ),
        };
        Self::ConstantCondition { always, help }
    }
}
