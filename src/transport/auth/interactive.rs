//! Keyboard-interactive: answers the one question that a password can answer.

use ssh2::{KeyboardInteractivePrompt, Prompt};

use crate::secret::Secret;

/// Gives the password to the first hidden question, and nothing to any other: a
/// one-time code or a new password cannot be made up.
pub(super) struct Answers<'s> {
    password: Option<&'s Secret>,
    unanswered: Vec<String>,
}

impl<'s> Answers<'s> {
    /// Answers with `password`.
    pub(super) fn new(password: &'s Secret) -> Self {
        Self { password: Some(password), unanswered: Vec::new() }
    }

    /// The questions that were left without an answer.
    pub(super) fn into_unanswered(self) -> Vec<String> {
        self.unanswered
    }
}

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt<'a>(&mut self, _: &str, _: &str, prompts: &[Prompt<'a>]) -> Vec<String> {
        let answer = |prompt: &Prompt<'a>| match self.password.take_if(|_| !prompt.echo) {
            Some(password) => password.reveal().to_owned(),
            None => {
                let question = prompt.text.trim().trim_end_matches(':');
                self.unanswered.push(question.chars().filter(|c| !c.is_control()).collect());
                String::new()
            }
        };
        prompts.iter().map(answer).collect()
    }
}
