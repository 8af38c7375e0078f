//! Arguments of `ssh`, as far as they name a jump host.

use super::node::Entry;

/// The jump host that `[user@]host[:port]` names; none for `none`.
#[must_use]
pub fn jump_host(text: &str) -> Option<Jump> {
    Some(Jump::of_destination(text)).filter(|jump| jump.host.is_some())
}

/// A jump host, as arguments of `ssh` name it.
#[derive(Debug, Default)]
pub struct Jump {
    /// Its name or address.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<String>,
    /// The login user there.
    pub user: Option<String>,
    /// The path of a private key.
    pub(super) key: Option<String>,
    /// Whether there is a `ProxyCommand` that is no `ssh -W`.
    pub(super) is_foreign: bool,
    pub(super) place: Option<Entry>,
}

/// Options of `ssh` that take a value.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOopQRSWw";

impl Jump {
    pub(super) fn or(self, other: Self) -> Self {
        if self.host.is_some() { self } else { Self { place: None, ..other } }
    }

    pub(super) fn of_ssh_args(words: &[String]) -> Self {
        let mut found = Self::default();
        for (option, value) in options(words).0 {
            let jump = match (option, split_option(&value)) {
                ('J', _) => Self::of_destination(&value),
                ('o', Some((name, value))) if name.eq_ignore_ascii_case("proxyjump") => {
                    Self::of_destination(value)
                }
                ('o', Some((name, value))) if name.eq_ignore_ascii_case("proxycommand") => {
                    Self::of_command(value)
                }
                _ => continue,
            };
            found.is_foreign |= jump.is_foreign;
            found = found.or(jump);
        }
        found
    }

    /// `[user@]host[:port]`, or the same as a URL.
    fn of_destination(text: &str) -> Self {
        let text = text.trim().trim_start_matches("ssh://").trim_end_matches('/');
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            return Self::default();
        }
        if outside(text, ',').next().is_some() {
            // A chain stays whole, and is refused where a host goes through it.
            return Self { host: Some(text.to_owned()), ..Self::default() };
        }
        let (user, rest) = match outside(text, '@').next_back() {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let (host, port) = match outside(rest, ':').collect::<Vec<_>>().as_slice() {
            [at] => (&rest[..*at], Some(&rest[at + 1..])),
            _ => (rest, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            host: text(host),
            port: port.and_then(text),
            user: user.and_then(text),
            ..Self::default()
        }
    }

    /// `ssh -W %h:%p … [user@]host`, which is how one jumped before there was `-J`.
    fn of_command(text: &str) -> Self {
        let foreign = Self { is_foreign: true, ..Self::default() };
        if text.trim().eq_ignore_ascii_case("none") {
            return Self::default();
        }
        let words = words(text);
        let is_ssh = words.first().is_some_and(|word| word.rsplit('/').next() == Some("ssh"));
        let (options, destination) = options(words.get(1..).unwrap_or_default());
        let forwards = options.iter().any(|(option, _)| *option == 'W');
        let Some(destination) = destination.filter(|_| is_ssh && forwards) else { return foreign };
        // One that jumps itself is the end of a chain.
        let before =
            options.iter().find_map(|(option, value)| match (option, split_option(value)) {
                ('J', _) => Some(value.as_str()),
                ('o', Some((name, value))) if name.eq_ignore_ascii_case("proxyjump") => Some(value),
                _ => None,
            });
        let before = before.filter(|before| !before.eq_ignore_ascii_case("none"));
        let chain = before.map(|before| format!("{before},{destination}"));
        let mut jump = Self::of_destination(chain.as_deref().unwrap_or(&destination));
        for (option, value) in options {
            let (name, value) = match (option, split_option(&value)) {
                ('p', _) => ("port", value.as_str()),
                ('l', _) => ("user", value.as_str()),
                ('i', _) => ("identityfile", value.as_str()),
                ('o', Some((name, value))) => (name, value),
                _ => continue,
            };
            let slot = match name.to_ascii_lowercase().as_str() {
                "port" => &mut jump.port,
                "user" => &mut jump.user,
                "identityfile" => &mut jump.key,
                _ => continue,
            };
            slot.get_or_insert_with(|| value.to_owned());
        }
        jump
    }
}

/// The options among the words, each with its value, and the first word that is none.
fn options(words: &[String]) -> (Vec<(char, String)>, Option<String>) {
    let mut found = Vec::new();
    let mut rest = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            rest = rest.or(Some(word.clone()));
            continue;
        };
        for (at, letter) in letters.char_indices() {
            if !WITH_VALUE.contains(letter) {
                continue;
            }
            let value = match &letters[at + letter.len_utf8()..] {
                "" => words.next().cloned().unwrap_or_default(),
                value => value.to_owned(),
            };
            found.push((letter, value));
            break;
        }
    }
    (found, rest)
}

