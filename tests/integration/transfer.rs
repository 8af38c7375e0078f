//! Moving files: what arrives, what is left alone, and what is never left behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sshoal::failure::ErrorCode;
use sshoal::plan::spec::{ExecOptions, TransferSpec};
use sshoal::transport::{Cancel, Connection, Ending};

use self::rig::{Rig, SlowLine, connect, download, inode, mode, names, noise, set_mode, upload};
use crate::lab::processes::tool;
use crate::lab::{Lab, SshdOptions, UserOptions};

mod peers;
mod request;
pub(crate) mod rig;
mod staged;
mod sudo;
mod together;
mod tree;

const MEGABYTE: usize = 1024 * 1024;

#[test]
fn content_of_every_size_goes_up_and_comes_down() {
    let mut rig = Rig::new();
    for size in [0, 1, 32767, 32768, 32769, 5 * MEGABYTE + 1] {
        let content = noise(size);
        let (source, remote) = (rig.local("up", &content), rig.there.join("up"));
        let sent = rig.ok(&upload(&source, &remote));
        assert_eq!(fs::read(&remote).unwrap(), content);
        assert!(sent.changed && sent.record.verified, "{size}: {sent:?}");
        assert_eq!(sent.record.bytes_transferred, size as u64);
        assert_eq!(sent.record.total_bytes, size as u64);
        let sum = tool("sha256sum", &[&source], "");
        assert_eq!(sent.record.sha256.as_deref(), sum.split(' ').next());

        let back = rig.here.path().join("back");
        let got = rig.ok(&download(&remote, &back));
        assert_eq!(fs::read(&back).unwrap(), content);
        assert_eq!(got.record.bytes_transferred, size as u64);
        assert_eq!(got.record.sha256, sent.record.sha256);
        assert!(got.changed && (got.record.verified || size == 0), "{size}: {got:?}");
        assert_eq!((sent.warnings.len(), got.warnings.len()), (0, 0));
        fs::remove_file(remote).unwrap();
        fs::remove_file(back).unwrap();
    }
    assert_eq!(names(&rig.there), BTreeSet::new());
}

#[test]
fn the_unit_of_local_reads_does_not_matter() {
    let mut rig = Rig::new();
    let content = noise(300_000);
    let (source, back) = (rig.local("a", &content), rig.here.path().join("b"));
    for chunk_size in [1, 1000, usize::MAX] {
        let remote = rig.there.join("a");
        rig.ok(&TransferSpec { chunk_size, ..upload(&source, &remote) });
        rig.ok(&TransferSpec { chunk_size, ..download(&remote, &back) });
        assert_eq!(fs::read(&back).unwrap(), content);
        fs::remove_file(&remote).unwrap();
        fs::remove_file(&back).unwrap();
    }
}

#[test]
fn names_are_taken_literally() {
    let mut rig = Rig::new();
    for name in
        ["a b", "it's \"q\" $(id) `id`", "new\nline", "-rf", "naïve-Ünï-文", "*?[a]", "a\\b"]
    {
        let source = rig.local(name, name.as_bytes());
        let (remote, back) = (rig.there.join(name), rig.here.path().join("back"));
        let sent = rig.ok(&upload(&source, &remote));
        assert!(sent.record.verified, "{name:?}");
        assert_eq!(fs::read_to_string(&remote).unwrap(), name);
        let got = rig.ok(&download(&remote, &back));
        assert!(got.record.verified, "{name:?}");
        assert_eq!(fs::read_to_string(&back).unwrap(), name);
        fs::remove_file(remote).unwrap();
    }
    assert_eq!(names(&rig.there), BTreeSet::new());
}

#[test]
fn relative_remote_paths_begin_at_the_login_directory() {
    let mut rig = Rig::new();
    let source = rig.local("a", b"1");
    for path in ["-relative", "~/-relative"] {
        rig.ok(&upload(&source, Path::new(path)));
        let landed = rig.lab.users.plain.home.join("-relative");
        assert_eq!(fs::read(&landed).unwrap(), b"1");
        fs::remove_file(landed).unwrap();
    }
}

