//! Transfers through sudo: what lands as whose, what is read, and who may not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use sshoal::failure::ErrorCode;
use sshoal::plan::spec::{SudoSpec, TransferSpec};
use sshoal::secret::Secret;
use sshoal::transport::FileCount;

use super::rig::{Rig, connect, download, inode, mode, names, noise, set_mode, upload};
use crate::lab::{Lab, User};

fn rig(pick: impl Fn(&Lab) -> &User) -> (Rig, TransferSpecs) {
    let lab = Lab::get();
    let user = pick(&lab);
    let connection = connect(lab.sshd(), lab.sshd().socket_address(), user);
    let password = Some(Secret::new(user.password.clone()));
    let mut rig = Rig::on(lab, connection);
    // A directory that only root can enter.
    let vault = rig.there.join("vault");
    fs::create_dir(&vault).unwrap();
    set_mode(&vault, 0o700);
    rig.there = vault;
    (rig, TransferSpecs(SudoSpec { password, user: None, shell: true }))
}

struct TransferSpecs(SudoSpec);

impl TransferSpecs {
    fn sudo(&self, spec: TransferSpec) -> TransferSpec {
        TransferSpec { sudo: Some(self.0.clone()), ..spec }
    }
}

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

#[test]
fn a_file_goes_to_where_only_root_may_write_and_comes_back() {
    let picks: [fn(&Lab) -> &User; 2] = [|lab| &lab.users.sudoer, |lab| &lab.users.nopasswd];
    for pick in picks {
        let (mut rig, sudo) = rig(pick);
        for pty in [false, true] {
            for size in [0, 10, 3_000_000] {
                let content = noise(size);
                let name = format!("it's \"a\" $(file) {size} {pty}");
                let (source, target) = (rig.local("a", &content), rig.there.join(&name));
                set_mode(&source, 0o640);
                let up = TransferSpec { pty, ..sudo.sudo(upload(&source, &target)) };
                let sent = rig.ok(&up);
                assert_eq!(fs::read(&target).unwrap(), content);
                assert_eq!((owner(&target), mode(&target)), ((0, 0), 0o640));
                assert!(sent.changed && sent.record.verified, "{sent:?}");
                assert_eq!(sent.record.bytes_transferred, size as u64);
                let before = inode(&target);
                let again = rig.ok(&up);
                assert_eq!((again.changed, again.record.bytes_transferred), (false, 0));
                assert_eq!(inode(&target), before);

                let back = rig.here.path().join("back");
                let down = TransferSpec { pty, ..sudo.sudo(download(&target, &back)) };
                let got = rig.ok(&down);
                assert_eq!(fs::read(&back).unwrap(), content);
                assert_eq!((got.changed, mode(&back)), (true, 0o640));
                assert_eq!(got.record.sha256, sent.record.sha256);
                assert!(got.record.verified);
                assert!(!rig.ok(&down).changed);
                fs::remove_file(&back).unwrap();
            }
        }
        let left: Vec<_> =
            names(&rig.there).into_iter().filter(|name| name.contains("sshoal")).collect();
        assert_eq!(left, [] as [String; 0]);
    }
}

