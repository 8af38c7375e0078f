//! How a connection is made: limits, host keys, compression, the agent and the keys
//! that lie in HOME.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::{expect_error, expect_user, login, who, with};
use crate::connect::Agent;
use crate::in_process::{Fault, ServerOptions};
use crate::lab::{Lab, SshdOptions, Sshoal, User, UserOptions};

#[test]
fn the_limits_on_banner_and_authentication_are_their_own_and_else_the_connections() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = json!({
        "host": "127.0.0.1", "port": silent.local_addr().unwrap().port(), "username": "nobody",
    });
    let stalling = ServerOptions::default()
        .password("deploy", "a-password-of-limits")
        .fault(Fault::StallInAuthentication)
        .start();
    let stalling =
        json!({ "host": stalling.host(), "port": stalling.port(), "username": "deploy" });
    let said = |base: &Value, limits: Value, code: &str| {
        let login = json!({ "password": "a-password-of-limits", "look_for_keys": false });
        expect_error(who(with(with(base.clone(), login), limits)), 4, code)
    };
    // The message tells which limit it was; the others are far off, or far below.
    for (base, code, limits, limit) in [
        (&mute, "banner_timeout", json!({ "timeout": 50, "banner_timeout": 2 }), "2 s"),
        (&mute, "banner_timeout", json!({ "banner_timeout": 3, "auth_timeout": 1 }), "3 s"),
        (&mute, "banner_timeout", json!({ "timeout": 4 }), "4 s"),
        (&stalling, "auth_timeout", json!({ "timeout": 50, "auth_timeout": 2 }), "2 s"),
        (&stalling, "auth_timeout", json!({ "timeout": 5 }), "5 s"),
    ] {
        let message = said(base, limits.clone(), code);
        assert!(message.contains(&format!("within {limit}")), "{limits}: {message}");
    }
}

#[test]
fn compression_is_what_the_request_asks_for() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let server = SshdOptions::default().line("LogLevel DEBUG1").start();
    for (args, compresses) in [
        (json!({}), false),
        (json!({ "compress": false }), false),
        (json!({ "compress": true }), true),
    ] {
        let logged = server.log_size();
        expect_user(who(with(user.password_args(&server), args)), user);
        let log = server.log_since(logged);
        assert_eq!(log.contains("compression: zlib"), compresses, "{log}");
        assert_eq!(log.contains("Enabling compression"), compresses, "{log}");
    }
}

#[test]
fn a_policy_of_warning_warns_in_report_and_output() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let args = with(user.password_args(lab.sshd()), json!({ "host_key_policy": "warning" }));
    let finished = who(args.clone()).status(0).run();
    let report = finished.report();
    let warnings = report.at("/warnings").to_string();
    assert!(warnings.contains("without being saved: ssh-ed25519 SHA256:"), "{warnings}");
    assert!(!finished.home().join(".ssh/known_hosts").exists());

    let request = json!({ "connection_args": args, "command": "true" });
    let shown = Sshoal::new().file("r.json", request.to_string()).args(["request", "r.json"]);
    let finished = shown.status(0).run();
    let all = finished.stdout.clone() + &finished.stderr;
    assert!(all.contains("without being saved"), "{}", finished.transcript());
    // A key that is known is no reason to warn.
    let report = who(args).known_hosts(&lab.sshd().known_hosts()).status(0).run().report();
    assert_eq!(report.at("/warnings"), &json!([]));
}

/// That nothing is left to log in by, which is known before anything connects.
#[track_caller]
fn expect_no_credential(sshoal: Sshoal) {
    let finished = sshoal.stdout("").status(1).run();
    assert!(finished.stderr.contains("credential"), "{}", finished.transcript());
}

#[test]
fn an_agent_is_asked_only_where_it_is_allowed() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let dir = lab.scratch();
    let agent = Agent::start(dir.path());
    agent.add(&user.key.path);
    let base = || login(lab.sshd(), user);
    let with_agent = |args| who(args).env("SSH_AUTH_SOCK", agent.socket());
    expect_user(with_agent(with(base(), json!({ "allow_agent": true }))), user);
    expect_no_credential(with_agent(base()));
    expect_no_credential(with_agent(with(base(), json!({ "allow_agent": false }))));
    // One that nobody can reach is no credential either.
    expect_no_credential(who(with(base(), json!({ "allow_agent": true }))));
}

#[test]
fn keys_in_home_are_found_unless_nobody_may_look() {
    let lab = Lab::get();
    let user: &User = &lab.add_user("home", UserOptions::default());
    let key = |args| who(args).file(".ssh/id_ed25519", user.key.private());
    let base = |look: Value| with(login(lab.sshd(), user), json!({ "look_for_keys": look }));
    expect_user(key(base(json!(true))), user);
    let mut by_default = base(json!(true));
    by_default.as_object_mut().unwrap().remove("look_for_keys");
    expect_user(key(by_default), user);
    expect_no_credential(key(base(json!(false))));
    expect_no_credential(who(base(json!(true))));
}
