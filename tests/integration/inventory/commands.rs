//! What only `sshoal` has: its errors, its flags, and what it does with variables
//! that Ansible has and it cannot use.

use serde_json::{Value, json};

use crate::lab::Sshoal;

const INI: &str = "\
[web]
web-[01:03]
[db]
db-01
[web:vars]
connection_args={'username': 'deploy', 'password': 'nothing-to-guess'}
";

fn plan(sshoal: Sshoal) -> Value {
    let finished = sshoal.args(["-o", "json"]).status(0).run();
    serde_json::from_str(&finished.stdout).unwrap()
}

/// The requests of a plan that has one play, by host.
fn requests(plan: &Value) -> Vec<(String, Value)> {
    let hosts = plan["plays"][0]["hosts"].as_array().unwrap();
    let request = |host: &Value| {
        let text = host["host"].as_str().unwrap().to_owned();
        (text, host["tasks"][0]["requests"][0]["connection_args"].clone())
    };
    hosts.iter().map(request).collect()
}

fn play(hosts: &str) -> String {
    format!("- hosts: {hosts}\n  tasks: [{{ command: uptime }}]\n")
}

#[test]
fn no_host_is_an_error_unless_it_may_be() {
    let sshoal = |pattern: &str| {
        let play = play(&format!("\"{pattern}\""));
        Sshoal::new().file("hosts.ini", INI).file("play.yml", play).args(["run", "play.yml"])
    };
    let none = sshoal("web:&db").args(["-i", "hosts.ini"]).status(1).run();
    assert!(none.stderr.contains("no host matches"), "{}", none.stderr);
    sshoal("web:&db").args(["-i", "hosts.ini", "--allow-no-hosts"]).status(0).run();
    let limit = ["-i", "hosts.ini", "--limit", "db", "--allow-no-hosts"];
    sshoal("web").args(limit).status(0).run();
    // A name that is not known is wrong all the same.
    sshoal("wbe").args(["-i", "hosts.ini", "--allow-no-hosts"]).status(1).run();
}

#[test]
fn files_and_reports_select_hosts() {
    let report = json!({ "schema_version": 1, "plays": [{ "hosts": [
        { "host": "web-02", "outcome": "failed" },
        { "host": "web-01", "outcome": "ok" },
        { "host": "db-01", "outcome": "unreachable" },
    ] }] });
    let fine = json!({ "schema_version": 1, "plays": [] });
    let select = |args: &[&str]| {
        let sshoal = Sshoal::new().file("hosts.ini", INI).file("report.json", report.to_string());
        let sshoal = sshoal.file("fine.json", fine.to_string());
        let sshoal = sshoal.file("list", "# some\nweb\n!web-01\n").file("wrong", "web\nwbe-01\n");
        let common = ["exec", "--list-hosts", "-i", "hosts.ini"];
        sshoal.args(common).args(args.iter().copied()).run()
    };
    for (args, expected) in [
        (&["@list"][..], "web-02\nweb-03\n"),
        (&["@list:db"], "web-02\nweb-03\ndb-01\n"),
        (&["all:!@list"], "db-01\nweb-01\n"),
        (&["all", "--limit", "@report.json"], "db-01\nweb-02\n"),
        (&["web", "--limit", "@report.json"], "web-02\n"),
        (&["all", "--limit", "@fine.json"], ""),
    ] {
        let mut found: Vec<String> = select(args).stdout.lines().map(str::to_owned).collect();
        let mut expected: Vec<&str> = expected.lines().collect();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{args:?}");
    }
    let wrong = select(&["@wrong"]);
    wrong.expect_status(1);
    assert!(wrong.stderr.contains("line 2 of `wrong`"), "{}", wrong.stderr);
    assert!(select(&["@nowhere"]).stderr.contains("no such file"));
}

#[test]
fn ssh_configuration_counts_below_the_inventory() {
    let inventory = "\
web-01 ansible_password=nothing-to-guess
web-02 ansible_password=nothing-to-guess ansible_host=10.0.0.2 ansible_user=own ansible_port=7
bare ansible_password=nothing-to-guess ansible_user=me
";
    let config = "\
Host web-01
  HostName 10.0.0.1
  Port 2222
Host web-* 10.0.0.2
  User ops
  ProxyJump jumper
Host jumper
  HostName 10.9.9.9
  User hopper
";
    let sshoal = || {
        let sshoal = Sshoal::new().file("hosts.ini", inventory).file(".ssh/config", config);
        let key = crate::lab::KeyPair::generate(
            &sshoal.home().join(".ssh/id_ed25519"),
            crate::lab::KeyType::Ed25519,
            crate::lab::KeyFormat::OpenSsh,
            "",
        );
        drop(key);
        sshoal.file("play.yml", play("all")).args(["plan", "play.yml", "-i", "hosts.ini"])
    };
    let planned = plan_of(sshoal());
    let get = |at: usize, key: &str| planned[at].1[key].clone();
    assert_eq!(get(0, "host"), "10.0.0.1");
    assert_eq!(get(0, "port"), 2222);
    assert_eq!(get(0, "username"), "ops");
    assert_eq!(get(0, "proxy_host"), "10.9.9.9");
    assert_eq!(get(1, "host"), "10.0.0.2");
    assert_eq!((get(1, "port"), get(1, "username")), (json!(7), json!("own")));
    assert_eq!(get(1, "proxy_host"), "10.9.9.9");
    assert_eq!((get(2, "host"), get(2, "proxy_host")), (json!("bare"), Value::Null));
    let refused = sshoal().arg("--no-ssh-config").status(1).run();
    assert!(refused.stderr.contains("no `username`"), "{}", refused.stderr);
}

