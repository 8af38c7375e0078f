//! The rows of the fault table.

use std::time::Duration;

use serde_json::{Value, json};

use super::Case;
use super::peer::{Damage, Peer};
use crate::in_process::Fault;

/// Time enough for a command to print something, however busy the machine is.
const SOON: Duration = Duration::from_secs(4);
const SECOND: Duration = Duration::from_secs(1);
const MEGABYTE: u64 = 1024 * 1024;

/// A case in which the connection fails at once.
fn case(name: &'static str, peer: fn() -> Peer) -> Case {
    Case {
        name,
        peer,
        command: "echo fine",
        file_transfer: None,
        driver_args: json!({}),
        connection_args: json!({}),
        outcome: "unreachable",
        code: "",
        message: "",
        limit: 0.0,
        waits: false,
        also: |_, _| {},
    }
}

/// A case in which a command meets the fault.
fn command(name: &'static str, peer: fn() -> Peer, line: &'static str) -> Case {
    Case { command: line, outcome: "failed", ..case(name, peer) }
}

/// A case in which a command runs into its limit of one second.
fn slow(name: &'static str, peer: fn() -> Peer, line: &'static str) -> Case {
    Case {
        driver_args: json!({"timeout": 1}),
        outcome: "timed_out",
        code: "command_timeout",
        limit: 1.0,
        waits: true,
        ..command(name, peer, line)
    }
}

/// A case in which an upload meets the fault.
fn upload(name: &'static str, peer: fn() -> Peer) -> Case {
    Case {
        file_transfer: Some(json!({
            "operation": "upload", "local_path": "data", "remote_path": "target",
        })),
        outcome: "failed",
        also: |_, peer| assert!(!peer.home.join("target").exists(), "half a file is there"),
        ..case(name, peer)
    }
}

/// A case in which a download meets the fault.
fn download(name: &'static str, peer: fn() -> Peer) -> Case {
    Case {
        file_transfer: Some(json!({
            "operation": "download", "local_path": "got-{{ inventory_hostname }}",
            "remote_path": "data",
        })),
        outcome: "failed",
        ..case(name, peer)
    }
}

/// What was printed before the fault is in the report.
fn begun(task: &Value, _: &Peer) {
    assert_eq!(task["results"][0]["output"], "begun\n", "{task:#}");
}

pub(super) fn table() -> Vec<Case> {
    let mut cases = on_the_way();
    cases.extend(in_commands());
    cases.extend(in_transfers());
    cases
}

fn on_the_way() -> Vec<Case> {
    vec![
        Case {
            code: "connect_refused",
            message: "refused the connection",
            ..case("connection refused", || Peer::with(Fault::Refuse))
        },
        Case {
            code: "connect_timeout",
            connection_args: json!({"timeout": 1}),
            message: "did not answer within 1 s",
            limit: 1.0,
            waits: true,
            ..case("black hole", Peer::black_hole)
        },
        Case {
            code: "banner_timeout",
            connection_args: json!({"banner_timeout": 1}),
            message: "sent no SSH banner within 1 s",
            limit: 1.0,
            waits: true,
            ..case("silence before the banner", || Peer::with(Fault::BlackHole))
        },
        Case {
            code: "connect_failed",
            // Whether the connection counts as made by then is up to the kernel, and
            // so is what the message says.
            connection_args: json!({"timeout": 1}),
            limit: 1.0,
            ..case("reset before the banner", || Peer::with(Fault::ResetBeforeBanner))
        },
        Case {
            code: "handshake_failed",
            connection_args: json!({"banner_timeout": 1}),
            message: "is no SSH server: it answered `220 mail.example.com ESMTP ready`",
            limit: 1.0,
            ..case("garbage banner", || Peer::with(Fault::GarbageBanner))
        },
        Case {
            code: "handshake_failed",
            connection_args: json!({"timeout": 1}),
            message: "did not finish within 1 s",
            limit: 1.0,
            waits: true,
            ..case("stall in key exchange", || Peer::with(Fault::StallInKeyExchange))
        },
        Case {
            code: "host_key_changed",
            message: "has changed",
            ..case("host key changed", Peer::with_another_key)
        },
        Case {
            code: "auth_timeout",
            connection_args: json!({"auth_timeout": 1}),
            message: "within 1 s",
            limit: 1.0,
            waits: true,
            ..case("stall in authentication", || Peer::with(Fault::StallInAuthentication))
        },
        Case {
            code: "banner_timeout",
            connection_args: json!({"banner_timeout": 1}),
            message: "sent no SSH banner within 1 s",
            limit: 1.0,
            waits: true,
            ..case("one byte per second", || Peer::behind(Damage::Trickle(SECOND)))
        },
    ]
}

