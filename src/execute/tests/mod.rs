mod canary;
mod conduct;
pub(super) mod fake;
mod property;
mod together;

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::event::{CENSORED, Outcome, Source, TaskRecord};
use crate::failure::{ErrorCode, Failure};
use crate::plan::model::{PlannedTask, Resolution, Step, TaskBody};
use crate::plan::spec::{Action, QueueStrategy};
use crate::secret::Secret;
use TaskBody::{Ready, Skipped};
use fake::*;

fn options(forks: usize) -> ExecuteOptions {
    ExecuteOptions {
        forks: NonZeroUsize::new(forks).unwrap(),
        run: RunStarted {
            run_id: "run".into(),
            command: "run".into(),
            check_mode: false,
            started_at: Timestamp::UNIX_EPOCH,
            source: Source::default(),
        },
        redactor: Arc::default(),
        canary: CanaryMode::On,
        mode: RunMode::Apply,
        diff: DiffMode::Hidden,
        cancel: Cancel::default(),
    }
}

fn plan(plays: Vec<PlannedPlay>) -> Plan {
    Plan { plays, warnings: vec![] }
}

fn run_with(fake: &Fake, options: &ExecuteOptions, plan: &Plan) -> Vec<Event> {
    let mut events = Vec::new();
    execute(plan, fake, options, |event| events.push(event)).unwrap();
    events
}

/// The events of one play, host after host, one line each.
fn tell(fake: &Fake, lanes: Vec<(&str, Vec<PlannedTask>)>) -> Vec<String> {
    lines(&run_with(fake, &options(1), &plan(vec![play(lanes)])))
}

/// Whole event lists in a form that a test can spell out.
fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(line).collect()
}

fn line(event: &Event) -> String {
    match event {
        Event::RunStarted(_) => "run started".to_owned(),
        Event::PlayStarted(play) => format!("play {} started", play.play),
        Event::TaskStarted { host, task, .. } => format!("{host} {task} started"),
        Event::TaskFinished { host, record, .. } => format!("{host} {}", told(record)),
        Event::HostFinished { host, outcome, .. } => {
            format!("{host} finished {}", outcome.as_str())
        }
        Event::Warned { host, message } => {
            format!("{} warned {message}", host.as_deref().unwrap_or("run"))
        }
        Event::PlayFinished { play } => format!("play {play} finished"),
        Event::RunFinished { cut_short, .. } => format!("run finished {cut_short:?}"),
    }
}

fn told(record: &TaskRecord) -> String {
    let mut line = format!("{} {}", record.id, record.outcome.as_str());
    if record.ignored {
        line += " (ignored)";
    }
    for result in &record.results {
        let status = match (result.exit_status, &result.signal) {
            (Some(status), _) => status.to_string(),
            (None, Some(signal)) => signal.clone(),
            (None, None) => "-".to_owned(),
        };
        let item = result.item.as_ref().map_or_else(String::new, |item| format!("{item}: "));
        line += &format!(" [{item}{} → {:?} {status}]", result.command, result.output);
    }
    if let Some(error) = &record.error {
        line += &format!(" {:?}: {}", error.code, error.message);
    }
    line
}

fn records(events: &[Event]) -> Vec<&TaskRecord> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::TaskFinished { record, .. } => Some(&**record),
            _ => None,
        })
        .collect()
}

#[test]
fn a_host_runs_its_tasks_in_order_over_one_connection() {
    let fake = Fake::default();
    let told = tell(
        &fake,
        vec![(
            "web",
            vec![
                task("a", Ready(vec![step("web", &["ok one", "ok two"])])),
                task("b", Skipped),
                task("c", Ready(vec![upload("web", "/same")])),
                task("d", Ready(vec![upload("web", "/new")])),
                task("e", Ready(vec![])),
            ],
        )],
    );
    assert_eq!(
        told,
        [
            "run started",
            "play 0 started",
            "web a started",
            r#"web a changed [ok one → "one" 0] [ok two → "two" 0]"#,
            "web b skipped",
            "web c started",
            r#"web c ok [__FILE_TRANSFER__ → "unchanged: /same" 0]"#,
            "web d started",
            r#"web d changed [__FILE_TRANSFER__ → "uploaded 12.3 kB to /new" 0]"#,
            "web e skipped",
            "web finished changed",
            "play 0 finished",
            "run finished None",
        ]
    );
    assert_eq!(
        fake.log(),
        ["connect me@web", "ok one +", "ok two", "transfer /same", "transfer /new", "close me@web"]
    );
}

