//! What an inventory written for Ansible asks for and sshoal cannot do. It is an
//! error only for hosts that are used.

use std::sync::Arc;

use super::collect::Collect;
use super::error::PlanError;
use crate::diagnostic::Problem;
use crate::load::ansible_vars::{BECOME_METHOD, CONNECTION, foreign_proxy, is_ssh, is_sudo};
use crate::load::decode::{At, Templated, is_template};
use crate::load::node::{Kind, Node};
use crate::load::request::ConnectionArgs;
use crate::resolve::frame::Frame;
use crate::resolve::render::Miss;
use crate::resolve::scope::Scope;

/// Whether the host can be reached the way that its variables say; if not, the
/// problems tell why.
pub(super) fn check(
    scope: &Scope,
    connection: &ConnectionArgs,
    problems: &mut Vec<Problem>,
) -> bool {
    let before = problems.len();
    let layers = || scope.world.extra.iter().rev().chain(scope.layers.iter().rev());
    let written = layers().find_map(|layer| layer.get(CONNECTION));
    if let Some(node) = written
        && let Kind::Text(text, _) = &node.kind
    {
        let at = At { value: templated(text), span: node.span, key: node.span };
        match Frame::of_scope(scope.clone()).value(&at, "`ansible_connection`") {
            Ok(name) if is_ssh(&name) => {}
            Ok(name) => {
                let error = PlanError::Unfitting {
                    message: format!("`ansible_connection: {name}` is not one that sshoal has"),
                    help: "sshoal reaches hosts over SSH: leave the host out of the pattern, or \
                           set `ansible_connection: ssh`"
                        .to_owned(),
                };
                problems.push(Problem::new(error, node.span).on_host(&scope.host));
            }
            Err(Miss::Problems(found)) => {
                problems.extend(found.into_iter().map(|problem| problem.on_host(&scope.host)))
            }
            Err(Miss::Pending(_)) => {}
        }
    }
    if connection.proxy_host.is_none()
        && let Some((name, node)) = layers().find_map(|layer| foreign_proxy(layer))
    {
        let error = PlanError::Unfitting {
            message: format!("the `ProxyCommand` in `{name}` is not one that sshoal has"),
            help: "name a jump host: `-J user@host`, `-o ProxyJump=…`, or \
                   `connection_args: { proxy_host: … }`"
                .to_owned(),
        };
        problems.push(Problem::new(error, node.span).on_host(&scope.host));
    }
    problems.len() == before
}

/// Refuses to run through sudo what Ansible would run through something else.
pub(super) fn check_method(frame: &Arc<Frame>, collect: &mut Collect) {
    let scope = frame.scope();
    let layers = scope.world.extra.iter().rev().chain(scope.layers.iter().rev());
    let node = layers.into_iter().find_map(|layer| layer.get(BECOME_METHOD));
    let Some(Node { kind: Kind::Text(text, _), span }) = node else { return };
    let at = At { value: templated(text), span: *span, key: *span };
    let Some(method) = collect.value(frame, Some(&at), BECOME_METHOD) else { return };
    if !is_sudo(&method) {
        let error = PlanError::Unfitting {
            message: format!("`{BECOME_METHOD}: {method}` is not one that sshoal has"),
            help: "sshoal becomes another user with sudo: leave the host out of the pattern, or \
                   set `ansible_become_method: sudo`"
                .to_owned(),
        };
        collect.error(error, Some(&at));
    }
}

fn templated(text: &str) -> Templated<String> {
    match is_template(text) {
        true => Templated::Template(text.to_owned()),
        false => Templated::Value(text.to_owned()),
    }
}
