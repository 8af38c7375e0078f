//! Every way in which sudo can go, with and without a terminal.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use sshoal::plan::spec::{ExecOptions, SudoSpec};
use sshoal::secret::Secret;
use sshoal::transport::{Connection, Ending, Execution};

use super::{connect, elevated, failure, options, output, run, shown, text, words};
use crate::lab::{Lab, Sudo, User, UserOptions};

const BOTH: [bool; 2] = [false, true];

/// Neither stream may show `secret`, and with it nothing of the machinery.
fn assert_clean(execution: &Execution, secret: &str) {
    let all = shown(execution);
    assert!(!all.contains(secret), "{all}");
    assert!(!all.contains("sshoal-"), "{all}");
}

#[test]
fn a_whole_line_runs_as_root() {
    let lab = Lab::get();
    let (asked, trusted) = (&lab.users.sudoer, &lab.users.nopasswd);
    for (user, password) in [
        (asked, Some(asked.password.as_str())),
        (trusted, None),
        (trusted, Some("a-password-nobody-asks-for")),
    ] {
        let mut connection = connect(lab.sshd(), user);
        for pty in BOTH {
            let options = elevated(password, pty);
            for (line, expected) in [
                ("id -un", "root\n".to_owned()),
                ("id -un | tr a-z A-Z && id -u; echo $(id -un)", "ROOT\n0\nroot\n".to_owned()),
                ("cat; echo end", "end\n".to_owned()),
                ("cat <<X\nhere $(id -u)\n  'quoted' \\ !\nX", "here 0\n  'quoted' \\ !\n".into()),
                ("echo $SUDO_USER", format!("{}\n", user.name)),
                ("# a comment\nid -u # and another", "0\n".to_owned()),
            ] {
                let execution = run(&mut connection, line, &options);
                assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
                assert_eq!(text(&execution.output.bytes), expected, "{line}, pty {pty}");
                assert_eq!(text(&execution.error.bytes), "", "{line}, pty {pty}");
            }
            let execution = run(&mut connection, "echo err >&2; exit 7", &options);
            assert_eq!(execution.ending, Ending::Exited(7));
            let stream = if pty { &execution.output } else { &execution.error };
            assert_eq!(stream.bytes, b"err\n");
        }
    }
}

#[test]
fn a_redirect_writes_a_file_of_roots() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let mut connection = connect(lab.sshd(), user);
    let scratch = lab.scratch();
    for pty in BOTH {
        let file = scratch.path().join(format!("hostname-{pty}"));
        let line = format!("echo new-name > {}", file.display());
        let execution = run(&mut connection, &line, &elevated(Some(&user.password), pty));
        assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new-name\n");
    }
}

#[test]
fn another_user_can_be_become() {
    let lab = Lab::get();
    let mut connection = connect(lab.sshd(), &lab.users.sudoer);
    for pty in BOTH {
        for shell in BOTH {
            let password = Some(Secret::new(lab.users.sudoer.password.as_str()));
            let sudo = Some(SudoSpec { password, user: Some(lab.users.sh.name.clone()), shell });
            let options = ExecOptions { pty, sudo, ..options() };
            assert_eq!(
                output(&mut connection, "id -un", &options),
                lab.users.sh.name.clone() + "\n"
            );
        }
    }
}

#[test]
fn passwords_of_every_character_are_accepted() {
    let lab = Lab::get();
    for (role, password) in
        [("torture", "a'b\"c $HOME `id` \\ !x *?[] ~ #;&|<>(){} %s ^=,:@+-/ ü"), ("one", "1")]
    {
        let user =
            lab.add_user(role, UserOptions::default().password(password).sudo(Sudo::Password));
        let mut connection = connect(lab.sshd(), &user);
        for pty in BOTH {
            let options = elevated(Some(password), pty);
            assert_eq!(output(&mut connection, "echo 121; cat; id -u", &options), "121\n0\n");
            // The next one is asked again, whatever sudo remembers for a terminal.
            run(&mut connection, "sudo -K", &super::options());
        }
    }
}

