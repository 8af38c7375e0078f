//! The architecture as a test: which layer may know what, as the table in the
//! crate's documentation has it.

use std::fs;
use std::path::Path;

mod source;

use source::Source;

/// The longest a file may be, its tests aside.
const LONGEST_FILE: usize = 300;

/// Crates that one layer owns.
const OWNED_CRATES: [(&str, &str); 5] = [
    ("ssh2", "src/transport/"),
    ("rayon", "src/execute/"),
    ("serde_yaml", "src/load/"),
    ("ureq", "src/credential/"),
    ("rustls", "src/credential/"),
];

/// For each layer, the layers that it must not know.
const FORBIDDEN_LAYERS: [(&str, &[&str]); 7] = [
    ("load", &["resolve", "plan", "execute", "transport", "report", "credential", "cli"]),
    ("resolve", &["execute", "transport", "report", "cli"]),
    ("plan", &["execute", "transport", "report", "cli"]),
    ("credential", &["load", "resolve", "plan", "execute", "transport", "report", "event", "cli"]),
    ("execute", &["load", "report", "cli"]),
    ("transport", &["event", "load", "resolve", "execute", "report", "cli"]),
    ("report", &["plan", "transport", "cli"]),
];

/// What stands above the layers, and may know the command line.
const ABOVE: [&str; 6] =
    ["src/lib.rs", "src/main.rs", "src/cli/", "src/config.rs", "src/app/", "src/schema.rs"];

/// Layers that know no network, no clock and no threads, and what would betray them.
const PURE_LAYERS: [&str; 2] = ["src/resolve/", "src/plan/"];
const IMPURE_WORDS: [&str; 5] =
    ["TcpStream", "UdpSocket", "ToSocketAddrs", "Instant", "SystemTime"];
const IMPURE_PATHS: [&str; 2] = ["std::thread", "Timestamp::now"];

/// Layers that hand on what there is to show, and show nothing themselves.
const SILENT_LAYERS: [&str; 5] =
    ["src/load/", "src/resolve/", "src/plan/", "src/execute/", "src/transport/"];

#[test]
fn every_file_keeps_to_its_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut offences = Vec::new();
    let mut files = 0;
    let mut directories = vec![root.join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                offences.extend(offences_in(&name, &fs::read_to_string(&path).unwrap()));
                files += 1;
            }
        }
    }
    offences.sort();
    assert!(files > 10, "looked at {files} files only");
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

/// What in the file breaks a rule, as `path:line: why`.
fn offences_in(path: &str, text: &str) -> Vec<String> {
    // A `tests` module in a file of its own is test code as a whole.
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return Vec::new();
    }
    let source = Source::parse(path, text);
    let mut offences = Vec::new();
    let mut offend = |lines: Vec<usize>, why: &str| {
        offences.extend(lines.into_iter().map(|line| format!("{path}:{line}: {why}")));
    };
    for (name, owner) in OWNED_CRATES {
        if !path.starts_with(owner) {
            offend(source.uses_of_crate(name), &format!("only `{owner}` knows `{name}`"));
        }
    }
    if !path.starts_with("src/report/") && path != "src/main.rs" {
        for name in ["println", "print"] {
            offend(source.calls_of_macro(name), &format!("`{name}!` belongs to `src/report/`"));
        }
    }
    if !path.starts_with("src/transport/") {
        offend(source.word("unsafe"), "`unsafe` belongs to `src/transport/`, if anywhere");
    }
    if PURE_LAYERS.iter().any(|layer| path.starts_with(layer)) {
        for name in IMPURE_WORDS {
            offend(source.word(name), &format!("this layer does without `{name}`"));
        }
        for name in IMPURE_PATHS {
            offend(source.path(name), &format!("this layer does without `{name}`"));
        }
    }
    if SILENT_LAYERS.iter().any(|layer| path.starts_with(layer)) {
        for name in ["io::stdout", "io::stderr"] {
            offend(source.path(name), &format!("this layer does without `{name}`"));
        }
        for name in ["eprintln", "eprint", "dbg"] {
            offend(source.calls_of_macro(name), &format!("this layer does without `{name}!`"));
        }
    }
    // Through either of these, crates and layers come in unseen.
    offend(source.extern_crates(), "no `extern crate`: crates are named where they are used");
    let everything = source.paths().into_iter().filter(|(path, _)| path == "crate::*");
    offend(everything.map(|(_, line)| line).collect(), "name what is used of the crate");
    if path.starts_with("src/transport/") {
        let of_plan = |path: &str| path == "crate::plan" || path.starts_with("crate::plan::");
        let of_spec = |path: &str| format!("{path}::").starts_with("crate::plan::spec::");
        let others = source.paths().into_iter();
        let others = others.filter(|(path, _)| of_plan(path) && !of_spec(path));
        offend(others.map(|(_, line)| line).collect(), "of `plan` this layer knows `spec` only");
    }
    let above = ABOVE.iter().any(|start| path.starts_with(start));
    let layer = FORBIDDEN_LAYERS.iter().find(|(layer, _)| {
        path.starts_with(&format!("src/{layer}/")) || path == format!("src/{layer}.rs")
    });
    let forbidden = match layer {
        Some((_, forbidden)) => *forbidden,
        None if above => &[],
        None => &["cli"],
    };
    for (used, line) in source.layers_used() {
        if forbidden.contains(&used.as_str()) {
            offend(vec![line], &format!("this layer must not know `{used}`"));
        }
    }
    if source.lines > LONGEST_FILE {
        let why = format!("{} lines without tests, of at most {LONGEST_FILE}", source.lines);
        offend(vec![LONGEST_FILE + 1], &why);
    }
    offences
}

