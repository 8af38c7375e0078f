//! What happens to the passwords of one step on one host, told to the trials.

use super::Context;
use super::canary::Credential;
use crate::event::HostName;
use crate::plan::model::Step;
use crate::transport::{Answer, PasswordWatch, Purpose};

/// Watches over the passwords of one step.
pub(super) struct Watch<'a> {
    context: &'a Context<'a>,
    host: &'a HostName,
    login: Option<Credential>,
    sudo: Option<Credential>,
    wake: &'a dyn Fn(),
}

impl<'a> Watch<'a> {
    /// Tells the trials of the run, and calls `wake` when lanes may go on.
    pub(super) fn new(
        context: &'a Context<'a>,
        host: &'a HostName,
        step: &Step,
        wake: &'a dyn Fn(),
    ) -> Self {
        let (login, sudo) = (Credential::login(step), Credential::sudo(step));
        Self { context, host, login, sudo, wake }
    }

    fn credential(&self, purpose: Purpose) -> Option<&Credential> {
        match purpose {
            Purpose::Login => self.login.as_ref(),
            Purpose::Sudo => self.sudo.as_ref(),
        }
    }
}

impl PasswordWatch for Watch<'_> {
    fn may_send(&self, purpose: Purpose) -> bool {
        let Context { canaries, options, .. } = self.context;
        self.credential(purpose)
            .is_none_or(|credential| canaries.may_send(credential, &options.cancel))
    }

    fn answered(&self, purpose: Purpose, answer: Answer) {
        if let Some(credential) = self.credential(purpose)
            && self.context.canaries.heard(credential, self.host, answer)
        {
            (self.wake)();
        }
    }
}