/// More attempts could lock the account, so it counts what sudo really gets to read.
#[test]
fn a_wrong_password_is_tried_once() {
    let lab = Lab::get();
    let user = lab.add_user("once", UserOptions::default().sudo(Sudo::Password));
    // Where there is a terminal sudo may ask there, so that is what is read. Under the
    // name of sudo, a program with children would pass for one that runs the command.
    let script = "#!/bin/sh\n\
        printf once > /proc/$$/comm\n\
        if [ -t 2 ]; then exec </dev/tty; fi\n\
        while IFS= read -r line; do echo \"$line\" >> $HOME/typed; echo \"$line\"; done |\n\
        /usr/bin/sudo -S \"$@\"\n";
    give_sudo(&user, script);
    let typed = user.home.join("typed");
    let mut connection = connect(lab.sshd(), &user);
    for pty in BOTH {
        for options in
            [elevated(Some("not-the-password"), pty), words(Some("not-the-password"), pty)]
        {
            let _ = std::fs::remove_file(&typed);
            let execution = run(&mut connection, "id -u", &options);
            assert_eq!(failure(&execution), "sudo_auth_failed", "{}", shown(&execution));
            assert_clean(&execution, "not-the-password");
            let typed = std::fs::read_to_string(&typed).unwrap();
            assert_eq!(typed, "not-the-password\n", "pty {pty}");
        }
    }
}

#[test]
fn a_missing_password_is_named() {
    let lab = Lab::get();
    let mut connection = connect(lab.sshd(), &lab.users.sudoer);
    for pty in BOTH {
        for options in [elevated(None, pty), words(None, pty)] {
            let execution = run(&mut connection, "id -u", &options);
            assert_eq!(failure(&execution), "sudo_password_required", "{}", shown(&execution));
        }
    }
}

#[test]
fn who_may_not_use_sudo_is_told_so() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let mut connection = connect(lab.sshd(), user);
    for pty in BOTH {
        for options in [elevated(Some(&user.password), pty), words(Some(&user.password), pty)] {
            let execution = run(&mut connection, "id -u", &options);
            assert_eq!(failure(&execution), "sudo_not_permitted", "{}", shown(&execution));
            assert!(!shown(&execution).contains(&user.password));
        }
    }
}

#[test]
fn a_rule_for_one_command_needs_the_words_form() {
    let lab = Lab::get();
    let rules = Sudo::Rules("USER ALL=(root) /usr/bin/id, NOPASSWD: /usr/bin/wc".to_owned());
    let user = lab.add_user("narrow", UserOptions::default().sudo(rules));
    let password = Some(user.password.as_str());
    let mut connection = connect(lab.sshd(), &user);
    for pty in BOTH {
        let execution = run(&mut connection, "id -u", &elevated(password, pty));
        assert_eq!(failure(&execution), "sudo_not_permitted");
        assert!(shown(&execution).contains("sudo_shell: false"), "{}", shown(&execution));
        for line in ["/usr/bin/id -u", "id '-u'"] {
            let execution = run(&mut connection, line, &words(password, pty));
            assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
            assert_eq!(text(&execution.output.bytes), "0\n", "pty {pty}");
            assert_clean(&execution, &user.password);
        }
        // Nobody asks for the password, and the command does not get it either.
        assert_eq!(output(&mut connection, "wc -c", &words(password, pty)), "0\n");
        assert_eq!(output(&mut connection, "wc -c", &words(None, pty)), "0\n");
        let execution = run(&mut connection, "/usr/bin/whoami", &words(password, pty));
        assert_eq!(failure(&execution), "sudo_not_permitted");
        let execution = run(&mut connection, "id --no-such-option", &words(password, pty));
        assert_eq!(execution.ending, Ending::Exited(1), "{}", shown(&execution));
    }
}

