//! A password that many hosts share is proven on one of them first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::plan::spec::{ConnectionSpec, SudoSpec};

/// A step that logs in with `password`.
fn with_login(password: &str, step: Step) -> Step {
    let mut spec = ConnectionSpec::clone(&step.connection);
    spec.credentials.password = Some(Secret::new(password));
    Step { connection: Arc::new(spec), ..step }
}

/// A step that elevates its commands with `password`.
fn with_sudo(password: &str, mut step: Step) -> Step {
    let Action::Command(shell) = &mut step.action else { unreachable!() };
    let password = Some(Secret::new(password));
    shell.exec.sudo = Some(SudoSpec { password, user: None, shell: true });
    step
}

fn one(step: Step) -> Vec<PlannedTask> {
    vec![task("a", Ready(vec![step])), task("b", Skipped)]
}

/// Hosts that log in with `password` and run `ok`.
fn logins<'h>(password: &str, hosts: &[&'h str]) -> Vec<(&'h str, Vec<PlannedTask>)> {
    hosts.iter().map(|host| (*host, one(with_login(password, step(host, &["ok"]))))).collect()
}

/// Hosts that elevate with `password` and run `command`.
fn sudos<'h>(password: &str, command: &str, hosts: &[&'h str]) -> Vec<(&'h str, Vec<PlannedTask>)> {
    hosts.iter().map(|host| (*host, one(with_sudo(password, step(host, &[command]))))).collect()
}

/// To which hosts a password was sent, in order.
fn sent(fake: &Fake) -> Vec<String> {
    let log = fake.log();
    log.iter().filter_map(|line| line.split_once(" password to ")).map(|it| it.1.into()).collect()
}

