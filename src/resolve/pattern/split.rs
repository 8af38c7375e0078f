//! Takes a pattern apart.

/// Splits at `:` and `,`, but not at a `:` within brackets (`web[0:2]`), nor within
/// the parentheses of a regex (`~(?:web|db)-1`).
pub(super) fn parts(pattern: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        let end = end_of_part(rest);
        let part = rest[..end].trim();
        if !part.is_empty() {
            let lead = end - rest[..end].trim_start().len();
            parts.push((pattern.len() - rest.len() + lead, part));
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    parts
}

fn end_of_part(text: &str) -> usize {
    // An IPv6 address is a name with colons, not three patterns.
    let upto = text.find(',').unwrap_or(text.len());
    let word = text[..upto].trim().trim_start_matches(['!', '&']);
    if word.parse::<std::net::Ipv6Addr>().is_ok() {
        return upto;
    }
    let is_regex = word.starts_with('~');
    let mut depth = 0;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            // Only a comma ends a regex whatever it stands in.
            ',' if depth <= 0 || is_regex => return at,
            _ if is_escaped => {}
            '[' => depth += 1,
            ']' => depth -= 1,
            '(' if is_regex => depth += 1,
            ')' if is_regex => depth -= 1,
            ':' if depth <= 0 => return at,
            _ => {}
        }
        is_escaped = is_regex && c == '\\' && !is_escaped;
    }
    text.len()
}
