//! Python's texts.

/// The text that `rest` begins with, whether it is of bytes, and what follows it.
pub(super) fn part(rest: &str) -> Option<(String, bool, &str)> {
    let prefix = rest.find(['"', '\''])?;
    let (prefix, rest) = rest.split_at(prefix);
    let (raw, bytes) = match prefix.to_ascii_lowercase().as_str() {
        "" | "u" => (false, false),
        "r" => (true, false),
        "b" => (false, true),
        "br" | "rb" => (true, true),
        _ => return None,
    };
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let quote = if rest.starts_with(&triple) { triple.as_str() } else { quote };
    let body = &rest[quote.len()..];
    let mut end = 0;
    while !body.get(end..)?.starts_with(quote) {
        let c = body[end..].chars().next()?;
        end += c.len_utf8();
        if c == '\\' {
            end += body[end..].chars().next()?.len_utf8();
        }
    }
    let after = &body[end + quote.len()..];
    let body = &body[..end];
    if bytes && !body.is_ascii() {
        return None;
    }
    let text = if raw { body.to_owned() } else { unescaped(body, bytes)? };
    Some((text, bytes, after))
}

fn unescaped(body: &str, bytes: bool) -> Option<String> {
    let mut out: Vec<u8> = Vec::with_capacity(body.len());
    let push = |out: &mut Vec<u8>, code: u32| -> Option<()> {
        if bytes {
            out.push(u8::try_from(code & 0xff).ok()?);
        } else {
            out.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Some(())
    };
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.extend(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let c = rest.chars().next()?;
        let width = match c {
            'x' => 2,
            'u' if !bytes => 4,
            'U' if !bytes => 8,
            _ => 0,
        };
        if width > 0 {
            let digits = rest.get(1..=width)?;
            push(&mut out, u32::from_str_radix(digits, 16).ok()?)?;
            rest = &rest[1 + width..];
            continue;
        }
        if c.is_digit(8) {
            let len = rest.bytes().take(3).take_while(|byte| (b'0'..b'8').contains(byte)).count();
            push(&mut out, u32::from_str_radix(&rest[..len], 8).ok()?)?;
            rest = &rest[len..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            'r' => out.push(b'\r'),
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'v' => out.push(11),
            '\\' | '\'' | '"' => out.push(c as u8),
            // The names of characters would take a table; such a text stays as it is.
            'N' if !bytes => return None,
            // What Python does not know keeps its backslash.
            _ => {
                out.push(b'\\');
                out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    out.extend(rest.as_bytes());
    Some(String::from_utf8_lossy(&out).into_owned())
}
