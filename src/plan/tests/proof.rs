//! What is proven before the first connection: sound, and quiet about what is fine.

use super::*;

const REGISTER: &str = "- command: first\n  register: r\n";

/// Plans tasks behind one that registers `r`.
fn behind(rest: &str) -> Result<Planned, Vec<String>> {
    tasks(&format!("{REGISTER}{rest}"))
}

#[test]
fn what_will_fail_is_an_error_even_where_a_result_is_waited_for() {
    let cases = [
        ("- command: \"{{ r.output }} {{ nowhere }}\"", "undefined variable `nowhere`"),
        ("- command: \"{{ nowhere }} {{ r.output }}\"", "undefined variable `nowhere`"),
        ("- command: \"{{ r.output if r.ok else nowhere }}\"", "undefined variable `nowhere`"),
        (
            "- command: \"{% for a in r.results %}{{ a }}{{ nowhere }}{% endfor %}\"",
            "undefined variable `nowhere`",
        ),
        ("- command: \"{{ r.stdout }}\"", "undefined variable `r.stdout`"),
        (
            "- command: \"{{ nowhere.a | default('x') }}{{ r.output }}{{ nowhere.a }}\"",
            "undefined variable `nowhere`",
        ),
        ("- command: \"{{ r.output.nomethod() }}\"", "has no method `nomethod`"),
        ("- command: \"{{ r.output.strip }}\"", "undefined variable `r.output.strip`"),
        ("- command: \"{{ r.startswith('5.') }}\"", "has no method `startswith`"),
        ("- command: \"{{ r.output }} {{ a | default('x') }} {{ a }}\"", "undefined variable `a`"),
        ("- command: \"{{ a }}\"\n  when: r.ok and a is not defined", "undefined variable `a`"),
        ("- command: \"{{ a }}\"\n  when: r.ok or a is defined", "undefined variable `a`"),
        (
            "- command: \"{% if r.ok or a is defined %}{{ a }}{% endif %}\"",
            "undefined variable `a`",
        ),
        ("- command: \"{% for a in r.results %}{% endfor %}{{ a }}\"", "undefined variable `a`"),
        ("- command: \"{% with a = r.output %}{% endwith %}{{ a }}\"", "undefined variable `a`"),
        (
            "- command: \"{% for h in r.results %}{{ loop.index }}{% endfor %}{{ loop.index }}\"",
            "undefined variable `loop`",
        ),
        (
            "- command: \"{% macro m(a) %}{{ a }}{{ nowhere }}{% endmacro %}{{ m(r.output) }}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{{ r.output }} {{ groups.nogroup }}\"",
            "undefined variable `groups.nogroup`",
        ),
        (
            "- command: \"{{ r.output }} {{ site.prot }}\"\n  vars: { site: { port: 1 } }",
            "undefined variable `site.prot`",
        ),
        (
            "- command: \"{{ r.output }} {{ hostvars['web-99'].x }}\"",
            "undefined variable `hostvars['web-99']`",
        ),
        (
            "- command: \"{{ r.output }} {{ hostvars['web-02'].only_here }}\"",
            "undefined variable `hostvars['web-02'].only_here`",
        ),
        ("- command: \"{{ r['stdout'] }}\"", "undefined variable `r['stdout']`"),
        ("- command: \"{{ r.results[0].stdout }}\"", "undefined variable `r.results[0].stdout`"),
        (
            "- command: \"{{ r.results | map(attribute='stdout') | join }}\"",
            "undefined variable `stdout`",
        ),
        ("- command: \"{{ r.ok.bar }}\"", "undefined variable `r.ok.bar`"),
        (
            "- command: \"{{ (r.rc if r.ok else 't') | default(nowhere) }}\"",
            "undefined variable `nowhere`",
        ),
        ("- command: \"{{ (r.ok if r.ok) | default(nowhere) }}\"", "undefined variable `nowhere`"),
        ("- command: \"{{ r.output | default(nowhere, true) }}\"", "undefined variable `nowhere`"),
        ("- command: \"{{ r.results.output }}\"", "undefined variable `r.results.output`"),
        (
            "- command: \"{{ item.rc }}\"\n  loop: \"{{ r.results }}\"",
            "undefined variable `item.rc`",
        ),
        (
            "- command: \"{{ item }}\"\n  loop: \"{{ r.results }}\"\n  when: item.rc == 0",
            "undefined variable `item.rc`",
        ),
        (
            "- name: on {{ item.rc }}\n  command: x\n  loop: \"{{ r.results }}\"",
            "undefined variable `item.rc`",
        ),
        ("- command: \"{% set x = r %}{{ x.rc }}\"", "undefined variable `x.rc`"),
        (
            "- command: \"{{ r.output }}{{ lookup('env', 'HOME') }}\"",
            "there is no function `lookup`",
        ),
        ("- command: x\n  register: own\n  until: own.stdout is defined", "can never hold"),
        (
            "- command: \"{% set m = 'x' %}{% if m == 'x' and r.ok %}{{ nowhere }}{% endif %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% set m = r.output or 'x' %}{% if m == 'x' %}{{ nowhere }}{% endif %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% for a in r.results %}{% if a.ok %}{{ nowhere }}{% endif %}{% endfor %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% for a in r.output | lines %}{% if a %}{{ nowhere }}{% endif %}{% endfor %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% with m = {'x': 1} %}{{ r.output }}{{ m.y }}{% endwith %}\"",
            "undefined variable `m.y`",
        ),
        ("- command: \"{{ ('a' if r.ok) or nowhere }}\"", "undefined variable `nowhere`"),
        (
            "- command: \"{% set m = 'a' if r.ok %}{{ 'x' if m else nowhere }}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{{ ('a' if 1 > 2).b }}{{ r.output }}\"",
            "undefined variable `('a' if 1 > 2).b`",
        ),
        (
            "- command: \"{{ r.output }}{% for u in [{'name': 1}] %}{{ u.nmae }}{% endfor %}\"",
            "undefined variable `u.nmae`",
        ),
        (
            "- command: \"{{ r.output }}{% for k in ['db'] %}{{ {'web': 1}[k] }}{% endfor %}\"",
            "undefined variable `{'web': 1}[k]`",
        ),
        (
            "- command: \"{{ r.output }}{% for h in groups.all %}{{ hostvars[h].nowhere }}{% endfor %}\"",
            "undefined variable `hostvars[h].nowhere`",
        ),
        (
            "- command: \"{{ r.output }}{% for x in [1, 2] %}{{ nowhere if x == 2 }}{% endfor %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{{ r.output }}{% for x in [1, 2] %}{% if not loop.last %}{{ nowhere }}{% endif %}{% endfor %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% for l in r.output | lines %}{% if not loop.last %}{{ nowhere }}{% endif %}{% endfor %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% for l in r.output | lines %}{{ loop.indx }}{% endfor %}\"",
            "undefined variable `loop.indx`",
        ),
        (
            "- command: \"{% for i in r.results %}{% else %}{{ nowhere }}{% endfor %}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% macro url(a, b) %}{{ a }}:{{ b }}{% endmacro %}{{ url('x') }}{{ r.output }}\"",
            "undefined variable `b`",
        ),
        (
            "- command: \"{% macro f(a) %}{{ nowhere if a == 1 }}{% endmacro %}{{ f(1) }}{{ r.output }}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% macro f(a) %}{{ a.y }}{% endmacro %}{{ f(a={'x': 1}) }}{{ r.output }}\"",
            "undefined variable `a.y`",
        ),
        (
            "- command: \"{% macro f() %}{{ nowhere }}{% endmacro %}{% set g = f %}{{ g() }}{{ r.output }}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% call f() %}{{ nowhere }}{% endcall %}{% endcall %}{{ r.output }}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% if r.ok %}{% set m = 'x' %}{% endif %}{{ m }}\"",
            "undefined variable `m`",
        ),
        (
            "- command: \"{% set m = 'a' %}{% if r.ok %}{% set m = 'b' %}{% endif %}{{ nowhere if m == 'b' }}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{% set m = 'x'.upper() %}{{ r.output }}{{ nowhere if m == 'X' }}\"",
            "undefined variable `nowhere`",
        ),
        ("- command: \"{{ r.output }}{% set nss.m = 'y' %}\"", "undefined variable `nss`"),
        ("- command: \"{{ r.output }}{% include 'x' %}\"", "there is no template `x`"),
        ("- command: \"{{ r.output }}{% set a, b = [1] %}{{ a }}\"", "2 names for 1 values"),
        ("- command: \"{{ r.output }}{% for x in 5 %}{% endfor %}\"", "is not iterable"),
        (
            "- command: \"{{ (r.output if r.ok else 'x').y }}\"",
            "undefined variable `(r.output if r.ok else 'x').y`",
        ),
        ("- command: \"{{ r.output | nofilter }}\"", "there is no filter `nofilter`"),
        ("- command: x\n  when: r.output is notest", "there is no test `notest`"),
        ("- command: x\n  when: r.ok and nowhere", "undefined variable `nowhere`"),
        ("- command: x\n  when: [r.ok, nowhere == 1]", "undefined variable `nowhere`"),
        ("- command: \"{{ nowhere }}\"\n  when: r.ok", "undefined variable `nowhere`"),
        (
            "- command: \"{{ item }} {{ nowhere }}\"\n  loop: \"{{ r.output | lines }}\"",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{{ v }}\"\n  vars: { v: '{{ r.output }} {{ nowhere }}' }",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{{ r.output }}\"\n  connection_args: { username: '{{ nowhere }}' }",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{{ r.output }}\"\n  driver_args: { environment: { A: '{{ nowhere }}' } }",
            "undefined variable `nowhere`",
        ),
        (
            "- command: \"{{ later.output }}\"\n- command: x\n  register: later",
            "undefined variable `later`",
        ),
        ("- command: \"{{ item }}\"", "undefined variable `item`"),
        ("- command: \"{{ r.output }}\"\n  driver_args: { timeout: -1 }", "`timeout` must be"),
        (
            "- file_transfer: { operation: upload, local_path: nowhere, remote_path: '{{ r.output }}' }",
            "there is no such file",
        ),
    ];
    for (rest, expected) in cases {
        match behind(rest) {
            Ok(_) => panic!("no error for {rest}"),
            Err(errors) => {
                assert!(errors.iter().any(|error| error.contains(expected)), "{rest}\n{errors:#?}");
            }
        }
    }
}

