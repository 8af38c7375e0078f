//! What to do about what is wrong with a template.

use minijinja::ErrorKind;
use minijinja::value::{Value, ValueKind};

use super::convert::describe;
use crate::load::decode::nearest;

/// The fields of a registered result.
pub(super) const FIELDS: [&str; 8] =
    ["output", "error", "exit_status", "ok", "changed", "failed", "skipped", "results"];

/// What to say about a part that a value does not have.
pub(super) fn parts_advice(shown: &str, outer: &Value, part: &str) -> String {
    if outer.kind() != ValueKind::Map {
        return format!("`{shown}` is {}, which has no parts", describe(outer));
    }
    let keys: Vec<String> =
        outer.try_iter().map(|keys| keys.map(|key| key.to_string()).collect()).unwrap_or_default();
    match nearest(part, keys.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{shown}.{near}`?"),
        None if keys.is_empty() => format!("`{shown}` is empty"),
        None if keys.len() > 12 => format!("`{shown}` has no such part"),
        None => format!("`{shown}` has {}", keys.join(", ")),
    }
}

/// What the field of a result is called here; Ansible's names are known.
pub(super) fn field_advice(field: &str) -> String {
    let here = match field {
        "stdout" | "stdout_lines" => Some("output"),
        "stderr" | "stderr_lines" => Some("error"),
        "rc" => Some("exit_status"),
        "succeeded" | "success" => Some("ok"),
        _ => nearest(field, FIELDS),
    };
    match here {
        Some("output") if field == "stdout_lines" => {
            "did you mean `output`? `output | lines` splits it".to_owned()
        }
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a result has {}", FIELDS.join(", ")),
    }
}

/// What most often is behind a template that cannot be parsed; `at` is the text where
/// the parser stopped.
pub(super) fn syntax_advice(message: &str, code: &str, at: &str) -> &'static str {
    match message {
        _ if message.contains("comment") => {
            "`{#` begins a comment; where it is meant as it stands, write `{% raw %}…{% endraw %}` around it"
        }
        _ if code.contains("{%") && message.contains("end of input") => {
            "close what is open: each `{% if %}` needs its `{% endif %}`, each `{% for %}` its `{% endfor %}`"
        }
        _ if at == "=" => "compare with `==`",
        _ => "templates are written `{{ expression }}` and `{% statement %}`",
    }
}

/// What to do about a template that failed while it was rendered.
pub(super) fn failure_advice(kind: ErrorKind, message: &str) -> String {
    let advice = match kind {
        ErrorKind::UnknownMethod => {
            let name = message.rsplit(' ').next().unwrap_or_default();
            return method_advice(name).unwrap_or_else(|| {
                "texts, lists and mappings have Python's methods; filters do the rest: `value | name`"
                    .to_owned()
            });
        }
        ErrorKind::TooManyArguments | ErrorKind::MissingArgument => {
            "look at the arguments of the filter, test or function"
        }
        ErrorKind::TemplateNotFound => {
            "a template is one text: write what it includes in its place"
        }
        _ if message.contains("environment variable") => {
            "set it where sshoal runs, or give a default"
        }
        _ if message.contains("cannot read") => {
            "check the path; a relative one starts at the directory of the file that writes it"
        }
        _ => {
            "look at what the names in the template stand for; `| int`, `| string` and `| list` change the type"
        }
    };
    advice.to_owned()
}

/// What to write for a method or field of a text, where the language has it under
/// another name.
pub(super) fn method_advice(name: &str) -> Option<String> {
    Some(
        match name {
            "startswith" => {
                "write `value is startingwith('…')`, or call it: `value.startswith('…')`"
            }
            "endswith" => "write `value is endingwith('…')`, or call it: `value.endswith('…')`",
            "strip" | "trim" | "lstrip" | "rstrip" => {
                "write `value | trim`, or call it: `value.strip()`"
            }
            "split" | "splitlines" => "write `value | split('…')` or `value | lines`",
            "lower" | "upper" | "title" | "capitalize" | "replace" | "length" | "join" => {
                return Some(format!("write it as a filter: `value | {name}`"));
            }
            "contains" | "find" | "search" | "match" => "write `'…' in value`",
            "removeprefix" | "removesuffix" => {
                "write `value | replace('…', '')`, or `| regex_replace`"
            }
            "encode" | "decode" => "texts are UTF-8; `| b64encode` and `| b64decode` are there",
            "append" | "extend" | "insert" | "update" | "push" => {
                "values do not change; `list + [item]` makes a longer list"
            }
            _ => return None,
        }
        .to_owned(),
    )
}

