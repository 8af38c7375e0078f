//! Names of hosts as inventories write them: ranges and ports.

use std::net::Ipv6Addr;

/// More hosts than this from one name are a mistake.
const MOST_HOSTS: usize = 1_000_000;

/// The names that `web[01:50].example.com:2222` stands for, and their port.
pub(super) fn expand(written: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (name, port) = address(written);
    if port.is_none() && written.ends_with(':') {
        return Err("a `:` at the end has no port behind it".to_owned());
    }
    let port = match port {
        None => None,
        Some(text) => match text.parse() {
            Ok(port) => Some(port),
            Err(_) => return Err(format!("`{text}` is not a port from 1 to 65535")),
        },
    };
    let mut names = Vec::new();
    ranges(name, &mut names)?;
    Ok((names, port.filter(|port| *port != 0)))
}

/// Splits off a port where what is left is a name, an address, or a range of them.
/// Anything else is a name as it stands, `::1` and `a/b:22` for example.
pub(super) fn address(written: &str) -> (&str, Option<&str>) {
    let bracketed = written.strip_prefix('[').and_then(|rest| rest.rsplit_once("]:"));
    let split = match bracketed {
        Some((name, port)) if !name.is_empty() && is_digits(port) => Some((name, port)),
        _ => {
            let split = written.rsplit_once(':');
            split.filter(|(name, port)| is_digits(port) && !has_bare_colon(name))
        }
    };
    match split {
        Some((name, port)) if is_host(name) => (name, Some(port)),
        _ => (written, None),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a colon or bracket stands outside of complete brackets.
fn has_bare_colon(name: &str) -> bool {
    let mut inside = false;
    for c in name.chars() {
        match c {
            '[' if !inside => inside = true,
            ']' if inside => inside = false,
            ':' | ']' if !inside => return true,
            _ => {}
        }
    }
    inside
}

/// Whether a text is a host name or an address, ranges included.
pub(super) fn is_host(name: &str) -> bool {
    is_name(name) || is_ipv6(name)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && labels(name).iter().all(|label| is_label(label))
}

/// The parts between the dots; a range has none.
fn labels(name: &str) -> Vec<&str> {
    let mut labels = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in name.char_indices() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            '.' if !inside => {
                labels.push(&name[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    labels.push(&name[start..]);
    labels
}

fn is_label(label: &str) -> bool {
    let mut rest = label;
    let mut is_first = true;
    while let Some(c) = rest.chars().next() {
        if c == '[' {
            let Some((range, after)) = rest[1..].split_once(']') else { return false };
            if !is_range(range) {
                return false;
            }
            rest = after;
        } else if c.is_alphanumeric() || c == '_' || (c == '-' && !is_first) {
            rest = &rest[c.len_utf8()..];
        } else {
            return false;
        }
        is_first = false;
    }
    !is_first && !label.ends_with(['-', '_'])
}

fn is_range(range: &str) -> bool {
    let parts: Vec<&str> = range.split(':').collect();
    let letter = |text: &str| text.len() == 1 && text.as_bytes()[0].is_ascii_alphabetic();
    let ends = match parts.as_slice() {
        [first, last] | [first, last, _] => {
            (letter(first) && letter(last)) || (is_digits(first) && is_digits(last))
        }
        _ => false,
    };
    ends && parts.get(2).is_none_or(|step| is_digits(step))
}

fn is_ipv6(name: &str) -> bool {
    let mut plain = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((_, after)) = after.split_once(']') else { return false };
        plain.push_str(before);
        plain.push('1');
        rest = after;
    }
    plain.push_str(rest);
    plain.parse::<Ipv6Addr>().is_ok()
}

fn ranges(name: &str, names: &mut Vec<String>) -> Result<(), String> {
    let Some((head, rest)) = name.split_once('[') else {
        names.push(name.to_owned());
        return Ok(());
    };
    let Some((range, tail)) = rest.split_once(']') else {
        return Err("a `[` is not closed".to_owned());
    };
    for member in members(range)? {
        if names.len() > MOST_HOSTS {
            return Err(format!("it stands for more than {MOST_HOSTS} hosts"));
        }
        ranges(&format!("{head}{member}{tail}"), names)?;
    }
    Ok(())
}

fn members(range: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let ([first, last] | [first, last, _]) = parts.as_slice() else {
        return Err(format!("`[{range}]` is not a range such as `[01:50]`, `[a:f]` or `[1:9:2]`"));
    };
    let step = match parts.get(2).map(|step| step.parse::<usize>()) {
        None => 1,
        Some(Ok(step)) if step > 0 => step,
        Some(_) => return Err(format!("the step of `[{range}]` is not a number above 0")),
    };
    let first = if first.is_empty() { "0" } else { first };
    if last.is_empty() {
        return Err(format!("`[{range}]` has no end"));
    }
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let letter = |text: &str| if text.len() == 1 { LETTERS.find(text) } else { None };
    let backwards = || format!("the range `[{range}]` ends before it begins");
    if let (Some(first), Some(last)) = (letter(first), letter(last)) {
        if first > last {
            return Err(backwards());
        }
        let letters = LETTERS[first..=last].chars().step_by(step);
        return Ok(letters.map(String::from).collect());
    }
    let width = if first.len() > 1 && first.starts_with('0') { first.len() } else { 0 };
    if width > 0 && last.len() != width {
        return Err(format!("with leading zeros both ends of `[{range}]` have as many digits"));
    }
    let number = |text: &str| {
        let number = text.parse::<usize>().ok().filter(|_| is_digits(text));
        number.ok_or_else(|| format!("`{text}` in `[{range}]` is neither a number nor one letter"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(backwards());
    }
    if (last - first) / step >= MOST_HOSTS {
        return Err(format!("it stands for more than {MOST_HOSTS} hosts"));
    }
    Ok((first..=last).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_expand_as_in_ansible() {
        let cases: [(&str, &[&str], Option<u16>); 16] = [
            ("web", &["web"], None),
            ("web:2222", &["web"], Some(2222)),
            ("web[08:10]", &["web08", "web09", "web10"], None),
            ("web[8:10]", &["web8", "web9", "web10"], None),
            ("web[1:10:4].x:22", &["web1.x", "web5.x", "web9.x"], Some(22)),
            ("a[y:B]", &["ay", "az", "aA", "aB"], None),
            ("r[1:2]-[a:b]", &["r1-a", "r1-b", "r2-a", "r2-b"], None),
            ("web[:1]", &["web0", "web1"], None),
            ("10.0.0.1:22", &["10.0.0.1"], Some(22)),
            ("10.0.0.[1:2]", &["10.0.0.1", "10.0.0.2"], None),
            ("[2001:db8::1]:2222", &["2001:db8::1"], Some(2222)),
            ("2001:db8::1", &["2001:db8::1"], None),
            ("::1", &["::1"], None),
            ("a/b:22", &["a/b:22"], None),
            ("-x:22", &["-x:22"], None),
            ("under_score", &["under_score"], None),
        ];
        for (written, names, port) in cases {
            assert_eq!(expand(written), Ok((names.iter().map(|n| n.to_string()).collect(), port)));
        }
        for written in [
            "web[1",
            "web[]",
            "web[1:]",
            "web[5:1]",
            "web[01:100]",
            "web[a:5]",
            "web[1:2:0]",
            "web[1:2:3:4]",
            "web:99999",
            "web:",
            "web[0:99999999]",
            "[::1]",
            "web[0:9999][0:9999]",
        ] {
            assert!(expand(written).is_err(), "{written}");
        }
    }
}