#[test]
fn what_may_be_fine_is_no_error() {
    for rest in [
        "- command: \"{{ r.output | default(nowhere | default('x')) }}\"",
        "- command: \"{{ r.output }}{% if nowhere is defined %}{{ nowhere }}{% endif %}\"",
        "- command: \"{{ r.stdout | default(r.output) }}\"",
        "- command: \"{{ r.output }}{% set x = 1 %}{{ x }}\"",
        "- command: \"{% if r.ok %}{% set x = r.output | from_json %}{% else %}{% set x = {} %}{% endif %}{% if r.ok %}{{ x.name }}{% endif %}\"",
        "- command: \"{% if r.ok %}{% set x = {'n': 1} %}{% else %}{% set x = {'m': 2} %}{% endif %}{{ x.n if r.ok else x.m }}\"",
        "- command: \"{% set ns = namespace() %}{% for one in r.results %}{% set ns.y = one.output %}{% endfor %}{{ ns.y }}\"",
        "- command: \"{% set ns = namespace(d={}) %}{% if r.ok %}{% set ns.d = {'x': 1} %}{% endif %}{{ ns.d.x if r.ok }}\"",
        "- command: \"{% set q = nowhere | default(none) %}{% if q is not none and q.y %}{{ q.y }}{% endif %}{{ r.output }}\"",
        "- command: \"{{ r.output }}{% if r.ok %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}\"",
        "- command: \"{% macro m(a, b='c') %}{{ a }}{{ b }}{% endmacro %}{{ m(r.output) }}\"",
        "- command: \"{% for k, v in r | items if v %}{{ loop.index }}{{ k }}{{ v }}{% endfor %}\"",
        "- command: \"{% for r in [{'anything': 1}] %}{{ r.anything }}{% endfor %}\"",
        "- command: \"{{ range(3) | list }}{{ r.output }}{{ dict(a=r.ok).a }}\"",
        "- command: \"{{ r.results[0].command }}{{ r.results[-1].transfer.sha256 }}\"",
        "- command: \"{{ r.output.strip() }}{{ r.output.split(':')[3].x }}\"",
        "- command: x\n  when: r.output.startswith('5.')",
        "- command: \"{{ nowhere.a.b | default('x') }}{{ r.stdout.a | default('x') }}\"",
        "- command: \"{{ r.stdout | default(r.output) | upper }}{{ r.rc is defined }}\"",
        "- command: \"{{ hostvars['nohost'].foo | default('') }}{{ r.output }}\"",
        "- command: \"{{ nowhere }}\"\n  when: r.ok and nowhere.a.b is defined",
        "- command: \"{% if r.ok and nowhere is defined %}{{ nowhere }}{% endif %}\"",
        "- command: \"{% if nowhere is not defined or r.ok %}x{% else %}{{ nowhere }}{% endif %}\"",
        "- command: \"{{ nowhere if r.ok and nowhere is defined else 'x' }}\"",
        "- command: \"{% if inventory_hostname == 'web-01' %}{{ only_here }}{% endif %}{{ r.output }}\"",
        "- command: \"{% for x in [] %}{{ nowhere }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% for h in groups.web %}{{ hostvars[h].only_here | default(r.output) }}{% endfor %}\"",
        "- command: \"{% for h in play_hosts if hostvars[h].only_here is defined %}{{ hostvars[h].only_here }}{{ r.ok }}{% endfor %}\"",
        "- command: \"{% set x = r.output %}{% for i in [1] %}{% set x = i %}{% endfor %}{{ x }}\"",
        "- command: \"{% macro m(a) %}{{ a }}{{ nowhere }}{% endmacro %}{{ r.output }}\"",
        "- command: \"{% macro m(a) %}{{ caller() }}{% endmacro %}{% call m(1) %}{{ r.output }}{% endcall %}\"",
        "- command: \"{% set x %}{{ r.output }}{% endset %}{{ x.strip() }}{% filter upper %}{{ r.error }}{% endfilter %}\"",
        "- command: \"{{ r.results | map(attribute='output') | join(',') }}{{ (r.results | selectattr('failed') | list)[0].item.any }}\"",
        "- command: \"{{ r.get('output') }}{{ r.results | length }}{{ r.results[0]['exit_status'] }}\"",
        "- command: \"{% for line in r.output | lines %}{{ line.a }}{% endfor %}{{ r.output[1:] }}\"",
        "- command: \"{{ (r.ok and 'a' or 'b').upper() }}{{ namespace(a=r.ok).a }}\"",
        "- command: \"{{ item.a.b }}\"\n  loop: \"{{ r.output | from_json }}\"",
        "- command: x\n  register: own\n  until: own.output is startingwith('x') or nowhere is defined",
        "- command: \"{{ r['output'] }}{{ 'nowhere {{ x }}' }}\"",
        "- command: \"{{ r.output }}{% raw %}{{ nowhere }}{% endraw %}{# {{ nowhere }} #}\"",
        "- command: \"{{ nowhere }}\"\n  when: [r.ok, nowhere is defined]",
        "- name: on {{ nowhere }}\n  command: \"{{ nowhere }}\"\n  when: r.ok and nowhere is defined",
        "- command: \"{{ nowhere }}\"\n  when: [nowhere is defined, r.ok]",
        "- name: item {{ item }}\n  command: \"{{ item.command }}\"\n  loop: \"{{ r.results }}\"",
        "- command: \"{{ item }}\"\n  loop: \"{{ r.results }}\"\n  when: item.ok",
        "- command: \"{{ r.output | b64decode | from_json | to_yaml | quote }}\"",
        "- command: \"{{ (r.output | from_json).anything.at.all }}\"",
        "- command: \"{{ r is defined }}{{ r is mapping }}\"",
        "- command: \"{{ hostvars[inventory_hostname].only_here | default(0) }}{{ r.ok }}\"",
        "- command: \"{{ env('NOWHERE', 'x') }}{{ r.ok }}\"",
        "- command: \"{{ (r.output or {'y': 1}).y }}\"",
        "- command: \"{% set m = {'x': {}} %}{{ nowhere if m.x.y is defined }}{{ nowhere if m.z | default(false) }}{{ nowhere if (m | default(1)) == 1 }}{{ r.output }}\"",
        "- command: \"{{ '--debug' if inventory_hostname == 'x' }}{{ r.output }}\"",
        "- command: \"{% for i in r.results %}{{ ',' if inventory_hostname == 'x' }}{{ i.output }}{% endfor %}\"",
        "- command: \"{% set m = 'x' if 1 > 2 %}{{ m }}{{ 'y' if m }}{{ m | default('z') }}{{ r.output }}\"",
        "- command: \"{% for k, v in {}.items() %}{{ nowhere }}{% endfor %}{% for i in range(0) %}{{ nowhere }}{% endfor %}{% for i in [1][1:] %}{{ nowhere }}{% endfor %}{% for i in '' %}{{ nowhere }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% set m %}{{ inventory_hostname.split('-')[0] }}{% endset %}{{ nowhere if m == 'db' }}{{ r.output }}\"",
        "- command: \"{% set m | from_json %}{}{% endset %}{{ m.a | default(1) }}{{ nowhere if m }}{{ r.output }}\"",
        "- command: \"{% set m = {'x': 1} %}{% if r.failed %}{% set m %}t{% endset %}{% endif %}{{ m.x if r.ok }}\"",
        "- command: \"{% filter upper %}{% set m = 'x' %}{% endfilter %}{{ m }}{% set b %}{% set n = 'y' %}{% endset %}{{ n }}{{ r.output }}\"",
        "- command: \"{% set m = 'x' %}{% filter upper %}{% set m = 'y' %}{% endfilter %}{{ nowhere if m == 'x' }}{{ r.output }}\"",
        "- command: \"{% for x in [1] if x == 1 %}{{ x }}{% else %}{{ nowhere }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% set m = {'x': 1} %}{% for i in r.results %}{% else %}{% set m = {'y': 1} %}{% endfor %}{{ m.x if r.results }}\"",
        "- command: \"{% set m = {'y': 1} %}{% macro f() %}{{ m.y }}{% endmacro %}{% with m = {'x': 1} %}{{ f() }}{% endwith %}{{ r.output }}\"",
        "- command: \"{% macro f(a=nowhere) %}{{ a }}{% endmacro %}{{ f(1) }}{{ r.output }}\"",
        "- command: \"{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}{{ r.output }}\"",
        "- command: \"{{ 'x' if [r.output] else nowhere }}\"",
        "- command: \"{% set a = {'on': false, 'x': r.output} %}{{ nowhere if a.on }}\"",
        "- command: \"{% for k, v in {'a': r.output} | items %}{{ nowhere if k == 'z' }}{% endfor %}\"",
        "- command: \"{% set (a, b) = (1, r.output) %}{{ nowhere if a == 2 }}\"",
        "- command: \"{% for x in range(500) %}{{ nowhere if x == 500 }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% for x in [1, 2] %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{{ loop.previtem | default('x') }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% for x in [1] %}{{ x < 0 < nowhere }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% include 'x' ignore missing %}{{ r.output }}\"",
        // What the template's own names stand for decides.
        "- command: \"{% set m = nowhere.a | default('') %}{% if m == 'x' %}{{ nowhere.a.b }}{% endif %}{{ r.output }}\"",
        "- command: \"{% set m = 'y' %}{{ r.output if m == 'y' else nowhere }}{{ m == 'x' and nowhere }}\"",
        "- command: \"{% set xs = nowhere | default([]) %}{% for x in xs %}{{ nowhere }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% with m = 1, n = 2 %}{% if m > n %}{{ nowhere }}{% endif %}{% endwith %}{{ r.output }}\"",
        "- command: \"{% for x in [1, 2] %}{% if x == 3 %}{{ nowhere }}{% endif %}{% endfor %}{{ r.output }}\"",
        "- command: \"{% for x in [1, 2] %}{% set y = x %}{{ nowhere if y == 3 }}{{ y == 3 and nowhere }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% for k, v in {'a': 1} | items %}{% if v == 3 %}{{ nowhere }}{% endif %}{% endfor %}{{ r.output }}\"",
        "- command: \"{% for x in [1] %}{% if not loop.last %}{{ nowhere }}{% endif %}{% endfor %}{{ r.output }}\"",
        "- command: \"{% for x in [1] if x > 1 %}{{ nowhere }}{% endfor %}{{ r.output }}\"",
        "- command: \"{% if r.ok %}{% set m = 'x' %}{% else %}{% set m = 'y' %}{% endif %}{% if m == 'z' %}{{ nowhere }}{% endif %}\"",
        "- command: \"{% macro f(a) %}{% if a %}{{ nowhere }}{% endif %}{% endmacro %}{{ f('') }}{{ r.output }}\"",
        "- command: \"{% set ns = namespace(m='x') %}{% for x in [1] %}{% set ns.m = 'y' %}{% endfor %}{% if ns.m == 'x' %}{{ nowhere }}{% endif %}{{ r.output }}\"",
        "- command: \"{% set m = 'x' %}{% macro f() %}{% if m == 'z' %}{{ nowhere }}{% endif %}{% endmacro %}{{ f() }}{{ r.output }}\"",
    ] {
        let planned = behind(rest);
        assert!(planned.is_ok(), "{rest}\n{:#?}", planned.unwrap_err());
    }
}

