//! The names of temporary files, and what a user's remote path means.

use openssl::sha::sha256;
use uuid::Uuid;

/// The longest part of the final name that goes into a temporary one: most file
/// systems allow 255 bytes in all.
const LONGEST_NAME: usize = 200;

/// The name of the temporary file that becomes `name`, for data from `source`. It
/// follows from the two alone, so that a later run finds it and goes on.
pub(super) fn staging_name(name: &str, source: &str) -> String {
    format!(".{}.sshoal-{}.part", shortened(name), short_hash(source))
}

/// Another such name, for when the first is taken: by a transfer from the same
/// source that runs at the same time, or that was killed.
pub(super) fn spare_name(name: &str, source: &str) -> String {
    let unique = Uuid::now_v7().simple().to_string();
    format!(".{}.sshoal-{}-{}.part", shortened(name), short_hash(source), &unique[20..])
}

/// A remote path as a user writes it, without the `~/` that SFTP does not know:
/// relative paths begin at the login directory anyway.
pub(super) fn without_tilde(path: &str) -> &str {
    match path.strip_prefix("~/") {
        Some(rest) => rest.trim_start_matches('/'),
        None => path,
    }
}

/// Directory and name of an absolute path; `None` when it names a directory.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let (directory, name) = path.rsplit_once('/')?;
    let directory = if directory.is_empty() { "/" } else { directory };
    (!matches!(name, "" | "." | "..")).then_some((directory, name))
}

/// `name` in `directory`.
pub(super) fn join(directory: &str, name: &str) -> String {
    match directory.ends_with('/') {
        true => format!("{directory}{name}"),
        false => format!("{directory}/{name}"),
    }
}

/// Bytes in lower-case hexadecimal.
pub(in crate::transport) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

fn shortened(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn short_hash(source: &str) -> String {
    hexadecimal(&sha256(source.as_bytes())[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staging_name_follows_from_target_and_source() {
        let name = staging_name("app.conf", "/srv/app.conf");
        assert_eq!(name, staging_name("app.conf", "/srv/app.conf"));
        assert_ne!(name, staging_name("app.conf", "/srv/other.conf"));
        assert!(name.starts_with(".app.conf.sshoal-") && name.ends_with(".part"), "{name}");
        assert_ne!(spare_name("a", "b"), spare_name("a", "b"));
    }

    #[test]
    fn a_staging_name_fits_the_file_system() {
        for name in ["x".repeat(255), "é".repeat(127)] {
            assert!(staging_name(&name, "s").len() <= 255);
            assert!(spare_name(&name, "s").len() <= 255);
        }
    }

    #[test]
    fn paths_split_into_directory_and_name() {
        assert_eq!(split("/etc/hosts"), Some(("/etc", "hosts")));
        assert_eq!(split("/hosts"), Some(("/", "hosts")));
        for directory in ["/", "/etc/", "/etc/.", "/etc/.."] {
            assert_eq!(split(directory), None, "{directory}");
        }
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(without_tilde("~/a"), "a");
        assert_eq!(without_tilde("~bob/a"), "~bob/a");
    }
}
