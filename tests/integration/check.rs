//! `sshoal check` in the forms that CI systems read.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::lab::Sshoal;
use super::lab::processes::tool;

const INVENTORY: &str = "\
all:
  vars: { connection_args: { username: deploy, password: pw } }
  hosts: { web-01: , web-02: }
";

/// Two errors in one file, in the words `hots` and `missing`, and none in another.
fn project() -> Sshoal {
    Sshoal::new()
        .file("inventory.yml", INVENTORY)
        .file("site/bad.yml", "- hosts: all\n  tasks:\n    - command: echo {{ missing }}\n")
        .file("site/typo.yml", "- hots: all\n  tasks: [{ command: uptime }]\n")
        .file("site/good.yml", "- hosts: all\n  tasks: [{ command: uptime }]\n")
        .args(["check", "site/*.yml", "-i", "inventory.yml"])
}

#[test]
fn json_names_every_problem_with_its_place() {
    let finished = project().args(["--format", "json"]).status(1).run();
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&found["errors"], &found["warnings"]), (&2.into(), &0.into()));
    let problems = found["problems"].as_array().unwrap();
    let of = |path: &str| problems.iter().find(|it| it["place"]["path"] == path).unwrap();
    let bad = of("site/bad.yml");
    assert_eq!(bad["code"], "resolve::undefined");
    assert_eq!(bad["hosts"], serde_json::json!(["web-01", "web-02"]));
    let place = &bad["place"];
    assert_eq!((&place["line"], &place["column"]), (&3.into(), &24.into()), "{place}");
    assert_eq!((&place["end_line"], &place["end_column"]), (&3.into(), &31.into()), "{place}");
    assert_eq!(of("site/typo.yml")["severity"], "error");
    assert_eq!(found["files"].as_array().unwrap().len(), 1);
    assert_eq!(found["files"][0]["path"], "site/good.yml");
    assert!(finished.stderr.contains("2 problems"), "people read logs too");
}

#[test]
fn github_gets_annotations_and_a_summary_below_the_root_of_the_work_tree() {
    let sshoal = project().args(["--format", "github"]).status(1);
    let summary = sshoal.home().join("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let root = sshoal.home().join("site");
    let finished = sshoal.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_WORKSPACE", &root).run();
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", finished.stdout);
    assert!(lines[0].starts_with("::error file=typo.yml,line=1,endLine=1,col=3,endColumn=7,"));
    assert!(lines[1].starts_with("::error file=bad.yml,line=3,"), "{}", lines[1]);
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.starts_with("before\n"), "the summary of earlier commands stays");
    assert!(summary.contains("`bad.yml:3:24`") && summary.contains("`typo.yml:1:3`"), "{summary}");
}

#[test]
fn beyond_ten_annotations_the_rest_is_told_all_the_same() {
    let tasks: String =
        (0..14).map(|at| format!("    - command: echo {{{{ missing_{at} }}}}\n")).collect();
    let finished = Sshoal::new()
        .file("inventory.yml", INVENTORY)
        .file("play.yml", format!("- hosts: all\n  tasks:\n{tasks}"))
        .args(["check", "play.yml", "-i", "inventory.yml", "--format", "github"])
        .env("GITHUB_STEP_SUMMARY", "")
        .status(1)
        .run();
    let annotations = finished.stdout.lines().filter(|line| line.starts_with("::")).count();
    assert_eq!(annotations, 10);
    assert!((0..14).all(|at| finished.stdout.contains(&format!("`missing_{at}`"))));
}

#[test]
fn gitlab_gets_a_report_whose_fingerprints_outlive_moved_lines() {
    let fingerprints = |sshoal: Sshoal| -> Vec<(String, u64, String)> {
        let finished = sshoal.args(["--format", "gitlab"]).status(1).run();
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        let issues = report.as_array().unwrap().iter();
        let mut found: Vec<_> = issues
            .map(|issue| {
                assert_eq!(issue["severity"], "major");
                assert!(!issue["description"].as_str().unwrap().is_empty());
                let path = issue["location"]["path"].as_str().unwrap().to_owned();
                let line = issue["location"]["lines"]["begin"].as_u64().unwrap();
                (path, line, issue["fingerprint"].as_str().unwrap().to_owned())
            })
            .collect();
        found.sort();
        found
    };
    let before = fingerprints(project());
    let moved = "# a comment\n\n- hosts: all\n  tasks:\n    - command: echo {{ missing }}\n";
    let after = fingerprints(project().file("site/bad.yml", moved));
    assert_eq!((before[0].1, after[0].1), (3, 5));
    assert_eq!(before[0].2, after[0].2);
    assert_ne!(before[0].2, before[1].2);
}

#[test]
fn nothing_wrong_is_told_in_each_form() {
    let sound = || {
        Sshoal::new()
            .file("inventory.yml", INVENTORY)
            .file("play.yml", "- hosts: all\n  tasks: [{ command: uptime }]\n")
            .args(["check", "play.yml", "inventory.yml", "-i", "inventory.yml"])
            .status(0)
    };
    let stdout = |format: &str| {
        let finished = sound().args(["--format", format]).run();
        assert_eq!(finished.stderr, "");
        finished.stdout
    };
    assert_eq!(stdout("gitlab"), "[]\n");
    assert_eq!(stdout("github"), "");
    let found: Value = serde_json::from_str(&stdout("json")).unwrap();
    assert_eq!(found["problems"], serde_json::json!([]));
    assert_eq!(found["files"].as_array().unwrap().len(), 2);
    assert!(stdout("text").starts_with("ok  "));
}

