//! What happens to the passwords of one step on one host, and of the jump host that it
//! goes through, told to the trials.

use std::sync::Arc;

use super::Context;
use super::canary::{Canaries, Credential};
use crate::event::HostName;
use crate::plan::model::Step;
use crate::transport::{Answer, Cancel, PasswordWatch, Purpose, Unwatched};

/// Watches over the passwords of one step.
pub(super) struct Watch<'a> {
    context: &'a Context<'a>,
    host: &'a HostName,
    login: Option<Credential>,
    sudo: Option<Credential>,
    proxy: Option<(Credential, HostName)>,
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
        Self { context, host, login, sudo, proxy: Credential::proxy(step), wake }
    }

    fn credential(&self, purpose: Purpose) -> Option<&Credential> {
        match purpose {
            Purpose::Login => self.login.as_ref(),
            Purpose::Sudo => self.sudo.as_ref(),
            Purpose::Proxy => None, // It has a watch of its own.
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

    fn of_proxy(&self) -> Arc<dyn PasswordWatch + Send + Sync> {
        match self.proxy.clone() {
            None => Arc::new(Unwatched),
            Some((credential, jump_host)) => Arc::new(ProxyWatch {
                canaries: Arc::clone(self.context.canaries),
                cancel: self.context.options.cancel.clone(),
                credential,
                jump_host,
            }),
        }
    }
}

/// Watches over the password of one jump host, for all hosts behind it.
///
/// It wakes no lane: those that wait for room do so for one that is at work, and that
/// one wakes them when it has heard what became of its jump host.
struct ProxyWatch {
    canaries: Arc<Canaries>,
    cancel: Cancel,
    credential: Credential,
    jump_host: HostName,
}

impl PasswordWatch for ProxyWatch {
    fn may_send(&self, _: Purpose) -> bool {
        self.canaries.may_send(&self.credential, &self.cancel)
    }

    fn answered(&self, _: Purpose, answer: Answer) {
        self.canaries.heard(&self.credential, &self.jump_host, answer);
    }
}
