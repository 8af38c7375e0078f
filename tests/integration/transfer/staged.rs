//! What lies on the host between the login user and the one whose files they become:
//! who can read it meanwhile, and that nothing of it stays.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sshoal::failure::ErrorCode;
use sshoal::plan::spec::{SudoSpec, TransferSpec};
use sshoal::secret::Secret;
use sshoal::transport::Cancel;

use super::rig::{Rig, SlowLine, connect, download, names, noise, set_mode, upload};
use crate::exec::{SLOW_SUDO, with_sudo_of};
use crate::lab::processes::{processes_of_user, processes_that_mention, wait_until};
use crate::lab::{Lab, SshdOptions, Sudo, User, UserOptions};

/// What is staged on the host by a user.
fn stages(uid: u32) -> Vec<PathBuf> {
    let entries = ["/var/tmp", "/tmp"].into_iter().flat_map(|dir| fs::read_dir(dir).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_stage = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sshoal-"))
            && fs::metadata(path).is_ok_and(|metadata| metadata.uid() == uid)
    };
    paths.filter(is_stage).collect()
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
    }
}

/// What a shell of `user` prints on both streams.
fn as_user(user: &User, script: &str) -> String {
    let output = Command::new("/bin/sh")
        .args(["-c", script])
        .current_dir("/")
        .env("LC_ALL", "C")
        .uid(user.uid)
        .gid(user.uid)
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn what_is_staged_for_another_user_is_for_nobody_else() {
    let lab = Lab::get();
    let sender = lab.add_user("sender", UserOptions::default().sudo(Sudo::NoPassword));
    let target = lab.add_user("target", UserOptions::default());
    let stranger = &lab.users.sh;
    let server = lab.sshd();
    let mut connection = connect(server, server.socket_address(), &sender);
    let content = noise(100 << 20);
    let here = lab.scratch();
    let source = here.path().join("source");
    fs::write(&source, &content).unwrap();
    set_mode(&source, 0o600);
    let arrived = target.home.join("arrived");
    let sudo = Some(SudoSpec { password: None, user: Some(target.name.clone()), shell: true });
    let spec = TransferSpec { sudo, ..upload(&source, &arrived) };

    std::thread::scope(|scope| {
        let sent = scope.spawn(|| connection.transfer(&spec, &Cancel::default()));
        let is_part = |name: &String| name.starts_with(".sshoal-");
        let caught = wait_until(Duration::from_secs(50), || {
            names(&target.home).iter().any(is_part) || sent.is_finished()
        });
        signal(&processes_of_user(target.uid), Signal::STOP);
        let (stages, parts) = (stages(sender.uid), names(&target.home));
        let stage = stages.first().map_or(Path::new("/nowhere"), PathBuf::as_path);
        let listed = as_user(stranger, &format!("ls -R {}; ls {0}/*", stage.display()));
        let guessed = as_user(stranger, &format!("head -c 10 {0}/file {0}/*", stage.display()));
        let shown = as_user(
            stranger,
            &format!(
                "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -ao '{}/[^ ]*'",
                stage.display()
            ),
        );
        let staged = names(stage);
        // sudo stops itself when what it runs is stopped.
        wait_until(Duration::from_secs(50), || {
            signal(&processes_that_mention(&target.name), Signal::CONT);
            signal(&processes_of_user(target.uid), Signal::CONT);
            sent.is_finished()
        });
        let sent = sent.join().unwrap().unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(sent.record.verified && caught && parts.iter().any(is_part), "{parts:?}");
        assert_eq!(staged.len(), 1, "{staged:?}");
        let name = staged.first().unwrap();
        assert!(listed.contains("Permission denied") && !listed.contains(name), "{listed}");
        assert!(guessed.contains("No such file"), "{guessed}");
        assert!(!shown.contains(name), "{shown}");
    });
    assert!(fs::read(&arrived).unwrap() == content);
    assert_eq!(fs::metadata(&arrived).unwrap().uid(), target.uid);
    assert_eq!(stages(sender.uid), [] as [PathBuf; 0]);
}

#[test]
fn an_interrupted_upload_is_told_by_its_target() {
    let lab = Lab::get();
    let user = lab.add_user("stopped", UserOptions::default().sudo(Sudo::NoPassword));
    let line = SlowLine::to(lab.sshd(), 1_000_000);
    let mut connection = connect(lab.sshd(), line.address, &user);
    let rig = Rig::new();
    let tree = rig.here.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), noise(8_000_000)).unwrap();
    let sudo = Some(SudoSpec { password: None, user: None, shell: true });
    let target = rig.there.join("target");
    for recursive in [false, true] {
        let source = if recursive { tree.clone() } else { tree.join("a") };
        let spec = TransferSpec { sudo: sudo.clone(), recursive, ..upload(&source, &target) };
        let cancel = Cancel::default();
        let failure = std::thread::scope(|scope| {
            let sent = scope.spawn(|| connection.transfer(&spec, &cancel).unwrap_err());
            let is_staged = |stage: &PathBuf| {
                names(stage).iter().any(|name| !recursive || !names(&stage.join(name)).is_empty())
            };
            let limit = Duration::from_secs(50);
            assert!(wait_until(limit, || stages(user.uid).iter().any(is_staged)));
            cancel.cancel();
            sent.join().unwrap()
        });
        line.set_speed(50_000_000);
        assert_eq!(failure.code, ErrorCode::Cancelled);
        let words = format!("the upload to `{}` was cancelled", target.display());
        assert!(failure.message.starts_with(&words), "{failure:?}");
        let rest = failure.message.replace(target.to_str().unwrap(), "");
        assert!(!rest.contains("sshoal-"), "{failure:?}");
        assert!(wait_until(Duration::from_secs(30), || stages(user.uid).is_empty()));
        line.set_speed(1_000_000);
    }
}

