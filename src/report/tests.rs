use serde_json::Value;

use super::*;
use crate::event::{Event, Outcome, RunOutcome};
use crate::failure::{ErrorCode, Failure};

fn report(events: Vec<Event>) -> Report {
    let mut builder = ReportBuilder::new(sample::run());
    events.into_iter().for_each(|event| builder.apply(event));
    builder.finish()
}

fn json(report: &Report) -> String {
    let mut bytes = Vec::new();
    write_json(&mut bytes, report).unwrap();
    String::from_utf8(bytes).unwrap().replace(env!("CARGO_PKG_VERSION"), "[version]")
}

#[test]
fn the_whole_report() {
    insta::assert_snapshot!(json(&report(sample::events())));
}

#[test]
fn a_report_fits_its_schema() {
    let schema = Value::from(schema());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut value: Value = serde_json::from_str(&json(&report(sample::events()))).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);

    // The schema is strict enough to notice what is missing or misspelt.
    value["plays"][0]["hosts"][0]["tasks"][0]["outcome"] = "done".into();
    assert!(!validator.is_valid(&value));
    let mut value: Value = serde_json::from_str(&json(&report(sample::events()))).unwrap();
    value["plays"][0]["hosts"][0]["tasks"][0].as_object_mut().unwrap().remove("error");
    assert!(!validator.is_valid(&value));
}

#[test]
fn a_report_reads_back_as_it_was() {
    let report = report(sample::events());
    let mut bytes = Vec::new();
    write_json(&mut bytes, &report).unwrap();
    assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
}

#[test]
fn the_outcome_and_the_exit_code_follow_from_the_tasks() {
    let all = sample::events();
    let of = |hosts: &[&str]| {
        let events = all.iter().filter(|event| match event {
            Event::TaskFinished { host, .. } => hosts.contains(&&**host),
            _ => true,
        });
        let report = report(events.cloned().collect());
        (report.outcome, report.exit_code)
    };
    assert_eq!(of(&["web-01", "web-03"]), (RunOutcome::Ok, 0), "an ignored failure is none");
    assert_eq!(of(&["web-02"]), (RunOutcome::Failed, 2));
    assert_eq!(of(&["db-02"]), (RunOutcome::Failed, 2), "a timeout is a failure");
    assert_eq!(of(&["db-primary.example.com"]), (RunOutcome::Unreachable, 4));
    assert_eq!(of(&["web-02", "db-primary.example.com"]), (RunOutcome::Failed, 6));
}

#[test]
fn a_defect_is_told_by_the_exit_code_whatever_else_happened() {
    let code = |ignored, cut_short| {
        let events = sample::events().into_iter().map(|mut event| {
            match &mut event {
                Event::TaskFinished { record, .. } if record.outcome == Outcome::Failed => {
                    record.error = Some(Failure::new(ErrorCode::Internal, "sshoal itself failed"));
                    record.ignored = ignored;
                }
                Event::RunFinished { cut_short: why, .. } => *why = cut_short,
                _ => {}
            }
            event
        });
        report(events.collect()).exit_code
    };
    for ignored in [false, true] {
        assert_eq!(code(ignored, None), 101);
        assert_eq!(code(ignored, Some(RunOutcome::Aborted)), 101);
        assert_eq!(code(ignored, Some(RunOutcome::Interrupted)), 130);
    }
}

#[test]
fn a_run_that_was_killed_has_a_report_of_what_it_did() {
    let mut events = sample::events();
    events.truncate(8);
    let report = report(events);
    assert_eq!((report.outcome, report.exit_code), (RunOutcome::Interrupted, 130));
    assert_eq!(report.stats.tasks.changed, 2);
}

#[test]
fn a_host_counts_once_by_its_worst_play() {
    let mut events = sample::events();
    let Event::PlayStarted(mut again) = events[1].clone() else { panic!("a play begins") };
    again.play = 1;
    events.insert(events.len() - 1, Event::PlayStarted(again));
    let hosts = report(events).stats.hosts;
    assert_eq!((hosts.total, hosts.ok, hosts.failed, hosts.unreachable), (5, 2, 2, 1));
}

#[test]
fn the_event_stream_is_a_line_of_json_per_event() {
    let mut bytes = Vec::new();
    let mut stream = Ndjson::new(&mut bytes);
    let events = sample::events();
    events.iter().for_each(|event| stream.apply(event));
    stream.finish().unwrap();
    let lines: Vec<Value> = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), events.len());
    assert_eq!(lines[0]["event"], "run_started");
    assert_eq!(lines[4]["event"], "task_finished");
    assert_eq!(lines[4]["record"]["outcome"], "changed");
    assert_eq!(lines[lines.len() - 1]["event"], "run_finished");
}
