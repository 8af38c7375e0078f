//! How a real OpenSSH server is set up.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use super::Sshd;
use super::keys::{KeyPair, KeyType};

/// The server's program. It insists on being called by its full path.
pub(super) const SSHD: &str = "/usr/sbin/sshd";

/// How a server is set up. The default accepts password, keyboard-interactive
/// and public keys on 127.0.0.1, has host keys of every type, SFTP, forwarding,
/// no `AcceptEnv`, and lets many clients in at a time.
#[derive(Debug, Clone)]
pub(crate) struct SshdOptions {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) host_keys: Vec<KeyType>,
    pam: bool,
    lines: String,
    blocks: String,
}

impl Default for SshdOptions {
    fn default() -> Self {
        Self {
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
            host_keys: KeyType::ALL.to_vec(),
            pam: true,
            lines: String::new(),
            blocks: String::new(),
        }
    }
}

impl SshdOptions {
    /// The addresses to listen on, all with the same port; sshd takes at most 16.
    ///
    /// # Panics
    /// When one is not a loopback address.
    #[must_use]
    pub(crate) fn addresses<'a>(mut self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        self.addresses = addresses.into_iter().map(|text| text.parse().unwrap()).collect();
        assert!(self.addresses.iter().all(IpAddr::is_loopback), "a lab is for this machine only");
        assert!(self.addresses.len() <= 16, "sshd listens on 16 addresses at most");
        self
    }

    /// The types of host keys that the server has.
    #[must_use]
    pub(crate) fn host_keys(mut self, types: impl IntoIterator<Item = KeyType>) -> Self {
        self.host_keys = types.into_iter().collect();
        self
    }

    /// Whether PAM checks passwords (default true). Without it sshd reads the
    /// shadow file itself and has no keyboard-interactive.
    #[must_use]
    pub(crate) fn pam(mut self, pam: bool) -> Self {
        self.pam = pam;
        self
    }

    /// A line of `sshd_config`, such as `MaxAuthTries 2`. sshd takes the first
    /// value it reads, so this line wins over the defaults here.
    #[must_use]
    pub(crate) fn line(mut self, line: &str) -> Self {
        writeln!(self.lines, "{line}").unwrap();
        self
    }

    /// A `Match` line with the lines that it governs.
    #[must_use]
    pub(crate) fn block(mut self, block: &str) -> Self {
        writeln!(self.blocks, "{block}").unwrap();
        self
    }

    /// Starts the server: [`Sshd::start`].
    pub(crate) fn start(self) -> Sshd {
        Sshd::start(self)
    }

    /// The text of `sshd_config`.
    pub(super) fn configuration(&self, port: u16, host_keys: &[(KeyType, KeyPair)]) -> String {
        let mut text = self.lines.clone();
        writeln!(text, "Port {port}").unwrap();
        for address in &self.addresses {
            writeln!(text, "ListenAddress {address}").unwrap();
        }
        for (_, key) in host_keys {
            writeln!(text, "HostKey {}", key.path.display()).unwrap();
        }
        writeln!(text, "UsePAM {}", if self.pam { "yes" } else { "no" }).unwrap();
        text.push_str(
            "PidFile none\n\
             LogLevel VERBOSE\n\
             StrictModes no\n\
             PermitRootLogin no\n\
             PasswordAuthentication yes\n\
             KbdInteractiveAuthentication yes\n\
             PubkeyAuthentication yes\n\
             AuthorizedKeysFile .ssh/authorized_keys\n\
             AllowTcpForwarding yes\n\
             MaxStartups 500:30:1000\n\
             UseDNS no\n\
             PrintMotd no\n\
             PrintLastLog no\n",
        );
        // sshd takes the first value of every other word, and refuses a second
        // one of this.
        if !self.lines.contains("Subsystem sftp") {
            text.push_str("Subsystem sftp internal-sftp\n");
        }
        // OpenSSH 9.8 began to lock out addresses whose logins fail, which tests of
        // failing logins would run into; older servers do not know the word.
        if openssh_version() >= (9, 8) {
            text.push_str("PerSourcePenalties no\n");
        }
        text + &self.blocks
    }
}

fn openssh_version() -> (u32, u32) {
    // Servers before 9.2 print their version among the complaints about `-V`.
    let text = match Command::new(SSHD).arg("-V").stdin(Stdio::null()).output() {
        Ok(output) => {
            String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned()
        }
        Err(error) => panic!("cannot start `{SSHD}`: {error}"),
    };
    let version = text.split("OpenSSH_").nth(1).unwrap_or_default();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
