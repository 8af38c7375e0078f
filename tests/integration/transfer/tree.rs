//! Moving directories: what arrives, what is left alone, and what a host that lies
//! cannot do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use sshoal::failure::ErrorCode;
use sshoal::plan::spec::TransferSpec;
use sshoal::transport::FileCount;

use super::rig::{Rig, download, inode, mode, noise, set_mode, upload};
use crate::lab::processes::tool;

/// Everything below a directory: mode and content, or where a link leads.
fn contents(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let what = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                directories.push(path);
                format!("directory {mode:o}")
            } else {
                let sum = tool("sha256sum", &[&path], "");
                format!("{mode:o} {}", sum.trim_start_matches('\\').split(' ').next().unwrap())
            };
            found.insert(name, what);
        }
    }
    found
}

/// A directory with a bit of everything.
fn plant(root: &Path) {
    for directory in ["a/b/c", "empty", "odd names/x\ny"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (name, size) in [
        ("top", 10),
        ("a/none", 0),
        ("a/b/block", 32768),
        ("a/b/c/more", 100_001),
        ("a/big", 9 << 20),
    ] {
        fs::write(root.join(name), noise(size)).unwrap();
    }
    for name in ["it's \"q\" $(id)", "-rf", "naïve-文", "new\nline", "back\\slash", "*"] {
        fs::write(root.join("odd names").join(name), name).unwrap();
    }
    set_mode(&root.join("top"), 0o751);
    set_mode(&root.join("a/none"), 0o400);
    set_mode(&root.join("empty"), 0o750);
    symlink("a/b/block", root.join("link")).unwrap();
    symlink("a", root.join("to-directory")).unwrap();
    symlink("/nowhere/at all", root.join("dangling")).unwrap();
    set_mode(&root.join("a/b"), 0o555);
}

fn tree(spec: TransferSpec) -> TransferSpec {
    TransferSpec { recursive: true, ..spec }
}

/// root's rights would hide what modes forbid.
fn lift(root: &Path) {
    set_mode(&root.join("a/b"), 0o755);
}

#[test]
fn a_tree_goes_up_and_comes_down_whole() {
    let mut rig = Rig::new();
    let source = rig.here.path().join("source");
    fs::create_dir(&source).unwrap();
    plant(&source);
    let planted = contents(&source);
    let remote = rig.there.join("tree");
    for verify in [true, false] {
        let up = TransferSpec { verify, ..tree(upload(&source, &remote)) };
        let sent = rig.ok(&up);
        assert_eq!(contents(&remote), planted);
        assert_eq!(sent.files, Some(FileCount { total: 14, moved: 14 }), "{sent:?}");
        assert_eq!(sent.record.bytes_transferred, sent.record.total_bytes);
        assert_eq!((sent.changed, sent.record.verified), (true, verify));
        assert_eq!(sent.record.sha256, None);
        assert_eq!(sent.warnings, [] as [String; 0]);
        assert_eq!(fs::metadata(remote.join("top")).unwrap().uid(), rig.lab.users.plain.uid);

        let again = rig.ok(&up);
        assert_eq!(again.files, Some(FileCount { total: 14, moved: 0 }), "{again:?}");
        assert_eq!((again.changed, again.record.bytes_transferred), (false, 0));

        let back = rig.here.path().join(format!("back-{verify}"));
        let down = TransferSpec { verify, ..tree(download(&remote, &back)) };
        let got = rig.ok(&down);
        assert_eq!(contents(&back), planted);
        assert_eq!(got.files, sent.files);
        assert_eq!((got.changed, got.record.verified), (true, verify));
        assert_eq!(got.record.bytes_transferred, sent.record.total_bytes);
        let again = rig.ok(&down);
        assert_eq!((again.changed, again.record.bytes_transferred), (false, 0), "{again:?}");
        lift(&remote);
        fs::remove_dir_all(&remote).unwrap();
    }
}

#[test]
fn only_what_differs_is_moved_and_what_only_the_target_has_stays() {
    let mut rig = Rig::new();
    let source = rig.here.path().join("source");
    fs::create_dir(&source).unwrap();
    for name in ["same", "other", "longer"] {
        fs::write(source.join(name), format!("{name} of the source")).unwrap();
    }
    symlink("same", source.join("link")).unwrap();
    fs::create_dir(source.join("sub")).unwrap();
    let (remote, back) = (rig.there.join("tree"), rig.here.path().join("back"));
    for (spec, target) in
        [(tree(upload(&source, &remote)), &remote), (tree(download(&remote, &back)), &back)]
    {
        rig.ok(&spec);
        fs::write(target.join("other"), "other of the target").unwrap();
        fs::write(target.join("longer"), "short").unwrap();
        fs::write(target.join("mine"), "stays").unwrap();
        fs::remove_file(target.join("link")).unwrap();
        symlink("elsewhere", target.join("link")).unwrap();
        // A link in the place of a file is replaced, not followed.
        let (kept, victim) = (inode(&target.join("same")), rig.remote("victim", b"victim"));
        fs::remove_file(target.join("other")).unwrap();
        symlink(&victim, target.join("other")).unwrap();
        set_mode(&target.join("sub"), 0o700);
        let done = rig.ok(&spec);
        assert_eq!(done.files, Some(FileCount { total: 4, moved: 3 }), "{done:?}");
        assert_eq!(inode(&target.join("same")), kept);
        assert_eq!(fs::read(&victim).unwrap(), b"victim");
        assert_eq!(fs::read(target.join("mine")).unwrap(), b"stays");
        assert_eq!(fs::read(target.join("other")).unwrap(), b"other of the source");
        assert!(!target.join("other").is_symlink());
        assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("same"));
        // Directories that are there keep their modes.
        assert_eq!(mode(&target.join("sub")), 0o700);
        fs::remove_file(target.join("mine")).unwrap();
        fs::remove_file(&victim).unwrap();
    }
}

