//! Retries, conditions, guards and check mode.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;
use crate::plan::model::{Conduct, Registered, ResultCondition, Retry};
use crate::plan::spec::Guards;
use crate::transport::Connector;

/// A condition from a closure over the step's own result.
struct When<F>(F, Option<bool>);

impl<F> std::fmt::Debug for When<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("When")
    }
}

impl<F> ResultCondition for When<F>
where
    F: Fn(&Value) -> Result<bool, Failure> + Send + Sync,
{
    fn holds(&self, _: &Registered, own: &Value) -> Result<bool, Failure> {
        self.0(own)
    }

    fn constant(&self) -> Option<bool> {
        self.1
    }
}

fn when(
    holds: impl Fn(&Value) -> bool + Send + Sync + 'static,
) -> Option<Arc<dyn ResultCondition>> {
    Some(Arc::new(When(move |own: &Value| Ok(holds(own)), None)))
}

fn always(value: bool) -> Option<Arc<dyn ResultCondition>> {
    Some(Arc::new(When(move |_: &Value| Ok(value), Some(value))))
}

fn broken() -> Option<Arc<dyn ResultCondition>> {
    let holds = |_: &Value| Err(Failure::new(ErrorCode::ConditionFailed, "nonsense"));
    Some(Arc::new(When(holds, None)))
}

fn with(conduct: Conduct, step: Step) -> Step {
    Step { conduct: Some(Arc::new(conduct)), ..step }
}

fn retry(tries: u32, until: Option<Arc<dyn ResultCondition>>) -> Conduct {
    let delay = Duration::from_millis(1);
    Conduct { retry: Some(Retry { tries, delay, until }), ..Conduct::default() }
}

fn guarded(guards: Guards) -> Conduct {
    Conduct { guards, ..Conduct::default() }
}

fn checking() -> ExecuteOptions {
    ExecuteOptions { mode: RunMode::Check, ..options(1) }
}

/// The records of one host's tasks.
fn run_tasks(fake: &Fake, options: &ExecuteOptions, tasks: Vec<PlannedTask>) -> Vec<TaskRecord> {
    let events = run_with(fake, options, &plan(vec![play([("web", tasks)])]));
    records(&events).into_iter().cloned().collect()
}

/// The record of one task, and what a later task sees of it.
fn run_one(step: Step) -> (TaskRecord, Value) {
    run_many(&Fake::default(), vec![step])
}

fn run_many(fake: &Fake, steps: Vec<Step>) -> (TaskRecord, Value) {
    let seen = Arc::new(Mutex::new(Value::Null));
    let keep = Arc::clone(&seen);
    let look = later(move |registered| {
        *keep.lock().unwrap() = registered.get("a").cloned().unwrap_or_default();
        Ok(Resolution::Skipped)
    });
    let tasks = vec![ignoring("a", Ready(steps)), task("b", look)];
    let mut records = run_tasks(fake, &options(1), tasks);
    let value = seen.lock().unwrap().clone();
    (records.remove(0), value)
}

