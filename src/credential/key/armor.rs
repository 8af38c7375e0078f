//! The text around a key: its BEGIN and END lines, headers and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::KeyError;

/// The first private key block of a text, cleaned of indentation and odd breaks.
pub(super) struct Armor<'t> {
    /// What stands between `BEGIN` and the dashes.
    pub(super) label: &'t str,
    /// Header lines such as `Proc-Type: 4,ENCRYPTED`.
    pub(super) headers: Vec<&'t str>,
    /// The decoded body.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl<'t> Armor<'t> {
    /// Finds the block.
    ///
    /// Indentation, CRLF, a missing final newline and any line width are
    /// accepted: keys travel through YAML, JSON and environment variables.
    pub(super) fn find(text: &'t str) -> Result<Self, KeyError> {
        let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let label = loop {
            let line = lines.next().ok_or_else(|| what_else(text))?;
            if let Some(label) = between(line, "-----BEGIN ")
                && label.ends_with("PRIVATE KEY")
            {
                break label;
            }
        };
        let mut headers = Vec::new();
        let mut base64 = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            let line = lines.next().ok_or_else(|| {
                KeyError::Corrupt(format!("the line `-----END {label}-----` is missing"))
            })?;
            if between(line, "-----END ").is_some() {
                break;
            }
            if line.contains(':') {
                headers.push(line);
            } else {
                base64.extend(line.split_ascii_whitespace());
            }
        }
        let body = STANDARD
            .decode(base64.as_bytes())
            .map_err(|_| KeyError::Corrupt("its text is not valid base64".to_owned()))?;
        Ok(Self { label, headers, body: Zeroizing::new(body) })
    }

    /// The block written anew in the usual layout.
    pub(super) fn to_pem(&self) -> Zeroizing<String> {
        let mut pem = Zeroizing::new(format!("-----BEGIN {}-----\n", self.label));
        for header in &self.headers {
            pem.push_str(header);
            pem.push('\n');
        }
        if !self.headers.is_empty() {
            pem.push('\n');
        }
        let base64 = Zeroizing::new(STANDARD.encode(&*self.body));
        for line in base64.as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
            pem.push('\n');
        }
        pem.push_str(&format!("-----END {}-----\n", self.label));
        pem
    }
}

fn between<'t>(line: &'t str, start: &str) -> Option<&'t str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

/// What a text without a private key block is instead.
fn what_else(text: &str) -> KeyError {
    let start = text.trim_start();
    let public = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN SSH2 PUBLIC KEY"];
    if start.starts_with("PuTTY-User-Key-File") {
        KeyError::Putty
    } else if public.iter().any(|prefix| start.starts_with(prefix))
        || text.contains("PUBLIC KEY-----")
    {
        KeyError::PublicKey
    } else if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        // The BEGIN line is there, but something else stands on it: as a rule
        // the whole key, its line breaks lost or written as `\n`.
        KeyError::Corrupt("its line breaks are lost".to_owned())
    } else {
        KeyError::NotAKey
    }
}