#[test]
fn a_connection_learns_truthfully_whether_more_commands_follow() {
    let fake = Fake::default();
    let skipped = Step { skip: true, ..step("web", &["ok never"]) };
    let other = Step { connection: login("you", "web"), ..step("web", &["ok 5"]) };
    let resolve =
        |_: &_| Ok(Resolution::Steps { steps: vec![step("web", &["ok 7"])], warnings: vec![] });
    tell(
        &fake,
        vec![(
            "web",
            vec![
                task(
                    "a",
                    Ready(vec![step("web", &["ok 1"]), skipped.clone(), step("web", &["ok 2"])]),
                ),
                task("b", Skipped),
                task("c", Ready(vec![skipped, step("web", &["ok 3", "ok 4"])])),
                task("d", Ready(vec![other])),
                task("e", Ready(vec![step("web", &["ok 6"])])),
                task("f", later(resolve)),
            ],
        )],
    );
    assert_eq!(
        fake.log(),
        [
            "connect me@web",
            "ok 1 +",
            "ok 2 +",
            "ok 3 +",
            "ok 4",
            "connect you@web",
            "ok 5",
            "ok 6",
            "ok 7",
            "close me@web",
            "close you@web"
        ]
    );
}

#[test]
fn after_a_failure_later_tasks_are_cancelled_in_this_play_and_the_next() {
    let fake = Fake::default();
    let tasks = || {
        vec![
            task("a", Ready(vec![step("web", &["ok", "fail no", "kill", "ok end"])])),
            task("b", Ready(vec![step("web", &["ok"])])),
            task("c", Skipped),
        ]
    };
    let events = run_with(
        &fake,
        &options(1),
        &plan(vec![play([("web", tasks())]), play([("web", tasks())])]),
    );
    let cancelled = "cancelled Cancelled: not run, because `a` failed";
    assert_eq!(lines(&events)[2..], [
        "web a started".to_owned(),
        r#"web a failed [ok → "" 0] [fail no → "no" 1] [kill → "" KILL] [ok end → "end" 0] CommandFailed: `fail no` exited with status 1, `kill` was killed by SIGKILL"#.to_owned(),
        format!("web b {cancelled}"),
        format!("web c {cancelled}"),
        "web finished failed".to_owned(),
        "play 0 finished".to_owned(),
        "play 1 started".to_owned(),
        format!("web a {cancelled}"),
        format!("web b {cancelled}"),
        format!("web c {cancelled}"),
        "web finished cancelled".to_owned(),
        "play 1 finished".to_owned(),
        "run finished None".to_owned(),
    ]);
    assert!(records(&events)[1..].iter().all(|record| record.attempts == 0));
}

#[test]
fn stop_on_error_keeps_the_rest_of_a_list_from_running() {
    let mut stopping = step("web", &["ok", "fail", "ok", "ok"]);
    let Action::Command(shell) = &mut stopping.action else { unreachable!() };
    shell.stop_on_error = true;
    let told = tell(&Fake::default(), vec![("web", vec![task("a", Ready(vec![stopping]))])]);
    assert_eq!(
        told[3],
        r#"web a failed [ok → "" 0] [fail → "" 1] CommandFailed: `fail` exited with status 1; the 2 commands after it did not run"#
    );
}