#[test]
fn the_mode_is_the_requests_else_the_targets_else_the_sources() {
    let mut rig = Rig::new();
    let (source, remote) = (rig.local("a", b"one"), rig.there.join("a"));
    set_mode(&source, 0o751);
    rig.ok(&upload(&source, &remote));
    assert_eq!(mode(&remote), 0o751);

    set_mode(&remote, 0o604);
    fs::write(&source, "two").unwrap();
    rig.ok(&upload(&source, &remote));
    assert_eq!((mode(&remote), fs::read(&remote).unwrap()), (0o604, b"two".to_vec()));

    fs::write(&source, "three").unwrap();
    rig.ok(&TransferSpec { mode: Some(0o2640), ..upload(&source, &remote) });
    assert_eq!(mode(&remote), 0o2640);

    let rendered = rig.there.join("rendered");
    let content = Some(Arc::from(&b"text\n"[..]));
    rig.ok(&TransferSpec { content, ..upload(Path::new("/nowhere/a.j2"), &rendered) });
    assert_eq!((mode(&rendered), fs::read(&rendered).unwrap()), (0o644, b"text\n".to_vec()));

    let back = rig.here.path().join("back");
    set_mode(&remote, 0o2711);
    rig.ok(&download(&remote, &back));
    assert_eq!(mode(&back), 0o711);
    set_mode(&back, 0o600);
    rig.ok(&download(&rendered, &back));
    assert_eq!(mode(&back), 0o600);
    rig.ok(&TransferSpec { mode: Some(0o640), ..download(&remote, &back) });
    assert_eq!(mode(&back), 0o640);
}

#[test]
fn what_is_there_already_is_left_alone() {
    let mut rig = Rig::new();
    let content = noise(100_000);
    let (source, remote) = (rig.local("a", &content), rig.remote("a", &content));
    let up = TransferSpec { mode: Some(0o644), ..upload(&source, &remote) };
    set_mode(&remote, 0o644);
    let before = inode(&remote);
    let same = rig.ok(&up);
    assert!(!same.changed && same.record.verified);
    assert_eq!((same.record.bytes_transferred, same.record.total_bytes), (0, 100_000));
    assert_eq!(inode(&remote), before);

    set_mode(&remote, 0o600);
    let mode_only = rig.ok(&up);
    assert!(mode_only.changed);
    assert_eq!((mode_only.record.bytes_transferred, mode(&remote)), (0, 0o644));

    let down = download(&remote, &source);
    let same = rig.ok(&down);
    assert!(!same.changed);
    assert_eq!(same.record.bytes_transferred, 0);

    let mut other = content.clone();
    other[99_999] ^= 1;
    fs::write(&remote, &other).unwrap();
    let renewed = rig.ok(&up);
    assert!(renewed.changed);
    assert_eq!(renewed.record.bytes_transferred, 100_000);
    assert_eq!(fs::read(&remote).unwrap(), content);
}

#[test]
fn a_symbolic_link_stays_and_what_it_names_is_replaced() {
    let mut rig = Rig::new();
    let (source, real) = (rig.local("a", b"new"), rig.remote("real", b"old"));
    let link = rig.there.join("link");
    symlink("real", &link).unwrap();
    rig.ok(&upload(&source, &link));
    assert_eq!(fs::read(&real).unwrap(), b"new");
    assert!(link.is_symlink());

    let back = rig.here.path().join("back");
    symlink(&source, &back).unwrap();
    fs::write(&real, "newer").unwrap();
    rig.ok(&download(&link, &back));
    assert_eq!(fs::read(&source).unwrap(), b"newer");
    assert!(back.is_symlink());
}

#[test]
fn a_temporary_name_that_somebody_laid_there_is_not_written_through() {
    let mut rig = Rig::new();
    let (source, remote) = (rig.local("a", b"new"), rig.there.join("a"));
    let victim = rig.remote("victim", b"victim");
    // The name is learnt from an attempt that cannot finish.
    let line = SlowLine::to(rig.lab.sshd(), 1_000_000);
    let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
    fs::write(&source, noise(4 * MEGABYTE)).unwrap();
    let spec = TransferSpec { resume: true, ..upload(&source, &remote) };
    let staged = interrupted(slow.as_mut(), &spec, &rig.there);
    fs::remove_file(&staged).unwrap();
    symlink(&victim, &staged).unwrap();
    for resume in [false, true] {
        rig.ok(&TransferSpec { resume, ..upload(&source, &remote) });
        assert_eq!(fs::read(&victim).unwrap(), b"victim");
        assert!(!remote.is_symlink());
        fs::remove_file(&remote).unwrap();
    }
}

