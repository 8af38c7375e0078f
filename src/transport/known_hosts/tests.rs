use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

impl KnownHosts {
    /// Remembers, where nothing is expected to be in the way.
    fn remember_soon(&self, host: &str, port: u16, key: &[u8]) -> io::Result<Verdict> {
        self.remember(host, port, key, Instant::now() + Duration::from_secs(20), &Cancel::default())
    }
}

/// Keys that differ in their last byte. Nobody signs with them.
fn key(number: u8) -> Vec<u8> {
    let mut key = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    key.extend([7; 31]);
    key.push(number);
    key
}

fn ecdsa() -> Vec<u8> {
    let mut key = b"\0\0\0\x13ecdsa-sha2-nistp256\0\0\0\x08nistp256\0\0\0\x41\x04".to_vec();
    key.extend([9; 64]);
    key
}

fn line(names: &str, key: &[u8]) -> String {
    format!("{names} {} {}\n", key_type(key).unwrap(), STANDARD.encode(key))
}

fn known(text: &str) -> (tempfile::TempDir, KnownHosts) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    fs::write(&file, text).unwrap();
    (dir, KnownHosts::new(vec![file], vec![]))
}

fn is_changed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Changed { .. })
}

#[test]
fn names_and_patterns_find_their_keys() {
    let cases: &[(&str, &str, u16, bool)] = &[
        ("web", "web", 22, true),
        ("web", "WEB", 22, true),
        ("Web", "web", 22, true),
        ("web", "web2", 22, false),
        ("a,web,b", "web", 22, true),
        ("[web]:2222", "web", 2222, true),
        ("[web]:2222", "web", 22, false),
        ("[web]:2222", "web", 2223, false),
        ("*.example.com", "web.example.com", 22, true),
        ("*.example.com", "example.com", 22, false),
        ("*.example.com", "web.example.com", 2222, true),
        ("[*.example.com]:2222", "web.example.com", 2222, true),
        ("web?", "web1", 22, true),
        ("web?", "web", 22, false),
        ("*,!db", "web", 22, true),
        ("*,!db", "db", 22, false),
        ("!db", "web", 22, false),
        ("192.0.2.?", "192.0.2.7", 22, true),
        ("::1", "::1", 22, true),
        ("[::1]:2222", "::1", 2222, true),
        ("web", "web", 2222, true),
    ];
    for &(names, host, port, expected) in cases {
        let (_dir, hosts) = known(&line(names, &key(1)));
        let verdict = hosts.look_up(host, port, &key(1));
        assert_eq!(verdict == Verdict::Known, expected, "`{names}` for {host}:{port}");
        if !expected {
            assert_eq!(verdict, Verdict::Unknown, "`{names}` for {host}:{port}");
        }
    }
}

#[test]
fn a_different_key_is_a_change_only_under_the_same_name() {
    let (_dir, hosts) = known(&line("web,[db]:2222", &key(1)));
    assert!(is_changed(&hosts.look_up("web", 22, &key(2))));
    assert!(is_changed(&hosts.look_up("db", 2222, &key(2))));
    assert!(is_changed(&hosts.look_up("web", 22, &ecdsa())), "another type is a change too");
    assert_eq!(hosts.look_up("web", 2222, &key(2)), Verdict::Unknown);
    assert_eq!(hosts.look_up("db", 22, &key(2)), Verdict::Unknown);
}

#[test]
fn a_change_names_the_line_of_the_same_type() {
    let text = format!("# comment\n{}{}", line("web", &ecdsa()), line("web", &key(1)));
    let (_dir, hosts) = known(&text);
    let Verdict::Changed { place, known } = hosts.look_up("web", 22, &key(2)) else { panic!() };
    assert_eq!((place.line, known), (3, key(1)));
    assert_eq!(hosts.key_types("web", 22), ["ecdsa-sha2-nistp256", "ssh-ed25519"]);
    assert_eq!(hosts.key_types("web", 2222), ["ecdsa-sha2-nistp256", "ssh-ed25519"]);
    assert!(hosts.key_types("db", 22).is_empty());
}

#[test]
fn several_keys_of_one_host_are_all_good() {
    let text = format!("{}{}", line("web", &key(1)), line("*", &key(2)));
    let (_dir, hosts) = known(&text);
    assert_eq!(hosts.look_up("web", 22, &key(1)), Verdict::Known);
    assert_eq!(hosts.look_up("web", 22, &key(2)), Verdict::Known);
    assert!(is_changed(&hosts.look_up("web", 22, &key(3))));
}

#[test]
fn a_revoked_key_beats_a_known_one_and_authorities_count_for_nothing() {
    let text = format!(
        "{}@revoked * {}@cert-authority * {}",
        line("web", &key(1)),
        line("", &key(1)).trim_start(),
        line("", &key(2)).trim_start()
    );
    let (_dir, hosts) = known(&text);
    assert!(
        matches!(hosts.look_up("web", 22, &key(1)), Verdict::Revoked(place) if place.line == 2)
    );
    assert!(matches!(hosts.look_up("db", 2222, &key(1)), Verdict::Revoked(_)));
    assert_eq!(hosts.look_up("db", 22, &key(2)), Verdict::Unknown);
    assert_eq!(hosts.look_up("db", 22, &key(3)), Verdict::Unknown);
}

