//! Several transfers to one target at a time: each ends well, and nothing but whole
//! files ever takes the target's place.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use sshoal::plan::spec::TransferSpec;
use sshoal::transport::Cancel;

use super::rig::{Rig, SlowLine, connect, download, names, noise, upload};
use super::{MEGABYTE, part_in, wait_for_names, wait_for_part};

/// What the machine may be busy with besides; far more than it needs.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(240));

#[test]
fn transfers_to_one_target_at_a_time_do_not_harm_each_other() {
    let rig = Rig::new();
    let content = noise(3 * MEGABYTE);
    let (source, origin) = (rig.local("a", &content), rig.remote("b", &content));
    let (there, here) = (rig.there.join("a"), rig.here.path().join("b"));
    for resume in [false, true] {
        for (spec, target) in [(upload(&source, &there), &there), (download(&origin, &here), &here)]
        {
            let spec = TransferSpec { resume, timeout: PATIENCE, ..spec };
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let sshd = rig.lab.sshd();
                        let address = sshd.socket_address();
                        let mut connection = connect(sshd, address, &rig.lab.users.plain);
                        let done = connection.transfer(&spec, &Cancel::default());
                        assert!(done.as_ref().is_ok_and(|done| done.record.verified), "{done:?}");
                    });
                }
            });
            assert!(fs::read(target).unwrap() == content);
            assert_eq!(part_in(target.parent().unwrap()), None);
            fs::remove_file(target).unwrap();
        }
    }
}

/// Somebody else's attempt replaces the temporary file under way, because what it
/// found there was not its own source's beginning.
#[test]
fn a_temporary_file_that_another_attempt_replaced_is_not_put_into_place() {
    let rig = Rig::new();
    let target = rig.there.join("a");
    // A large file is hashed while it is sent, a small one afterwards.
    for (size, verify) in [(2, true), (2, false), (10, true)] {
        let content = noise(size * MEGABYTE);
        let source = rig.local("a", &content);
        let line = SlowLine::to(rig.lab.sshd(), 1_000_000);
        let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
        let spec =
            TransferSpec { resume: true, verify, timeout: PATIENCE, ..upload(&source, &target) };
        let transfer = thread::spawn(move || slow.transfer(&spec, &Cancel::default()));
        // Until something is in it, the host may not have begun to follow it.
        let staged = wait_for_part(&rig.there, 1);
        fs::remove_file(&staged).unwrap();
        rig.remote(staged.file_name().unwrap().to_str().unwrap(), b"half of something else");
        line.set_speed(100_000_000);
        let done = transfer.join().unwrap().unwrap();
        assert!(fs::read(&target).unwrap() == content);
        assert_eq!(done.record.verified, verify, "{done:?}");
        assert!(!done.record.resumed, "{done:?}");
        assert!(done.record.resume_note.unwrap().contains("took the temporary file"));
        assert_eq!(names(&rig.there), BTreeSet::from(["a".to_owned()]));
        fs::remove_file(&target).unwrap();
    }
}

/// The attempt that was found under way ends first: what is in place is what counts.
#[test]
fn a_temporary_file_that_another_attempt_has_put_into_place_is_not_missed() {
    let rig = Rig::new();
    let content = noise(2 * MEGABYTE);
    let (source, target) = (rig.local("a", &content), rig.there.join("a"));
    for verify in [true, false] {
        let line = SlowLine::to(rig.lab.sshd(), 1_000_000);
        let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
        let spec =
            TransferSpec { resume: true, verify, timeout: PATIENCE, ..upload(&source, &target) };
        let transfer = thread::spawn(move || slow.transfer(&spec, &Cancel::default()));
        let staged = wait_for_part(&rig.there, 0);
        fs::rename(&staged, &target).unwrap();
        line.set_speed(100_000_000);
        let done = transfer.join().unwrap().unwrap();
        assert!(done.changed && done.record.verified, "{done:?}");
        assert!(fs::read(&target).unwrap() == content);
        wait_for_names(&rig.there, &["a"]);
        fs::remove_file(&target).unwrap();
    }
}

/// Two processes on this machine download to one place. The second leaves the first
/// one's temporary file alone, since it is locked.
#[test]
fn a_temporary_file_here_that_another_attempt_writes_to_is_left_to_it() {
    let mut rig = Rig::new();
    let content = noise(3 * MEGABYTE);
    let (origin, target) = (rig.remote("b", &content), rig.here.path().join("b"));
    let spec = TransferSpec { resume: true, timeout: PATIENCE, ..download(&origin, &target) };
    let line = SlowLine::to(rig.lab.sshd(), 1_000_000);
    let mut slow = connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
    let slowly = spec.clone();
    let transfer = thread::spawn(move || slow.transfer(&slowly, &Cancel::default()));
    wait_for_part(rig.here.path(), 0);
    let quick = rig.ok(&spec);
    assert!(!quick.record.resumed && quick.record.verified, "{quick:?}");
    assert_eq!(quick.record.bytes_transferred, content.len() as u64);
    assert!(fs::read(&target).unwrap() == content);
    line.set_speed(100_000_000);
    let slow = transfer.join().unwrap().unwrap();
    assert!(slow.record.verified, "{slow:?}");
    assert!(fs::read(&target).unwrap() == content);
    assert_eq!(part_in(rig.here.path()), None);
}
