//! What goes out on a channel for one command.
//!
//! A plain command goes out exactly as it is. What SSH cannot carry (variables
//! that no `AcceptEnv` lets through, a directory, sudo) is done by a few lines of
//! POSIX shell in front of it. Values of variables travel over standard input,
//! never in an argument, so that no process list shows them.

mod payload;

use uuid::Uuid;
use zeroize::Zeroizing;

use self::payload::payload;
use super::prompt::Stage;
use super::quote::{encode, quote};
use crate::plan::spec::{ExecOptions, SudoSpec};

/// Reads variables, see [`payload`]. Names begin with underscores because a
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
const SCRIPT: &str = "/dev/fd/4";

/// Everything that the engine needs to start a command.
#[derive(Clone)]
pub(super) struct Launch {
    /// The exec request.
    pub(super) line: String,
    /// Whether to request a pseudo-terminal.
    pub(super) pty: bool,
    /// Whether standard input stays open.
    pub(super) stdin_open: bool,
    /// The variables, sent at once or when the bootstrap is ready.
    pub(super) payload: Zeroizing<Vec<u8>>,
    /// The marks to wait for.
    pub(super) stages: Vec<Stage>,
}

impl Launch {
    /// `line` as it is, with nothing on its standard input.
    pub(super) fn plain(line: &str) -> Self {
        Self {
            line: line.to_owned(),
            pty: false,
            stdin_open: false,
            payload: Zeroizing::default(),
            stages: Vec::new(),
        }
    }

    /// `line` with everything that `options` asks for.
    pub(super) fn new(line: &str, options: &ExecOptions) -> Self {
        let payload = payload(&options.environment, options.script.as_deref(), options.pty);
        let line = match &options.script {
            Some(_) => format!("exec {line} {SCRIPT}"),
            None => line.to_owned(),
        };
        let launch = Self {
            pty: options.pty,
            stdin_open: options.stdin_open && options.sudo.is_none(),
            payload,
            ..Self::plain(&line)
        };
        let mark = Uuid::now_v7().simple().to_string();
        match &options.sudo {
            Some(sudo) if sudo.shell => launch.elevated(sudo, options, &mark),
            Some(sudo) => launch.elevated_words(sudo, options, &mark),
            None => launch.bootstrapped(options, &mark),
        }
    }

    /// As the login user, in the login shell.
    fn bootstrapped(mut self, options: &ExecOptions, mark: &str) -> Self {
        let keep_stdin = self.stdin_open || options.sudo.is_some();
        if self.payload.is_empty()
            && options.working_directory.is_none()
            && (!self.pty || keep_stdin)
        {
            return self;
        }
        let mut script =
            String::from("set -- \"$(printf %bx \"$1\")\" \"$2\" \"${SHELL:-/bin/sh}\"; ");
        if self.pty && !self.payload.is_empty() {
            let (print, mark) = marker("ready", mark);
            script.push_str(&format!("{print}; "));
            self.stages.insert(0, Stage::Ready { mark });
        }
        script.push_str(&read_payload(options));
        script.push_str("set -- \"$1\" \"$(printf %bx \"$2\")\" \"$3\"; ");
        script.push_str(&change_directory(options, "${2%x}"));
        script.push_str(&format!("exec {} -c \"${{1%x}}\"", shell(options)));
        if !keep_stdin {
            script.push_str(" </dev/null");
        }
        script.push_str(keep_script(options));
        self.line = format!(
            "exec /bin/sh -c '{script}' sshoal {} {}",
            encode(&self.line),
            encode(directory(options)),
        );
        self
    }