#[test]
fn requiretty_asks_for_a_terminal() {
    let lab = Lab::get();
    let rules = "Defaults:USER requiretty\nUSER ALL=(ALL:ALL) ALL";
    let user = lab.add_user("tty", UserOptions::default().sudo(Sudo::Rules(rules.to_owned())));
    let mut connection = connect(lab.sshd(), &user);
    let execution = run(&mut connection, "id -u", &elevated(Some(&user.password), false));
    assert_eq!(failure(&execution), "sudo_requires_tty", "{}", shown(&execution));
    assert!(shown(&execution).contains("get_pty: true"));
    assert_eq!(output(&mut connection, "id -u", &elevated(Some(&user.password), true)), "0\n");
}

#[test]
fn the_lecture_is_no_output() {
    let lab = Lab::get();
    let rules = "Defaults:USER lecture=always\nUSER ALL=(ALL:ALL) ALL";
    let user = lab.add_user("lecture", UserOptions::default().sudo(Sudo::Rules(rules.to_owned())));
    let mut connection = connect(lab.sshd(), &user);
    for pty in BOTH {
        for options in [elevated(Some(&user.password), pty), words(Some(&user.password), pty)] {
            let execution = run(&mut connection, "id -u", &options);
            assert_eq!(text(&execution.output.bytes), "0\n");
            assert_eq!(text(&execution.error.bytes), "");
            run(&mut connection, "sudo -K", &super::options());
        }
    }
}

#[test]
fn without_use_pty_it_is_all_the_same() {
    let lab = Lab::get();
    let rules = "Defaults:USER !use_pty, timestamp_timeout=0\nUSER ALL=(ALL:ALL) ALL";
    let user = lab.add_user("nopty", UserOptions::default().sudo(Sudo::Rules(rules.to_owned())));
    let mut connection = connect(lab.sshd(), &user);
    for pty in BOTH {
        for options in [elevated(Some(&user.password), pty), words(Some(&user.password), pty)] {
            let execution = run(&mut connection, "/usr/bin/env printf '%s|' a 'b c'", &options);
            assert_eq!(text(&execution.output.bytes), "a|b c|", "{}", shown(&execution));
            assert_clean(&execution, &user.password);
        }
    }
}

#[test]
fn the_command_sees_the_locale_it_would_have() {
    let lab = Lab::get();
    let mut connection = connect(lab.sshd(), &lab.users.nopasswd);
    let line = "echo ${LC_ALL-unset} ${LANGUAGE-unset}";
    let plain = output(&mut connection, &format!("sudo sh -c '{line}'"), &options());
    for pty in BOTH {
        assert_eq!(output(&mut connection, line, &elevated(None, pty)), plain);
    }
}

#[test]
fn variables_reach_single_commands_too_where_the_rule_lets_them() {
    let lab = Lab::get();
    let mut connection = connect(lab.sshd(), &lab.users.sudoer);
    for pty in BOTH {
        let environment = vec![("GREETING".to_owned(), "it's \n me".to_owned())];
        let password = Some(lab.users.sudoer.password.as_str());
        let options = ExecOptions { environment, ..words(password, pty) };
        assert_eq!(output(&mut connection, "printenv GREETING", &options), "it's \n me\n");
    }
}

#[test]
fn other_login_shells_do_as_well() {
    let lab = Lab::get();
    for shell in ["/bin/dash", "/bin/mksh", "/usr/bin/tcsh", "/usr/bin/fish", "/usr/bin/zsh"] {
        let is_there = std::path::Path::new(shell).exists();
        assert!(is_there, "`{shell}` is missing: run the tests by `tests/run`, which installs it");
        let name = shell.rsplit('/').next().unwrap();
        let user = lab.add_user(name, UserOptions::default().shell(shell).sudo(Sudo::Password));
        std::fs::create_dir(user.home.join("it's! \\ here")).unwrap();
        let mut connection: Box<dyn Connection> = connect(lab.sshd(), &user);
        for pty in BOTH {
            for base in [ExecOptions { pty, ..options() }, elevated(Some(&user.password), pty)] {
                let options = ExecOptions {
                    environment: vec![("V".to_owned(), "it's! \\ \n".to_owned())],
                    working_directory: Some(format!("{}/it's! \\ here", user.home.display())),
                    ..base
                };
                let line = "printenv V; echo 'wow' \"so\"; readlink /proc/self/cwd | sed 's,.*/,,'";
                let expected = "it's! \\ \n\nwow so\nit's! \\ here\n";
                assert_eq!(output(&mut connection, line, &options), expected, "{shell}");
            }
        }
        let timeout = Some(Duration::from_secs(3));
        let options = ExecOptions { timeout, ..elevated(Some(&user.password), true) };
        let execution = run(&mut connection, "sleep 50 | cat", &options);
        assert_eq!(failure(&execution), "command_timeout");
        assert_eq!(execution.warnings, [""; 0], "{shell}");
    }
}

