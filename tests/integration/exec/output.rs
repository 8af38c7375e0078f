//! What a command printed and how it ended.

use std::time::{Duration, Instant};

use sshoal::plan::spec::ExecOptions;
use sshoal::transport::Ending;

use super::{failure, options, output, plain, run, shown, text};
use crate::lab::{Lab, SshdOptions};

#[test]
fn statuses_and_streams_are_told_apart() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    for status in [0, 1, 3, 127, 255] {
        let line = format!("echo out; echo err >&2; exit {status}");
        let execution = run(&mut connection, &line, &options());
        assert_eq!(execution.ending, Ending::Exited(status));
        assert_eq!(execution.output.bytes, b"out\n");
        assert_eq!(execution.error.bytes, b"err\n");
    }
}

#[test]
fn a_signal_is_named() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    for signal in ["KILL", "TERM", "ABRT"] {
        let execution = run(&mut connection, &format!("kill -{signal} $$"), &options());
        assert_eq!(execution.ending, Ending::Signalled(signal.to_owned()));
    }
}

#[test]
fn standard_input_is_at_its_end() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    for pty in [false, true] {
        let options = ExecOptions { pty, ..options() };
        assert_eq!(output(&mut connection, "cat; echo end", &options), "end\n", "pty: {pty}");
    }
}

#[test]
fn an_open_terminal_is_a_terminal() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let options = ExecOptions { pty: true, stdin_open: true, ..options() };
    let line = "test -t 0 && test -t 1 && echo yes; echo err >&2; printf 'a\\nb\\n'";
    assert_eq!(output(&mut connection, line, &options), "yes\nerr\na\nb\n");
}

#[test]
fn a_plain_command_goes_out_as_it_is() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let line = "tr '\\0' '|' < /proc/$$/cmdline";
    assert_eq!(output(&mut connection, line, &options()), format!("bash|-c|{line}|"));
}

#[test]
fn both_streams_may_be_large_in_any_order() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let size = 64 << 20;
    let fill = |to: &str| format!("head -c {size} /dev/zero {to};");
    for line in [fill(">&2") + &fill(""), fill("") + &fill(">&2")] {
        let execution = run(&mut connection, &line, &options());
        assert_eq!(execution.ending, Ending::Exited(0));
        for stream in [&execution.output, &execution.error] {
            assert_eq!((stream.total, stream.truncated), (size, true));
            assert!(stream.bytes.len() < (1 << 20) + 100);
        }
    }
}

#[test]
fn every_byte_survives_and_read_sizes_do_not_matter() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let line = "i=0; while [ $i -lt 256 ]; do printf \"\\\\x$(printf %x $i)\"; i=$((i+1)); done";
    let all: Vec<u8> = (0..=255).collect();
    for (read_size, pty) in [(Some(1), false), (Some(7), false), (None, false), (None, true)] {
        let options = ExecOptions { read_size, pty, ..options() };
        let execution = run(&mut connection, line, &options);
        assert_eq!(execution.output.bytes, all, "{}", shown(&execution));
    }
}

#[test]
fn head_and_tail_are_kept() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    let options = ExecOptions { max_output: 8, ..options() };
    let execution = run(&mut connection, "printf 'abcd0123456789wxyz'", &options);
    let expected = "abcd\n[… 10 bytes left out …]\nwxyz";
    assert_eq!(text(&execution.output.bytes), expected);
    assert_eq!((execution.output.total, execution.output.truncated), (18, true));
}

#[test]
fn background_children_do_not_hold_the_task() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    for (line, status, expected) in [
        ("sleep 60 & echo x", 0, "x\n"),
        ("sleep 60 & echo x; exit 3", 3, "x\n"),
        ("sleep 60 & true", 0, ""),
        ("echo x; sleep 1; sleep 60 & echo y", 0, "x\ny\n"),
        ("(while :; do echo z; sleep 0.01; done) & exit 4", 4, "z"),
    ] {
        let began = Instant::now();
        let execution = run(&mut connection, line, &options());
        assert_eq!(execution.ending, Ending::Exited(status), "{line}");
        assert!(text(&execution.output.bytes).starts_with(expected), "{line}");
        assert!(began.elapsed() < Duration::from_secs(30), "{line} took {:?}", began.elapsed());
    }
    // The best of several tries counts: a busy machine makes some of them slow.
    let took = || {
        let line = "(while :; do echo tick; sleep 0.1; done) & echo x";
        let execution = run(&mut connection, line, &options());
        assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
        execution.duration
    };
    let best = std::iter::repeat_with(took).take(3).min().unwrap();
    assert!(best < Duration::from_secs(8), "{best:?}");

    let pty = ExecOptions { pty: true, ..options() };
    let began = Instant::now();
    assert_eq!(output(&mut connection, "sleep 60 & echo x", &pty), "x\n");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_pause_is_no_end() {
    let lab = Lab::get();
    let mut connection = plain(&lab);
    for line in ["echo a; sleep 1; echo b", "sleep 1; echo a; sleep 1.5; echo b; exec sleep 0.5"] {
        assert_eq!(output(&mut connection, line, &options()), "a\nb\n");
    }
    let closed = "exec >&- 2>&-; sleep 1; exit 5";
    assert_eq!(run(&mut connection, closed, &options()).ending, Ending::Exited(5));
}

#[test]
fn a_server_without_terminals_refuses_one() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("PermitTTY no").start();
    let mut connection = super::connect(&server, &lab.users.plain);
    let options = ExecOptions { pty: true, ..options() };
    assert_eq!(failure(&run(&mut connection, "echo x", &options)), "channel_refused");
    assert_eq!(output(&mut connection, "echo y", &super::options()), "y\n");
}

#[test]
fn one_channel_at_a_time_is_enough() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("MaxSessions 1").start();
    let mut connection = super::connect(&server, &lab.users.plain);
    let cancel = sshoal::transport::Cancel::default();
    for _ in 0..5 {
        let execution = connection.execute("echo x; sleep 0.5", &options(), true, &cancel);
        assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
        assert_eq!(execution.output.bytes, b"x\n");
    }
}

#[test]
fn a_server_that_allows_no_channel_refuses() {
    let lab = Lab::get();
    let server = SshdOptions::default().line("MaxSessions 0").start();
    let mut connection = super::connect(&server, &lab.users.plain);
    assert_eq!(failure(&run(&mut connection, "echo x", &options())), "channel_refused");
}
