//! Tries a step until it is settled, and lets its own conditions judge each try.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::RunMode;
use super::attempt::{Attempt, Flow, Tried, interrupted};
use super::record::{has_failed, registered, set_outcome};
use super::verdict::{self, FaultMark, may_pass};
use crate::event::Outcome;
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::{Conduct, Step};
use crate::plan::spec::Action;

/// The longest sleep between two looks at the cancel flag.
const NAP: Duration = Duration::from_millis(50);

/// Where the results of a step begin among those of its task.
#[derive(Clone, Copy)]
struct Mark {
    results: usize,
    values: usize,
    faults: FaultMark,
}

/// What the conditions make of a try.
#[derive(PartialEq, Eq)]
enum Judged {
    /// It was the last, for better or worse.
    Settled,
    /// It may be tried again.
    Again,
}

impl Attempt<'_> {
    /// Does a step, as often as it is to be tried. What the last try gave counts.
    pub(super) fn run_step(&mut self, step: &Step, more: bool) -> Flow {
        self.gathered.step_changed = false;
        let flow = self.try_until_settled(step, more);
        self.gathered.changed |= self.gathered.step_changed;
        flow
    }

    fn try_until_settled(&mut self, step: &Step, more: bool) -> Flow {
        let applies = self.context.options.mode == RunMode::Apply;
        let conduct = step.conduct.as_deref();
        let retry = conduct.and_then(|conduct| conduct.retry.as_ref()).filter(|_| applies);
        let mark = self.mark();
        let before = self.gathered.attempts;
        let mut asked = false;
        let mut number = 1;
        loop {
            self.gathered.attempts = before.max(number);
            self.gathered.step_changed = false;
            let flow = match self.try_once(step, &mut asked, more) {
                Tried::Done(flow) => flow,
                Tried::HeldBack => {
                    self.gathered.attempts = before;
                    self.keep_skipped(step);
                    return Flow::On;
                }
            };
            let judged = match conduct {
                Some(conduct) => self.judge(conduct, step, &mark, number),
                None => Judged::Settled,
            };
            let Some(retry) = retry.filter(|_| judged == Judged::Again) else { return flow };
            if number >= retry.tries {
                if self.gathered.faults.codes_since(mark.faults).next().is_none() {
                    self.gathered.faults.add(never_held(number));
                    self.flag(&mark, |_| Outcome::Failed);
                }
                return flow;
            }
            if let Some(failure) = self.pause(retry.delay) {
                self.gathered.faults.add(failure);
                return Flow::End;
            }
            self.forget_since(&mark);
            number += 1;
        }
    }

    /// Lets the step's conditions judge a try, and tells whether it was the last.
    fn judge(&mut self, conduct: &Conduct, step: &Step, mark: &Mark, number: u32) -> Judged {
        let codes: Vec<ErrorCode> = self.gathered.faults.codes_since(mark.faults).collect();
        if codes.iter().any(|&code| !verdict::is_judged(code)) {
            // Such as an unreachable host: there is no result to judge.
            return match codes.iter().all(|&code| may_pass(code, number)) {
                true => Judged::Again,
                false => Judged::Settled,
            };
        }
        let checks = self.context.options.mode == RunMode::Check;
        let is_transfer = matches!(step.action, Action::FileTransfer(_));
        if checks && !is_transfer {
            return Judged::Settled; // There is no result either.
        }
        let mut broken = None;
        if let Some(condition) = &conduct.changed_when {
            match condition.holds(&self.state.registered, &self.own(mark)) {
                Ok(changed) => {
                    self.gathered.step_changed = changed;
                    let outcome = if changed { Outcome::Changed } else { Outcome::Ok };
                    self.flag(mark, |failed| if failed { Outcome::Failed } else { outcome });
                }
                Err(failure) => broken = Some(failure),
            }
        }
        if let Some(condition) = &conduct.failed_when {
            match condition.holds(&self.state.registered, &self.own(mark)) {
                Ok(true) => {
                    if !self.has_failed(mark) {
                        self.gathered.faults.add(failed_when(is_transfer));
                    }
                    self.flag(mark, |_| Outcome::Failed);
                }
                Ok(false) => {
                    self.gathered.faults.forget_since(mark.faults);
                    let outcome = self.outcome(mark);
                    self.flag(mark, |_| outcome);
                }
                Err(failure) => broken = Some(failure),
            }
        }
        if let Some(failure) = broken.filter(|_| !checks) {
            // A command's own failure says more than that it left nothing to judge.
            if !self.has_failed(mark) {
                self.gathered.faults.add(failure);
            }
            self.flag(mark, |_| Outcome::Failed);
            return Judged::Settled;
        }
        let until = conduct.retry.as_ref().and_then(|retry| retry.until.as_ref());
        let ends = match until.filter(|_| !checks) {
            Some(until) => until.holds(&self.state.registered, &self.own(mark)),
            None => Ok(!self.has_failed(mark)),
        };
        match ends {
            Ok(true) => Judged::Settled,
            Ok(false) => Judged::Again,
            Err(failure) => {
                self.gathered.faults.add(failure);
                self.flag(mark, |_| Outcome::Failed);
                Judged::Settled
            }
        }
    }

    /// The step's result so far, as its conditions know it.
    fn own(&self, mark: &Mark) -> Value {
        registered(self.outcome(mark), self.gathered.values[mark.values..].to_vec())
    }

    fn outcome(&self, mark: &Mark) -> Outcome {
        match (self.has_failed(mark), self.gathered.step_changed) {
            (true, _) => Outcome::Failed,
            (false, true) => Outcome::Changed,
            (false, false) => Outcome::Ok,
        }
    }

    fn has_failed(&self, mark: &Mark) -> bool {
        self.gathered.faults.codes_since(mark.faults).next().is_some()
    }

    /// Makes the step's results say what the conditions made of them, given
    /// whether each has failed so far.
    fn flag(&mut self, mark: &Mark, outcome: impl Fn(bool) -> Outcome) {
        for value in &mut self.gathered.values[mark.values..] {
            let failed = has_failed(value);
            set_outcome(value, outcome(failed));
        }
    }

    fn mark(&self) -> Mark {
        let gathered = &self.gathered;
        Mark {
            results: gathered.results.len(),
            values: gathered.values.len(),
            faults: gathered.faults.mark(),
        }
    }

    fn forget_since(&mut self, mark: &Mark) {
        self.gathered.results.truncate(mark.results);
        self.gathered.values.truncate(mark.values);
        self.gathered.faults.forget_since(mark.faults);
    }

    /// Waits, unless the run ends: then that is given.
    fn pause(&self, delay: Duration) -> Option<Failure> {
        let began = Instant::now();
        loop {
            if self.context.options.cancel.is_cancelled() {
                return Some(interrupted());
            }
            if let Some(failure) = self.context.canaries.stopped() {
                return Some(failure);
            }
            let left = delay.saturating_sub(began.elapsed());
            if left.is_zero() {
                return None;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

/// Whether a condition looks at the step's result.
pub(super) fn is_judged(step: &Step) -> bool {
    step.conduct.as_ref().is_some_and(|conduct| conduct.judges())
}

fn never_held(tries: u32) -> Failure {
    let times = if tries == 1 { "try".to_owned() } else { format!("{tries} tries") };
    Failure::new(ErrorCode::ConditionFailed, format!("`until` did not hold in {times}"))
        .with_help("look at the last result; raise `retries` or `delay` if it takes longer")
}

fn failed_when(is_transfer: bool) -> Failure {
    let code = match is_transfer {
        true => ErrorCode::TransferFailed,
        false => ErrorCode::CommandFailed,
    };
    Failure::new(code, "`failed_when` holds")
}
