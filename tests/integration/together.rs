//! Plays that ask their hosts to wait for each other, handlers, imports, and what
//! is listed instead of run. All hosts are names of one server, so that what they
//! do leaves one trace, in order.

use std::fs;

use serde_json::json;

use crate::in_process::{Server, ServerOptions};
use crate::lab::{Report, Sshoal};

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

fn server() -> Server {
    ServerOptions::default().password("deploy", "a-password-of-the-lab").start()
}

fn sshoal(server: &Server, playbook: &str) -> Sshoal {
    let hosts: String = HOSTS.map(|host| format!("    {host}:\n")).concat();
    let inventory = format!(
        "all:\n  vars:\n    connection_args: {{ host: {}, port: {}, username: deploy, password: a-password-of-the-lab }}\n  hosts:\n{hosts}",
        server.host(),
        server.port()
    );
    Sshoal::new().file("inventory.yml", inventory).file("site.yml", playbook).args([
        "run",
        "-i",
        "inventory.yml",
        "site.yml",
    ])
}

/// What the hosts wrote into the file `trace`, line by line.
fn trace(server: &Server) -> Vec<String> {
    let text = fs::read_to_string(server.home().join("trace")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The outcomes of a host's tasks, with their ids.
fn outcomes(report: &Report, host: &str) -> Vec<String> {
    let tasks = report.host(host)["tasks"].as_array().unwrap();
    let told = |task: &serde_json::Value| {
        format!("{} {}", task["id"].as_str().unwrap(), task["outcome"].as_str().unwrap())
    };
    tasks.iter().map(told).collect()
}

#[test]
fn a_rolling_change_goes_batch_by_batch_with_its_handlers() {
    let server = server();
    let playbook = "\
- hosts: all
  serial: [1, 50%]
  tasks:
    - name: announce
      command: echo announced by {{ inventory_hostname }} | tee -a trace
      register: announcement
      run_once: true
    - name: change
      command: echo '{{ announcement.output | trim }}, changed {{ inventory_hostname }}' >> trace
      notify: reload
  handlers:
    - name: never
      command: echo never >> trace
    - name: reload
      command: echo reloaded {{ inventory_hostname }} >> trace
";
    let finished = sshoal(&server, playbook).args(["-o", "json"]).run();
    let report = finished.expect_status(0).report();
    let trace = trace(&server);
    let first = ["announced by a", "announced by a, changed a", "reloaded a"];
    assert_eq!(trace[..3], first);
    assert_eq!(trace[3], "announced by b");
    let mut second = trace[4..8].to_vec();
    second.sort();
    assert_eq!(
        second,
        ["announced by b, changed b", "announced by b, changed c", "reloaded b", "reloaded c"]
    );
    assert_eq!(trace[8..], ["announced by d", "announced by d, changed d", "reloaded d"]);
    for (host, first) in [("a", "changed"), ("b", "changed"), ("c", "skipped"), ("d", "changed")] {
        let expected = [&format!("1.1 {first}"), "1.2 changed", "1.h1 skipped", "1.h2 changed"];
        assert_eq!(outcomes(&report, host), expected, "{host}");
    }
    assert_eq!(report.at("/stats/tasks/changed"), &json!(11));
}

#[test]
fn too_many_failures_abort_the_run_with_a_code_of_its_own() {
    let server = server();
    let playbook = "\
- hosts: all
  max_fail_percentage: 25
  tasks:
    - name: check
      command: test {{ inventory_hostname }} != b -a {{ inventory_hostname }} != c
    - name: change
      command: echo changed >> trace
- hosts: all
  tasks:
    - command: echo later >> trace
";
    let finished = sshoal(&server, playbook).args(["-o", "json", "--forks", "1"]).run();
    let report = finished.expect_status(3).report();
    assert_eq!(report.at("/outcome"), "aborted");
    assert_eq!(outcomes(&report, "a"), ["1.1 changed", "1.2 cancelled"]);
    assert_eq!(outcomes(&report, "b"), ["1.1 failed", "1.2 cancelled"]);
    assert_eq!(report.at("/stats/tasks/cancelled"), &json!(8));
    assert_eq!(
        report.at("/plays/1/hosts/3/tasks/0/error/message"),
        "not run, because 2 of 4 hosts failed, `b` first (`max_fail_percentage: 25`)"
    );
    assert_eq!(trace(&server), [] as [&str; 0]);
}

/// The first host waits for what the last one does at its very end. If any host
/// waited for the first one, nothing would ever come of it.
#[test]
fn nobody_waits_where_nothing_asks_for_it() {
    let server = server();
    let playbook = "\
- hosts: all
  tasks:
    - name: one
      command: \"{{ 'until test -e trace; do sleep 0.05; done' if inventory_hostname == 'a' else 'true' }}\"
      driver_args: { timeout: 50 }
      notify: trace
    - name: two
      command: 'true'
  handlers:
    - name: trace
      command: \"{{ 'echo d >> trace' if inventory_hostname == 'd' else 'true' }}\"
";
    let finished = sshoal(&server, playbook).args(["-o", "json", "--forks", "2"]).run();
    let report = finished.expect_status(0).report();
    assert_eq!(outcomes(&report, "a"), ["1.1 changed", "1.2 changed", "1.h1 changed"]);
}

#[test]
fn imported_files_bring_their_own_directory_and_errors_point_into_them() {
    let server = server();
    let playbook = "\
- hosts: a
  tasks:
    - import_tasks: roles/motd/install.yml
      vars: { motto: hello }
- import_playbook: plays/last.yml
";
    let install = "\
- name: install
  file_transfer: { operation: upload, local_path: motd.j2, remote_path: motd, template: true }
";
    let with_files = |sshoal: Sshoal| {
        sshoal
            .file("roles/motd/install.yml", install)
            .file("roles/motd/motd.j2", "{{ motto }} from {{ inventory_hostname }}\n")
            .file("plays/last.yml", "- hosts: b\n  tasks:\n    - command: cat motd >> trace\n")
    };
    let finished = with_files(sshoal(&server, playbook)).args(["-o", "json"]).run();
    let report = finished.expect_status(0).report();
    assert_eq!(trace(&server), ["hello from a"]);
    let files = report.at("/source/playbooks").as_array().unwrap().iter();
    let files: Vec<_> = files.map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(files, ["site.yml", "roles/motd/install.yml", "plays/last.yml"]);

    let without = playbook.replace("      vars: { motto: hello }\n", "");
    let finished = with_files(sshoal(&server, &without)).run();
    finished.expect_status(1);
    assert!(finished.stderr.contains("roles/motd/motd.j2:1:4"), "{}", finished.stderr);
}

#[test]
fn lists_connect_to_nothing_and_a_run_begins_where_it_is_told() {
    let server = server();
    let playbook = "\
- name: site
  hosts: a:b
  tasks:
    - { name: one, command: echo one >> trace, tags: [first, always] }
    - { name: two, command: echo two >> trace, tags: [second] }
    - { name: three, command: echo three >> trace }
";
    let list = |flags: &[&str]| {
        let finished = sshoal(&server, playbook).args(flags.iter().copied()).run();
        finished.expect_status(0);
        finished.stdout.clone()
    };
    assert_eq!(list(&["--list-hosts"]), "PLAY site · 2 hosts\n  hosts:\n    a\n    b\n");
    assert_eq!(
        list(&["--list-tasks", "--list-tags", "--tags", "second"]),
        "PLAY site · 2 hosts\n  tasks:\n    1.1  one  [always, first]\n    1.2  two  [second]\n  tags: always, first, second\n"
    );
    assert_eq!(
        list(&["--list-tags", "-o", "ndjson"]),
        "{\"plays\":[{\"name\":\"site\",\"tags\":[\"always\",\"first\",\"second\"]}]}\n"
    );
    assert_eq!(server.accepted(), 0);

    let finished = sshoal(&server, playbook).args(["--start-at-task", "t*", "--limit", "a"]).run();
    finished.expect_status(0);
    assert_eq!(trace(&server), ["two", "three"]);
}
