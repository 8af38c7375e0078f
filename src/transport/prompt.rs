//! Watches the head of a command's output for the marks of the bootstrap and of
//! sudo, and keeps what is not the command's own out of its output.
//!
//! Knows bytes only: what to write in answer is the engine's business. Where a shell
//! tells that it has been elevated, nothing after that is taken for a prompt. Where sudo
//! runs a command's words, the command can read the prompt's text from sudo's arguments
//! and print it; so the engine asks the host, before it answers, whether sudo has begun
//! to run the command, and disowns the prompt then. A host that does not tell (it hides
//! processes, forces a command on the session or allows it no second one) is believed:
//! there a command that sudo lets run without a password, as whatever user, can have the
//! password for the asking.

use super::capture::Capture;

/// More than this much text before a mark is no prelude.
const LONGEST_PRELUDE: usize = 64 * 1024;

/// A mark that is waited for, in the order in which they come.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// The bootstrap prints `mark` when it is ready to read. What came before
    /// belongs to the output.
    Ready {
        /// The text.
        mark: String,
    },
    /// sudo may show `prompt`, and the elevated shell prints `start`. Nothing
    /// before that is output.
    Elevate {
        /// The text of the prompt.
        prompt: String,
        /// The text of the elevated shell.
        start: String,
    },
    /// sudo may show `prompt`; nothing tells when the command itself begins.
    Words {
        /// The text of the prompt.
        prompt: String,
        /// Whether sudo ends the unseen password's line on the terminal.
        terminal: bool,
    },
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The bootstrap is ready to read.
    Ready,
    /// sudo asks for a password.
    Prompt,
    /// The elevated shell runs: sudo asks no more.
    Started,
}

/// The filter between a stream and its [`Capture`].
pub(super) struct Gate {
    stages: std::vec::IntoIter<Stage>,
    stage: Option<Stage>,
    /// Bytes that may turn out to be a mark or its prelude.
    held: Vec<u8>,
    /// The last prompt of a sudo that runs words, and what was dropped with it.
    dropped: Vec<u8>,
    /// Whether that was not the first.
    repeated: bool,
    /// Whether sudo has asked already.
    asked: bool,
    /// Whether bytes are passed on while the stage lasts.
    open: bool,
    /// Whether the end of the password's line is still to come.
    line_end: bool,
}

impl Gate {
    pub(super) fn new(stages: Vec<Stage>) -> Self {
        let mut stages = stages.into_iter();
        let stage = stages.next();
        Self {
            stages,
            stage,
            held: Vec::new(),
            dropped: Vec::new(),
            repeated: false,
            asked: false,
            open: false,
            line_end: false,
        }
    }

    /// Whether a mark is still waited for that must come.
    pub(super) fn is_waiting(&self) -> bool {
        match self.stage {
            Some(Stage::Ready { .. } | Stage::Elevate { .. }) => true,
            Some(Stage::Words { .. }) | None => false,
        }
    }

    /// Whether sudo has neither asked nor been given up waiting for.
    pub(super) fn may_ask(&self) -> bool {
        matches!(self.stage, Some(Stage::Words { .. })) && !self.open
    }

