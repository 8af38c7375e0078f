//! Parameters and flags of connections and commands, each told apart from its
//! neighbours, through the real program against real servers.

mod commands;
mod connecting;
mod flags;
mod jumping;
mod source;

use serde_json::{Value, json};

use crate::lab::{Lab, Report, Sshd, Sshoal, User};

/// `connection_args` of `user` on `server`, without any credential.
fn login(server: &Sshd, user: &User) -> Value {
    json!({
        "host": server.address(), "port": server.port(), "username": user.name,
        "look_for_keys": false,
    })
}

/// `base` with more keys, or with other values for those that it has.
fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} is no mapping") };
    base.as_object_mut().unwrap().extend(more);
    base
}

/// A request that tells who has logged in.
fn who(connection_args: Value) -> Sshoal {
    Sshoal::new().request(&json!({ "connection_args": connection_args, "command": "id -un" }))
}

/// That the request ran as `user`.
#[track_caller]
fn expect_user(sshoal: Sshoal, user: &User) -> Report {
    let report = sshoal.status(0).run().report();
    assert_eq!(report.only_results()[0]["output"], format!("{}\n", user.name));
    report
}

/// The message of a request that fails with this exit status and code.
#[track_caller]
fn expect_error(sshoal: Sshoal, status: i32, code: &str) -> String {
    let finished = sshoal.run();
    let report = finished.expect_status(status).report();
    let error = &report.only_task()["error"];
    assert_eq!(error["code"], code, "{}", finished.transcript());
    error["message"].as_str().unwrap().to_owned()
}

/// The result of a command of the lab's plain user.
#[track_caller]
fn result(lab: &Lab, request: Value, status: i32) -> Vec<Value> {
    let args = lab.users.plain.password_args(lab.sshd());
    let request = with(json!({ "connection_args": args }), request);
    Sshoal::new().request(&request).status(status).run().report().only_results().to_vec()
}
