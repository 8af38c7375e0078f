//! What the scripts say, and the words for what may go wrong.

use super::Job;
use crate::failure::{ErrorCode, Failure};
use crate::transfer::TransferOperation;
use crate::transport::link::Stop;

/// What a script said.
pub(super) struct Answers {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) status: i32,
}

impl Answers {
    /// The rest of the first line that begins with `sshoal-KEY:`.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).first().copied()
    }

    /// The rest of all of them.
    pub(super) fn all(&self, key: &str) -> Vec<&str> {
        let rest = |line: &'_ str| -> Option<usize> {
            let rest = line.strip_prefix("sshoal-")?.strip_prefix(key)?.strip_prefix(':')?;
            Some(line.len() - rest.len())
        };
        let lines = self.out.lines().chain(self.err.lines());
        lines.filter_map(|line| Some(&line[rest(line)?..])).collect()
    }
}

impl Job<'_> {
    /// The failure that a script reports, if it does.
    pub(super) fn judge(&self, answers: Answers) -> Result<Answers, Failure> {
        if let Some(found) = answers.get("damaged") {
            return Err(Failure::new(
                ErrorCode::TransferVerifyFailed,
                format!(
                    "{} arrived damaged: SHA-256 {found}; the target is untouched",
                    self.subject()
                ),
            )
            .with_help("try again; if it happens again, check the disks of both machines"));
        }
        let why = match answers.get("error") {
            Some(why) => why.trim().to_owned(),
            None if answers.status == 0 => return Ok(answers),
            None => {
                let last = answers.err.lines().rev().find(|line| !line.trim().is_empty());
                last.unwrap_or("it gives no reason").trim().to_owned()
            }
        };
        let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
        let code = match () {
            () if says(&["No space left", "Disk quota exceeded"]) => ErrorCode::TransferNoSpace,
            () if says(&["ermission denied", "not permitted", "Read-only file system"]) => {
                ErrorCode::TransferPermission
            }
            () => ErrorCode::TransferFailed,
        };
        let through = if self.spec.sudo.is_some() { " through sudo" } else { "" };
        let needed = match (code, super::upload::source(self)) {
            (ErrorCode::TransferNoSpace, Ok((size, _)))
                if self.spec.operation == TransferOperation::Upload && !self.spec.recursive =>
            {
                format!(" ({size} bytes are needed)")
            }
            _ => String::new(),
        };
        let message = format!("{} failed{through}: {why}{needed}", self.subject());
        let failure = Failure::new(code, message);
        Err(match code {
            ErrorCode::TransferNoSpace => {
                failure.with_help("free space there, or choose another file system")
            }
            _ if says(&["No such directory"]) => {
                failure.with_help("set `create_dirs: true` to create it")
            }
            _ => failure,
        })
    }

    pub(super) fn stopped(&self, stop: Stop) -> Failure {
        let subject = self.subject();
        match stop {
            Stop::Deadline => {
                let limit = self.spec.timeout.unwrap_or_default().as_secs_f64();
                Failure::new(
                    ErrorCode::TransferTimeout,
                    format!("{subject} took longer than {limit} s"),
                )
                .with_help("raise `file_transfer.timeout`")
            }
            Stop::Cancelled => {
                Failure::new(ErrorCode::Cancelled, format!("{subject} was cancelled"))
            }
            Stop::Lost(why) => Failure::new(
                ErrorCode::ConnectionLost,
                format!("the connection was lost during {subject}: {why}"),
            ),
            Stop::Refused(error) => Failure::new(
                ErrorCode::ChannelRefused,
                format!("the server refused to go on: {}", error.message()),
            ),
        }
    }

    /// A failure of the login user's part, which was to do with what is `staged`.
    pub(super) fn of_target(&self, failure: Failure, staged: &str) -> Failure {
        let full = failure.code == ErrorCode::TransferNoSpace;
        let message = self.unstaged(&failure.message, staged);
        let help = failure.help.as_ref().map(|help| self.unstaged(help, staged));
        let failure = Failure { message, help, ..failure };
        match (full, staged.rsplitn(3, '/').nth(2)) {
            (true, Some(above)) => failure.with_help(format!(
                "free space in `{above}` there: transfers through sudo are staged in a directory \
                 below it, or below the login user's `TMPDIR`"
            )),
            _ => failure,
        }
    }

    /// A text about what is staged as one about the target: where it is staged, concerns
    /// nobody.
    pub(super) fn unstaged(&self, text: &str, staged: &str) -> String {
        let target = &self.spec.remote_path;
        let text = text.replace(staged, target);
        // A temporary file beside it.
        let stage = staged.rsplit_once('/').map_or(staged, |(stage, _)| stage);
        let mut parts = text.split(stage);
        let mut told = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            told.push_str(target);
            told.push_str(part.find(['`', ':']).map_or("", |end| &part[end..]));
        }
        told
    }

    pub(super) fn subject(&self) -> String {
        let remote = &self.spec.remote_path;
        match self.spec.operation {
            TransferOperation::Upload => format!("the upload to `{remote}`"),
            TransferOperation::Download => format!("the download of `{remote}`"),
        }
    }
}