pub(crate) fn part_in(directory: &Path) -> Option<String> {
    names(directory).into_iter().find(|name| name.ends_with(".part"))
}

/// Waits until a transfer has written so many bytes to its temporary file, and tells
/// where that is.
fn wait_for_part(directory: &Path, bytes: u64) -> PathBuf {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let part = part_in(directory).map(|name| directory.join(name));
        match part {
            Some(path) if fs::metadata(&path).is_ok_and(|part| part.len() >= bytes) => return path,
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("no temporary file of {bytes} bytes: {:?}", names(directory));
}

/// Makes an attempt and interrupts it as soon as something of it has arrived in
/// `directory`; tells where that is.
fn interrupted(connection: &mut dyn Connection, spec: &TransferSpec, directory: &Path) -> PathBuf {
    let cancel = Cancel::default();
    thread::scope(|scope| {
        let attempt = scope.spawn(|| connection.transfer(spec, &cancel));
        let staged = wait_for_part(directory, 1);
        cancel.cancel();
        let failure = attempt.join().unwrap().unwrap_err();
        assert_eq!(failure.code, ErrorCode::Cancelled, "{failure:?}");
        staged
    })
}

#[test]
fn missing_directories_are_named_or_made() {
    let mut rig = Rig::new();
    let source = rig.local("a", b"1");
    let remote = rig.there.join("x/y/z/a");
    let failure = rig.fail(&upload(&source, &remote), ErrorCode::TransferFailed);
    let directory = remote.parent().unwrap().display().to_string();
    assert!(failure.message.contains(&directory), "{failure:?}");
    assert!(failure.help.unwrap().contains("create_dirs"));
    rig.ok(&TransferSpec { create_dirs: true, ..upload(&source, &remote) });
    assert_eq!(
        (fs::read(&remote).unwrap(), mode(remote.parent().unwrap())),
        (b"1".to_vec(), 0o755)
    );

    let back = rig.here.path().join("x/y/back");
    let failure = rig.fail(&download(&remote, &back), ErrorCode::TransferFailed);
    assert!(failure.help.unwrap().contains("create_dirs"));
    rig.ok(&TransferSpec { create_dirs: true, ..download(&remote, &back) });
    assert_eq!(fs::read(&back).unwrap(), b"1");
}

#[test]
fn directories_devices_and_missing_files_are_refused() {
    let mut rig = Rig::new();
    let source = rig.local("a", b"1");
    let there = rig.there.clone();
    let here = rig.here.path().to_owned();
    let slash = PathBuf::from(format!("{}/", there.display()));
    for spec in [
        upload(&source, &there),
        upload(&source, &slash),
        upload(&source, Path::new("/dev/null")),
        upload(&here, &there.join("b")),
        upload(&here.join("missing"), &there.join("b")),
        upload(Path::new("/dev/zero"), &there.join("b")),
        download(&there, &here.join("b")),
        download(Path::new("/dev/zero"), &here.join("b")),
        download(&there.join("missing"), &here.join("b")),
        download(Path::new("/etc/hosts"), &here),
    ] {
        let failure = rig.fail(&spec, ErrorCode::TransferFailed);
        assert!(!failure.message.is_empty());
    }
    assert_eq!(names(&there), BTreeSet::new());
    assert_eq!(names(&here), BTreeSet::from(["a".to_owned()]));
}

#[test]
fn files_without_a_size_arrive_whole() {
    let mut rig = Rig::new();
    let back = rig.here.path().join("back");
    let got = rig.ok(&download(Path::new("/proc/filesystems"), &back));
    assert_eq!(fs::read(&back).unwrap(), fs::read("/proc/filesystems").unwrap());
    assert_eq!(got.record.total_bytes, got.record.bytes_transferred);
    let there = rig.there.join("up");
    rig.ok(&upload(Path::new("/proc/filesystems"), &there));
    assert_eq!(fs::read(&there).unwrap(), fs::read(&back).unwrap());
}

#[test]
fn denied_access_names_the_path_and_the_side() {
    let mut rig = Rig::new();
    let (source, secret) = (rig.local("a", b"1"), rig.there.join("secret"));
    fs::write(&secret, "root's").unwrap();
    set_mode(&secret, 0o600);
    let failure =
        rig.fail(&upload(&source, Path::new("/etc/sshoal-test")), ErrorCode::TransferPermission);
    assert!(failure.message.contains("the host") && failure.message.contains("`/etc`"));
    let failure =
        rig.fail(&download(&secret, &rig.here.path().join("b")), ErrorCode::TransferPermission);
    assert!(failure.message.contains("the host") && failure.message.contains("secret"));
    assert_eq!(names(rig.here.path()), BTreeSet::from(["a".to_owned()]));
}

/// A file system of one megabyte.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn on(directory: &Path) -> Self {
        let target = directory.display().to_string();
        tool("mount", &["-t", "tmpfs", "-o", "size=1m,mode=0777", "tmpfs", &target], "");
        Self(directory.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        tool("umount", &[&self.0], "");
    }
}

