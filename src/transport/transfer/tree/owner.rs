//! Who owns what an upload writes.

use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::TransferSpec;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::packet::Attributes;

/// The user and the group that a request names, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Owner {
    pub(in super::super) user: Option<u32>,
    pub(in super::super) group: Option<u32>,
}

/// How the owner of a written file is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Ownership {
    pub(in super::super) owner: Owner,
    /// Whether the request asks for it. To keep the owner of what is replaced is
    /// only tried.
    pub(in super::super) required: bool,
}

impl Owner {
    /// Looks up what the request says; the host's shell turns names into numbers.
    pub(in super::super) fn find(job: &mut Job<'_>) -> Result<Self, Failure> {
        let spec: &TransferSpec = job.spec;
        let user = number(job, "user", spec.owner.as_deref(), "id -u -- NAME")?;
        let group = number(
            job,
            "group",
            spec.group.as_deref(),
            "{ getent group NAME || grep ^NAME: /etc/group; } | cut -d: -f3",
        )?;
        Ok(Self { user, group })
    }

    /// What a file with these attributes has to be given; `None` when it fits.
    pub(in super::super) fn missing_from(self, now: (u32, u32)) -> Option<(u32, u32)> {
        let wanted = (self.user.unwrap_or(now.0), self.group.unwrap_or(now.1));
        (wanted != now).then_some(wanted)
    }

    /// What to do about the owner of a file that replaces one with `kept`.
    pub(in super::super) fn over(self, kept: Option<(u32, u32)>) -> Option<Ownership> {
        let asked = self != Self::default();
        let owner = Self {
            user: self.user.or(kept.map(|kept| kept.0)),
            group: self.group.or(kept.map(|kept| kept.1)),
        };
        (owner != Self::default()).then_some(Ownership { owner, required: asked })
    }
}

/// The attributes that give a file to `owner`.
pub(in super::super) fn attributes(owner: (u32, u32)) -> Attributes {
    Attributes { owner: Some(owner), ..Attributes::default() }
}

/// The host does not let the login user give files away.
pub(in super::super) fn denied(path: &str) -> Failure {
    Failure::new(
        ErrorCode::TransferPermission,
        format!("the host denies permission to change the owner of `{path}`"),
    )
    .with_help("only root may give files away: set `driver_args.sudo: true`")
}

fn number(
    job: &mut Job<'_>,
    kind: &str,
    name: Option<&str>,
    script: &str,
) -> Result<Option<u32>, Failure> {
    let Some(name) = name else { return Ok(None) };
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let answer = match job.shell() {
        Ok(Some((shell, wire))) => {
            let word = crate::transport::quote::quote(name);
            let script = script.replace("NAME", &word);
            shell.ask(wire, &format!("answer \"$({script})\""))
        }
        Ok(None) => {
            return Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("the host offers no shell to look up the {kind} `{name}`"),
            )
            .with_help("write its number"));
        }
        Err(trouble) => Err(trouble),
    };
    let answer = answer.map_err(|trouble| job.interrupted(trouble))?;
    match answer.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Failure::new(
            ErrorCode::TransferFailed,
            format!("the host knows no {kind} `{name}`"),
        )
        .with_help("create it there first, or write its number")),
    }
}
