//! What goes out on a channel for one command.
//!
//! A plain command goes out exactly as it is. What SSH cannot carry (variables
//! that no `AcceptEnv` lets through, a directory, sudo) is done by a few lines of
//! POSIX shell in front of it. Values of variables travel over standard input,
//! never in an argument, so that no process list shows them. So do scripts, and lines
//! that are too long for a request: see [`body`].

mod body;
mod payload;

use uuid::Uuid;
use zeroize::Zeroizing;

use self::body::{Body, LONGEST_REQUEST, SCRIPT};
use self::payload::payload;
use super::prompt::Stage;
use super::quote::{encode, quote};
use crate::plan::spec::{ExecOptions, SudoSpec};

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
        let body = if options.script.is_some() { Body::Script } else { Body::Line };
        let launch = Self::compose(line, options, body);
        match body {
            Body::Line if launch.line.len() > LONGEST_REQUEST => {
                Self::compose(line, options, Body::LongLine)
            }
            _ => launch,
        }
    }

    /// What sudo asks by, where nothing tells it from the command's output.
    pub(super) fn prompt_of_words(&self) -> Option<&str> {
        self.stages.iter().find_map(|stage| match stage {
            Stage::Words { prompt, .. } => Some(prompt.as_str()),
            _ => None,
        })
    }

    fn compose(line: &str, options: &ExecOptions, body: Body) -> Self {
        let line = match body {
            Body::Script => format!("exec {line} {SCRIPT}"),
            Body::Line | Body::LongLine => line.to_owned(),
        };
        let launch = Self {
            pty: options.pty,
            stdin_open: options.stdin_open && options.sudo.is_none(),
            ..Self::plain(&line)
        };
        let mark = Uuid::now_v7().simple().to_string();
        match &options.sudo {
            Some(sudo) if sudo.shell => launch.elevated(sudo, options, body, &mark),
            Some(sudo) => launch.elevated_words(sudo, options, body, &mark),
            None => launch.bootstrapped(options, body, &mark),
        }
    }

    /// Puts what travels over standard input into the payload.
    fn loaded(mut self, options: &ExecOptions, body: Body) -> Self {
        let long = (body == Body::LongLine).then(|| std::mem::take(&mut self.line));
        let script = long.as_deref().or(options.script.as_deref());
        self.payload = payload(&options.environment, script, options.pty);
        self
    }

    /// As the login user, in the login shell.
    fn bootstrapped(self, options: &ExecOptions, body: Body, mark: &str) -> Self {
        let mut launch = self.loaded(options, body);
        let keep_stdin = launch.stdin_open || options.sudo.is_some();
        if launch.payload.is_empty()
            && options.working_directory.is_none()
            && (!launch.pty || keep_stdin)
        {
            return launch;
        }
        let mut script =
            String::from("set -- \"$(printf %bx \"$1\")\" \"$2\" \"${SHELL:-/bin/sh}\"; ");
        if launch.pty && !launch.payload.is_empty() {
            let (print, mark) = marker("ready", mark);
            script.push_str(&format!("{print}; "));
            launch.stages.insert(0, Stage::Ready { mark });
        }
        script.push_str(&body.reader(options));
        script.push_str("set -- \"$1\" \"$(printf %bx \"$2\")\" \"$3\"; ");
        script.push_str(&change_directory(options, "${2%x}"));
        let stdin = if keep_stdin { "" } else { " </dev/null" };
        script.push_str(&body.runner("${1%x}", stdin));
        launch.line = format!(
            "exec /bin/sh -c '{script}' sshoal {} {}",
            encode(&launch.line),
            encode(directory(options)),
        );
        launch
    }

    /// The whole line in the login shell, elevated.
    fn elevated(self, sudo: &SudoSpec, options: &ExecOptions, body: Body, mark: &str) -> Self {
        let mut launch = self.loaded(options, body);
        let prompt = format!("sshoal-prompt-{mark}:");
        let (print, start) = marker("start", mark);
        // Who has given the command up hears nothing any more, and it does not begin.
        // sudo's own messages are read, so they have to be in English; what the
        // command sees is put back, unless sudo has set another locale itself.
        let mut inner = format!(
            "{print} >&2 || exit 1; if [ \"${{LC_ALL-}}\" = C ]; then \
             case $4 in x*) LC_ALL=${{4#x}};; *) unset LC_ALL;; esac; fi; "
        );
        inner.push_str(&body.reader(options));
        inner.push_str(&change_directory(options, "$2"));
        inner.push_str(&body.runner("$1", " </dev/null"));
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
        launch.line = format!(
            "exec /bin/sh -c '{outer}' sshoal '{inner}' {} {} {}",
            encode(&launch.line),
            encode(directory(options)),
            encode(sudo.user.as_deref().unwrap_or_default()),
        );
        launch.stages.push(Stage::Elevate { prompt, start });
        launch
    }

    /// The words of the line as sudo's arguments.
    fn elevated_words(
        mut self,
        sudo: &SudoSpec,
        options: &ExecOptions,
        body: Body,
        mark: &str,
    ) -> Self {
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
        self.bootstrapped(options, body, mark)
    }
}

/// The command that prints a mark, and the mark. The command does not contain
/// the mark, so that a shell or a sudo that quotes the command does not print it.
fn marker(kind: &str, mark: &str) -> (String, String) {
    (format!("printf %s \"sshoal-{kind}-\"\"{mark}\""), format!("sshoal-{kind}-{mark}"))
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
