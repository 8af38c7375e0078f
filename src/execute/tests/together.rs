//! Hosts that wait for each other where a play asks for it, and handlers.

use super::*;
use crate::plan::model::{FailureLimit, Notify, Pace, Role, TaskHeader};

fn run(command: &'static str) -> impl Fn(&str) -> TaskBody {
    move |host| Ready(vec![step(host, &[command])])
}

fn header(task: PlannedTask, change: impl FnOnce(&mut TaskHeader)) -> PlannedTask {
    let mut header = TaskHeader::clone(&task.header);
    change(&mut header);
    PlannedTask { header: Arc::new(header), ..task }
}

fn once(task: PlannedTask) -> PlannedTask {
    header(task, |header| header.run_once = true)
}

fn handler(task: PlannedTask) -> PlannedTask {
    header(task, |header| header.role = Role::Handler)
}

fn notifying(task: PlannedTask, handlers: &[usize]) -> PlannedTask {
    PlannedTask { notify: Notify::Known(handlers.to_vec()), ..task }
}

fn paced(play: PlannedPlay, batches: Option<&[usize]>, limit: FailureLimit) -> PlannedPlay {
    PlannedPlay { pace: Pace { batches: batches.map(<[_]>::to_vec), limit }, ..play }
}

/// What was told of tasks and hosts, without the run's and the plays' own lines.
fn told_of_tasks(fake: &Fake, forks: usize, plays: Vec<PlannedPlay>) -> Vec<String> {
    let lines = lines(&run_with(fake, &options(forks), &plan(plays)));
    lines.into_iter().filter(|line| !line.starts_with("play ")).collect()
}

/// Each host's tasks with their outcomes, and how the run ended.
fn outcomes(events: &[Event]) -> (Vec<String>, String) {
    let mut hosts: Vec<String> = Vec::new();
    for event in events {
        if let Event::TaskFinished { host, record, .. } = event {
            let told = format!("{} {}", record.id, record.outcome.as_str());
            match hosts.iter_mut().find(|line| line.starts_with(&format!("{host}:"))) {
                Some(line) => *line += &format!(", {told}"),
                None => hosts.push(format!("{host}: {told}")),
            }
        }
    }
    hosts.sort();
    (hosts, line(&events[events.len() - 1]))
}

