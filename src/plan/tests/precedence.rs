//! Which place wins, one row per pair of neighbours.

use std::fmt::Write as _;

use super::*;
use crate::load::decode::{At, Templated};

/// Every place that can set a variable, lowest first.
const PLACES: [&str; 11] = [
    "project",
    "all",
    "parent",
    "child_a",
    "child_b",
    "later source",
    "host",
    "play",
    "vars_files",
    "task",
    "extra",
];

/// What stands where.
struct Files {
    project: String,
    inventory: String,
    playbook: String,
    vars: String,
    extra: Vec<String>,
}

/// Sets `NAME: VALUE` in some of the places, as given by `entry`.
fn set(places: &[usize], entry: impl Fn(usize) -> String) -> Files {
    let at = |name: &str| {
        let index = PLACES.iter().position(|place| *place == name).unwrap();
        if places.contains(&index) { entry(index) } else { String::new() }
    };
    let mut inventory = format!("all: {{ vars: {{ {} }} }}\n", at("all"));
    let _ = writeln!(
        inventory,
        "parent: {{ vars: {{ {} }}, children: {{ child_a: , child_b: , late: }} }}",
        at("parent")
    );
    let _ =
        writeln!(inventory, "child_a: {{ hosts: {{ web-01: }}, vars: {{ {} }} }}", at("child_a"));
    let _ =
        writeln!(inventory, "child_b: {{ hosts: {{ web-01: }}, vars: {{ {} }} }}", at("child_b"));
    // Of two groups of one depth the one whose name comes later in the alphabet wins.
    let _ = writeln!(
        inventory,
        "late: {{ hosts: {{ web-01: {{ {} }} }}, vars: {{ {} }} }}",
        at("host"),
        at("later source")
    );
    let task = at("task");
    let playbook = format!(
        "- hosts: all\n  vars: {{ {} }}\n  vars_files: vars.yml\n  tasks:\n    - command: echo {{{{ name | default('none') }}}}\n      vars: {{ {task} }}\n",
        at("play")
    );
    let vars = format!("{{ {} }}\n", at("vars_files"));
    let extra = at("extra");
    let extra = if extra.is_empty() { Vec::new() } else { vec![format!("{{ {extra} }}")] };
    Files { project: format!("{{ {} }}", at("project")), inventory, playbook, vars, extra }
}

const LOGIN: &str = "username: deploy, password: pw";

#[test]
fn of_two_neighbours_the_upper_wins() {
    for (upper, place) in PLACES.iter().enumerate().skip(1) {
        let lower = upper - 1;
        let Files { project, inventory, playbook, vars, extra } =
            set(&[lower, upper], |at| format!("name: \"{}\"", PLACES[at]));
        let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
        let login = format!("{{\"connection_args\": {{{LOGIN}}}}}");
        let case = Case {
            project: &project,
            inventory: &inventory,
            playbook: &playbook,
            files: &[("vars.yml", &vars)],
            extra: &[&extra[..], &[login.as_str()]].concat(),
            ..Case::default()
        };
        let planned = case.planned();
        let expected = format!("echo {}", place);
        assert_eq!(lines(&planned, "web-01"), [[expected]], "{} < {}", PLACES[lower], place);
    }
}

#[test]
fn request_defaults_follow_the_same_order() {
    for (upper, place) in PLACES.iter().enumerate().skip(1) {
        let lower = upper - 1;
        let entry = |at: usize| format!("connection_args: {{ port: {}, {LOGIN} }}", 1000 + at);
        let Files { project, inventory, playbook, vars, extra } = set(&[lower, upper], entry);
        let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
        let files = [("vars.yml", vars.as_str())];
        let case = Case {
            project: &project,
            inventory: &inventory,
            playbook: &playbook,
            files: &files,
            extra: &extra,
            ..Case::default()
        };
        let port = connection(&case.planned(), "web-01").port;
        assert_eq!(usize::from(port), 1000 + upper, "{} < {}", PLACES[lower], place);
    }
}