#[test]
fn a_full_disk_is_told_apart_and_left_clean() {
    let mut rig = Rig::new();
    let content = noise(3 * MEGABYTE);
    let (source, remote) = (rig.local("a", &content), rig.remote("a", &content));
    let (disk_there, disk_here) = (rig.there.join("disk"), rig.here.path().join("disk"));
    for directory in [&disk_there, &disk_here] {
        fs::create_dir(directory).unwrap();
        let disk = SmallDisk::on(directory);
        fs::write(directory.join("a"), "old").unwrap();
        set_mode(&directory.join("a"), 0o666);
        let spec = match directory == &disk_there {
            true => upload(&source, &directory.join("a")),
            false => download(&remote, &directory.join("a")),
        };
        let failure = rig.fail(&spec, ErrorCode::TransferNoSpace);
        assert!(failure.help.is_some());
        assert!(failure.message.contains(&content.len().to_string()), "{failure:?}");
        assert_eq!(fs::read(directory.join("a")).unwrap(), b"old");
        assert_eq!(names(directory), BTreeSet::from(["a".to_owned()]));
        drop(disk);
    }
}

#[test]
fn a_transfer_that_takes_too_long_stops_in_time_and_leaves_nothing() {
    let rig = Rig::new();
    // Half a minute's worth.
    let content = noise(60 * MEGABYTE);
    let (source, big) = (rig.local("a", &content), rig.remote("big", &content));
    let (old_there, old_here) = (rig.remote("a", b"old"), rig.local("big", b"old"));
    let small = rig.local("small", b"old");
    let timeout = Some(Duration::from_secs(4));
    for spec in [upload(&source, &old_there), download(&big, &old_here)] {
        let line = SlowLine::to(rig.lab.sshd(), 2_000_000);
        let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
        let began = Instant::now();
        let failure =
            slow.transfer(&TransferSpec { timeout, ..spec }, &Cancel::default()).unwrap_err();
        let took = began.elapsed().as_secs_f64();
        assert_eq!(failure.code, ErrorCode::TransferTimeout, "{failure:?}");
        assert!((4.0..25.0).contains(&took), "{took}");
        assert!(failure.message.contains(&format!("of {} bytes", content.len())), "{failure:?}");
        // The connection either serves the next task or says at once that it cannot.
        line.set_speed(50_000_000);
        let began = Instant::now();
        let next = slow.transfer(&upload(&small, &old_there), &Cancel::default());
        if let Err(failure) = next {
            assert_eq!(failure.code, ErrorCode::ConnectionLost, "{failure:?}");
        }
        assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
        // What was sent before the removal is still on its slow way.
        wait_for_names(&rig.there, &["a", "big"]);
        wait_for_names(rig.here.path(), &["a", "big", "small"]);
    }
    assert_eq!(fs::read(old_there).unwrap(), b"old");
    assert_eq!(fs::read(old_here).unwrap(), b"old");
}

fn wait_for_names(directory: &Path, wanted: &[&str]) {
    let wanted: BTreeSet<_> = wanted.iter().map(|&name| name.to_owned()).collect();
    let began = Instant::now();
    while names(directory) != wanted && began.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(names(directory), wanted);
}

