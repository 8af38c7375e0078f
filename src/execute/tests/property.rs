//! Whatever the plan and whatever fails: every planned task of every host ends
//! exactly once, and events come in an order that makes sense.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::plan::model::{FailureLimit, Notify, Pace, PlannedTask, Role};

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

/// What to do, whether errors are ignored, and whether the connection is pinned.
type Tasks = Vec<(Kind, bool, bool)>;

fn tasks() -> impl Strategy<Value = Tasks> {
    prop::collection::vec((kind(), prop::bool::weighted(0.3), any::<bool>()), 0..5)
}

/// How the hosts of a play go together.
#[derive(Debug, Clone, Default)]
struct Order {
    /// Sizes of batches; the last one takes the rest.
    serial: Option<Vec<usize>>,
    limit: FailureLimit,
    /// Which tasks one host runs for all.
    run_once: Vec<usize>,
    /// How many of the last tasks are handlers.
    handlers: usize,
    /// Which tasks notify which handlers, as far as both exist.
    notices: Vec<(usize, usize)>,
}

fn order() -> BoxedStrategy<Order> {
    let serial = prop::option::of(prop::collection::vec(1..4usize, 1..4));
    let limit = prop_oneof![
        2 => Just(FailureLimit::None),
        1 => Just(FailureLimit::Any),
        1 => prop::sample::select(vec![0.0, 20.0, 50.0, 100.0]).prop_map(FailureLimit::Percent),
    ];
    let run_once = prop::collection::vec(0..5usize, 0..2);
    let notices = prop::collection::vec((0..5usize, 0..5usize), 0..5);
    (serial, limit, run_once, 0..3usize, notices)
        .prop_map(|(serial, limit, run_once, handlers, notices)| Order {
            serial,
            limit,
            run_once,
            handlers,
            notices,
        })
        .boxed()
}

type Hosts = Vec<(&'static str, Tasks)>;

/// Hosts with their tasks of each play, and how they go together.
fn plays(
    order: impl Strategy<Value = Order> + Clone,
) -> impl Strategy<Value = Vec<(Hosts, Order)>> {
    let hosts =
        prop::sample::subsequence(vec!["web", "db", "down", "flaky", "warn", "panic"], 0..6);
    let play = hosts.prop_flat_map(move |hosts| {
        let count = hosts.len();
        let tasks = prop::collection::vec(tasks(), count)
            .prop_map(move |tasks| hosts.iter().copied().zip(tasks).collect());
        (tasks, order.clone())
    });
    prop::collection::vec(play, 0..4)
}

fn planned_play((hosts, order): &(Hosts, Order)) -> PlannedPlay {
    let lanes = hosts.iter().map(|(host, tasks)| {
        let count = tasks.len();
        let tasks = tasks.iter().enumerate().map(|(index, task)| {
            let mut task = planned(host, index, task);
            let header = Arc::make_mut(&mut task.header);
            header.run_once = order.run_once.contains(&index);
            if index + order.handlers >= count {
                header.role = Role::Handler;
            }
            let notices = order.notices.iter().filter(|(from, to)| *from == index && index < *to);
            task.notify = Notify::Known(notices.map(|(_, to)| *to).collect());
            task
        });
        (*host, tasks.collect())
    });
    let mut play = play(lanes);
    let batches = order.serial.as_ref().map(|sizes| {
        let mut left = play.lanes.len();
        let mut batches: Vec<usize> = Vec::new();
        for size in sizes {
            batches.push(left.min(*size));
            left -= left.min(*size);
        }
        batches.push(left);
        batches
    });
    play.pace = Pace { batches, limit: order.limit };
    play
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

fn run_plays(plays: &[(Hosts, Order)], forks: usize) -> (Plan, Vec<Event>, Vec<String>) {
    let plan = plan(plays.iter().map(planned_play).collect());
    let fake = Fake::default();
    let events = run_with(&fake, &options(forks), &plan);
    (plan, events, fake.log())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_planned_task_ends_exactly_once(plays in plays(Just(Order::default())), forks in 1..4usize) {
        let (plan, events, log) = run_plays(&plays, forks);
        check(&plan, &events, true);

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

    #[test]
    fn every_task_ends_once_too_where_hosts_wait_for_each_other(
        plays in plays(order()),
        forks in 1..4usize,
    ) {
        let (plan, events, _) = run_plays(&plays, forks);
        check(&plan, &events, false);
        let Some(Event::RunFinished { cut_short, .. }) = events.last() else { panic!("no end") };
        prop_assert!(matches!(cut_short, None | Some(RunOutcome::Aborted)));
        let cancelled = records(&events).into_iter().filter(|it| it.outcome == Outcome::Cancelled);
        let reasons: Vec<String> = cancelled.filter_map(|it| Some(it.error.as_ref()?.message.clone())).collect();
        let is_aborted = |reason: &String| ["(`run_once`)", "(`serial`)", "_fatal`)", "percentage: "]
            .iter().any(|why| reason.contains(why));
        if reasons.iter().any(is_aborted) {
            prop_assert_eq!(*cut_short, Some(RunOutcome::Aborted));
        }
    }
}

/// `alone` tells whether no host's fate depends on another's.
fn check(plan: &Plan, events: &[Event], alone: bool) {
    assert!(matches!(events[0], Event::RunStarted(_)));
    assert!(matches!(events[events.len() - 1], Event::RunFinished { .. }));
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
            check_lane(lane, &of_host, is_down, alone);
        }
        let known = within[1..].iter().filter_map(host_of);
        assert!(known.into_iter().all(|host| play.lanes.iter().any(|lane| &*lane.host == host)));
    }
    assert!(rest.is_empty());
}

/// Started (unless it never began) and finished, task by task, then the host.
fn check_lane(lane: &Lane, events: &[&Event], down: &mut bool, alone: bool) {
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
        let is_cancelled = record.outcome == Outcome::Cancelled;
        assert!(is_cancelled || !*down, "cancelled after a failure");
        assert!(*down || !is_cancelled || !alone, "and not otherwise");
        let fine = matches!(record.outcome, Outcome::Ok | Outcome::Changed | Outcome::Skipped);
        assert_eq!(record.error.is_none(), fine);
        let may_ignore = record.outcome.is_failure() && record.outcome != Outcome::Unreachable;
        assert_eq!(record.ignored, may_ignore && task.ignore_errors);
        *down |= is_cancelled || record.outcome.is_failure() && !record.ignored;
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
