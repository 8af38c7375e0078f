//! Trying again, and what counts as changed or failed.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::Site;
use crate::lab::processes::wait_until;

#[test]
fn what_succeeds_the_third_time_was_tried_three_times() {
    let site = Site::plain();
    let count = site.path("count");
    let tasks = json!([
        { "name": "grow", "command": format!("echo x >> {count}; cat {count}; test $(wc -l <{count}) -ge 3"),
          "retries": 5, "delay": 0.1, "register": "grown" },
        { "name": "until", "command": format!("echo y >> {count}; wc -l <{count}"),
          "until": "result.output | trim | int >= 5", "delay": 0.1 },
        { "name": "look", "command": "echo {{ grown.results | length }} {{ grown.exit_status }}" },
        { "name": "never", "command": "false", "retries": 1, "delay": 0, "ignore_errors": true },
        { "name": "each", "command": "test {{ item }} = b", "loop": ["b", "a"], "retries": 2,
          "delay": 0, "ignore_errors": true },
    ]);
    let report = site.run(&tasks).status(0).run().report();
    let grow = report.task("web", "grow");
    assert_eq!((&grow["attempts"], &grow["outcome"]), (&json!(3), &json!("changed")));
    assert_eq!(grow["results"].as_array().unwrap().len(), 1);
    assert_eq!(grow["results"][0]["output"], "x\nx\nx\n");
    assert!(grow["duration_seconds"].as_f64().unwrap() >= 0.2, "{grow}");
    let until = report.task("web", "until");
    assert_eq!((&until["attempts"], &until["results"][0]["output"]), (&json!(2), &json!("5\n")));
    assert_eq!(report.task("web", "look")["results"][0]["output"], "1 0\n");
    assert_eq!(report.task("web", "never")["attempts"], 2);
    let each = report.task("web", "each");
    assert_eq!((&each["attempts"], &each["results"].as_array().unwrap().len()), (&json!(3), &2));
}

#[test]
fn the_server_process_may_go_between_two_tries() {
    let site = Site::plain();
    let gone = site.path("gone");
    let tasks = json!([{
        "name": "reboot",
        "command": format!("if [ -e {gone} ]; then echo back; else touch {gone}; kill -9 $PPID; sleep 60; fi"),
        "retries": 3, "delay": 0.2,
    }]);
    let report = site.run(&tasks).status(0).run().report();
    let task = report.task("web", "reboot");
    assert_eq!((&task["attempts"], &task["results"][0]["output"]), (&json!(2), &json!("back\n")));
}

#[test]
fn ctrl_c_ends_the_waiting() {
    let site = Site::plain();
    let begun = site.dir.join("begun");
    let tasks = json!([{
        "name": "wait", "command": format!("touch {}; false", begun.display()),
        "retries": 9, "delay": 3600,
    }]);
    let running = site.run(&tasks).status(130).start();
    assert!(wait_until(std::time::Duration::from_secs(50), || begun.exists()));
    let pid = Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let report = running.wait().report();
    assert_eq!(report.task("web", "wait")["outcome"], "cancelled");
}

#[test]
fn conditions_judge_real_results() {
    let site = Site::plain();
    let tasks = json!([
        { "name": "grep", "command": "grep -q x /dev/null", "failed_when": "result.exit_status > 1",
          "changed_when": false, "register": "found" },
        { "name": "bad", "command": "echo ERROR", "register": "said", "ignore_errors": true,
          "failed_when": ["'ERROR' in said.output", "result.exit_status == 0"] },
        { "name": "seen", "command": "echo {{ found.ok }} {{ found.changed }} {{ said.failed }}" },
        { "name": "broken", "command": "echo many", "changed_when": "result.output | from_json" },
    ]);
    let report = site.run(&tasks).status(2).run().report();
    let grep = report.task("web", "grep");
    assert_eq!((&grep["outcome"], &grep["error"]), (&json!("ok"), &json!(null)));
    let bad = report.task("web", "bad");
    assert_eq!(
        (&bad["outcome"], &bad["error"]["code"]),
        (&json!("failed"), &json!("command_failed"))
    );
    assert_eq!(report.task("web", "seen")["results"][0]["output"], "True False True\n");
    let broken = report.task("web", "broken");
    assert_eq!(broken["error"]["code"], "condition_failed", "{broken}");
}
