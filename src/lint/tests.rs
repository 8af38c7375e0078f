//! Playbooks as text, and the warnings that they get.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::plan::{PlanOptions, TagFilter, Work, plan};
use crate::resolve::inventory::Inventory;
use crate::resolve::scope::World;

const INVENTORY: &str = "\
all:
  vars: { connection_args: { username: deploy, password: pw }, size: 3 }
  children: { web: { hosts: { web-01: { odd: true }, web-02: } }, db: { hosts: { db-01: } } }
";

/// The warnings about a playbook, with the text that each points to.
fn warnings(playbook: &str, files: &[(&str, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    files.iter().for_each(|(name, text)| drop(write(name, text)));
    let sources = Arc::new(Sources::default());
    let inventory = write("inventory.yml", INVENTORY);
    let inventory = inventory.display().to_string();
    let inventory = crate::load::inventory::load(&sources, &[inventory]).unwrap().inventories;
    let inventory = Arc::new(Inventory::build(inventory).unwrap());
    let world = World::new(inventory, Arc::clone(&sources), vec![], "run".into(), "/".into());
    let raw = crate::load::playbooks(&sources, &[write("play.yml", playbook)]).unwrap();
    let options = PlanOptions {
        start_at: None,
        flags: Default::default(),
        tags: TagFilter::default(),
        limit: None,
        has_inventory: true,
        home: "/".into(),
        agent: false,
        allow_no_hosts: false,
        ssh_config: None,
        beside: std::collections::HashMap::new(),
    };
    let planned = plan(Arc::new(world), Work::Playbooks(&raw), options);
    let planned = planned.unwrap_or_else(|problems| panic!("{problems:?}"));
    let found = super::playbook(&sources, &raw[0], Some(&planned.plan));
    let shown = found.iter().map(|problem| {
        assert!(problem.is_warning());
        let at = problem.span().expect("a place");
        let text = sources.get(at.file).text[at.start..at.start + at.len].to_owned();
        format!("{} <{text}>", problem.one_line(&sources).split(" (").next().unwrap())
    });
    shown.collect()
}

fn tasks_of(tasks: &str) -> Vec<String> {
    warnings(&format!("- hosts: all\n  tasks:\n{tasks}"), &[])
}

#[test]
fn names_that_nothing_mentions_are_told() {
    let playbook = "\
- hosts: all
  vars: { used: 1, unsed: 2, in_template: 3, in_other: \"{{ used }}\" }
  tasks:
    - { command: 'echo {{ in_other }}', register: seen, vars: { idle: 1 } }
    - { command: uptime, register: unseen }
    - { command: uptime, when: seen.ok }
    - file_transfer: { operation: upload, local_path: a.j2, remote_path: /a, template: true }
";
    let found = warnings(playbook, &[("a.j2", "{{ in_template }}")]);
    assert_eq!(
        found,
        [
            "the variable `unsed` is never used <unsed>",
            "the variable `idle` is never used <idle>",
            "the result `unseen` is registered and never used <unseen>",
        ]
    );
}

#[test]
fn what_may_be_used_is_left_alone() {
    // Whichever file is rendered may use the variable.
    let playbook = "\
- hosts: all
  vars: { a: 1, ansible_user: deploy, options: { ttl: 5 } }
  tasks:
    - { command: uptime, register: result }
    - file_transfer: { operation: upload, local_path: \"{{ result.output }}\", remote_path: /a, template: true }
";
    assert_eq!(warnings(playbook, &[]), [""; 0]);
    let elsewhere = "- hosts: all\n  vars: { a: 1 }\n  vars_files: v.yml\n  tasks: [{ command: 'echo {{ b }}' }]\n";
    assert_eq!(warnings(elsewhere, &[("v.yml", "b: \"{{ a }}\"\n")]), [""; 0]);
}

#[test]
fn what_many_imported_tasks_inherit_is_given_once() {
    let playbook = "\
- hosts: all
  tasks:
    - import_tasks: more.yml
      vars: { once: 1, never: 2 }
  handlers:
    - { name: reload, command: reload, vars: { idle: 1 } }
";
    let more = "- { command: 'echo {{ once }}', notify: reload }\n- command: id\n- command: id\n";
    assert_eq!(
        warnings(playbook, &[("more.yml", more)]),
        ["the variable `never` is never used <never>", "the variable `idle` is never used <idle>"]
    );
}

#[test]
fn constant_conditions_are_told() {
    let cases = [
        ("when: false", "this `when` is always false: the task never runs <false>"),
        ("when: [odd is defined, true]", "this `when` is always true <true>"),
        (
            "when: \"'web' == 'db'\"",
            "this `when` is the same on every host, for it mentions no variable <'web' == 'db'>",
        ),
    ];
    for (when, expected) in cases {
        let found = tasks_of(&format!("    - command: uptime\n      {when}\n"));
        assert_eq!(found, [expected], "{when}");
    }
    let fine = "    - command: uptime\n      when: inventory_hostname == 'web-01'\n";
    assert_eq!(tasks_of(fine), [""; 0]);
}

#[test]
fn tasks_that_no_host_runs_are_told_once() {
    let found = tasks_of(
        "    - command: uptime\n      when: size > 5\n    - command: id\n      loop: []\n",
    );
    assert_eq!(
        found,
        [
            "this task runs on none of the 3 hosts of its play <size > 5>",
            "this task runs on none of the 3 hosts of its play <[]>",
        ]
    );
    assert_eq!(tasks_of("    - command: uptime\n      when: odd is defined\n"), [""; 0]);
}

#[test]
fn plays_for_ci_must_know_their_hosts() {
    let play = |policy: &str| {
        let playbook =
            format!("- hosts: web\n  tags: [nightly, ci]\n{policy}  tasks: [{{ command: id }}]\n");
        warnings(&playbook, &[])
    };
    assert_eq!(play("  connection_args: { host_key_policy: reject }\n"), [""; 0]);
    let written = play("  connection_args: { host_key_policy: auto_add }\n");
    assert!(written[0].ends_with("<auto_add>"), "{written:?}");
    assert_eq!(play("").len(), 1, "it is the documented default");
}

#[test]
fn secrets_are_told_only_where_others_read_them() {
    let sources = Sources::default();
    let directory = Path::new("/project");
    sources.add("a.yml", directory, "password: hunter2\nport: 22\n".to_owned());
    sources.add("<stdin>", directory, "password: hunter2\n".to_owned());
    sources.add("b.yml", directory, "password: geheim\n".to_owned());
    let found = plain_secrets(&sources, |path| path == Path::new("/project/a.yml"));
    let lines: Vec<String> = found.iter().map(|problem| problem.one_line(&sources)).collect();
    assert_eq!(lines, ["`password` stands here in plain text, in a file under git (a.yml:1)"]);
}

#[test]
fn a_name_is_used_where_it_is_looked_up_and_nowhere_else() {
    let playbook = "\
# the disk and its load
- hosts: all
  tasks:
    - { name: look at the disk, command: df, register: disk }
    - { command: uptime, register: load, until: load.ok }
    - { command: uptime, register: far }
    - { command: 'echo {{ far.output }}' }
";
    assert_eq!(warnings(playbook, &[]), ["the result `disk` is registered and never used <disk>"]);
}

#[test]
fn a_task_that_tags_leave_out_hides_no_other() {
    let found = tasks_of(
        "    - { command: id, tags: never }\n    - command: uptime\n      when: size > 5\n",
    );
    assert_eq!(found, ["this task runs on none of the 3 hosts of its play <size > 5>"]);
}

#[test]
fn outputs_that_are_compared_with_their_newline_are_told() {
    let task = |rest: &str| {
        let known = "    - { command: systemctl is-active x, register: r }\n    - { command: printf x, register: p }\n    - { file_transfer: { operation: download, remote_path: /x, local_path: 'x-{{ inventory_hostname }}' }, register: t }\n    - command: echo {{ r.ok }} {{ p.ok }} {{ t.ok }}\n";
        tasks_of(&format!("{known}    - command: id\n      {rest}\n"))
    };
    let told = |what: &str| format!("`{what}` ends with a newline, and so it never is this text");
    for (rest, what, at) in [
        ("when: r.output == 'active'", "r.output", "r.output == 'active'"),
        ("when: [r.ok, \"{{ 'a' != r.error }}\"]", "r.error", "'a' != r.error"),
        ("when: r.output not in ['a', 'b']", "r.output", "r.output not in ['a', 'b']"),
        ("until: result.output == 'up'", "result.output", "result.output == 'up'"),
        (
            "driver_args: { environment: { A: \"{{ 1 if r.output == 'a' else 2 }}\" } }",
            "r.output",
            "r.output == 'a'",
        ),
    ] {
        assert_eq!(task(rest), [format!("{} <{at}>", told(what))], "{rest}");
    }
    for rest in [
        "when: r.output | trim == 'active'",
        "when: r.output == ''",
        "when: \"'active' in r.output\"",
        "when: p.output == 'x'",
        "when: t.output == 'x'",
    ] {
        assert_eq!(task(rest), [""; 0], "{rest}");
    }
}

#[test]
fn handlers_that_nothing_notifies_are_told() {
    let play = |notify: &str| {
        let playbook = format!(
            "- hosts: all\n  tasks: [{{ command: id, notify: {notify} }}]\n  handlers:\n    - {{ name: one, command: id }}\n    - {{ name: two, command: id }}\n"
        );
        warnings(&playbook, &[])
    };
    assert_eq!(play("one"), ["nothing notifies the handler `two` <two>"]);
    assert_eq!(play("[one, '{{ \"two\" }}']"), [""; 0]);
}