    /// Takes the next bytes of the stream. After something was seen, call again
    /// with no bytes: there may be more.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Capture) -> Option<Seen> {
        let Some(stage) = &self.stage else {
            out.push(bytes);
            return None;
        };
        self.held.extend_from_slice(bytes);
        if self.line_end && self.held.len() >= 2 {
            self.line_end = false;
            let ends = [&b"\r\n"[..], b"\n"];
            if let Some(end) = ends.into_iter().find(|end| self.held.starts_with(end)) {
                self.held.drain(..end.len());
            }
        }
        let (found, seen) = match stage {
            Stage::Ready { mark } => (find(&self.held, mark), Seen::Ready),
            Stage::Words { prompt, .. } => (find(&self.held, prompt), Seen::Prompt),
            Stage::Elevate { prompt, start } => {
                match (find(&self.held, start), find(&self.held, prompt)) {
                    (Some(start), Some(prompt)) if prompt.0 < start.0 => {
                        (Some(prompt), Seen::Prompt)
                    }
                    (None, Some(prompt)) => (Some(prompt), Seen::Prompt),
                    (start, _) => (start, Seen::Started),
                }
            }
        };
        let Some((from, to)) = found else {
            self.release(out);
            return None;
        };
        match seen {
            Seen::Ready => out.push(&self.held[..from]),
            Seen::Prompt if self.asked => {
                // The text between two prompts is sudo's complaint.
                self.dropped = self.held.split_off(from);
                self.repeated = true;
                return Some(seen);
            }
            Seen::Prompt | Seen::Started => {}
        }
        let rest = self.held.split_off(to);
        let before = std::mem::replace(&mut self.held, rest);
        match seen {
            Seen::Prompt => {
                self.dropped = before;
                self.asked = true;
                self.open = matches!(self.stage, Some(Stage::Words { .. }));
                self.line_end = matches!(self.stage, Some(Stage::Words { terminal: true, .. }));
            }
            Seen::Ready | Seen::Started => {
                self.stage = self.stages.next();
                if self.stage.is_none() {
                    out.push(&std::mem::take(&mut self.held));
                }
            }
        }
        Some(seen)
    }

    /// Stops holding back: sudo did not ask in time, and only ever removes a
    /// prompt from now on.
    pub(super) fn give_up_asking(&mut self, out: &mut Capture) {
        self.open = true;
        self.release(out);
    }

    /// Whether what was seen may have been printed by the command.
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self.stage, Some(Stage::Words { .. }))
    }

    /// The last prompt was the command's own output, and so is all that follows.
    pub(super) fn disown(&mut self, out: &mut Capture) {
        self.stage = None;
        self.line_end = false;
        let (held, dropped) = (std::mem::take(&mut self.held), std::mem::take(&mut self.dropped));
        // Of a repeated prompt, what stands before it has been kept.
        let order = if self.repeated { [held, dropped] } else { [dropped, held] };
        order.iter().for_each(|bytes| out.push(bytes));
    }

    /// Ends the stream. What is still held is output where the command itself
    /// may have written it, and is returned where sudo must have.
    pub(super) fn finish(&mut self, out: &mut Capture) -> Vec<u8> {
        let mut held = std::mem::take(&mut self.held);
        if self.line_end && held == b"\n" {
            held.clear();
        }
        match self.stage {
            Some(Stage::Elevate { .. }) => held,
            _ => {
                out.push(&held);
                Vec::new()
            }
        }
    }

    /// Passes on what cannot be part of a mark any more.
    fn release(&mut self, out: &mut Capture) {
        if self.line_end {
            return;
        }
        let keep = match &self.stage {
            Some(Stage::Words { prompt, .. }) if self.open || self.held.len() > LONGEST_PRELUDE => {
                self.open = true;
                prompt.len() - 1
            }
            Some(Stage::Elevate { .. }) if self.held.len() > LONGEST_PRELUDE => {
                self.held.drain(..self.held.len() - LONGEST_PRELUDE);
                return;
            }
            Some(Stage::Ready { mark }) => mark.len() - 1,
            _ => return,
        };
        // Only a suffix that begins a mark is worth holding back; anything else
        // would keep a slow command's last words from a timeout's partial output.
        let mark = match &self.stage {
            Some(Stage::Words { prompt, .. }) => prompt.as_bytes(),
            Some(Stage::Ready { mark }) => mark.as_bytes(),
            _ => return,
        };
        let longest = keep.min(self.held.len());
        let keep = (1..=longest).rev().find(|n| self.held.ends_with(&mark[..*n])).unwrap_or(0);
        let release = self.held.len() - keep;
        out.push(&self.held[..release]);
        self.held.drain(..release);
    }
}