#[test]
fn what_is_undefined_may_be_so_below_a_default_or_a_question_only() {
    for fine in [
        "{{ nginx.port | default(80) }}",
        "{{ nginx['a'].b[0].c | d('x') }}",
        "{{ (nginx.a).b | default(nginx.c | default('x')) }}",
        "{{ 'x' if nginx.port is defined else nginx.port is undefined }}",
        "{{ hostvars['nohost'].foo | default('y') }}",
        "{% if nginx.a.b is not defined %}x{% endif %}",
    ] {
        let planned = tasks(&format!("- command: \"{fine}\"\n  when: nginx.port is not defined\n"));
        assert!(planned.is_ok(), "{fine}\n{:#?}", planned.unwrap_err());
    }
    for (wrong, name) in [
        ("{{ nginx.port }}", "nginx"),
        ("{{ nginx.port | default(80) }} {{ nginx.port }}", "nginx"),
        ("{{ nginx.port | upper | default('x') }}", "nginx"),
        ("{{ nginx.port == 1 }}", "nginx"),
        ("{{ nowhere | to_json }}", "nowhere"),
        ("{{ nowhere | to_yaml }}", "nowhere"),
        ("{{ nginx.port | default(nowhere) }}", "nowhere"),
        ("{{ a.b | default('x') ~ c.d | default('y') ~ nowhere }}", "nowhere"),
    ] {
        let errors = tasks(&format!("- command: \"{wrong}\"\n")).unwrap_err();
        assert!(errors[0].contains(&format!("undefined variable `{name}`")), "{wrong}: {errors:?}");
    }
}