#[test]
fn a_dead_line_does_not_outlast_the_timeout() {
    let rig = Rig::new();
    let source = rig.local("a", &noise(20 * MEGABYTE));
    let line = SlowLine::to(rig.lab.sshd(), 2_000_000);
    let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
    let there = rig.there.clone();
    let cut = thread::spawn(move || {
        wait_for_part(&there, 1);
        line.set_speed(0);
    });
    let began = Instant::now();
    let spec = TransferSpec {
        timeout: Some(Duration::from_secs(5)),
        ..upload(&source, &rig.there.join("a"))
    };
    let failure = slow.transfer(&spec, &Cancel::default()).unwrap_err();
    assert_eq!(failure.code, ErrorCode::TransferTimeout);
    drop(slow);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    cut.join().unwrap();
    assert!(!rig.there.join("a").exists());
}

#[test]
fn a_cancelled_transfer_stops_at_once_and_leaves_nothing() {
    let rig = Rig::new();
    // Half a minute's worth.
    let source = rig.local("a", &noise(60 * MEGABYTE));
    let line = SlowLine::to(rig.lab.sshd(), 2_000_000);
    let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
    let began = Instant::now();
    interrupted(slow.as_mut(), &upload(&source, &rig.there.join("a")), &rig.there);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    wait_for_names(&rig.there, &[]);
}

#[test]
fn a_lost_connection_leaves_the_target_and_can_be_resumed() {
    let mut rig = Rig::new();
    let content = noise(20 * MEGABYTE);
    let (source, target) = (rig.local("a", &content), rig.remote("a", b"old"));
    let server = SshdOptions::default().start();
    let line = SlowLine::to(&server, 2_000_000);
    let mut slow = connect(&server, line.address, &rig.lab.users.plain);
    let spec = TransferSpec { resume: true, ..upload(&source, &target) };
    let sending = spec.clone();
    let transfer = thread::spawn(move || slow.transfer(&sending, &Cancel::default()));
    wait_for_part(&rig.there, 1);
    server.end_sessions();
    let failure = transfer.join().unwrap().unwrap_err();
    assert_eq!(failure.code, ErrorCode::ConnectionLost, "{failure:?}");
    assert_eq!(fs::read(&target).unwrap(), b"old");

    let resumed = rig.ok(&spec);
    assert!(resumed.record.resumed && resumed.record.verified, "{resumed:?}");
    assert!(resumed.record.bytes_transferred < content.len() as u64);
    assert_eq!(fs::read(&target).unwrap(), content);
    assert_eq!(names(&rig.there), BTreeSet::from(["a".to_owned()]));
}

#[test]
fn an_interrupted_transfer_continues_where_it_stopped() {
    let mut rig = Rig::new();
    let content = noise(12 * MEGABYTE);
    let (source, big) = (rig.local("a", &content), rig.remote("big", &content));
    let (there, here) = (rig.there.clone(), rig.here.path().to_owned());
    for (spec, target) in [
        (upload(&source, &there.join("a")), there.join("a")),
        (download(&big, &here.join("big")), here.join("big")),
    ] {
        let directory = target.parent().unwrap();
        let spec = TransferSpec { resume: true, ..spec };
        let line = SlowLine::to(rig.lab.sshd(), 4_000_000);
        let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
        let staged = interrupted(slow.as_mut(), &spec, directory);
        assert!(!target.exists());
        let left = fs::metadata(&staged).unwrap().len();
        assert!(left > 0);

        // A partial file whose beginning differs is of no use.
        let part = fs::read(&staged).unwrap();
        fs::write(&staged, [b"x", &part[1..]].concat()).unwrap();
        let refused = rig.ok(&spec);
        assert!(!refused.record.resumed);
        assert_eq!(refused.record.bytes_transferred, content.len() as u64);
        assert!(refused.record.resume_note.unwrap().contains("differ"));
        assert_eq!(fs::read(&target).unwrap(), content);
        assert_eq!(part_in(directory), None);

        fs::remove_file(&target).unwrap();
        fs::write(&staged, &part).unwrap();
        if directory == there {
            tool("chown", &[&rig.lab.users.plain.name, staged.to_str().unwrap()], "");
        }
        let resumed = rig.ok(&spec);
        assert!(resumed.record.resumed && resumed.record.verified, "{resumed:?}");
        assert_eq!(
            resumed.record.bytes_transferred + part.len() as u64,
            content.len() as u64,
            "{resumed:?}"
        );
        assert_eq!(fs::read(&target).unwrap(), content);
        assert_eq!(part_in(directory), None);
    }
}