#[test]
fn a_mode_is_for_files_and_a_directory_can_be_entered_where_it_can_be_read() {
    let mut rig = Rig::new();
    let source = rig.here.path().join("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("sub/file"), "1").unwrap();
    let (remote, back) = (rig.there.join("tree"), rig.here.path().join("back"));
    for (spec, target) in
        [(tree(upload(&source, &remote)), &remote), (tree(download(&remote, &back)), &back)]
    {
        let spec = TransferSpec { mode: Some(0o640), ..spec };
        rig.ok(&spec);
        assert_eq!(mode(&target.join("sub/file")), 0o640);
        assert_eq!((mode(&target.join("sub")), mode(target)), (0o750, 0o750));
        set_mode(&target.join("sub/file"), 0o600);
        let adjusted = rig.ok(&spec);
        assert!(adjusted.changed && adjusted.record.bytes_transferred == 0, "{adjusted:?}");
        assert_eq!(mode(&target.join("sub/file")), 0o640);
    }
}

#[test]
fn slashes_at_the_end_and_missing_parents_mean_what_they_should() {
    let mut rig = Rig::new();
    let source = rig.local("unused", b"").with_file_name("source/");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "1").unwrap();
    let remote = format!("{}/x/y/", rig.there.display());
    let up = tree(upload(&source, Path::new(&remote)));
    let failure = rig.fail(&up, ErrorCode::TransferFailed);
    assert!(failure.help.unwrap().contains("create_dirs"));
    rig.ok(&TransferSpec { create_dirs: true, ..up });
    assert_eq!(fs::read(rig.there.join("x/y/file")).unwrap(), b"1");
    let back = rig.here.path().join("x/y/");
    let down = tree(download(Path::new(&remote), &back));
    rig.fail(&down, ErrorCode::TransferFailed);
    rig.ok(&TransferSpec { create_dirs: true, ..down });
    assert_eq!(fs::read(back.join("file")).unwrap(), b"1");
}

