//! No secret is ever shown: not by a success, not by a failure, not by a host that
//! repeats it, not by an excerpt of the file that has it.

mod files;
mod playbooks;
mod runs;

use std::fs;

use serde_json::{Value, json};

use crate::lab::{
    Finished, KeyFormat, KeyPair, KeyType, Lab, Sudo, User, UserOptions, random_text,
};

/// What must not be seen, with a name for messages: those may not show it either.
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn new(secrets: &[(&str, &str)]) -> Self {
        let mut all = Vec::new();
        for (name, text) in secrets {
            assert!(text.len() >= 8, "`{name}` is too short to be looked for");
            // A line of a key is a secret, whatever stands before and after it.
            let lines = text.lines().filter(|line| line.len() > 20 && !line.starts_with("-----"));
            all.extend(lines.map(|line| ((*name).to_owned(), line.to_owned())));
            all.push(((*name).to_owned(), (*text).to_owned()));
        }
        Self(all)
    }

    /// Fails when a text shows one, as it is or as JSON and shells write it.
    #[track_caller]
    fn assert_not_in(&self, place: &str, text: &str) {
        for (name, secret) in &self.0 {
            let json = Value::from(secret.as_str()).to_string();
            let quoted = format!("{secret:?}");
            let shell = secret.replace('\'', r"'\''");
            for form in [secret.as_str(), json.trim_matches('"'), quoted.trim_matches('"'), &shell]
            {
                assert!(!text.contains(form), "the {name} is in {place}:\n{}", self.blotted(text));
            }
        }
    }

    /// Looks through all that a finished run has left: both streams, the report,
    /// and whatever it wrote below HOME.
    #[track_caller]
    fn assert_unseen(&self, what: &str, finished: &Finished) {
        self.assert_not_in(&format!("stdout of {what}"), &finished.stdout);
        self.assert_not_in(&format!("stderr of {what}"), &finished.stderr);
        for name in ["report.json", ".ssh/known_hosts"] {
            let text = fs::read_to_string(finished.home().join(name)).unwrap_or_default();
            self.assert_not_in(&format!("{name} of {what}"), &text);
        }
    }

    fn blotted(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (_, secret)| text.replace(secret, "▒▒▒▒"))
    }
}

/// A password with everything in it that quoting and escaping could trip over.
fn awkward_password() -> String {
    format!("{}'s \"pass\" & $word", random_text(12))
}

/// Somebody with an awkward password who may do everything by sudo with it.
fn awkward_sudoer(lab: &Lab) -> User {
    let options = UserOptions::default().password(&awkward_password()).sudo(Sudo::Password);
    lab.add_user("awkward", options)
}

/// An encrypted key that `user` may log in with: its text and its passphrase.
fn encrypted_key(lab: &Lab, user: &User) -> (KeyPair, String, tempfile::TempDir) {
    let scratch = lab.scratch();
    let passphrase = random_text(16);
    let key =
        KeyPair::generate(&scratch.path().join("key"), KeyType::Rsa, KeyFormat::Pem, &passphrase);
    user.authorize(&key.public());
    (key, passphrase, scratch)
}

/// `base` with the entries of `more` put over its own, mapping by mapping.
fn merged(mut base: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        let place = &mut base[key.as_str()];
        *place = match place.is_object() && value.is_object() {
            true => merged(place.take(), value.clone()),
            false => json!(value),
        };
    }
    base
}
