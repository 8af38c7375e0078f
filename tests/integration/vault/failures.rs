//! What keeps a secret from being read: each reason told apart, with the place of
//! the reference, before any host is touched.

use std::net::TcpListener;

use serde_json::json;

use super::Trap;
use crate::lab::{Finished, OpenBao, Sshoal, random_text};

/// A request file with a reference in line 5, for a host that must stay untouched.
fn with_reference(sshoal: Sshoal, trap: &Trap, reference: &str) -> Sshoal {
    let text = format!(
        "{{\n  \"connection_args\": {{\n    \"host\": \"127.0.0.1\",\n    \"port\": {},\n    \"credential_ref\": {reference}\n  }},\n  \"command\": \"true\"\n}}\n",
        trap.port()
    );
    sshoal.file("request.json", text).args(["request", "request.json", "-o", "json"])
}

/// That nothing ran, for this reason.
#[track_caller]
pub(super) fn expect_refusal(finished: &Finished, code: &str, words: &str) {
    finished.expect_status(1);
    let Finished { stdout, stderr, .. } = finished;
    assert_eq!(stdout, "", "{}", finished.transcript());
    let first = stderr.lines().next().unwrap_or_default();
    assert_eq!(first, code, "{}", finished.transcript());
    // The lines of a diagnostic are wrapped.
    let words_in = stderr.split_whitespace().filter(|word| *word != "│");
    let flat = words_in.collect::<Vec<_>>().join(" ");
    assert!(flat.contains(words), "no `{words}`\n{}", finished.transcript());
    assert!(flat.ends_with("nothing was run"), "{}", finished.transcript());
}

/// That a reference is refused at its place, and no host touched.
#[track_caller]
fn expect_refused(sshoal: Sshoal, reference: &str, code: &str, words: &str) {
    let trap = Trap::set();
    let finished = with_reference(sshoal, &trap, reference).run();
    expect_refusal(&finished, code, words);
    assert!(finished.stderr.contains("request.json:5:"), "{}", finished.transcript());
    trap.expect_untouched();
}

#[test]
fn each_refusal_of_the_server_is_told_apart() {
    let bao = OpenBao::get();
    let password = random_text(20);
    let put = |path: &str, fields| bao.put(&format!("refused/{path}"), &fields);
    put("full", json!({ "username": "u", "password": password }));
    put("no-user", json!({ "user": "u", "password": password }));
    put("no-password", json!({ "username": "u", "pin": password }));
    put("empty", json!({ "username": "u", "password": "" }));
    put("list", json!({ "username": "u", "password": [password] }));
    put("bad-key", json!({ "username": "u", "pkey": password }));
    put("gone", json!({ "username": "u", "password": password }));
    let delete = json!({ "versions": [1] });
    bao.call("", "secret/delete/refused/gone", Some(&delete));
    bao.call("", "sys/mounts/old", Some(&json!({ "type": "kv", "options": { "version": "1" } })));
    bao.call("", "old/refused", Some(&json!({ "username": "u", "password": password })));
    for (reference, code, words) in [
        ("\"refused/nothing\"", "not_found", "no secret `secret/refused/nothing` (404)"),
        ("\"secret/refused/full\"", "not_found", "leave out `secret/`"),
        ("{\"path\": \"refused/full\", \"version\": 9}", "not_found", "the version"),
        ("\"refused/gone\"", "deleted", "`secret/refused/gone` is deleted"),
        ("\"refused/no-user\"", "missing_field", "no field `username`"),
        ("\"refused/no-user\"", "missing_field", "it has `password`, `user`"),
        ("\"refused/no-password\"", "missing_field", "no field `password`"),
        (
            "{\"path\": \"refused/full\", \"username_key\": \"login\"}",
            "missing_field",
            "no field `login`",
        ),
        ("\"refused/empty\"", "field_value", "the field `password` of the secret"),
        ("\"refused/empty\"", "field_value", "is empty"),
        ("\"refused/list\"", "field_type", "is a list, not a text"),
        ("{\"path\": \"refused/full\", \"mount\": \"none\"}", "no_mount", "mounted at `none`"),
        ("{\"path\": \"refused\", \"mount\": \"old\"}", "not_kv2", "a KV version 1 engine"),
        ("\"../../sys/seal\"", "bad_path", "`..`"),
        ("\"\"", "bad_path", "it is empty"),
    ] {
        let sshoal = bao.sshoal_as_root().forbid(&password);
        expect_refused(sshoal, reference, &format!("credential::{code}"), words);
    }
    let sshoal = bao.sshoal_as_root().forbid(&password);
    expect_refused(
        sshoal,
        "\"refused/bad-key\"",
        "plan::private_key",
        "`pkey` of `credential_ref`",
    );

    // A token that may read something else, and one that is none.
    for token in [bao.token("elsewhere"), random_text(26)] {
        let words = "`read` on `secret/data/refused/full`";
        let reference = "\"refused/full\"";
        expect_refused(bao.sshoal(&token), reference, "credential::forbidden", words);
    }
}

#[test]
fn a_sealed_server_says_so() {
    let bao = OpenBao::start();
    bao.call("", "sys/seal", Some(&json!({})));
    expect_refused(bao.sshoal_as_root(), "\"a\"", "credential::sealed", "is sealed");
}

#[test]
fn what_cannot_be_asked_is_told_apart() {
    let token = random_text(26);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = format!("http://{nobody}");
    let at = |address: &str| Sshoal::new().env("VAULT_ADDR", address);
    let with_token = |address: &str| at(address).env("VAULT_TOKEN", &token).forbid(&token);
    let refused = |sshoal, code: &str, words| {
        expect_refused(sshoal, "\"a/b\"", &format!("credential::{code}"), words);
    };
    refused(with_token(&unreachable), "unreachable", "it refuses the connection");
    let unknown = "http://vault.does-not-exist.invalid:8200";
    refused(with_token(unknown), "unreachable", "cannot be resolved");
    refused(Sshoal::new().env("VAULT_TOKEN", &token), "no_address", "`VAULT_ADDR` is not set");
    refused(with_token("vault:8200"), "bad_address", "neither http:// nor https://");
    refused(at(&unreachable), "no_token", "`VAULT_TOKEN` is not set");
    let half = at(&unreachable).env("VAULT_ROLE_ID", &token);
    refused(half, "half_app_role", "`VAULT_SECRET_ID` is not set");
    let ca = with_token(&unreachable).env("VAULT_CACERT", "/nonexistent.pem");
    refused(ca, "ca_file", "/nonexistent.pem");
    // A password in the address shows nowhere.
    let bad = with_token("http://me:geheim77@127.0.0.1:1").forbid("geheim77");
    refused(bad, "bad_address", "it holds a user name");
}

#[test]
fn a_server_that_stalls_costs_ten_seconds_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let token = random_text(26);
    let trap = Trap::set();
    let request = |path: &str| {
        json!({
            "connection_args": { "host": "127.0.0.1", "port": trap.port(), "credential_ref": path },
            "command": "true",
        })
    };
    let finished = Sshoal::new()
        .env("VAULT_ADDR", &address)
        .env("VAULT_TOKEN", &token)
        .forbid(&token)
        .request(&json!([request("a"), request("b"), request("c")]))
        .run();
    finished.expect_status(1);
    assert!(finished.stderr.contains("3 problems; nothing was run"), "{}", finished.transcript());
    assert!(finished.stderr.contains("did not answer within 10 s"), "{}", finished.transcript());
    assert!(finished.duration.as_secs_f64() < 12.0, "took {:?}", finished.duration);
    trap.expect_untouched();
    drop(listener);
}
