//! What a plan shows: requests that can be made again, and whatever is known before
//! the run.

use super::*;
use crate::plan::show;

fn shown(planned: &Planned) -> Value {
    let mut out = Vec::new();
    show::json(&planned.plan, &planned.redactor, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// All requests of a host, in order.
fn requests(plan: &Value, host: &str) -> Vec<Value> {
    let hosts = plan["plays"].as_array().unwrap().iter();
    let hosts = hosts.flat_map(|play| play["hosts"].as_array().unwrap());
    let tasks = hosts.filter(|shown| shown["host"] == host);
    let tasks = tasks.flat_map(|host| host["tasks"].as_array().unwrap());
    tasks.flat_map(|task| task["requests"].as_array().unwrap()).cloned().collect()
}

/// Plans requests, as `sshoal request` does.
#[track_caller]
fn planned_again(dir: &Path, requests: &[Value]) -> Planned {
    let sources = Arc::new(Sources::default());
    let text = serde_json::to_string_pretty(requests).unwrap();
    let text = text.replace("\"***\"", "\"put in again\"");
    let file = sources.add("requests.json", dir, text);
    let words = |problems: Vec<Problem>| -> Vec<String> {
        problems.iter().map(|problem| problem.one_line(&sources)).collect()
    };
    let raw = crate::load::literal_requests(&sources, file).map_err(words).unwrap();
    let inventory = Arc::new(Inventory::build(Vec::new()).map_err(words).unwrap());
    let home = dir.join("home");
    let world = World::new(inventory, Arc::clone(&sources), Vec::new(), "run".into(), home.clone());
    let options = PlanOptions {
        start_at: None,
        flags: FlagArgs::default(),
        tags: TagFilter::default(),
        limit: None,
        has_inventory: false,
        home,
        agent: false,
        allow_no_hosts: false,
        ssh_config: None,
        beside: std::collections::HashMap::new(),
    };
    let planned = plan(Arc::new(world), Work::Requests("again", &raw), options);
    planned.map_err(|problems| words(problems.iter().cloned().collect())).unwrap()
}

/// Makes a private key without a passphrase.
fn key(path: &Path) {
    let path = path.display().to_string();
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", &path])
        .status();
    assert!(made.unwrap().success());
}

#[test]
fn what_a_plan_shows_can_be_requested_and_is_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    key(&dir.path().join("id"));
    std::fs::write(
        dir.path().join("a.j2"),
        "{{ port }} {{ braces }} {% for x in [1] %}{{ x }}{% endfor %}",
    )
    .unwrap();
    std::fs::create_dir(dir.path().join("tree")).unwrap();
    let playbook = "\
- hosts: web-01
  vars: { port: 80, braces: '{% raw %}{{ kept }}{% endraw %}', limit: 3 }
  connection_args: { key_filename: id, allow_agent: true, look_for_keys: false, keepalive: 7, timeout: 4, auth_timeout: 9.5, proxy_host: jump, proxy_password: pw2, compress: yes }
  options: { ttl: 60, queue_strategy: pinned }
  tasks:
    - command: [uptime, \"docker ps --format '{% raw %}{{.Names}}{% endraw %}'\"]
      driver_args: { bufsize: 512, timeout: 5, environment: { A: 'x y' }, working_directory: /srv, stop_on_error: true, get_pty: true, max_output: 9 }
      register: up
      retries: 2
      delay: 0.5
      until: up.exit_status < limit
      failed_when: [up.failed, 'limit > 2']
    - name: named
      config: 'true'
      driver_args: { sudo: true, sudo_password: hunter22, sudo_user: app, sudo_shell: false }
      creates: /opt/x
      removes: [/opt/y, /opt/z]
      unless: test -e a
      only_if: ['true', 'false']
      changed_when: false
      ignore_errors: true
    - driver_args: { script_content: 'echo {{ port }}', script_interpreter: bash -e, sudo: true }
    - command: []
      driver_args: { script_content: 'id' }
    - file_transfer: { operation: upload, local_path: a.j2, remote_path: /etc/a, template: true, mode: '0640', owner: root, group: adm, timeout: 3 }
      driver_args: { sudo: true, get_pty: true }
    - file_transfer: { operation: upload, local_path: tree, remote_path: t, recursive: true, create_dirs: true, verify: false, chunk_size: 7 }
    - file_transfer: { operation: download, local_path: got, remote_path: /etc/hostname, resume: true }
    - command: echo {{ item.n }}
      loop: [{ n: 1 }, { n: 2 }]
      changed_when: item.n == result.exit_status
";
    let sources = Arc::new(Sources::default());
    let case = Case { inventory: INVENTORY, playbook, ..Case::default() };
    let first = case.plan_in(&sources, dir.path());
    let first = first.map_err(|problems| {
        problems.iter().map(|problem| problem.one_line(&sources)).collect::<Vec<_>>()
    });
    let first = shown(&first.unwrap());
    let made = requests(&first, "web-01");
    assert_eq!(made.len(), 9, "{first:#}");
    let connection = &made[0]["connection_args"];
    assert_eq!(connection["key_filename"], dir.path().join("id").display().to_string());
    assert_eq!(connection.get("pkey"), None);
    assert_eq!(
        (&connection["allow_agent"], &connection["look_for_keys"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((&connection["keepalive"], &connection["password"]), (&json!(7.0), &json!("***")));
    assert_eq!(made[0]["options"], json!({ "queue_strategy": "pinned", "ttl": 60 }));
    assert_eq!(made[0]["vars"], json!({ "limit": 3 }));
    assert_eq!((&made[0]["retries"], &made[0]["register"]), (&json!(2), &json!("up")));
    assert_eq!(made[1]["removes"], json!(["/opt/y", "/opt/z"]));
    assert_eq!(
        (&made[1]["ignore_errors"], &made[1]["changed_when"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(made[4]["driver_args"]["get_pty"], true);
    let expected = json!({ "braces": "{% raw %}{{ kept }}{% endraw %}", "port": 80 });
    assert_eq!(made[4]["vars"], expected);
    assert_eq!(made[8]["vars"], json!({ "item": { "n": 2 } }));
    let again = planned_again(dir.path(), &made);
    let rendered =
        again.plan.plays[0].lanes[0].tasks.iter().find_map(|task| match &steps(task)[0].action {
            Action::FileTransfer(spec) => spec.content.clone(),
            _ => None,
        });
    assert_eq!(rendered.as_deref(), Some(b"80 {{ kept }} 1".as_slice()));
    let again = requests(&shown(&again), "web-01");
    for (first, again) in made.iter().zip(&again) {
        assert_eq!(first, again, "{first:#}\n{again:#}");
    }
    assert_eq!(made.len(), again.len());
}

#[test]
fn a_request_that_a_plan_shows_has_the_names_of_the_plan() {
    let dir = tempfile::tempdir().unwrap();
    let template = "{{ inventory_hostname }} {{ group_names }} {{ groups.web }} {{ run_id }}";
    std::fs::write(dir.path().join("a.j2"), template).unwrap();
    let inventory = INVENTORY.replace("only_here: 1", "ansible_host: 192.0.2.1");
    let playbook = play(
        "- file_transfer: { operation: upload, local_path: a.j2, remote_path: /a, template: true }",
    );
    let case = Case { inventory: &inventory, playbook: &playbook, ..Case::default() };
    let first = case.plan_in(&Arc::new(Sources::default()), dir.path()).unwrap();
    let made = requests(&shown(&first), "web-01");
    let again = planned_again(dir.path(), &made);
    let content = |planned: &Planned| {
        let Action::FileTransfer(spec) = &steps(&planned.plan.plays[0].lanes[0].tasks[0])[0].action
        else {
            panic!()
        };
        String::from_utf8(spec.content.as_deref().unwrap().to_vec()).unwrap()
    };
    assert_eq!(content(&first), "web-01 ['web'] ['web-01', 'web-02'] the run");
    assert_eq!(content(&again), content(&first));
}

#[test]
fn a_reference_to_a_vault_is_shown_in_place_of_what_it_stands_for() {
    let playbook = "\
- hosts: web
  connection_args: { credential_ref: servers/prod/admin }
  tasks:
    - config: id
      driver_args: { sudo: true }
    - config: id
      connection_args: { credential_ref: { path: other, mount: kv } }
";
    let planned = Case { inventory: INVENTORY, playbook, ..Case::default() }.planned();
    let made = requests(&shown(&planned), "web-01");
    let args = &made[0]["connection_args"];
    assert_eq!(args["credential_ref"], "servers/prod/admin");
    assert_eq!((args.get("username"), args.get("password")), (None, None));
    // Whether sudo gets a terminal hangs on whether the secret has a password for it.
    assert_eq!(made[0]["driver_args"].get("get_pty"), None);
    let reference = json!({ "path": "other", "mount": "kv" });
    assert_eq!(made[1]["connection_args"]["credential_ref"], reference);
}

const WAITING: &str = "\
- hosts: web
  tasks:
    - name: ask the kernel
      command: uname -r
      register: kernel
    - name: restart when old
      config: systemctl restart nginx
      driver_args: { sudo: true, sudo_user: app, timeout: 60, working_directory: /srv, environment: { A: 1, B: '{{ kernel.output }}' } }
      when: kernel.output is startingwith('5.')
      unless: test -e /tmp/{{ inventory_hostname }}
      retries: 2
      delay: 1
    - name: each
      command: ['echo {{ item }}', 'echo {{ kernel.output }}']
      loop: [a, b]
      when: item != 'b' or kernel.ok
      ignore_errors: yes
    - name: later items
      file_transfer: { operation: upload, local_path: '{{ item }}', remote_path: '/etc/{{ inventory_hostname }}' }
      loop: '{{ kernel.output | split }}'
    - name: hushed
      command: echo {{ kernel.output }}
      no_log: true
";

#[test]
fn what_is_known_of_a_waiting_task_is_shown() {
    let planned = Case { inventory: INVENTORY, playbook: WAITING, ..Case::default() }.planned();
    let plan = shown(&planned);
    let tasks = &plan["plays"][0]["hosts"][0]["tasks"];
    let after = json!("<known after: ask the kernel>");
    let restart = &tasks[1]["requests"][0];
    assert_eq!((&tasks[1]["state"], &restart["when"]), (&after, &after));
    assert_eq!(restart["config"], json!(["systemctl restart nginx"]));
    assert_eq!(restart["driver_args"]["environment"], json!({ "A": "1", "B": after }));
    assert_eq!(restart["driver_args"]["sudo_user"], "app");
    assert_eq!(restart["connection_args"]["host"], "web-01");
    assert_eq!(restart["unless"], json!(["test -e /tmp/web-01"]));
    let each = tasks[2]["requests"].as_array().unwrap();
    assert_eq!(each[0]["command"], json!(["echo a", after]));
    assert_eq!((each[0].get("when"), &each[1]["when"]), (None, &after));
    let later = tasks[3]["requests"][0]["driver_args"]["file_transfer"].clone();
    assert_eq!((&later["local_path"], &later["remote_path"]), (&after, &json!("/etc/web-01")));
    assert_eq!((&tasks[4]["requests"], &tasks[4]["no_log"]), (&json!([]), &json!(true)));
    assert_eq!(
        show::text(&planned.plan, &planned.redactor),
        "\
PLAY web · 2 hosts · 5 tasks

  1.1  ask the kernel
      its result is known as kernel
      on web-01, web-02
        $ uname -r

  1.2  restart when old
      on web-01
        when kernel.output is startingwith('5.')  <known after: ask the kernel>
        sudo -u app $ systemctl restart nginx
          in /srv
          with A, B in its environment
          within 60 s
          skipped if test -e /tmp/web-01 succeeds
          up to 3 times, 1 s apart
      on web-02
        when kernel.output is startingwith('5.')  <known after: ask the kernel>
        sudo -u app $ systemctl restart nginx
          in /srv
          with A, B in its environment
          within 60 s
          skipped if test -e /tmp/web-02 succeeds
          up to 3 times, 1 s apart

  1.3  each
      its failure is ignored
      on web-01, web-02
        $ echo a
        $ <known after: ask the kernel>
        when item != 'b' or kernel.ok  <known after: ask the kernel>
        $ echo b
        $ <known after: ask the kernel>

  1.4  later items
      on web-01
        upload <known after: ask the kernel> → /etc/web-01
      on web-02
        upload <known after: ask the kernel> → /etc/web-02

  1.5  hushed
      on web-01, web-02
        censored: the task has `no_log` <known after: ask the kernel>

"
    );
}

#[test]
fn what_holds_for_a_whole_play_may_be_a_template_of_its_variables() {
    let playbook = "\
- hosts: '{{ where }}'
  vars: { where: [a, b, c, d], sizes: [1, 50%], lenient: true }
  serial: '{{ sizes }}'
  max_fail_percentage: 30%
  tasks:
    - { command: id, ignore_errors: '{{ lenient }}', run_once: '{{ once }}', retries: '3', delay: '0.5' }
    - { command: id, ignore_errors: '{{ mine }}', vars: { mine: no } }
";
    let inventory = "all: { vars: { connection_args: { username: u, password: p } }, hosts: { a: , b: , c: , d: , e: } }\n";
    let case = Case { inventory, playbook, extra: &["once=true"], ..Case::default() };
    let planned = case.planned();
    let play = &planned.plan.plays[0];
    assert_eq!(play.batches().collect::<Vec<_>>(), [0..1, 1..3, 3..4]);
    assert_eq!(play.pace.limit, crate::plan::model::FailureLimit::Percent(30.0));
    let flags = play.lanes[0].tasks.iter().map(|task| (task.ignore_errors, task.header.run_once));
    assert_eq!(flags.collect::<Vec<_>>(), [(true, true), (false, false)]);
    let retry = steps(&play.lanes[0].tasks[0])[0].conduct.as_ref().unwrap().retry.clone().unwrap();
    assert_eq!((retry.tries, retry.delay.as_millis()), (4, 500));
    let wrong = playbook.replace("{{ lenient }}", "{{ nowhere }}");
    let errors = Case { playbook: &wrong, ..case }.plan().unwrap_err();
    assert!(errors[0].contains("nowhere"), "{errors:?}");
}

#[test]
fn what_differs_from_host_to_host_is_shown_with_its_hosts() {
    let planned = tasks(
        "- name: own\n  command: id\n  ignore_errors: \"{{ inventory_hostname == 'web-02' }}\"\n\
         - name: none\n  command: id\n  loop: [1, 2]\n  when: item > 1 and only_here is defined\n\
         - name: empty\n  command: id\n  loop: []\n",
    )
    .unwrap();
    assert_eq!(
        show::text(&planned.plan, &planned.redactor),
        "\
PLAY web · 2 hosts · 3 tasks

  1.1  own
      on web-01
        $ id
      on web-02
        $ id
        its failure is ignored

  1.2  none
      on web-01
        $ id
      on web-02
        skipped: `when` is false

  1.3  empty
      on web-01, web-02
        skipped: nothing to loop over

"
    );
    let plan = shown(&planned);
    let states = plan["plays"][0]["hosts"].as_array().unwrap().iter().map(|host| {
        host["tasks"].as_array().unwrap().iter().map(|task| task["state"].clone()).collect()
    });
    let states: Vec<Vec<Value>> = states.collect();
    assert_eq!(states, [["ready", "ready", "skipped"], ["ready", "skipped", "skipped"]]);
}

#[test]
fn tags_may_be_templates_of_what_holds_for_the_whole_play() {
    let playbook = "\
- hosts: web
  vars: { stage: prod, more: [a, 'b, c'] }
  tags: 'on-{{ stage }}'
  tasks:
    - { command: first, tags: ['{{ more }}', d] }
    - { command: second, tags: '{{ own }}, e', vars: { own: 'f,g' } }
    - { command: third, tags: '{{ given | default(stage) }}' }
";
    let case = || Case { inventory: INVENTORY, playbook, ..Case::default() };
    let tags = |case: Case<'_>| -> Vec<String> {
        case.planned().plan.plays[0].tasks.iter().map(|task| task.tags.join(" ")).collect()
    };
    assert_eq!(tags(case()), ["on-prod a b c d", "on-prod f g e", "on-prod prod"]);
    assert_eq!(tags(Case { only: &["c"], ..case() }), ["on-prod a b c d"]);
    assert_eq!(tags(Case { extra: &["given=x"], skip: &["a", "x"], ..case() }).len(), 1);
    for wrong in ["nowhere", "inventory_hostname", "item"] {
        let playbook = playbook.replace("own }}", &format!("{wrong} }}}}"));
        let errors = Case { playbook: &playbook, ..case() }.plan().unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(errors[0].contains(&format!("undefined variable `{wrong}`")), "{errors:#?}");
    }
}