/// How many tasks ended with each outcome and code.
fn tally(events: &[Event]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for record in records(events) {
        let code =
            record.error.as_ref().map_or(String::new(), |error| format!(" {:?}", error.code));
        *tally.entry(format!("{}{code}", record.outcome.as_str())).or_default() += 1;
    }
    tally
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[test]
fn a_wrong_password_stops_the_run_after_two_hosts() {
    let fake = Fake::default();
    let first = play(logins("wrong", &["a1", "a2", "a3", "a4"]));
    let second = play([("a4", vec![task("c", Ready(vec![step("a4", &["ok"])]))])]);
    let events = run_with(&fake, &options(1), &plan(vec![first, second]));
    let reason =
        "CanaryRejected: not run, because `a1` and `a2` did not accept the password of `me`";
    assert_eq!(
        lines(&events)[2..],
        [
            "a1 a started".to_owned(),
            "a1 a unreachable AuthFailed: wrong password".to_owned(),
            "a1 b cancelled Cancelled: not run, because `a` failed".to_owned(),
            "a1 finished unreachable".to_owned(),
            "a2 a started".to_owned(),
            "a2 a unreachable AuthFailed: wrong password".to_owned(),
            "a2 b cancelled Cancelled: not run, because `a` failed".to_owned(),
            "a2 finished unreachable".to_owned(),
            format!("a3 a cancelled {reason}"),
            format!("a3 b cancelled {reason}"),
            "a3 finished cancelled".to_owned(),
            format!("a4 a cancelled {reason}"),
            format!("a4 b cancelled {reason}"),
            "a4 finished cancelled".to_owned(),
            "play 0 finished".to_owned(),
            "play 1 started".to_owned(),
            format!("a4 c cancelled {reason}"),
            "a4 finished cancelled".to_owned(),
            "play 1 finished".to_owned(),
            "run finished Some(Aborted)".to_owned(),
        ]
    );
    assert_eq!(sent(&fake), ["a1", "a2"]);
}

#[test]
fn a_wrong_sudo_password_stops_the_run_after_two_hosts() {
    let fake = Fake::default();
    let hosts = ["a1", "a2", "a3", "a4", "a5"];
    let events = run_with(&fake, &options(8), &plan(vec![play(sudos("wrong", "ok", &hosts))]));
    assert_eq!(
        tally(&events),
        counts([
            ("failed SudoAuthFailed", 2),
            ("cancelled Cancelled", 2),
            ("cancelled CanaryRejected", 6)
        ])
    );
    assert_eq!(sent(&fake).len(), 2);
    let connected = fake.log().iter().filter(|line| line.starts_with("connect")).count();
    assert_eq!(connected, 2, "who waits for a password is not connected");
}

#[test]
fn one_rejection_may_be_the_hosts_own_fault() {
    let fake = Fake::default();
    let lanes = logins("right", &["odd", "a1", "a2", "a3", "odd2", "odd3"]);
    let events = run_with(&fake, &options(1), &plan(vec![play(lanes)]));
    assert_eq!(sent(&fake), ["odd", "a1", "a2", "a3", "odd2", "odd3"]);
    assert_eq!(tally(&events)["changed"], 3);
    assert_eq!(line(&events[events.len() - 1]), "run finished None", "proven is proven");
}

#[test]
fn a_password_of_two_hosts_is_simply_used() {
    let fake = Fake::default();
    let mut lanes = logins("wrong", &["b1", "b2"]);
    lanes.extend(logins("right", &["a1", "a2", "a3"]));
    let events = run_with(&fake, &options(1), &plan(vec![play(lanes)]));
    assert_eq!(tally(&events)["changed"], 3);
    assert_eq!(line(&events[events.len() - 1]), "run finished None");
}

#[test]
fn the_first_host_is_alone_until_it_accepts_the_password() {
    let fake = Fake::default();
    let hosts = ["a1", "a2", "a3", "a4", "a5", "a6"];
    let events = run_with(&fake, &options(4), &plan(vec![play(logins("right", &hosts))]));
    assert_eq!(tally(&events), counts([("changed", 6), ("skipped", 6)]));
    let log = fake.log();
    let canary = log[0].strip_prefix("connect me@").unwrap();
    assert_eq!(log[1], format!("Login password to {canary}"));
}

#[test]
fn a_host_that_is_down_proves_nothing_and_the_next_is_tried() {
    let fake = Fake::default();
    let hosts = ["down1", "a2", "a3", "a4"];
    let events = run_with(&fake, &options(1), &plan(vec![play(logins("right", &hosts))]));
    assert_eq!(tally(&events)["changed"], 3);
    assert_eq!(tally(&events)["unreachable ConnectRefused"], 1);

    let fake = Fake::default();
    let hosts = ["down1", "down2", "down3", "a1", "a2", "a3", "a4", "a5"];
    let events = run_with(&fake, &options(8), &plan(vec![play(logins("wrong", &hosts))]));
    assert_eq!(sent(&fake).len(), 2);
    assert_eq!(line(&events[events.len() - 1]), "run finished Some(Aborted)");
}

#[test]
fn hosts_that_wait_hold_no_thread_and_hosts_with_keys_do_not_wait() {
    let (open, gate) = channel();
    let fake = Fake::with_gate(gate);
    // Whichever of them comes first is the canary, and keeps one of the two threads.
    let waiting = ["slow1", "slow2", "slow3", "slow4"];
    let mut lanes = logins("right", &waiting);
    lanes.extend(["b1", "b2", "b3"].map(|host| (host, one(step(host, &["ok"])))));
    let mut finished = Vec::new();
    execute(&plan(vec![play(lanes)]), &fake, &options(2), |event| {
        if let Event::HostFinished { host, outcome, .. } = event {
            assert_eq!(outcome, Outcome::Changed);
            finished.push(host.to_string());
            if finished.len() == 3 {
                waiting.iter().for_each(|_| open.send(()).unwrap());
            }
        }
    })
    .unwrap();
    assert_eq!(finished[..3], ["b1", "b2", "b3"]);
    assert_eq!(finished.len(), 7);
}

#[test]
fn a_password_for_each_host_makes_nobody_wait() {
    let (open, gate) = channel();
    let fake = Fake::with_gate(gate);
    let hosts = ["slow", "a1", "a2", "a3"];
    let lanes = hosts.map(|host| (host, one(with_login(host, step(host, &["ok"])))));
    let mut finished = 0;
    execute(&plan(vec![play(lanes)]), &fake, &options(2), |event| {
        if let Event::HostFinished { host, .. } = event {
            finished += 1;
            assert_eq!(&*host == "slow", finished == 4);
            if finished == 3 {
                open.send(()).unwrap();
            }
        }
    })
    .unwrap();
}

#[test]
fn a_sudo_password_is_proven_when_the_command_begins_not_when_it_ends() {
    let (open, gate) = channel();
    let fake = Fake::with_gate(gate);
    let mut lanes = sudos("right", "gate", &["a1"]);
    lanes.extend(sudos("right", "ok", &["a2", "a3", "a4"]));
    let mut finished = 0;
    execute(&plan(vec![play(lanes)]), &fake, &options(2), |event| {
        if let Event::HostFinished { host, .. } = event {
            finished += 1;
            assert_eq!(&*host == "a1", finished == 4);
            if finished == 3 {
                open.send(()).unwrap();
            }
        }
    })
    .unwrap();
}

#[test]
fn where_keys_open_the_first_host_the_password_is_still_tried_one_host_at_a_time() {
    let fake = Fake::default();
    let hosts = ["key1", "key2", "a1", "a2", "a3", "key3", "a4"];
    let events = run_with(&fake, &options(7), &plan(vec![play(logins("wrong", &hosts))]));
    assert_eq!(sent(&fake).len(), 2);
    assert_eq!(tally(&events)["unreachable AuthFailed"], 2);
    assert_eq!(line(&events[events.len() - 1]), "run finished Some(Aborted)");
}

#[test]
fn a_password_that_shows_up_late_is_on_trial_too() {
    let fake = Fake::default();
    let late = |host: &'static str| {
        let resolve = move |_: &_| {
            let steps = vec![with_sudo("wrong", step(host, &["ok"]))];
            Ok(Resolution::Steps { steps, warnings: vec![] })
        };
        let early = task("a", Ready(vec![step(host, &["ok"])]));
        (host, vec![early, task("b", later(resolve))])
    };
    let lanes = ["a1", "a2", "a3", "a4"].map(late);
    let events = run_with(&fake, &options(4), &plan(vec![play(lanes)]));
    assert_eq!(sent(&fake).len(), 2);
    assert_eq!(tally(&events)["failed SudoAuthFailed"], 2);
}

