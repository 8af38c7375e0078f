//! `sshoal exec` over groups of the fleet.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::{Fleet, outcomes, report};

#[test]
fn hosts_are_listed_without_a_command_or_a_connection() {
    let fleet = Fleet::start();
    for (words, listed) in [
        (&["exec", "web:!web-3", "--list-hosts"][..], "web-1\nweb-2\nweb-4\n"),
        (&["exec", "all", "-l", "app[0:1]:db", "--list-hosts"], "app-1\napp-2\ndb-1\ndb-2\n"),
    ] {
        fleet.sshoal(words).stdout(listed).stderr("").status(0).run();
    }
    assert_eq!(fleet.sshd.log().matches("Accepted").count(), 0);
}

#[test]
fn a_command_runs_on_a_group_literally_and_with_its_environment() {
    let fleet = Fleet::start();
    // What looks like a template is the shell's and docker's own.
    let words =
        ["exec", "web", "-o", "json", "--env", "WORD=a  'b' $c", "--env", "N={{ 1 }}", "--"];
    let command = ["printf", "'%s|%s|%s\\n'", "\"$WORD\"", "\"$N\"", "'{{.Names}}'"];
    let finished = fleet.sshoal(&[&words[..], &command].concat()).status(0).run();
    let report = report(&finished);
    assert_eq!(report.at("/command"), "exec");
    assert_eq!(
        outcomes(&report, 0),
        "web-1 ok: changed\nweb-2 ok: changed\nweb-3 ok: changed\nweb-4 ok: changed\n"
    );
    for host in report.at("/plays/0/hosts").as_array().unwrap() {
        let result = &host["tasks"][0]["results"][0];
        assert_eq!(result["command"], command.join(" "));
        assert_eq!(result["output"], "a  'b' $c|{{ 1 }}|{{.Names}}\n");
    }
    // The same for people.
    let words = ["exec", "web-1,app-2,db-2", "-v", "--", "echo", "on", "$(hostname", "-s)"];
    let finished = fleet.sshoal(&words).status(4).run();
    for expected in ["web-1", "app-2", "db-2", "on "] {
        assert!(finished.stdout.contains(expected), "no `{expected}`\n{}", finished.transcript());
    }
}

#[test]
fn sudo_elevates_an_ad_hoc_command() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.nopasswd;
    let words = ["exec", "app", "--sudo", "--env", "A=b", "-o", "json", "--", "id -un; echo $A"];
    let finished = fleet.sshoal_as(user, &words).status(0).run();
    let report = report(&finished);
    for host in ["app-1", "app-2", "app-3"] {
        let task = &report.host(host)["tasks"][0];
        assert_eq!(task["action"], "config");
        assert_eq!(task["results"][0]["output"], "root\nb\n");
    }
}

#[test]
fn sudo_puts_an_ad_hoc_upload_into_place() {
    let fleet = Fleet::start();
    let user = &fleet.lab.users.nopasswd;
    let scratch = fleet.lab.scratch();
    let there = scratch.path().join("root's");
    let pair = format!("up.txt:{}", there.display());
    let words = ["exec", "app-1", "--sudo", "-o", "json", "--upload", &pair];
    fleet.sshoal_as(user, &words).file("up.txt", "mine").status(0).run();
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    assert_eq!(fs::metadata(&there).unwrap().uid(), 0);
    let pair = format!("{}:down/", there.display());
    let words = ["exec", "app-1", "--sudo", "-o", "json", "--download", &pair];
    let finished = fleet.sshoal_as(user, &words).status(0).run();
    let home = finished.home().join("down/app-1/root's");
    assert_eq!(fs::read_to_string(home).unwrap(), "mine");
}

#[test]
fn files_go_out_and_come_home_to_a_directory_per_host() {
    let fleet = Fleet::start();
    let home = fleet.lab.users.plain.home.clone();
    let there = home.join("ad-hoc.bin");
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let pair = format!("up.bin:{}", there.display());
    // These hosts share a disk, so they take turns: the first one does the work.
    let words = ["exec", "web", "-f", "1", "-o", "json", "--upload", &pair];
    let finished = fleet.sshoal(&words).file("up.bin", &bytes).status(0).run();
    assert_eq!(
        outcomes(&report(&finished), 0),
        "web-1 ok: changed\nweb-2 ok: ok\nweb-3 ok: ok\nweb-4 ok: ok\n"
    );
    assert!(fs::read(&there).unwrap() == bytes, "the bytes differ");

    fs::set_permissions(&there, fs::Permissions::from_mode(0o600)).unwrap();
    let pair = format!("{}:home/", there.display());
    let words = ["exec", "web:db", "-o", "json", "--download", &pair];
    let finished = fleet.sshoal(&words).status(4).run();
    assert_eq!(
        outcomes(&report(&finished), 0),
        "web-1 ok: changed\nweb-2 ok: changed\nweb-3 ok: changed\nweb-4 ok: changed\n\
         db-1 ok: changed\ndb-2 unreachable: unreachable\n"
    );
    let home = finished.home().join("home");
    let mut names: Vec<_> =
        fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["db-1", "web-1", "web-2", "web-3", "web-4"]);
    for name in names {
        assert!(fs::read(home.join(name).join("ad-hoc.bin")).unwrap() == bytes);
    }
}