fn reasons(events: &[Event]) -> Vec<String> {
    let mut reasons: Vec<String> = records(events)
        .into_iter()
        .filter(|record| record.outcome == Outcome::Cancelled)
        .filter_map(|record| Some(record.error.as_ref()?.message.clone()))
        .collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

#[test]
fn batches_run_one_after_the_other() {
    let lanes = ["a", "b", "c"]
        .map(|host| (host, vec![task("1", run("ok")(host)), task("2", run("ok")(host))]));
    let play = paced(play(lanes), Some(&[1, 2]), FailureLimit::None);
    let told = told_of_tasks(&Fake::default(), 8, vec![play]);
    let end_of_first = told.iter().position(|line| line == "a finished changed").unwrap();
    let begun = told.iter().position(|line| line == "b 1 started" || line == "c 1 started");
    assert!(begun.unwrap() > end_of_first, "{told:?}");
    assert_eq!(told.last().unwrap(), "run finished None");
}

#[test]
fn a_batch_of_which_all_hosts_failed_ends_the_run() {
    let lanes = [("a", "fail"), ("b", "fail"), ("c", "ok"), ("d", "ok")]
        .map(|(host, command)| (host, vec![task("1", run(command)(host))]));
    let first = paced(play(lanes), Some(&[1, 1, 2]), FailureLimit::None);
    let second = play([("e", vec![task("1", run("ok")("e"))])]);
    let fake = Fake::default();
    let events = run_with(&fake, &options(4), &plan(vec![first, second]));
    assert_eq!(
        outcomes(&events),
        (
            ["a: 1 failed", "b: 1 cancelled", "c: 1 cancelled", "d: 1 cancelled", "e: 1 cancelled"]
                .map(str::to_owned)
                .to_vec(),
            "run finished Some(Aborted)".to_owned()
        )
    );
    assert_eq!(reasons(&events), ["not run, because every host of a batch failed (`serial`)"]);
    assert_eq!(fake.log()[0], "connect me@a");
    assert_eq!(fake.log().iter().filter(|line| line.starts_with("connect")).count(), 1);
}

#[test]
fn a_batch_of_which_some_hosts_failed_does_not_hold_the_next_back() {
    let lanes = [("a", "fail"), ("b", "ok"), ("c", "ok")]
        .map(|(host, command)| (host, vec![task("1", run(command)(host))]));
    let events = run_with(
        &Fake::default(),
        &options(1),
        &plan(vec![paced(play(lanes), Some(&[2, 1]), FailureLimit::None)]),
    );
    let (hosts, end) = outcomes(&events);
    assert_eq!(hosts, ["a: 1 failed", "b: 1 changed", "c: 1 changed"]);
    assert_eq!(end, "run finished None");
}

#[test]
fn without_serial_a_play_whose_hosts_all_failed_leaves_the_next_play_alone() {
    let plays = vec![
        play([("a", vec![task("1", run("fail")("a"))])]),
        play([("b", vec![task("1", run("ok")("b"))])]),
    ];
    let events = run_with(&Fake::default(), &options(1), &plan(plays));
    assert_eq!(outcomes(&events).0, ["a: 1 failed", "b: 1 changed"]);
}

#[test]
fn any_error_ends_the_run_after_the_batch_has_ended_the_task() {
    for forks in [1, 8] {
        let commands = [("a", "ok"), ("b", "fail"), ("c", "ok")];
        let lanes = commands.map(|(host, command)| {
            (host, vec![task("1", run(command)(host)), task("2", run("ok")(host))])
        });
        let first = paced(play(lanes), None, FailureLimit::Any);
        let second = play([("d", vec![task("1", run("ok")("d"))])]);
        let events = run_with(&Fake::default(), &options(forks), &plan(vec![first, second]));
        assert_eq!(
            outcomes(&events),
            (
                [
                    "a: 1 changed, 2 cancelled",
                    "b: 1 failed, 2 cancelled",
                    "c: 1 changed, 2 cancelled",
                    "d: 1 cancelled",
                ]
                .map(str::to_owned)
                .to_vec(),
                "run finished Some(Aborted)".to_owned()
            )
        );
        assert_eq!(
            reasons(&events),
            [
                "not run, because `1` failed",
                "not run, because `1` failed on `b` (`any_errors_fatal`)"
            ]
        );
    }
}

#[test]
fn an_ignored_failure_is_none_that_ends_a_run() {
    let lanes = [("a", "fail"), ("b", "ok")]
        .map(|(host, command)| (host, vec![ignoring("1", run(command)(host))]));
    let play = paced(play(lanes), None, FailureLimit::Any);
    let events = run_with(&Fake::default(), &options(2), &plan(vec![play]));
    assert_eq!(outcomes(&events).1, "run finished None");
}

#[test]
fn the_share_of_failures_must_exceed_the_limit_to_end_the_run() {
    let count_changed = |percent: f64, failing: usize| {
        let names: Vec<String> = (0..4).map(|index| format!("h{index}")).collect();
        let lanes = names.iter().enumerate().map(|(index, host)| {
            let command = if index < failing { "fail" } else { "ok" };
            (&**host, vec![task("1", run(command)(host)), task("2", run("ok")(host))])
        });
        let play = paced(play(lanes), None, FailureLimit::Percent(percent));
        let events = run_with(&Fake::default(), &options(2), &plan(vec![play]));
        let ended = outcomes(&events).1 == "run finished Some(Aborted)";
        let second = records(&events).into_iter().filter(|record| &*record.id == "2");
        (ended, second.filter(|record| record.outcome == Outcome::Changed).count())
    };
    assert_eq!(count_changed(25.0, 1), (false, 3));
    assert_eq!(count_changed(25.0, 2), (true, 0));
    assert_eq!(count_changed(49.9, 2), (true, 0));
    assert_eq!(count_changed(0.0, 1), (true, 0));
    assert_eq!(count_changed(0.0, 0), (false, 4));
    assert_eq!(count_changed(100.0, 4), (false, 0));
}

#[test]
fn hosts_that_were_lost_before_count_neither_as_failed_nor_as_hosts() {
    let lost = play([("a", vec![task("1", run("fail")("a"))])]);
    let lanes = ["a", "b", "c"].map(|host| (host, vec![task("2", run("ok")(host))]));
    let next = paced(play(lanes), Some(&[1, 2]), FailureLimit::Any);
    let events = run_with(&Fake::default(), &options(2), &plan(vec![lost, next]));
    let (hosts, end) = outcomes(&events);
    assert_eq!(hosts, ["a: 1 failed, 2 cancelled", "b: 2 changed", "c: 2 changed"]);
    assert_eq!(end, "run finished None");
}

/// All hosts end the first task before any begins the second, whatever the forks.
#[test]
fn where_failures_are_counted_hosts_go_task_by_task() {
    for forks in [1, 3] {
        let lanes = ["a", "b", "c"].map(|host| {
            let tasks = ["1", "2", "3"].map(|name| task(name, run("ok")(host)));
            (host, tasks.into())
        });
        let play = paced(play(lanes), None, FailureLimit::Percent(50.0));
        let told = told_of_tasks(&Fake::default(), forks, vec![play]);
        let place = |what: &str| told.iter().position(|line| line.contains(what)).unwrap();
        let last = |what: &str| told.iter().rposition(|line| line.contains(what)).unwrap();
        assert!(last("1 changed") < place("2 started"), "{told:?}");
        assert!(last("2 changed") < place("3 started"), "{told:?}");
    }
}

/// With a task that one host runs, others come as far as that and no further, and
/// without one nobody waits: see `a_slow_host_holds_nobody_back`.
#[test]
fn one_host_runs_a_task_for_all_and_its_result_is_everyones() {
    for forks in [1, 8] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let lanes = ["a", "b", "c"].map(|host| {
            let seen = seen.clone();
            let look = later(move |registered| {
                let output = registered.get("2").map(|result| result["output"].clone());
                seen.lock().unwrap().push(output);
                Ok(Resolution::Skipped)
            });
            let first = if host == "a" { "fail" } else { "ok" };
            let shared = once(task("2", Ready(vec![step(host, &[&format!("ok {host}")])])));
            (host, vec![task("1", run(first)(host)), shared, task("3", look)])
        });
        let fake = Fake::default();
        let events = run_with(&fake, &options(forks), &plan(vec![play(lanes)]));
        let (hosts, end) = outcomes(&events);
        assert_eq!(
            hosts,
            [
                "a: 1 failed, 2 cancelled, 3 cancelled",
                "b: 1 changed, 2 changed, 3 skipped",
                "c: 1 changed, 2 skipped, 3 skipped"
            ]
        );
        assert_eq!(end, "run finished None");
        assert_eq!(*seen.lock().unwrap(), [Some(json!("b")), Some(json!("b"))]);
    }
}