#[test]
fn a_task_is_tried_until_it_succeeds_and_the_last_try_counts() {
    let fake = Fake::default();
    let (record, value) = run_many(&fake, vec![with(retry(4, None), step("web", &["third x"]))]);
    assert_eq!(told(&record), r#"a changed [third x → "x" 0]"#);
    assert_eq!(record.attempts, 3);
    assert_eq!(value["results"].as_array().unwrap().len(), 1);
    assert_eq!(fake.log(), ["connect me@web", "third x", "third x", "third x", "close me@web"]);
}

#[test]
fn a_task_that_never_succeeds_fails_with_its_own_failure() {
    let (record, _) = run_one(with(retry(3, None), step("web", &["fail"])));
    let expected = r#"a failed (ignored) [fail → "" 1] CommandFailed: `fail` exited with status 1"#;
    assert_eq!((told(&record).as_str(), record.attempts), (expected, 3));
}

#[test]
fn until_decides_when_to_stop_whatever_the_status() {
    let holds = || when(|own| own["output"] == "x");
    let (record, _) = run_one(with(retry(3, holds()), step("web", &["ok x"])));
    assert_eq!((record.outcome, record.attempts), (Outcome::Changed, 1));
    let (record, value) = run_one(with(retry(3, holds()), step("web", &["ok y"])));
    assert_eq!(
        told(&record),
        r#"a failed (ignored) [ok y → "y" 0] ConditionFailed: `until` did not hold in 3 tries"#
    );
    assert_eq!(
        (record.attempts, &value["failed"], &value["exit_status"]),
        (3, &json!(true), &json!(0))
    );
    // It ends the tries, and a failed command stays one.
    let (record, _) =
        run_one(with(retry(3, when(|own| own["exit_status"] == 1)), step("web", &["fail"])));
    assert_eq!((record.outcome, record.attempts), (Outcome::Failed, 1));
    // What cannot be evaluated does not mend.
    let (record, _) = run_one(with(retry(3, broken()), step("web", &["ok"])));
    let code = record.error.map(|error| error.code);
    assert_eq!((code, record.attempts), (Some(ErrorCode::ConditionFailed), 1));
}

#[test]
fn each_item_has_tries_of_its_own() {
    let fake = Fake::default();
    let item = |name: &str, command: &str| Step {
        item: Some(json!(name)),
        ..with(retry(4, None), step("web", &[command]))
    };
    let (record, _) =
        run_many(&fake, vec![item("x", "ok 1"), item("y", "third 2"), item("z", "ok 3")]);
    assert_eq!(
        told(&record),
        r#"a changed ["x": ok 1 → "1" 0] ["y": third 2 → "2" 0] ["z": ok 3 → "3" 0]"#
    );
    assert_eq!(record.attempts, 3);
}

#[test]
fn a_lost_connection_is_opened_anew_but_an_absent_host_and_a_wrong_password_are_not_retried() {
    let fake = Fake::default();
    let (record, _) = run_many(&fake, vec![with(retry(4, None), step("web", &["lose-once"]))]);
    assert_eq!((record.outcome, record.attempts), (Outcome::Changed, 2));
    assert_eq!(fake.log().iter().filter(|line| *line == "connect me@web").count(), 2);
    let (record, _) = run_one(with(retry(4, None), step("down", &["ok"])));
    assert_eq!((record.outcome, record.attempts), (Outcome::Unreachable, 1));
    let (record, _) = run_one(with(retry(4, None), step("web", &["sudo"])));
    let code = record.error.map(|error| error.code);
    assert_eq!((code, record.attempts), (Some(ErrorCode::SudoAuthFailed), 1));
}

#[test]
fn a_waiting_host_hears_an_interruption_at_once() {
    let options = options(1);
    let conduct = Conduct {
        retry: Some(Retry { tries: 9, delay: Duration::from_secs(3600), until: None }),
        ..Conduct::default()
    };
    let tasks = vec![task("a", Ready(vec![with(conduct, step("web", &["fail"]))]))];
    let cancel = options.cancel.clone();
    let began = Instant::now();
    let fake = Fake::default();
    let mut ended = Vec::new();
    let plan = plan(vec![play([("web", tasks)])]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !fake.log().contains(&"fail".to_owned()) {
                std::thread::yield_now();
            }
            cancel.cancel();
        });
        execute(&plan, &fake as &dyn Connector, &options, |event| ended.push(event)).unwrap();
    });
    assert!(began.elapsed() < Duration::from_secs(600));
    let record = records(&ended)[0].clone();
    assert_eq!((record.outcome, record.attempts, record.results.len()), (Outcome::Cancelled, 1, 1));
}