#[test]
fn a_variable_whose_template_is_undefined_misses_where_it_may() {
    const VARS: &str = "{ a: '{{ region }}', b: 'x{{ a }}', m: { tls: '{{ region }}', n: { o: '{{ region }}' }, p: 1 }, l: ['{{ region }}'], f: '{{ region | nofilter }}' }";
    let plan = |code: &str, when: &str| {
        let playbook = format!(
            "- hosts: web\n  vars: {VARS}\n  tasks:\n    - {{ command: first, register: r }}\n    - command: \"{code}\"\n      when: {when}\n"
        );
        let inventory = INVENTORY.replace("only_here: 1", "only_here: 1, broken: '{{ region }}'");
        Case { inventory: &inventory, playbook: &playbook, ..Case::default() }.plan()
    };
    for (fine, expected) in [
        ("{{ a | default('none') }}", "none"),
        ("{{ b | default('none') }}", "none"),
        ("{{ a is defined }} {{ b is undefined }}", "False True"),
        ("{{ m.tls | default('none') }}{{ m['tls'] is defined }}", "noneFalse"),
        ("{{ m.n.o | default('none') }}{{ m.p | default(2) }}", "none1"),
        ("{{ (a if m.p else b) | default('none') }}", "none"),
        ("{% if a is defined %}{{ a }}{% else %}{{ m.p }}{% endif %}", "1"),
        ("{% set a = 1 %}{{ a | default('none') }}", "1"),
        ("{% for a in [1] %}{{ a | default('none') }}{{ loop is defined }}{% endfor %}", "1True"),
        ("{{ range is defined }}{{ a | default(range(2) | join) }}", "True01"),
        ("{{ hostvars['web-01'].broken | default('none') }}", "none"),
        ("{{ hostvars['web-01']['broken'] is defined }}", "False"),
        ("{{ only_here | default('none') }}", "1"),
    ] {
        let planned =
            plan(fine, "only_here is defined").unwrap_or_else(|it| panic!("{fine}\n{it:#?}"));
        assert_eq!(lines(&planned, "web-01")[1], [expected], "{fine}");
        let planned = plan(&format!("{fine}{{{{ r.output }}}}"), "r.ok and only_here is defined");
        assert!(planned.is_ok(), "{fine}\n{:#?}", planned.unwrap_err());
    }
    for when in ["a is defined", "r.ok and b is defined", "[r.ok, m.n.o is defined]"] {
        let planned = plan("{{ a }}{{ b }}{{ m.n.o }}", when);
        assert!(planned.is_ok(), "{when}\n{:#?}", planned.unwrap_err());
    }
    for wrong in [
        "{{ a }}",
        "{{ b }}",
        "{{ a | to_json }}",
        "{{ [a] | length }}",
        "{{ a | default(1) }}{{ a | to_json }}",
        "{{ a | default(b) }}",
        "{{ a | upper | default(1) }}",
        "{{ m | to_json }}",
        "{{ m | default({}) | to_json }}",
        "{{ (m | default({})).tls | to_json }}",
        "{{ l | default([]) | join }}",
        "{{ m.tls | to_json }}",
    ] {
        for code in [wrong.to_owned(), format!("{{{{ r.output }}}}{wrong}")] {
            let errors = plan(&code, "only_here is defined").err();
            let errors = errors.unwrap_or_else(|| panic!("no error for {code}"));
            assert!(errors[0].contains("undefined variable `region`"), "{code}: {errors:#?}");
        }
    }
    for (other, told) in [
        ("{{ f | default(1) }}", "there is no filter `nofilter`"),
        ("{% for k, v in m | default({}) | items %}{{ k }}{% endfor %}", "`region`"),
    ] {
        let errors = plan(other, "only_here is defined").unwrap_err();
        assert!(errors[0].contains(told), "{other}: {errors:#?}");
    }
}