#[test]
fn each_batch_has_a_host_that_runs_the_task() {
    let lanes = ["a", "b", "c"].map(|host| (host, vec![once(task("1", run("ok")(host)))]));
    let play = paced(play(lanes), Some(&[2, 1]), FailureLimit::None);
    let events = run_with(&Fake::default(), &options(4), &plan(vec![play]));
    assert_eq!(outcomes(&events).0, ["a: 1 changed", "b: 1 skipped", "c: 1 changed"]);
}

#[test]
fn where_a_task_for_all_fails_nobody_goes_on() {
    for limit in [FailureLimit::None, FailureLimit::Percent(90.0), FailureLimit::Any] {
        let lanes = ["a", "b"].map(|host| {
            let tasks = vec![
                task("1", run("ok")(host)),
                once(task("2", run("fail")(host))),
                task("3", run("ok")(host)),
            ];
            (host, tasks)
        });
        let first = paced(play(lanes), None, limit);
        let second = play([("c", vec![task("1", run("ok")("c"))])]);
        let events = run_with(&Fake::default(), &options(2), &plan(vec![first, second]));
        let (hosts, end) = outcomes(&events);
        assert_eq!(
            hosts,
            [
                "a: 1 changed, 2 failed, 3 cancelled",
                "b: 1 changed, 2 cancelled, 3 cancelled",
                "c: 1 cancelled"
            ],
            "{limit:?}"
        );
        assert_eq!(end, "run finished Some(Aborted)");
    }
}

#[test]
fn an_ignored_failure_of_a_task_for_all_lets_all_go_on() {
    let lanes = ["a", "b"].map(|host| {
        (host, vec![once(ignoring("1", run("fail")(host))), task("2", run("ok")(host))])
    });
    let events = run_with(&Fake::default(), &options(2), &plan(vec![play(lanes)]));
    assert_eq!(outcomes(&events).0, ["a: 1 failed, 2 changed", "b: 1 skipped, 2 changed"]);
}

#[test]
fn a_slow_host_keeps_others_from_a_task_for_all_alone() {
    let (open, gate) = channel();
    let fake = Fake::with_gate(gate);
    let lanes = ["a", "b"].map(|host| {
        let slow = if host == "a" { "gate" } else { "ok" };
        let tasks = vec![
            task("1", run(slow)(host)),
            once(task("2", run("ok")(host))),
            task("3", run("ok")(host)),
        ];
        (host, tasks)
    });
    let plan = plan(vec![play(lanes)]);
    let mut told = Vec::new();
    execute(&plan, &fake, &options(2), |event| {
        let line = line(&event);
        if line.starts_with("b 1 changed") {
            open.send(()).unwrap();
        }
        told.push(line);
    })
    .unwrap();
    let place = |what: &str| told.iter().position(|line| line.starts_with(what)).unwrap();
    assert!(place("b 1 changed") < place("a 1 changed"), "{told:?}");
    assert!(place("a 2 changed") < place("b 2 skipped"), "{told:?}");
}

