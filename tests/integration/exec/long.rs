//! Commands that are longer than a request may be, and than Linux lets an argument be.

use sshoal::plan::spec::{ExecOptions, SudoSpec};
use sshoal::secret::Secret;

use super::{connect, elevated, options, output, run, text};
use crate::lab::{Lab, Sudo, UserOptions};

/// A heredoc of many lines with much to quote, of about so many bytes.
fn document(bytes: usize) -> String {
    const LINE: &str = "it's \\ a \"line\" with $HOME `id` ! and ü\ttab\n\n";
    LINE.repeat(bytes / LINE.len())
}

#[test]
fn a_line_of_any_length_runs_and_finds_its_input_empty() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let mut connection = connect(lab.sshd(), user);
    let environment = vec![("GREETING".to_owned(), "it's\nme".to_owned())];
    for bytes in [34_000, 39_000, 120_000, 1 << 20] {
        let document = document(bytes);
        let line = format!("cat <<'END'\n{document}END\ncat; echo \"$GREETING\"; id -u");
        let uid = user.uid;
        for pty in [false, true] {
            let plain = ExecOptions { pty, max_output: 4 << 20, ..options() };
            let with = ExecOptions { environment: environment.clone(), ..plain.clone() };
            let root = ExecOptions { max_output: 4 << 20, ..elevated(Some(&user.password), pty) };
            let both = ExecOptions { environment: environment.clone(), ..root.clone() };
            for (options, greeting, id) in
                [(plain, "", uid), (with, "it's\nme", uid), (root, "", 0), (both, "it's\nme", 0)]
            {
                let found = output(&mut connection, &line, &options);
                let expected = format!("{document}{greeting}\n{id}\n");
                assert!(found == expected, "{bytes} bytes, pty {pty}, as {id}: {}", found.len());
            }
        }
    }
}

#[test]
fn many_words_reach_a_single_elevated_command() {
    let lab = Lab::get();
    let user = &lab.users.sudoer;
    let mut connection = connect(lab.sshd(), user);
    let words = "'it'\\''s a word' ".repeat(20_000);
    for pty in [false, true] {
        let password = Some(Secret::new(user.password.as_str()));
        let sudo = Some(SudoSpec { password, user: None, shell: false });
        let options = ExecOptions { pty, sudo, ..options() };
        let line = format!("sh -c 'cat; echo $# $20000' sh {words}");
        assert_eq!(output(&mut connection, &line, &options), "20000 it's a word0000\n");
    }
}

#[test]
fn other_login_shells_take_long_lines() {
    let lab = Lab::get();
    for shell in ["/bin/dash", "/usr/bin/zsh", "/usr/bin/ksh", "/usr/bin/fish", "/usr/bin/tcsh"] {
        if !std::path::Path::new(shell).exists() {
            continue; // Only dash is sure to be there.
        }
        let user = lab.add_user("long", UserOptions::default().shell(shell).sudo(Sudo::Password));
        let mut connection = connect(lab.sshd(), &user);
        // ksh takes milliseconds for each line that it writes.
        let sizes = if shell.ends_with("/ksh") { &[50_000][..] } else { &[50_000, 400_000] };
        for &bytes in sizes {
            let line = format!("true\n{}cat; echo end", "echo it-is-a-word\n".repeat(bytes / 18));
            let expected = "it-is-a-word\n".repeat(bytes / 18) + "end\n";
            for options in [options(), elevated(Some(&user.password), false)] {
                let execution = run(&mut connection, &line, &options);
                let found = text(&execution.output.bytes);
                let end = (&execution.ending, text(&execution.error.bytes));
                assert!(found == expected, "{shell}, {bytes}: {} {end:?}", found.len());
            }
        }
    }
}