fn in_commands() -> Vec<Case> {
    const LINE: &str = "echo begun; sleep 4326";
    vec![
        slow("stall after authentication", || Peer::with(Fault::StallAfterAuthentication), "true"),
        Case {
            connection_args: json!({"keepalive": 1}),
            outcome: "unreachable",
            code: "connection_lost",
            message: "nothing heard for 1 s",
            limit: 1.0,
            waits: true,
            ..command(
                "the same, without a limit",
                || Peer::with(Fault::StallAfterAuthentication),
                "true",
            )
        },
        Case {
            outcome: "unreachable",
            code: "connection_lost",
            message: "may still run on the host",
            limit: SOON.as_secs_f64(),
            also: begun,
            ..command("drop in mid command", || Peer::with(Fault::DropMidCommand(SOON)), LINE)
        },
        Case {
            driver_args: json!({"timeout": 7}),
            message: "could not be ended",
            limit: 7.0,
            also: begun,
            ..slow("stall in mid command", || Peer::with(Fault::StallMidCommand(SOON)), LINE)
        },
        Case {
            connection_args: json!({"keepalive": 3}),
            outcome: "unreachable",
            code: "connection_lost",
            message: "may still run on the host",
            limit: 3.0 + SOON.as_secs_f64(),
            also: begun,
            ..command(
                "the same, without a limit",
                || Peer::with(Fault::StallMidCommand(SOON)),
                LINE,
            )
        },
        Case {
            code: "channel_refused",
            message: "refused a channel",
            ..command("channel refused", || Peer::with(Fault::RefuseChannels), "true")
        },
        Case {
            code: "channel_refused",
            message: "refused to run the command",
            ..command("exec refused", || Peer::with(Fault::RefuseExec), "true")
        },
        Case {
            driver_args: json!({"timeout": 30}),
            outcome: "changed",
            // Two streams of 16 MiB through a debug build's server.
            limit: 20.0,
            also: |task, _| {
                let result = &task["results"][0];
                assert_eq!(result["truncated"], true);
                assert_eq!(result["output_bytes"], 16 * MEGABYTE);
                assert_eq!(result["error_bytes"], 16 * MEGABYTE);
            },
            ..command("output flood", || Peer::with(Fault::Flood(16 * MEGABYTE)), "true")
        },
        Case {
            driver_args: json!({"timeout": 5}),
            limit: 5.0,
            also: |task, _| assert_eq!(task["results"][0]["truncated"], true),
            ..slow("endless output flood", || Peer::with(Fault::Flood(u64::MAX)), "true")
        },
        Case {
            driver_args: json!({"timeout": 5}),
            limit: 5.0,
            also: |task, _| assert_eq!(task["results"][0]["output"], "a", "{task:#}"),
            ..slow(
                "output of a byte now and then",
                || Peer::with(Fault::Trickle(30 * SECOND)),
                "echo abc",
            )
        },
    ]
}

fn in_transfers() -> Vec<Case> {
    vec![
        Case {
            outcome: "unreachable",
            code: "connection_lost",
            limit: 1.0,
            ..upload("drop in mid transfer", || Peer::behind(Damage::CutAfter(MEGABYTE)))
        },
        Case {
            driver_args: json!({"timeout": 1}),
            outcome: "timed_out",
            code: "transfer_timeout",
            limit: 1.0,
            waits: true,
            ..upload("stall in mid transfer", || Peer::behind(Damage::SilentAfter(MEGABYTE)))
        },
        Case {
            outcome: "unreachable",
            code: "connection_lost",
            limit: 1.0,
            ..download("drop in mid download", || Peer::behind(Damage::CutAfterReceiving(MEGABYTE)))
        },
        Case {
            driver_args: json!({"timeout": 2}),
            outcome: "timed_out",
            code: "transfer_timeout",
            limit: 2.0,
            waits: true,
            ..download("stall in mid download", || {
                Peer::behind(Damage::SilentAfterReceiving(MEGABYTE))
            })
        },
        Case {
            code: "channel_refused",
            message: "offers no SFTP",
            ..upload("SFTP subsystem missing", || Peer::with(Fault::NoSftp))
        },
        Case {
            code: "transfer_no_space",
            limit: 1.0,
            also: |_, peer| assert_eq!(peer.files(), [] as [String; 0]),
            ..upload("disk full", Peer::with_a_small_disk)
        },
    ]
}
