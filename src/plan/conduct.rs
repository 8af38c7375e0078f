//! What decides whether a step is done, how often, and what came of it: guards,
//! retries and conditions, rendered for one host and item.

use std::sync::Arc;
use std::time::Duration;

use super::collect::Collect;
use super::condition::Key;
use super::error::PlanError;
use super::model::{Conduct, Retry};
use super::spec::Guards;
use super::task::HostTask;
use crate::load::decode::{At, OneOrMany, Templated};
use crate::resolve::frame::Frame;

/// Documented default of `retries` beside `until`.
const RETRIES: u32 = 3;
/// Documented default of `delay`.
const DELAY: Duration = Duration::from_secs(5);

impl HostTask {
    /// The conduct of a step; nothing where nothing is special about it.
    pub(super) fn conduct(
        &self,
        frame: &Arc<Frame>,
        collect: &mut Collect,
    ) -> Option<Arc<Conduct>> {
        let raw = &self.raw.value;
        let guards = Guards {
            creates: texts(raw.creates.as_ref(), "creates", frame, collect),
            removes: texts(raw.removes.as_ref(), "removes", frame, collect),
            unless: texts(raw.unless.as_ref(), "unless", frame, collect),
            only_if: texts(raw.only_if.as_ref(), "only_if", frame, collect),
        };
        let conduct = Conduct {
            guards,
            retry: self.retry(frame, collect),
            changed_when: self.condition(Key::ChangedWhen, frame, collect),
            failed_when: self.condition(Key::FailedWhen, frame, collect),
        };
        let is_special = !conduct.guards.is_empty() || conduct.retry.is_some() || conduct.judges();
        is_special.then(|| Arc::new(conduct))
    }

    fn retry(&self, frame: &Arc<Frame>, collect: &mut Collect) -> Option<Retry> {
        let raw = &self.raw.value;
        let until = self.condition(Key::Until, frame, collect);
        let retries = collect.value(frame, raw.retries.as_ref(), "retries");
        let delay = collect.value(frame, raw.delay.as_ref(), "delay");
        if raw.until.is_none() && raw.retries.is_none() {
            return None;
        }
        Some(Retry {
            tries: retries.map_or(RETRIES, |retries| retries.0).saturating_add(1),
            delay: delay.map_or(DELAY, |delay| Duration::from_secs_f64(delay.0)),
            until,
        })
    }
}

/// The texts of a guard: none of them is empty or holds what no shell can take.
fn texts(
    at: Option<&At<OneOrMany<Templated<String>>>>,
    key: &str,
    frame: &Arc<Frame>,
    collect: &mut Collect,
) -> Vec<String> {
    let mut texts = Vec::new();
    for at in at.into_iter().flat_map(At::each) {
        let what = format!("`{key}`");
        let Some(text) = collect.take(frame.value(&at, &what)) else { continue };
        // The host's shell is given it as an argument.
        collect.note_exposed(frame, &what, at.span);
        if text.trim().is_empty() {
            let help = "name what to look for on the host, or leave the key out";
            collect.error(PlanError::Empty { what, help }, Some(&at));
        } else if text.contains('\0') {
            collect.error(PlanError::Nul { what }, Some(&at));
        } else {
            texts.push(text);
        }
    }
    texts
}