#[test]
fn a_bad_line_costs_that_line_only() {
    let good = line("web", &key(1));
    let text = format!(
        "nonsense\nweb ssh-ed25519 AAAA\n@odd web ssh-ed25519 AAAA\n|1|bad|worse x y\n\
         web 1024 35 12345\n\u{1}\u{2}\n\tweb\tssh-ed25519  {} a comment # more\n",
        good.split(' ').nth(2).unwrap().trim()
    );
    let (_dir, hosts) = known(&text);
    assert_eq!(hosts.look_up("web", 22, &key(1)), Verdict::Known);
    let (dir, hosts) = known("");
    let file = dir.path().join("known_hosts");
    fs::write(&file, [b"\xff\xfe web\n".as_slice(), good.as_bytes()].concat()).unwrap();
    assert_eq!(hosts.look_up("web", 22, &key(1)), Verdict::Known);
}

#[test]
fn names_that_ssh_keygen_hashed_are_found() {
    let (dir, _) = known(&format!("{}{}", line("web", &key(1)), line("[db]:2222", &key(2))));
    let file = dir.path().join("known_hosts");
    let status = Command::new("ssh-keygen")
        .args(["-q", "-H", "-f", file.to_str().unwrap()])
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("web") && text.contains("|1|"), "{text}");
    let hosts = KnownHosts::new(vec![file], vec![]);
    assert_eq!(hosts.look_up("Web", 22, &key(1)), Verdict::Known);
    assert_eq!(hosts.look_up("db", 2222, &key(2)), Verdict::Known);
    assert!(is_changed(&hosts.look_up("web", 22, &key(2))));
    assert_eq!(hosts.look_up("app", 22, &key(1)), Verdict::Unknown);
}

#[test]
fn the_system_file_counts_and_a_missing_one_knows_nobody() {
    let (dir, _) = known(&line("web", &key(1)));
    let system = dir.path().join("known_hosts");
    let hosts = KnownHosts::new(vec![dir.path().join("none")], vec![system]);
    assert_eq!(hosts.look_up("web", 22, &key(1)), Verdict::Known);
    assert_eq!(hosts.remember_soon("db", 22, &key(2)).unwrap(), Verdict::Known);
    assert_eq!(hosts.look_up("web", 22, &key(1)), Verdict::Known);
}

#[test]
fn newcomers_are_appended_once_and_found_again() {
    let (dir, hosts) = known(line("web", &key(1)).trim_end()); // No newline at its end.
    assert_eq!(hosts.remember_soon("DB", 2222, &key(2)).unwrap(), Verdict::Known);
    assert_eq!(hosts.remember_soon("db", 2222, &key(2)).unwrap(), Verdict::Known);
    assert!(is_changed(&hosts.remember_soon("db", 2222, &key(3)).unwrap()));
    assert_eq!(hosts.remember_soon("app", 22, &ecdsa()).unwrap(), Verdict::Known);
    let text = fs::read_to_string(dir.path().join("known_hosts")).unwrap();
    assert_eq!(text, line("web", &key(1)) + &line("[db]:2222", &key(2)) + &line("app", &ecdsa()));
    let Verdict::Changed { place, .. } = hosts.look_up("app", 22, &key(9)) else { panic!() };
    assert_eq!(place.line, 3);
}

#[test]
fn what_another_process_wrote_meanwhile_is_seen() {
    let (dir, hosts) = known("");
    let file = dir.path().join("known_hosts");
    assert_eq!(hosts.look_up("web", 22, &key(1)), Verdict::Unknown);
    fs::write(&file, line("web", &key(2))).unwrap();
    assert!(is_changed(&hosts.remember_soon("web", 22, &key(1)).unwrap()));
    // `ssh-keygen -R` replaces the file by another one.
    fs::remove_file(&file).unwrap();
    fs::write(&file, "# new\n").unwrap();
    assert_eq!(hosts.remember_soon("web", 22, &key(1)).unwrap(), Verdict::Known);
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("# new\n{}", line("web", &key(1))));
}

#[test]
fn a_missing_directory_is_made_for_the_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".ssh/known_hosts");
    let hosts = KnownHosts::new(vec![file.clone()], vec![]);
    assert_eq!(hosts.remember_soon("web", 22, &key(1)).unwrap(), Verdict::Known);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file.parent().unwrap()), mode(&file)), (0o700, 0o600));
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_odd_names_are_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = KnownHosts::new(vec![dir.path().to_owned()], vec![]);
    assert!(hosts.remember_soon("web", 22, &key(1)).is_err());
    let (dir, hosts) = known("");
    for name in ["a b", "a,b", "*", "!x", "a\nb", "#x", "@revoked", "|1|x", ""] {
        assert!(hosts.remember_soon(name, 22, &key(1)).is_err(), "`{name}`");
    }
    assert_eq!(fs::read_to_string(dir.path().join("known_hosts")).unwrap(), "");
}

