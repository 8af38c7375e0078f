use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const TOKEN: &str = "s.thisTokenMustNotShow";
const LIMIT: Duration = Duration::from_secs(2);

fn client(address: &str) -> VaultClient {
    let environment = Environment {
        address: Some(address.to_owned()),
        token: Some(Secret::new(TOKEN)),
        token_file: PathBuf::from("/nonexistent/.vault-token"),
        ..Environment::default()
    };
    VaultClient::new(environment).limit(LIMIT)
}

fn reference() -> Reference {
    Reference::new("secret", "servers/prod/admin", None).unwrap()
}

/// A server that does `answer` with every connection after it has read a request.
fn server(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            answer(&mut stream);
        }
    });
    (address, served)
}

/// A server that answers every request with this.
fn answering(status: &str, body: &str) -> String {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    server(move |stream| {
        let _ = stream.write_all(answer.as_bytes());
    })
    .0
}

#[track_caller]
fn error_of(client: &VaultClient) -> VaultError {
    let started = Instant::now();
    let error = client.read(&reference()).unwrap_err();
    assert!(started.elapsed() < LIMIT + Duration::from_secs(5), "took {:?}", started.elapsed());
    let shown =
        format!("{error} {error:?} {:?}", miette::Diagnostic::help(&error).map(|h| h.to_string()));
    assert!(!shown.contains(TOKEN), "the token shows in {shown}");
    error
}

#[test]
fn hostile_servers_are_bounded_in_time_and_size() {
    let timeout = |address: &str| VaultError::Timeout { address: address.to_owned(), seconds: 2 };
    // Nothing at all.
    let (silent, _) = server(|_| thread::sleep(Duration::from_secs(30)));
    assert_eq!(error_of(&client(&silent)), timeout(&silent));
    // A byte now and then, in the header and in the body.
    for start in ["HTTP/1.1 200 OK\r\nX-A: ", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"] {
        let (trickling, _) = server(move |stream| {
            let _ = stream.write_all(start.as_bytes());
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        });
        assert_eq!(error_of(&client(&trickling)), timeout(&trickling), "{start}");
    }
    // A body without end.
    let (endless, _) = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    match error_of(&client(&endless)) {
        VaultError::Malformed { reason, .. } => {
            assert_eq!(reason, "its answer is longer than 4 MiB")
        }
        other => panic!("{other:?}"),
    }
    // A header without end.
    let (headed, _) = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-Filler: 0123456789012345678901234567890123456789\r\n").is_ok() {}
    });
    assert!(matches!(error_of(&client(&headed)), VaultError::Malformed { .. }));
    // A port where TLS is expected and never spoken.
    let (mute, _) = server(|_| thread::sleep(Duration::from_secs(30)));
    let mute = mute.replace("http:", "https:");
    assert_eq!(error_of(&client(&mute)), timeout(&mute));
}

