//! References and `vault()` in playbooks: what is read when, what is shown, and how
//! levels go together.

use super::{Relay, Trap, expect_user, failures, login, request};
use crate::lab::{Lab, OpenBao, Sshoal, Sudo, UserOptions, random_text};
use serde_json::json;

const RUN: [&str; 6] = ["run", "p.yml", "-i", "hosts.yml", "-o", "json"];

#[test]
fn each_secret_is_read_once_per_run() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let relay = Relay::before(bao.socket_address());
    let user = lab.add_user("vonce", UserOptions::default().sudo(Sudo::Password));
    let value = random_text(20);
    bao.put("once/login", &login(&user));
    bao.put("once/sudo", &json!({ "sudo_password": user.password }));
    bao.put("once/late", &json!({ "value": value }));
    bao.put("once/variable", &json!({ "value": value }));
    let hosts: String = (1..=6).map(|n| format!("    h{n}: {{}}\n")).collect();
    let hosts = format!(
        "all:\n  vars:\n    connection_args: {{ host: 127.0.0.1, port: {}, credential_ref: once/login }}\n    deep: {{ token: \"{{{{ vault('once/variable').value }}}}\" }}\n  hosts:\n{hosts}",
        lab.sshd().port()
    );
    // The last task waits for the first; what it reads is read before all the same.
    let playbook = "
