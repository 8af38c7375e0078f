//! Batches, handlers, imports, tags and where a run begins.

use super::*;
use crate::plan::model::{FailureLimit, Notify, Role};
use crate::plan::show::{self, Listing};

const FLEET: &str = "\
all:
  vars:
    connection_args: { username: deploy, password: pw }
  hosts: { a: , b: , c: , d: , e: }
";

#[track_caller]
fn planned(playbook: &str, files: &[(&str, &str)]) -> Planned {
    Case { inventory: FLEET, playbook, files, ..Case::default() }.planned()
}

fn shown(planned: &Planned) -> String {
    show::text(&planned.plan, &planned.redactor)
}

fn shown_json(planned: &Planned) -> Value {
    let mut out = Vec::new();
    show::json(&planned.plan, &planned.redactor, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn ids(planned: &Planned) -> Vec<String> {
    let headers = planned.plan.plays.iter().flat_map(|play| &play.tasks);
    headers.map(|header| format!("{} {}", header.id, header.name)).collect()
}

#[test]
fn a_play_is_cut_into_batches_and_says_so() {
    let playbook = "\
- name: rolling
  hosts: all
  vars: { rest: 40% }
  serial: [1, '{{ rest }}']
  max_fail_percentage: 25
  tasks:
    - command: echo {{ play_hosts | join('+') }}
      run_once: true
      notify: reload
  handlers:
    - name: reload
      command: reload
";
    let planned = planned(playbook, &[]);
    let play = &planned.plan.plays[0];
    assert_eq!(play.batches().collect::<Vec<_>>(), [0..1, 1..3, 3..5]);
    assert_eq!(play.pace.limit, FailureLimit::Percent(25.0));
    assert_eq!(lines(&planned, "b")[0], ["echo b+c"], "the hosts of the batch, as in Ansible");
    assert_eq!(
        shown(&planned),
        "\
PLAY rolling · 5 hosts · 1 task · 1 handler
  3 batches, one after the other
    1: a
    2: b, c
    3: d, e
  task by task; ends when more than 25% of a batch have failed

  1.1  echo {{ play_hosts | join('+') }}
      once, on the first host still in play of each batch
      on a
        $ echo a
        if changed, notifies reload
      on b, c
        $ echo b+c
        if changed, notifies reload
      on d, e
        $ echo d+e
        if changed, notifies reload

  1.h1  reload
      if notified
      on a, b, c, d, e
        $ reload

"
    );
    let json = shown_json(&planned);
    let play = &json["plays"][0];
    assert_eq!(play["batches"], json!([["a"], ["b", "c"], ["d", "e"]]));
    assert_eq!(play["max_fail_percentage"], json!(25.0));
    let tasks = &play["hosts"][0]["tasks"];
    assert_eq!((&tasks[0]["notify"], &tasks[0]["run_once"]), (&json!(["reload"]), &json!(true)));
    assert_eq!(tasks[1]["state"], "ready, if notified");
}

#[test]
fn the_stricter_limit_counts() {
    let limit = |keys: &str| {
        let playbook = format!("- hosts: all\n{keys}  tasks:\n    - command: uptime\n");
        planned(&playbook, &[]).plan.plays[0].pace.limit
    };
    assert_eq!(limit(""), FailureLimit::None);
    assert_eq!(limit("  any_errors_fatal: no\n"), FailureLimit::None);
    let both = "  max_fail_percentage: 30\n  any_errors_fatal: true\n";
    assert_eq!(limit(both), FailureLimit::Any);
}

#[test]
fn a_task_notifies_handlers_by_their_names_on_the_host() {
    let playbook = "\
- hosts: all
  vars: { service: nginx }
  tasks:
    - command: uname
      register: kernel
      notify: [one, 'reload {{ service }}']
    - command: 'true'
      notify: 'for {{ kernel.output }}'
    - command: 'true'
      when: false
      notify: '{{ nowhere }}'
  handlers:
    - name: one
      command: one
      notify: for Linux
    - name: reload {{ service }}
      command: two
    - name: for Linux
      command: three
";
    let planned = planned(playbook, &[]);
    let tasks = &lane(&planned, "a").tasks;
    let roles: Vec<Role> = tasks.iter().map(|task| task.header.role).collect();
    assert_eq!(roles[..3], [Role::Task; 3]);
    assert_eq!(roles[3..], [Role::Handler; 3]);
    assert!(matches!(&tasks[0].notify, Notify::Known(places) if places[..] == [3, 4]));
    assert!(matches!(&tasks[3].notify, Notify::Known(places) if places[..] == [5]));
    let Notify::Deferred(later) = &tasks[1].notify else { panic!("{:?}", tasks[1].notify) };
    assert_eq!(later.awaits(), [Arc::from("kernel")]);
    let resolve = |output: &str| {
        let mut registered = Registered::default();
        registered.insert("kernel".into(), result(output));
        later.resolve(&registered).map_err(|failure| failure.message)
    };
    assert_eq!(resolve("Linux"), Ok(vec![5]));
    let error = resolve("BSD").unwrap_err();
    assert!(error.starts_with("`for BSD` is not a handler of this play"), "{error}");
}

#[test]
fn imported_tasks_stand_where_their_import_stood_and_inherit_from_it() {
    let playbook = "\
- hosts: all
  tags: play
  tasks:
    - command: first
    - import_tasks: setup.yml
      when: inventory_hostname != 'b'
      tags: setup
      vars: { user: app, where: import }
    - import_tasks: setup.yml
      vars: { user: other }
      when: [true, inventory_hostname == 'a']
  handlers:
    - import_tasks: handlers.yml
";
    let files = [
        ("setup.yml", "- import_tasks: inner.yml\n  tags: [inner]\n- command: add {{ user }}\n"),
        (
            "inner.yml",
            "- command: make {{ where | default('-') }}\n  vars: { where: task }\n  when: [inventory_hostname != 'c']\n  notify: reload\n",
        ),
        ("handlers.yml", "- name: reload\n  command: reload\n"),
    ];
    let planned = planned(playbook, &files);
    assert_eq!(
        ids(&planned)[1..5],
        [
            "1.2 make {{ where | default('-') }}",
            "1.3 add {{ user }}",
            "1.4 make {{ where | default('-') }}",
            "1.5 add {{ user }}"
        ]
    );
    let told = |host: &str| {
        let tasks = &lane(&planned, host).tasks[..5];
        let told = tasks.iter().map(|task| match &task.body {
            TaskBody::Ready(steps) => commands(&steps[0])[0].clone(),
            _ => "-".to_owned(),
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told("a"), ["first", "make task", "add app", "make task", "add other"]);
    assert_eq!(told("b"), ["first", "-", "-", "-", "-"]);
    assert_eq!(told("c"), ["first", "-", "add app", "-", "-"]);
    let tags = &planned.plan.plays[0].tasks[1].tags;
    assert_eq!(tags[..], ["play", "setup", "inner"]);
}

#[test]
fn imported_plays_stand_where_their_import_stood() {
    let playbook = "\
- name: own
  hosts: all
  tasks: [command: own]
- import_playbook: other.yml
  tags: [others]
  vars: { who: import }
- name: last
  hosts: all
  tasks: [command: last]
";
    let other = "\
- name: other
  hosts: all
  tags: mine
  vars: { who: play, what: play }
  tasks: [command: 'echo {{ who }} {{ what }}']
";
    let planned = planned(playbook, &[("other.yml", other)]);
    let names: Vec<&str> = planned.plan.plays.iter().map(|play| &*play.name).collect();
    assert_eq!(names, ["own", "other", "last"]);
    assert_eq!(ids(&planned)[1], "2.1 echo {{ who }} {{ what }}");
    let other = &planned.plan.plays[1];
    assert_eq!(other.tasks[0].tags[..], ["others", "mine"]);
    assert_eq!(commands(&steps(&other.lanes[0].tasks[0])[0]), ["echo import play"]);
}

const THREE_PLAYS: &str = "\
- hosts: a
  tasks:
    - { name: one, command: uptime, tags: [x] }
  handlers:
    - { name: never needed, command: uptime }
- hosts: b
  tasks:
    - { name: two, command: uptime, tags: [y], notify: reload }
    - { name: three, command: uptime, tags: [x, y], notify: reload }
  handlers:
    - { name: reload, command: uptime, tags: [z] }
- hosts: c
  tasks:
    - { name: two again, command: uptime }
";

#[test]
fn a_run_begins_with_the_task_that_it_is_told_to() {
    let begun = |start_at, only: &[&str]| {
        let case = Case {
            inventory: FLEET,
            playbook: THREE_PLAYS,
            start_at: Some(start_at),
            only,
            ..Case::default()
        };
        case.plan().map(|planned| ids(&planned))
    };
    let from_three = ["2.2 three", "2.h1 reload", "3.1 two again"];
    assert_eq!(begun("three", &[]).unwrap(), from_three);
    assert_eq!(begun("t?r*", &[]).unwrap(), from_three);
    assert_eq!(begun("two *", &[]).unwrap(), ["3.1 two again"]);
    assert_eq!(begun("t*", &["x"]).unwrap(), ["2.2 three", "2.h1 reload"]);
    let unselected = begun("one", &["y"]).unwrap_err();
    assert_eq!(unselected, ["no task is called `one`"]);
}

#[test]
fn handlers_are_not_chosen_by_tags() {
    let case = Case { inventory: FLEET, playbook: THREE_PLAYS, only: &["y"], ..Case::default() };
    assert_eq!(ids(&case.planned()), ["2.1 two", "2.2 three", "2.h1 reload"]);
}

#[test]
fn lists_show_hosts_tasks_and_tags_of_each_play() {
    let planned = planned(THREE_PLAYS, &[]);
    let redactor = &planned.redactor;
    let all = Listing { hosts: true, tasks: true, tags: true };
    assert_eq!(
        show::list(&planned.plan, all, redactor),
        "\
PLAY a · 1 host
  hosts:
    a
  tasks:
    1.1  one  [x]
  tags: x

PLAY b · 1 host
  hosts:
    b
  tasks:
    2.1  two  [y]
    2.2  three  [x, y]
  tags: x, y

PLAY c · 1 host
  hosts:
    c
  tasks:
    3.1  two again
  tags:
"
    );
    let tags = Listing { tags: true, ..Listing::default() };
    assert_eq!(
        show::list_json(&planned.plan, tags, redactor),
        json!({"plays": [
            {"name": "a", "tags": ["x"]},
            {"name": "b", "tags": ["x", "y"]},
            {"name": "c", "tags": []},
        ]})
    );
}

#[test]
fn one_host_for_all_may_download_to_one_file() {
    let playbook = |serial: &str| {
        format!(
            "- hosts: all\n{serial}  tasks:\n    - file_transfer: {{ operation: download, local_path: one, remote_path: one }}\n      run_once: true\n"
        )
    };
    let plan = |serial: &str| {
        Case { inventory: FLEET, playbook: &playbook(serial), ..Case::default() }.plan()
    };
    assert!(plan("").is_ok());
    let errors = plan("  serial: 2\n").unwrap_err();
    assert!(errors[0].contains("3 downloads would write"), "{errors:?}");
}
