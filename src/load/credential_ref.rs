//! `credential_ref`: where in a vault the login stands, and how it goes together
//! with a login that is written out.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{At, Decode, Decoder, Templated};
use super::error::LoadError;
use super::mapping::mapping;
use super::node::{Kind, Node};
use super::request::ConnectionArgs;

mapping! {
    /// Where in a vault the login stands.
    "`credential_ref`" struct CredentialKeys {
        /// Path of the secret below the mount, such as `servers/prod/admin`.
        path: Templated<String>,
        /// Mount of the KV version 2 engine. Default `secret`.
        mount: Templated<String>,
        /// Version of the secret. Default: the latest.
        version: Templated<u32>,
        /// Field that holds the login user. Default `username`.
        username_key: Templated<String>,
        /// Field that holds the password. Default `password`.
        password_key: Templated<String>,
    }
}

/// A `credential_ref`: a path, or a mapping with one.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialRef(pub CredentialKeys);

impl JsonSchema for CredentialRef {
    fn schema_name() -> Cow<'static, str> {
        "CredentialRef".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<CredentialKeys>();
        json_schema!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            {
                "allOf": [keys],
                "required": ["path"],
                "properties": { "path": { "type": ["string", "number"] } },
            },
        ] })
    }
}

impl Decode for CredentialRef {
    fn decode(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::Map(_) => {
                let keys = CredentialKeys::decode(node, what, decoder)?;
                if keys.path.is_none() {
                    let error = LoadError::MissingKey {
                        key: "path".to_owned(),
                        within: what.to_owned(),
                        help: "say which secret: `path: servers/prod/admin`".to_owned(),
                    };
                    decoder.report(error, node.span);
                    return None;
                }
                Some(Self(keys))
            }
            Kind::Text(..) => {
                let path = Templated::decode(node, what, decoder)?;
                let path = At { value: path, span: node.span, key: node.span };
                Some(Self(CredentialKeys { path: Some(path), ..CredentialKeys::default() }))
            }
            _ => {
                let help = "write the path of the secret, such as `servers/prod/admin`";
                decoder.wrong_type(node, what, "a path, or a mapping with `path`", help);
                None
            }
        }
    }
}

/// Reports a `credential_ref` beside a login that is written out: one of them
/// would silently lose.
pub(super) fn check(args: &ConnectionArgs, decoder: &mut Decoder) {
    if args.credential_ref.is_none() {
        return;
    }
    let direct = [("username", &args.username), ("password", &args.password)];
    for (key, at) in direct {
        let Some(at) = at else { continue };
        let error = LoadError::Conflict {
            message: format!("`credential_ref` and `{key}` exclude each other"),
            help: format!("remove `{key}`: it comes from the secret"),
        };
        decoder.report(error, at.key);
    }
}

/// What `upper` inherits from `lower`. A login is one thing, whichever form it
/// has: a `credential_ref` replaces all of an inherited one, and an inherited
/// `credential_ref` gives way to a `username` or `password` above it.
pub(super) fn inherited<'l>(
    upper: &ConnectionArgs,
    lower: &'l ConnectionArgs,
) -> Cow<'l, ConnectionArgs> {
    let mut inherited = Cow::Borrowed(lower);
    if upper.credential_ref.is_some() {
        let lower = inherited.to_mut();
        lower.username = None;
        lower.password = None;
        lower.pkey = None;
        lower.key_filename = None;
        lower.passphrase = None;
    } else if lower.credential_ref.is_some()
        && (upper.username.is_some() || upper.password.is_some())
    {
        inherited.to_mut().credential_ref = None;
    }
    inherited
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<At<Templated<String>>> {
        Some(At::nowhere(Templated::Value(text.to_owned())))
    }

    fn reference(path: &str) -> ConnectionArgs {
        let keys = CredentialKeys { path: text(path), ..CredentialKeys::default() };
        let credential_ref = Some(At::nowhere(CredentialRef(keys)));
        ConnectionArgs { credential_ref, ..ConnectionArgs::default() }
    }

    #[test]
    fn a_reference_replaces_an_inherited_login_and_nothing_else() {
        let lower = ConnectionArgs {
            host: text("h"),
            username: text("u"),
            password: text("p"),
            pkey: text("k"),
            key_filename: text("f"),
            passphrase: text("s"),
            proxy_password: text("pp"),
            ..ConnectionArgs::default()
        };
        let merged = reference("a/b").over(&lower);
        let expected = ConnectionArgs {
            host: text("h"),
            proxy_password: text("pp"),
            credential_ref: reference("a/b").credential_ref,
            ..ConnectionArgs::default()
        };
        assert_eq!(merged, expected);
    }

    #[test]
    fn a_login_replaces_an_inherited_reference() {
        let user = ConnectionArgs { username: text("u"), ..ConnectionArgs::default() };
        assert_eq!(user.clone().over(&reference("a")), user);
        let port = ConnectionArgs { host: text("h"), ..ConnectionArgs::default() };
        assert_eq!(port.over(&reference("a")).credential_ref, reference("a").credential_ref);
        assert_eq!(reference("b").over(&reference("a")), reference("b"));
        // The nearer one wins along a chain of three as well.
        assert_eq!(reference("b").over(&user.over(&reference("a"))), reference("b"));
    }
}
