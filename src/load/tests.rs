use std::path::Path;

use proptest::prelude::*;

use super::decode::{Decode, Decoder};
use super::node::{Kind, Node};
use super::source::{FileId, Sources, Span};
use super::*;
use crate::diagnostic::{self, Problem, Problems, RenderStyle};

fn add(sources: &Sources, text: &str) -> FileId {
    sources.add("test.yml", Path::new("/"), text.to_owned())
}

fn tree(text: &str, scalars: Scalars) -> Node {
    let sources = Sources::default();
    document(&sources, add(&sources, text), Format::Yaml(scalars)).unwrap()
}

/// Every place in a tree, as the text that stands there, in order.
fn places(text: &str) -> Vec<String> {
    fn collect(node: &Node, text: &str, out: &mut Vec<String>) {
        let shown = |span: Option<Span>| match span {
            Some(span) => text[span.start..span.start + span.len].to_owned(),
            None => "?".to_owned(),
        };
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| collect(item, text, out)),
            Kind::Map(map) => {
                for entry in map.values() {
                    out.push(shown(entry.key));
                    collect(&entry.value, text, out);
                }
            }
            _ => out.push(shown(node.span)),
        }
    }
    let mut out = Vec::new();
    // Places are those of the text without the byte order mark.
    let bare = text.trim_start_matches(super::source::BYTE_ORDER_MARK);
    collect(&tree(text, Scalars::Core), bare, &mut out);
    out
}

#[test]
fn every_value_knows_its_place() {
    let cases: [(&str, &[&str]); 18] = [
        ("a: b\nc: 1\n", &["a", "b", "c", "1"]),
        ("a: 'b'\nc: \"d\"\n", &["a", "b", "c", "d"]),
        ("a: \"x\\ty\"\nb: 'it''s'\n", &["a", "\"x\\ty\"", "b", "'it''s'"]),
        ("a: |\n  x\n  y\nb: >-\n  z\n", &["a", "|", "b", ">-"]),
        ("{a: 1, b: true, c: ~}\n", &["a", "1", "b", "true", "c", "~"]),
        ("- 1\n- two\n- 3\n", &["1", "two", "3"]),
        ("- |\n  x\n- \"y\\n\"\n- z\n", &["|", "\"y\\n\"", "z"]),
        ("[1, [2, x], {a: 3}]\n", &["1", "2", "x", "a", "3"]),
        ("a: &x b\nc: *x\n", &["a", "b", "c", "b"]),
        ("ä: é\nö: 1\n- x: 2\n".split("- ").next().unwrap(), &["ä", "é", "ö", "1"]),
        ("- é\n- |\n  ü\n- 5\n", &["é", "|", "5"]),
        ("a: b\r\nc: 1\r\n- ".trim_end_matches("- "), &["a", "b", "c", "1"]),
        ("- a: 1\r\n- 2\r\n", &["a", "1", "2"]),
        ("\u{feff}a: b\nc: 1\n", &["a", "b", "c", "1"]),
        ("\u{feff}- 1\n- |\n  x\n", &["1", "|"]),
        ("a:\n  b\nc: # d\n  1\n", &["a", "b", "c", "1"]),
        ("\"a\": 1\n'b': x\n", &["a", "1", "b", "x"]),
        ("a: 1 # one\nb: \"x\" # two\n", &["a", "1", "b", "x"]),
    ];
    for (text, expected) in cases {
        assert_eq!(places(text), expected, "{text:?}");
    }
}

#[test]
fn parts_are_found_in_texts_that_do_not_stand_verbatim() {
    let cases = [
        ("a: x {{ b }} y\n", "b"),
        ("a: |\n  x\n\n  {{ b }}\n", "{{ b }}"),
        ("a: >\n  x\n  {{ b }}\n  y\n", "{{ b }}"),
        ("a: \"x\\n{{ b }}\"\n", "{{ b }}"),
        ("a: 'it''s {{ b }}'\n", "{{ b }}"),
        ("- |\n  {{ b }}\n  {{ c }}\n", "{{ c }}"),
        ("b: bb\na: |\n  bb b\n", "bb b"),
    ];
    for (text, wanted) in cases {
        let node = tree(text, Scalars::Core);
        let value = match &node.kind {
            Kind::Map(map) => &map["a"].value,
            Kind::List(items) => &items[0],
            _ => unreachable!(),
        };
        let Kind::Text(read, _) = &value.kind else { unreachable!() };
        let at = read.find(wanted).unwrap();
        let span = part(text, value.span.unwrap(), read, at..at + wanted.len()).unwrap();
        assert_eq!(&text[span.start..span.start + span.len], wanted, "{text:?}");
        let last = text.rfind(wanted).unwrap();
        assert_eq!(span.start, last, "{text:?}");
    }
    // Not beyond the value's end.
    let text = "a: |\n  x\nb: y\n";
    let value = &tree(text, Scalars::Core);
    let Kind::Map(map) = &value.kind else { unreachable!() };
    assert_eq!(part(text, map["a"].value.span.unwrap(), "y\n", 0..1), None);
}

