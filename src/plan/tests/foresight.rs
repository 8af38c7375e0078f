//! A template that the proof lets pass does not come upon an undefined name later,
//! whatever the results are.

use proptest::prelude::*;

use super::*;

/// Values, some of which are there on some hosts only, or nowhere.
fn value() -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec![
        "'t'",
        "r.output",
        "r.ok",
        "r.results",
        "r.results[0]",
        "r.stdout",
        "r['rc']",
        "r.ok.x",
        "there",
        "only_here",
        "nowhere",
        "nowhere.a.b",
        "groups.web",
        "groups.none",
        "site.port",
        "site.prot",
        "hostvars['web-02'].only_here",
        "x",
    ]);
    // Most are there, or hardly any template would pass.
    let there = prop::sample::select(vec!["'t'", "r.output", "there", "site.port", "groups.web"]);
    prop_oneof![3 => there, 1 => leaf]
        .prop_map(str::to_owned)
        .prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ~ {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} | default({b}))")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
                (inner.clone(), condition(inner.clone()), inner.clone())
                    .prop_map(|(a, c, b)| format!("({a} if {c} else {b})")),
                inner.prop_map(|a| format!("({a} | string | upper)")),
            ]
        })
        .boxed()
}

fn condition(value: BoxedStrategy<String>) -> BoxedStrategy<String> {
    (value, prop::sample::select(vec!["r.ok", "r.changed", "there"]), 0..6_usize)
        .prop_map(|(value, flag, form)| match form {
            0 => flag.to_owned(),
            1 => format!("({value}) is defined"),
            2 => format!("{flag} and ({value}) is defined"),
            3 => format!("{flag} or ({value}) is not defined"),
            4 => format!("not ({flag} and ({value}) is undefined)"),
            _ => format!("{flag} and {value}"),
        })
        .boxed()
}

/// Pieces of templates.
fn piece() -> BoxedStrategy<String> {
    prop_oneof![
        value().prop_map(|a| format!("{{{{ {a} }}}}")),
        (condition(value()), value(), value()).prop_map(|(c, a, b)| format!(
            "{{% if {c} %}}{{{{ {a} }}}}{{% else %}}{{{{ {b} }}}}{{% endif %}}"
        )),
        value().prop_map(|a| format!(
            "{{% for x in r.results %}}{{{{ x.output ~ {a} }}}}{{% endfor %}}"
        )),
        (value(), value())
            .prop_map(|(a, b)| format!("{{% with x = {a} %}}{{{{ {b} }}}}{{% endwith %}}")),
        value().prop_map(|a| format!("{{% set x = {a} %}}")),
        (value(), prop::sample::select(vec!["x", "y", "x == 't'", "x != y", "y == 80"])).prop_map(
            |(a, c)| format!("{{% set y = {a} %}}{{{{ r.output if {c} else nowhere }}}}")
        ),
        (condition(value()), value(), value()).prop_map(|(c, a, b)| format!(
            "{{% if {c} %}}{{% set x = {a} %}}{{% else %}}{{% set x = {b} %}}{{% endif %}}{{{{ x }}}}"
        )),
        (condition(value()), value())
            .prop_map(|(c, a)| format!("{{% if {c} %}}{{% set x = {a} %}}{{% endif %}}")),
        (value(), prop::sample::select(vec!["x == 1", "loop.last", "r.ok", "x > 5"])).prop_map(
            |(a, c)| format!("{{% for x in [1, 2] if {c} %}}{{{{ {a} }}}}{{% else %}}{{{{ x }}}}{{% endfor %}}")
                .replace(" if loop.last", "")
        ),
        (value(), value()).prop_map(|(a, b)| format!(
            "{{% macro m(x, y={a}) %}}{{{{ x ~ y if x == 't' else {b} }}}}{{% endmacro %}}{{{{ m({a}) }}}}"
        )),
        (value(), condition(value())).prop_map(|(a, c)| format!("{{{{ {a} if {c} }}}}")),
    ]
    .boxed()
}

fn samples() -> Vec<Value> {
    let mut samples = Vec::new();
    for (ok, changed) in [(true, true), (true, false), (false, false), (false, true)] {
        let mut sample = result("text");
        sample["ok"] = json!(ok);
        sample["changed"] = json!(changed);
        let item =
            json!({"item": null, "command": "c", "output": "o", "error": "", "exit_status": 0});
        sample["results"] = json!([item]);
        samples.push(sample);
    }
    samples
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_passes_finds_everything_defined(pieces in prop::collection::vec(piece(), 1..4)) {
        let template = format!("{{{{ r.output }}}}{}", pieces.concat()).replace('"', "'");
        let playbook = format!(
            "- hosts: web\n  vars: {{ there: 1, site: {{ port: 80 }} }}\n  tasks:\n    - {{ command: a, register: r }}\n    - command: \"{template}\"\n"
        );
        let case = Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() };
        let Ok(planned) = case.plan() else { return Ok(()) };
        for host in ["web-01", "web-02"] {
            for sample in samples() {
                let rendered = resolve(&lane(&planned, host).tasks[1], &[("r", sample.clone())]);
                if let Err(message) = rendered {
                    prop_assert!(!message.contains("undefined"), "{template}\n{message}\n{sample}");
                }
            }
        }
    }
}