#[test]
fn few_sessions_are_enough_and_leave_nothing_behind() {
    let lab = Lab::get();
    let user = lab.add_user("few", UserOptions::default().sudo(Sudo::Password));
    let password = Some(Secret::new(user.password.clone()));
    let sudo = Some(SudoSpec { password, user: None, shell: true });
    for sessions in 1..=3 {
        let server = SshdOptions::default().line(&format!("MaxSessions {sessions}")).start();
        let connection = connect(&server, server.socket_address(), &user);
        let mut rig = Rig::on(Lab::get(), connection);
        let source = rig.here.path().join("tree");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("a"), noise(100_000)).unwrap();
        for round in 0..2 {
            fs::write(source.join("b"), noise(200_000 + round)).unwrap();
            let (file, tree) = (rig.there.join("file"), rig.there.join("tree"));
            let through = |spec| TransferSpec { sudo: sudo.clone(), ..spec };
            let whole = |spec| TransferSpec { recursive: true, ..through(spec) };
            rig.ok(&through(upload(&source.join("b"), &file)));
            rig.ok(&whole(upload(&source, &tree)));
            let back = rig.here.path().join(format!("back-{round}"));
            rig.ok(&whole(download(&tree, &back)));
            assert_eq!(fs::read(back.join("b")).unwrap(), noise(200_000 + round));
            rig.ok(&through(download(&file, &back.join("c"))));
            // Without sudo, and a failure after the staging.
            rig.ok(&download(&file, &back.join("d")));
            let blocked = rig.there.join("file/below");
            rig.fail(&through(upload(&source.join("a"), &blocked)), ErrorCode::TransferFailed);
            assert_eq!(stages(user.uid), [] as [PathBuf; 0], "{sessions} sessions");
        }
    }
}

#[test]
fn a_password_that_sudo_has_not_accepted_is_sent_once() {
    let lab = Lab::get();
    let user = with_sudo_of(&lab, "slow", Some(SLOW_SUDO));
    let server = lab.sshd();
    let connection = connect(server, server.socket_address(), &user);
    let mut rig = Rig::on(Lab::get(), connection);
    let source = rig.local("a", b"one");
    let password = Some(Secret::new("never-accepted"));
    let spec = TransferSpec {
        sudo: Some(SudoSpec { password, user: None, shell: true }),
        timeout: Some(Duration::from_secs(3)),
        ..upload(&source, &rig.there.join("a"))
    };
    rig.fail(&spec, ErrorCode::TransferTimeout);
    for name in ["calls", "answers"] {
        let lines = fs::read_to_string(user.home.join(name)).unwrap_or_default();
        assert!(lines.lines().count() <= 1, "{name}: {lines}");
    }
}
