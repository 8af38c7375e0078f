//! Whatever the plan and whatever fails: every planned task of every host ends
//! exactly once, and events come in an order that makes sense.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::plan::model::PlannedTask;

/// What a generated task does.
#[derive(Debug, Clone)]
enum Kind {
    Skipped,
    Commands(Vec<&'static str>),
    Loop(Vec<(bool, &'static str)>),
    Upload(&'static str),
    Deferred(Result<Option<&'static str>, ErrorCode>),
    PanickingTemplate,
}

fn word() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => Just("ok"),
        1 => Just("fail"),
        1 => Just("kill"),
        1 => Just("slow"),
        1 => Just("sudo"),
        1 => Just("lose"),
        1 => Just("panic"),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Skipped),
        4 => prop::collection::vec(word(), 1..4).prop_map(Kind::Commands),
        2 => prop::collection::vec((any::<bool>(), word()), 0..4).prop_map(Kind::Loop),
        1 => prop::sample::select(vec!["/new", "/same", "/full"]).prop_map(Kind::Upload),
        2 => prop_oneof![
            word().prop_map(|word| Ok(Some(word))),
            Just(Ok(None)),
            Just(Err(ErrorCode::ConditionFailed)),
        ].prop_map(Kind::Deferred),
        1 => Just(Kind::PanickingTemplate),
    ]
}

type Tasks = Vec<(Kind, bool, bool)>;

fn tasks() -> impl Strategy<Value = Tasks> {
    prop::collection::vec((kind(), prop::bool::weighted(0.3), any::<bool>()), 0..5)
}

/// Hosts with their tasks of each play: what to do, whether errors are ignored,
/// and whether the connection is pinned.
fn plays() -> impl Strategy<Value = Vec<Vec<(&'static str, Tasks)>>> {
    let hosts =
        prop::sample::subsequence(vec!["web", "db", "down", "flaky", "warn", "panic"], 0..6);
    let play = hosts.prop_flat_map(move |hosts| {
        let count = hosts.len();
        prop::collection::vec(tasks(), count)
            .prop_map(move |tasks| hosts.iter().copied().zip(tasks).collect())
    });
    prop::collection::vec(play, 0..4)
}

fn planned(
    host: &'static str,
    index: usize,
    (kind, ignore, pinned): &(Kind, bool, bool),
) -> PlannedTask {
    let strategy = if *pinned { QueueStrategy::Pinned } else { QueueStrategy::Fifo };
    let with = |step: Step| Step { strategy, ..step };
    let body = match kind.clone() {
        Kind::Skipped => Skipped,
        Kind::Commands(words) => Ready(vec![with(step(host, &words))]),
        Kind::Loop(items) => Ready(
            items
                .iter()
                .map(|(skip, word)| Step {
                    skip: *skip,
                    item: Some(json!(word)),
                    ..with(step(host, &[word]))
                })
                .collect(),
        ),
        Kind::Upload(path) => Ready(vec![with(upload(host, path))]),
        Kind::Deferred(resolution) => later(move |_| match resolution {
            Ok(Some(word)) => {
                Ok(Resolution::Steps { steps: vec![step(host, &[word])], warnings: vec![] })
            }
            Ok(None) => Ok(Resolution::Skipped),
            Err(code) => Err(Failure::new(code, "no")),
        }),
        Kind::PanickingTemplate => later(|_| panic!("a template's defect")),
    };
    let make = if *ignore { ignoring } else { task };
    make(&index.to_string(), body)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_planned_task_ends_exactly_once(plays in plays(), forks in 1..4usize) {
        let plan = plan(
            plays
                .iter()
                .map(|hosts| {
                    play(hosts.iter().map(|(host, tasks)| {
                        let tasks = tasks.iter().enumerate();
                        (*host, tasks.map(|(index, task)| planned(host, index, task)).collect())
                    }))
                })
                .collect(),
        );
        let fake = Fake::default();
        let events = run_with(&fake, &options(forks), &plan);
        check(&plan, &events);

        let log = fake.log();
        let opened = log.iter().filter(|line| line.starts_with("connect ")).count();
        let closed = log.iter().filter(|line| line.starts_with("close ")).count();
        prop_assert!(closed <= opened);
        let lasting = ["web", "db", "warn"].map(|host| {
            let count = |verb: &str| log.iter().filter(|line| **line == format!("{verb} me@{host}")).count();
            (count("connect"), count("close"))
        });
        for (opened, closed) in lasting {
            prop_assert_eq!(opened, closed, "every connection is closed in the end");
        }
    }
}

fn check(plan: &Plan, events: &[Event]) {
    assert!(matches!(events[0], Event::RunStarted(_)));
    assert!(matches!(events[events.len() - 1], Event::RunFinished { cut_short: None, .. }));
    let mut rest = &events[1..events.len() - 1];
    let mut down: HashMap<&str, bool> = HashMap::new();
    for (index, play) in plan.plays.iter().enumerate() {
        assert!(matches!(&rest[0], Event::PlayStarted(started) if started.play == index));
        let end = rest.iter().position(|event| *event == Event::PlayFinished { play: index });
        let (within, after) = rest.split_at(end.expect("the play ends"));
        rest = &after[1..];
        for lane in &play.lanes {
            let of_host: Vec<&Event> =
                within[1..].iter().filter(|event| host_of(event) == Some(&*lane.host)).collect();
            let is_down = down.entry(&lane.host).or_default();
            check_lane(lane, &of_host, is_down);
        }
        let known = within[1..].iter().filter_map(host_of);
        assert!(known.into_iter().all(|host| play.lanes.iter().any(|lane| &*lane.host == host)));
    }
    assert!(rest.is_empty());
}

/// Started (unless it never began) and finished, task by task, then the host.
fn check_lane(lane: &Lane, events: &[&Event], down: &mut bool) {
    let mut events = events.iter().filter(|event| !matches!(event, Event::Warned { .. }));
    for task in &lane.tasks {
        let mut event = events.next().expect("an event");
        let started = matches!(event, Event::TaskStarted { task: id, .. } if *id == task.header.id);
        if started {
            event = events.next().expect("an end");
        }
        let Event::TaskFinished { record, .. } = event else { panic!("{event:?}") };
        assert_eq!(record.id, task.header.id);
        assert_eq!(record.attempts, u32::from(started));
        assert_eq!(
            record.outcome == Outcome::Cancelled,
            *down,
            "cancelled exactly after a failure"
        );
        let fine = matches!(record.outcome, Outcome::Ok | Outcome::Changed | Outcome::Skipped);
        assert_eq!(record.error.is_none(), fine);
        let may_ignore = record.outcome.is_failure() && record.outcome != Outcome::Unreachable;
        assert_eq!(record.ignored, may_ignore && task.header.ignore_errors);
        *down |= record.outcome.is_failure() && !record.ignored;
    }
    assert!(matches!(events.next(), Some(Event::HostFinished { .. })));
    assert_eq!(events.next(), None);
}

fn host_of(event: &Event) -> Option<&str> {
    match event {
        Event::TaskStarted { host, .. }
        | Event::TaskFinished { host, .. }
        | Event::HostFinished { host, .. } => Some(host),
        Event::Warned { host, .. } => host.as_deref(),
        _ => None,
    }
}
