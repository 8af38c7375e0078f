//! `~/.ssh/config`, as far as it says how to reach and log in to a host.
//!
//! It knows `Host`, `Match` and `Include`. As in OpenSSH the first value of a
//! keyword wins, `IdentityFile` adds up, and a keyword that is not known here is
//! passed over. The crates that read such files know neither `Match` blocks nor
//! tokens such as `%h`, and would send a login elsewhere than `ssh` does.

mod lines;

use std::path::{Path, PathBuf};

use crate::diagnostic::Problem;
use lines::{Criterion, Line};

/// A configuration, read with everything that it includes.
#[derive(Debug, Default)]
pub struct SshConfig {
    lines: Vec<Line>,
    home: PathBuf,
    /// Who runs this.
    user: String,
}

/// What the configuration says of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshHost {
    /// `HostName`: the address.
    pub host_name: Option<String>,
    /// `User`.
    pub user: Option<String>,
    /// `Port`.
    pub port: Option<u16>,
    /// `IdentityFile`, each time that it applies.
    pub identity_files: Vec<PathBuf>,
    /// `IdentitiesOnly`.
    pub identities_only: bool,
    /// `ProxyJump`; none where it is `none`.
    pub proxy_jump: Option<String>,
    /// `UserKnownHostsFile`: the files, of which the first takes newcomers.
    pub known_hosts: Option<Vec<PathBuf>>,
}

impl SshConfig {
    /// Reads `~/.ssh/config`; an empty configuration where there is none.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(home: &Path, user: &str) -> Result<Self, Vec<Problem>> {
        let mut lines = Vec::new();
        lines::read(home, &home.join(".ssh/config"), &mut lines)?;
        Ok(Self { lines, home: home.to_owned(), user: user.to_owned() })
    }

    /// What is said of a host that is called `alias`, when logging in as `user`
    /// (default: whom the configuration names).
    #[must_use]
    pub fn host(&self, alias: &str, user: Option<&str>) -> SshHost {
        let mut found = SshHost::default();
        let mut jump = None;
        for line in &self.lines {
            let applies = line.criteria.iter().all(|criterion| {
                self.applies(criterion, alias, user.or(found.user.as_deref()), &found)
            });
            if !applies {
                continue;
            }
            let Some(value) = line.values.first() else { continue };
            match line.keyword.as_str() {
                "hostname" => {
                    let host_name = || expand(value, &[('h', alias)]);
                    found.host_name.get_or_insert_with(host_name);
                }
                "user" => {
                    found.user.get_or_insert_with(|| value.clone());
                }
                "port" => found.port = found.port.or(value.parse().ok()),
                "identityfile" => found.identity_files.push(PathBuf::from(value)),
                "identitiesonly" => {
                    found.identities_only |= matches!(value.as_str(), "yes" | "true");
                }
                "proxyjump" => {
                    jump.get_or_insert_with(|| value.clone());
                }
                "userknownhostsfile" => {
                    let files = || line.values.iter().map(PathBuf::from).collect();
                    found.known_hosts.get_or_insert_with(files);
                }
                _ => {}
            }
        }
        found.proxy_jump = jump.filter(|jump| !jump.eq_ignore_ascii_case("none"));
        self.finish(found, alias, user)
    }

    fn applies(
        &self,
        criterion: &Criterion,
        alias: &str,
        user: Option<&str>,
        found: &SshHost,
    ) -> bool {
        match criterion {
            Criterion::Host(patterns) => lines::matches(patterns, alias),
            Criterion::Match(conditions) => conditions.iter().all(|condition| {
                let patterns = &condition.patterns;
                let met = match condition.name.as_str() {
                    "all" => true,
                    "host" => lines::matches(patterns, found.host_name.as_deref().unwrap_or(alias)),
                    "originalhost" => lines::matches(patterns, alias),
                    "user" => lines::matches(patterns, user.unwrap_or(&self.user)),
                    "localuser" => lines::matches(patterns, &self.user),
                    // `exec` would run a program for every host; the rest is about
                    // networks and a second pass that there is not here.
                    _ => return false,
                };
                met != condition.negated
            }),
        }
    }

    /// Fills in what the values leave open.
    fn finish(&self, mut found: SshHost, alias: &str, user: Option<&str>) -> SshHost {
        let home = self.home.display().to_string();
        let host = found.host_name.clone().unwrap_or_else(|| alias.to_owned());
        let user = user.or(found.user.as_deref()).unwrap_or(&self.user).to_owned();
        let port = found.port.unwrap_or(22).to_string();
        let tokens = [
            ('d', home.as_str()),
            ('h', host.as_str()),
            ('n', alias),
            ('p', port.as_str()),
            ('r', user.as_str()),
            ('u', self.user.as_str()),
        ];
        let path = |path: &PathBuf| {
            let text = expand(&path.to_string_lossy(), &tokens);
            match text.strip_prefix("~/") {
                Some(below) => self.home.join(below),
                None => PathBuf::from(text),
            }
        };
        found.identity_files.retain(|path| path.as_os_str() != "none");
        found.identity_files = found.identity_files.iter().map(path).collect();
        let none = |file: &PathBuf| match file.as_os_str() == "none" {
            true => PathBuf::from("/dev/null"),
            false => path(file),
        };
        found.known_hosts = found.known_hosts.map(|files| files.iter().map(none).collect());
        found.proxy_jump = found.proxy_jump.map(|jump| expand(&jump, &tokens));
        found
    }
}