#[test]
fn an_ignored_failure_stays_a_failure_and_the_host_goes_on() {
    let told = tell(
        &Fake::default(),
        vec![(
            "web",
            vec![
                ignoring("a", Ready(vec![step("web", &["slow part"])])),
                ignoring("b", Ready(vec![upload("web", "/full")])),
                task("c", Ready(vec![step("web", &["ok"])])),
            ],
        )],
    );
    assert_eq!(
        told[3..],
        [
            r#"web a timed_out (ignored) [slow part → "part" -] CommandTimeout: took too long"#,
            "web b started",
            r#"web b failed (ignored) [__FILE_TRANSFER__ → "" -] TransferNoSpace: the disk is full"#,
            "web c started",
            r#"web c changed [ok → "" 0]"#,
            "web finished changed",
            "play 0 finished",
            "run finished None",
        ]
    );
}

#[test]
fn that_a_host_is_unreachable_cannot_be_ignored() {
    let fake = Fake::default();
    let told = tell(
        &fake,
        vec![(
            "flaky",
            vec![
                ignoring("a", Ready(vec![step("flaky", &["ok"]), step("flaky", &["ok"])])),
                task("b", Ready(vec![step("flaky", &["ok"])])),
            ],
        )],
    );
    assert_eq!(
        told[2..5],
        [
            "flaky a started",
            "flaky a unreachable ConnectRefused: `flaky` refused",
            "flaky b cancelled Cancelled: not run, because `a` failed",
        ]
    );
    assert_eq!(fake.log(), ["connect me@flaky"]);
}

#[test]
fn after_a_lost_connection_nothing_else_runs_though_errors_are_ignored() {
    let fake = Fake::default();
    let told = tell(
        &fake,
        vec![(
            "web",
            vec![
                ignoring("a", Ready(vec![step("web", &["lose half", "ok"]), step("web", &["ok"])])),
                task("b", Ready(vec![step("web", &["ok"])])),
            ],
        )],
    );
    assert_eq!(
        told[3..5],
        [
            r#"web a unreachable [lose half → "half" -] ConnectionLost: gone; it may still be running; the command after it did not run"#,
            "web b cancelled Cancelled: not run, because `a` failed",
        ]
    );
    assert_eq!(fake.log(), ["connect me@web", "lose half +", "close me@web"]);
}

#[test]
fn a_wrong_sudo_password_is_tried_once() {
    let fake = Fake::default();
    let item = |name: &str| Step { item: Some(json!(name)), ..step("web", &["sudo", "ok"]) };
    let told = tell(&fake, vec![("web", vec![task("a", Ready(vec![item("x"), item("y")]))])]);
    assert_eq!(
        told[3],
        r#"web a failed ["x": sudo → "" -] SudoAuthFailed: wrong password; the command after it did not run"#
    );
}

#[test]
fn every_item_of_a_loop_runs_though_one_fails() {
    let item = |value, command: &str| Step { item: Some(value), ..step("web", &[command]) };
    let told = tell(
        &Fake::default(),
        vec![(
            "web",
            vec![task(
                "a",
                Ready(vec![
                    item(json!(1), "fail"),
                    Step { skip: true, ..item(json!(2), "ok") },
                    item(json!({"n": 3}), "ok 3"),
                ]),
            )],
        )],
    );
    assert_eq!(
        told[3],
        r#"web a failed [1: fail → "" 1] [{"n":3}: ok 3 → "3" 0] CommandFailed: `fail` exited with status 1"#
    );
}

