//! The function `vault(path)`: a secret in templates.
//!
//! A template that waits for a result stops at the first name that is not there
//! yet; what it will read of the vault is read all the same, before anything
//! connects.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Serde, Value};
use minijinja::{Error, ErrorKind, State};

use super::code::Word;
use super::engine::FRAME;
use super::fault::Rendering;
use super::frame::Frame;
use super::render::Pending;
use crate::credential::vault::{Answer, DEFAULT_MOUNT, Fields, Reference, VaultError};
use crate::diagnostic::Problem;

/// What a value waits for that depends on a secret, where no secrets are read.
const UNREAD: &str = "reading secrets";

/// `vault(path, mount='secret', version=…)`.
pub(super) fn vault(state: &State<'_, '_>, path: &str, options: Kwargs) -> Result<Value, Error> {
    let mount: Option<String> = options.get("mount")?;
    let version: Option<u32> = options.get("version")?;
    options.assert_all_used()?;
    let mount = mount.as_deref().unwrap_or(DEFAULT_MOUNT);
    let frame = state.lookup(FRAME).and_then(|frame| frame.downcast_object::<Frame>());
    let Some(frame) = frame else {
        return Err(Error::new(ErrorKind::InvalidOperation, "`vault` has nothing to read from"));
    };
    let answer = Reference::new(mount, path, version)
        .and_then(|reference| Ok((frame.scope.world.vault.get(&reference)?, reference)));
    match answer {
        Ok((Answer::Read(fields), reference)) => {
            Ok(Value::from_object(SecretFields { fields, reference, frame }))
        }
        Ok((Answer::Unread, _)) => {
            frame.note_unread(true);
            Ok(Value::from_object(UnreadFields(frame)))
        }
        Err(error) => {
            // It is placed by the text that asks for the secret.
            frame.state().failure.get_or_insert(Problem::new(error, None));
            Err(Error::new(ErrorKind::InvalidOperation, "a secret cannot be read"))
        }
    }
}

/// The fields of a secret. One that is not there is undefined, so that
/// `default(…)` works.
struct SecretFields {
    fields: Arc<Fields>,
    reference: Reference,
    frame: Arc<Frame>,
}

impl fmt::Debug for SecretFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.fields, f)
    }
}

impl Object for SecretFields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let value = self.fields.reveal(name);
        if value.is_none() {
            self.frame.note_missing(self.fields.missing(name, &self.reference));
        }
        let vault = &self.frame.scope.world.vault;
        if !vault.is_login_name(&self.reference, name) {
            for secret in value.iter().flat_map(|value| Fields::secrets_in(value)) {
                self.frame.scope.world.secrets.learn(&secret);
            }
        }
        value.map(|value| self.frame.leaf(Value::from(Serde(value))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.fields.names().map(Value::from).collect())
    }
}

/// A secret that is not read: every field that is asked for is there.
#[derive(Debug)]
struct UnreadFields(Arc<Frame>);

impl Object for UnreadFields {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        key.as_str().map(|_| self.0.unread_leaf())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }
}

impl Frame {
    /// What a value waits for that depends on a secret which nobody reads here.
    #[must_use]
    pub fn unread() -> Pending {
        Pending(UNREAD.into())
    }

    /// Notes that the value asked for last is no template, and depends on nothing.
    pub(super) fn note_literal(&self) {
        let mut state = self.state();
        state.unread = false;
        state.trace.begin();
    }

    /// Notes whether a secret was used that is not read.
    pub(super) fn note_unread(&self, unread: bool) {
        self.state().unread = unread;
    }

    /// Whether what was rendered last used a secret that is not read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.state().unread
    }

    /// Reads the secrets that a pending template will ask for, as far as it tells
    /// which. An error is that of one that cannot be read.
    pub(super) fn read_ahead(
        self: &Arc<Self>,
        names: &HashSet<String>,
        rendering: &Rendering<'_>,
    ) -> Option<Problem> {
        if !self.scope.world.vault.is_live() {
            return None;
        }
        // A variable behind the point where rendering stopped may hold a secret.
        let wrong = names.iter().find_map(|name| {
            let _ = self.lookup(name);
            self.unreadable()
        });
        let chains = || rendering.parsed().chains();
        wrong
            .or_else(|| chains().into_iter().find_map(|(name, parts)| self.follow(&name, &parts)))
            .or_else(|| {
                calls(rendering.code).into_iter().find_map(|call| self.call(call, rendering))
            })
    }

    /// What is wrong with a secret that was asked for just now.
    fn unreadable(&self) -> Option<Problem> {
        self.take_missing();
        let (_, problem) = self.take_reports();
        problem.filter(|problem| problem.is_of("credential"))
    }

    /// Renders a part of a variable.
    fn follow(self: &Arc<Self>, name: &Word<'_>, parts: &[Word<'_>]) -> Option<Problem> {
        let mut value = self.lookup(name.word);
        for part in parts {
            value = value?.get_attr(part.word).ok();
            if let Some(problem) = self.unreadable() {
                return Some(problem);
            }
        }
        None
    }

    /// Does one call of `vault`, unless it takes a name of the template's own, such
    /// as a loop's, which means nothing here.
    fn call(self: &Arc<Self>, call: &str, rendering: &Rendering<'_>) -> Option<Problem> {
        let expression = self.scope.world.environment.compile_expression(call).ok()?;
        let span = rendering.span;
        let context = Value::from_dyn_object(Arc::clone(self));
        let _ = self.within(span.map(|span| span.file), || expression.eval(context));
        match self.take_reports() {
            (_, Some(problem)) => Some(problem.or_at(span)),
            (Some(_), None) => {
                let secret = call.to_owned();
                Some(Problem::new(VaultError::TooLate { secret }, span))
            }
            (None, None) => None,
        }
    }
}

/// The calls of `vault` in code, from the name to the closing parenthesis.
fn calls(code: &str) -> Vec<&str> {
    const NAME: &str = "vault";
    let mut found = Vec::new();
    for (start, _) in code.match_indices(NAME) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'' | '"')) {
            continue;
        }
        let rest = &code[start + NAME.len()..];
        if rest.trim_start().starts_with('(')
            && let Some(end) = closing(rest)
        {
            found.push(&code[start..start + NAME.len() + end]);
        }
    }
    found
}

/// Where the first parenthesis of a text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_whole() {
        let code = r#"x + vault("a)\"b", mount=('m')).p ~ vault ('c') ~ y.vault('d') ~ 'vault(e)'"#;
        let expected = [r#"vault("a)\"b", mount=('m'))"#, "vault ('c')"];
        assert_eq!(calls(code), expected);
        assert_eq!(calls("vault"), [""; 0]);
        assert_eq!(calls("vault('open'"), [""; 0]);
        assert_eq!(calls("my_vault('a')"), [""; 0]);
    }
}
