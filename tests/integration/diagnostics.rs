//! Bad input, one directory per case: see [`every_case_is_refused_offline`].

use std::fs;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::lab::{Finished, KeyFormat, KeyPair, KeyType, Sshoal};

/// The port that the files name; what really listens is put in its place.
const PORT: &str = "10022";
/// Arguments of a case that has no `args` file.
const ARGS: &str = "run playbook.yml -i inventory.yml";
/// What a case may not be judged by.
const GOLDEN: &str = "stderr.snap";
/// The value of every secret in the files. It may never be shown.
const SECRET: &str = "hunter2";

/// A socket where the hosts of a case should be.
struct Trap(TcpListener);

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// Five digits, as many as the port in the files, so that no column moves.
    fn port(&self) -> String {
        let port = self.0.local_addr().unwrap().port().to_string();
        assert_eq!(port.len(), PORT.len());
        port
    }

    /// Whether anything has connected.
    fn is_sprung(&self) -> bool {
        self.0.accept().is_ok()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// Runs `sshoal` over the files of a directory, in a place of their own.
fn run(case: &Path, trap: &Trap) -> Finished {
    let mut sshoal = Sshoal::new().env("LISTED", "one,two");
    let mut args = ARGS.to_owned();
    let shared = root().join("inventory.yml");
    for path in [vec![shared], files_below(case)].concat() {
        let name = path.strip_prefix(case).unwrap_or(Path::new("inventory.yml"));
        let name = name.to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        // Bytes that are no text have no port to replace.
        let content = match String::from_utf8(bytes) {
            Ok(text) => text.replace(PORT, &trap.port()).into_bytes(),
            Err(error) => error.into_bytes(),
        };
        match name {
            "args" => args = String::from_utf8(content).unwrap(),
            GOLDEN => {}
            _ => sshoal = sshoal.file(name, content),
        }
    }
    // Keys are made, for none belongs into a repository.
    let home = sshoal.home().to_owned();
    let key = |name: &str, passphrase| {
        KeyPair::generate(&home.join(name), KeyType::Ed25519, KeyFormat::OpenSsh, passphrase)
    };
    if args.contains("#keys") {
        key("plain_key", "");
        key("locked_key", "a passphrase");
        args = args.replace("#keys", "");
    }
    sshoal.args(words(&args)).run()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// Splits at blanks, but not within single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut open) = (false, false);
    for c in line.trim().chars() {
        match c {
            '\'' => (quoted, open) = (!quoted, true),
            ' ' | '\n' if !quoted => {
                if open {
                    words.push(String::new());
                }
                open = false;
            }
            c => {
                words.last_mut().unwrap().push(c);
                open = true;
            }
        }
    }
    words
}

/// Every directory below `tests/diagnostics/` is a case: the files that `sshoal`
/// is given, its arguments in `args` (default: [`ARGS`]), and in `stderr.snap`
/// what it must say. It must refuse with exit code 1, print nothing on stdout,
/// and connect to nobody.
#[test]
fn every_case_is_refused_offline() {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(root()).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() > 60, "looked at {} cases only", cases.len());
    let failed: Vec<&str> = cases
        .iter()
        .filter(|case| catch_unwind(AssertUnwindSafe(|| judge(case))).is_err())
        .map(|case| case.file_name().unwrap().to_str().unwrap())
        .collect();
    assert!(failed.is_empty(), "these cases differ: {}", failed.join(", "));
}

fn judge(case: &Path) {
    let trap = Trap::set();
    let finished = run(case, &trap);
    assert!(!trap.is_sprung(), "something connected\n{}", finished.transcript());
    let shown = finished.stderr.replace(&trap.port(), PORT);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(case);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("stderr", shown));
    finished.expect_status(1);
    assert_eq!(finished.stdout, "", "stdout is not empty");
    assert!(!shown.contains(SECRET), "a secret is shown\n{shown}");
    let begin = |marks: &[&str]| {
        shown.lines().filter(|line| marks.iter().any(|mark| line.starts_with(mark))).count()
    };
    let told = begin(&["  × ", "  ⚠ "]);
    assert_eq!(begin(&["  help: "]), told, "not every problem has a help\n{shown}");
    let home = finished.home().to_str().unwrap();
    assert!(!shown.contains(home), "a path of this machine is shown\n{shown}");
}

/// The same inventory, with nothing wrong: were it connected to, it would be seen.
#[test]
fn the_trap_works() {
    let trap = Trap::set();
    let case = tempfile::tempdir().unwrap();
    fs::write(case.path().join("args"), format!("{ARGS} -T 0.2")).unwrap();
    let playbook = "- hosts: all\n  tasks:\n    - command: uptime\n";
    fs::write(case.path().join("playbook.yml"), playbook).unwrap();
    run(case.path(), &trap).expect_status(4);
    assert!(trap.is_sprung());
}
