//! Variables and directories.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sshoal::plan::spec::ExecOptions;
use sshoal::transport::Ending;

use super::{connect, elevated, options, output, plain, run, text};
use crate::lab::Lab;

fn with(environment: &[(&str, &str)], options: ExecOptions) -> ExecOptions {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    ExecOptions { environment: environment.iter().map(own).collect(), ..options }
}

const TORTURE: &[(&str, &str)] = &[
    ("EMPTY", ""),
    ("QUOTES", "it's \"quoted\" `id` $(id) $HOME \\n \\"),
    ("LINES", "\n\na\n b \n\n"),
    ("CONTROL", "tab\tcr\rbell\u{7}esc\u{1b}[0m ^C\u{3}^D\u{4}^Z\u{1a}^S\u{13}^V\u{16}del\u{7f}"),
    ("WORDS", "  leading and trailing  "),
    ("GLOB", "* ? [a] ~ {a,b} !1 #x ; & | > <"),
    ("NATIVE", "grüße → 日本語 🦀 \u{81}\u{88}"),
    ("DASH", "-n"),
    ("PERCENT", "%s %d 100%"),
];

#[test]
fn every_value_arrives_byte_for_byte() {
    let lab = Lab::get();
    let long = "käse 'n' \"$x\" \\ ".repeat(5000);
    let mut all = TORTURE.to_vec();
    all.push(("LONG", &long));
    let (sudoer, sh) = (&lab.users.sudoer, &lab.users.sh);
    for (user, sudo) in [(sudoer, false), (sudoer, true), (sh, false)] {
        let mut connection = connect(lab.sshd(), user);
        for pty in [false, true] {
            let base = match sudo {
                true => elevated(Some(&user.password), pty),
                false => ExecOptions { pty, ..options() },
            };
            let options = with(&all, base);
            for (name, value) in &all {
                let line = format!("printf %s \"${name}\"");
                let arrived = output(&mut connection, &line, &options);
                assert!(arrived == *value, "{name}, pty {pty}, sudo {sudo}: {arrived:?}");
            }
        }
    }
}

#[test]
fn any_value_arrives_byte_for_byte() {
    let lab = Lab::get();
    let connection = std::cell::RefCell::new(plain(&lab));
    let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
    let strategy = (prop::collection::vec("(?s)[^\0]{0,30}", 1..5), any::<bool>());
    runner
        .run(&strategy, |(values, pty)| {
            let names: Vec<_> = (0..values.len()).map(|n| format!("V{n}")).collect();
            let environment = names.iter().cloned().zip(values.iter().cloned()).collect();
            let options = ExecOptions { environment, pty, ..options() };
            let shown = names.iter().map(|name| format!("\"${name}\" ")).collect::<String>();
            let execution =
                run(&mut connection.borrow_mut(), &format!("printf '%s|' {shown}"), &options);
            let expected: String = values.iter().map(|value| format!("{value}|")).collect();
            prop_assert_eq!(text(&execution.output.bytes), expected);
            Ok(())
        })
        .unwrap();
}

#[test]
fn values_are_in_no_process_list() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let mut connection = connect(lab.sshd(), user);
    let list = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; :; :; echo; echo end";
    for base in [options(), elevated(Some(&user.password), false)] {
        let options = with(&[("TOKEN", "s3cr3t-t0ken-exec")], base);
        let listed = output(&mut connection, list, &options);
        assert!(listed.ends_with("end\n") && !listed.contains("s3cr3t-t0ken-exec"));
    }
}

#[test]
fn nothing_of_the_bootstrap_is_left_in_the_environment() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let plain = output(&mut connection, "env | grep -v ^_= | sort", &options());
    let options = with(&[("ZZZ", "1")], options());
    let with = output(&mut connection, "env | grep -v ^_= | sort", &options);
    let left: Vec<_> = with
        .lines()
        .filter(|line| !plain.lines().any(|known| known == *line))
        .filter(|line| !line.starts_with("SHLVL=") && !line.starts_with("OLDPWD"))
        .collect();
    assert_eq!(left, ["ZZZ=1"]);
}

#[test]
fn the_shell_stays_the_users_own() {
    let lab = Lab::get();
    for (user, shell) in [(&lab.users.plain, "bash"), (&lab.users.sh, "sh")] {
        let mut connection = connect(lab.sshd(), user);
        let options = with(&[("SHELL", "/bin/false"), ("PATH", "/usr/bin:/bin")], options());
        let line = "tr '\\0' '\\n' < /proc/$$/cmdline | head -1; echo $SHELL";
        assert_eq!(output(&mut connection, line, &options), format!("/bin/{shell}\n/bin/false\n"));
    }
}

#[test]
fn commands_run_where_they_are_told_to() {
    let lab = Lab::get();
    let user = &lab.users.nopasswd;
    let mut connection = connect(lab.sshd(), user);
    let odd = "it's $HOME \\ \"odd\" ünd\nlong";
    let home = user.home.to_str().unwrap();
    for directory in [odd, "-", "sub"] {
        let path = user.home.join(directory);
        std::fs::create_dir(&path).unwrap();
    }
    for base in [options(), elevated(None, false), elevated(None, true)] {
        for (directory, expected) in [
            ("/usr/lib", "/usr/lib".to_owned()),
            (odd, format!("{home}/{odd}")),
            ("-", format!("{home}/-")),
        ] {
            let working_directory = Some(directory.to_owned());
            let options = ExecOptions { working_directory, ..base.clone() };
            assert_eq!(output(&mut connection, "pwd", &options), format!("{expected}\n"));
        }
    }
    let working_directory = Some("~/sub".to_owned());
    let options = ExecOptions { working_directory, ..options() };
    assert_eq!(output(&mut connection, "pwd", &options), format!("{home}/sub\n"));
}

#[test]
fn a_missing_directory_fails_as_in_a_shell() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let working_directory = Some("/no/such".to_owned());
    let options = ExecOptions { working_directory, ..options() };
    let execution = run(&mut connection, "echo never", &options);
    assert_eq!(execution.ending, Ending::Exited(1));
    assert_eq!(text(&execution.output.bytes), "");
    assert!(text(&execution.error.bytes).contains("/no/such"));
}
