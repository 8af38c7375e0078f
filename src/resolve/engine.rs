//! The template language: minijinja, strict, with the filters and functions that
//! playbooks have beside minijinja's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, filters};
use minijinja_contrib::pycompat::unknown_method_callback;
use regex::Regex;

use super::frame::Frame;
use super::taint::note_inner;
use crate::secret::MASK;

/// The name under which functions find the frame that they are called in. No
/// template can spell it.
pub(super) const FRAME: &str = "\u{0}frame";

/// What one rendering may cost: about as many steps, or 64 times as many bytes. A
/// template for a hundred thousand hosts stays far below; one whose loops would
/// never end in practice stops within about a second.
const FUEL: u64 = 5_000_000;

/// An environment in which undefined names are errors and texts stay as written.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(syntax());
    // The methods that texts, lists and mappings have in Python, and so in Ansible.
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // Debug mode copies the source into every error; ranges come without it.
    environment.set_debug(false);
    environment.set_formatter(super::taint::print);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("b64encode", |text: &str| {
        note_inner(text);
        STANDARD.encode(text)
    });
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("quote", |text: &str| {
        note_inner(text);
        quote(text)
    });
    environment.add_filter("to_json", to_json);
    environment.add_filter("from_json", from_json);
    environment.add_filter("to_yaml", to_yaml);
    environment.add_filter("regex_replace", regex_replace);
    environment.add_function("env", env);
    environment.add_function("file", file);
    environment.add_function("vault", super::vault::vault);
    environment
}

/// Where code begins and ends.
pub(super) fn syntax() -> SyntaxConfig {
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    syntax.expect("the default delimiters are valid")
}

fn failed(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// minijinja's `int`, which takes a text with blanks around its number as Python does:
/// the output of a command ends with a newline.
fn int(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    filters::int(state, &trimmed(value), default, base, kwargs)
}

/// The same of `float`.
fn float(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    filters::float(state, &trimmed(value), default, kwargs)
}

fn trimmed(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => Value::from(text.trim()),
        None => value.clone(),
    }
}

/// Quotes a text for a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn b64decode(text: &str) -> Result<String, Error> {
    let bytes = STANDARD
        .decode(text.trim())
        .map_err(|error| failed(format!("`b64decode`: not base64: {error}")))?;
    String::from_utf8(bytes).map_err(|_| failed("`b64decode`: the content is not UTF-8".into()))
}

/// A filter that takes any value is handed an undefined one as well.
fn defined(value: &Value) -> Result<&Value, Error> {
    match value.is_undefined() {
        true => Err(Error::from(ErrorKind::UndefinedError)),
        false => Ok(value),
    }
}

fn to_json(value: &Value) -> Result<String, Error> {
    let value = defined(value)?;
    serde_json::to_string(value).map_err(|error| failed(format!("`to_json`: {error}")))
}

fn from_json(text: &str) -> Result<Value, Error> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| failed(format!("`from_json`: not JSON: {error}")))?;
    Ok(Value::from(Serde(value)))
}

fn to_yaml(value: &Value) -> Result<String, Error> {
    let value = defined(value)?;
    crate::load::to_yaml(value).map_err(|error| failed(format!("`to_yaml`: {error}")))
}

fn regex_replace(text: &str, pattern: &str, replacement: &str) -> Result<String, Error> {
    let regex = Regex::new(pattern).map_err(|error| failed(format!("`regex_replace`: {error}")))?;
    // Ansible's back references are `\1`; the regex crate's are `${1}`.
    let references = Regex::new(r"\\(\d+)").expect("the pattern is constant");
    let replacement = references.replace_all(replacement, "$${$1}");
    Ok(regex.replace_all(text, replacement.as_ref()).into_owned())
}

fn env(state: &State<'_, '_>, name: &str, default: Option<Value>) -> Result<Value, Error> {
    let frame = state.lookup(FRAME);
    let frame = frame.as_ref().and_then(|frame| frame.downcast_object_ref::<Frame>());
    match (std::env::var(name), default, frame) {
        (Ok(value), ..) => Ok(leaf(state, Value::from(value))),
        (Err(_), Some(default), _) => Ok(default),
        (Err(_), None, Some(frame)) if !frame.scope.world.is_runner => {
            frame.note_unread(true);
            Ok(Value::from(MASK))
        }
        (Err(_), None, _) => Err(failed(format!(
            "the environment variable `{name}` is not set; `env('{name}', 'default')` gives a default"
        ))),
    }
}

fn file(state: &State<'_, '_>, path: &str) -> Result<Value, Error> {
    let frame = state.lookup(FRAME);
    let frame = frame.as_ref().and_then(|frame| frame.downcast_object_ref::<Frame>());
    let path = frame.map_or_else(|| path.into(), |frame| frame.path(path));
    crate::local_file::read_to_string(&path)
        .map(|text| leaf(state, Value::from(text.trim_end_matches('\n'))))
        .map_err(|error| failed(format!("cannot read `{}`: {error}", path.display())))
}

/// A value from outside, which may be a secret that the frame knows.
fn leaf(state: &State<'_, '_>, value: Value) -> Value {
    let frame = state.lookup(FRAME);
    match frame.as_ref().and_then(|frame| frame.downcast_object_ref::<Frame>()) {
        Some(frame) => frame.leaf(value),
        None => value,
    }
}
