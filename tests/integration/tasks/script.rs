//! Scripts that are fed to an interpreter on the host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::json;

use super::Site;
use crate::lab::UserOptions;
use crate::lab::processes::{processes_that_mention, wait_until};

/// A script with everything that shells and terminals like to spoil.
fn odd() -> String {
    let long = "x".repeat(5000);
    format!(
        "# it's \"odd\" `id` $(id) \\ ! %s %% \\n {long}\ncat <<'END'\n.\n\nEND\n\
         cat; printf '%s|' 'a\tb' \"$HOME\" '\u{1b}[0m' 'ä' \\\\ '\r' X Y; echo; echo \"$VALUE\"\n\
         id -u; pwd; exit 7"
    )
}

#[test]
fn a_script_runs_as_it_is_whoever_runs_it() {
    let sites = [
        (Site::plain(), false),
        (Site::of(|lab| &lab.users.sh), false),
        (Site::of(|lab| &lab.users.sudoer), true),
    ];
    for (site, sudo) in sites {
        for pty in [false, true] {
            let mut args = json!({
                "script_content": odd(), "get_pty": pty, "working_directory": site.dir,
                "environment": { "VALUE": "line 1\n'line 2'" },
            });
            if sudo {
                args["sudo"] = json!(true);
                args["sudo_password"] = json!(site.user().password);
            }
            // Nothing of it is a template.
            let tasks = json!([{ "name": "odd", "driver_args": args, "failed_when": "result.exit_status != 7" }]);
            let report = site.run(&tasks).status(0).run().report();
            let result = &report.task("web", "odd")["results"][0];
            let uid = if sudo { 0 } else { site.user().uid };
            let home = match sudo {
                true => "/root".to_owned(),
                false => site.user().home.display().to_string(),
            };
            let said = format!(
                ".\n\na\tb|{home}|\u{1b}[0m|ä|\\|\r|X|Y|\nline 1\n'line 2'\n{uid}\n{}\n",
                site.dir.display()
            );
            assert_eq!(result["output"], said, "pty {pty}, sudo {sudo}: {result:#}");
            assert_eq!(
                (&result["exit_status"], &result["command"]),
                (&json!(7), &json!("sh (script_content)"))
            );
        }
    }
}

#[test]
fn any_interpreter_may_run_it_and_a_large_one_arrives_whole() {
    let site = Site::plain();
    let lines: String = (0..20_000).map(|n| format!("total += {n}  # filler\n")).collect();
    let tasks = json!([
        { "name": "python", "command": [], "driver_args": {
            "script_content": format!("total = 0\n{lines}import sys\nprint(total, sys.stdin.read() == '')\n"),
            "script_interpreter": "python3 -u" } },
        { "name": "bash", "driver_args": {
            "script_content": "a=(1 2 3); echo ${a[2]} $BASH_VERSINFO >&2; kill -TERM $$", "script_interpreter": "bash" },
          "ignore_errors": true },
        { "name": "missing", "driver_args": { "script_content": "x", "script_interpreter": "no-such-program" } },
    ]);
    let report = site.run(&tasks).status(2).run().report();
    let python = report.task("web", "python");
    assert_eq!(python["results"][0]["output"], "199990000 True\n");
    assert_eq!(python["action"], "command");
    let bash = &report.task("web", "bash")["results"][0];
    assert!(bash["error"].as_str().unwrap().starts_with("3 5"), "{bash:#}");
    assert_eq!(bash["signal"], "TERM");
    assert_eq!(report.task("web", "missing")["results"][0]["exit_status"], 127);
}

#[test]
fn a_script_shows_in_no_process_list_and_leaves_no_file() {
    let site = Site::of(|lab| &lab.users.nopasswd);
    for sudo in [false, true] {
        let word = format!("unseen{}", uuid::Uuid::now_v7().simple());
        let temporary = site.dir.join(format!("temporary-{sudo}"));
        fs::create_dir(&temporary).unwrap();
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o777)).unwrap();
        let (begun, go) = (site.path(&format!("begun-{sudo}")), site.path(&format!("go-{sudo}")));
        let script = format!(
            ": {word}; touch {begun}; until [ -e {go} ]; do sleep 0.1; done; ls -A \"$TMPDIR\""
        );
        let tasks = json!([{ "name": "wait", "driver_args": {
            "script_content": script, "sudo": sudo, "timeout": 50,
            "environment": { "TMPDIR": temporary } } }]);
        let running = site.run(&tasks).status(0).start();
        assert!(wait_until(Duration::from_secs(40), || fs::exists(&begun).unwrap()));
        assert_eq!(processes_that_mention(&word), [] as [u32; 0]);
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "while the script runs");
        fs::write(&go, "").unwrap();
        let report = running.wait().report();
        assert_eq!(report.task("web", "wait")["results"][0]["output"], "");
    }
}

#[test]
fn a_script_works_where_the_login_shell_is_none_of_posix() {
    if !["/usr/bin/fish", "/bin/csh"].iter().any(|shell| std::path::Path::new(shell).exists()) {
        return;
    }
    let site = Site::plain();
    for shell in ["/usr/bin/fish", "/bin/csh"] {
        if !std::path::Path::new(shell).exists() {
            continue;
        }
        let user = site.lab.add_user("script", UserOptions::default().shell(shell));
        let request = json!({
            "connection_args": user.password_args(site.lab.sshd()),
            "driver_args": { "script_content": "echo 'it'\\''s' $0" },
        });
        let report = crate::lab::Sshoal::new().request(&request).status(0).run().report();
        assert_eq!(report.only_results()[0]["output"], "it's /dev/fd/4\n");
    }
}
