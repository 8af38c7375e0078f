//! Inventories that Ansible and `sshoal` must read alike.

/// One inventory.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Its files. A name that ends in `!` is made executable, without the `!`; an
    /// empty text with a name that ends in `/` is an empty directory.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// `-i`, relative to the directory `cwd` beside the files.
    pub(super) sources: &'static [&'static str],
    pub(super) patterns: &'static [&'static str],
}

pub(super) const REFUSED: [Case; 7] = [
    Case {
        name: "a template without quotes",
        files: &[("hosts.yml", "all: { vars: { x: 1, y: {{ x }} }, hosts: { h: } }\n")],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "a list as a key",
        files: &[("hosts.yml", "all: { vars: { y: { [a, b]: 1 } }, hosts: { h: } }\n")],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "a circle of groups in YAML",
        files: &[("hosts.yml", "a: { children: { b: } }\nb: { children: { a: } }\n")],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "a circle of groups in INI",
        files: &[("hosts.ini", "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n")],
        sources: &["../hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "children of which nothing is known",
        files: &[("hosts.ini", "[a:children]\nnowhere\n")],
        sources: &["../hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "variables of a group that is not there",
        files: &[("hosts.ini", "h\n[a:vars]\nx=1\n")],
        sources: &["../hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "a script that fails",
        files: &[("hosts!", "#!/bin/sh\necho no >&2; exit 3\n")],
        sources: &["../hosts"],
        patterns: &[],
    },
];

pub(super) const READ: [Case; 28] = [
    Case {
        name: "the order of what is merged",
        files: &[(
            "hosts.yml",
            "all:
  vars: { one: &one { x: 1, y: 1 }, two: &two { y: 2, z: 2 }, both: { a: 0, <<: [*one, *two] } }
  children:
    db: { hosts: { c: , <<: { a: , b: } } }
    more: { hosts: { a: , <<: [{ d: , e: , f: }, { f: , g: { v: 1 } }], g: } }
    twice: { hosts: { <<: { h: , i: }, a: , <<: { j: , i: } } }
    nested: { hosts: { k: , <<: { l: , <<: { m: , n: } } } }
    parents: { children: { db: , <<: { nested: , more: } } }
",
        )],
        sources: &["../hosts.yml"],
        patterns: &["all", "db", "more", "twice", "nested", "parents", "db[0]"],
    },
    Case {
        name: "nested groups",
        files: &[(
            "hosts.yml",
            "all:
  hosts: { lone: { x: 1 }, web-1: }
  vars: { level: all, all_only: true }
  children:
    prod:
      vars: { level: prod }
      children:
        web: { hosts: { web-1: , web-2: { level: host } }, vars: { level: web } }
        db: { hosts: { db-1: , db-2: } }
    dc1: { hosts: { web-2: , db-1: }, vars: { level: dc1, dc: one } }
    deep: { children: { deeper: { children: { deepest: { hosts: { d-1: } } } } } }
",
        )],
        sources: &["../hosts.yml"],
        patterns: &[
            "all", "web", "web:db", "db:web", "prod:!web", "dc1:&prod", "web-*", "d*", "*1", "web[0]",
            "prod[1:2]", "prod[-1]", "prod[2:]", "~web-[12]", "~(web|deep)", "!prod", "lone,web",
            "ungrouped", "dc1,web-1,prod", "d?", "deep*", "web-[12]",
        ],
    },
    Case {
        name: "INI of every kind",
        files: &[(
            "hosts",
            "# a comment
lone ansible_host=10.0.0.9 x=a;b
[web]   # with a comment
web[01:03].example.com ansible_user=deploy
web-x:2222 ansible_user=\"de ploy\"   # inline
; another comment

[db:vars]
port=5432
name = a b c
quoted = 'a b'
[db]
db-[a:c] weight=0.5
[all:vars]
dc=one
[prod:children]
web
db
later
[later]
late-[1:9:4]
[web:vars]
kind=web
",
        )],
        sources: &["../hosts"],
        patterns: &["all", "prod", "web:!web02*", "later:db", "db-[ab]", "web0*", "prod[3:5]"],
    },
    Case {
        name: "odd INI values",
        files: &[(
            "hosts.ini",
            r#"[g]
h a=True b=false c=None d=0644 e=0x1F f=1_000 g=1.50 h=1e3 i="[1, 'two', None]" j="{'k': {'v': (1, 2)}}" k='"quoted"' l="'it''s'" m= n=yes o=a=b=c p=10.0.0.1 q=-5 r=\"x\" s='a\nb' t="a\nb" u=x#y v=null w=0o17 x=00 y=1,2 z=~
[g:vars]
a1=True
a2=true
a3='x'
a4="x"
a5=x # y
a6=5 # y
a7=[1,2
a8=[1, 2]
a9={"a": [1, {"b": None}]}
b1=0755
b2=5.
b3=.5
b4=1e-3
b5='a' 'b'
b6="tab\there"
b7='C:\new'
b8=r'C:\new'
b9={{ a1 }}
c1=
c2=a = b
c3=-1
c4=+1
c5=--1
c6=(1)
c7=(1,)
c8=1,
c9=2j
d1=b'bytes'
d2=...
d3='unclosed
d4=9223372036854775807
d5=9223372036854775808
d6="\u00e9\x41\101"
d7=é
d8=a;b
d9=<a & b>
e1=$HOME `x`
e2=%s
e3=not None
e4=1 if True else 2
e5=1+2
e6=1__0
e7={1: 'a', None: 2.5, False: [1]}
e8=[]
e9={}
"#,
        )],
        sources: &["../hosts.ini"],
        patterns: &["g"],
    },
    Case {
        name: "YAML 1.1 scalars",
        files: &[(
            "hosts.yml",
            "all:
  vars:
    a: [yes, Yes, YES, no, on, off, On, OFF, true, FALSE, y, n, 'yes', \"no\"]
    b: [0644, -0644, 08, 0o17, 0x1F, 0b11, 1_000, 1_0.5, 1e3, 1.5e3, 1.5e+3, -2.5E-3, .5, 1., +1]
    c: [1:30, 22:22, 190:20:30, '1:30', 1:30.5, 01:30, 1:99, a:b]
    d: [~, null, Null, NULL, '', none]
    e: { yes_key: 1, k: 0o7, l: 1e5, m: 0777, n: 12:30:45 }
    f: |
      yes
    g: >-
      a
      b
    h: [!!str 5, !!str 0644, !!str yes, 0_7]
    i: 1.2.3
    j: \"\\u00e9\\n\"
    k: !unsafe '{{ x }}'
  hosts:
    h: { port: 022, flag: on }
",
        )],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "merge keys and anchors",
        files: &[(
            "hosts.yml",
            "all:
  vars:
    base: &base { a: 1, b: { c: 2 } }
    more: &more { b: 3, d: 4 }
    one: { <<: *base, a: 5 }
    two: { <<: [*base, *more], e: 6 }
    three: &three { <<: *more, f: 7 }
    four: { <<: *three, d: 8 }
  hosts:
    h: { <<: { x: 1 }, x: 2 }
    i: &i { z: 1 }
    j: *i
",
        )],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "ranges in YAML",
        files: &[(
            "hosts.yml",
            "web:
  hosts:
    web[01:03].example.com: { ansible_user: deploy }
    'db[a:c]:2222': { x: [1] }
    n[1:10:4]:
    r[1:2]-[x:y]:
",
        )],
        sources: &["../hosts.yml"],
        patterns: &["web[1:3]", "r1*", "all"],
    },
    Case {
        name: "hosts in no group, and duplicates",
        files: &[(
            "hosts.ini",
            "a x=1\nb\na x=2 y=1\n[g]\nb z=1\nc\nc q=1\n[g2]\na\n[ungrouped]\nd\n[g]\ne\nb z=2\n",
        )],
        sources: &["../hosts.ini"],
        patterns: &["ungrouped", "all", "g:g2", "g2:g"],
    },
    Case {
        name: "a directory of sources",
        files: &[
            ("inv/20-web.yml", "web: { hosts: { w-1: { from: yaml }, w-2: } }\n"),
            ("inv/10-db.ini", "[db]\nd-1 from=ini\nw-1 from=first\n"),
            ("inv/30-more", "[more:children]\nweb\ndb\n[web]\nw-3\n"),
            ("inv/deeper/x.yml", "deep: { hosts: { e-1: } }\n"),
            ("inv/40.json", "{\"web\": {\"hosts\": {\"w-4\": {\"a\": [1, null]}}}}"),
            ("inv/README.md", "# not an inventory: { ]\n"),
            ("inv/old.bak", "[web]\nnever\n"),
            ("inv/x~", "[web]\nnever\n"),
            ("inv/.hidden", "[web]\nnever\n"),
            ("inv/ansible.cfg", "[defaults]\n"),
            ("inv/group_vars/web.yml", "beside: web\n"),
            ("inv/group_vars/all.yml", "beside: all\nonly_all: 1\n"),
            ("inv/host_vars/w-2.yml", "beside: host\n"),
            ("inv/deeper/group_vars/deep.yml", "never: 1\n"),
            ("inv/50-script!", "#!/bin/sh\necho '{\"s\": [\"s-1\"], \"_meta\": {\"hostvars\": {\"s-1\": {\"from\": \"script\"}}}}'\n"),
        ],
        sources: &["../inv"],
        patterns: &["all", "more", "web"],
    },
    Case {
        name: "a script with _meta",
        files: &[(
            "hosts!",
            "#!/bin/sh
[ \"$1\" = --list ] || exit 9
cat <<END
{\"web\": {\"hosts\": [\"w-1\", \"w-2\"], \"vars\": {\"port\": 80, \"flag\": \"yes\", \"n\": null}},
 \"db\": [\"d-1\"], \"prod\": {\"children\": [\"web\", \"db\"], \"vars\": {\"env\": \"prod\"}},
 \"empty\": {\"hosts\": []},
 \"_meta\": {\"hostvars\": {\"w-1\": {\"ansible_host\": \"10.0.0.1\", \"port\": 81}, \"never\": {\"x\": 1}}}}
END
",
        )],
        sources: &["../hosts"],
        patterns: &["prod", "all"],
    },
    Case {
        name: "a script without _meta",
        files: &[(
            "hosts!",
            "#!/bin/sh
case $1 in
--list) echo '{\"web\": {\"hosts\": [\"w-1\", \"w-2\"]}}' ;;
--host) [ $2 = w-2 ] || echo \"{\\\"name\\\": \\\"$2\\\", \\\"n\\\": [1, 2.5]}\" ;;
esac
",
        )],
        sources: &["../hosts"],
        patterns: &[],
    },
    Case {
        name: "group_vars as directory and as file",
        files: &[
            ("hosts.ini", "[web]\nw-1 own=1\n[db]\nd-1\n[both:children]\nweb\ndb\n"),
            ("group_vars/web/10.yml", "a: ten\nb: ten\n"),
            ("group_vars/web/20.yml", "b: twenty\n"),
            ("group_vars/web/deeper/x.yml", "c: deeper\n"),
            ("group_vars/web/zz", "d: no extension\n"),
            ("group_vars/web/readme.txt", "never: 1\n"),
            ("group_vars/web/.hidden.yml", "never: 1\n"),
            ("group_vars/web/old.yml~", "never: 1\n"),
            ("group_vars/web.yml", "never: the directory comes first\n"),
            ("group_vars/db", "a: plain file\nflag: yes\nmode: 0644\n"),
            ("group_vars/db.yml", "never: 1\n"),
            ("group_vars/both.yaml", "a: both\nboth: 1\n"),
            ("group_vars/all.json", "{\"a\": \"all\", \"all\": [true, null]}"),
            ("group_vars/nobody.yml", "never: [\n"),
            ("group_vars/empty", ""),
        ],
        sources: &["../hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "host_vars, and what wins",
        files: &[
            (
                "hosts.ini",
                "[web]\nw-1 own=ini level=host\nw-2\n[web:vars]\nlevel=group\nx=group\n[all:vars]\nlevel=all\nx=all\n",
            ),
            ("host_vars/w-1.yml", "level: host_vars\n"),
            ("host_vars/w-2/a.yml", "level: dir\n"),
            ("group_vars/all.yml", "x: group_vars_all\ny: group_vars_all\nown: group_vars_all\n"),
            ("group_vars/web.yml", "y: group_vars_web\n"),
        ],
        sources: &["../hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "variables beside the playbook",
        files: &[
            ("inv/hosts.ini", "[web]\nw-1\n[web:vars]\na=ini\n"),
            ("inv/group_vars/all.yml", "a: inv-all\nb: inv-all\nc: inv-all\n"),
            ("inv/group_vars/web.yml", "b: inv-web\n"),
            ("inv/host_vars/w-1.yml", "d: inv-host\ne: inv-host\n"),
            ("cwd/group_vars/all.yml", "a: play-all\nb: play-all\nf: play-all\n"),
            ("cwd/group_vars/web.yml", "f: play-web\n"),
            ("cwd/host_vars/w-1.yml", "e: play-host\n"),
        ],
        sources: &["../inv/hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "several sources",
        files: &[
            ("one/hosts.yml", "web: { hosts: { a: { x: 1, y: 1 } }, vars: { g: 1, p: 1 } }\nsub: { hosts: a }\n"),
            ("two/hosts.ini", "[web]\nb\na x=2\n[web:vars]\ng=2\n[top:children]\nweb\n[sub]\nb\n"),
            ("one/group_vars/web.yml", "v: one-web\nq: one-web\n"),
            ("one/group_vars/sub.yml", "v: one-sub\n"),
            ("two/group_vars/web.yml", "v: two-web\n"),
        ],
        sources: &["../one/hosts.yml", "../two/hosts.ini", "c,a,d:2222"],
        patterns: &["all", "web", "top"],
    },
    Case {
        name: "several sources, the other way round",
        files: &[
            ("one/hosts.yml", "web: { hosts: { a: { x: 1, y: 1 } }, vars: { g: 1 } }\n"),
            ("two/hosts.ini", "[web]\nb\na x=2\n[web:vars]\ng=2\n"),
        ],
        sources: &["c,a,", "../two/hosts.ini", "../one/hosts.yml"],
        patterns: &["all", "web"],
    },
    Case {
        name: "priorities",
        files: &[(
            "hosts.yml",
            "all:
  children:
    a: { hosts: { h: }, vars: { x: a, ansible_group_priority: 10 } }
    b: { hosts: { h: }, vars: { x: b } }
    c: { hosts: { h: }, vars: { y: c, ansible_group_priority: '2' } }
    d: { hosts: { h: }, vars: { y: d, ansible_group_priority: 2 } }
    e: { children: { f: { hosts: { h: }, vars: { z: f, ansible_group_priority: 0 } } }, vars: { z: e, ansible_group_priority: 99 } }
",
        )],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "priorities in INI and in group_vars",
        files: &[
            ("hosts.ini", "[a]\nh\n[b]\nh\n[a:vars]\nx=a\nansible_group_priority=5\n[b:vars]\nx=b\n"),
            ("group_vars/b.yml", "ansible_group_priority: 50\ny: b\n"),
            ("group_vars/a.yml", "y: a\n"),
        ],
        sources: &["../hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "empty groups",
        files: &[("hosts.yml", "all:\nweb:\ndb: { hosts: }\nmore: { children: , vars: }\nx: { vars: { a: 1 } }\n")],
        sources: &["../hosts.yml"],
        patterns: &["all", "web"],
    },
    Case {
        name: "groups of groups alone",
        files: &[(
            "hosts.ini",
            "[z:children]\ny\n[y:children]\nx\n[x]\nh1\nh2\n[w:children]\nz\nx\n[z:vars]\na=z\n[x:vars]\na=x\n",
        )],
        sources: &["../hosts.ini"],
        patterns: &["z", "w", "all", "y:&x"],
    },
    Case {
        name: "IPv6 and ports",
        files: &[
            (
                "hosts.ini",
                "[v6]\n2001:db8::1\n[2001:db8::2]:2222\n::1 ansible_port=22\n[v4]\n10.0.0.1:2022\n10.0.0.[2:3]:22 x=1\nname:22 ansible_port=23\nname2 ansible_port='24'\n",
            ),
            ("hosts.yml", "more: { hosts: { 'h:25': , h: , 'name:26': , '[2001:db8::3]:27': , 2001:db8::4: } }\n"),
        ],
        sources: &["../hosts.ini", "../hosts.yml"],
        patterns: &["v6", "v4", "2001:db8::1", "all"],
    },
    Case {
        name: "connection variables",
        files: &[(
            "hosts.ini",
            "[web]\nw ansible_host=10.0.0.1 ansible_user=deploy ansible_password='p w' ansible_become_pass=x\n[web:vars]\nansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p -q bastion\"'\nansible_connection=ssh\nansible_ssh_private_key_file=~/.ssh/id\n",
        )],
        sources: &["../hosts.ini"],
        patterns: &[],
    },
    Case {
        name: "values that Ansible Vault has encrypted",
        files: &[(
            "hosts.yml",
            "all:
  vars:
    ansible_password: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      3132
  hosts: { h: { x: [!vault \"$ANSIBLE_VAULT;1.1;AES256\\n33\\n\"] } }
",
        )],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "hosts inline",
        files: &[("cwd/group_vars/all.yml", "a: 1\n")],
        sources: &["b,a:22, c ,,[2001:db8::1]:22,2001:db8::2"],
        patterns: &["all", "a"],
    },
    Case {
        name: "a text without an ending that is YAML",
        files: &[("hosts", "---\nweb:\n  hosts:\n    a:\n    b: { x: yes }\n")],
        sources: &["../hosts"],
        patterns: &[],
    },
    Case {
        name: "a list of names and nothing else",
        files: &[("hosts", "b\na\n\nc x=1\n")],
        sources: &["../hosts"],
        patterns: &["all", "a:b", "b,a"],
    },
    Case {
        name: "INI in a file that is called YAML",
        files: &[("hosts.yml", "[web]\na x=1\nb\n")],
        sources: &["../hosts.yml"],
        patterns: &[],
    },
    Case {
        name: "groups as texts, names of many kinds",
        files: &[(
            "hosts.yml",
            "a-b: { hosts: one, children: c.d }\nc.d: { hosts: 'two.example.com' }\nCaps: { hosts: { UP: { Ü: ß, with-dash: 1 } } }\n",
        )],
        sources: &["../hosts.yml"],
        patterns: &["a-b", "c.d", "two.example.com", "Caps"],
    },
];