#[test]
fn registered_results_have_the_documented_shape_and_outlive_the_play() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = |name: &'static str| {
        let seen = seen.clone();
        later(move |registered| {
            seen.lock().unwrap().push(registered.get(name).cloned());
            Ok(Resolution::Skipped)
        })
    };
    let item = |value, command: &str| Step { item: Some(value), ..step("web", &[command]) };
    let skip = Step { skip: true, ..item(json!("z"), "ok") };
    let first = play([(
        "web",
        vec![
            ignoring("a", Ready(vec![item(json!("x"), "ok 1"), item(json!("y"), "fail 2"), skip])),
            task("b", Skipped),
        ],
    )]);
    let second =
        play([("web", vec![task("c", look("a")), task("d", look("b")), task("e", look("z"))])]);
    run_with(&Fake::default(), &options(1), &plan(vec![first, second]));
    let result = |item: &str, command: &str, output: &str, exit_status, outcome: [bool; 4]| {
        let [ok, changed, failed, skipped] = outcome;
        json!({"item": item, "command": command, "output": output, "error": "",
            "exit_status": exit_status, "ok": ok, "changed": changed, "failed": failed,
            "skipped": skipped})
    };
    assert_eq!(
        *seen.lock().unwrap(),
        [
            Some(
                json!({"output": "2", "error": "", "exit_status": 1, "ok": false, "changed": false,
                "failed": true, "skipped": false, "results": [
                    result("x", "ok 1", "1", Some(0), [true, true, false, false]),
                    result("y", "fail 2", "2", Some(1), [false, false, true, false]),
                    result("z", "", "", None, [false, false, false, true]),
                ]})
            ),
            Some(
                json!({"output": "", "error": "", "exit_status": null, "ok": false, "changed": false,
            "failed": false, "skipped": true, "results": []})
            ),
            None,
        ]
    );
}

#[test]
fn a_deferred_task_may_fail_before_it_begins() {
    let fail = |code| {
        later(move |_| Err(Failure::new(code, "no such name").with_help("register it first")))
    };
    let told = tell(
        &Fake::default(),
        vec![(
            "web",
            vec![
                ignoring("a", fail(ErrorCode::TemplateFailed)),
                task("b", fail(ErrorCode::ConditionFailed)),
                task("c", Skipped),
            ],
        )],
    );
    assert_eq!(
        told[2..6],
        [
            "web a failed (ignored) TemplateFailed: no such name",
            "web b failed ConditionFailed: no such name",
            "web c cancelled Cancelled: not run, because `b` failed",
            "web finished failed",
        ]
    );
}

#[test]
fn a_pinned_connection_that_the_peer_closed_while_idle_is_opened_anew() {
    let pinned = |command: &str| {
        let strategy = QueueStrategy::Pinned;
        vec![task("a", Ready(vec![Step { strategy, ..step("web", &[command]) }]))]
    };
    let fake = Fake::default();
    let plays = ["hang-up", "ok 2", "ok 3"].map(|command| play([("web", pinned(command))]));
    run_with(&fake, &options(1), &plan(plays.into()));
    let expected = ["connect me@web", "hang-up", "close me@web", "connect me@web", "ok 2", "ok 3"];
    assert_eq!(fake.log()[..6], expected);
}

#[test]
fn pinned_connections_are_reused_by_later_plays_and_fifo_ones_are_not() {
    let pinned = |user: &str, command: &str| {
        let connection = login(user, "web");
        Step { connection, strategy: QueueStrategy::Pinned, ..step("web", &[command]) }
    };
    let fake = Fake::default();
    let first = vec![
        task("a", Ready(vec![pinned("me", "ok 1")])),
        task("b", Ready(vec![step("web", &["ok 2"])])),
    ];
    let second = vec![
        task("c", Ready(vec![step("web", &["ok 3"])])),
        task("d", Ready(vec![pinned("me", "ok 4")])),
        task("e", Ready(vec![pinned("you", "ok 5")])),
    ];
    run_with(&fake, &options(1), &plan(vec![play([("web", first)]), play([("web", second)])]));
    assert_eq!(
        fake.log(),
        [
            "connect me@web",
            "ok 1",
            "connect me@web",
            "ok 2",
            "close me@web",
            "connect me@web",
            "ok 3",
            "ok 4",
            "connect you@web",
            "ok 5",
            "close me@web",
            "close me@web",
            "close you@web",
        ]
    );
}