    /// The whole line in the login shell, elevated.
    fn elevated(mut self, sudo: &SudoSpec, options: &ExecOptions, mark: &str) -> Self {
        let prompt = format!("sshoal-prompt-{mark}:");
        let (print, start) = marker("start", mark);
        // Who has given the command up hears nothing any more, and it does not begin.
        // sudo's own messages are read, so they have to be in English; what the
        // command sees is put back, unless sudo has set another locale itself.
        let mut inner = format!(
            "{print} >&2 || exit 1; if [ \"${{LC_ALL-}}\" = C ]; then \
             case $4 in x*) LC_ALL=${{4#x}};; *) unset LC_ALL;; esac; fi; "
        );
        inner.push_str(&read_payload(options));
        inner.push_str(&change_directory(options, "$2"));
        inner.push_str(&format!("exec {} -c \"$1\" </dev/null", shell(options)));
        inner.push_str(keep_script(options));
        let user = if sudo.user.is_some() { " -u \"${4%x}\"" } else { "" };
        // The bootstrap runs in the login shell where that speaks POSIX, so that
        // a sudoers rule for that shell is enough.
        let outer = format!(
            "set -- \"$1\" \"$(printf %bx \"$2\")\" \"$(printf %bx \"$3\")\" \
             \"$(printf %bx \"$4\")\" \"${{SHELL:=/bin/sh}}\" \"${{LC_ALL+x}}${{LC_ALL-}}\"; \
             LC_ALL=C; export LC_ALL; \
             case $5 in */bash|*/dash|*/ksh|*/sh|*/zsh) ;; *) SHELL=/bin/sh;; esac; \
             exec sudo -S -p {prompt}{user} -- \"$SHELL\" -c \"$1\" sshoal \
             \"${{2%x}}\" \"${{3%x}}\" \"$5\" \"$6\""
        );
        self.line = format!(
            "exec /bin/sh -c '{outer}' sshoal '{inner}' {} {} {}",
            encode(&self.line),
            encode(directory(options)),
            encode(sudo.user.as_deref().unwrap_or_default()),
        );
        self.stages.push(Stage::Elevate { prompt, start });
        self
    }

    /// The words of the line as sudo's arguments.
    fn elevated_words(mut self, sudo: &SudoSpec, options: &ExecOptions, mark: &str) -> Self {
        let prompt = format!("sshoal-prompt-{mark}:");
        let user =
            sudo.user.as_ref().map_or_else(String::new, |user| format!(" -u {}", quote(user)));
        let names: Vec<_> = options.environment.iter().map(|(name, _)| name.as_str()).collect();
        let keep = match names.is_empty() {
            true => String::new(),
            false => format!(" --preserve-env={}", names.join(",")),
        };
        // On a terminal sudo asks there, and the command's input is its own. The
        // language is all that changes: sudo's messages have to be in English,
        // and nothing can put back what the command sees.
        let (stdin, input) = if self.pty { ("", " </dev/null") } else { (" -S", "") };
        self.line =
            format!("env LANGUAGE=C sudo{stdin} -p {prompt}{user}{keep} -- {}{input}", self.line);
        self.stages.push(Stage::Words { prompt, terminal: self.pty });
        self.bootstrapped(options, mark)
    }
}

/// The command that prints a mark, and the mark. The command does not contain
/// the mark, so that a shell or a sudo that quotes the command does not print it.
fn marker(kind: &str, mark: &str) -> (String, String) {
    (format!("printf %s \"sshoal-{kind}-\"\"{mark}\""), format!("sshoal-{kind}-{mark}"))
}

/// What reads the payload.
fn read_payload(options: &ExecOptions) -> String {
    let variables = if options.environment.is_empty() { "" } else { READ_VARIABLES };
    let script = if options.script.is_some() { READ_SCRIPT } else { "" };
    format!("{variables}{script}")
}

/// What runs the line: the login shell, but a script's interpreter is started by
/// `/bin/sh`, for csh would close the script.
fn shell(options: &ExecOptions) -> &'static str {
    if options.script.is_some() { "/bin/sh" } else { "\"$3\"" }
}

/// Hands the script's descriptor on: some shells keep those to themselves that they
/// have opened.
fn keep_script(options: &ExecOptions) -> &'static str {
    if options.script.is_some() { " 4<&4" } else { "" }
}

/// The directory without a leading `~`, which [`change_directory`] takes care of.
fn directory(options: &ExecOptions) -> &str {
    match options.working_directory.as_deref() {
        None | Some("~") => "",
        Some(path) => path.strip_prefix("~/").unwrap_or(path),
    }
}

fn change_directory(options: &ExecOptions, path: &str) -> String {
    let Some(directory) = &options.working_directory else { return String::new() };
    let path = match directory.as_str() {
        "~" => "$HOME".to_owned(),
        directory if directory.starts_with("~/") => format!("$HOME/{path}"),
        // `cd -` would go elsewhere.
        "-" => "./-".to_owned(),
        _ => path.to_owned(),
    };
    format!("CDPATH= cd -- \"{path}\" || exit 1; ")
}
