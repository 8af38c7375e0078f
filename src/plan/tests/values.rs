//! What templates, loops and conditions come to.

use super::*;

#[track_caller]
fn echo(vars: &str, template: &str) -> String {
    let playbook = format!(
        "- hosts: web-01\n  vars: {{ {vars} }}\n  tasks:\n    - command: |\n        {template}\n"
    );
    let planned = Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() }.planned();
    lines(&planned, "web-01")[0][0].clone()
}

#[test]
fn templates_give_what_they_say() {
    let cases = [
        ("a: 1", "{{ a }}", "1"),
        ("a: '<&>'", "{{ a }}", "<&>"),
        ("a: x", "{{ a }}-{{ a }}", "x-x"),
        ("a: 'it''s'", "{{ a | quote }}", r"'it'\''s'"),
        ("a: hello", "{{ a | b64encode }} {{ 'aGVsbG8=' | b64decode }}", "aGVsbG8= hello"),
        ("a: [1, x]", "{{ a | to_json }}", r#"[1,"x"]"#),
        ("a: '{\"k\": [1]}'", "{{ (a | from_json).k[0] }}", "1"),
        ("a: {k: v}", "{{ a | to_yaml | trim }}", "k: v"),
        (
            "a: web-01.example",
            r"{{ a | regex_replace('^(\w+)-(\d+)', '\\2-\\1') }}",
            "01-web.example",
        ),
        ("a: 'a b/c'", "{{ a | urlencode }}", "a%20b/c"),
        ("", "{{ inventory_hostname }} {{ group_names }} {{ run_id }}", "web-01 ['web'] the run"),
        ("", "{{ groups.web | join(' ') }} {{ play_hosts | length }}", "web-01 web-02 1"),
        ("", "{{ hostvars['web-01'].only_here }}", "1"),
        ("a: '{{ b }}', b: '{{ c }}', c: deep", "{{ a }}", "deep"),
        ("a: {x: '{{ b }}', y: '{{ nowhere }}'}, b: lazy", "{{ a.x }}", "lazy"),
        ("a: ['{{ b }}', {c: '{{ b }}'}], b: 1", "{{ a[1].c }}", "1"),
        (
            "a: {x: {y: '{{ b }}'}}, b: 1",
            "{% for k, v in a | items %}{{ k }}{{ v.y }}{% endfor %}",
            "x1",
        ),
        ("a: '{% raw %}{{ b }}{% endraw %}'", "{{ a }}", "{{ b }}"),
        ("a: !unsafe '{{ b }}'", "{{ a }}", "{{ b }}"),
        ("unused: '{{ nowhere }}'", "fine", "fine"),
        (
            "",
            "{% raw %}docker ps --format '{{.Names}}'{% endraw %}",
            "docker ps --format '{{.Names}}'",
        ),
        ("", "{{ nowhere | default('else') }}", "else"),
        ("", "{{ nowhere is defined }}", "False"),
        // As in a file with variables.
        ("a: no", "{{ a }} {{ not a }}", "False True"),
        ("a: 0644, b: 'no', c: 1.10", "{{ a }} {{ b }} {{ c }}", "420 no 1.1"),
        ("a: {x: [on, !unsafe off, 1:30]}", "{{ a.x | join(',') }}", "True,False,90"),
        ("a: {<<: {x: yes}, y: 1e3}", "{{ a.x }} {{ a.y }}", "True 1e3"),
        // An output ends with a newline.
        ("a: \"42\\n\", b: ' 1.5 '", "{{ a | int + 1 }} {{ b | float }}", "43 1.5"),
        ("a: \"ff\\n\"", "{{ a | int(base=16) }} {{ 'x' | int(7) }} {{ 2.9 | int }}", "255 7 2"),
        ("a: null", "[{{ a | default('x', true) }}]", "[x]"),
    ];
    for (vars, template, expected) in cases {
        assert_eq!(echo(vars, template).trim_end(), expected, "{vars} {template}");
    }
}

#[test]
fn unquoted_words_mean_the_same_in_variables_and_loops_of_playbooks_and_files() {
    let playbook = "\
- hosts: web-01
  vars: { here: no }
  vars_files: v.yml
  tasks:
    - { command: echo 1, when: here }
    - { command: echo 2, when: not here and not there }
    - { command: 'echo {{ own }}', vars: { own: off }, when: not own }
    - { command: 'echo {{ item }}', loop: [0644, 'no', no, 1.10] }
    - import_tasks: more.yml
      vars: { handed: no }
  handlers: []
";
    let files = [
        ("v.yml", "there: no\n"),
        ("more.yml", "- { command: echo more, when: not handed }\n"),
        ("vars/x.yml", ""),
    ];
    let planned =
        Case { inventory: INVENTORY, playbook, files: &files, ..Case::default() }.planned();
    let taken = |task: &&PlannedTask| !matches!(task.body, TaskBody::Skipped);
    let tasks = lane(&planned, "web-01").tasks.iter().filter(taken);
    let lines: Vec<&String> = tasks.flat_map(steps).flat_map(commands).collect();
    let expected =
        ["echo 2", "echo False", "echo 420", "echo no", "echo False", "echo 1.1", "echo more"];
    assert_eq!(lines, expected);
}

#[test]
fn a_number_among_request_defaults_is_the_text_that_is_written() {
    let playbook = "- hosts: web-01\n  vars: { driver_args: { environment: { V: 1.10, M: 0644 } } }\n  tasks: [{ command: id }]\n";
    let planned = Case { inventory: INVENTORY, playbook, ..Case::default() }.planned();
    let Action::Command(action) = &steps(&lane(&planned, "web-01").tasks[0])[0].action else {
        panic!()
    };
    let environment = action.exec.environment.iter().map(|(name, value)| format!("{name}={value}"));
    assert_eq!(environment.collect::<Vec<_>>(), ["V=1.10", "M=0644"]);
}

#[test]
fn a_whole_expression_keeps_its_type() {
    let playbook = "\
- hosts: web-01
  vars: { list: [a, b], port: 2222, text: '30', on: true }
  connection_args: { port: \"{{ port }}\", compress: '{{ on }}' }
  tasks:
    - command: \"{{ list }}\"
      driver_args: { timeout: \"{{ text }}\", get_pty: \"{{ not on }}\" }
    - command: \"{{ port }}{{ text }}\"
";
    let planned = Case { inventory: INVENTORY, playbook, ..Case::default() }.planned();
    assert_eq!(lines(&planned, "web-01"), [vec!["a", "b"], vec!["222230"]]);
    let spec = connection(&planned, "web-01");
    assert_eq!((spec.port, spec.compress), (2222, true));
    let Action::Command(action) = &steps(&lane(&planned, "web-01").tasks[0])[0].action else {
        panic!()
    };
    assert_eq!(action.exec.timeout.unwrap().as_secs(), 30);
}

#[test]
fn the_last_line_break_of_a_text_stays() {
    assert_eq!(echo("a: x", "cat <<E\n        {{ a }}\n        E"), "cat <<E\nx\nE\n");
    let files = [("f.j2", "x={{ a }}\n\n")];
    let playbook = "- hosts: web-01\n  vars: {a: 1}\n  tasks:\n    - file_transfer: {operation: upload, template: true, local_path: f.j2, remote_path: f}\n";
    let planned =
        Case { inventory: INVENTORY, playbook, files: &files, ..Case::default() }.planned();
    let Action::FileTransfer(spec) = &steps(&lane(&planned, "web-01").tasks[0])[0].action else {
        panic!()
    };
    assert_eq!(spec.content.as_deref(), Some(&b"x=1\n\n"[..]));
}

#[test]
fn loops_run_once_per_item() {
    let planned = tasks(
        "- command: add {{ item }}\n  loop: [a, '{{ only_here | default(2) }}', 3]\n  when: item != 3\n\
         - command: add {{ item.name }}\n  loop: [{name: x}, {name: '{{ inventory_hostname }}'}]\n\
         - command: add {{ item }}\n  loop: \"{{ groups.web }}\"\n\
         - command: never\n  loop: []\n",
    )
    .unwrap();
    let task = &lane(&planned, "web-01").tasks[0];
    let skips: Vec<bool> = steps(task).iter().map(|step| step.skip).collect();
    assert_eq!(skips, [false, false, true]);
    let items: Vec<_> = steps(task).iter().map(|step| step.item.clone().unwrap()).collect();
    assert_eq!(items, [json!("a"), json!(1), json!(3)]);
    let lines = lines(&planned, "web-01");
    assert_eq!(lines[0], ["add a", "add 1"]);
    assert_eq!(lines[1], ["add x", "add web-01"]);
    assert_eq!(lines[2], ["add web-01", "add web-02"]);
    assert!(lines[3].is_empty());
}

#[test]
fn conditions_skip() {
    let cases = [
        ("true", true),
        ("false", false),
        ("'no'", false),
        ("inventory_hostname == 'web-01'", true),
        ("\"{{ 1 == 2 }}\"", false),
        ("[true, 1 == 1]", true),
        ("[nowhere is defined, nowhere == 1]", false),
        ("only_here is defined and only_here == 1", true),
        ("off", false),
        ("flag", false),
        ("spelled", false),
        ("other", true),
        ("empty", false),
        ("\"'web' in group_names\"", true),
        ("inventory_hostname is startingwith('db')", false),
    ];
    for (condition, expected) in cases {
        let playbook = format!(
            "- hosts: web-01\n  vars: {{ flag: false, spelled: 'false', other: text, empty: '' }}\n  tasks:\n    - command: x\n      when: {condition}\n"
        );
        let planned =
            Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() }.planned();
        let runs = matches!(lane(&planned, "web-01").tasks[0].body, TaskBody::Ready(_));
        assert_eq!(runs, expected, "{condition}");
    }
}

#[test]
fn a_host_that_skips_everything_has_its_address_all_the_same() {
    let inventory = "all: { vars: { connection_args: { username: u, port: 2222 } }, \
        children: { web: { hosts: { a: { connection_args: { host: 192.0.2.7 } }, b: } } } }";
    let playbook = play("- { command: id, when: false }");
    let planned = Case { inventory, playbook: &playbook, ..Case::default() }.planned();
    assert_eq!(&*lane(&planned, "a").address, "192.0.2.7:2222");
    assert_eq!(&*lane(&planned, "b").address, "b:2222");
}

#[test]
fn what_is_skipped_may_lack_what_it_needs() {
    let planned = tasks(
        "- name: on {{ only_here }}\n  command: echo {{ only_here }}\n  when: only_here is defined\n  options: { ttl: '{{ only_here }}' }\n\
         - command: echo {{ item.b }}\n  loop: [{a: 1}, {b: 2}]\n  when: item.b is defined\n",
    )
    .unwrap();
    assert_eq!(lines(&planned, "web-01")[0], ["echo 1"]);
    assert!(matches!(lane(&planned, "web-02").tasks[0].body, TaskBody::Skipped));
    assert_eq!(&*lane(&planned, "web-01").tasks[0].name, "on 1");
    assert_eq!(lines(&planned, "web-01")[1], ["echo 2"]);
    // Its result keeps its place among those of the others.
    let left_out = &steps(&lane(&planned, "web-01").tasks[1])[0];
    assert_eq!((left_out.skip, left_out.item.clone()), (true, Some(json!({"a": 1}))));
}

#[test]
fn results_are_waited_for_and_never_rendered_again() {
    let planned = tasks(
        "- command: uname\n  register: kernel\n\
         - command: echo {{ kernel.output }}\n  when: kernel.output is startingwith('{{')\n\
         - command: echo {{ said }}\n  vars: { said: 'it said {{ kernel.output }}' }\n\
         - command: echo {{ item }}\n  loop: \"{{ kernel.output | lines }}\"\n\
         - command: echo {{ 'x' if kernel.ok else kernel.error }}\n\
         - command: independent\n",
    )
    .unwrap();
    let tasks = &lane(&planned, "web-02").tasks;
    let kernel = || [("kernel", result("{{ nowhere }}\n{% x %}"))];
    let waits = |task: &PlannedTask| match &task.body {
        TaskBody::Deferred(body) => body.awaits().iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    assert_eq!(
        tasks.iter().map(waits).map(|names| names.len()).collect::<Vec<_>>(),
        [0, 1, 1, 1, 1, 0]
    );
    assert_eq!(waits(&tasks[1]), ["kernel"]);
    assert_eq!(resolve(&tasks[1], &kernel()).unwrap(), [["echo {{ nowhere }}\n{% x %}"]]);
    assert_eq!(resolve(&tasks[2], &kernel()).unwrap(), [["echo it said {{ nowhere }}\n{% x %}"]]);
    assert_eq!(resolve(&tasks[3], &kernel()).unwrap(), [["echo {{ nowhere }}"], ["echo {% x %}"]]);
    assert_eq!(resolve(&tasks[4], &kernel()).unwrap(), [["echo x"]]);
    assert_eq!(resolve(&tasks[1], &[("kernel", result("x"))]).unwrap(), Vec::<Vec<String>>::new());
    let error = resolve(&tasks[1], &[]).unwrap_err();
    assert!(error.contains("`kernel"), "{error}");
}

#[test]
fn results_are_known_to_later_plays_of_the_same_host() {
    let playbook = "\
- hosts: web-01
  tasks: [{ command: a, register: first }]
- hosts: web
  tasks: [{ command: \"echo {{ first | default('none') }}\" }]
";
    let planned = Case { inventory: INVENTORY, playbook, ..Case::default() }.planned();
    let second = &planned.plan.plays[1].lanes;
    assert!(matches!(second[0].tasks[0].body, TaskBody::Deferred(_)));
    assert_eq!(commands(&steps(&second[1].tasks[0])[0]), ["echo none"]);
}

#[test]
fn tags_and_limits_choose() {
    let playbook = "- hosts: web\n  tags: site\n  tasks:\n    - {command: a, tags: [x, never]}\n    - {command: b, tags: 'y,z'}\n    - {command: c, tags: always}\n";
    let chosen = |only: &[&str], skip: &[&str], limit| {
        let case = Case { inventory: INVENTORY, playbook, only, skip, limit, ..Case::default() };
        let planned = case.planned();
        let play = &planned.plan.plays[0];
        let tasks: Vec<String> = play.tasks.iter().map(|task| task.id.to_string()).collect();
        (tasks.join(" "), play.lanes.len())
    };
    assert_eq!(chosen(&[], &[], None), ("1.2 1.3".to_owned(), 2));
    assert_eq!(chosen(&["x"], &[], Some("web-02")), ("1.1 1.3".to_owned(), 1));
    assert_eq!(chosen(&["z"], &["always"], None), ("1.2".to_owned(), 2));
    assert_eq!(chosen(&["site"], &["y"], None), ("1.1 1.3".to_owned(), 2));
}

#[test]
fn hosts_may_be_a_list_and_a_template() {
    let hosts = |hosts: &str, extra: &[&str]| {
        let playbook = format!("- hosts: {hosts}\n  tasks: [{{command: x}}]\n");
        let case = Case { inventory: INVENTORY, playbook: &playbook, extra, ..Case::default() };
        case.plan().map(|planned| {
            let lanes = planned.plan.plays.into_iter().flat_map(|play| play.lanes);
            lanes.map(|lane| lane.host.to_string()).collect::<Vec<_>>()
        })
    };
    assert_eq!(hosts("[web-02, web-01]", &[]).unwrap(), ["web-02", "web-01"]);
    assert_eq!(hosts("[web, '!web-01']", &[]).unwrap(), ["web-02"]);
    assert_eq!(hosts("\"{{ target }}\"", &["target=web-0*:!web-02"]).unwrap(), ["web-01"]);
    assert!(hosts("\"{{ target }}\"", &["target="]).is_err());
    assert!(hosts("[]", &[]).is_err());
    assert!(hosts("[web, nowhere]", &[]).unwrap_err()[0].contains("no host or group `nowhere`"));
}