#[test]
fn a_panic_is_a_failure_of_its_host_alone() {
    let fake = Fake::default();
    let tasks = |host| {
        vec![
            task("a", Ready(vec![step(host, &["ok"])])),
            task("b", Ready(vec![step(host, &["ok"])])),
        ]
    };
    let broken = vec![
        ignoring("a", Ready(vec![step("web", &["ok before", "panic"])])),
        task("b", Ready(vec![step("web", &["ok"])])),
    ];
    let lanes = [("panicky", tasks("panicky")), ("web", broken), ("db", tasks("db"))];
    let told = lines(&run_with(&fake, &options(1), &plan(vec![play(lanes)])));
    assert_eq!(
        told[2..],
        [
            "panicky a started",
            "panicky a failed Internal: sshoal itself failed: the connector is broken",
            "panicky b cancelled Cancelled: not run, because `a` failed",
            "panicky finished failed",
            "web a started",
            r#"web a failed (ignored) [ok before → "before" 0] Internal: sshoal itself failed: the connection is broken"#,
            "web b started",
            r#"web b changed [ok → "" 0]"#,
            "web finished changed",
            "db a started",
            r#"db a changed [ok → "" 0]"#,
            "db b started",
            r#"db b changed [ok → "" 0]"#,
            "db finished changed",
            "play 0 finished",
            "run finished None",
        ]
    );
    let connects = fake.log().iter().filter(|line| *line == "connect me@web").count();
    assert_eq!(connects, 2, "a connection that panicked is not used again");
}

#[test]
fn a_panic_while_rendering_is_a_failure_too() {
    let told = tell(
        &Fake::default(),
        vec![(
            "web",
            vec![task("a", later(|_| panic!("the template is broken"))), task("b", Skipped)],
        )],
    );
    assert_eq!(
        told[2..4],
        [
            "web a failed Internal: sshoal itself failed: the template is broken",
            "web b cancelled Cancelled: not run, because `a` failed",
        ]
    );
}

#[test]
fn a_cancelled_run_ends_every_task() {
    let lanes = [
        (
            "web",
            vec![
                task("a", Ready(vec![step("web", &["cancel half", "ok"])])),
                task("b", Ready(vec![step("web", &["ok"])])),
            ],
        ),
        ("db", vec![task("a", Ready(vec![step("db", &["ok"])])), task("b", Skipped)]),
    ];
    let told = lines(&run_with(&Fake::default(), &options(1), &plan(vec![play(lanes)])));
    let interrupted = "cancelled Cancelled: the run was interrupted";
    assert_eq!(told[2..], [
        "web a started".to_owned(),
        r#"web a cancelled [cancel half → "half" -] Cancelled: the run was interrupted; the command after it did not run"#.to_owned(),
        format!("web b {interrupted}"),
        "web finished cancelled".to_owned(),
        format!("db a {interrupted}"),
        format!("db b {interrupted}"),
        "db finished cancelled".to_owned(),
        "play 0 finished".to_owned(),
        "run finished Some(Interrupted)".to_owned(),
    ]);
}

#[test]
fn a_slow_host_holds_nobody_back() {
    let (open, gate) = channel();
    let fake = Fake::with_gate(gate);
    let names: Vec<String> = (0..8).map(|index| format!("host-{index}")).collect();
    let lanes = names.iter().map(|host| {
        let command = if host == "host-0" { "gate" } else { "ok" };
        (
            &**host,
            vec![
                task("a", Ready(vec![step(host, &[command])])),
                task("b", Ready(vec![step(host, &["ok"])])),
            ],
        )
    });
    let plan = plan(vec![play(lanes)]);
    let mut finished = Vec::new();
    execute(&plan, &fake, &options(2), |event| {
        if let Event::HostFinished { host, outcome, .. } = event {
            assert_eq!(outcome, Outcome::Changed);
            finished.push(host.to_string());
            if finished.len() == 7 {
                open.send(()).unwrap();
            }
        }
    })
    .unwrap();
    // With two threads and one of them held up, the others start in their order.
    assert_eq!(finished[..7], names[1..]);
    assert_eq!(finished[7], "host-0");
}

#[test]
fn hosts_begin_in_inventory_order() {
    let names: Vec<String> = (0..50).map(|index| format!("host-{index}")).collect();
    let lanes =
        names.iter().map(|host| (&**host, vec![task("a", Ready(vec![step(host, &["ok"])]))]));
    let events = run_with(&Fake::default(), &options(1), &plan(vec![play(lanes)]));
    let begun = events.iter().filter_map(|event| match event {
        Event::TaskStarted { host, .. } => Some(host.to_string()),
        _ => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), names);
}

