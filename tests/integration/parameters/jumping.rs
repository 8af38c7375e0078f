//! The credentials of a jump host: each is its own, and none is the target's.

use serde_json::{Value, json};

use super::{expect_error, expect_user, login, who, with};
use crate::lab::{KeyFormat, KeyPair, KeyType, Lab, LabHandle, Sshd, SshdOptions, UserOptions};
use crate::lab::{User, random_text};

/// A target and a jump host, each with a user and an encrypted key of its own.
struct Way {
    lab: LabHandle,
    bastion: Sshd,
    guide: User,
    keys: [KeyPair; 2],
    passphrases: [String; 2],
    _dir: tempfile::TempDir,
}

impl Way {
    fn new() -> Self {
        let lab = Lab::get();
        let dir = lab.scratch();
        let guide = lab.add_user("guide", UserOptions::default());
        let passphrases = [random_text(16), random_text(16)];
        let key = |index: usize, user: &User| {
            let path = dir.path().join(index.to_string());
            let (kind, form) = (KeyType::Rsa, KeyFormat::Pem);
            let key = KeyPair::generate(&path, kind, form, &passphrases[index]);
            user.authorize(&key.public());
            key
        };
        let keys = [key(0, &lab.users.plain), key(1, &guide)];
        let bastion = SshdOptions::default().addresses(["127.0.0.2"]).start();
        Self { lab, bastion, guide, keys, passphrases, _dir: dir }
    }

    /// Both addresses and names, and the target's own credentials.
    fn args(&self) -> Value {
        with(
            login(self.lab.sshd(), &self.lab.users.plain),
            json!({
                "key_filename": self.keys[0].path, "passphrase": self.passphrases[0],
                "proxy_host": self.bastion.address(), "proxy_port": self.bastion.port(),
                "proxy_username": self.guide.name,
            }),
        )
    }
}

#[test]
fn a_jump_host_takes_its_own_key_file_and_passphrase() {
    let way = Way::new();
    let [_, passphrase] = &way.passphrases;
    let right = with(
        way.args(),
        json!({ "proxy_key_filename": way.keys[1].path, "proxy_passphrase": passphrase }),
    );
    expect_user(who(right.clone()), &way.lab.users.plain);
    assert!(way.bastion.log().contains(&format!("Accepted publickey for {}", way.guide.name)));

    // The target's key opens nothing there, with its own passphrase; and a key with
    // another one's passphrase is of no use at all.
    let other = json!({
        "proxy_key_filename": way.keys[0].path, "proxy_passphrase": way.passphrases[0],
    });
    expect_error(who(with(right.clone(), other)), 4, "proxy_failed");
    for swapped in [
        json!({ "proxy_passphrase": way.passphrases[0] }),
        json!({ "passphrase": way.passphrases[1] }),
        json!({ "proxy_passphrase": null }),
    ] {
        let finished = who(with(right.clone(), swapped)).stdout("").status(1).run();
        assert!(finished.stderr.contains("passphrase"), "{}", finished.transcript());
    }
}

#[test]
fn a_jump_host_takes_its_own_key_in_the_request() {
    let way = Way::new();
    let right = with(
        way.args(),
        json!({
            "key_filename": null, "pkey": way.keys[0].private(),
            "proxy_pkey": way.keys[1].private(), "proxy_passphrase": way.passphrases[1],
        }),
    );
    expect_user(who(right.clone()), &way.lab.users.plain);
    let swapped = json!({
        "pkey": way.keys[1].private(), "passphrase": way.passphrases[1],
        "proxy_pkey": way.keys[0].private(), "proxy_passphrase": way.passphrases[0],
    });
    expect_error(who(with(right.clone(), swapped)), 4, "proxy_failed");
    let only_there = json!({ "pkey": way.keys[1].private(), "passphrase": way.passphrases[1] });
    expect_error(who(with(right, only_there)), 4, "auth_failed");
}

#[test]
fn a_jump_host_takes_its_own_password_and_shows_it_nowhere() {
    let way = Way::new();
    let password = |password: &str| with(way.args(), json!({ "proxy_password": password }));
    let guides = password(&way.guide.password);
    expect_user(who(guides).forbid(&way.guide.password), &way.lab.users.plain);
    let targets = &way.lab.users.plain.password;
    expect_error(who(password(targets)).forbid(targets), 4, "proxy_failed");
}
