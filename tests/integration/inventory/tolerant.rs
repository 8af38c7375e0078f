//! What Ansible takes with a warning, and files that `check` finds beside playbooks.

use serde_json::Value;

use crate::lab::Sshoal;

const PLAY: &str = "- hosts: all\n  tasks: [{ command: 'echo {{ x }}' }]\n";

#[test]
fn what_ansible_reads_with_a_warning_is_read_with_one() {
    let inventory = "\
web:
  hosts: { a: { x: 0 }, web: { x: 5 }, odd: { x: 6, ansible_port: abc } }
  hosts: { a: { x: 1, x: 2 }, web: { x: 5 }, odd: { x: 6, ansible_port: abc } }
  owner: me
  vars: { ansible_user: me, ansible_password: nothing-to-guess }
";
    let sshoal = || {
        let sshoal = Sshoal::new().file("hosts.yml", inventory).file("play.yml", PLAY);
        sshoal.file("group_vars/web.yml", "y: 1\ny: 2\n")
    };
    // It prints what the files say, passwords included.
    let listed = sshoal().args(["inventory", "list", "-i", "hosts.yml"]);
    let listed = listed.shows("nothing-to-guess").status(0).run();
    let list: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (&list["_meta"]["hostvars"]["a"]["x"], &list["_meta"]["hostvars"]["a"]["y"]),
        (&2.into(), &2.into())
    );
    for said in [
        "the key `hosts` stands twice in one mapping: the last one counts",
        "the key `x` stands twice",
        "the key `y` stands twice",
        "unknown key `owner` in the group `web`: it is passed over",
        "`web` is the name of a host and of a group",
    ] {
        assert_eq!(listed.stderr.matches(said).count(), 1, "{said}\n{}", listed.stderr);
    }
    let plan = |limit: &str| sshoal().args(["plan", "play.yml", "-i", "hosts.yml", "-l", limit]);
    let planned = plan("a").status(0).run();
    assert!(planned.stdout.contains("$ echo 2"), "{}", planned.stdout);
    assert!(planned.stderr.contains("stands twice"), "{}", planned.stderr);
    // Only whoever uses the port needs one.
    let refused = plan("odd").status(1).run();
    assert!(refused.stderr.contains("`port` must be"), "{}", refused.stderr);
    // A playbook is sshoal's own.
    let twice = sshoal().file("play.yml", "- hosts: all\n  hosts: a\n");
    let twice = twice.args(["plan", "play.yml", "-i", "hosts.yml"]).status(1).run();
    assert!(
        twice.stderr.contains("the key `hosts` stands twice in one mapping\n"),
        "{}",
        twice.stderr
    );
}

#[test]
fn variables_beside_an_imported_playbook_are_its_own() {
    let sshoal = Sshoal::new()
        .file("hosts.ini", "web-01 ansible_user=me ansible_password=nothing-to-guess\n")
        .file("site.yml", "- import_playbook: other/play.yml\n- import_playbook: here.yml\n")
        .file("here.yml", PLAY)
        .file("other/play.yml", PLAY)
        .file("host_vars/web-01.yml", "x: here\n")
        .file("other/host_vars/web-01.yml", "x: there\n");
    let shown = sshoal.args(["plan", "site.yml", "-i", "hosts.ini"]).status(0).run().stdout;
    let (there, here) = (shown.find("$ echo there").unwrap(), shown.find("$ echo here").unwrap());
    assert!(there < here, "{shown}");
}

#[test]
fn what_is_no_playbook_is_checked_as_what_it_is() {
    let sshoal = || {
        Sshoal::new()
            .file("tasks/x.yml", "- import_tasks: y.yml\n- name: a\n  command: id\n")
            .file("tasks/y.yml", "- config: id\n")
            .file("group_vars/web.yml", "a: yes\nb: 1\n")
            .file("inventory/hosts.yml", "web: { hosts: { a: , b: } }\n")
            .file("inventory/group_vars/web.yml", "a: 1\n")
            .file("plays/one.yml", "- hosts: all\n  tasks: [{ command: id }]\n")
            .file(
                "requests.yml",
                "- command: id\n  connection_args: { host: h, username: u, password: p }\n",
            )
    };
    let paths =
        ["check", "tasks/x.yml", "group_vars/web.yml", "inventory", "plays", "requests.yml"];
    let checked = sshoal().args(paths).status(0).run();
    for expected in [
        "ok  tasks/x.yml  tasks: 2, in form only",
        "ok  group_vars/web.yml  variables: 2\n",
        "ok  inventory  inventory of 2 hosts\n",
        "ok  plays/one.yml  in form only",
        "ok  requests.yml  plays: 1, tasks: 1, hosts: 1\n",
    ] {
        assert!(checked.stdout.contains(expected), "{expected}\n{}", checked.transcript());
    }
    let wrong = sshoal()
        .file("tasks/y.yml", "- confg: id\n")
        .args(["check", "tasks/x.yml"])
        .status(1)
        .run();
    assert!(wrong.stderr.contains("tasks/y.yml:1:3"), "{}", wrong.stderr);
}

#[test]
fn variables_of_the_environment_take_lists_and_may_be_empty() {
    let sshoal = || Sshoal::new().file("a.yml", "all: { hosts: { a: } }\n").file("b.ini", "b\n");
    let args = ["exec", "all", "--list-hosts"];
    let hosts =
        |given: &str| sshoal().env("SSHOAL_INVENTORY", given).args(args).status(0).run().stdout;
    assert_eq!(hosts("a.yml,b.ini"), "a\nb\n");
    assert_eq!(hosts("h1,h2,"), "h1\nh2\n");
    let empty = [
        "SSHOAL_TIMEOUT",
        "SSHOAL_FORKS",
        "SSHOAL_HOST_KEY_POLICY",
        "SSHOAL_LIMIT",
        "SSHOAL_COLOR",
        "SSHOAL_PROJECT",
        "SSHOAL_KNOWN_HOSTS",
        "SSHOAL_EXTRA_VARS",
    ];
    let unset = empty.into_iter().fold(sshoal(), |sshoal, name| sshoal.env(name, ""));
    assert_eq!(unset.args(args).args(["-i", "a.yml"]).status(0).run().stdout, "a\n");
}

#[test]
fn colours_are_a_matter_of_choice() {
    let told = |color: &[&str], set: Option<(&str, &str)>| {
        let sshoal = Sshoal::new().args(["check", "missing.yml"]).args(color.iter().copied());
        let sshoal = set.into_iter().fold(sshoal, |sshoal, (name, value)| sshoal.env(name, value));
        sshoal.status(1).run().stderr.contains("\u{1b}[")
    };
    assert!(!told(&[], None), "nobody sees them");
    assert!(told(&["--color", "always"], None));
    assert!(told(&[], Some(("SSHOAL_COLOR", "always"))));
    assert!(told(&["--color", "always"], Some(("NO_COLOR", "1"))), "a flag wins");
    assert!(!told(&["--color", "never"], Some(("SSHOAL_COLOR", "always"))));
}
