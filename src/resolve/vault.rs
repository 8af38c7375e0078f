//! The function `vault(path)`: a secret in templates.
//!
//! A template that waits for a result stops at the first name that is not there
//! yet; what it will read of the vault is read all the same, before anything
//! connects.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Serde, Value};
use minijinja::{Error, ErrorKind, State};

use super::engine::FRAME;
use super::render::Pending;
use super::scope::Frame;
use crate::credential::vault::{Answer, DEFAULT_MOUNT, Fields, Reference, VaultError};
use crate::diagnostic::Problem;
use crate::load::source::Span;
use crate::secret::MASK;

/// What a value waits for that depends on a secret, where no secrets are read.
const UNREAD: &str = "reading the vault";

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
            frame.note_unread();
            Ok(Value::from_object(UnreadFields))
        }
        Err(error) => Err(frame.poison(error)),
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
        value.map(|value| Value::from(Serde(value)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.fields.names().map(Value::from).collect())
    }
}

/// A secret that is not read: every field that is asked for is there.
#[derive(Debug)]
struct UnreadFields;

impl Object for UnreadFields {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        key.as_str().map(|_| Value::from(MASK))
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

    /// Reads the secrets that a pending template will ask for, as far as it tells
    /// which. An error is that of one that cannot be read.
    pub(super) fn read_ahead(
        self: &Arc<Self>,
        code: &str,
        is_expression: bool,
        span: Option<Span>,
    ) -> Option<Problem> {
        let environment = &self.scope.world.environment;
        let names = match is_expression {
            true => {
                environment.compile_expression(code).map(|code| code.undeclared_variables(false))
            }
            false => {
                environment.template_from_str(code).map(|code| code.undeclared_variables(false))
            }
        };
        // A variable behind the point where rendering stopped may hold a secret.
        for name in names.unwrap_or_default() {
            let _ = self.lookup(&name);
            if let (_, Some(problem)) = self.take_reports()
                && problem.is_of("credential")
            {
                return Some(problem);
            }
        }
        for call in calls(code) {
            let Ok(expression) = environment.compile_expression(call) else { continue };
            let file = span.map(|span| span.file);
            let read =
                self.within(file, || expression.eval(Value::from_dyn_object(Arc::clone(self))));
            match (self.take_reports(), read) {
                ((_, Some(problem)), _) => return Some(problem.or_at(span)),
                ((Some(_), _), _) => {
                    let secret = call.to_owned();
                    return Some(Problem::new(VaultError::TooLate { secret }, span));
                }
                // A name of the template's own, such as a loop's, is nothing here.
                ((None, None), _) => {}
            }
        }
        None
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