/// What to do without a variable that Ansible itself would define.
pub(super) fn name_advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "omit" => "leave the key out, or give the value that it has by default",
        "playbook_dir" | "inventory_dir" | "role_path" => {
            "relative paths start at the directory of the file that they are written in: leave it out"
        }
        "inventory_hostname_short" => "write `inventory_hostname.split('.')[0]`",
        "ansible_play_hosts" | "ansible_play_batch" | "ansible_play_hosts_all" => {
            "the hosts of the play are `play_hosts`"
        }
        "ansible_check_mode" | "ansible_diff_mode" | "ansible_version" | "ansible_run_tags"
        | "ansible_skip_tags" | "ansible_limit" | "ansible_loop" | "ansible_managed" => {
            "this is Ansible's own and not defined here: give the value with `-e`, or in `vars`"
        }
        _ if is_fact(name) => {
            "nothing is gathered from hosts: ask with a task of its own, such as `command: cat /etc/os-release`, and `register` what it says"
        }
        _ => return None,
    })
}

/// Whether Ansible would know it from the host, rather than from the inventory.
fn is_fact(name: &str) -> bool {
    let Some(name) = name.strip_prefix("ansible_") else { return false };
    let is_of_inventory = ["host", "port", "user", "password", "connection", "shell_type"]
        .contains(&name)
        || ["ssh_", "become", "sudo", "private_key", "python_interpreter", "remote_"]
            .iter()
            .any(|start| name.starts_with(start));
    !is_of_inventory
}

/// What Ansible's functions are called here.
pub(super) fn function_advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "lookup" | "query" | "q" => {
            "`env('NAME')` reads the environment, `file('PATH')` a file, `vault('PATH')` a secret"
        }
        "now" => "take the time on the host: `date -Is` as a command of its own, with `register`",
        "omit" => return name_advice(name),
        "undef" => "a name that nothing defines is an error by itself",
        "items" | "items2dict" => "write it as a filter: `mapping | items`",
        _ => return None,
    })
}

/// What Ansible's filters (`|`) and tests (`is`) are called here.
pub(super) fn tool_advice(before: &str, name: &str) -> Option<&'static str> {
    Some(match (before, name.rsplit('.').next().unwrap_or(name)) {
        ("|", "ternary") => "write `a if condition else b`",
        ("|", "dict2items") => "write `mapping | items`: a list of pairs of key and value",
        ("|", "items2dict" | "combine") => "write a mapping in the variables, or `dict(…)`",
        ("|", "mandatory") => "leave it out: what is undefined is an error anyhow",
        ("|", "to_nice_json") => "write `| tojson(indent=2)`",
        ("|", "to_nice_yaml") => "write `| to_yaml`",
        ("|", "from_yaml") => "write `| from_json` where it is JSON",
        ("|", "basename" | "dirname") => "write `| split('/') | last`, or `| regex_replace(…)`",
        ("|", "regex_search" | "regex_findall") => "write `| regex_replace('…', '\\1')`",
        ("|", "strip") => "write `| trim`",
        ("|", "splitlines") => "write `| lines`",
        ("|", "succeeded" | "success") => "a result says it: `result.ok`",
        ("|", "failed" | "changed" | "skipped") => {
            "a result says it: `result.failed`, `result.changed`, `result.skipped`"
        }
        ("is", "succeeded" | "success" | "successful") => "a result says it: `result.ok`",
        ("is", "failed" | "failure") => "a result says it: `result.failed`",
        ("is", "changed" | "change") => "a result says it: `result.changed`",
        ("is", "skipped" | "skip") => "a result says it: `result.skipped`",
        ("is", "search" | "match" | "regex" | "contains") => {
            "write `'…' in value`, `is startingwith('…')` or `is endingwith('…')`"
        }
        ("is", "version" | "version_compare") => {
            "compare on the host: `only_if: dpkg --compare-versions …`, or `sort -V`"
        }
        ("is", "file" | "directory" | "exists" | "link") => {
            "ask the host: the keys `creates` and `removes`, or `only_if: test -d …`"
        }
        ("is", "subset" | "superset") => "write `'…' in list`",
        _ => return None,
    })
}
