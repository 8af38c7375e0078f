use std::io;

use jiff::Timestamp;

use super::*;
use crate::event::{PlayHost, RunOutcome};
use crate::report::sample;

fn shown(events: &[Event], options: TerminalOptions) -> String {
    let mut bytes = Vec::new();
    let mut terminal = Terminal::new(&mut bytes, options);
    events.iter().for_each(|event| terminal.apply(event));
    terminal.finish().unwrap();
    String::from_utf8(bytes).unwrap()
}

fn wide(width: usize, verbosity: Verbosity) -> TerminalOptions {
    TerminalOptions { width: Some(width), color: false, verbosity }
}

#[test]
fn eighty_columns() {
    insta::assert_snapshot!(shown(&sample::events(), wide(80, Verbosity::Normal)));
}

#[test]
fn a_pipe() {
    insta::assert_snapshot!(shown(&sample::events(), TerminalOptions::default()));
}

#[test]
fn quiet() {
    insta::assert_snapshot!(shown(&sample::events(), wide(80, Verbosity::Quiet)));
}

#[test]
fn verbose() {
    insta::assert_snapshot!(shown(&sample::events(), wide(80, Verbosity::Verbose)));
}

#[test]
fn in_colour() {
    let options = TerminalOptions { color: true, ..wide(80, Verbosity::Normal) };
    let text = shown(&sample::events(), options);
    insta::assert_snapshot!(text.replace('\x1b', "␛"));
    let plain = anstream::adapter::strip_str(&text).to_string();
    assert_eq!(plain, shown(&sample::events(), wide(80, Verbosity::Normal)));
}

#[test]
fn no_line_is_longer_than_the_terminal() {
    for columns in [60, 80, 100, 200] {
        let text = shown(&sample::events(), wide(columns, Verbosity::Normal));
        // Below 80 columns the table of a run in which everything happens gives up.
        let table = text.find(" recap ").unwrap();
        let end = if columns < 80 { table } else { text.len() };
        for line in text[..end].lines() {
            assert!(width(line) <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn a_host_cannot_drive_the_terminal() {
    for verbosity in [Verbosity::Normal, Verbosity::Verbose] {
        let text = shown(&sample::events(), TerminalOptions { verbosity, ..Default::default() });
        assert!(text.contains("␛[2J"));
        assert!(text.chars().all(|char| char == '\n' || !char.is_control()));
    }
}

fn fleet(size: usize, cut_short: Option<RunOutcome>) -> Vec<Event> {
    let hosts = (0..size).map(|index| PlayHost {
        host: format!("node-{index:04}").into(),
        address: "192.0.2.1:22".into(),
    });
    vec![
        Event::RunStarted(sample::run()),
        Event::PlayStarted(PlayStarted {
            play: 0,
            name: "ping".into(),
            tasks: 1,
            hosts: hosts.collect(),
        }),
        Event::RunFinished { ended_at: sample::at("2026-05-04T10:00:03.21Z"), cut_short },
    ]
}

#[test]
fn a_large_fleet_is_summed_up() {
    insta::assert_snapshot!(shown(&fleet(12_345, None), wide(80, Verbosity::Normal)), @r"

    ━━ ping ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 12,345 hosts · 1 task

    ━━ recap ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ✓ all 12,345 hosts ok

    ✓ 12,345 hosts · 12,345 ok · 3.21 s
    ");
}

#[test]
fn a_run_without_hosts_and_one_cut_short_say_so() {
    let last = |events: &[Event]| {
        let text = shown(events, wide(80, Verbosity::Normal));
        text.lines().last().unwrap().to_owned()
    };
    assert_eq!(last(&fleet(0, None)), "✓ 0 hosts · 3.21 s");
    assert_eq!(
        last(&fleet(1, Some(RunOutcome::Interrupted))),
        "✗ interrupted · 1 host · 1 ok · 3.21 s"
    );
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    struct Closed(usize);
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut closed = Closed(0);
    let mut terminal = Terminal::new(&mut closed, TerminalOptions::default());
    sample::events().iter().for_each(|event| terminal.apply(event));
    assert_eq!(terminal.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(closed.0, 1, "nothing is written after the first error");
}

#[test]
fn a_clock_that_went_back_makes_no_negative_duration() {
    let mut events = fleet(1, None);
    events[2] = Event::RunFinished { ended_at: Timestamp::UNIX_EPOCH, cut_short: None };
    assert!(shown(&events, TerminalOptions::default()).ends_with("· 0.00 s\n"));
}
