//! What can be wrong with a file before anyone asks what it means.

use miette::Diagnostic;
use thiserror::Error;

/// An error in reading or decoding a file.
#[derive(Debug, Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    #[diagnostic(code(load::unreadable), help("{help}"))]
    Unreadable {
        /// The path as given.
        path: String,
        /// What the system said.
        reason: String,
        /// What to do.
        help: String,
    },
    /// A path or glob matched no file.
    #[error("no playbook matches `{pattern}`")]
    #[diagnostic(
        code(load::no_match),
        help("check the path; globs such as `playbooks/*.yml` are quoted or not as you like")
    )]
    NoMatch {
        /// The pattern as given.
        pattern: String,
    },
    /// The text is not YAML.
    #[error("not valid YAML: {message}")]
    #[diagnostic(code(load::yaml_syntax), help("{help}"))]
    YamlSyntax {
        /// What the parser said.
        message: String,
        /// What to do.
        help: String,
    },
    /// The text is not JSON.
    #[error("not valid JSON: {message}")]
    #[diagnostic(code(load::json_syntax), help("{help}"))]
    JsonSyntax {
        /// What the parser said.
        message: String,
        /// What to do.
        help: String,
    },
    /// A key stands twice in one mapping.
    #[error("the key `{key}` stands twice in one mapping")]
    #[diagnostic(code(load::duplicate_key), help("keep one of them"))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that is itself a mapping or a list.
    #[error("a mapping or a list stands where a key does")]
    #[diagnostic(
        code(load::compound_key),
        help("put a value that begins with a template in quotes: `key: \"{{{{ name }}}}\"`")
    )]
    CompoundKey,
    /// A request that a plan printed, without what the plan leaves out.
    #[error("this value is not in the plan: put it in")]
    #[diagnostic(
        code(load::placeholder),
        help("`sshoal plan` prints this in place of {stands_for}")
    )]
    Placeholder {
        /// What it stands for.
        stands_for: &'static str,
    },
    /// A key that nothing knows.
    #[error("unknown key `{key}` in {within}")]
    #[diagnostic(code(load::unknown_key), help("{help}"))]
    UnknownKey {
        /// The key.
        key: String,
        /// What the mapping is.
        within: String,
        /// A suggestion, or the known keys.
        help: String,
    },
    /// A value of the wrong type.
    #[error("{what} must be {expected}, not {found}")]
    #[diagnostic(code(load::wrong_type), help("{help}"))]
    WrongType {
        /// The key, in backticks, or what the value is.
        what: String,
        /// The type, in words.
        expected: String,
        /// The value, in words.
        found: String,
        /// What to do.
        help: String,
    },
    /// A required key is missing.
    #[error("{within} needs the key `{key}`")]
    #[diagnostic(code(load::missing_key), help("{help}"))]
    MissingKey {
        /// The key.
        key: String,
        /// What the mapping is.
        within: String,
        /// What to write.
        help: String,
    },
    /// Keys that exclude each other, or belong together.
    #[error("{message}")]
    #[diagnostic(code(load::conflict), help("{help}"))]
    Conflict {
        /// Which.
        message: String,
        /// What to do.
        help: String,
    },
    /// A file imports itself, perhaps by way of others.
    #[error("`{path}` imports itself")]
    #[diagnostic(code(load::import_loop), help("take one import out of the circle: `{chain}`"))]
    ImportLoop {
        /// The file.
        path: String,
        /// The files of the circle, with arrows in backticks between them.
        chain: String,
    },
    /// `notify` names no handler.
    #[error("`{name}` is not a handler of this play")]
    #[diagnostic(code(load::unknown_handler), help("{help}"))]
    UnknownHandler {
        /// The name.
        name: String,
        /// A suggestion, or the known handlers.
        help: String,
    },
    /// A driver that sshoal does not drive.
    #[error("the driver `{driver}` is not one that sshoal drives")]
    #[diagnostic(
        code(load::driver),
        help("sshoal drives Linux hosts over SSH: use `driver: paramiko`, or leave it out")
    )]
    Driver {
        /// The driver.
        driver: String,
    },
}

impl LoadError {
    /// The same error with other advice, where it has any.
    #[must_use]
    pub(crate) fn with_help(mut self, advice: &str) -> Self {
        if let Self::Unreadable { help, .. } = &mut self {
            *help = advice.to_owned();
        }
        self
    }
}