#[test]
fn handlers_run_once_in_their_order_where_something_has_changed() {
    let tasks = |host: &str| {
        vec![
            notifying(task("1", run("ok")(host)), &[4]),
            notifying(task("2", run("ok")(host)), &[4, 3]),
            notifying(task("3", Ready(vec![upload(host, "/same")])), &[5]),
            handler(task("h1", Ready(vec![step(host, &["ok one"])]))),
            handler(notifying(task("h2", Ready(vec![step(host, &["ok two"])])), &[6])),
            handler(task("h3", run("ok")(host))),
            handler(task("h4", run("ok")(host))),
        ]
    };
    let fake = Fake::default();
    let events = run_with(&fake, &options(1), &plan(vec![play([("a", tasks("a"))])]));
    assert_eq!(
        outcomes(&events).0,
        ["a: 1 changed, 2 changed, 3 ok, h1 changed, h2 changed, h3 skipped, h4 changed"]
    );
    let announced = events.iter().find_map(|event| match event {
        Event::PlayStarted(play) => Some(play.tasks),
        _ => None,
    });
    assert_eq!(announced, Some(3), "handlers are no tasks of their own");
    let commands: Vec<String> = fake.log().into_iter().filter(|it| it.starts_with("ok")).collect();
    assert_eq!(commands, ["ok +", "ok", "ok one +", "ok two", "ok"]);
}

#[test]
fn a_failed_host_runs_no_handler_and_the_others_do() {
    let lanes = [("a", "fail"), ("b", "ok")].map(|(host, command)| {
        let tasks = vec![
            notifying(task("1", run("ok")(host)), &[2]),
            task("2", run(command)(host)),
            handler(task("h1", run("ok")(host))),
        ];
        (host, tasks)
    });
    let events = run_with(&Fake::default(), &options(2), &plan(vec![play(lanes)]));
    assert_eq!(
        outcomes(&events).0,
        ["a: 1 changed, 2 failed, h1 cancelled", "b: 1 changed, 2 changed, h1 changed"]
    );
}

#[test]
fn names_of_handlers_are_known_before_the_change_that_notifies_them() {
    #[derive(Debug)]
    struct Unknown;
    impl crate::plan::model::DeferredNotify for Unknown {
        fn resolve(&self, _: &crate::plan::model::Registered) -> Result<Vec<usize>, Failure> {
            Err(Failure::new(ErrorCode::TemplateFailed, "`reload` is not a handler"))
        }
    }
    let notify = Notify::Deferred(Arc::new(Unknown));
    let tasks = vec![PlannedTask { notify, ..task("1", run("ok")("a")) }];
    let fake = Fake::default();
    let events = run_with(&fake, &options(1), &plan(vec![play([("a", tasks)])]));
    assert_eq!(outcomes(&events).0, ["a: 1 failed"]);
    assert!(fake.log().is_empty());
}

/// The interrupt comes while some wait at a barrier and others for a result.
#[test]
fn an_interrupt_frees_everyone_who_waits() {
    for limit in [FailureLimit::None, FailureLimit::Any] {
        for forks in [1, 4] {
            let lanes = ["a", "b", "c", "d"].map(|host| {
                let word = if host == "a" { "cancel" } else { "ok" };
                let tasks = vec![
                    task("1", run(word)(host)),
                    once(task("2", run("ok")(host))),
                    task("3", run("ok")(host)),
                ];
                (host, tasks)
            });
            let plan = plan(vec![paced(play(lanes), Some(&[3, 1]), limit)]);
            let events = run_with(&Fake::default(), &options(forks), &plan);
            assert_eq!(records(&events).len(), 12);
            assert_eq!(outcomes(&events).1, "run finished Some(Interrupted)");
        }
    }
}

/// A password on trial keeps lanes waiting too; the two ways must not block each other.
#[test]
fn passwords_on_trial_and_barriers_go_together() {
    for (word, forks) in [("right", 1), ("right", 4), ("wrong", 1), ("wrong", 4)] {
        let names: Vec<String> = (0..6).map(|index| format!("h{index}")).collect();
        let lanes = names.iter().map(|host| {
            let with_password = |name: &str, once: bool| {
                let mut step = step(host, &["ok"]);
                let mut spec = (*step.connection).clone();
                spec.credentials.password = Some(Secret::new(word));
                step.connection = Arc::new(spec);
                let made = task(name, Ready(vec![step]));
                if once { self::once(made) } else { made }
            };
            let tasks =
                vec![with_password("1", true), with_password("2", false), with_password("3", true)];
            (&**host, tasks)
        });
        let play = paced(play(lanes), Some(&[3, 3]), FailureLimit::Percent(50.0));
        let events = run_with(&Fake::default(), &options(forks), &plan(vec![play]));
        assert_eq!(records(&events).len(), 18);
        let aborted = outcomes(&events).1 == "run finished Some(Aborted)";
        assert_eq!(aborted, word == "wrong");
    }
}