fn find(bytes: &[u8], mark: &str) -> Option<(usize, usize)> {
    let mark = mark.as_bytes();
    bytes.windows(mark.len()).position(|window| window == mark).map(|at| (at, at + mark.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Passes the chunks, and stops at a second prompt, as the engine does.
    fn pass(stages: Vec<Stage>, chunks: &[&[u8]]) -> (Vec<Seen>, String, String) {
        let (mut gate, mut out, mut seen) = (Gate::new(stages), Capture::new(1 << 20), Vec::new());
        'chunks: for chunk in chunks {
            let mut next = gate.feed(chunk, &mut out);
            while let Some(what) = next {
                seen.push(what);
                if seen.ends_with(&[Seen::Prompt, Seen::Prompt]) {
                    break 'chunks;
                }
                next = gate.feed(b"", &mut out);
            }
        }
        let rest = gate.finish(&mut out);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (seen, text(out.finish().bytes), text(rest))
    }

    fn elevate() -> Vec<Stage> {
        vec![Stage::Elevate { prompt: "PROMPT:".into(), start: "START".into() }]
    }

    #[test]
    fn a_refusal_is_returned_and_no_output() {
        let (seen, out, rest) = pass(elevate(), &[b"sorry"]);
        assert_eq!((seen, out.as_str(), rest.as_str()), (vec![], "", "sorry"));
    }

    #[test]
    fn marks_after_the_start_are_the_commands_own() {
        let (seen, out, _) = pass(elevate(), &[b"STARTPROMPT:x"]);
        assert_eq!((seen, out.as_str()), (vec![Seen::Started], "PROMPT:x"));
    }

    #[test]
    fn words_drop_what_stands_before_the_prompt() {
        let stage = Stage::Words { prompt: "PROMPT:".into(), terminal: false };
        let (seen, out, _) = pass(vec![stage], &[b"lecture PROM", b"PT:", b"out PROM"]);
        assert_eq!((seen, out.as_str()), (vec![Seen::Prompt], "out PROM"));
    }

    #[test]
    fn a_prompt_that_is_disowned_is_output() {
        for prompts in 1..=2 {
            let stage = Stage::Words { prompt: "PROMPT:".into(), terminal: false };
            let (mut gate, mut out) = (Gate::new(vec![stage]), Capture::new(1 << 20));
            let mut seen = gate.feed(b"a PROMPT:b PROMPT:c", &mut out);
            for _ in 1..prompts {
                seen = gate.feed(b"", &mut out);
            }
            assert_eq!(seen, Some(Seen::Prompt));
            gate.disown(&mut out);
            assert_eq!(gate.feed(b" PROMPT:d", &mut out), None);
            let expected = ["a PROMPT:b PROMPT:c PROMPT:d", "b PROMPT:c PROMPT:d"][prompts - 1];
            assert_eq!(out.finish().bytes, expected.as_bytes());
        }
    }

    #[test]
    fn words_without_a_prompt_are_output() {
        let stage = Stage::Words { prompt: "PROMPT:".into(), terminal: false };
        assert_eq!(pass(vec![stage], &[b"out"]), (vec![], "out".into(), String::new()));
    }

    #[test]
    fn what_stands_before_ready_is_output() {
        let stage = Stage::Ready { mark: "READY".into() };
        let (seen, out, _) = pass(vec![stage], &[b"motd\nREA", b"DYout"]);
        assert_eq!((seen, out.as_str()), (vec![Seen::Ready], "motd\nout"));
    }

    /// What a stream of sudo's is to give: what is seen, what is output, what is left.
    type Stream = (Vec<Stage>, &'static str, Vec<Seen>, &'static str, &'static str);

    fn streams() -> Vec<Stream> {
        let words = |terminal| vec![Stage::Words { prompt: "PROMPT:".into(), terminal }];
        let both = || [vec![Stage::Ready { mark: "READY".into() }], elevate()].concat();
        let (asked, started) = (Seen::Prompt, Seen::Started);
        vec![
            (elevate(), "lecture\nPROMPT:\r\nSTARTout\n", vec![asked, started], "out\n", ""),
            // The beginnings of marks before the marks themselves.
            (elevate(), "PPROPROMPT:STSTASTARTST", vec![asked, started], "ST", ""),
            (elevate(), "STARTPROMPT:x", vec![started], "PROMPT:x", ""),
            (elevate(), "PROMPT:sorry\nPROMPT:", vec![asked, asked], "", "sorry\n"),
            (elevate(), "PROMPT:PROM", vec![asked], "", "PROM"),
            (
                both(),
                "motd\nREREADYPROMPT:\nSTARTa",
                vec![Seen::Ready, asked, started],
                "motd\nREa",
                "",
            ),
            (words(false), "lecture PROMPT:out PROM", vec![asked], "out PROM", ""),
            (words(true), "PROMPT:\r\nout\n", vec![asked], "out\n", ""),
            (words(true), "PROMPT:\n", vec![asked], "", ""),
            (words(false), "no prompt PROMP", vec![], "no prompt PROMP", ""),
        ]
    }

    #[test]
    fn a_stream_cut_in_two_or_three_anywhere_gives_the_same() {
        for (stages, stream, seen, out, rest) in streams() {
            let bytes = stream.as_bytes();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    let got = pass(stages.clone(), &chunks);
                    let wanted = (seen.clone(), out.to_owned(), rest.to_owned());
                    assert_eq!(got, wanted, "{stream:?} cut at {first} and {second}");
                }
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            let got = pass(stages, &single);
            assert_eq!(got, (seen, out.to_owned(), rest.to_owned()), "{stream:?} byte by byte");
        }
    }

    proptest! {
        #[test]
        fn marks_are_found_however_the_bytes_are_cut(
            cuts in prop::collection::vec(1usize..5, 1..40),
        ) {
            let text: &[u8] = b"lecture\nPROMPT:\nSTARToutput";
            let mut rest = text;
            let mut chunks = Vec::new();
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            let (seen, out, _) = pass(elevate(), &chunks);
            prop_assert_eq!(seen, vec![Seen::Prompt, Seen::Started]);
            prop_assert_eq!(out, "output");
        }
    }
}