#[test]
fn a_warning_is_told_and_fails_nothing() {
    let finished = Sshoal::new()
        .file("inventory.yml", format!("{INVENTORY}empty: {{ hosts: {{}} }}\n"))
        .file(
            "play.yml",
            "- hosts: all\n  tasks: [{ command: uptime }]\n- hosts: empty\n  tasks: [{ command: id }]\n",
        )
        .args(["check", "play.yml", "-i", "inventory.yml", "--format", "json"])
        .status(0)
        .run();
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&found["errors"], &found["warnings"]), (&0.into(), &1.into()));
    assert_eq!(found["problems"][0]["severity"], "warning");
    assert_eq!(found["problems"][0]["place"]["line"], 3);
}

#[test]
fn secrets_in_plain_text_are_told_in_files_that_git_has_or_would_take() {
    let sshoal = || {
        Sshoal::new()
            .file("inventory.yml", INVENTORY)
            .file("play.yml", "- hosts: all\n  tasks: [{ command: uptime }]\n")
            .args(["check", "play.yml", "-i", "inventory.yml", "--format", "json"])
            .status(0)
    };
    let warnings = |sshoal: Sshoal| {
        let found: Value = serde_json::from_str(&sshoal.run().stdout).unwrap();
        let problems = found["problems"].as_array().unwrap().iter();
        problems.map(|it| it["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let in_tree = || {
        let sshoal = sshoal();
        let home = sshoal.home().to_str().unwrap();
        let made = Command::new("git").args(["init", "--quiet", home]).status();
        assert!(made.unwrap().success());
        sshoal
    };
    assert_eq!(warnings(sshoal()), [""; 0], "nobody else sees these files");
    assert_eq!(warnings(in_tree()), ["lint::plain_secret"]);
    assert_eq!(warnings(in_tree().file(".gitignore", "inventory.yml\n")), [""; 0]);
}

#[test]
fn what_only_the_runner_has_is_taken_for_given() {
    let play = "- hosts: all\n  tasks:\n    - config: id\n      driver_args: { sudo: true, sudo_password: \"{{ env('NO_SUCH') }}\" }\n";
    let inventory = "\
all:
  vars: { connection_args: { username: deploy } }
  hosts:
    a: { connection_args: { key_filename: ~/.ssh/none } }
    b: { connection_args: { look_for_keys: false } }
";
    let check = |inventory: &str| {
        let sshoal = Sshoal::new().file("play.yml", play).file("inventory.yml", inventory);
        sshoal.args(["check", "play.yml", "-i", "inventory.yml"])
    };
    let finished = check(inventory).status(0).run();
    assert_eq!(finished.stderr, "");
    let finished = check(inventory).arg("--with-credentials").status(1).run();
    for missing in ["`NO_SUCH` is not set", "`~/.ssh/none`", "no credential"] {
        assert!(finished.stderr.contains(missing), "{missing}\n{}", finished.stderr);
    }
    // A key beside the files is part of what is checked.
    let beside = inventory.replace("~/.ssh/none", "keys/none");
    let finished = check(&beside).status(1).run();
    assert!(finished.stderr.contains("`keys/none`"), "{}", finished.stderr);
}

#[test]
fn the_examples_pass_on_a_machine_that_has_none_of_their_secrets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = ["check", "playbooks/*.yml", "-i", "playbooks/inventory/hosts.yml"];
    let finished = Sshoal::new().args(examples).directory(root).status(0).run();
    assert_eq!(finished.stderr, "");
}

/// Nobody writes to the pipe: who opens it as a file waits for ever.
#[test]
fn a_named_pipe_is_refused_wherever_a_file_is_named() {
    let upload = "file_transfer: { operation: upload, local_path: pipe, remote_path: /tmp/x";
    for (head, task, more) in [
        ("", format!("{upload} }}"), ""),
        ("", format!("{upload}, template: true }}"), ""),
        ("", "command: \"echo {{ file('pipe') }}\"".to_owned(), ""),
        ("vars_files: [pipe]", "command: uptime".to_owned(), ""),
        ("connection_args: { key_filename: pipe }", "command: uptime".to_owned(), ""),
        ("", "command: uptime".to_owned(), "-i pipe"),
        ("", "command: uptime".to_owned(), "-e @pipe"),
        ("", "command: uptime".to_owned(), "-l @pipe"),
        ("", "command: uptime".to_owned(), "pipe"),
    ] {
        let sshoal = Sshoal::new()
            .file("inventory.yml", INVENTORY)
            .file("play.yml", format!("- hosts: all\n  {head}\n  tasks:\n    - {task}\n"))
            .args(["run", "--check", "play.yml", "-i", "inventory.yml"])
            .args(more.split_whitespace())
            .limit(Duration::from_secs(60))
            .status(1);
        tool("mkfifo", &[sshoal.home().join("pipe")], "");
        let finished = sshoal.run();
        let words = finished.stderr.split_whitespace().filter(|word| *word != "│");
        let said = words.collect::<Vec<_>>().join(" ");
        assert!(said.contains("no regular file"), "{head} {task} {more}: {said}");
    }
}

#[test]
fn the_pipe_of_a_process_substitution_is_as_good_as_a_file() {
    let sshoal = Sshoal::new()
        .file("inventory.yml", INVENTORY)
        .file("play.yml", "- hosts: all\n  tasks: [{ command: 'echo {{ x }}' }]\n")
        .file("x.yml", "x: 1\n")
        .args(["plan"])
        .under([
            "bash",
            "-c",
            "\"$@\" <(cat play.yml) -i <(cat inventory.yml) -e @<(cat x.yml)",
            "-",
        ]);
    let finished = sshoal.status(0).run();
    assert!(finished.stdout.contains("echo 1"), "{}", finished.transcript());
}
