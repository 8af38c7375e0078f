//! Lines of INI inventories that stand for themselves: headers and comments.

/// The group and the type of a `[group:type]`, with a comment behind it perhaps.
pub(super) fn header(line: &str) -> Option<(&str, Option<&str>)> {
    let (inner, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return None;
    }
    let (group, kind) = match inner.split_once(':') {
        Some((group, kind)) => (group, Some(kind)),
        None => (inner, None),
    };
    let is_word =
        |kind: &str| !kind.is_empty() && kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    let sound = !group.is_empty() && !group.contains(char::is_whitespace);
    (sound && kind.is_none_or(is_word)).then_some((group, kind))
}

/// Whether a line says nothing.
pub(super) fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', ';'])
}

/// Whether a line is the header of a section.
pub(super) fn is_section(line: &str) -> bool {
    header(line).is_some()
}
