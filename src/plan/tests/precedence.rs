//! Which place wins, one row per pair of neighbours.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::load::decode::{At, Templated};

/// Every place that can set a variable, lowest first.
const PLACES: [&str; 14] = [
    "project",
    "all",
    "parent",
    "child_a",
    "child_b",
    "later source",
    "group_vars/all",
    "group_vars/late",
    "host",
    "host_vars/web-01",
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
    /// Files of variables, by their paths.
    vars: Vec<(String, String)>,
    extra: Vec<String>,
}

impl Files {
    /// The plan of these, with `extra` on top.
    fn planned(&self, extra: &[&str]) -> Planned {
        let own = self.extra.iter().map(String::as_str);
        let extra: Vec<&str> = own.chain(extra.iter().copied()).collect();
        let files: Vec<(&str, &str)> =
            self.vars.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let case = Case {
            project: &self.project,
            inventory: &self.inventory,
            playbook: &self.playbook,
            files: &files,
            extra: &extra,
            ..Case::default()
        };
        case.planned()
    }
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
    let mut vars = vec![("vars.yml".to_owned(), format!("{{ {} }}\n", at("vars_files")))];
    for place in ["group_vars/all", "group_vars/late", "host_vars/web-01"] {
        if !at(place).is_empty() {
            vars.push((format!("{place}.yml"), format!("{{ {} }}\n", at(place))));
        }
    }
    let extra = at("extra");
    let extra = if extra.is_empty() { Vec::new() } else { vec![format!("{{ {extra} }}")] };
    Files { project: format!("{{ {} }}", at("project")), inventory, playbook, vars, extra }
}

const LOGIN: &str = "username: deploy, password: pw";

fn login() -> String {
    format!("{{\"connection_args\": {{{LOGIN}}}}}")
}

#[test]
fn what_is_built_in_is_the_lowest() {
    let port = |places: &[usize]| {
        let files = set(places, |at| format!("connection_args: {{ port: {} }}", 1000 + at));
        connection(&files.planned(&[&login()]), "web-01").port
    };
    assert_eq!(port(&[]), 22);
    assert_eq!(port(&[0]), 1000);
}

/// The keys of the model: variables, and arguments that merge key by key.
const KEYS: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is set wherever: of each key, the highest place that has it counts.
    #[test]
    fn of_all_places_the_highest_counts_key_by_key(
        variables in prop::collection::vec(0..1_u8 << KEYS, PLACES.len()),
        arguments in prop::collection::vec(0..1_u8 << KEYS, PLACES.len()),
    ) {
        let keys = |mask: u8| (0..KEYS).filter(move |key| mask & (1 << key) != 0);
        let entry = |at: usize| {
            let variables = keys(variables[at]).map(|key| format!("v{key}: p{at}, "));
            let names = ["port", "timeout", "keepalive"];
            let arguments = keys(arguments[at]).map(|key| format!("{}: {}", names[key], 100 + at));
            let arguments: Vec<String> = arguments.collect();
            let variables: String = variables.collect();
            format!("{variables}connection_args: {{ {} }}", arguments.join(", "))
        };
        let all: Vec<usize> = (0..PLACES.len()).collect();
        let mut files = set(&all, entry);
        let shown = "echo {{ v0 | default('none') }} {{ v1 | default('none') }} {{ v2 | default('none') }}";
        files.playbook = files.playbook.replace("echo {{ name | default('none') }}", shown);
        let planned = files.planned(&[&login()]);
        let highest = |masks: &[u8], key: usize| masks.iter().rposition(|mask| mask & (1 << key) != 0);
        let variables = (0..KEYS).map(|key| highest(&variables, key).map_or("none".to_owned(), |at| format!("p{at}")));
        let expected = format!("echo {}", variables.collect::<Vec<_>>().join(" "));
        prop_assert_eq!(lines(&planned, "web-01"), [[expected]]);
        let spec = connection(&planned, "web-01");
        let expected = |key: usize, default: u64| highest(&arguments, key).map_or(default, |at| 100 + at as u64);
        prop_assert_eq!(u64::from(spec.port), expected(0, 22));
        prop_assert_eq!(spec.timeouts.connect.as_secs(), expected(1, 30));
        prop_assert_eq!(spec.keepalive.as_secs(), expected(2, 30));
    }
}

#[test]
fn of_two_neighbours_the_upper_wins() {
    for (upper, place) in PLACES.iter().enumerate().skip(1) {
        let lower = upper - 1;
        let files = set(&[lower, upper], |at| format!("name: \"{}\"", PLACES[at]));
        let planned = files.planned(&[&login()]);
        let expected = format!("echo {}", place);
        assert_eq!(lines(&planned, "web-01"), [[expected]], "{} < {}", PLACES[lower], place);
    }
}

#[test]
fn request_defaults_follow_the_same_order() {
    for (upper, place) in PLACES.iter().enumerate().skip(1) {
        let lower = upper - 1;
        let entry = |at: usize| format!("connection_args: {{ port: {}, {LOGIN} }}", 1000 + at);
        let files = set(&[lower, upper], entry);
        let port = connection(&files.planned(&[]), "web-01").port;
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