#[test]
fn python_methods_work_now_and_later() {
    let planned = tasks("- command: a\n  register: r\n- command: \"{{ ' x '.strip() }}{{ 'a-b'.split('-')[1] }}\"\n- command: \"{{ r.output.strip().upper() }}\"\n  when: r.output.startswith('5.')\n").unwrap();
    let lane = lane(&planned, "web-01");
    assert_eq!(commands(&steps(&lane.tasks[1])[0]), ["xb"]);
    assert_eq!(resolve(&lane.tasks[2], &[("r", result("5.x "))]).unwrap(), [["5.X"]]);
    assert!(resolve(&lane.tasks[2], &[("r", result("6"))]).unwrap().is_empty());
}

#[test]
fn all_that_is_wrong_with_one_template_is_told() {
    let errors = tasks(
        "- command: \"{{ one }} {{ two ~ three }} {{ 'a' | nofilter }} {{ groups.none }}\"\n",
    )
    .unwrap_err();
    let names: Vec<&str> = errors.iter().filter_map(|error| error.split('`').nth(1)).collect();
    assert_eq!(names, ["one", "two", "three", "nofilter", "groups.none"]);
}

#[test]
fn an_error_in_a_loop_does_not_hide_the_others() {
    let errors = tasks(
        "- name: on {{ five }}\n  command: \"{{ one }} {{ item }}\"\n  loop: \"{{ two }}\"\n  when: three\n  notify: \"{{ four }}\"\n",
    )
    .unwrap_err();
    for name in ["one", "two", "three", "four"] {
        assert!(errors.iter().any(|error| error.contains(&format!("`{name}`"))), "{errors:#?}");
    }
}