#[test]
fn owner_and_mode_are_the_requests_else_the_targets_else_roots() {
    let (mut rig, sudo) = rig(|lab| &lab.users.nopasswd);
    let plain = rig.lab.users.plain.uid;
    let (source, target) = (rig.local("a", b"one"), rig.there.join("a"));
    fs::write(&target, "old").unwrap();
    std::os::unix::fs::chown(&target, Some(plain), Some(plain)).unwrap();
    set_mode(&target, 0o604);
    rig.ok(&sudo.sudo(upload(&source, &target)));
    assert_eq!((owner(&target), mode(&target)), ((plain, plain), 0o604));

    let given = TransferSpec {
        owner: Some("daemon".to_owned()),
        group: Some("0".to_owned()),
        mode: Some(0o4711),
        ..sudo.sudo(upload(&source, &target))
    };
    let adjusted = rig.ok(&given);
    assert!(adjusted.changed && adjusted.record.bytes_transferred == 0, "{adjusted:?}");
    assert_eq!((owner(&target), mode(&target)), ((1, 0), 0o4711));
    assert!(!rig.ok(&given).changed);
    fs::write(&source, "two").unwrap();
    rig.ok(&given);
    assert_eq!((owner(&target), mode(&target)), ((1, 0), 0o4711));

    // Whether with three digits or four, a mode is compared by what it means.
    for wanted in [0o644, 0o600, 0o7] {
        let given = TransferSpec { mode: Some(wanted), ..sudo.sudo(upload(&source, &target)) };
        assert!(rig.ok(&given).changed, "{wanted:o}");
        assert_eq!(mode(&target), wanted);
        let again = rig.ok(&given);
        assert!(!again.changed, "{wanted:o}: {again:?}");
    }

    // The link stays, and what it names is replaced.
    let link = rig.there.join("link");
    symlink("a", &link).unwrap();
    fs::write(&source, "three").unwrap();
    rig.ok(&sudo.sudo(upload(&source, &link)));
    assert!(link.is_symlink());
    assert_eq!(fs::read(&target).unwrap(), b"three");

    let deep = rig.there.join("x/y/a");
    let failure = rig.fail(&sudo.sudo(upload(&source, &deep)), ErrorCode::TransferFailed);
    assert!(failure.help.unwrap().contains("create_dirs"));
    rig.ok(&TransferSpec { create_dirs: true, ..sudo.sudo(upload(&source, &deep)) });
    assert_eq!(mode(deep.parent().unwrap()), 0o755);
    let failure = rig.fail(
        &TransferSpec {
            owner: Some("nobody-of-that-name".to_owned()),
            ..sudo.sudo(upload(&source, &deep.with_file_name("b")))
        },
        ErrorCode::TransferFailed,
    );
    assert!(failure.message.contains("nobody-of-that-name"), "{failure:?}");
    assert_eq!(names(deep.parent().unwrap()), BTreeSet::from(["a".to_owned()]));
}

#[test]
fn another_user_than_root_may_be_the_one() {
    let (mut rig, mut sudo) = rig(|lab| &lab.users.nopasswd);
    let plain = &rig.lab.users.plain;
    let (name, uid, home) = (plain.name.clone(), plain.uid, plain.home.clone());
    sudo.0.user = Some(name);
    let (source, target) = (rig.local("a", b"one"), home.join("by-another"));
    rig.ok(&sudo.sudo(upload(&source, &target)));
    assert_eq!((fs::read(&target).unwrap(), owner(&target)), (b"one".to_vec(), (uid, uid)));
    set_mode(&target, 0o600);
    let back = rig.here.path().join("back");
    rig.ok(&sudo.sudo(download(&target, &back)));
    assert_eq!(fs::read(&back).unwrap(), b"one");
    let failure = rig.fail(
        &sudo.sudo(upload(&source, Path::new("/etc/sshoal-test"))),
        ErrorCode::TransferPermission,
    );
    assert!(failure.message.contains("/etc"), "{failure:?}");
    fs::remove_file(&target).unwrap();
}

#[test]
fn a_tree_goes_to_where_only_root_may_write_and_comes_back() {
    let (mut rig, sudo) = rig(|lab| &lab.users.sudoer);
    let source = rig.here.path().join("source");
    fs::create_dir_all(source.join("sub/odd\nname")).unwrap();
    fs::create_dir(source.join("empty")).unwrap();
    for number in 0..50 {
        fs::write(source.join(format!("sub/{number}")), noise(number * 100)).unwrap();
    }
    fs::write(source.join("sub/odd\nname/-f"), "1").unwrap();
    set_mode(&source.join("sub/1"), 0o400);
    symlink("sub/2", source.join("link")).unwrap();
    symlink("/tmp", source.join("away")).unwrap();
    let target = rig.there.join("tree");
    let up = sudo.sudo(TransferSpec { recursive: true, ..upload(&source, &target) });
    let sent = rig.ok(&up);
    assert_eq!(sent.files, Some(FileCount { total: 53, moved: 53 }), "{sent:?}");
    assert!(sent.changed);
    assert_eq!(owner(&target.join("sub/odd\nname/-f")), (0, 0));
    assert_eq!(mode(&target.join("sub/1")), 0o400);
    assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("sub/2"));
    assert_eq!(fs::read_link(target.join("away")).unwrap(), Path::new("/tmp"));
    assert!(target.join("empty").is_dir());
    let again = rig.ok(&up);
    assert_eq!((again.changed, again.files), (false, Some(FileCount { total: 53, moved: 0 })));
    let (moved, total) = (again.record.bytes_transferred, again.record.total_bytes);
    assert_eq!((moved, total), (0, sent.record.total_bytes), "nothing differs, so nothing is sent");
    set_mode(&target.join("sub/1"), 0o644);
    assert!(rig.ok(&up).changed);
    assert_eq!(mode(&target.join("sub/1")), 0o400);

    fs::write(source.join("sub/3"), "new").unwrap();
    fs::remove_file(source.join("away")).unwrap();
    symlink("/etc", source.join("away")).unwrap();
    let given = TransferSpec { owner: Some("daemon".to_owned()), ..up.clone() };
    let done = rig.ok(&given);
    assert_eq!(done.files, Some(FileCount { total: 53, moved: 2 }), "{done:?}");
    assert_eq!(fs::read_link(target.join("away")).unwrap(), Path::new("/etc"));
    assert_eq!((owner(&target.join("sub/3")), owner(&target.join("sub/4"))), ((1, 0), (1, 0)));
    assert!(!Path::new("/tmp/away").is_symlink());

    let back = rig.here.path().join("back");
    let down = sudo.sudo(TransferSpec { recursive: true, ..download(&target, &back) });
    let got = rig.ok(&down);
    assert_eq!(got.files, Some(FileCount { total: 53, moved: 53 }));
    assert_eq!(fs::read(back.join("sub/3")).unwrap(), b"new");
    assert_eq!(mode(&back.join("sub/1")), 0o400);
    assert!(!rig.ok(&down).changed);
}

