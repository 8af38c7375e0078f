//! Private keys of every kind as text in the request.

use serde_json::json;

use crate::lab::{KeyFormat, KeyPair, KeyType, Lab, Sshoal};

#[test]
fn a_key_of_every_kind_logs_in_without_a_file() {
    let lab = Lab::get();
    let user = lab.add_user("pkey", crate::lab::UserOptions::default());
    let keys = lab.scratch();
    for (kind, formats) in [
        (KeyType::Ed25519, &[KeyFormat::OpenSsh][..]),
        (KeyType::Rsa, &[KeyFormat::OpenSsh, KeyFormat::Pem, KeyFormat::Pkcs8]),
        (KeyType::Ecdsa, &[KeyFormat::OpenSsh, KeyFormat::Pem, KeyFormat::Pkcs8]),
    ] {
        for format in formats {
            for passphrase in ["", "a pass-phrase"] {
                let name = format!("{}-{format:?}-{}", kind.name(), passphrase.len());
                let key = KeyPair::generate(&keys.path().join(&name), kind, *format, passphrase);
                user.authorize(&key.public());
                let mut args = json!({
                    "host": lab.sshd().address(), "port": lab.sshd().port(),
                    "username": user.name, "pkey": key.private(),
                    "allow_agent": false, "look_for_keys": false, "host_key_policy": "warning",
                });
                if !passphrase.is_empty() {
                    args["passphrase"] = passphrase.into();
                }
                let request = json!({ "connection_args": args, "command": "echo on" });
                let finished = Sshoal::new().request(&request).run();
                assert_eq!(finished.status, Some(0), "{name}: {}", finished.transcript());
                assert!(finished.stdout.contains("on"), "{name}: {}", finished.transcript());
            }
        }
    }
}
