//! A request in words, line by line.

use serde_json::{Map, Value};

use super::count;
use super::request::Request;
use crate::load::placeholder::KNOWN_AFTER;

/// What a request does, and under which conditions.
pub(super) fn lines(request: &Request) -> Vec<String> {
    let keys = &request.keys;
    let none = Map::new();
    let args = keys.get("driver_args").and_then(Value::as_object).unwrap_or(&none);
    let mut lines = Vec::new();
    lines.extend(request.when.as_ref().map(|when| format!("when {when}")));
    lines.extend(action(request, args));
    if let Some(directory) = args.get("working_directory") {
        lines.push(format!("  in {}", text(directory)));
    }
    if let Some(Value::Object(variables)) = args.get("environment") {
        let names: Vec<&str> = variables.keys().map(String::as_str).collect();
        if !names.is_empty() {
            lines.push(format!("  with {} in its environment", names.join(", ")));
        }
    }
    let transfer = args.get("file_transfer").and_then(|transfer| transfer.get("timeout"));
    match args.get("timeout").or(transfer) {
        None | Some(Value::Null) => {}
        Some(Value::Number(seconds)) => lines.push(format!("  within {}", duration(seconds))),
        Some(limit) => lines.push(format!("  within {}", text(limit))),
    }
    let guards = [
        ("creates", "skipped if", "exist"),
        ("removes", "skipped unless", "exist"),
        ("unless", "skipped if", "succeed"),
        ("only_if", "skipped unless", "succeed"),
    ];
    for (key, skipped, what) in guards {
        let Some(texts) = keys.get(key).map(list).filter(|texts| !texts.is_empty()) else {
            continue;
        };
        let all = match (key, texts.len()) {
            (_, 1) => String::new(),
            ("creates" | "only_if", _) => "all of ".to_owned(),
            _ => "any of ".to_owned(),
        };
        let ending = if texts.len() == 1 { "s" } else { "" };
        lines.push(format!("  {skipped} {all}{} {what}{ending}", texts.join(", ")));
    }
    lines.extend(retries(keys));
    for (key, what) in [("changed_when", "changed"), ("failed_when", "failed")] {
        if let Some(condition) = keys.get(key) {
            lines.push(match condition {
                Value::Bool(true) => format!("  always counts as {what}"),
                Value::Bool(false) => format!("  never counts as {what}"),
                other => format!("  counts as {what} when {}", list(other).join(" and ")),
            });
        }
    }
    lines
}

/// The lines below a request's actions.
pub(super) fn details(lines: &[String]) -> &[String] {
    let end = lines.iter().rposition(|line| !line.starts_with("  "));
    &lines[end.map_or(0, |end| end + 1)..]
}

fn action(request: &Request, args: &Map<String, Value>) -> Vec<String> {
    let elevated = match (args.get("sudo"), args.get("sudo_user")) {
        (None | Some(Value::Bool(false)), _) => String::new(),
        (Some(_), Some(user)) => format!("sudo -u {} ", text(user)),
        (Some(_), None) => "sudo ".to_owned(),
    };
    if let Some(Value::Object(transfer)) = args.get("file_transfer") {
        let part = |key: &str| transfer.get(key).map(text).unwrap_or_default();
        let is = |key: &str| transfer.get(key) == Some(&Value::Bool(true));
        let what = match (is("template"), is("recursive")) {
            (true, _) => " (rendered)",
            (false, true) => " (recursively)",
            (false, false) => "",
        };
        let elevated = if elevated.is_empty() { "" } else { "sudo " };
        let local = request.local_path.clone().unwrap_or_else(|| part("local_path"));
        let (operation, remote) = (part("operation"), part("remote_path"));
        return vec![match operation.as_str() {
            "download" => format!("{elevated}download {remote}{what} → {local}"),
            _ => format!("{elevated}{operation} {local}{what} → {remote}"),
        }];
    }
    if let Some(script) = args.get("script_content") {
        let interpreter = args.get("script_interpreter").map_or("sh".to_owned(), text);
        // A script that is not known yet says so.
        let unknown = text(script);
        let unknown = match unknown.starts_with(KNOWN_AFTER) && unknown.ends_with('>') {
            true => format!(" {unknown}"),
            false => String::new(),
        };
        return vec![format!("{elevated}$ {interpreter} (script_content){unknown}")];
    }
    let commands = request.keys.get("config").or_else(|| request.keys.get("command"));
    let commands = commands.map(list).unwrap_or_default();
    commands.into_iter().map(|command| format!("{elevated}$ {command}")).collect()
}

fn retries(keys: &Map<String, Value>) -> Option<String> {
    let until = keys.get("until").map(|until| format!(", until {}", list(until).join(" and ")));
    let retries = keys.get("retries");
    if retries.is_none() && until.is_none() {
        return None;
    }
    let tries = match retries {
        None => count(4, "time"),
        Some(retries) => match retries.as_u64() {
            Some(1) => "twice".to_owned(),
            Some(retries) => format!("{} times", retries.saturating_add(1)),
            None => format!("1 + {} times", text(retries)),
        },
    };
    let delay = match keys.get("delay") {
        None => "5 s".to_owned(),
        Some(Value::Number(seconds)) => duration(seconds),
        Some(other) => text(other),
    };
    Some(format!("  up to {tries}, {delay} apart{}", until.unwrap_or_default()))
}

fn duration(seconds: &serde_json::Number) -> String {
    format!("{} s", seconds.as_f64().unwrap_or_default())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    }
}