#[test]
fn what_stands_on_play_and_task_lies_between_their_variables_and_what_is_above() {
    let order = [
        ("  vars: { connection_args: { port: 1 } }\n", "", 1),
        ("  vars: { connection_args: { port: 1 } }\n  connection_args: { port: 2 }\n", "", 2),
        ("  connection_args: { port: 2 }\n", "      vars: { connection_args: { port: 3 } }\n", 3),
        (
            "  connection_args: { port: 2 }\n",
            "      vars: { connection_args: { port: 3 } }\n      connection_args: { port: 4 }\n",
            4,
        ),
    ];
    for (on_play, on_task, port) in order {
        let playbook =
            format!("- hosts: web-01\n{on_play}  tasks:\n    - command: uptime\n{on_task}");
        let case = Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() };
        assert_eq!(connection(&case.planned(), "web-01").port, port, "{playbook}");
    }
}

#[test]
fn flags_win_over_everything() {
    let text = |text: &str| Some(At::nowhere(Templated::Value(text.to_owned())));
    let mut flags = FlagArgs::default();
    flags.connection.username = text("flag");
    flags.driver.sudo_password = text("flag");
    let playbook = "- hosts: web-01\n  tasks:\n    - config: id\n      connection_args: { username: task }\n      driver_args: { sudo: true, sudo_password: task }\n";
    let extra = ["{connection_args: {username: extra}}"];
    let case = Case { inventory: INVENTORY, playbook, extra: &extra, flags, ..Case::default() };
    let planned = case.planned();
    assert_eq!(connection(&planned, "web-01").username, "flag");
    let step = &steps(&lane(&planned, "web-01").tasks[0])[0];
    let Action::Config(action) = &step.action else { panic!() };
    let password = action.exec.sudo.as_ref().unwrap().password.as_ref().unwrap();
    assert_eq!(password.reveal(), "flag");
}

#[test]
fn arguments_merge_key_by_key() {
    let inventory = "\
all:
  vars: { connection_args: { port: 1, username: all, password: pw, compress: true } }
web:
  vars: { connection_args: { username: web, timeout: 7 }, driver_args: { timeout: 5, environment: { A: '1' } } }
  hosts: { web-01: { connection_args: { port: 3 }, ansible_host: 192.0.2.1 } }
";
    let playbook = "- hosts: web\n  driver_args: { bufsize: 512 }\n  tasks:\n    - command: uptime\n      driver_args: { environment: { B: '2' } }\n";
    let planned = Case { inventory, playbook, ..Case::default() }.planned();
    let spec = connection(&planned, "web-01");
    assert_eq!((spec.host.as_str(), spec.port, spec.username.as_str()), ("192.0.2.1", 3, "web"));
    assert_eq!((spec.timeouts.connect.as_secs(), spec.compress), (7, true));
    let step = &steps(&lane(&planned, "web-01").tasks[0])[0];
    let Action::Command(action) = &step.action else { panic!() };
    assert_eq!(action.exec.timeout.unwrap().as_secs(), 5);
    assert_eq!(action.exec.read_size, Some(512));
    // A mapping within is one value.
    assert_eq!(action.exec.environment, [("B".to_owned(), "2".to_owned())]);
}

#[test]
fn results_lie_between_the_task_and_extra_variables() {
    let tasks =
        "- command: a\n  register: name\n- command: echo {{ name }}\n  vars: { name: task }\n";
    let planned = super::tasks(tasks).unwrap();
    let task = &lane(&planned, "web-01").tasks[1];
    assert_eq!(resolve(task, &[("name", json!("result"))]).unwrap(), [["echo result"]]);
    let playbook = play(tasks);
    let case = Case {
        inventory: INVENTORY,
        playbook: &playbook,
        extra: &["name=extra"],
        ..Case::default()
    };
    assert_eq!(lines(&case.planned(), "web-01")[1], ["echo extra"]);
}

#[test]
fn a_tasks_variables_shape_its_own_connection_only() {
    let playbook = "\
- hosts: web-01
  connection_args: { username: \"{{ who | default('deploy') }}\" }
  tasks:
    - command: one
    - command: two
      vars: { who: other }
    - command: three
";
    let planned = Case { inventory: INVENTORY, playbook, ..Case::default() }.planned();
    let users: Vec<&str> = lane(&planned, "web-01")
        .tasks
        .iter()
        .map(|task| steps(task)[0].connection.username.as_str())
        .collect();
    assert_eq!(users, ["deploy", "other", "deploy"]);
}
