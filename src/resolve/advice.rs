//! What to do about what is wrong with a template.

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
