//! What the bootstrap reads from standard input, and how it runs the line.
//!
//! A line that is too long for a request travels as a script does, into a file that has
//! no name any more. The login shell still takes it as its argument, as far as Linux
//! lets one argument be that long, and beyond that reads it from the file.

use crate::plan::spec::ExecOptions;

/// The longest exec request. libssh2 sends no packet of more than 35,000 bytes.
pub(super) const LONGEST_REQUEST: usize = 32 * 1024;

/// Reads variables, see [`super::payload`]. Names begin with underscores because a
/// variable that the login environment exports stays exported when assigned to.
const READ_VARIABLES: &str = "__nl=$(echo; echo x); __nl=${__nl%x}; \
    while IFS= read -r __l; do case $__l in \
    N*) __n=${__l#N}; __v=;; \
    A*) __v=$__v${__l#A};; \
    L*) __v=$__v$__nl${__l#L};; \
    E*) __c=$(printf %bx \"${__l#E}\"); __v=$__v${__c%x};; \
    X) export \"$__n=$__v\";; \
    *) break;; esac; done; unset __l __n __v __c __nl; ";

/// Reads a script into a file that has no name any more when it is complete, so that
/// nothing of it stays behind whatever happens; a script that does not arrive whole
/// is not run. Descriptor 4 is the file.
const READ_SCRIPT: &str = "__f=$(umask 077; mktemp \"${TMPDIR:-/tmp}/sshoal-XXXXXXXXXX\" \
    2>/dev/null || mktemp /var/tmp/sshoal-XXXXXXXXXX) || exit 1; \
    exec 3>\"$__f\" 4<\"$__f\" || exit 1; rm -f -- \"$__f\"; __w=; \
    while IFS= read -r __l; do case $__l in \
    A*) printf %s \"${__l#A}\" >&3 || break;; \
    L*) { echo; printf %s \"${__l#L}\"; } >&3 || break;; \
    E*) printf %b \"${__l#E}\" >&3 || break;; \
    .) __w=yes; break;; \
    *) break;; esac; done; exec 3>&-; \
    if [ -z \"$__w\" ]; then echo the script did not arrive whole >&2; exit 1; fi; \
    unset __f __l __w; ";

/// Where a script's interpreter finds it.
pub(super) const SCRIPT: &str = "/dev/fd/4";

/// How the line arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// In the request.
    Line,
    /// In the request, and the script that it runs over standard input.
    Script,
    /// Over standard input.
    LongLine,
}

impl Body {
    /// Reads the payload.
    pub(super) fn reader(self, options: &ExecOptions) -> String {
        let variables = if options.environment.is_empty() { "" } else { READ_VARIABLES };
        let script = if self == Self::Line { "" } else { READ_SCRIPT };
        format!("{variables}{script}")
    }

    /// Runs `line`, as the shell writes it, in the login shell `$3`. A script's
    /// interpreter is started by `/bin/sh`, for csh would close the script; `4<&4`
    /// hands it on, which some shells keep to themselves when they have opened it.
    pub(super) fn runner(self, line: &str, stdin: &str) -> String {
        match self {
            Self::Line => format!("exec \"$3\" -c \"{line}\"{stdin}"),
            Self::Script => format!("exec /bin/sh -c \"{line}\"{stdin} 4<&4"),
            // Linux takes arguments of less than 128 KiB each.
            Self::LongLine => format!(
                "if [ \"$(wc -c </dev/fd/4)\" -lt 131072 ]; then __l=$(cat <&4; echo x); \
                 exec 4<&-; exec \"$3\" -c \"${{__l%x}}\"{stdin}; \
                 else exec \"$3\" {SCRIPT}{stdin} 4<&4; fi"
            ),
        }
    }
}