- hosts: all
  tasks:
    - command: echo first
      register: first
    - config: id -un
      driver_args: { sudo: true, sudo_password: \"{{ vault('once/sudo').sudo_password }}\" }
    - command: echo \"$VALUE\"
      driver_args: { environment: { VALUE: \"{{ first.output | trim }} {{ vault('once/' ~ 'late').value }} {{ deep.token }}\" } }
";
    let finished = bao
        .sshoal_as_root()
        .env("VAULT_ADDR", format!("http://{}", relay.address))
        .file("hosts.yml", hosts)
        .file("p.yml", playbook)
        .args(RUN)
        .forbid(&user.password)
        .forbid(&value)
        .status(0)
        .run();
    let report = finished.report();
    assert_eq!(report.at("/stats/tasks/changed"), 18);
    let last = &report.at("/plays/0/hosts/5/tasks/2/results/0/output");
    assert_eq!(**last, "first *** ***\n");
    let read = |name: &str| format!("GET /v1/secret/data/once/{name}");
    assert_eq!(relay.asked(), [read("late"), read("login"), read("sudo"), read("variable")]);
}

#[test]
fn values_are_masked_wherever_they_come_back() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = &lab.users.plain;
    let value = format!("it's {}", random_text(16));
    bao.put("masked/login", &login(user));
    bao.put("masked/more", &json!({ "value": value, "nested": { "pin": 735_513 } }));
    let playbook = "
- hosts: all
  tasks:
    - name: \"uses {{ vault('masked/more').value }}\"
      command: printf '%s|' \"$V\" \"$(printf %s \"$V\" | base64)\" \"$P\"
      driver_args:
        environment:
          V: \"{{ vault('masked/more').value }}\"
          P: \"{{ vault('masked/more').nested.pin }}\"
";
    let hosts = format!(
        "all:\n  vars: {{ connection_args: {{ host: 127.0.0.1, port: {}, credential_ref: masked/login }} }}\n  hosts: {{ h: {{}} }}\n",
        lab.sshd().port()
    );
    let finished = bao
        .sshoal_as_root()
        .file("hosts.yml", hosts)
        .file("p.yml", playbook)
        .args(RUN)
        .forbid(&value)
        .forbid("735513")
        .status(0)
        .run();
    let report = finished.report();
    assert_eq!(report.only_results()[0]["output"], "***|***|***|");
    assert_eq!(report.only_task()["name"], "uses ***");
}

#[test]
fn a_secret_that_a_later_task_needs_fails_before_the_first_one_runs() {
    let bao = OpenBao::get();
    for (value, code, words) in [
        ("{{ first.output }}{{ vault('late/none').x }}", "not_found", "secret/late/none"),
        ("{{ first.output }}{{ deep.x }}", "not_found", "secret/late/deep"),
        ("{{ vault(first.output).x }}", "too_late", "known only during the run"),
        ("{{ first.output }}{{ vault('../x').x }}", "bad_path", "`..`"),
    ] {
        let trap = Trap::set();
        let playbook = format!(
            "- hosts: all\n  vars: {{ deep: {{ x: \"{{{{ vault('late/deep').x }}}}\" }} }}\n  connection_args: {{ username: u, password: p, port: {} }}\n  tasks:\n    - command: echo\n      register: first\n    - command: echo {value}\n",
            trap.port()
        );
        let finished = bao
            .sshoal_as_root()
            .file("p.yml", playbook)
            .args(["run", "p.yml", "-i", "127.0.0.1,", "-o", "json"])
            .run();
        failures::expect_refusal(&finished, &format!("credential::{code}"), words);
        trap.expect_untouched();
    }
}

#[test]
fn a_missing_field_is_named_unless_there_is_a_default() {
    let bao = OpenBao::get();
    bao.put("fields/one", &json!({ "there": "geheimnis" }));
    let run = |value: &str| {
        let playbook = format!(
            "- hosts: all\n  connection_args: {{ username: u, password: p, port: 1 }}\n  tasks:\n    - command: echo {value}\n"
        );
        let args = ["check", "p.yml", "-i", "127.0.0.1,", "--with-credentials"];
        bao.sshoal_as_root().file("p.yml", playbook).args(args).forbid("geheimnis").run()
    };
    let finished = run("{{ vault('fields/one').not_there }}");
    failures::expect_refusal(&finished, "credential::missing_field", "it has `there`");
    assert!(finished.stderr.contains("p.yml:4:"), "{}", finished.transcript());
    run("{{ vault('fields/one').not_there | default('x') }}").expect_status(0);
    run("{{ vault('fields/one', version=1, mount='secret').there }}").expect_status(0);
    let finished = run("{{ vault('fields/one', verson=1).there }}");
    failures::expect_refusal(&finished, "resolve::template", "verson");
}

#[test]
fn check_and_plan_need_no_vault() {
    let playbook = "
- hosts: all
  connection_args: { credential_ref: servers/prod/admin, host: \"{{ vault('a').host }}\", port: \"{{ vault('a').port }}\" }
  tasks:
    - config: echo {{ vault('servers/prod/app').token }}
      driver_args: { sudo: true, sudo_password: \"{{ vault('servers/prod/admin').sudo_password }}\" }
    - command: echo {{ item }}
      loop: \"{{ vault('a').list }}\"
      when: vault('a').on == 'yes'
";
    let plain = playbook.replace(", port: \"{{ vault('a').port }}\"", "");
    let sshoal = |command: &str, playbook: &str| {
        let sshoal = Sshoal::new().file("p.yml", playbook);
        sshoal.args([command, "p.yml", "-i", "h,"])
    };
    for playbook in [playbook, &plain] {
        let checked = sshoal("check", playbook).status(0).run();
        assert_eq!(checked.stderr.matches("plan::secret_in_command").count(), 1);
    }
    let planned = sshoal("plan", &plain).status(0).run();
    assert!(planned.stderr.contains("plan::secret_in_command"), "{}", planned.stderr);
    let shown = planned.stdout;
    assert!(shown.contains("sudo $ echo ***\n"), "{shown}");
    assert!(shown.contains("<known after: reading secrets>"), "{shown}");
    let shown = sshoal("plan", &plain).args(["-o", "json"]).status(0).run().stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let request = &shown["plays"][0]["hosts"][0]["tasks"][0]["requests"][0];
    let args = &request["connection_args"];
    assert_eq!(args["credential_ref"], "servers/prod/admin");
    assert_eq!((args.get("username"), args.get("password")), (None, None), "it stands for both");
    assert_eq!(request["driver_args"]["sudo_password"], "***");

    let with = sshoal("check", &plain).arg("--with-credentials").run();
    failures::expect_refusal(&with, "credential::no_address", "VAULT_ADDR");
    let malformed = plain.replace("servers/prod/app", "/servers/prod/app");
    let finished = sshoal("check", &malformed).run();
    failures::expect_refusal(&finished, "credential::bad_path", "begins or ends with a slash");
}

#[test]
fn the_nearer_of_reference_and_login_wins() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let (plain, sh) = (&lab.users.plain, &lab.users.sh);
    bao.put("level/login", &login(plain));
    let (address, port) = (lab.sshd().address(), lab.sshd().port());
    let written = json!({ "username": sh.name, "password": sh.password });
    let reference = json!({ "credential_ref": "level/login" });
    for (lower, upper, expected) in [(&written, &reference, plain), (&reference, &written, sh)] {
        let hosts = json!({ "all": {
            "vars": { "connection_args": lower },
            "hosts": { "h": { "connection_args": { "host": address, "port": port } } },
        } });
        let playbook = json!([{
            "hosts": "all", "connection_args": upper, "tasks": [{ "command": "id -un" }],
        }]);
        let finished = bao
            .sshoal_as_root()
            .file("hosts.json", hosts.to_string())
            .file("p.json", playbook.to_string())
            .args(["run", "p.json", "-i", "hosts.json", "-o", "json"])
            .run();
        expect_user(&finished, expected);
    }
    // A flag wins over both.
    let key = sh.key.path.to_str().unwrap();
    let finished = Sshoal::new()
        .request(&request(lab.sshd(), &json!("level/login")))
        .args(["-u", &sh.name, "--private-key", key])
        .run();
    expect_user(&finished, sh);
}
