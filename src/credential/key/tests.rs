use std::process::Command;

use super::*;

const PASSPHRASE: &str = "correct horse";

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A fresh key of `kind` in OpenSSH form, and its public half.
fn generate(dir: &Path, name: &str, kind: &str, bits: &str) -> (std::path::PathBuf, String) {
    let path = dir.join(name);
    let file = path.to_str().unwrap();
    run("ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", "", "-C", "", "-f", file]);
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    let public = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    (path, public)
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

#[test]
fn every_kind_in_every_form_gives_its_public_half() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, bits) in
        [("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("ed25519", "256")]
    {
        let (path, public) = generate(dir.path(), &format!("{kind}{bits}"), kind, bits);
        let file = path.to_str().unwrap();
        let plain = PrivateKey::read(&path, None, "k").unwrap();
        assert_eq!(plain.public, public, "{kind} {bits} OpenSSH");

        let mut forms = vec!["RFC4716"];
        if kind != "ed25519" {
            forms.extend(["PEM", "PKCS8"]); // ssh-keygen writes Ed25519 in its own form only.
        }
        for form in forms {
            for passphrase in ["", PASSPHRASE] {
                let copy = dir.path().join(format!("{kind}{bits}.{form}.{}", passphrase.len()));
                std::fs::copy(&path, &copy).unwrap();
                let copy_name = copy.to_str().unwrap();
                run(
                    "ssh-keygen",
                    &["-q", "-p", "-P", "", "-N", passphrase, "-m", form, "-f", copy_name],
                );
                let given = (!passphrase.is_empty()).then(|| secret(passphrase));
                let read = PrivateKey::read(&copy, given.as_ref(), "k")
                    .unwrap_or_else(|error| panic!("{kind} {bits} {form}: {error}"));
                assert_eq!(read.public, public, "{kind} {bits} {form}");
                assert_eq!(read.pem, plain.pem, "{kind} {bits} {form}");
            }
        }

        // OpenSSL's PKCS#8, which is the only PEM form of Ed25519.
        let pkcs8 = dir.path().join(format!("{kind}{bits}.p8"));
        std::fs::write(&pkcs8, plain.pem.reveal()).unwrap();
        let sealed = dir.path().join(format!("{kind}{bits}.p8e"));
        run(
            "openssl",
            &[
                "pkcs8",
                "-topk8",
                "-in",
                pkcs8.to_str().unwrap(),
                "-out",
                sealed.to_str().unwrap(),
                "-passout",
                &format!("pass:{PASSPHRASE}"),
            ],
        );
        let unsealed = PrivateKey::read(&sealed, Some(&secret(PASSPHRASE)), "k").unwrap();
        let open = PrivateKey::read(&pkcs8, None, "k").unwrap();
        assert_eq!((unsealed.pem, unsealed.public), (open.pem, open.public), "{file}");
    }
}

#[test]
fn ecdsa_numbers_with_leading_zeros_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let (path, public) = generate(dir.path(), &format!("p521-{round}"), "ecdsa", "521");
        assert_eq!(PrivateKey::read(&path, None, "k").unwrap().public, public);
    }
}

#[test]
fn wrong_missing_and_unneeded_passphrases_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, _) = generate(dir.path(), "plain", "ecdsa", "256");
    for form in ["RFC4716", "PEM", "PKCS8"] {
        for passphrase in ["", PASSPHRASE] {
            let path = dir.path().join(format!("{form}{}", passphrase.len()));
            std::fs::copy(&plain, &path).unwrap();
            let file = path.to_str().unwrap();
            run("ssh-keygen", &["-q", "-p", "-P", "", "-N", passphrase, "-m", form, "-f", file]);
            let read = |given: Option<&str>| {
                PrivateKey::read(&path, given.map(secret).as_ref(), "k").map(|_| ())
            };
            if passphrase.is_empty() {
                assert_eq!(read(None), Ok(()));
                assert_eq!(read(Some("")), Ok(()));
                assert_eq!(read(Some("x")), Err(KeyError::PassphraseUnneeded), "{form}");
            } else {
                assert_eq!(read(None), Err(KeyError::PassphraseRequired), "{form}");
                for wrong in ["x", "wrong", "correct horsf", "y y y y"] {
                    assert_eq!(read(Some(wrong)), Err(KeyError::PassphraseWrong), "{form}");
                }
                assert_eq!(read(Some(passphrase)), Ok(()));
            }
        }
    }
}

