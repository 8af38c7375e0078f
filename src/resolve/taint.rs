//! What becomes of secrets in templates.
//!
//! A secret is known by its value: what arrives in a secret key of a request, or
//! is read from a vault. Whatever variable holds the same value is that secret.
//! What a template makes of it is found by rendering the template once more, with
//! other texts of the same kind in the secrets' places: a part that then comes out
//! differently is made of a secret, and becomes one, unless masking the secret
//! hides it already. So `{{ pw | upper }}` is learned, and the host name beside it
//! is not.

mod named;
mod texts;

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use minijinja::value::Value;
use minijinja::{Error, Output, escape_formatter};

use super::fault::Rendering;
use super::frame::Frame;
use super::render::{Compiled, Miss};
use crate::load::decode::{At, Templated};
use crate::secret::{MASK, Redactor, SHORTEST_MASKED_ANYWHERE, Secret};
use texts::{stand_in, swapped, texts};

/// A part of a secret is a secret of its own if it is this long, or half of it.
const LONG_PART: usize = 8;

/// The secrets of a run, as they become known.
#[derive(Debug, Default)]
pub struct KnownSecrets {
    /// Masks them.
    pub redactor: Arc<Redactor>,
    /// Hashes of the texts that templates have seen.
    seen: Mutex<HashSet<u64>>,
    hasher: RandomState,
    is_late: AtomicBool,
}

impl KnownSecrets {
    /// None yet; `redactor` masks what is learned.
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self { redactor, ..Self::default() }
    }

    /// Learns a secret, so that it is masked from now on.
    pub fn learn(&self, secret: &Secret) {
        if self.redactor.learn([secret]) && self.seen().contains(&self.hash(secret.reveal())) {
            self.is_late.store(true, Ordering::Relaxed);
        }
    }

    /// Whether, since it was asked last, a secret became known that templates had
    /// used before: what they made of it is not known then.
    pub fn take_late(&self) -> bool {
        self.is_late.swap(false, Ordering::Relaxed)
    }

    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    fn seen(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.seen.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn note(&self, value: &Value) {
        let mut hashes = Vec::new();
        texts(value, &mut |text| {
            if text.len() >= SHORTEST_MASKED_ANYWHERE {
                hashes.push(self.hash(text));
            }
        });
        if !hashes.is_empty() {
            self.seen().extend(hashes);
        }
    }
}

/// What goes on with secrets while a template is rendered.
#[derive(Default)]
pub(super) struct Trace {
    /// Whether a secret was looked up.
    touched: bool,
    /// Whether what was rendered last depends on a secret.
    depends: bool,
    /// While others stand in for the secrets: those others.
    stand_ins: Option<Vec<Secret>>,
    /// While a secret key is rendered: what was looked up.
    sources: Option<Vec<String>>,
}

impl Trace {
    /// A template is about to be rendered.
    pub(super) fn begin(&mut self) {
        (self.touched, self.depends) = (false, false);
    }
}

