//! Hosts that are named right on the command line.

use super::{RawGroup, RawHost, named, range};
use crate::load::decode::{At, Decoder};
use crate::load::error::LoadError;
use crate::load::source::Span;

/// Names without variables, as `-i host1,host2,` has them.
pub(super) fn read(text: &str, whole: Span, decoder: &mut Decoder) -> Vec<RawGroup> {
    let mut hosts: Vec<RawHost> = Vec::new();
    let mut start = 0;
    for part in text.split(',') {
        let name = part.trim();
        let at = start + part.len() - part.trim_start().len();
        start += part.len() + 1;
        if name.is_empty() {
            continue;
        }
        let place = Span { start: at, len: name.len(), ..whole };
        let (host, port) = match name.contains('[') && !name.contains("]:") {
            true => (name, None),
            false => range::address(name),
        };
        let port = match port.map(str::parse::<u16>) {
            Some(Err(_)) => {
                let message = format!("`{name}` has no port from 1 to 65535");
                let help = "write a host as `name`, `name:port` or `[address]:port`".to_owned();
                decoder.report(LoadError::Conflict { message, help }, Some(place));
                continue;
            }
            port => port.and_then(Result::ok),
        };
        let name: At<String> = named(host, Some(place));
        hosts.push(RawHost { name, port, layer: None });
    }
    vec![RawGroup { hosts, ..RawGroup::empty("ungrouped", None) }]
}