/// Replaces `%h` and its like.
fn expand(text: &str, tokens: &[(char, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let token = chars.next();
        match tokens.iter().find(|(name, _)| Some(*name) == token) {
            Some((_, value)) => out.push_str(value),
            None => {
                // `%%`, and what is not known.
                out.push('%');
                out.extend(token.filter(|token| *token != '%'));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(files: &[(&str, &str)]) -> (tempfile::TempDir, SshConfig) {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(".ssh").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let config = SshConfig::read(home.path(), "me").unwrap();
        (home, config)
    }

    #[test]
    fn the_first_value_wins_and_keys_add_up() {
        let (home, config) = config(&[(
            "config",
            "User early\n\
             Host web-* !web-9\n  HostName %h.example.com\n  Port 2222\n  IdentityFile ~/.ssh/web\n\
             Host web-1 \"quoted name\" # comment\n  User late\n\tPort = 3333\n  IdentityFile=%d/keys/%r@%h:%p\n\
             \n# Host web-1\n#  Port 1\n\
             Host *\n  ProxyJump ops@bastion\n  identitiesonly yes\n  UserKnownHostsFile ~/known /other\n",
        )]);
        let found = config.host("web-1", None);
        assert_eq!(found.host_name.as_deref(), Some("web-1.example.com"));
        assert_eq!((found.user.as_deref(), found.port), (Some("early"), Some(2222)));
        let keys = [".ssh/web", "keys/early@web-1.example.com:2222"];
        assert_eq!(found.identity_files, keys.map(|key| home.path().join(key)));
        assert_eq!(found.proxy_jump.as_deref(), Some("ops@bastion"));
        assert_eq!(found.known_hosts, Some(vec![home.path().join("known"), "/other".into()]));
        assert!(found.identities_only);
        let excluded = config.host("web-9", Some("you"));
        assert_eq!((excluded.host_name, excluded.port), (None, None));
        assert_eq!(config.host("quoted name", None).port, Some(3333));
    }

    #[test]
    fn matches_and_includes_apply_where_they_stand() {
        let (_home, config) = config(&[
            (
                "config",
                "Include conf.d/*.conf missing\n\
                 Host alias\n  HostName 10.0.0.1\n  Include inner\n  Port 22\n\
                 Match host 10.0.0.* user deploy,root\n  User matched\n\
                 Match originalhost other !user deploy\n  Port 7\n\
                 Match exec \"true\"\n  Port 8\n\
                 Match all\n  User last\n  ProxyJump none\n",
            ),
            ("conf.d/a.conf", "Host first\n  Port 1\n"),
            ("conf.d/b.conf", "Host first\n  Port 2\n  User b\n"),
            ("inner", "User inner\nHost alias2\n  Port 99\n"),
        ]);
        let first = config.host("first", None);
        assert_eq!((first.port, first.user.as_deref()), (Some(1), Some("b")));
        let alias = config.host("alias", Some("deploy"));
        assert_eq!((alias.port, alias.user.as_deref()), (Some(22), Some("inner")));
        // Within the block of another host, it never applies.
        assert_eq!(config.host("alias2", None).port, None);
        assert_eq!(config.host("10.0.0.7", Some("root")).user.as_deref(), Some("matched"));
        assert_eq!(config.host("other", None).port, Some(7));
        assert_eq!(config.host("other", Some("deploy")).port, None);
        assert_eq!(config.host("x", None).user.as_deref(), Some("last"));
        assert_eq!(config.host("x", None).proxy_jump, None);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let (_home, config) = config(&[("config", "Include config\nPort 5\n")]);
        assert_eq!(config.host("x", None).port, Some(5));
    }
}