#[test]
fn background_children_of_root_do_not_hold_the_task() {
    let lab = Lab::get();
    let mut connection = connect(lab.sshd(), &lab.users.nopasswd);
    for pty in BOTH {
        let began = Instant::now();
        assert_eq!(output(&mut connection, "sleep 60 & echo x", &elevated(None, pty)), "x\n");
        let execution = run(&mut connection, "sleep 60 & exit 3", &elevated(None, pty));
        assert_eq!(execution.ending, Ending::Exited(3));
        assert!(began.elapsed() < Duration::from_secs(40), "pty {pty}");
    }
}

#[test]
fn an_unknown_user_is_named() {
    let lab = Lab::get();
    let mut connection = connect(lab.sshd(), &lab.users.nopasswd);
    for shell in BOTH {
        let sudo = Some(SudoSpec { password: None, user: Some("no-such-user".into()), shell });
        let execution = run(&mut connection, "id", &ExecOptions { sudo, ..options() });
        assert_eq!(failure(&execution), "sudo_not_permitted", "{}", shown(&execution));
        assert!(shown(&execution).contains("`no-such-user`"));
    }
}

/// A user whose shell finds another `sudo` than the system's.
pub(crate) fn with_sudo_of(lab: &Lab, role: &str, script: Option<&str>) -> User {
    let user = lab.add_user(role, UserOptions::default());
    if let Some(script) = script {
        give_sudo(&user, script);
    } else {
        let bin = user.home.join("bin");
        std::fs::create_dir(&bin).unwrap();
        for tool in ["env", "printf"] {
            std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), bin.join(tool)).unwrap();
        }
        user.write(".bashrc", "PATH=$HOME/bin\n");
    }
    user
}

/// Has the user's shell find `script` before the system's sudo.
fn give_sudo(user: &User, script: &str) {
    std::fs::create_dir(user.home.join("bin")).unwrap();
    let path = user.write("bin/sudo", script);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    user.write(".bashrc", "PATH=$HOME/bin:$PATH\n");
}

#[test]
fn a_host_without_sudo_is_told_apart() {
    let lab = Lab::get();
    let user = with_sudo_of(&lab, "nosudo", None);
    let mut connection = connect(lab.sshd(), &user);
    for pty in BOTH {
        for options in [elevated(Some("secret-password"), pty), words(None, pty)] {
            let execution = run(&mut connection, "id -u", &options);
            assert_eq!(failure(&execution), "sudo_not_permitted", "{}", shown(&execution));
            assert!(shown(&execution).contains("the host has no `sudo`"), "{}", shown(&execution));
        }
    }
}

#[test]
fn a_prompt_of_another_wording_is_not_answered() {
    let lab = Lab::get();
    let script = "#!/bin/sh\nprintf 'Verification code: ' >&2\nread answer\n\
                  echo \"got $answer\" > $HOME/answer\n";
    let user = with_sudo_of(&lab, "oddpam", Some(script));
    let mut connection = connect(lab.sshd(), &user);
    let execution = run(&mut connection, "id -u", &elevated(Some("secret-password"), true));
    assert_eq!(failure(&execution), "sudo_prompt_unknown");
    assert!(text(&execution.output.bytes).contains("Verification code"));
    let answer = std::fs::read_to_string(user.home.join("answer")).unwrap_or_default();
    assert!(!answer.contains("secret-password"));
}