#[test]
fn a_sink_that_panics_stops_the_run_instead_of_hanging_it() {
    let names: Vec<String> = (0..200).map(|index| format!("host-{index}")).collect();
    let lanes =
        names.iter().map(|host| (&**host, vec![task("a", Ready(vec![step(host, &["ok"])]))]));
    let plan = plan(vec![play(lanes)]);
    let (done, ended) = channel();
    std::thread::spawn(move || {
        let options = options(2);
        let mut seen = 0;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            execute(&plan, &Fake::default(), &options, |_| {
                seen += 1;
                assert!(seen < 10, "the sink is broken");
            })
        }));
        done.send((result.is_err(), options.cancel.is_cancelled())).unwrap();
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok((true, true)));
}

#[test]
fn everything_that_leaves_is_masked_and_registered_results_are_not() {
    let seen = Arc::new(Mutex::new(None));
    let redactor = Arc::new(Redactor::new([&Secret::new("hunter22")]));
    let peek = {
        let seen = seen.clone();
        let redactor = Arc::clone(&redactor);
        later(move |registered| {
            *seen.lock().unwrap() =
                registered.get("hunter22 a").map(|value| value["output"].clone());
            let steps = vec![step("warn", &["ok learned-late"])];
            redactor.learn([&Secret::new("learned-late")]);
            Ok(Resolution::Steps { steps, warnings: vec!["of learned-late".to_owned()] })
        })
    };
    let looped = Step { item: Some(json!(["hunter22"])), ..step("warn", &["ok hunter22"]) };
    let long = format!("fail {}hunter22", "x".repeat(50));
    let tasks = vec![
        task("hunter22 a", Ready(vec![looped])),
        task("b", peek),
        ignoring("c", Ready(vec![step("warn", &[&long])])),
        task(
            "hunter22 d",
            later(|_| {
                let help = "say hunter22";
                Err(Failure::new(ErrorCode::TemplateFailed, "bad hunter22").with_help(help))
            }),
        ),
        task("e", Skipped),
    ];
    let options = ExecuteOptions { redactor, ..options(1) };
    let plan =
        Plan { warnings: vec!["hunter22".to_owned()], ..plan(vec![play([("warn", tasks)])]) };
    let events = run_with(&Fake::default(), &options, &plan);
    assert_eq!(*seen.lock().unwrap(), Some(json!("hunter22")));
    let text: String = events
        .iter()
        .map(|event| match event {
            // The name doubles as id here; an id is never secret.
            Event::TaskStarted { name, .. } => name.to_string(),
            Event::TaskFinished { record, .. } => {
                serde_json::to_string(&TaskRecord { id: "".into(), ..(**record).clone() }).unwrap()
            }
            other => serde_json::to_string(other).unwrap(),
        })
        .collect();
    assert!(!text.contains("hunter") && !text.contains("learned"), "{text}");
    assert!(text.contains(&format!("`fail {}***`", "x".repeat(50))), "{text}");
}