#[test]
fn a_partial_target_is_continued_only_when_it_is_one() {
    let mut rig = Rig::new();
    let content = noise(2 * MEGABYTE);
    let half = &content[..MEGABYTE + 7];
    let (source, origin) = (rig.local("a", &content), rig.remote("origin", &content));
    let (there, here) = (rig.there.join("b"), rig.here.path().join("b"));
    for (spec, target) in [(upload(&source, &there), &there), (download(&origin, &here), &here)] {
        let spec = TransferSpec { resume: true, ..spec };
        for (part, resumed) in [(half.to_vec(), true), (noise(1000), false)] {
            fs::write(target, &part).unwrap();
            let done = rig.ok(&spec);
            assert_eq!(done.record.resumed, resumed, "{done:?}");
            let missing = if resumed { content.len() - part.len() } else { content.len() };
            assert_eq!(done.record.bytes_transferred, missing as u64);
            assert!(done.record.resume_note.is_some());
            assert_eq!(&fs::read(target).unwrap(), &content);
        }
        assert_eq!(part_in(target.parent().unwrap()), None);
    }
}

#[test]
fn a_damaged_copy_never_takes_the_targets_place() {
    let lab = Lab::get();
    let user = lab.add_user("liar", UserOptions::default());
    // bash reads this before it starts what a client asks for.
    fs::write(user.home.join(".bashrc"), "PATH=$HOME/bin:$PATH; echo welcome; printf noise\n")
        .unwrap();
    fs::create_dir(user.home.join("bin")).unwrap();
    let tool = user.home.join("bin/sha256sum");
    fs::write(&tool, format!("#!/bin/sh\necho {:064} -\n", 7)).unwrap();
    set_mode(&tool, 0o755);
    let connection = connect(lab.sshd(), lab.sshd().socket_address(), &user);
    let mut rig = Rig::on(lab, connection);
    let target = user.home.join("a");
    let source = rig.local("a", b"");
    // A large file is hashed while it is sent, a small one afterwards.
    for (resume, size) in [(false, 3), (true, 3), (false, 9 * MEGABYTE)] {
        fs::write(&source, noise(size)).unwrap();
        let spec = TransferSpec { resume, ..upload(&source, &target) };
        let failure = rig.fail(&spec, ErrorCode::TransferVerifyFailed);
        assert!(failure.message.contains("untouched"), "{failure:?}");
        assert_eq!(part_in(&user.home), None);
        assert!(!target.exists());
    }
    let here = rig.here.path().join("hosts");
    rig.fail(&download(Path::new("/etc/hosts"), &here), ErrorCode::TransferVerifyFailed);
    assert_eq!(names(rig.here.path()), BTreeSet::from(["a".to_owned()]));
    // Who does not want to verify may have it.
    let sent = rig.ok(&TransferSpec { verify: false, ..upload(&source, &target) });
    assert!(!sent.record.verified);
}

#[test]
fn a_host_without_a_shell_is_served_unverified() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("ForceCommand internal-sftp").start();
    let connection = connect(&server, server.socket_address(), &lab.users.plain);
    let mut rig = Rig::on(lab, connection);
    let (source, remote) = (rig.local("a", b"1"), rig.there.join("a"));
    let sent = rig.ok(&TransferSpec { resume: true, ..upload(&source, &remote) });
    assert!(!sent.record.verified && sent.changed);
    assert!(sent.warnings[0].contains("was not verified"), "{sent:?}");
    let got = rig.ok(&download(&remote, &rig.here.path().join("b")));
    assert!(!got.record.verified);
    assert_eq!(fs::read(rig.here.path().join("b")).unwrap(), b"1");
}

#[test]
fn a_server_that_allows_one_session_is_told_from_one_without_a_shell() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("MaxSessions 1").start();
    let connection = connect(&server, server.socket_address(), &lab.users.plain);
    let mut rig = Rig::on(lab, connection);
    let source = rig.local("a", b"1");
    let sent = rig.ok(&upload(&source, &rig.there.join("a")));
    assert!(!sent.record.verified && sent.warnings[0].contains("MaxSessions"), "{sent:?}");
}

