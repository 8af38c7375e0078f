//! Any text survives the login shell, sudo and the environment, byte for byte.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sshoal::plan::spec::{ExecOptions, SudoSpec};
use sshoal::transport::{Connection, Ending};

use super::{connect, elevated, options, run, shown, text};
use crate::lab::Lab;

/// How many strings go into one command, and how many commands each way of running
/// one is given.
const STRINGS: usize = 40;
const COMMANDS: u32 = 6;

/// Text that shells, terminals and sudo have words of their own about, and any other.
fn strings() -> impl Strategy<Value = Vec<String>> {
    let special =
        r#"[-'"\\$`!*?~#;&|<>(){}\[\]%=^,:@+a0 \t\n\r\x01\x03\x04\x11\x13\x1a\x1b\x7fü🦀]"#;
    let special = prop::string::string_regex(&format!("{special}{{0,24}}")).unwrap();
    prop::collection::vec(prop_oneof![3 => special, 1 => "(?s)[^\0]{0,24}"], 1..STRINGS)
}

/// One argument of `printf` each.
fn quoted(values: &[String]) -> String {
    values.iter().map(|value| format!(" '{}'", value.replace('\'', r"'\''"))).collect()
}

/// Runs lines made of `strings()` by `options` until one does not print what it should.
fn check(
    connection: &RefCell<Box<dyn Connection>>,
    options: &ExecOptions,
    line: impl Fn(&[String]) -> (String, Vec<(String, String)>),
) {
    let config = Config { cases: COMMANDS, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&strings(), |values| {
        let (line, environment) = line(&values);
        let options = ExecOptions { environment, ..options.clone() };
        let execution = run(&mut connection.borrow_mut(), &line, &options);
        prop_assert_eq!(&execution.ending, &Ending::Exited(0), "{}", shown(&execution));
        let expected: String = values.iter().map(|value| format!("{value}|")).collect();
        prop_assert_eq!(text(&execution.output.bytes), expected);
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

fn as_words(values: &[String]) -> (String, Vec<(String, String)>) {
    (format!("printf '%s|'{}", quoted(values)), Vec::new())
}

fn as_variables(values: &[String]) -> (String, Vec<(String, String)>) {
    let environment: Vec<_> =
        values.iter().enumerate().map(|(n, value)| (format!("V{n}"), value.clone())).collect();
    let shown: String = environment.iter().map(|(name, _)| format!(" \"${name}\"")).collect();
    // Without a shell of its own, sudo gives the words as they are to this one.
    (format!("sh -c 'printf \"%s|\" {}'", shown.trim_start()), environment)
}

#[test]
fn any_text_survives_the_login_shell() {
    let lab = Lab::get();
    for user in [&lab.users.plain, &lab.users.sh] {
        let connection = RefCell::new(connect(lab.sshd(), user));
        for pty in [false, true] {
            let options = ExecOptions { pty, ..options() };
            check(&connection, &options, as_words);
            check(&connection, &options, as_variables);
        }
    }
}

#[test]
fn any_text_survives_sudo() {
    let lab = Lab::get();
    let (asked, trusted) = (&lab.users.sudoer, &lab.users.nopasswd);
    for (user, password) in [(asked, Some(asked.password.as_str())), (trusted, None)] {
        let connection = RefCell::new(connect(lab.sshd(), user));
        for pty in [false, true] {
            let whole = elevated(password, pty);
            let sudo = whole.sudo.clone().map(|sudo| SudoSpec { shell: false, ..sudo });
            for options in [ExecOptions { sudo, ..whole.clone() }, whole] {
                check(&connection, &options, as_words);
                check(&connection, &options, as_variables);
            }
        }
    }
}