/// One wrong passphrase in 256 leaves what looks like padding, and rubbish before it.
#[test]
fn rubbish_that_a_wrong_passphrase_gives_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = generate(dir.path(), "k", "ecdsa", "256");
    let file = path.to_str().unwrap();
    run("ssh-keygen", &["-q", "-p", "-P", "", "-N", PASSPHRASE, "-m", "PEM", "-f", file]);
    for number in 0..1000 {
        let wrong = secret(&format!("wrong {number}"));
        let read = PrivateKey::read(&path, Some(&wrong), "k").map(|_| ());
        assert_eq!(read, Err(KeyError::PassphraseWrong), "{number}");
    }
}

#[test]
fn keys_that_were_reflowed_on_the_way_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (path, public) = generate(dir.path(), "k", "ed25519", "256");
    let text = std::fs::read_to_string(&path).unwrap();
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    let lines: Vec<_> = text.trim().lines().collect();
    let one_line =
        format!("{}\n{}\n{}", lines[0], lines[1..lines.len() - 1].concat(), lines[lines.len() - 1]);
    for variant in [text.trim().to_owned(), text.replace('\n', "\r\n"), indented, one_line] {
        assert_eq!(PrivateKey::parse(&variant, None, "k").unwrap().public, public);
    }
}

#[test]
fn what_is_no_usable_key_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (path, public) = generate(dir.path(), "k", "rsa", "2048");
    let text = std::fs::read_to_string(&path).unwrap();
    let parse = |text: &str| PrivateKey::parse(text, None, "k").unwrap_err();
    assert_eq!(parse(&public), KeyError::PublicKey);
    assert_eq!(parse("PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n"), KeyError::Putty);
    assert_eq!(parse("hello"), KeyError::NotAKey);
    assert_eq!(parse(""), KeyError::NotAKey);
    assert!(matches!(parse(&text.replace('\n', "\\n")), KeyError::Corrupt(_)));
    assert!(matches!(parse(&text[..text.len() / 2]), KeyError::Corrupt(_)));
    let mut lines: Vec<_> = text.lines().collect();
    lines.remove(5);
    assert!(matches!(parse(&lines.join("\n")), KeyError::Corrupt(_)));
    let missing = PrivateKey::read(&dir.path().join("none"), None, "k").unwrap_err();
    assert_eq!(
        missing.to_string(),
        format!("cannot read `{}/none`: no such file or directory", dir.path().display())
    );
}

#[test]
fn dsa_keys_are_named_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let parameters = dir.path().join("parameters");
    let key = dir.path().join("dsa");
    let (parameters, key_name) = (parameters.to_str().unwrap(), key.to_str().unwrap());
    run("openssl", &["dsaparam", "-out", parameters, "1024"]);
    run("openssl", &["gendsa", "-out", key_name, parameters]);
    assert_eq!(PrivateKey::read(&key, None, "k").unwrap_err(), KeyError::Dsa);
    let traditional = std::fs::read_to_string(&key).unwrap().replace("PRIVATE", "DSA PRIVATE");
    assert_eq!(PrivateKey::parse(&traditional, None, "k").unwrap_err(), KeyError::Dsa);
}

#[test]
fn default_keys_pass_over_what_they_cannot_read() {
    let home = tempfile::tempdir().unwrap();
    let ssh = home.path().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    let (_, ed25519) = generate(&ssh, "id_ed25519", "ed25519", "256");
    let (_, rsa) = generate(&ssh, "id_rsa", "rsa", "2048");
    let (sealed, _) = generate(&ssh, "id_ecdsa", "ecdsa", "256");
    run("ssh-keygen", &["-q", "-p", "-P", "", "-N", "abcdef", "-f", sealed.to_str().unwrap()]);
    let found: Vec<_> =
        PrivateKey::defaults(home.path()).into_iter().map(|key| key.public).collect();
    assert_eq!(found, [rsa, ed25519]);
}