#[test]
fn a_host_without_sftp_is_named_as_such() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("ForceCommand /bin/false").start();
    let connection = connect(&server, server.socket_address(), &lab.users.plain);
    let mut rig = Rig::on(lab, connection);
    let source = rig.local("a", b"1");
    let failure = rig.fail(&upload(&source, &rig.there.join("a")), ErrorCode::ChannelRefused);
    assert!(failure.help.unwrap().contains("Subsystem sftp"));
}

#[test]
fn a_source_that_changes_under_way_is_noticed() {
    let rig = Rig::new();
    let source = rig.local("a", &noise(4 * MEGABYTE));
    for grow in [true, false] {
        let line = SlowLine::to(rig.lab.sshd(), 1_000_000);
        let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
        let (changing, there) = (source.clone(), rig.there.clone());
        let change = thread::spawn(move || {
            wait_for_part(&there, 1);
            let file = fs::OpenOptions::new().write(true).open(changing).unwrap();
            file.set_len(if grow { 9 } else { 1 } * MEGABYTE as u64).unwrap();
            line.set_speed(50_000_000);
        });
        let spec = upload(&source, &rig.there.join("a"));
        let failure = slow.transfer(&spec, &Cancel::default()).unwrap_err();
        assert_eq!(failure.code, ErrorCode::TransferFailed);
        assert!(failure.message.contains("changed while"), "{failure:?}");
        change.join().unwrap();
        wait_for_names(&rig.there, &[]);
    }
}

#[test]
fn small_transfers_share_what_the_first_has_started() {
    let mut rig = Rig::new();
    let server = SshdOptions::default().line("MaxSessions 2").start();
    rig.connection = connect(&server, server.socket_address(), &rig.lab.users.plain);
    for number in 0..20 {
        let source = rig.local("a", format!("{number}").as_bytes());
        let target = rig.there.join(format!("{number}"));
        assert!(rig.ok(&upload(&source, &target)).record.verified);
    }
    let log = server.log();
    assert_eq!(log.matches("Starting session: subsystem").count(), 1, "{log}");
    assert_eq!(log.matches("Starting session: command").count(), 1, "{log}");
    // Two sessions are all that the server grants: a command takes one back. What the
    // transfers keep is not taken for what a command has left behind.
    for line in ["echo x", "sleep 60 & echo x"] {
        let began = Instant::now();
        let ran = rig.connection.execute(line, &plain_options(), false, &Cancel::default());
        assert_eq!(ran.output.bytes, b"x\n", "{ran:?}");
        assert!(began.elapsed() < Duration::from_secs(40), "{ran:?}");
        let source = rig.local("a", b"again");
        assert!(rig.ok(&upload(&source, &rig.there.join("again"))).record.verified);
    }
}

#[test]
fn the_shell_that_transfers_keep_is_no_commands() {
    let mut rig = Rig::new();
    let source = rig.local("a", b"1");
    let target = rig.there.join("a");
    rig.ok(&upload(&source, &target));
    let began = Instant::now();
    let line = "sleep 61 & echo x";
    let ran = rig.connection.execute(line, &plain_options(), false, &Cancel::default());
    assert_eq!((ran.output.bytes.as_slice(), &ran.ending), (&b"x\n"[..], &Ending::Exited(0)));
    assert!(began.elapsed() < Duration::from_secs(40));
    // Ending what a command left behind leaves it alone, too.
    let options = ExecOptions { timeout: Some(Duration::from_secs(1)), ..plain_options() };
    let ran = rig.connection.execute("sleep 62", &options, false, &Cancel::default());
    assert!(matches!(ran.ending, Ending::Failed(_)), "{ran:?}");
    assert_eq!(ran.warnings, [] as [String; 0]);
    fs::write(&source, "2").unwrap();
    assert!(rig.ok(&upload(&source, &target)).record.verified);
}

fn plain_options() -> ExecOptions {
    ExecOptions {
        timeout: Some(Duration::from_secs(30)),
        pty: false,
        stdin_open: false,
        environment: Vec::new(),
        working_directory: None,
        read_size: None,
        max_output: 1 << 20,
        sudo: None,
        script: None,
    }
}
