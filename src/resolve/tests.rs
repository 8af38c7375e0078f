use proptest::prelude::*;

use super::inventory::Inventory;
use super::pattern;
use crate::load::source::Sources;

fn build(sources: &[&str]) -> Result<Inventory, Vec<String>> {
    build_as("yml", sources)
}

fn build_as(ending: &str, sources: &[&str]) -> Result<Inventory, Vec<String>> {
    let texts = Sources::default();
    let dir = tempfile::tempdir().unwrap();
    let path = |(number, text): (usize, &&str)| {
        let path = dir.path().join(format!("{number:03}.{ending}"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths: Vec<String> =
        sources.iter().enumerate().map(|s| path(s).display().to_string()).collect();
    crate::load::inventory::load(&texts, &paths)
        .and_then(|loaded| Inventory::build(loaded.inventories))
        .map_err(|problems| problems.iter().map(|problem| problem.one_line(&texts)).collect())
}

fn hosts(inventory: &Inventory, group: &str) -> Vec<String> {
    inventory.group(group).unwrap().hosts.iter().map(ToString::to_string).collect()
}

fn groups(inventory: &Inventory, host: &str) -> Vec<String> {
    inventory.host(host).unwrap().1.groups.iter().map(ToString::to_string).collect()
}

#[test]
fn groups_contain_what_their_children_contain() {
    let inventory = build(&["\
all:
  hosts: { alone: , web-01: }
  children:
    top: { children: { left: , right: } }
left: { children: { bottom: }, hosts: { l: } }
right: { children: { bottom: } }
bottom: { hosts: { b: , web-01: } }
empty:
"])
    .unwrap();
    // A group's own hosts first, then those of its children, level by level.
    assert_eq!(hosts(&inventory, "all"), ["alone", "web-01", "l", "b"]);
    assert_eq!(hosts(&inventory, "top"), ["l", "b", "web-01"]);
    assert_eq!(hosts(&inventory, "right"), ["b", "web-01"]);
    assert_eq!(hosts(&inventory, "ungrouped"), ["alone"]);
    assert!(hosts(&inventory, "empty").is_empty());
    // Parents before children; equals by name.
    assert_eq!(groups(&inventory, "b"), ["top", "left", "right", "bottom"]);
    assert_eq!(groups(&inventory, "alone"), ["ungrouped"]);
}

#[test]
fn sources_add_to_each_other() {
    let inventory = build(&[
        "web: { hosts: { a: { x: 1, y: 1 } }, vars: { g: 1 } }\n",
        "web: { hosts: { b: , a: { x: 2 } }, vars: { g: 2 } }\ndb: { hosts: b }\n",
    ])
    .unwrap();
    assert_eq!(hosts(&inventory, "web"), ["a", "b"]);
    assert_eq!(hosts(&inventory, "db"), ["b"]);
    let value = |name: &str| {
        let layers = &inventory.host("a").unwrap().1.layers;
        let node = layers.iter().rev().find_map(|layer| layer.get(name)).unwrap();
        node.to_json().to_string()
    };
    assert_eq!([value("x"), value("y"), value("g")], ["2", "1", "2"]);
}

#[test]
fn a_deeper_group_wins_by_its_longest_path() {
    // `near` is a child of `all` and of `far`, so it is two levels down.
    let inventory = build(&["\
all: { children: { near: , far: } }
far: { children: { near: } }
near: { hosts: { h: } }
"])
    .unwrap();
    assert_eq!(groups(&inventory, "h"), ["far", "near"]);
}

#[test]
fn circles_are_errors_and_double_names_are_told() {
    let circle =
        build(&["a: { children: { b: } }\nb: { children: { c: } }\nc: { children: { a: } }\n"]);
    let circle = circle.unwrap_err().remove(0);
    let ways = ["a → b → c → a", "b → c → a → b", "c → a → b → c"];
    assert!(ways.iter().any(|way| circle.contains(way)), "{circle}");
    let own = build(&["a: { children: { a: } }\n"]);
    assert!(own.unwrap_err()[0].contains("a → a"));
    let above = build(&["web: { children: { all: } }\n"]);
    assert!(above.unwrap_err()[0].contains("contains itself"));
    let double = build(&["web: { hosts: { db: } }\n", "db: { hosts: { x: } }\n"]);
    let told = double.unwrap().warnings();
    assert!(told.len() == 1 && told[0].is_warning() && told[0].is_of("resolve"), "{told:?}");
}

#[test]
fn groups_may_nest_as_deep_as_they_like() {
    let chain: String =
        (0..3000).map(|at| format!("g{at}: {{ children: {{ g{}: }} }}\n", at + 1)).collect();
    let inventory = build(&[&format!("{chain}g3000: {{ hosts: {{ h: }} }}\n")]).unwrap();
    assert_eq!(hosts(&inventory, "g0"), ["h"]);
}

#[test]
fn odd_names_stay_names() {
    let inventory =
        build(&["all: { hosts: { 10: , '1.10': , \"2001:db8::1\": , on: } }\n"]).unwrap();
    assert_eq!(hosts(&inventory, "all"), ["10", "1.10", "2001:db8::1", "on"]);
}

const FLEET: &str = "\
web: { hosts: { web-01: , web-02: , web-03: , web-10: } }
db: { hosts: { db-01: , db-02: } }
staging: { hosts: { web-03: , db-02: } }
v6: { hosts: { \"2001:db8::1\": } }
";

fn select(pattern: &str) -> Result<String, String> {
    let inventory = build(&[FLEET]).unwrap();
    match pattern::select(&inventory, pattern, &|path| path.into()) {
        Ok(hosts) => Ok(hosts.join(" ")),
        Err(errors) => {
            let shown = errors
                .iter()
                .map(|(error, range)| format!("{error} @ {}", &pattern[range.clone()]));
            Err(shown.collect::<Vec<_>>().join("; "))
        }
    }
}

#[test]
fn patterns_select_as_in_ansible() {
    let all = "web-01 web-02 web-03 web-10 db-01 db-02 2001:db8::1";
    let cases = [
        ("all", all),
        ("*", all),
        ("web", "web-01 web-02 web-03 web-10"),
        ("db:web-02", "db-01 db-02 web-02"),
        ("web-02,db", "web-02 db-01 db-02"),
        ("web, db-01", "web-01 web-02 web-03 web-10 db-01"),
        ("web:!web-03", "web-01 web-02 web-10"),
        ("!web-03:web", "web-01 web-02 web-10"),
        ("web:&staging", "web-03"),
        ("&staging:web:db:!db", "web-03"),
        ("!web", "db-01 db-02 2001:db8::1"),
        ("&staging", "web-03 db-02"),
        ("web-0*", "web-01 web-02 web-03"),
        ("w?b", "web-01 web-02 web-03 web-10"),
        ("*-02", "web-02 db-02"),
        ("web[0]", "web-01"),
        ("web[-1]", "web-10"),
        ("web[1:2]", "web-02 web-03"),
        ("web[2:]", "web-03 web-10"),
        ("web[:1]", "web-01 web-02"),
        ("web[7]", ""),
        ("web-[12]0", "web-10"),
        ("~web-\\d0", "web-10"),
        ("~(web|db)-02", "web-02 db-02"),
        ("~web-0[1:2]", "web-01 web-02"),
        ("!~web.*", "db-01 db-02 2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("all:!2001:db8::1:!web", "x"),
        ("ungrouped", ""),
        ("ungr*", ""),
        ("web**", "web-01 web-02 web-03 web-10"),
        ("web[0-1]", "web-01 web-02"),
        ("web[2-]", "web-03 web-10"),
        ("web-0[1-2]", "web-01 web-02"),
        ("web-0[!1]", "web-02 web-03"),
        ("~web.*:!web-03", "web-01 web-02 web-10"),
        ("~web.*:&staging", "web-03"),
        ("!~web.*:~db", "db-01 db-02"),
        ("~(?:web|db)-02:!db", "web-02"),
        ("~web-0[:2]", "web-02"),
        ("web:web", "web-01 web-02 web-03 web-10"),
    ];
    for (pattern, expected) in cases {
        // An IPv6 address among other parts needs commas.
        if expected == "x" {
            assert!(select(pattern).is_err(), "{pattern}");
            assert_eq!(select("all,!2001:db8::1,!web").unwrap(), "db-01 db-02");
            continue;
        }
        assert_eq!(select(pattern).as_deref(), Ok(expected), "{pattern}");
    }
}

#[test]
fn patterns_that_mean_nothing_are_errors_in_place() {
    let cases = [
        ("", "is empty @ "),
        (" , : ", "is empty"),
        ("wbe", "no host or group `wbe` @ wbe"),
        ("web:!wbe", "`wbe` @ wbe"),
        ("web: & stagin ,x", "`x` @ x"),
        ("~web-(", "cannot be read"),
        ("web[1", "cannot be read"),
        ("!", "a part of it is empty"),
        ("web[1:2:3]", "neither an index nor a range"),
        ("nothing*", "matches `nothing*` @ nothing*"),
        ("~nothing", "matches `~nothing` @ ~nothing"),
        ("web:!nothing*", "@ nothing*"),
        ("web:&~nothing", "@ ~nothing"),
        ("web-0[5-9]", "matches `web-0[5-9]`"),
    ];
    for (pattern, expected) in cases {
        let shown = select(pattern).unwrap_err();
        assert!(shown.contains(expected), "{pattern}: {shown}");
    }
    assert!(select("nowhere:nothing").unwrap_err().contains("; "));
}

/// The hosts of the model, by number, and the groups that they are in.
const MODEL_HOSTS: usize = 8;
/// Its groups: each holds those of the next one too if `nested` says so.
const MODEL_GROUPS: usize = 4;

/// A fleet of the model.
#[derive(Debug)]
struct Fleet {
    memberships: Vec<u8>,
    nested: u8,
}

impl Fleet {
    fn text(&self) -> String {
        let mut text = String::from("all: { hosts: {");
        (0..MODEL_HOSTS).for_each(|host| text.push_str(&format!(" h{host}: ,")));
        text.push_str("} }\n");
        for (group, members) in self.memberships.iter().enumerate() {
            let hosts = (0..MODEL_HOSTS).filter(|host| members & (1 << host) != 0);
            let hosts: String = hosts.map(|host| format!(" h{host}: ,")).collect();
            let child = match self.holds_next(group) {
                true => format!(", children: {{ g{}: }}", group + 1),
                false => String::new(),
            };
            text.push_str(&format!("g{group}: {{ hosts: {{{hosts}}}{child} }}\n"));
        }
        text
    }

    fn holds_next(&self, group: usize) -> bool {
        group + 1 < MODEL_GROUPS && self.nested & (1 << group) != 0
    }

    /// The hosts of a group: its own, and then those of the group within it.
    fn group(&self, group: usize) -> Vec<usize> {
        let members = self.memberships[group];
        let mut hosts: Vec<usize> =
            (0..MODEL_HOSTS).filter(|host| members & (1 << host) != 0).collect();
        if self.holds_next(group) {
            hosts.extend(self.group(group + 1));
        }
        let mut seen = [false; MODEL_HOSTS];
        hosts.retain(|host| !std::mem::replace(&mut seen[*host], true));
        hosts
    }

    /// A part of a pattern by its number, and the hosts that it names.
    fn part(&self, part: usize, from: usize, to: usize) -> (String, Vec<usize>) {
        let all: Vec<usize> = (0..MODEL_HOSTS).collect();
        let between = |hosts: &[usize]| {
            let end = hosts.len().min(to + 1);
            hosts.get(from..end).unwrap_or_default().to_vec()
        };
        match part {
            0..4 => (format!("g{part}"), self.group(part)),
            4..12 => (format!("h{}", part - 4), vec![part - 4]),
            12 => ("h*".to_owned(), all),
            13 => ("h[!0-4]".to_owned(), vec![5, 6, 7]),
            14 => ("~h[2-4]$".to_owned(), vec![2, 3, 4]),
            15 => ("~(?:h|x)[:67]".to_owned(), vec![6, 7]),
            16 => (format!("all[{from}:{to}]"), between(&all)),
            17 => (format!("g0[{from}:]"), {
                let hosts = self.group(0);
                hosts.get(from..).unwrap_or_default().to_vec()
            }),
            _ => (format!("g1[{from}-{to}]"), between(&self.group(1))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn patterns_agree_with_sets(
        memberships in prop::collection::vec(any::<u8>(), MODEL_GROUPS),
        nested in any::<u8>(),
        parts in prop::collection::vec((0..3usize, 0..19usize, 0..9usize, 0..9usize), 1..6),
        separator in "[:,]",
    ) {
        let model = Fleet { memberships, nested };
        let inventory = build(&[&model.text()]).unwrap();
        let part = |at: &(usize, usize, usize, usize)| model.part(at.1, at.2, at.3);
        let pattern: Vec<String> =
            parts.iter().map(|at| format!("{}{}", ["", "!", "&"][at.0], part(at).0)).collect();
        let pattern = pattern.join(&separator);
        let of = |wanted: usize| parts.iter().filter(move |at| at.0 == wanted).map(|at| part(at).1);
        let mut expected: Vec<usize> = of(0).flatten().collect();
        if of(0).next().is_none() {
            expected = (0..MODEL_HOSTS).collect();
        }
        of(2).for_each(|kept| expected.retain(|host| kept.contains(host)));
        of(1).for_each(|removed| expected.retain(|host| !removed.contains(host)));
        expected.sort_unstable();
        expected.dedup();
        let mut selected: Vec<String> =
            pattern::select(&inventory, &pattern, &|path| path.into()).unwrap().iter().map(ToString::to_string).collect();
        selected.sort_unstable();
        let expected: Vec<String> = expected.into_iter().map(|host| format!("h{host}")).collect();
        prop_assert_eq!(selected, expected, "{}\n{}", pattern, model.text());
    }

    #[test]
    fn no_pattern_panics(pattern in "[a-z0-9\\[\\]:,!&~*?(){}|. é-]{0,24}") {
        let inventory = build(&[FLEET]).unwrap();
        if let Err(errors) = pattern::select(&inventory, &pattern, &|path| path.into()) {
            for (_, range) in errors {
                prop_assert!(pattern.get(range).is_some());
            }
        }
    }
}

/// Variables, by number, and their values.
type Vars = Vec<(usize, i64)>;

/// An inventory of a few hosts and groups, for both of its forms.
#[derive(Debug, Clone)]
struct Model {
    /// Each group's hosts, and its variables.
    groups: Vec<(Vec<usize>, Vars)>,
    /// Children of groups, always of a higher number, so that there is no circle.
    children: Vec<(usize, usize)>,
    host_vars: Vec<(usize, usize, i64)>,
}

fn model() -> impl Strategy<Value = Model> {
    let vars = || prop::collection::vec((0..3usize, -9..100i64), 0..3);
    let group = (prop::collection::vec(0..6usize, 0..4), vars());
    let host_vars = prop::collection::vec((0..6usize, 0..3usize, -9..100i64), 0..6);
    let children = prop::collection::vec((0..4usize, 0..4usize), 0..5);
    (prop::collection::vec(group, 4), children, host_vars).prop_map(|(groups, pairs, host_vars)| {
        let mut children: Vec<(usize, usize)> = Vec::new();
        for (one, other) in pairs.into_iter().filter(|(one, other)| one != other) {
            let pair = (one.min(other), one.max(other));
            if !children.contains(&pair) {
                children.push(pair);
            }
        }
        Model { groups, children, host_vars }
    })
}

impl Model {
    fn ini(&self) -> String {
        let mut text = String::new();
        // Every group is declared before it is a child, as the other form does it.
        (0..self.groups.len()).for_each(|group| text.push_str(&format!("[g{group}]\n")));
        for (group, (hosts, vars)) in self.groups.iter().enumerate() {
            text.push_str(&format!("[g{group}]\n"));
            hosts.iter().for_each(|host| text.push_str(&format!("h{host}\n")));
            text.push_str(&format!("[g{group}:vars]\n"));
            vars.iter().for_each(|(name, value)| text.push_str(&format!("v{name}={value}\n")));
        }
        for (parent, child) in &self.children {
            text.push_str(&format!("[g{parent}:children]\ng{child}\n"));
        }
        text.push_str("[all:hosts]\n");
        let line = |(host, name, value): &(usize, usize, i64)| format!("h{host} v{name}={value}\n");
        text + &self.host_vars.iter().map(line).collect::<String>()
    }

    /// YAML, in as many sources as there is to say, because no key may stand twice.
    fn yaml(&self) -> Vec<String> {
        let mut texts = vec![(0..self.groups.len()).map(|group| format!("g{group}:\n")).collect()];
        for (group, (hosts, vars)) in self.groups.iter().enumerate() {
            for host in hosts {
                texts.push(format!("g{group}: {{ hosts: {{ h{host}: }} }}\n"));
            }
            for (name, value) in vars {
                texts.push(format!("g{group}: {{ vars: {{ v{name}: {value} }} }}\n"));
            }
        }
        for (parent, child) in &self.children {
            texts.push(format!("g{parent}: {{ children: {{ g{child}: }} }}\n"));
        }
        for (host, name, value) in &self.host_vars {
            texts.push(format!("all: {{ hosts: {{ h{host}: {{ v{name}: {value} }} }} }}\n"));
        }
        texts
    }
}

/// Everything that an inventory says, as a text.
fn described(inventory: &Inventory) -> String {
    let group = |(name, group): (&std::sync::Arc<str>, &super::inventory::Group)| {
        let children: Vec<_> = group.child_groups().collect();
        format!("{name} {:?} {:?}\n", group.hosts, children)
    };
    let host = |(name, host): (&crate::event::HostName, &super::inventory::Host)| {
        let vars: std::collections::BTreeMap<&String, String> = host
            .layers
            .iter()
            .flat_map(|layer| &layer.vars.0)
            .map(|(name, entry)| (name, entry.value.to_json().to_string()))
            .collect();
        format!("{name} {:?} {vars:?}\n", host.groups)
    };
    let groups: String = inventory.groups().map(group).collect();
    groups + &inventory.hosts().map(host).collect::<String>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ini_and_yaml_say_the_same(model in model()) {
        let yaml = model.yaml();
        let yaml = build(&yaml.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        let ini = build_as("ini", &[&model.ini()]).unwrap();
        prop_assert_eq!(described(&ini), described(&yaml), "{}", model.ini());
    }
}

#[test]
fn ten_thousand_hosts_take_no_time() {
    let text = "[web]\nweb-[0001:5000]\n[db]\ndb-[0001:5000] x=1\n[prod:children]\nweb\ndb\n";
    let started = std::time::Instant::now();
    let inventory = build_as("ini", &[text]).unwrap();
    assert_eq!(inventory.group("prod").unwrap().hosts.len(), 10_000);
    // It takes a tenth of a second; quadratic work would take minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}
