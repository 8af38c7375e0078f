//! The templates of a play or a task, wherever in it they stand: for checks that
//! need no host.

use super::credential_ref::CredentialRef;
use super::decode::{At, OneOrMany, Templated};
use super::node::{Kind, Node};
use super::playbook::{Condition, Driver, LoopItems, Vars};
use super::project::Forks;
use super::source::Span;
use super::tags::Tags;
use super::values::{EnvironmentMap, OutputName};

/// A template, or the expression of a condition.
#[derive(Debug, Clone, Copy)]
pub struct Text<'t> {
    /// The template.
    pub text: &'t str,
    /// Where it stands.
    pub span: Option<Span>,
    /// Whether it is an expression without braces.
    pub is_condition: bool,
}

/// What may have templates in it.
pub trait Texts {
    /// Shows each of them to `visit`; `span` is the place of the whole.
    ///
    /// Variables are left out: they are rendered where they are used, and do no harm
    /// where they are not.
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>));
}

impl<T: Texts> Texts for At<T> {
    fn texts<'t>(&'t self, _: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        self.value.texts(self.span, visit);
    }
}

impl<T: Texts> Texts for Option<T> {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        self.iter().for_each(|inner| inner.texts(span, visit));
    }
}

impl<T: Texts> Texts for Vec<T> {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        self.iter().for_each(|inner| inner.texts(span, visit));
    }
}

impl<T: Texts> Texts for OneOrMany<T> {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        match self {
            Self::One(one) => one.texts(span, visit),
            Self::Many(many) => many.texts(span, visit),
        }
    }
}

impl<T> Texts for Templated<T> {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        if let Self::Template(text) = self {
            visit(Text { text, span, is_condition: false });
        }
    }
}

impl Texts for Condition {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        if let Self::Expression(text) = self {
            visit(Text { text, span, is_condition: true });
        }
    }
}

impl Texts for LoopItems {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        match self {
            Self::Template(text) => visit(Text { text, span, is_condition: false }),
            Self::List(nodes) => nodes.texts(span, visit),
        }
    }
}

impl Texts for Node {
    fn texts<'t>(&'t self, _: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        match &self.kind {
            Kind::Text(text, _) if super::decode::is_template(text) => {
                visit(Text { text, span: self.span, is_condition: false });
            }
            Kind::List(items) => items.texts(None, visit),
            Kind::Map(map) => map.values().for_each(|entry| entry.value.texts(None, visit)),
            _ => {}
        }
    }
}

impl Texts for Tags {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        self.0.texts(span, visit);
    }
}

impl Texts for EnvironmentMap {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        self.0.values().for_each(|value| value.texts(span, visit));
    }
}

impl Texts for CredentialRef {
    fn texts<'t>(&'t self, span: Option<Span>, visit: &mut dyn FnMut(Text<'t>)) {
        self.0.texts(span, visit);
    }
}

macro_rules! without_templates {
    ($($type:ty),*) => {$(
        impl Texts for $type {
            fn texts<'t>(&'t self, _: Option<Span>, _: &mut dyn FnMut(Text<'t>)) {}
        }
    )*};
}

without_templates!(Driver, Forks, OutputName, String, Vars, bool);