#[test]
fn tasks_that_run_nowhere_are_looked_at_all_the_same() {
    let errors = tasks(
        "- command: \"{{ nowhere }} {{ x | nofilter }}\"\n  when: false\n- command: \"{% if %}\"\n  when: inventory_hostname == 'x'\n- file_transfer: { operation: upload, local_path: none, remote_path: /x }\n  when: false\n- command: x\n  when: [false, a is notest]\n- command: y\n  loop: []\n  until: result is notest\n",
    )
    .unwrap_err();
    for expected in
        ["no filter `nofilter`", "the template cannot be read", "no such file", "no test `notest`"]
    {
        assert!(errors.iter().any(|error| error.contains(expected)), "{expected}: {errors:#?}");
    }
    assert_eq!(errors.len(), 5, "{errors:#?}");
}

#[test]
fn tasks_that_tags_leave_out_are_looked_at_all_the_same() {
    let playbook = play("- command: \"{{ x | nofilter }}\"\n  tags: a\n- command: b\n  tags: b\n");
    let case = Case { inventory: INVENTORY, playbook: &playbook, only: &["b"], ..Case::default() };
    assert!(case.plan().unwrap_err()[0].contains("no filter `nofilter`"));
}

#[test]
fn what_the_loader_finds_does_not_hide_the_rest() {
    let playbook = "\
- hosts: web
  tasks:
    - comand: uptime
    - command: \"{{ nowhere }}\"
      serial: 3
- hosts: nogroup
  tasks: [{ command: \"{{ x | nofilter }}\" }]
- tasks: [{ command: \"{{ x is notest }}\" }]
";
    let case = Case { inventory: INVENTORY, playbook, ..Case::default() };
    let errors = case.plan().unwrap_err();
    for expected in [
        "unknown key `comand`",
        "unknown key `serial`",
        "undefined variable `nowhere`",
        "no host or group `nogroup`",
        "no filter `nofilter`",
        "needs the key `hosts`",
        "no test `notest`",
    ] {
        assert!(errors.iter().any(|error| error.contains(expected)), "{expected}: {errors:#?}");
    }
    assert_eq!(errors.len(), 7, "{errors:#?}");
}

#[test]
fn a_missing_file_of_variables_hides_neither_the_next_nor_the_tasks() {
    let playbook = "\
- hosts: web
  vars_files: [gone.yml, broken.yml, also_gone.yml]
  tasks:
    - command: \"{{ perhaps_there }} {{ 'a' | nofilter }}\"
      when: perhaps_there is defined or inventory_hostname == 'web-01'
    - command: \"{{ groups.nogroup }} {{ range(2) | join }}\"
      connection_args: { key_filename: nokey }
- hosts: web
  tasks: [{ command: \"{{ nowhere }}\" }]
";
    let files = [("broken.yml", "- a list")];
    let case = Case { inventory: INVENTORY, playbook, files: &files, ..Case::default() };
    let errors = case.plan().unwrap_err();
    for expected in [
        "/gone.yml",
        "also_gone.yml",
        "a variables file must be a mapping",
        "no filter `nofilter`",
        "`groups.nogroup`",
        "private key",
        "undefined variable `nowhere`",
    ] {
        assert!(errors.iter().any(|error| error.contains(expected)), "{expected}: {errors:#?}");
    }
    assert_eq!(errors.len(), 7, "{errors:#?}");
}

#[test]
fn names_with_a_meaning_cannot_be_given_another() {
    let playbook = "\
- hosts: web
  vars: { groups: 1 }
  tasks: [{ command: x, register: hostvars, vars: { item: 1, items: 2 } }]
";
    let case = Case { inventory: INVENTORY, playbook, ..Case::default() };
    let errors = case.plan().unwrap_err();
    let names: Vec<&str> = errors.iter().filter_map(|error| error.split('`').nth(1)).collect();
    assert_eq!(names, ["groups", "hostvars", "item"], "{errors:#?}");
}

#[test]
fn what_is_wrong_with_a_loop_hurts_only_those_whom_when_does_not_exclude() {
    for fine in [
        "- command: \"{{ item }}\"\n  loop: \"{{ nowhere }}\"\n  when: nowhere is defined",
        "- command: \"{{ item }}\"\n  loop: \"{{ only_here }}\"\n  when: inventory_hostname == 'x'",
        "- command: \"{{ item }}\"\n  loop: [\"{{ nowhere }}\"]\n  when: [nowhere is defined, item == 1]",
        "- command: \"{{ item }}\"\n  loop: \"{{ nowhere }}\"\n  when: nowhere is defined and item",
        "- command: \"{{ item }}\"\n  loop: \"{{ nowhere }}\"\n  when: r.ok and nowhere is defined",
        "- command: \"{{ item }}\"\n  loop: \"{{ nowhere.results }}\"\n  when: [r.ok, nowhere is defined]",
        "- name: on {{ nowhere }}\n  command: \"{{ item }}\"\n  loop: \"{{ nowhere }}\"\n  when: nowhere is defined",
        "- name: on {{ nowhere }}\n  command: \"{{ item }}\"\n  loop: [1, 2]\n  when: nowhere is defined",
        "- name: on {{ nowhere }}\n  command: \"{{ item }}\"\n  loop: \"{{ nowhere | default([]) }}\"",
    ] {
        let planned = behind(fine);
        assert!(planned.is_ok(), "{fine}\n{:#?}", planned.unwrap_err());
    }
    for wrong in ["r.ok", "item is defined", "item.x == 1", "true", "[r.ok, item]"] {
        let task = "- command: \"{{ item }}\"\n  loop: \"{{ nowhere }}\"\n  when:";
        let errors = behind(&format!("{task} {wrong}")).unwrap_err();
        assert!(errors[0].contains("undefined variable `nowhere`"), "{wrong}: {errors:#?}");
        assert_eq!(errors.len(), 1, "{wrong}: {errors:#?}");
    }
}

#[test]
fn a_loop_that_waits_is_known_to_be_skipped_where_when_does_not_hold() {
    let planned = behind(
        "- command: \"{{ item }}\"\n  loop: \"{{ r.results }}\"\n  when: inventory_hostname == 'web-01'\n",
    )
    .unwrap();
    let body = |host| &lane(&planned, host).tasks[1].body;
    assert!(matches!(body("web-01"), TaskBody::Deferred(_)));
    assert!(matches!(body("web-02"), TaskBody::Skipped));
}

#[test]
fn what_holds_for_a_whole_play_sees_no_host() {
    for name in ["inventory_hostname", "group_names", "play_hosts", "item"] {
        let own = format!("'{{{{ 1 if {name} == 1 else 2 }}}}'");
        let yes = format!("'{{{{ {name} == 1 }}}}'");
        let playbook = format!(
            "- name: {own}\n  hosts: web\n  serial: {own}\n  any_errors_fatal: {yes}\n  max_fail_percentage: {own}\n  tasks: [{{ command: id, run_once: {yes} }}]\n- hosts: {own}\n  tasks: [{{ command: id }}]\n"
        );
        let case = Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() };
        let errors = case.plan().unwrap_err();
        let told = format!("undefined variable `{name}`");
        assert!(errors.iter().all(|error| error.contains(&told)), "{errors:#?}");
        assert_eq!(errors.len(), 6, "{errors:#?}");
        let told = advice(&case);
        assert!(told.ends_with("and `-e NAME=…`"), "{told}");
    }
}

#[test]
fn errors_are_ignored_host_by_host() {
    let planned = tasks(
        "- { command: id, ignore_errors: \"{{ inventory_hostname == 'web-02' }}\" }\n\
         - { command: id, ignore_errors: \"{{ only_here == 1 }}\", when: only_here is defined }\n",
    )
    .unwrap();
    let flags =
        |host| lane(&planned, host).tasks.iter().map(|task| task.ignore_errors).collect::<Vec<_>>();
    assert_eq!((flags("web-01"), flags("web-02")), (vec![false, true], vec![true, false]));
    for wrong in ["r", "item", "nowhere"] {
        let task =
            format!("- {{ command: id, ignore_errors: '{{{{ {wrong} == 1 }}}}', loop: [1] }}");
        let errors = behind(&task).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(errors[0].contains(&format!("undefined variable `{wrong}`")), "{errors:#?}");
    }
}

/// The advice that comes with the first error.
fn advice(case: &Case<'_>) -> String {
    let (sources, dir) = (Arc::new(Sources::default()), tempfile::tempdir().unwrap());
    let problems = case.plan_in(&sources, dir.path()).unwrap_err();
    problems.iter().next().and_then(Problem::advice).unwrap()
}

#[test]
fn a_result_that_a_flag_leaves_out_is_told_as_such() {
    let playbook = play(
        "- name: ask\n  command: a\n  register: r\n  tags: a\n- name: use\n  command: \"{{ r.output }}\"\n  tags: b\n",
    );
    let case = || Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() };
    let told = "the task `ask` registers it, but";
    for (case, flag) in [
        (Case { only: &["b"], ..case() }, "`--tags`"),
        (Case { skip: &["a"], ..case() }, "`--skip-tags`"),
        (Case { start_at: Some("use"), ..case() }, "`--start-at-task`"),
    ] {
        assert_eq!(advice(&case), format!("{told} {flag} leaves that task out"));
    }
    let errors = Case { skip: &["c"], ..case() }.plan().unwrap_err();
    assert_eq!(errors, ["`c`, given with `--skip-tags`, is not a tag of any task"]);
}

#[test]
fn what_hostvars_does_not_have_is_told_with_its_cause() {
    let host = "hostvars['web-01']";
    for (rest, expected) in [
        (format!("{{{{ {host}.r.output }}}}"), "and no results"),
        (format!("{{{{ {host}.site }}}}"), "is defined in the play"),
        (format!("{{{{ {host}.only_her }}}}"), "did you mean"),
        ("{{ hostvars['web-02'].only_here }}".to_owned(), "other hosts of the inventory have it"),
        ("{{ hostvars['web-1'].x }}".to_owned(), "did you mean `hostvars['web-01']`?"),
        (format!("{{{{ {host}.r.output }}}} {{{{ r.output }}}}"), "and no results"),
    ] {
        let tasks = play(&format!("{REGISTER}- command: \"{rest}\"\n  vars: {{ site: 1 }}\n"));
        let case = Case { inventory: INVENTORY, playbook: &tasks, ..Case::default() };
        let told = advice(&case);
        assert!(told.contains(expected), "{rest}: {told}");
    }
}

#[test]
fn names_that_ansible_defines_are_told_with_what_to_do_instead() {
    for (name, expected) in [
        ("ansible_facts.os_family", "nothing is gathered"),
        ("ansible_date_time.iso8601", "nothing is gathered"),
        ("ansible_distribution", "nothing is gathered"),
        ("ansible_ssh_host", "give a default"),
        ("ansible_user", "give a default"),
        ("playbook_dir", "relative paths"),
        ("omit", "leave the key out"),
        ("item", "in a task with `loop`"),
        ("z", "give a default"),
        ("xy", "did you mean `xyz`?"),
    ] {
        let playbook =
            play(&format!("- command: \"{{{{ {name} }}}}\"\n  vars: {{ y: 1, xyz: 2 }}\n"));
        let case = Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() };
        let told = advice(&case);
        assert!(told.contains(expected), "{name}: {told}");
    }
}

#[test]
fn errors_of_all_hosts_and_tasks_are_found_at_once() {
    let errors = tasks(
        "- command: \"{{ only_here }}\"\n- command: \"{{ one }}\"\n  driver_args: { working_directory: '{{ two }}' }\n- command: \"{{ three }}\"\n",
    )
    .unwrap_err();
    let names: Vec<&str> = errors.iter().filter_map(|error| error.split('`').nth(1)).collect();
    assert_eq!(names, ["only_here", "one", "two", "three"]);
}

#[test]
fn variables_cannot_run_in_circles() {
    let circle = |vars: &str, command: &str| {
        let playbook =
            format!("- hosts: web-01\n  vars: {vars}\n  tasks:\n    - command: \"{command}\"\n");
        let case = Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() };
        case.plan().unwrap_err().join("\n")
    };
    assert!(circle("{ a: '{{ a }}' }", "{{ a }}").contains("a → a"));
    assert!(circle("{ a: { b: '{{ a.b }}' } }", "{{ a.b }}").contains("a.b → a.b"));
    assert!(circle("{ a: ['{{ a }}'] }", "{{ a }}").contains("a → a"));
    // A chain that merely is too long ends as well, before the stack does.
    let chain: Vec<String> = (0..200).map(|at| format!("v{at}: '{{{{ v{} }}}}'", at + 1)).collect();
    let told = circle(&format!("{{ {} }}", chain.join(", ")), "{{ v0 }}");
    assert!(told.contains("is 41 variables deep: v0 → … → v39 → v40"), "{told}");
}

#[test]
fn forty_variables_deep_is_fine_on_the_stack_of_a_worker() {
    let chain: Vec<String> = (0..39).map(|at| format!("v{at}: 'x{{{{ v{} }}}}'", at + 1)).collect();
    let vars = format!("{{ {}, v39: 'p{{{{ v40 }}}}', v40: w }}", chain.join(", "));
    let run = move || {
        let playbook = format!(
            "- hosts: web-01\n  vars: {vars}\n  driver_args: {{ sudo_password: \"{{{{ v0 }}}}\" }}\n  tasks:\n    - {{ config: id, driver_args: {{ sudo: true }} }}\n    - command: \"{{{{ v0 }}}}\"\n"
        );
        Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() }.plan().is_ok()
    };
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap();
    assert!(worker.join().unwrap());
}

#[test]
fn hosts_that_look_at_each_other_cannot_run_in_circles() {
    let inventory = "\
all:
  vars: { connection_args: { username: u, password: p } }
  hosts:
    a: { x: \"{{ hostvars['b'].x }}\" }
    b: { x: \"{{ hostvars['a'].x }}\" }
    c: { x: \"{{ hostvars['d'].y }}\" }
    d: { y: fine }
";
    let plan = |host: &str| {
        let playbook = format!("- hosts: {host}\n  tasks: [{{ command: \"{{{{ x }}}}\" }}]\n");
        Case { inventory, playbook: &playbook, ..Case::default() }.plan()
    };
    assert!(plan("a").unwrap_err()[0].contains("x → x → x"));
    assert_eq!(lines(&plan("c").unwrap(), "c"), [["fine"]]);
}

#[test]
fn values_that_cannot_be_read_hurt_only_where_they_are_used() {
    let inventory = "\
all:
  vars: { connection_args: { username: u, password: p } }
  hosts:
    a: { vaulted: !vault x, lookup: \"{{ lookup('env', 'HOME') }}\" }
";
    let plan = |command: &str| {
        let playbook = format!("- hosts: a\n  tasks: [{{ command: \"{command}\" }}]\n");
        Case { inventory, playbook: &playbook, ..Case::default() }.plan()
    };
    assert!(plan("fine").is_ok());
    assert!(plan("{{ vaulted }}").unwrap_err()[0].contains("`!vault` value"));
    assert!(plan("{{ lookup }}").is_err());
}

#[test]
fn nothing_that_is_no_command_runs() {
    for (command, message) in [
        ("\"{{ {'a': 1} }}\"", "must be a text"),
        ("\"{{ none }}\"", "must be a text"),
        ("\"{{ [['a']] }}\"", "must be a text"),
        ("\"{{ [] }}\"", "is empty"),
        ("\"{{ ' ' }}\"", "is empty"),
        ("[a, '']", "is empty"),
        ("\"a\\0b\"", "NUL"),
    ] {
        let errors = tasks(&format!("- command: {command}\n")).unwrap_err();
        assert!(errors[0].contains(message), "{command}: {errors:?}");
    }
}

#[test]
fn two_hosts_cannot_download_to_one_file_in_two_plays_either() {
    let play = |host: &str, path: &str| {
        format!(
            "- hosts: {host}\n  tasks:\n    - file_transfer: {{ operation: download, local_path: {path}, remote_path: /x }}\n"
        )
    };
    let plan = |first: &str, second: &str| {
        let playbook = play("web-01", first) + &play(second, "out/./b/../a");
        Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() }.plan()
    };
    let errors = plan("out/a", "web-02").unwrap_err();
    assert!(errors[0].starts_with("2 downloads would write the one local file"), "{errors:?}");
    assert!(errors[0].ends_with("playbook.yml:6)"), "{errors:?}");
    assert!(plan("out/a", "web-01").is_ok());
    assert!(plan("out/b", "web-02").is_ok());
}

#[test]
fn suggestions_for_wrong_names_come_to_an_end() {
    let vars: String = (0..2000).map(|at| format!("    name_{at}: 1\n")).collect();
    let tasks: String =
        (0..600).map(|at| format!("    - command: \"{{{{ nam_{at} }}}}\"\n")).collect();
    let playbook = format!("- hosts: web-01\n  vars:\n{vars}  tasks:\n{tasks}");
    let sources = Arc::new(Sources::default());
    let dir = tempfile::tempdir().unwrap();
    let case = Case { inventory: INVENTORY, playbook: &playbook, ..Case::default() };
    let problems = case.plan_in(&sources, dir.path()).unwrap_err();
    assert_eq!(problems.len(), 600);
    let advice: Vec<String> = problems.iter().filter_map(Problem::advice).collect();
    assert!(advice[0].contains("did you mean"), "{}", advice[0]);
    assert!(!advice[599].contains("did you mean"), "{}", advice[599]);
}