fn plan_of(sshoal: Sshoal) -> Vec<(String, Value)> {
    requests(&plan(sshoal))
}

#[test]
fn what_sshoal_cannot_do_matters_only_where_it_is_used() {
    let inventory = "\
all:
  vars: { ansible_user: me }
  hosts:
    fine: { ansible_password: nothing-to-guess }
    here: { ansible_connection: local, ansible_password: x }
    vaulted: { ansible_password: !vault \"$ANSIBLE_VAULT;1.1;AES256\" }
    ours: { ansible_password: !vault x, connection_args: { password: nothing-to-guess } }
    foreign: { ansible_password: x, ansible_ssh_common_args: '-o ProxyCommand=\"nc %h %p\"' }
";
    let sshoal = |hosts: &str| {
        let sshoal = Sshoal::new().file("hosts.yml", inventory).file("play.yml", play(hosts));
        sshoal.args(["plan", "play.yml", "-i", "hosts.yml"])
    };
    for hosts in ["fine", "ours"] {
        assert_eq!(plan_of(sshoal(hosts))[0].0, hosts);
    }
    for (hosts, said) in [
        ("here", "`ansible_connection: local` is not one that sshoal has"),
        ("vaulted", "`ansible_password` is a `!vault` value"),
        ("foreign", "the `ProxyCommand` in `ansible_ssh_common_args`"),
    ] {
        let refused = sshoal(hosts).status(1).run();
        assert!(refused.stderr.contains(said), "{hosts}: {}", refused.stderr);
    }
}

#[test]
fn variables_beside_each_playbook_are_its_own() {
    let sshoal = Sshoal::new()
        .file("hosts.ini", "web-01 ansible_user=me ansible_password=nothing-to-guess\n")
        .file("one/play.yml", "- hosts: all\n  tasks: [{ command: 'echo {{ where }}' }]\n")
        .file("two/play.yml", "- hosts: all\n  tasks: [{ command: 'echo {{ where }}' }]\n")
        .file("one/group_vars/all.yml", "where: one\n")
        .file("two/host_vars/web-01.yml", "where: two\n")
        .file("group_vars/all/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n");
    let args = ["plan", "one/play.yml", "two/play.yml", "-i", "hosts.ini", "-o", "json"];
    let planned: Value = serde_json::from_str(&sshoal.args(args).status(0).run().stdout).unwrap();
    let command = |play: usize| {
        planned["plays"][play]["hosts"][0]["tasks"][0]["requests"][0]["command"].to_string()
    };
    assert!(command(0).contains("echo one"), "{planned:#}");
    assert!(command(1).contains("echo two"), "{planned:#}");
}

#[test]
fn the_origin_of_a_variable_can_be_told() {
    let sshoal = Sshoal::new()
        .file("hosts.ini", "[web]\nweb-01 a=1\n")
        .file("group_vars/web.yml", "# first\nb: [x]\n");
    let args = ["inventory", "show", "web-01", "-i", "hosts.ini", "--origins"];
    let shown: Value = serde_json::from_str(&sshoal.args(args).status(0).run().stdout).unwrap();
    let expected = json!({
        "a": { "value": 1, "origin": "hosts.ini:2" },
        "b": { "value": ["x"], "origin": "group_vars/web.yml:2" },
    });
    assert_eq!(shown, expected);
}

#[test]
fn a_name_that_is_not_there_is_suggested() {
    let sshoal = |args: &[&str]| {
        let sshoal = Sshoal::new().file("hosts.ini", INI).args(args.iter().copied());
        sshoal.args(["-i", "hosts.ini"]).status(1).stdout("").run().stderr
    };
    assert!(sshoal(&["inventory", "show", "web-04"]).contains("did you mean `web-0"));
    assert!(sshoal(&["inventory", "graph", "wbe"]).contains("did you mean `web`?"));
    let none = Sshoal::new().args(["inventory", "list"]).status(1).run().stderr;
    assert!(none.contains("there is no inventory to show"), "{none}");
}