#[test]
fn conditions_decide_what_counts_as_changed_and_failed() {
    let changed = |changed_when| Conduct { changed_when, ..Conduct::default() };
    let failed = |failed_when| Conduct { failed_when, ..Conduct::default() };
    let outcome = |conduct, command: &str| {
        let (record, value) = run_one(with(conduct, step("web", &[command])));
        let flags = ["ok", "changed", "failed"].map(|flag| value[flag] == true);
        let inner = ["ok", "changed", "failed"].map(|flag| value["results"][0][flag] == true);
        assert_eq!(flags, inner, "{value}");
        (record.outcome.as_str(), record.error.map(|error| error.code), flags)
    };
    let command_failed = Some(ErrorCode::CommandFailed);
    assert_eq!(outcome(changed(always(false)), "ok"), ("ok", None, [true, false, false]));
    assert_eq!(
        outcome(changed(when(|own| own["output"] == "new")), "ok new"),
        ("changed", None, [true, true, false])
    );
    assert_eq!(
        outcome(changed(always(false)), "fail"),
        ("failed", command_failed, [false, false, true])
    );
    assert_eq!(
        outcome(failed(when(|own| own["exit_status"] != 1)), "fail"),
        ("ok", None, [true, false, false])
    );
    assert_eq!(
        outcome(failed(when(|own| own["output"] == "bad")), "ok bad"),
        ("failed", command_failed, [false, false, true])
    );
    let condition_failed = Some(ErrorCode::ConditionFailed);
    assert_eq!(outcome(failed(broken()), "ok").1, condition_failed);
    assert_eq!(outcome(changed(broken()), "ok").1, condition_failed);
    assert_eq!(outcome(changed(broken()), "fail").1, command_failed);
}

#[test]
fn nothing_makes_an_unreachable_host_or_a_timeout_fine() {
    for (host, command, expected) in [
        ("down", "ok", Outcome::Unreachable),
        ("web", "lose", Outcome::Unreachable),
        ("web", "slow", Outcome::TimedOut),
        ("web", "sudo", Outcome::Failed),
    ] {
        let conduct = Conduct { failed_when: always(false), ..Conduct::default() };
        let (record, _) = run_one(with(conduct, step(host, &[command])));
        assert_eq!(record.outcome, expected, "{command}");
    }
    let conduct = Conduct { failed_when: always(false), ..Conduct::default() };
    let (record, _) = run_one(with(conduct, upload("web", "/full")));
    assert_eq!(record.outcome, Outcome::Ok, "a failed transfer is a result");
}

#[test]
fn a_guard_skips_and_says_why() {
    let texts = |text: &str| vec![text.to_owned()];
    let creates = Guards { creates: texts("there"), ..Guards::default() };
    let fake = Fake::default();
    let (record, value) = run_many(&fake, vec![with(guarded(creates), step("web", &["ok"]))]);
    assert_eq!((record.outcome, record.attempts), (Outcome::Skipped, 0));
    assert_eq!(record.note.as_deref(), Some("`there` exists"));
    assert_eq!(
        (&value["skipped"], &value["ok"], &value["output"]),
        (&json!(true), &json!(false), &json!(""))
    );
    assert_eq!(fake.log(), ["connect me@web", "look", "close me@web"]);
    let only_if = Guards { only_if: texts("no"), ..Guards::default() };
    let (record, _) = run_one(with(guarded(only_if), step("web", &["ok"])));
    assert_eq!(record.note.as_deref(), Some("`only_if` does not hold: no"));
    let passes = Guards { unless: texts("false"), ..Guards::default() };
    let (record, _) = run_one(with(guarded(passes), step("web", &["ok"])));
    assert_eq!((record.outcome, record.note), (Outcome::Changed, None));
}

#[test]
fn a_guard_that_gives_no_answer_fails_the_task_and_nothing_overrides_that() {
    for (word, expected) in [("lost", Outcome::Unreachable), ("slow", Outcome::TimedOut)] {
        let only_if = Guards { only_if: vec![word.to_owned()], ..Guards::default() };
        let conduct = Conduct { failed_when: always(false), ..guarded(only_if) };
        let fake = Fake::default();
        let (record, _) = run_many(&fake, vec![with(conduct, step("web", &["ok"]))]);
        assert_eq!(record.outcome, expected);
        assert!(!fake.log().contains(&"ok".to_owned()));
    }
}