#[test]
fn answers_that_are_none_are_told_apart() {
    let malformed = |body: &str| match error_of(&client(&answering("200 OK", body))) {
        VaultError::Malformed { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(malformed("<html>"), "its answer is not JSON");
    assert_eq!(malformed("{\"data\": {\"da"), "its answer is cut off");
    assert_eq!(malformed(""), "its answer is cut off");
    assert_eq!(malformed("[]"), "its answer holds no secret");
    assert_eq!(malformed("{\"data\": null}"), "its answer holds no secret");
    assert_eq!(malformed(&"[".repeat(100_000)), "its answer is not JSON");
    let (garbage, _) = server(|stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")));
    match error_of(&client(&garbage)) {
        VaultError::Malformed { reason, .. } => assert_eq!(reason, "its answer is not HTTP"),
        other => panic!("{other:?}"),
    }
    let (closing, _) = server(|_| {});
    match error_of(&client(&closing)) {
        VaultError::Unreachable { reason, .. } => assert_eq!(reason, "it closed the connection"),
        other => panic!("{other:?}"),
    }
    let plain = answering("200 OK", "{}").replace("http:", "https:");
    assert!(matches!(error_of(&client(&plain)), VaultError::Tls { .. }));
}

#[test]
fn what_a_server_says_is_shown_without_the_token_and_on_one_line() {
    let body = format!("{{\"errors\": [\"bad {TOKEN}\\n\\u001b[31m{}\"]}}", "x".repeat(500));
    match error_of(&client(&answering("500 Internal Server Error", &body))) {
        VaultError::Status { status: 500, said, .. } => {
            assert!(said.starts_with(": bad ***  [31mxxx"), "{said}");
            assert!(said.chars().count() <= 202);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let (elsewhere, visits) = server(|_| {});
    let location = format!("{elsewhere}/v1/secret?token={TOKEN}");
    let (address, _) = server(move |stream| {
        let answer = format!("HTTP/1.1 307 T\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes());
    });
    let expected = VaultError::Redirect {
        address: address.clone(),
        location: format!("{elsewhere}/v1/secret"),
    };
    assert_eq!(error_of(&client(&address)), expected);
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn a_broken_server_is_asked_once_and_a_missing_secret_spoils_no_other() {
    let sealed = "HTTP/1.1 503 S\r\nConnection: close\r\nContent-Length: 31\r\n\r\n{\"errors\": [\"Vault is sealed\"]}";
    let (address, served) = server(move |stream| drop(stream.write_all(sealed.as_bytes())));
    let client_of_sealed = client(&address);
    for _ in 0..3 {
        assert_eq!(error_of(&client_of_sealed), VaultError::Sealed { address: address.clone() });
    }
    assert_eq!(served.load(Ordering::SeqCst), 1);

    let forbidden = "HTTP/1.1 403 F\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    let (address, served) = server(move |stream| drop(stream.write_all(forbidden.as_bytes())));
    let vault = Vault::live(client(&address));
    let other = Reference::new("secret", "other", None).unwrap();
    for reference in [&reference(), &other, &reference(), &other] {
        assert!(matches!(vault.get(reference), Err(VaultError::Forbidden { .. })));
    }
    assert_eq!(served.load(Ordering::SeqCst), 2, "each is asked for once");
}

#[test]
fn after_the_close_only_what_is_known_is_known() {
    let vault = Vault::live(client(&answering(
        "200 OK",
        r#"{"data": {"data": {"username": "root", "user": "app", "password": "geheim", "pin": 4711, "deep": {"x": ["tief"]}, "on": true}, "metadata": {}}}"#,
    )));
    let Ok(Answer::Read(fields)) = vault.get(&reference()) else { panic!("not read") };
    assert!(!format!("{fields:?} {vault:?}").contains("geheim"));
    vault.close();
    assert!(vault.get(&reference()).is_ok());
    let other = Reference::new("secret", "other", None).unwrap();
    assert_eq!(
        vault.get(&other).unwrap_err(),
        VaultError::TooLate { secret: "secret/other".into() }
    );

    let shown = || {
        let mut all: Vec<_> = vault.secrets().iter().map(|s| s.reveal().to_owned()).collect();
        all.sort();
        all
    };
    assert_eq!(shown(), ["4711", "app", "geheim", "tief"]);
    vault.note_login_name(&reference(), "user");
    assert_eq!(shown(), ["4711", "geheim", "tief"]);
}

#[test]
fn references_are_checked_in_form() {
    let good = Reference::new("team/kv", "a b/ü?", Some(3)).unwrap();
    assert_eq!(good.to_string(), "team/kv/a b/ü? (version 3)");
    for path in ["", "/a", "a/", "a//b", "../sys/seal", "a/./b", "a\nb"] {
        assert!(Reference::new("secret", path, None).is_err(), "{path:?}");
        assert!(Reference::new(path, "a", None).is_err(), "{path:?}");
    }
    assert_eq!(Reference::new("secret", "a", Some(0)).unwrap_err(), VaultError::BadVersion);
}

#[test]
fn the_environment_is_judged_before_anything_is_sent() {
    let read = |change: &dyn Fn(&mut Environment)| {
        let mut environment = Environment {
            address: Some("http://127.0.0.1:1".to_owned()),
            token_file: PathBuf::from("/nonexistent/.vault-token"),
            ..Environment::default()
        };
        change(&mut environment);
        match VaultClient::new(environment).read(&reference()).unwrap_err() {
            VaultError::Login(error) => Ok(error),
            other => Err(other),
        }
    };
    let secret = |text: &str| Some(Secret::new(text));
    assert_eq!(read(&|_| {}), Ok(LoginError::NoToken));
    assert_eq!(read(&|e| e.address = None), Ok(LoginError::NoAddress));
    for address in ["vault:8200", "https://", "https://u:p@vault", "http://a b", "http://a?b"] {
        let error = read(&|e| e.address = Some(address.to_owned()));
        assert!(matches!(error, Ok(LoginError::BadAddress { .. })), "{address}: {error:?}");
    }
    let half = |missing| Ok(LoginError::HalfAppRole { missing });
    assert_eq!(read(&|e| e.role_id = secret("r")), half("VAULT_SECRET_ID"));
    assert_eq!(read(&|e| e.secret_id = secret("s")), half("VAULT_ROLE_ID"));
    let header = |what: &str| Ok(LoginError::BadHeader { what: what.to_owned() });
    assert_eq!(read(&|e| e.token = secret("a\nb")), header("`VAULT_TOKEN`"));
    assert_eq!(read(&|e| e.namespace = Some("a\r\nb".into())), header("`VAULT_NAMESPACE`"));
    let directory = std::env::temp_dir();
    let error = read(&|e| e.token_file.clone_from(&directory));
    assert!(matches!(error, Ok(LoginError::TokenFile { .. })), "{error:?}");
    let with_ca = |path: &str| {
        read(&|e| {
            e.token = secret("t");
            e.ca_file = Some(PathBuf::from(path));
        })
    };
    assert!(matches!(with_ca("/nonexistent/ca.pem"), Ok(LoginError::CaFile { .. })));
    let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(matches!(with_ca(no_pem), Ok(LoginError::CaFile { .. })));
    // What is right so far gets as far as the network.
    assert!(matches!(read(&|e| e.token = secret("t")), Err(VaultError::Unreachable { .. })));
}