#[test]
fn what_a_task_with_no_log_says_is_kept_for_templates_only() {
    let seen = Arc::new(Mutex::new(None));
    let peek = {
        let seen = seen.clone();
        later(move |registered| {
            *seen.lock().unwrap() = registered.get("a").map(|value| value["output"].clone());
            Ok(Resolution::Skipped)
        })
    };
    let hushed = |task: PlannedTask| PlannedTask { no_log: true, ..task };
    let item = Step { item: Some(json!("quiet")), ..step("web", &["ok quiet"]) };
    let wrong = Failure::new(ErrorCode::TemplateFailed, "bad quiet").with_help("say quiet");
    let tasks = vec![
        hushed(task("a", Ready(vec![item]))),
        task("b", peek),
        hushed(ignoring("c", Ready(vec![step("web", &["fail quiet"])]))),
        hushed(ignoring("d", later(move |_| Err(wrong.clone())))),
        hushed(task("e", Ready(vec![upload("web", "/quiet")]))),
        hushed(task("f", Ready(vec![step("flaky", &["quiet"])]))),
    ];
    let events = run_with(&Fake::default(), &options(1), &plan(vec![play([("web", tasks)])]));
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("quiet"), "{text}");
    assert_eq!(*seen.lock().unwrap(), Some(json!("quiet")));
    let told = records(&events);
    let result = &told[0].results[0];
    assert_eq!((&*result.command, &*result.output, &*result.error), (CENSORED, CENSORED, CENSORED));
    assert_eq!((result.item.clone(), result.exit_status), (Some(json!(CENSORED)), Some(0)));
    let failures = [2, 3, 5].map(|at| told[at].error.clone().unwrap());
    assert_eq!(failures[0], Failure::new(ErrorCode::CommandFailed, CENSORED));
    assert_eq!(failures[1], Failure::new(ErrorCode::TemplateFailed, CENSORED));
    assert_eq!(failures[2].message, "`flaky` refused", "this says nothing of the task");
    assert_eq!(told[4].results[0].transfer.as_ref().unwrap().remote_path, CENSORED);
}

#[test]
fn a_local_path_that_another_host_writes_fails_before_anything_is_written() {
    let fake = Fake::default();
    let step = |host: &str| Step {
        action: Action::FileTransfer(download(std::path::Path::new("/nowhere/shared"))),
        ..step(host, &[])
    };
    let deferred = |host: &'static str| {
        let step = step(host);
        later(move |_| Ok(Resolution::Steps { steps: vec![step.clone()], warnings: vec![] }))
    };
    let plays = vec![
        play([("a", vec![task("get", deferred("a")), task("again", deferred("a"))])]),
        play([("b", vec![task("get", deferred("b"))])]),
    ];
    let events = run_with(&fake, &options(1), &plan(plays));
    let outcomes: Vec<Outcome> = records(&events).iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Changed, Outcome::Changed, Outcome::Failed]);
    let error = records(&events)[2].error.clone().unwrap();
    assert_eq!(error.code, ErrorCode::TransferFailed);
    assert!(error.message.contains("`shared`") && error.message.contains("`a`"), "{error}");
    assert_eq!(fake.log().iter().filter(|line| line.starts_with("transfer")).count(), 2);
}

#[test]
fn a_warning_is_told_once_per_host_and_bytes_are_decoded() {
    let tasks = || vec![task("a", Ready(vec![step("warn", &["bytes"])]))];
    let plays = vec![play([("warn", tasks())]), play([("warn", tasks())])];
    let events = run_with(&Fake::default(), &options(1), &plan(plays));
    let warnings = lines(&events).iter().filter(|line| *line == "warn warned odd key").count();
    assert_eq!(warnings, 1);
    let result = &records(&events)[0].results[0];
    assert_eq!((&*result.output, result.lossy), ("a\u{fffd}b", true));
}

#[test]
fn a_ttl_gives_the_result_an_end() {
    let mut kept = task("a", Ready(vec![step("web", &["ok"])]));
    kept.ttl = Some(Duration::from_secs(600));
    let mut forever = task("b", Skipped);
    forever.ttl = Some(Duration::MAX);
    let events =
        run_with(&Fake::default(), &options(1), &plan(vec![play([("web", vec![kept, forever])])]));
    let [kept, forever] = records(&events)[..] else { panic!("two records") };
    let kept = kept.expires_at.unwrap().duration_since(kept.started_at).as_secs();
    assert!((600..610).contains(&kept), "{kept}");
    assert_eq!(forever.expires_at, None, "an end beyond all calendars is none");
}

#[test]
fn a_play_without_hosts_and_a_plan_without_plays_end_well() {
    let events = run_with(&Fake::default(), &options(64), &plan(vec![play([])]));
    assert_eq!(
        lines(&events),
        ["run started", "play 0 started", "play 0 finished", "run finished None"]
    );
    assert_eq!(run_with(&Fake::default(), &options(64), &plan(vec![])).len(), 2);
}