#[test]
fn many_threads_and_several_processes_leave_one_line_per_host() {
    let (dir, _) = known("");
    let file = dir.path().join("known_hosts");
    // Every `KnownHosts` stands for a process: they share nothing but the file.
    let processes: Vec<_> =
        (0..4).map(|_| Arc::new(KnownHosts::new(vec![file.clone()], vec![]))).collect();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let hosts = Arc::clone(&processes[thread % 4]);
            scope.spawn(move || {
                for host in 0..20 {
                    let verdict =
                        hosts.remember_soon(&format!("web-{host}"), 22, &key(host)).unwrap();
                    assert_eq!(verdict, Verdict::Known);
                }
            });
        }
    });
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 20);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 20);
}

#[test]
fn ten_thousand_hosts_are_found_quickly() {
    let mut text = String::new();
    for host in 0..10_000 {
        write!(text, "{}", line(&format!("web-{host},192.0.2.{host}"), &key(1))).unwrap();
    }
    let (_dir, hosts) = known(&text);
    assert_eq!(hosts.look_up("web-0", 22, &key(1)), Verdict::Known);
    let began = Instant::now();
    for host in 0..10_000 {
        assert_eq!(hosts.look_up(&format!("web-{host}"), 22, &key(1)), Verdict::Known);
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in "(\\PC|[\n\t @|#,*!])*") {
        let mut index = Index::default();
        index.read(&text, Path::new("x"), 1);
        let _ = index.look_up("web", 22, &key(1));
    }

    #[test]
    fn no_bytes_in_a_file_hide_the_lines_around_them(
        junk in prop::collection::vec(any::<u8>(), 0..200),
        more in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        let (web, db) = (line("web.example", &key(1)), line("[db.example]:2222", &key(2)));
        let parts = [&junk[..], b"\n", web.as_bytes(), &more, b"\n", db.as_bytes(), &junk];
        fs::write(&file, parts.concat()).unwrap();
        let known_hosts = KnownHosts::new(vec![file], vec![]);
        prop_assert_eq!(known_hosts.look_up("web.example", 22, &key(1)), Verdict::Known);
        prop_assert_eq!(known_hosts.look_up("db.example", 2222, &key(2)), Verdict::Known);
        known_hosts.remember_soon("new.example", 22, &key(3)).unwrap();
        let again = KnownHosts::new(vec![dir.path().join("known_hosts")], vec![]);
        prop_assert_eq!(again.look_up("new.example", 22, &key(3)), Verdict::Known);
        prop_assert_eq!(again.look_up("db.example", 2222, &key(2)), Verdict::Known);
    }

    #[test]
    fn what_is_remembered_is_known_afterwards(
        hosts in prop::collection::vec(("[a-z][a-z0-9.-]{0,12}", 1u16.., 0u8..), 1..12),
    ) {
        let (dir, known_hosts) = known("");
        for (host, port, number) in &hosts {
            let verdict = known_hosts.remember_soon(host, *port, &key(*number)).unwrap();
            prop_assert!(verdict == Verdict::Known || is_changed(&verdict));
        }
        let again = KnownHosts::new(vec![dir.path().join("known_hosts")], vec![]);
        for (host, port, number) in &hosts {
            prop_assert_eq!(
                again.look_up(host, *port, &key(*number)),
                known_hosts.look_up(host, *port, &key(*number))
            );
        }
    }
}

/// A file that another process has locked, as `flock` sees it.
fn locked(text: &str) -> (tempfile::TempDir, KnownHosts, File) {
    let (dir, hosts) = known(text);
    let file = File::open(hosts.file()).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    (dir, hosts, file)
}

#[test]
fn a_lock_that_is_not_given_back_is_waited_for_once() {
    let (_dir, hosts, lock) = locked("");
    let began = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let hosts = &hosts;
            scope.spawn(move || {
                let deadline = Instant::now() + Duration::from_secs(1);
                let name = format!("web-{number}");
                let cancel = Cancel::default();
                let error = hosts.remember(&name, 22, &key(number), deadline, &cancel).unwrap_err();
                assert!(error.to_string().contains("another process"), "{error}");
            });
        }
    });
    for _ in 0..8 {
        assert!(hosts.remember_soon("late", 22, &key(9)).is_err());
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // It has been given back after all.
    drop(lock);
    assert_eq!(hosts.remember_soon("late", 22, &key(9)).unwrap(), Verdict::Known);
}

#[test]
fn a_lock_that_is_waited_for_keeps_nobody_from_looking_up() {
    let (_dir, hosts, _lock) = locked(&line("web", &key(1)));
    let cancel = Cancel::default();
    let far = Instant::now() + Duration::from_secs(60);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| hosts.remember("new", 22, &key(2), far, &cancel));
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(hosts.look_up("web", 22, &key(1)), Verdict::Known);
        assert!(!waits.is_finished(), "the look-up waited for the lock");
        cancel.cancel();
        let error = waits.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("interrupted"), "{error}");
    });
}