thread_local! {
    /// What the templates that this thread renders print, while that matters.
    static PRINTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Prints a value, and keeps what it prints while that matters.
pub(super) fn print(
    out: &mut Output<'_>,
    state: &mut minijinja::State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    PRINTED.with_borrow_mut(|printed| {
        if let Some(printed) = printed {
            printed.push(value.to_string());
        }
    });
    escape_formatter(out, state, value)
}

/// Keeps what is about to be encoded: whoever gets it decodes it.
pub(super) fn note_inner(text: &str) {
    PRINTED.with_borrow_mut(|printed| {
        if let Some(printed) = printed {
            printed.push(text.to_owned());
        }
    });
}

impl Frame {
    /// The value of a secret key. It is a secret, and so are the variables that it
    /// is made of.
    ///
    /// # Errors
    /// As [`Frame::value`].
    pub fn secret(
        self: &Arc<Self>,
        at: &At<Templated<String>>,
        what: &str,
    ) -> Result<Secret, Miss> {
        self.state().trace.sources = Some(Vec::new());
        let result = self.value(at, what);
        let sources = self.state().trace.sources.take().unwrap_or_default();
        let secrets = &self.scope.world.secrets;
        let secret = Secret::new(result?);
        if secret.reveal() != MASK {
            secrets.learn(&secret);
        }
        let whole = secret.reveal();
        let is_part = |text: &String| {
            let is_long = text.len() >= LONG_PART || 2 * text.len() >= whole.len();
            text.len() >= SHORTEST_MASKED_ANYWHERE && is_long && whole.contains(text.as_str())
        };
        for part in sources.into_iter().filter(is_part) {
            secrets.learn(&Secret::new(part));
        }
        Ok(secret)
    }

    /// Whether what was rendered last depends on a secret.
    #[must_use]
    pub fn depends_on_secret(&self) -> bool {
        self.state().trace.depends
    }

    /// A text, or a value full of texts, that templates read from outside.
    pub(super) fn leaf(&self, value: Value) -> Value {
        let secrets = &self.scope.world.secrets;
        let mut state = self.state();
        let trace = &mut state.trace;
        match &mut trace.sources {
            Some(sources) => texts(&value, &mut |text| sources.push(text.to_owned())),
            None if trace.stand_ins.is_none() => secrets.note(&value),
            None => {}
        }
        if secrets.redactor.is_empty() {
            return value;
        }
        let mut stand_ins = Vec::new();
        let other = swapped(&value, &mut |text| {
            secrets.redactor.knows(text).then(|| stand_in(text, &mut stand_ins))
        });
        trace.swap(value, other, stand_ins)
    }

    /// A value that was rendered before, and may have secrets within its texts.
    pub(super) fn rendered_leaf(&self, value: Value) -> Value {
        let redactor = &self.scope.world.secrets.redactor;
        if redactor.is_empty() {
            return value;
        }
        let stand_ins = RefCell::new(Vec::new());
        let other = swapped(&value, &mut |text| {
            let other = redactor.swap(text, |form| stand_in(form, &mut stand_ins.borrow_mut()));
            (other != text).then(|| other.into_owned())
        });
        self.state().trace.swap(value, other, stand_ins.into_inner())
    }

    /// What stands for a secret that is not read.
    pub(super) fn unread_leaf(&self) -> Value {
        let mut stand_ins = Vec::new();
        let other = Value::from(stand_in(MASK, &mut stand_ins));
        self.state().trace.swap(Value::from(MASK), Some(other), stand_ins)
    }

    /// Learns what a template made of secrets, once it gave `value`.
    pub(super) fn trace(
        self: &Arc<Self>,
        compiled: &Compiled<'_, '_>,
        rendering: &Rendering<'_>,
        value: &Value,
    ) {
        let unread = {
            let state = self.state();
            let is_within = !state.files.is_empty() || !state.stack.is_empty();
            if !state.trace.touched || is_within || state.trace.sources.is_some() {
                return;
            }
            state.unread
        };
        let redactor = &self.scope.world.secrets.redactor;
        let is_secret = value.as_str().is_some_and(|text| redactor.knows(text));
        let depends = is_secret || self.compare(compiled, rendering, unread);
        let mut state = self.state();
        state.unread = unread;
        state.trace.depends = depends;
    }

    /// Renders with and without the secrets; whether that makes a difference.
    fn compare(
        self: &Arc<Self>,
        compiled: &Compiled<'_, '_>,
        rendering: &Rendering<'_>,
        unread: bool,
    ) -> bool {
        let secrets = &self.scope.world.secrets;
        let (_, real) = self.printed(compiled, rendering);
        self.state().trace.stand_ins = Some(Vec::new());
        let (is_ok, other) = self.printed(compiled, rendering);
        let stand_ins = self.state().trace.stand_ins.take().unwrap_or_default();
        let hidden = Redactor::new(&stand_ins);
        // One of several texts that stand in the template was chosen; that shows
        // nothing that is not in the template.
        let is_literal = |text: &str| {
            let quoted = [format!("'{text}'"), format!("\"{text}\"")];
            quoted.iter().any(|quoted| rendering.code.contains(quoted.as_str()))
        };
        let is_alike = is_ok && real.len() == other.len();
        let mut depends = false;
        for (at, text) in real.iter().enumerate() {
            let other = if is_alike { other[at].as_str() } else { "" };
            if text == other || text.is_empty() || is_literal(text) {
                continue;
            }
            depends = true;
            let is_masked = secrets.redactor.mask(text) == hidden.mask(other);
            if !unread && !is_masked && text.len() >= SHORTEST_MASKED_ANYWHERE {
                secrets.learn(&Secret::new(text.as_str()));
            }
        }
        depends
    }

    /// What is printed on the way to the value, and the texts of the value of an
    /// expression; and whether there is a value.
    fn printed(
        self: &Arc<Self>,
        compiled: &Compiled<'_, '_>,
        rendering: &Rendering<'_>,
    ) -> (bool, Vec<String>) {
        PRINTED.set(Some(Vec::new()));
        let file = rendering.span.map(|span| span.file);
        let result = self.within(file, || compiled.render(self));
        self.take_missing();
        self.take_reports();
        let mut printed = PRINTED.take().unwrap_or_default();
        let is_ok = result.is_ok();
        if let (Compiled::Expression(_), Ok(value)) = (compiled, result) {
            texts(&value, &mut |text| printed.push(text.to_owned()));
        }
        (is_ok, printed)
    }
}

impl Trace {
    fn swap(&mut self, value: Value, other: Option<Value>, stand_ins: Vec<Secret>) -> Value {
        let Some(other) = other else { return value };
        self.touched = true;
        match &mut self.stand_ins {
            Some(all) => {
                all.extend(stand_ins);
                other
            }
            None => value,
        }
    }
}
