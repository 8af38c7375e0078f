//! What is made of secrets is a secret, and process lists do not show it unnoticed.

use super::*;
use crate::secret::MASK;

/// A playbook whose sudo password is the variable `pw`.
fn with_password(tasks: &str) -> String {
    let play = play(tasks);
    let head = "- hosts: web\n  driver_args: { sudo_password: \"{{ pw }}\" }\n  vars:\n    pw: hunter2-Zq\n    alias: \"{{ pw }}\"\n    other: \"<{{ alias }}>\"\n    site: northwest\n    creds: { user: operator, word: hunter2-Zq }\n";
    let sudo = "    - config: id\n      driver_args: { sudo: true }\n";
    play.replace("- hosts: web\n", head) + sudo
}

fn planned(tasks: &str) -> Planned {
    let playbook = with_password(tasks);
    Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() }.planned()
}

/// What `{{ code }}` and the like in `environment` makes masked.
#[track_caller]
fn assert_learned(template: &str, made: &str) {
    let tasks = format!("- command: id\n  driver_args: {{ environment: {{ X: '{template}' }} }}\n");
    let planned = planned(&tasks);
    assert_eq!(planned.redactor.mask(made), MASK, "{template}");
    assert_eq!(planned.plan.warnings, [""; 0], "{template}");
    // What is no secret is still shown.
    for text in ["northwest", "operator", "web-01", "deploy", "id"] {
        assert_eq!(planned.redactor.mask(text), text, "{template}");
    }
}

#[test]
fn what_templates_make_of_a_secret_is_one() {
    for (template, made) in [
        ("{{ pw }}", "hunter2-Zq"),
        ("{{ pw | upper }}", "HUNTER2-ZQ"),
        ("{{ alias | upper }}", "HUNTER2-ZQ"),
        ("{{ other | upper }}", "<HUNTER2-ZQ>"),
        ("{{ creds.word | upper }} {{ creds.user | upper }}", "HUNTER2-ZQ"),
        ("{% set x = pw | upper %}{{ x }}{{ site }}", "HUNTER2-ZQ"),
        ("{% for c in [pw | reverse] %}{{ inventory_hostname }} {{ c }}{% endfor %}", "qZ-2retnuh"),
        ("{{ pw | replace(\"2\", \"3\") }}", "hunter3-Zq"),
        ("{{ pw | b64encode | lower }}", "ahvudgvymi1acq=="),
        ("{{ pw | upper | quote }}", "HUNTER2-ZQ"),
        ("{{ pw | upper | b64encode }}", "HUNTER2-ZQ"),
        ("{{ pw[:7] }}", "hunter2"),
        ("{{ {\"a\": [pw | upper]} | to_json }}", "{\"a\":[\"HUNTER2-ZQ\"]}"),
    ] {
        assert_learned(template, made);
    }
}

#[test]
fn what_the_name_of_a_variable_calls_a_secret_is_one() {
    let playbook = "\
- hosts: web
  vars:
    base: 9f8e7d6c5b
    db_password: correct-horse
    api_token: \"t-{{ base }}\"
    ansible_become_password: battery-staple
    app: { user: operator, client_secret: shibboleth, pin_password: 987654 }
    wants_password: 'yes'
    password_file: /etc/app/key
    never_password: unused-value
    short_token: abc
  tasks:
    - command: \"login {{ db_password }} {{ api_token }} {{ ansible_become_password }} {{ app.user }}\"
    - command: \"echo {{ wants_password }} {{ password_file }} {{ short_token }}\"
";
    let planned = Case { inventory: INVENTORY, playbook, ..Case::default() }.planned();
    let mask = |text| planned.redactor.mask(text).into_owned();
    assert_eq!(mask("correct-horse t-9f8e7d6c5b battery-staple"), "*** *** ***");
    assert_eq!(mask("operator shibboleth 987654"), "operator *** ***");
    assert_eq!(mask("yes /etc/app/key unused-value"), "yes /etc/app/key unused-value");
    assert_eq!(mask("abcd\nabc"), "abcd\n***");
    assert_eq!(planned.plan.warnings.len(), 1, "{:?}", planned.plan.warnings);
}

#[test]
fn what_masking_hides_already_is_not_learned_as_a_whole() {
    let planned = planned(
        "- command: id\n  driver_args: { environment: { X: 'postgres://u:{{ pw }}@h', Y: '{{ other }}{{ pw | length }}', Z: '{{ \"weak\" if pw == site else \"good\" }}' } }\n",
    );
    let mask = |text| planned.redactor.mask(text).into_owned();
    assert_eq!(mask("postgres://u:hunter2-Zq@h"), "postgres://u:***@h");
    assert_eq!(mask("<hunter2-Zq>10"), "<***>10");
    assert_eq!(mask("good and weak"), "good and weak");
}

#[test]
fn the_variables_that_a_password_is_made_of_are_secret_too() {
    let playbook = "- hosts: web\n  vars: { stage: prod, base: s3cr3t-base }\n  driver_args: { sudo_password: \"{{ stage }}-{{ base }}\" }\n  tasks:\n    - command: \"echo {{ base | upper }} {{ stage }}\"\n    - { config: id, driver_args: { sudo: true } }\n";
    let planned = Case { inventory: INVENTORY, playbook, ..Case::default() }.planned();
    let mask = |text| planned.redactor.mask(text).into_owned();
    assert_eq!(mask("s3cr3t-base prod-s3cr3t-base S3CR3T-BASE prod"), "*** *** *** prod");
    assert_eq!(planned.plan.warnings.len(), 1);
}

