//! Hashes of many files, asked of the host's shell in batches.

use std::collections::VecDeque;

use crate::transport::transfer::job::Job;
use crate::transport::transfer::shell::Sums as Answer;
use crate::transport::transfer::trouble::Trouble;

/// How many files one process on the host hashes.
const BATCH: usize = 128;
/// How long the names of a batch may be together.
const LONGEST_BATCH: usize = 24 * 1024;
/// How many batches are asked for ahead.
const AHEAD: usize = 2;

/// Files whose hashes are wanted, by the caller's numbers for them.
#[derive(Default)]
pub(super) struct Sums {
    waiting: VecDeque<usize>,
    asked: VecDeque<Vec<usize>>,
    /// Batches of which some file could not be read: asked again one by one.
    single: VecDeque<usize>,
    found: Vec<(usize, Option<String>)>,
    no_tool: bool,
}

impl Sums {
    /// Wants the hash of the file that the caller numbers `index`.
    pub(super) fn want(&mut self, index: usize) {
        self.waiting.push_back(index);
    }

    /// Whether so much is asked for that more would only wait.
    pub(super) fn is_busy(&self) -> bool {
        self.asked.len() >= AHEAD
    }

    /// Whether every hash that was wanted has been given.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.asked.is_empty()
            && self.single.is_empty()
            && self.found.is_empty()
    }

    /// Asks for what is worth a process, or with `all` for everything, and gives
    /// what has arrived: `None` for a file that the host cannot hash.
    pub(super) fn advance<'p>(
        &mut self,
        job: &mut Job<'_>,
        all: bool,
        path: impl Fn(usize) -> &'p str,
    ) -> Result<Vec<(usize, Option<String>)>, Trouble> {
        while self.asked.len() < AHEAD {
            let batch = match self.single.pop_front() {
                Some(index) => vec![index],
                None if self.waiting.len() >= BATCH || all => self.next_batch(&path),
                None => break,
            };
            if batch.is_empty() {
                break;
            }
            let Some((shell, _)) = job.shell()?.filter(|_| !self.no_tool) else {
                self.found.extend(batch.into_iter().map(|index| (index, None)));
                continue;
            };
            shell.ask_sums(batch.iter().map(|&index| path(index)));
            self.asked.push_back(batch);
        }
        job.poke_shell()?;
        while !self.asked.is_empty() {
            let Some((shell, _)) = job.running_shell() else {
                // It ended under way; nobody will answer any more.
                let lost = self.asked.drain(..).flatten();
                self.found.extend(lost.map(|index| (index, None)));
                break;
            };
            let Some(answer) = shell.sums() else { break };
            let batch = self.asked.pop_front().unwrap_or_default();
            self.sort(batch, answer);
        }
        Ok(std::mem::take(&mut self.found))
    }

    fn next_batch<'p>(&mut self, path: &impl Fn(usize) -> &'p str) -> Vec<usize> {
        let mut length = 0;
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(&index) = self.waiting.front()
        {
            length += path(index).len() + 3;
            if length > LONGEST_BATCH && !batch.is_empty() {
                break;
            }
            self.waiting.pop_front();
            batch.push(index);
        }
        batch
    }

    fn sort(&mut self, batch: Vec<usize>, answer: Answer) {
        match answer {
            Answer::NoTool => {
                self.no_tool = true;
                self.found.extend(batch.into_iter().map(|index| (index, None)));
            }
            Answer::Known(sums) if sums.len() == batch.len() => {
                self.found.extend(batch.into_iter().zip(sums.into_iter().map(Some)));
            }
            Answer::Known(_) if batch.len() == 1 => self.found.push((batch[0], None)),
            Answer::Known(_) => self.single.extend(batch),
        }
    }
}
