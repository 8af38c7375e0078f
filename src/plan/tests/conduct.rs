//! Retries, conditions over a task's own result, guards, and scripts.

use std::time::Duration;

use super::*;
use crate::plan::model::{Conduct, Retry};
use crate::plan::spec::{ExecOptions, Guards};

fn conduct(text: &str) -> Option<Arc<Conduct>> {
    let planned = tasks(text).unwrap();
    steps(&lane(&planned, "web-01").tasks[0])[0].conduct.clone()
}

fn retry(text: &str) -> Retry {
    conduct(text).unwrap().retry.clone().unwrap()
}

fn own(output: &str) -> Value {
    result(output)
}

#[test]
fn only_what_is_special_has_a_conduct() {
    assert!(conduct("- command: a\n").is_none());
    assert!(conduct("- command: a\n  creates: /x\n").is_some());
}

#[test]
fn retries_have_the_documented_defaults() {
    let seconds = Duration::from_secs;
    for (text, tries, delay, has_until) in [
        ("- command: a\n  until: result.ok\n", 4, seconds(5), true),
        ("- command: a\n  retries: 2\n", 3, seconds(5), false),
        ("- command: a\n  retries: 0\n  until: result.ok\n", 1, seconds(5), true),
        (
            "- command: a\n  vars: { n: 7, d: 0.5 }\n  retries: '{{ n }}'\n  delay: '{{ d }}'\n",
            8,
            Duration::from_millis(500),
            false,
        ),
        ("- command: a\n  retries: 1\n  delay: 0\n", 2, seconds(0), false),
    ] {
        let retry = retry(text);
        assert_eq!((retry.tries, retry.delay), (tries, delay), "{text}");
        assert_eq!(retry.until.is_some(), has_until, "{text}");
    }
}

#[test]
fn a_condition_sees_its_own_result_items_variables_and_earlier_results() {
    let planned = tasks(
        "- command: a\n  register: first\n\
         - command: b\n  register: own\n  vars: { wanted: x }\n  loop: [x, y]\n  \
           failed_when:\n    - own.output == item\n    - item == wanted\n    - first.output == 'f'\n\
         - command: c\n  register: r\n  changed_when: result.output == 'new' and r.output == 'new'\n",
    )
    .unwrap();
    let tasks = &lane(&planned, "web-01").tasks;
    let failed_when = |item: usize| steps(&tasks[1])[item].conduct.clone().unwrap();
    let mut registered = Registered::default();
    // A result of the same name from before is not the task's own.
    registered.insert("own".into(), own("stale"));
    registered.insert("first".into(), own("f"));
    let holds = |item: usize, output: &str| {
        let condition = failed_when(item).failed_when.clone().unwrap();
        condition.holds(&registered, &own(output)).unwrap()
    };
    assert!(holds(0, "x"));
    assert!(!holds(0, "y"));
    assert!(!holds(1, "y"), "the second condition of the list does not hold");
    registered.insert("first".into(), own("g"));
    let condition = failed_when(0).failed_when.clone().unwrap();
    assert!(!condition.holds(&registered, &own("x")).unwrap());
    let changed_when = steps(&tasks[2])[0].conduct.clone().unwrap().changed_when.clone().unwrap();
    assert!(changed_when.holds(&registered, &own("new")).unwrap());
    assert_eq!(changed_when.constant(), None);
}

#[test]
fn what_does_not_look_at_the_result_is_known_at_once() {
    for (text, expected) in [
        ("false", Some(false)),
        ("no", Some(false)),
        ("true", Some(true)),
        ("1 > 2", Some(false)),
        ("result.ok", None),
        ("[true, result.ok]", None),
        ("[false, result.ok]", Some(false)),
    ] {
        let conduct = conduct(&format!("- command: a\n  changed_when: {text}\n")).unwrap();
        assert_eq!(conduct.changed_when.clone().unwrap().constant(), expected, "{text}");
    }
}

#[test]
fn a_condition_that_fails_says_where() {
    let conduct = conduct("- command: a\n  until: result.output | int > 5\n").unwrap();
    let until = conduct.retry.clone().unwrap().until.unwrap();
    let failure = until.holds(&Registered::default(), &own("many")).unwrap_err();
    assert_eq!(failure.code, crate::failure::ErrorCode::ConditionFailed);
    assert!(failure.message.starts_with("`until`: "), "{}", failure.message);
}

