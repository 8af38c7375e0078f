//! What keeps a well-formed playbook from becoming a plan.

use miette::Diagnostic;
use thiserror::Error;

/// An error in planning.
#[derive(Debug, Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum PlanError {
    /// A request does not say where to go.
    #[error("the request has no `host`")]
    #[diagnostic(code(plan::no_host), help("add `connection_args.host`"))]
    NoHost,
    /// A host has no login user.
    #[error("no `username` to log in with")]
    #[diagnostic(
        code(plan::no_username),
        help("set `connection_args.username` in the playbook or the inventory, or use `-u USER`")
    )]
    NoUsername,
    /// A host has nothing to prove an identity with.
    #[error(
        "no credential to log in {to}as `{user}`: no password, no key, no agent, and no key in ~/.ssh"
    )]
    #[diagnostic(code(plan::no_credential), help("{help}"))]
    NoCredential {
        /// The login user.
        user: String,
        /// `to the jump host `, or nothing.
        to: &'static str,
        /// What to set.
        help: &'static str,
    },
    /// A private key cannot be used.
    #[error("{what}: {reason}")]
    #[diagnostic(code(plan::private_key), help("{help}"))]
    PrivateKey {
        /// The key in backticks, with the path where it has one.
        what: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        help: String,
    },
    /// A number is out of range.
    #[error("{what} must be {expected}, not {found}")]
    #[diagnostic(
        code(plan::out_of_range),
        help("change the value, or leave the key out for its default")
    )]
    OutOfRange {
        /// The key in backticks.
        what: String,
        /// The range in words.
        expected: String,
        /// The value.
        found: String,
    },
    /// `until` does not depend on the result, and is false.
    #[error("`until` can never hold: it does not look at the task's result")]
    #[diagnostic(
        code(plan::never_holds),
        help("write an expression over `{own}`, such as `{own}.exit_status == 0`")
    )]
    NeverHolds {
        /// The name of the task's own result.
        own: String,
    },
    /// There is nothing to run.
    #[error("{what} is empty")]
    #[diagnostic(code(plan::empty), help("{help}"))]
    Empty {
        /// The key in backticks.
        what: String,
        /// What to give.
        help: &'static str,
    },
    /// A command is no text.
    #[error("{what} must be a text, but the template gives {found}")]
    #[diagnostic(code(plan::command_type), help("a command is a text, or a list of texts"))]
    CommandType {
        /// The key in backticks.
        what: String,
        /// What it gave.
        found: String,
    },
    /// `loop` gives something else than a list.
    #[error("`loop` must give a list, not {found}")]
    #[diagnostic(
        code(plan::loop_type),
        help("a mapping becomes a list by `| items`, a text by `| split(',')`")
    )]
    LoopType {
        /// What it gave.
        found: String,
    },
    /// A file on this machine cannot be used.
    #[error("cannot read the local file `{path}`: {reason}")]
    #[diagnostic(code(plan::local_file), help("{help}"))]
    LocalFile {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        help: String,
    },
    /// Keys of a file transfer that do not go together.
    #[error("{message}")]
    #[diagnostic(code(plan::unfitting), help("{help}"))]
    Unfitting {
        /// What does not fit.
        message: String,
        /// What to do.
        help: String,
    },
    /// Several hosts would download to one file.
    #[error("{count} downloads would write the one local file `{path}`")]
    #[diagnostic(code(plan::shared_download), help("{help}"))]
    SharedDownload {
        /// The path.
        path: String,
        /// How many of them.
        count: usize,
        /// How to tell the paths apart.
        help: &'static str,
    },
    /// A value holds a NUL byte, which nothing on the way can carry.
    #[error("{what} holds a NUL character")]
    #[diagnostic(
        code(plan::nul),
        help("commands, paths and environment values cannot hold NUL; send it in a file")
    )]
    Nul {
        /// The key in backticks.
        what: String,
    },
    /// A variable or a result has a name that means something else already.
    #[error("`{name}` always means something else: it cannot be the name of a {what}")]
    #[diagnostic(code(plan::reserved_name), help("choose another name, such as `my_{name}`"))]
    ReservedName {
        /// The name.
        name: String,
        /// `variable` or `result`.
        what: &'static str,
    },
    /// A play or a limit selects no host.
    #[error("no host matches {what}")]
    #[diagnostic(code(plan::no_hosts), help("check the pattern, `--limit` and the inventory"))]
    NoHosts {
        /// The pattern and the limit.
        what: String,
    },
    /// There are plays, and no inventory to run them over.
    #[error("a playbook with plays needs an inventory")]
    #[diagnostic(
        code(plan::no_inventory),
        help("give one with `-i inventory.yml`, or hosts inline with `-i host1,host2,`")
    )]
    NoInventory,
    /// There is no inventory to show.
    #[error("there is no inventory to show")]
    #[diagnostic(
        code(plan::no_inventory),
        help("give one with `-i PATH`, or set SSHOAL_INVENTORY")
    )]
    InventoryNeeded,
    /// `notify` names no handler.
    #[error("`{name}` is not a handler of this play")]
    #[diagnostic(code(plan::unknown_handler), help("{help}"))]
    UnknownHandler {
        /// The name.
        name: String,
        /// A suggestion, or the known handlers.
        help: String,
    },
    /// A handler notifies itself, or one that has had its turn.
    #[error("the handler `{name}` has had its turn by then")]
    #[diagnostic(
        code(plan::late_notice),
        help(
            "handlers run once, in the order in which they are written: a handler can notify only those below it"
        )
    )]
    LateNotice {
        /// The handler that would not run.
        name: String,
    },
    /// `--start-at-task` names no task.
    #[error("no task is called `{name}`")]
    #[diagnostic(code(plan::unknown_task), help("{help}"))]
    UnknownTask {
        /// The name.
        name: String,
        /// A suggestion.
        help: String,
    },
    /// `--tags` or `--skip-tags` names a tag that no task has.
    #[error("`{tag}`, given with `{flag}`, is not a tag of any task")]
    #[diagnostic(code(plan::unknown_tag), help("{help}"))]
    UnknownTag {
        /// The tag.
        tag: String,
        /// The flag.
        flag: &'static str,
        /// A suggestion, or the known tags.
        help: String,
    },
}
