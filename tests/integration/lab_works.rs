//! The lab itself: what other tests build on must hold on its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::lab::processes::{
    is_alive, processes_of_user, processes_that_mention, tool, wait_until,
};
use crate::lab::{KeyType, Lab, Sshd, SshdOptions, Sudo, User, UserOptions};

/// What `ssh` prints for `command`, with the key of `user` and a strict
/// known_hosts of the server's lines.
fn ssh(lab: &Lab, server: &Sshd, user: &User, command: &str) -> String {
    let scratch = lab.scratch();
    let known_hosts = scratch.path().join("known_hosts");
    fs::write(&known_hosts, server.known_hosts()).unwrap();
    let options = [
        "-F".to_owned(),
        "none".to_owned(),
        "-oBatchMode=yes".to_owned(),
        "-oStrictHostKeyChecking=yes".to_owned(),
        format!("-oUserKnownHostsFile={}", known_hosts.display()),
        format!("-i{}", user.key.path.display()),
        format!("-p{}", server.port()),
        format!("{}@{}", user.name, server.address()),
        command.to_owned(),
    ];
    tool("ssh", &options, "")
}

#[test]
fn every_user_logs_in_by_key_with_its_shell() {
    let lab = Lab::get();
    for (user, shell) in [(&lab.users.plain, "/bin/bash"), (&lab.users.sh, "/bin/sh")] {
        let said = ssh(&lab, lab.sshd(), user, "id -un; echo $SHELL; pwd");
        assert_eq!(said, format!("{}\n{shell}\n{}\n", user.name, user.home.display()));
    }
}

#[test]
fn passwords_are_accepted_with_and_without_pam() {
    let lab = Lab::get();
    let without = SshdOptions::default().pam(false).start();
    for (server, methods) in [
        (lab.sshd(), [Some("password"), Some("keyboard-interactive")]),
        (&without, [Some("password"), None]),
    ] {
        for method in methods.into_iter().flatten() {
            let user = &lab.users.plain;
            let tcp = std::net::TcpStream::connect(server.socket_address()).unwrap();
            let mut session = ssh2::Session::new().unwrap();
            session.set_tcp_stream(tcp);
            session.handshake().unwrap();
            match method {
                "password" => session.userauth_password(&user.name, &user.password).unwrap(),
                _ => session
                    .userauth_keyboard_interactive(&user.name, &mut Answer(&user.password))
                    .unwrap(),
            }
            assert!(session.authenticated());
        }
    }
}

struct Answer<'p>(&'p str);

impl ssh2::KeyboardInteractivePrompt for Answer<'_> {
    fn prompt(&mut self, _: &str, _: &str, prompts: &[ssh2::Prompt<'_>]) -> Vec<String> {
        prompts.iter().map(|_| self.0.to_owned()).collect()
    }
}

#[test]
fn sudo_follows_each_users_rules() {
    let lab = Lab::get();
    let server = lab.sshd();
    let sudo = "sudo -n id -u 2>&1; true";
    assert_eq!(ssh(&lab, server, &lab.users.nopasswd, sudo), "0\n");
    assert!(ssh(&lab, server, &lab.users.sudoer, sudo).contains("a password is required"));
    let line = format!("echo '{}' | sudo -S -p '' id -u", lab.users.sudoer.password);
    assert_eq!(ssh(&lab, server, &lab.users.sudoer, &line), "0\n");
    let line = format!("echo '{}' | sudo -S -p '' id -u 2>&1; true", lab.users.plain.password);
    assert!(ssh(&lab, server, &lab.users.plain, &line).contains("not in the sudoers file"));

    let rules = Sudo::Rules("USER ALL=(root) NOPASSWD: /usr/bin/id".to_owned());
    let narrow = lab.add_user("narrow", UserOptions::default().sudo(rules));
    assert_eq!(ssh(&lab, server, &narrow, "sudo -n /usr/bin/id -u"), "0\n");
    assert!(ssh(&lab, server, &narrow, "sudo -n /bin/true 2>&1; true").contains("password"));
}

#[test]
fn a_server_has_the_host_keys_it_was_given_on_all_its_addresses() {
    let lab = Lab::get();
    let server = SshdOptions::default()
        .addresses(["127.0.0.1", "127.0.0.3"])
        .host_keys([KeyType::Ecdsa])
        .line("MaxAuthTries 2")
        .start();
    assert_eq!(server.known_hosts().lines().count(), 2);
    assert_eq!(ssh(&lab, &server, &lab.users.plain, "echo in"), "in\n");
    assert!(server.log().contains("Accepted publickey"));
}

#[test]
fn nothing_outlives_its_handle() {
    let lab = Lab::get();
    let server = SshdOptions::default().start();
    let user = lab.add_user("gone", UserOptions::default().sudo(Sudo::NoPassword));
    // Other runs of this test must not be found by it.
    let mark = &format!("sleep 4321.{}", std::process::id());
    let mut session = Command::new("ssh")
        .args(["-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=no"])
        .args(["-oUserKnownHostsFile=/dev/null", &format!("-p{}", server.port()), "-i"])
        .arg(&user.key.path)
        .arg(format!("{}@{}", user.name, server.address()))
        .arg(format!("sudo -n {mark} & setsid {mark} & exec {mark}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The sleeps themselves: sudo, whose own is root's, may have yet to start it.
    let begins_so = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").starts_with(mark)
    };
    let running = || processes_that_mention(mark).iter().filter(|pid| begins_so(pid)).count();
    assert!(wait_until(Duration::from_secs(30), || running() == 3));

    let (name, home, dir, pid) =
        (user.name.clone(), user.home.clone(), server.dir().to_owned(), server.pid());
    let uid = user.uid;
    drop(server);
    drop(user);
    session.wait().unwrap();
    assert!(!is_alive(pid));
    // The kernel takes a moment to bury what was killed.
    let moment = Duration::from_secs(30);
    assert!(wait_until(moment, || processes_of_user(uid).is_empty()));
    assert!(wait_until(moment, || processes_that_mention(mark).is_empty()));
    for path in [home, dir, Path::new("/etc/sudoers.d").join(&name)] {
        assert!(!path.exists(), "{} is still there", path.display());
    }
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains(&name));
}