/// The lines that break a rule.
fn bad_lines(path: &str, text: &str) -> Vec<usize> {
    offences_in(path, text)
        .iter()
        .map(|offence| offence.split(':').nth(1).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn crates_are_seen_outside_of_their_layer() {
    for text in ["use ssh2::Session;", "let s = ssh2::Session::new();", "use ssh2;", "::ssh2::X"] {
        assert_eq!(bad_lines("src/execute/pool.rs", text), [1], "{text}");
        assert_eq!(bad_lines("src/transport/link.rs", text), [0; 0], "{text}");
    }
    assert_eq!(bad_lines("src/plan/mod.rs", "\nuse rayon::Scope;\nserde_yaml::Value"), [2, 3]);
    assert_eq!(bad_lines("src/config.rs", "use my_ssh2::X; let ssh2 = 1;"), [0; 0]);
}

#[test]
fn macros_and_keywords_are_seen() {
    assert_eq!(bad_lines("src/cli/mod.rs", "println!(\"x\");\nprint!(\"x\");"), [1, 2]);
    assert_eq!(bad_lines("src/main.rs", "println!(\"x\");"), [0; 0]);
    assert_eq!(bad_lines("src/event.rs", "eprintln!(\"x\"); let print = 1;"), [0; 0]);
    assert_eq!(bad_lines("src/event.rs", "\nunsafe { f() }"), [2]);
    assert_eq!(bad_lines("src/event.rs", "#![deny(unsafe_code)]"), [0; 0]);
    assert_eq!(bad_lines("src/plan/x.rs", "use std::net::TcpStream;\nstd::thread::sleep"), [1, 2]);
}

#[test]
fn paths_are_seen_in_groups() {
    for text in [
        "use std::{fs, thread};",
        "use std::{fs,\n};use std::{io::{self as i, Read as _}, thread::{self, sleep}};",
        "fn f() { std :: thread::sleep(d) }",
    ] {
        assert!(!bad_lines("src/plan/x.rs", text).is_empty(), "{text}");
        assert_eq!(bad_lines("src/execute/x.rs", text), [0; 0], "{text}");
    }
    for text in [
        "use std::io::stdout;",
        "use std::{fs, io::{self, stderr}};",
        "fn f() { io::stdout().lock(); }",
        "eprintln!();",
    ] {
        assert_eq!(bad_lines("src/execute/x.rs", text), [1], "{text}");
        assert_eq!(bad_lines("src/report/x.rs", text), [0; 0], "{text}");
    }
    assert_eq!(bad_lines("src/execute/x.rs", "use std::{io, fs};\nlet stdout = 1;"), [0; 0]);
}

#[test]
fn what_would_let_others_in_unseen_is_seen() {
    for text in ["extern crate ssh2;", "use crate::*;", "use crate::{event::Event, *};"] {
        assert_eq!(bad_lines("src/lint/x.rs", text), [1], "{text}");
    }
    for text in [
        "use crate::plan::Plan;",
        "use crate::plan;",
        "use crate::{failure, plan::{Plan, spec}};",
        "fn f(_: crate::plan::Plan) {}",
    ] {
        assert_eq!(bad_lines("src/transport/x.rs", text), [1], "{text}");
    }
    for text in ["use crate::plan::spec;", "use crate::plan::{spec::{self, ExecOptions}};"] {
        assert_eq!(bad_lines("src/transport/x.rs", text), [0; 0], "{text}");
    }
}

#[test]
fn layers_are_seen_in_every_form_of_path() {
    for text in [
        "use crate::plan::Plan;",
        "use crate::{event::Event, plan::{self, spec}};",
        "use crate::{\n    event, plan,\n};",
        "fn f(_: crate::plan::Plan) {}",
        "use super::plan::Plan;",
        "use super::{event, plan};",
    ] {
        assert_eq!(bad_lines("src/report/mod.rs", text), [1], "{text}");
    }
    assert_eq!(bad_lines("src/report/json.rs", "use super::super::plan;"), [1]);
    // These are modules of the layer itself, which happen to have such a name.
    assert_eq!(bad_lines("src/report/json.rs", "use super::plan;"), [0; 0]);
    assert_eq!(bad_lines("src/report/json.rs", "use crate::event::plan;"), [0; 0]);
    assert_eq!(bad_lines("src/report/json.rs", "use crate::{event::{plan}};"), [0; 0]);
    assert_eq!(bad_lines("src/event.rs", "use crate::cli::Args;"), [1]);
    assert_eq!(bad_lines("src/lib.rs", "pub fn run() { crate::cli::run() }"), [0; 0]);
}

#[test]
fn comments_texts_and_tests_are_not_code() {
    let text = r###"
//! Nothing of [`crate::plan`] or ssh2::Session.
/* unsafe /* println!() */ rayon::spawn */
/// See [`crate::transport`].
const A: &str = "ssh2::Session \" println!()";
const B: &str = r#"rayon::spawn " unsafe"#;
const C: (char, char) = ('"', '\'');
fn f<'a>(_: &'a str) -> &'a str { "//" }
#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    #[test]
    fn t() { println!("{}", "}"); }
}
println!("code again");
"###;
    assert_eq!(bad_lines("src/load/mod.rs", text), [15]);
    assert_eq!(bad_lines("src/load/tests.rs", text), [0; 0]);
}

#[test]
fn long_files_are_seen() {
    let long = "// a line\n".repeat(301);
    assert_eq!(bad_lines("src/event.rs", &long), [301]);
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", "x();\n".repeat(300));
    assert_eq!(bad_lines("src/event.rs", &tested), [0; 0]);
}