#[test]
fn what_is_wrong_with_a_condition_is_found_before_the_run() {
    for (text, expected) in [
        ("until: nowhere", "undefined variable `nowhere`"),
        ("until: result.rc == 0", "undefined variable `result.rc`"),
        ("until: result.ok and nowhere", "undefined variable `nowhere`"),
        ("changed_when: result.output | nofilter", "there is no filter `nofilter`"),
        ("failed_when: [result.ok, other.ok]", "undefined variable `other`"),
        ("until: false", "`until` can never hold"),
        ("until: 1 > 2", "`until` can never hold"),
        ("retries: '{{ -1 }}'", "`retries` must be"),
        ("{ retries: 1, delay: '{{ -1 }}' }", "`delay` must be"),
        ("creates: ''", "`creates` is empty"),
        ("unless: [a, ' ']", "`unless` is empty"),
        ("removes: \"{{ 'a\\0b' }}\"", "`removes` holds a NUL"),
        ("only_if: '{{ nowhere }}'", "undefined variable `nowhere`"),
    ] {
        let text = match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(keys) if text.starts_with("{ ") => format!("- {{ command: a, {keys} }}\n"),
            _ => format!("- command: a\n  {text}\n"),
        };
        let errors = tasks(&text).expect_err(&text);
        assert!(errors.iter().any(|error| error.contains(expected)), "{text}: {errors:?}");
    }
}

#[test]
fn guards_are_rendered_per_item() {
    let text = "- command: a\n  loop: [x, y]\n  creates: '/opt/{{ item }}'\n  unless: [a, 'b {{ item }}']\n";
    let planned = tasks(text).unwrap();
    let steps = steps(&lane(&planned, "web-01").tasks[0]);
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let expected =
        Guards { creates: texts(&["/opt/y"]), unless: texts(&["a", "b y"]), ..Guards::default() };
    assert_eq!(steps[1].conduct.as_ref().unwrap().guards, expected);
}

#[test]
fn what_waits_for_a_result_defers_the_task_and_a_condition_does_not() {
    let planned = tasks(
        "- command: a\n  register: r\n- command: b\n  creates: '{{ r.output }}'\n\
         - command: c\n  changed_when: r.ok\n",
    )
    .unwrap();
    let tasks = &lane(&planned, "web-01").tasks;
    assert!(matches!(tasks[1].body, TaskBody::Deferred(_)));
    assert!(matches!(tasks[2].body, TaskBody::Ready(_)));
}

#[test]
fn a_script_is_run_by_its_interpreter() {
    let action = |text: &str| {
        let planned = tasks(text).unwrap();
        let step = steps(&lane(&planned, "web-01").tasks[0])[0].clone();
        let script = |exec: &ExecOptions| exec.script.as_deref().unwrap().to_owned();
        match step.action {
            Action::Config(shell) => (
                "config",
                shell.commands[0].clone(),
                script(&shell.exec),
                shell.exec.sudo.is_some(),
            ),
            Action::Command(shell) => (
                "command",
                shell.commands[0].clone(),
                script(&shell.exec),
                shell.exec.sudo.is_some(),
            ),
            Action::FileTransfer(_) => panic!("a transfer"),
        }
    };
    let text = "- driver_args: { script_content: 'echo {{ 1 + 1 }}' }\n";
    assert_eq!(action(text), ("config", "sh".into(), "echo 2".into(), false));
    let text = "- driver_args: { script_content: x, script_interpreter: python3 -u, sudo: true, sudo_user: www }\n";
    assert_eq!(action(text), ("config", "python3 -u".into(), "x".into(), true));
    let text = "- command: []\n  driver_args: { script_content: x }\n";
    assert_eq!(action(text), ("command", "sh".into(), "x".into(), false));
    for (args, expected) in [
        ("{ script_content: \"a\\0b\" }", "`script_content` holds a NUL"),
        ("{ script_content: a, script_interpreter: ' ' }", "`script_interpreter` is empty"),
    ] {
        let errors = tasks(&format!("- driver_args: {args}\n")).unwrap_err();
        assert!(errors.iter().any(|error| error.contains(expected)), "{errors:?}");
    }
}