#[test]
fn what_is_in_the_way_and_what_is_special_is_named() {
    let mut rig = Rig::new();
    let source = rig.here.path().join("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("sub/file"), "1").unwrap();
    let remote = rig.there.join("tree");
    let up = tree(upload(&source, &remote));
    let down = tree(download(&source, &remote));
    for spec in [&up, &down] {
        for (name, is_directory) in [("sub", false), ("sub/file", true)] {
            let _ = fs::remove_dir_all(&remote);
            fs::create_dir_all(remote.join("sub")).unwrap();
            if is_directory {
                fs::create_dir(remote.join(name)).unwrap();
            } else {
                fs::remove_dir(remote.join(name)).unwrap();
                // A link to a directory is none.
                symlink("/tmp", remote.join(name)).unwrap();
            }
            let uid = rig.lab.users.plain.uid;
            chown(&remote, Some(uid), Some(uid)).unwrap();
            let failure = rig.fail(spec, ErrorCode::TransferFailed);
            assert!(failure.message.contains(&format!("tree/{name}`")), "{failure:?}");
            assert!(!Path::new("/tmp/file").exists());
        }
    }
    fs::remove_dir_all(&remote).unwrap();
    tool("mkfifo", &[&source.join("pipe")], "");
    let sent = rig.ok(&up);
    assert!(sent.warnings[0].contains("pipe"), "{sent:?}");
    assert!(!remote.join("pipe").exists());
    let failure =
        rig.fail(&tree(upload(&source, Path::new("/etc/hosts"))), ErrorCode::TransferFailed);
    assert!(failure.message.contains("no directory"), "{failure:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_nothing_temporary_stays() {
    let mut rig = Rig::new();
    let source = rig.here.path().join("source");
    fs::create_dir_all(source.join("locked")).unwrap();
    for number in 0..300 {
        fs::write(source.join(format!("{number}")), format!("{number}")).unwrap();
    }
    fs::write(source.join("locked/file"), "1").unwrap();
    let remote = rig.there.join("tree");
    fs::create_dir_all(remote.join("locked")).unwrap();
    let uid = rig.lab.users.plain.uid;
    chown(&remote, Some(uid), Some(uid)).unwrap();
    let failure = rig.fail(&tree(upload(&source, &remote)), ErrorCode::TransferPermission);
    assert!(failure.message.contains("tree/locked/file`"), "{failure:?}");
    let left = contents(&remote);
    assert!(left.keys().all(|name| !name.ends_with(".part")), "{left:?}");

    fs::write(remote.join("locked/secret"), "root's").unwrap();
    set_mode(&remote.join("locked/secret"), 0o600);
    let back = rig.here.path().join("back");
    let failure = rig.fail(&tree(download(&remote, &back)), ErrorCode::TransferPermission);
    assert!(failure.message.contains("tree/locked/secret`"), "{failure:?}");
    assert!(contents(&back).keys().all(|name| !name.ends_with(".part")));
}

#[test]
fn thousands_of_small_files_take_seconds() {
    let mut rig = Rig::new();
    let source = rig.here.path().join("source");
    for directory in 0..20 {
        let directory = source.join(format!("{directory}"));
        fs::create_dir_all(&directory).unwrap();
        for number in 0..100 {
            fs::write(directory.join(format!("{number}")), noise(1000 + number)).unwrap();
        }
    }
    let (remote, back) = (rig.there.join("tree"), rig.here.path().join("back"));
    let planted = contents(&source);
    for spec in [tree(upload(&source, &remote)), tree(download(&remote, &back))] {
        let began = Instant::now();
        let done = rig.ok(&spec);
        assert_eq!(done.files, Some(FileCount { total: 2000, moved: 2000 }));
        assert!(done.record.verified);
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
        let began = Instant::now();
        assert!(!rig.ok(&spec).changed);
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }
    assert_eq!(contents(&back).len(), planted.len());
}

#[test]
fn a_tree_that_takes_too_long_stops_in_time_and_names_the_file() {
    let rig = Rig::new();
    let source = rig.here.path().join("source");
    fs::create_dir(&source).unwrap();
    for number in 0..200 {
        fs::write(source.join(format!("{number}")), noise(100_000)).unwrap();
    }
    let line = super::rig::SlowLine::to(rig.lab.sshd(), 500_000);
    let mut slow = super::rig::connect(rig.lab.sshd(), line.address, &rig.lab.users.plain);
    let remote = rig.there.join("tree");
    let spec =
        TransferSpec { timeout: Some(Duration::from_secs(5)), ..tree(upload(&source, &remote)) };
    let began = Instant::now();
    let failure = slow.transfer(&spec, &sshoal::transport::Cancel::default()).unwrap_err();
    assert_eq!(failure.code, ErrorCode::TransferTimeout, "{failure:?}");
    // Forty seconds is what all of it would take.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(failure.message.contains("at `"), "{failure:?}");
}