const BIG: &str = "\"-170141183460469231731687303715884105728\"";

#[test]
fn numbers_are_read_as_texts_as_they_are_written() {
    let text_of = |node: &Node| {
        let mut decoder = Decoder::new(false, None);
        <String as Decode>::decode(node, "it", &mut decoder).unwrap()
    };
    let written = ["1.10", "0x1F", "1e3", "+12", "-0.50", "98765432109876543210123", "0o17"];
    for text in written {
        let Kind::Map(map) = tree(&format!("a: {text} # c\n"), Scalars::Core).kind else {
            panic!()
        };
        assert_eq!(text_of(&map["a"].value), text);
        let Kind::List(list) = tree(&format!("[x, {text}, y]"), Scalars::Core).kind else {
            panic!()
        };
        assert_eq!(text_of(&list[1]), text);
    }
    // In a list of any length, and behind an alias.
    let many = format!("a: [{}]\nb: &v 1.10\nc: *v\n", ["1e3"; 300].join(", "));
    let Kind::Map(map) = tree(&many, Scalars::Core).kind else { panic!() };
    let Kind::List(list) = &map["a"].value.kind else { panic!() };
    assert!(list.iter().all(|item| text_of(item) == "1e3"));
    assert_eq!(
        (text_of(&map["b"].value), text_of(&map["c"].value)),
        ("1.10".into(), "1.10".into())
    );
    let Kind::Map(map) = tree(&many, Scalars::Ansible).kind else { panic!() };
    assert!(map["a"].value.to_json().as_array().unwrap().iter().all(|item| item == "1e3"));
}

#[test]
fn scalars_mean_what_they_mean_to_their_reader() {
    let cases = [
        ("yes", "\"yes\"", "true"),
        ("Off", "\"Off\"", "false"),
        ("y", "\"y\"", "\"y\""),
        ("true", "true", "true"),
        ("0644", "\"0644\"", "420"),
        ("089", "\"089\"", "\"089\""),
        ("00", "\"00\"", "0"),
        ("0_1", "\"0_1\"", "1"),
        ("1:30", "\"1:30\"", "90"),
        ("1e3", "1000.0", "\"1e3\""),
        ("0o17", "15", "\"0o17\""),
        ("'yes'", "\"yes\"", "\"yes\""),
        ("\"0644\"", "\"0644\"", "\"0644\""),
        ("1.5", "1.5", "1.5"),
        ("0x1F", "31", "31"),
        ("~", "null", "null"),
        ("+.5", "0.5", "\"+.5\""),
        (".nan", "\"NaN\"", "\"NaN\""),
        ("-170141183460469231731687303715884105728", BIG, BIG),
        ("1.2.3", "\"1.2.3\"", "\"1.2.3\""),
        ("!!str 5", "\"5\"", "\"5\""),
    ];
    for (text, core, ansible) in cases {
        let json = |scalars| tree(&format!("a: {text}\n"), scalars).to_json()["a"].to_string();
        assert_eq!(json(Scalars::Core), core, "{text} in a playbook");
        assert_eq!(json(Scalars::Ansible), ansible, "{text} in an inventory");
    }
}

