//! How hosts flow through a run: at their own pace, over connections that are
//! kept or not, until somebody interrupts them.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Fleet, assert_sound, outcomes, outputs, report};
use crate::lab::processes::{processes_that_mention, wait_until};

#[test]
fn a_slow_host_holds_nobody_back() {
    let fleet = Fleet::start();
    let scratch = fleet.lab.users.plain.home.join("all-are-through");
    // The slow host is through only when all others are: were they held back by
    // it, be it for a thread or at a task's end, it would run into its timeout.
    let playbook = format!(
        "
- hosts: web:app:db-1
  vars: {{ dir: {} }}
  driver_args: {{ timeout: 40 }}
  tasks:
    - name: wait
      command: mkdir -p {{{{ dir }}}}; until [ $(ls {{{{ dir }}}} | wc -l) -ge 7 ]; do sleep 0.05; done
      when: inventory_hostname == 'web-1'
    - name: work
      command: mkdir -p {{{{ dir }}}}
    - name: through
      command: touch {{{{ dir }}}}/{{{{ inventory_hostname }}}}
",
        scratch.display()
    );
    for forks in ["2", "64"] {
        let _ = fs::remove_dir_all(&scratch);
        let finished = fleet
            .sshoal(&["run", "slow.yml", "-o", "json", "-f", forks])
            .file("slow.yml", &playbook)
            .limit(Duration::from_secs(90))
            .status(0)
            .run();
        let report = report(&finished);
        assert_eq!(report.task("web-1", "wait")["outcome"], "changed", "with {forks} forks");
    }
}

#[test]
fn a_pinned_connection_that_was_closed_while_idle_is_opened_anew() {
    let fleet = Fleet::start();
    // The second play ends the first one's server process and waits until it has gone:
    // by then the first one is over, so nothing is cut off.
    let playbook = "
- hosts: web-1
  options: { queue_strategy: pinned }
  tasks:
    - { command: echo $PPID, register: first }
- hosts: web-1
  tasks:
    - command: >-
        kill {{ first.output | trim }};
        timeout 40 sh -c 'while kill -0 {{ first.output | trim }}; do sleep 0.05; done'
- hosts: web-1
  options: { queue_strategy: pinned }
  tasks: [{ name: again, command: echo there }]
";
    let finished =
        fleet.sshoal(&["run", "idle.yml", "-o", "json"]).file("idle.yml", playbook).status(0).run();
    assert_eq!(outputs(&report(&finished), "web-1", "again"), ["there\n"]);
}

#[test]
fn a_pinned_connection_serves_the_whole_run_and_a_fifo_one_a_play() {
    let fleet = Fleet::start();
    let play = |strategy: &str| {
        format!(
            "
- hosts: web-1
  options: {{ queue_strategy: {strategy} }}
  tasks:
    - {{ name: first, command: echo $SSH_CONNECTION, register: first }}
    - {{ name: second, command: echo $SSH_CONNECTION }}
    - {{ name: third, command: \"echo {{{{ first.output | trim | quote }}}}\", when: first.ok }}
"
        )
    };
    for (strategy, logins) in [("pinned", 1), ("fifo", 2)] {
        let logged = fleet.sshd.log_size();
        let finished = fleet
            .sshoal(&["run", "twice.yml", "-o", "json"])
            .file("twice.yml", play(strategy) + &play(strategy))
            .status(0)
            .run();
        let report = report(&finished);
        let accepted = fleet.sshd.log_since(logged).matches("Accepted password").count();
        assert_eq!(accepted, logins, "{strategy}");
        // The client's port tells connections apart: within a play there is one.
        let mut ports: Vec<String> = super::tasks(&report.0)
            .map(|(_, _, task)| task["results"][0]["output"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ports.len(), 6);
        ports.dedup();
        assert_eq!(ports.len(), logins, "{strategy}: {ports:?}");
    }
}

#[test]
fn an_interrupt_ends_what_runs_and_still_reports() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.nopasswd;
    let mark = format!("sleep 4711.{}", std::process::id());
    let playbook = format!(
        "
- hosts: web:app
  tasks:
    - {{ name: before, command: echo before }}
    - name: long
      config: echo on; {mark}; echo survived
      driver_args: {{ sudo: \"{{{{ inventory_hostname is startingwith('app') }}}}\" }}
    - {{ name: after, command: echo after }}
- hosts: db-1
  tasks:
    - {{ name: later, command: echo later }}
"
    );
    let running = fleet
        .sshoal_as(user, &["run", "long.yml", "-o", "json", "--report", "report.json"])
        .file("long.yml", playbook)
        .status(130)
        .start();
    // The sleep itself, without the shells and sudo that have it among their words.
    let asleep = || {
        let found = processes_that_mention(&mark);
        let named = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        found.iter().filter(|pid| named(pid).trim() == "sleep").count()
    };
    let all = wait_until(Duration::from_secs(40), || asleep() == 7);
    let pid = Pid::from_raw(running.pid().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let finished = running.wait();
    assert!(all, "not all hosts were at it\n{}", finished.transcript());
    assert_eq!(processes_that_mention(&mark), [] as [u32; 0], "{}", finished.transcript());

    let report = report(&finished);
    assert_eq!(report.at("/outcome"), "interrupted");
    let hosts = ["web-1", "web-2", "web-3", "web-4", "app-1", "app-2", "app-3"];
    let lines = hosts.map(|host| format!("{host} cancelled: changed cancelled cancelled\n"));
    assert_eq!(outcomes(&report, 0), lines.concat(), "{}", finished.transcript());
    assert_eq!(outcomes(&report, 1), "db-1 cancelled: cancelled\n");
    for host in hosts {
        assert_eq!(outputs(&report, host, "long"), ["on\n"], "what it said is kept");
        assert_eq!(report.task(host, "long")["error"]["code"], "cancelled");
    }
    let text = fs::read_to_string(finished.home().join("report.json")).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_sound(&written, &finished);
    assert_eq!(written, report.0);
}