#[test]
fn who_may_not_is_told_so_and_nothing_is_left() {
    let (mut rig, sudo) = rig(|lab| &lab.users.sudoer);
    let source = rig.local("a", b"one");
    let target = rig.there.join("a");
    let with = |password: Option<&str>| {
        let password = password.map(Secret::new);
        TransferSpec {
            sudo: Some(SudoSpec { password, user: None, shell: true }),
            ..upload(&source, &target)
        }
    };
    rig.fail(&with(Some("wrong")), ErrorCode::SudoAuthFailed);
    rig.fail(&with(None), ErrorCode::SudoPasswordRequired);
    let missing = rig.there.join("missing");
    let back: PathBuf = rig.here.path().join("back");
    let failure = rig.fail(&sudo.sudo(download(&missing, &back)), ErrorCode::TransferFailed);
    assert!(failure.message.contains("does not exist"), "{failure:?}");
    rig.fail(&sudo.sudo(download(&rig.there.clone(), &back)), ErrorCode::TransferFailed);
    rig.fail(&sudo.sudo(upload(&source, &rig.there.clone())), ErrorCode::TransferFailed);
    assert!(!target.exists() && !back.exists());
    assert_eq!(names(rig.here.path()), BTreeSet::from(["a".to_owned()]));

    let lab = Lab::get();
    let connection = connect(lab.sshd(), lab.sshd().socket_address(), &lab.users.plain);
    let mut plain = Rig::on(lab, connection);
    plain.fail(&with(Some(&plain.lab.users.plain.password.clone())), ErrorCode::SudoNotPermitted);
}

#[test]
fn owners_need_root_or_sudo() {
    let mut rig = Rig::new();
    let (source, target) = (rig.local("a", b"one"), rig.there.join("a"));
    let given =
        |owner: &str| TransferSpec { owner: Some(owner.to_owned()), ..upload(&source, &target) };
    let failure = rig.fail(&given("daemon"), ErrorCode::TransferPermission);
    assert!(failure.help.unwrap().contains("sudo"));
    let failure = rig.fail(&given("nobody-of-that-name"), ErrorCode::TransferFailed);
    assert!(failure.message.contains("no user `nobody-of-that-name`"), "{failure:?}");
    assert!(!target.exists());
    // One's own name changes nothing.
    let own = rig.lab.users.plain.name.clone();
    rig.ok(&given(&own));
    let tree = rig.here.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "1").unwrap();
    let spec = TransferSpec {
        recursive: true,
        owner: Some("daemon".to_owned()),
        ..upload(&tree, &rig.there.join("t"))
    };
    rig.fail(&spec, ErrorCode::TransferPermission);
    rig.ok(&TransferSpec { owner: Some(own), ..spec });
    assert_eq!(fs::metadata(rig.there.join("t/file")).unwrap().permissions().mode() & 0o777, 0o644);
}