#[test]
fn what_is_merged_stands_first() {
    let text = "m: &m {b: 1, c: 1}\nn: &n {d: 2, b: 2}\na: {c: 0, <<: *m, x: 0}\no: {x: 0, <<: [*m, *n]}\np: {<<: *m, x: 0, <<: *n}\n";
    let Kind::Map(map) = tree(text, Scalars::Ansible).kind else { panic!() };
    // Written out, for a JSON object here has no order.
    let entries = |key: &str| {
        let Kind::Map(inner) = &map[key].value.kind else { panic!() };
        let entries = inner.iter().map(|(name, it)| format!("{name}{}", it.value.to_json()));
        entries.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(entries("a"), "b1 c0 x0");
    assert_eq!(entries("o"), "b1 c1 d2 x0");
    assert_eq!(entries("p"), "b1 c1 d2 x0");
}

#[test]
fn json_means_what_json_means() {
    let sources = Sources::default();
    let text = r#"[{"hosts": "all", "vars": {"a": "no", "b": 1e3}, "tasks": [{"command": "id", "loop": ["0644", 1e3]}]}]"#;
    let file = sources.add("play.json", Path::new("/"), text.to_owned());
    let Ok(super::CheckedFile::Playbook(read)) = super::any_text(&sources, file) else { panic!() };
    let super::PlaybookContent::Plays(plays) = &read.content else { panic!() };
    let play = &plays[0].value;
    let vars = &play.vars.as_ref().unwrap().value.0;
    assert_eq!(vars["a"].value.to_json(), "no");
    assert_eq!(vars["b"].value.to_json(), 1e3);
    let task = &play.tasks.as_ref().unwrap().value[0].value;
    let super::playbook::LoopItems::List(items) = &task.loop_items.as_ref().unwrap().value else {
        panic!()
    };
    assert_eq!(items[0].to_json(), "0644");
    assert_eq!(items[1].to_json(), 1e3);
}

#[test]
fn merge_keys_and_tags() {
    let text =
        "base: &b {x: 1, y: 2}\nmore: &m {x: 5, z: 3}\na: {<<: *b, y: 9}\nc:\n  <<: [*b, *m]\n";
    let json = tree(text, Scalars::Ansible).to_json();
    assert_eq!(json["a"], serde_json::json!({ "y": 9, "x": 1 }));
    assert_eq!(json["c"], serde_json::json!({ "x": 1, "y": 2, "z": 3 }));
    let node = tree("a: !vault |\n  x\nb: !unsafe '{{ y }}'\n", Scalars::Ansible);
    let Kind::Map(map) = &node.kind else { unreachable!() };
    let tag = |key: &str| match &map[key].value.kind {
        Kind::Tagged(tag, _) => tag.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((tag("a").as_str(), tag("b").as_str()), ("vault", "unsafe"));
}

fn messages(problems: &[Problem], sources: &Sources) -> Vec<String> {
    problems.iter().map(|problem| problem.one_line(sources)).collect()
}

#[test]
fn all_errors_of_a_document_are_reported() {
    let sources = Sources::default();
    let text = "\
- hosts: all
  connection_args: { prot: 22, timeout: -1 }
  driver_args: { environment: { A-B: x } }
  tasks:
    - command: [a, [b], 3]
      ignore_errors: perhaps
    - config: x
      command: y
    - options: { ttl: soon, queue_strategy: lifo }
      file_transfer: { operation: copy }
- tasks: none
";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("play.yml");
    std::fs::write(&path, text).unwrap();
    let problems = problems_of(playbooks(&sources, &[path]));
    let lines = |needle: &str| {
        let found = messages(&problems, &sources).into_iter().filter(|line| line.contains(needle));
        found
            .filter_map(|line| line.rsplit(':').next()?.trim_end_matches(')').parse().ok())
            .collect()
    };
    let expected: [(&str, &[u32]); 13] = [
        ("unknown key `prot`", &[2]),
        ("`timeout` must be", &[2]),
        ("`A-B` is not a name", &[3]),
        ("an item of `command` must be", &[5]),
        ("`ignore_errors` must be", &[6]),
        ("either `command` or `config`", &[7]),
        ("`ttl` must be", &[9]),
        ("`queue_strategy` must be", &[9]),
        ("`operation` must be", &[10]),
        ("needs the key `local_path`", &[10]),
        ("needs the key `remote_path`", &[10]),
        ("`tasks` must be a list", &[11]),
        ("needs the key `hosts`", &[11]),
    ];
    for (message, at) in expected {
        let lines: Vec<u32> = lines(message);
        assert_eq!(lines, at, "{message}\n{:#?}", messages(&problems, &sources));
    }
}

#[test]
fn a_key_without_a_value_is_as_good_as_none() {
    let sources = Sources::default();
    let text = "{\"command\": \"x\", \"vars\": null, \"connection_args\": {\"host\": \"h\", \"port\": null}}";
    let file = sources.add("<stdin>", Path::new("/"), text.to_owned());
    let requests = literal_requests(&sources, file).unwrap();
    assert!(requests[0].value.vars.is_none());
    assert!(requests[0].value.connection_args.as_ref().unwrap().value.port.is_none());
}

#[test]
fn requests_are_literal_and_json_is_json() {
    let sources = Sources::default();
    let text = r#"{"connection_args": {"host": "h"}, "command": "docker ps --format '{{.Names}}' \ud83d\ude00"}"#;
    let file = sources.add("<stdin>", Path::new("/"), text.to_owned());
    let requests = literal_requests(&sources, file).unwrap();
    let command = &requests[0].value.command.as_ref().unwrap().value;
    let text = "docker ps --format '{{.Names}}' \u{1f600}".to_owned();
    assert_eq!(*command, decode::OneOrMany::One(decode::Templated::Value(text)));
}

fn problems_of(loaded: Result<Vec<RawPlaybook>, Vec<Problem>>) -> Vec<Problem> {
    loaded.map_or_else(|errors| errors, |all| all.into_iter().flat_map(|it| it.problems).collect())
}

/// Renders every problem, which must work wherever it points.
fn draw(sources: &Sources, problems: Vec<Problem>) {
    let problems = Problems::collect(problems);
    for problem in problems.iter() {
        let Some(span) = problem.span() else { continue };
        let text = &sources.get(span.file).text;
        let end = span.start + span.len;
        assert!(text.get(span.start..end).is_some(), "{span:?} in {text:?}: {problem:?}");
    }
    let style = RenderStyle { color: true, width: 80 };
    let drawn = diagnostic::render(&problems, sources, style);
    assert!(!drawn.contains("OutOfBounds"), "{drawn}");
}

/// Loads a text as everything that it could be.
fn load_all(text: &str) {
    for name in ["t.yml", "t.json", "t"] {
        let sources = Sources::default();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let paths = std::slice::from_ref(&path);
        let mut problems = Vec::new();
        problems.extend(problems_of(playbooks(&sources, paths)));
        problems.extend(any_file(&sources, &path).err().unwrap_or_default());
        problems.extend(vars_layer(&sources, &path).err().unwrap_or_default());
        problems.extend(extra_vars(&sources, text).err().unwrap_or_default());
        match inventory::load(&sources, &[path.display().to_string()]) {
            Ok(loaded) => {
                let built = crate::resolve::inventory::Inventory::build(loaded.inventories);
                problems.extend(built.err().unwrap_or_default());
            }
            Err(errors) => problems.extend(errors),
        }
        let file = sources.add("<stdin>", Path::new("/"), text.to_owned());
        problems.extend(literal_requests(&sources, file).err().unwrap_or_default());
        draw(&sources, problems);
    }
}

const SEEDS: [&str; 4] = [
    include_str!("../../playbooks/quickstart.yml"),
    "all:\n  vars: {connection_args: {port: 22}, x: &a [1, yes, 0644]}\n  children:\n    web:\n      hosts:\n        a: {<<: {b: 1}, ansible_port: '22'}\n        é: !vault |\n          x\n",
    "{\"connection_args\": {\"host\": \"h\", \"password\": \"p\\u00e9\"}, \"command\": [\"a\", 5], \"driver_args\": {\"timeout\": 1.5, \"environment\": {\"A\": null}}}",
    "- hosts: [a, '!b']\n  vars: {a: '{{ b }}'}\n  tasks:\n    - command: |\n        x {{ y }}\n      when: [a, true]\n      loop: [{x: 1}]\n    - file_transfer: {operation: upload, local_path: a, remote_path: b, mode: \"0644\"}\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_text_makes_loading_panic(text in "\\PC*|[-:{}\\[\\]\"'|>&*!#%\\n\\r\\t a0é\u{2028}]{0,60}") {
        load_all(&text);
    }

    #[test]
    fn no_damage_makes_loading_panic(
        seed in 0..SEEDS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..6usize, "[-:{}\\[\\]\"'|>&*!#%,\\n\\r\\t ~0é\u{feff}]{0,3}"), 1..4),
    ) {
        let mut text: Vec<char> = SEEDS[seed].chars().collect();
        for (at, length, insert) in damage {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, insert.chars());
        }
        load_all(&text.into_iter().collect::<String>());
    }
}