#[test]
fn a_password_proven_in_one_play_is_proven_in_the_next() {
    let (open, gate) = channel();
    let fake = Fake::with_gate(gate);
    let first = play(logins("right", &["a1", "a2", "a3"]));
    let second = play(logins("right", &["slow", "a1", "a2"]));
    let mut finished = 0;
    execute(&plan(vec![first, second]), &fake, &options(2), |event| {
        if let Event::HostFinished { .. } = event {
            finished += 1;
            if finished == 5 {
                open.send(()).unwrap();
            }
        }
    })
    .unwrap();
    assert_eq!(finished, 6);
}

#[test]
fn an_interrupt_reaches_hosts_that_wait() {
    let fake = Fake::default();
    let mut lanes = sudos("right", "cancel", &["key0"]);
    lanes.extend(sudos("right", "cancel", &["a1", "a2", "a3"]));
    let events = run_with(&fake, &options(1), &plan(vec![play(lanes)]));
    assert_eq!(tally(&events), counts([("cancelled Cancelled", 8)]));
    assert_eq!(line(&events[events.len() - 1]), "run finished Some(Interrupted)");
}

#[test]
fn without_canaries_every_host_is_tried() {
    let fake = Fake::default();
    let hosts = ["a1", "a2", "a3", "a4"];
    let options = ExecuteOptions { canary: CanaryMode::Off, ..options(4) };
    let events = run_with(&fake, &options, &plan(vec![play(logins("wrong", &hosts))]));
    assert_eq!(sent(&fake).len(), 4);
    assert_eq!(tally(&events)["unreachable AuthFailed"], 4);
    assert_eq!(line(&events[events.len() - 1]), "run finished None");
}

/// A host, and whether it logs in with a password and elevates with one.
type Host = (&'static str, Option<&'static str>, Option<&'static str>, &'static str);

fn hosts() -> impl Strategy<Value = Vec<Host>> {
    let names = [
        "a1", "a2", "a3", "a4", "a5", "down1", "down2", "down3", "key1", "key2", "key3", "panic1",
        "flaky1",
    ];
    let password = || prop::sample::select(vec![None, Some("wrong"), Some("right")]);
    let word = prop::sample::select(vec!["ok", "ok", "fail", "lose", "panic", "slow"]);
    prop::sample::subsequence(names.to_vec(), 0..=names.len()).prop_flat_map(move |names| {
        names
            .into_iter()
            .map(|name| (Just(name), password(), password(), word.clone()))
            .collect::<Vec<_>>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn no_host_is_forgotten_and_a_wrong_password_reaches_two(hosts in hosts(), forks in 1..6usize) {
        let tasks = |&(host, login, sudo, word): &Host| {
            let make = |word| {
                let step = step(host, &[word]);
                let step = login.into_iter().fold(step, |step, it| with_login(it, step));
                sudo.into_iter().fold(step, |step, it| with_sudo(it, step))
            };
            let late = make("ok");
            let resolve = move |_: &_| {
                Ok(Resolution::Steps { steps: vec![late.clone()], warnings: vec![] })
            };
            (host, vec![ignoring("a", Ready(vec![make(word)])), task("b", later(resolve))])
        };
        let plan = plan(vec![play(hosts.iter().map(tasks)), play(hosts.iter().map(tasks))]);
        let fake = Fake::default();
        let events = run_with(&fake, &options(forks), &plan);
        prop_assert_eq!(records(&events).len(), hosts.len() * 4);
        let ended = matches!(events[events.len() - 1], Event::RunFinished { .. });
        prop_assert!(ended);
        if hosts.len() > 2 {
            for (purpose, field) in [("Login", 1), ("Sudo", 2)] {
                let used = |host: &str| {
                    let found = hosts.iter().find(|it| it.0 == host).unwrap();
                    if field == 1 { found.1 } else { found.2 }
                };
                let log = fake.log();
                let prefix = format!("{purpose} password to ");
                let wrong: BTreeSet<_> = log
                    .iter()
                    .filter_map(|line| line.strip_prefix(&*prefix))
                    .filter(|host| used(host) == Some("wrong"))
                    .collect();
                prop_assert!(wrong.len() <= 2, "{:?}", wrong);
            }
        }
    }
}

#[test]
fn a_warning_about_a_host_is_told_although_it_does_not_let_the_user_in() {
    let hosts = logins("wrong", &["warn"]);
    let events = run_with(&Fake::default(), &options(1), &plan(vec![play(hosts)]));
    assert_eq!(lines(&events).iter().filter(|line| *line == "warn warned odd key").count(), 1);
    assert_eq!(records(&events)[0].error.as_ref().unwrap().code, ErrorCode::AuthFailed);
}