/// `Name=value` or `Name value`.
fn split_option(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.trim().split_once(['=', ' '])?;
    Some((name.trim(), value.trim_start_matches(['=', ' ']).trim().trim_matches('"')))
}

/// Where `mark` stands outside of templates and brackets.
fn outside(text: &str, mark: char) -> impl DoubleEndedIterator<Item = usize> {
    let mut depth = 0_i32;
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if c == mark && depth <= 0 => found.push(at),
            _ => {}
        }
    }
    found.into_iter()
}

/// Words as a shell would split them, but templates stay whole.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut is_open) = (String::new(), false);
    let (mut quote, mut braces) = (None, 0_i32);
    for c in text.chars() {
        match c {
            _ if quote == Some(c) && braces == 0 => quote = None,
            '\'' | '"' if quote.is_none() && braces == 0 => (quote, is_open) = (Some(c), true),
            c if c.is_whitespace() && quote.is_none() && braces == 0 => {
                if is_open {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            _ => {
                match c {
                    '{' => braces += 1,
                    '}' => braces -= 1,
                    _ => {}
                }
                word.push(c);
                is_open = true;
            }
        }
    }
    if is_open {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(args: &str) -> (Option<String>, Option<String>, Option<String>, Option<String>, bool) {
        let jump = Jump::of_ssh_args(&words(args));
        (jump.user, jump.host, jump.port, jump.key, jump.is_foreign)
    }

    #[test]
    fn a_jump_host_is_found_in_each_of_its_forms() {
        let text = |text: &str| Some(text.to_owned());
        let plain = |user: Option<&str>, host: &str, port: Option<&str>| {
            (user.map(str::to_owned), text(host), port.map(str::to_owned), None, false)
        };
        for (args, expected) in [
            ("-J bastion", plain(None, "bastion", None)),
            ("-Jops@bastion:2222", plain(Some("ops"), "bastion", Some("2222"))),
            ("-C -o ProxyJump=ops@bastion", plain(Some("ops"), "bastion", None)),
            ("-oProxyJump='ops@[2001:db8::1]:22'", plain(Some("ops"), "2001:db8::1", Some("22"))),
            ("-o 'ProxyJump bastion'", plain(None, "bastion", None)),
            ("-J ssh://ops@bastion:22/", plain(Some("ops"), "bastion", Some("22"))),
            (
                "-J {{ user }}@{{ hosts['a'] }}:{{ port }}",
                plain(Some("{{ user }}"), "{{ hosts['a'] }}", Some("{{ port }}")),
            ),
            ("-J first -J second", plain(None, "first", None)),
            ("-J a,b", plain(None, "a,b", None)),
            ("-J a@h1,b@h2:23", plain(None, "a@h1,b@h2:23", None)),
            ("-o ProxyCommand='ssh -J a@h1 -W %h:%p b@h2'", plain(None, "a@h1,b@h2", None)),
            ("-J {{ f(a, b) }}@h", plain(Some("{{ f(a, b) }}"), "h", None)),
            (
                r#"-o ProxyCommand="ssh -q -W %h:%p -p 2222 -i ~/.ssh/jump ops@bastion""#,
                (text("ops"), text("bastion"), text("2222"), text("~/.ssh/jump"), false),
            ),
            (
                r#"-o ProxyCommand="ssh -l ops -o Port=2222 bastion -W %h:%p""#,
                plain(Some("ops"), "bastion", Some("2222")),
            ),
            ("-o StrictHostKeyChecking=no -4", (None, None, None, None, false)),
            ("-J none", (None, None, None, None, false)),
            ("-o ProxyCommand='nc -x proxy %h %p'", (None, None, None, None, true)),
            ("-o", (None, None, None, None, false)),
            ("-", (None, None, None, None, false)),
        ] {
            assert_eq!(jump(args), expected, "{args}");
        }
    }
}