#[test]
fn a_secret_in_a_command_line_is_warned_of_once_per_task() {
    let warned = planned(
        "- command: \"echo {{ pw }}\"\n\
         - command: [id, \"echo {{ other | b64encode }}\", \"{{ pw }}\"]\n\
         - command: \"{{ [alias] }}\"\n\
         - command: pwd\n  driver_args: { working_directory: \"/{{ pw }}\" }\n\
         - command: \"echo {{ site }} {{ creds.user }} {{ pw | length }}\"\n\
         - command: echo \"$X\"\n  driver_args: { environment: { X: \"{{ pw }}\" } }\n",
    );
    let places: Vec<String> = warned
        .plan
        .warnings
        .iter()
        .map(|warning| {
            assert!(warning.contains("hand the secret over in `environment`"), "{warning}");
            let place = warning.split_once("playbook.yml:").unwrap().1.split_once(')').unwrap().0;
            format!("{place} {}", warning.split(' ').next().unwrap())
        })
        .collect();
    assert_eq!(
        places,
        ["10:17 `command`", "11:22 `command`", "12:17 `command`", "14:42 `working_directory`"]
    );
    assert!(warned.plan.warnings.iter().all(|warning| !warning.contains("hunter2")));
}

#[test]
fn a_secret_in_a_command_that_waits_for_a_result_is_warned_of_in_the_run() {
    let planned = planned(
        "- { command: id, register: me }\n- command: \"echo {{ me.output }} {{ pw | upper }}\"\n",
    );
    assert_eq!(planned.plan.warnings, [""; 0]);
    let mut registered = Registered::default();
    registered.insert("me".into(), result("root"));
    let mut told = Vec::new();
    for host in ["web-01", "web-02"] {
        let TaskBody::Deferred(body) = &lane(&planned, host).tasks[1].body else { panic!() };
        let Ok(Resolution::Steps { warnings, .. }) = body.resolve(&registered) else { panic!() };
        told.extend(warnings);
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("playbook.yml:11:17)"), "{told:?}");
    assert_eq!(planned.redactor.mask("echo HUNTER2-ZQ"), "echo ***");
}

#[test]
fn secrets_of_a_vault_that_is_not_read_are_warned_of_too() {
    let tasks = "- command: \"echo {{ vault('ci').token }}\"\n- command: id\n  driver_args: { environment: { X: \"{{ vault('ci').token }}\" } }\n";
    assert_eq!(planned(tasks).plan.warnings.len(), 1);
}

#[test]
fn what_hangs_on_a_secret_that_is_not_read_excludes_no_task() {
    for when in ["vault('ci').on == 'yes'", "r.ok and vault('ci').on == 'yes'"] {
        let task = format!("- {{ command: id, register: r }}\n- command: id\n  when: {when}\n");
        for task in [task.clone(), format!("{task}  loop: \"{{{{ vault('ci').list }}}}\"\n")] {
            let planned = tasks(&task).unwrap();
            let body = &lane(&planned, "web-01").tasks[1].body;
            assert!(matches!(body, TaskBody::Deferred(_)), "{task}{body:?}");
            let errors = tasks(&format!("{task}  creates: '{{{{ nowhere }}}}'\n")).unwrap_err();
            assert!(errors[0].contains("undefined variable `nowhere`"), "{errors:#?}");
        }
    }
}

#[test]
fn no_log_is_known_per_host_and_hides_the_name() {
    let planned = tasks(
        "- { command: id, no_log: yes, name: \"of {{ only_here | default(2) }}\" }\n\
         - { command: id, no_log: \"{{ only_here is defined }}\", register: r }\n\
         - { command: id, no_log: \"{{ r.ok }}\" }\n\
         - { command: id, no_log: false }\n",
    )
    .unwrap();
    let hushed =
        |host| lane(&planned, host).tasks.iter().map(|task| task.no_log).collect::<Vec<_>>();
    assert_eq!(hushed("web-01"), [true, true, true, false]);
    assert_eq!(hushed("web-02"), [true, false, true, false]);
    let names: Vec<&str> = lane(&planned, "web-01").tasks.iter().map(|task| &*task.name).collect();
    assert_eq!(names, ["of {{ only_here | default(2) }}", "(no_log)", "(no_log)", "id"]);
    let shown = crate::plan::show::text(&planned.plan, &planned.redactor);
    assert_eq!(shown.matches("censored").count(), 3, "{shown}");
}

#[test]
fn templates_that_would_not_end_are_stopped() {
    let errors = tasks("- command: \"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\"\n").unwrap_err();
    assert!(
        errors[0].starts_with("the template takes too many steps (")
            && errors[0].contains("playbook.yml:3"),
        "{errors:?}"
    );
    let long = "- file_transfer: { operation: upload, local_path: big.j2, remote_path: /x, template: true }\n";
    let text = "x".repeat(9000);
    let template = format!("{{% for a in range(9000) %}}{text}{{% endfor %}}");
    let files = [("big.j2", template.as_str())];
    let playbook = play(long);
    let case = Case { inventory: INVENTORY, playbook: &playbook, files: &files, ..Case::default() };
    let errors = case.plan().unwrap_err();
    assert!(errors[0].starts_with("the template gives more than 64 MiB ("), "{errors:?}");
}