#[test]
fn of_a_loop_the_items_are_guarded_one_by_one_and_asked_once() {
    let item = |name: &str, command: &str| Step {
        item: Some(json!(name)),
        ..with(
            Conduct {
                guards: Guards { creates: vec![name.to_owned()], ..Guards::default() },
                ..retry(4, None)
            },
            step("web", &[command]),
        )
    };
    let fake = Fake::default();
    let (record, value) = run_many(&fake, vec![item("there", "ok"), item("x", "third 2")]);
    assert_eq!(told(&record), r#"a changed ["x": third 2 → "2" 0]"#);
    let skipped = |index: usize| value["results"][index]["skipped"].clone();
    assert_eq!((skipped(0), skipped(1)), (json!(true), json!(false)));
    assert_eq!(fake.log().iter().filter(|line| *line == "look").count(), 2);
}

#[test]
fn check_mode_runs_nothing_and_knows_what_it_does_not_know() {
    let fake = Fake::default();
    let awaits = || {
        later(|registered| {
            Ok(match registered.get("a") {
                Some(_) => Resolution::Skipped,
                None => Resolution::Awaits(vec!["a".into()]),
            })
        })
    };
    let texts = |text: &str| vec![text.to_owned()];
    let there = Guards { creates: texts("there"), ..Guards::default() };
    let absent = Guards { creates: texts("absent"), ..Guards::default() };
    let no_change = Conduct { changed_when: always(false), ..Conduct::default() };
    let tasks = vec![
        task("a", Ready(vec![with(retry(3, when(|_| false)), step("web", &["fail", "ok"]))])),
        task("b", awaits()),
        task("c", Ready(vec![with(guarded(there), step("web", &["ok"]))])),
        task("d", Ready(vec![with(guarded(absent), step("web", &["ok"]))])),
        task("e", Ready(vec![with(no_change, step("web", &["ok"]))])),
        task("f", Ready(vec![upload("web", "/same")])),
        task("g", Ready(vec![upload("web", "/new")])),
    ];
    let records = run_tasks(&fake, &checking(), tasks);
    let lines: Vec<String> = records
        .iter()
        .map(|record| format!("{} | {}", told(record), record.note.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(
        lines,
        [
            "a changed [fail → \"\" -] [ok → \"\" -] | check mode: would run; nothing tells whether it would change anything",
            "b skipped | check mode: it needs `a`, of a task that check mode did not run",
            "c skipped | `there` exists",
            "d changed [ok → \"\" -] | check mode: would run",
            "e ok [ok → \"\" -] | check mode: would run, and change nothing",
            "f ok [__FILE_TRANSFER__ → \"unchanged: /same\" 0] | -",
            "g changed [__FILE_TRANSFER__ → \"would upload 12.3 kB to /new\" 0] | -",
        ]
    );
    assert_eq!(
        fake.log(),
        ["connect me@web", "look", "look", "compare /same", "compare /new", "close me@web"]
    );
    // Where nothing is checked, what is missing is a failure.
    let records = run_tasks(&fake, &options(1), vec![task("b", awaits())]);
    assert_eq!(told(&records[0]), "b failed TemplateFailed: `a` has no result on this host");
}

#[test]
fn a_diff_is_shown_where_something_changes_and_masked() {
    let options = |mode| ExecuteOptions {
        mode,
        diff: DiffMode::Shown,
        redactor: Arc::new(Redactor::new([&Secret::new("hunter22")])),
        ..options(1)
    };
    for mode in [RunMode::Apply, RunMode::Check] {
        let tasks = vec![
            task("a", Ready(vec![upload("web", "/new")])),
            task("b", Ready(vec![upload("web", "/same")])),
        ];
        let records = run_tasks(&Fake::default(), &options(mode), tasks);
        let diff = |index: usize| records[index].results[0].transfer.clone().unwrap().diff;
        assert_eq!(
            diff(0).unwrap(),
            "--- /new (on the host)\n+++ /new\n@@ -1,2 +1,2 @@\n a\n-***\n+b\n"
        );
        assert_eq!(diff(1), None);
    }
}
