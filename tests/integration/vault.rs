//! Credentials from a vault, against a real OpenBao server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::lab::{
    Finished, KeyFormat, KeyPair, KeyType, Lab, OpenBao, Sshd, Sshoal, Sudo, User, UserOptions,
    random_text,
};

mod failures;
mod playbooks;

/// A request to `server` with this `credential_ref`.
fn request(server: &Sshd, reference: &Value) -> Value {
    json!({
        "connection_args": {
            "host": server.address(),
            "port": server.port(),
            "credential_ref": reference,
        },
        "command": "id -un",
    })
}

/// What the vault has for a user.
fn login(user: &User) -> Value {
    json!({ "username": user.name, "password": user.password })
}

/// That the request ran as `user`.
#[track_caller]
fn expect_user(finished: &Finished, user: &User) {
    finished.expect_status(0);
    assert_eq!(finished.report().only_results()[0]["output"], format!("{}\n", user.name));
}

#[test]
fn a_token_comes_from_the_environment_or_from_an_earlier_login() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = &lab.users.plain;
    bao.put("token-test/login", &login(user));
    let token = bao.token("token-test");
    let request = request(lab.sshd(), &json!("token-test/login"));
    let forbid = |sshoal: Sshoal| sshoal.forbid(&user.password).forbid(&token);
    let sshoal = bao.sshoal(&token).request(&request);
    expect_user(&forbid(sshoal).run(), user);

    let by_file = || Sshoal::new().env("VAULT_ADDR", bao.address()).request(&request);
    let sshoal = by_file().file(".vault-token", format!("{token}\n"));
    expect_user(&forbid(sshoal).run(), user);
    // What is set is meant more than what lies around; an empty variable is none.
    let sshoal = by_file().file(".vault-token", "stale").env("VAULT_TOKEN", &token);
    expect_user(&forbid(sshoal).run(), user);
    let sshoal = by_file().file(".vault-token", &token).env("VAULT_TOKEN", "");
    expect_user(&forbid(sshoal).run(), user);
}

#[test]
fn an_app_role_logs_in() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = &lab.users.plain;
    bao.put("role-test/login", &login(user));
    let (role_id, secret_id) = bao.app_role("role-test");
    let sshoal = |secret_id: &str| {
        Sshoal::new()
            .env("VAULT_ADDR", bao.address())
            .env("VAULT_ROLE_ID", &role_id)
            .env("VAULT_SECRET_ID", secret_id)
            .file(".vault-token", "stale")
            .request(&request(lab.sshd(), &json!("role-test/login")))
            .forbid(secret_id)
    };
    expect_user(&sshoal(&secret_id).run(), user);
    let refused = sshoal("5c0b4b53-0000-4000-8000-nosuchsecret").run();
    failures::expect_refusal(&refused, "credential::login_refused", "the AppRole login (400)");
}

#[test]
fn a_reference_names_mount_version_and_fields() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = &lab.users.plain;
    let mount = json!({ "type": "kv", "options": { "version": "2" } });
    bao.call("", "sys/mounts/team/hosts", Some(&mount));
    let put = |fields: Value| {
        bao.call("", "team/hosts/data/a%20b", Some(&json!({ "data": fields })));
    };
    put(json!({ "user": user.name, "pw": user.password }));
    put(json!({ "user": "nobody", "pw": "another" }));
    let reference = json!({
        "path": "a b", "mount": "team/hosts", "version": 1, "username_key": "user", "password_key": "pw",
    });
    let sshoal = bao.sshoal_as_root().request(&request(lab.sshd(), &reference));
    // The login name is no secret, whatever the field is called.
    expect_user(&sshoal.forbid(&user.password).run(), user);
}

#[test]
fn a_namespace_is_kept_to() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = &lab.users.plain;
    bao.call("", "sys/namespaces/team-a", Some(&json!({})));
    let mount = json!({ "type": "kv", "options": { "version": "2" } });
    bao.call("team-a", "sys/mounts/secret", Some(&mount));
    bao.call("team-a", "secret/data/in-namespace", Some(&json!({ "data": login(user) })));
    let request = request(lab.sshd(), &json!("in-namespace"));
    let sshoal = || bao.sshoal_as_root().request(&request);
    expect_user(&sshoal().env("VAULT_NAMESPACE", "team-a").run(), user);
    failures::expect_refusal(&sshoal().run(), "credential::not_found", "secret/in-namespace");
    let lost = sshoal().env("VAULT_NAMESPACE", "team-b").run();
    failures::expect_refusal(&lost, "credential::no_namespace", "VAULT_NAMESPACE");
}

#[test]
fn an_authority_is_trusted_alone() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let bao = OpenBao::start_tls();
    bao.put("login", &login(user));
    let request = request(lab.sshd(), &json!("login"));
    let sshoal = || bao.sshoal_as_root().request(&request);
    expect_user(&sshoal().env("VAULT_CACERT", bao.ca()).run(), user);
    let untrusted = sshoal().run();
    failures::expect_refusal(&untrusted, "credential::tls", "VAULT_CACERT");
    let other = OpenBao::start_tls();
    let foreign = sshoal().env("VAULT_CACERT", other.ca()).run();
    failures::expect_refusal(&foreign, "credential::tls", "nobody trusted here signed");
    let plain = bao.address().replace("https:", "http:");
    let plain = sshoal().env("VAULT_ADDR", plain).run();
    failures::expect_refusal(&plain, "credential::status", "https://");
    let server = OpenBao::get();
    let upside_down = server.address().replace("http:", "https:");
    let upside_down = sshoal().env("VAULT_ADDR", upside_down).run();
    failures::expect_refusal(&upside_down, "credential::tls", "does not speak TLS");
}

#[test]
fn a_secret_may_hold_a_key_and_its_passphrase() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = &lab.users.plain;
    let scratch = lab.scratch();
    let passphrase = random_text(20);
    let path = scratch.path().join("key");
    let key = KeyPair::generate(&path, KeyType::Ed25519, KeyFormat::OpenSsh, &passphrase);
    user.authorize(&key.public());
    let line = key.private().lines().nth(2).unwrap().to_owned();

    let fields = json!({ "username": user.name, "pkey": key.private(), "passphrase": passphrase });
    bao.put("key-test/login", &fields);
    let logged = lab.sshd().log_size();
    let sshoal = bao.sshoal_as_root().request(&request(lab.sshd(), &json!("key-test/login")));
    expect_user(&sshoal.forbid(&passphrase).forbid(&line).run(), user);
    assert!(lab.sshd().log_since(logged).contains("Accepted publickey"));

    // The passphrase of a key file may come from there as well.
    bao.put("key-test/phrase", &json!({ "username": user.name, "passphrase": passphrase }));
    let mut request = request(lab.sshd(), &json!("key-test/phrase"));
    request["connection_args"]["key_filename"] = path.to_str().unwrap().into();
    let sshoal = bao.sshoal_as_root().request(&request);
    expect_user(&sshoal.forbid(&passphrase).run(), user);
}

#[test]
fn sudo_gets_its_password_from_the_secret() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = lab.add_user("vsudo", UserOptions::default().sudo(Sudo::Password));
    let scratch = lab.scratch();
    let key =
        KeyPair::generate(&scratch.path().join("k"), KeyType::Ed25519, KeyFormat::OpenSsh, "");
    user.authorize(&key.public());
    let fields = json!({
        "username": user.name, "pkey": key.private(), "sudo_password": user.password,
    });
    bao.put("sudo-test/login", &fields);
    let mut request = request(lab.sshd(), &json!("sudo-test/login"));
    request.as_object_mut().unwrap().remove("command");
    request["config"] = "id -un; echo to stderr >&2".into();
    request["driver_args"] = json!({ "sudo": true });
    let finished = bao.sshoal_as_root().request(&request).forbid(&user.password).status(0).run();
    let report = finished.report();
    let result = &report.only_results()[0];
    // Only a `sudo_password` that the request itself has turns a terminal on.
    assert_eq!(result["output"], "root\n");
    assert_eq!(result["error"], "to stderr\n");
    assert_eq!(result["pty"], false);
    // One that the request has wins.
    request["driver_args"]["sudo_password"] = "wrong-password".into();
    let finished = bao.sshoal_as_root().request(&request).status(2).run();
    assert_eq!(finished.report().only_task()["error"]["code"], "sudo_auth_failed");

    // Transfers are given it as well.
    let there = scratch.path().join("root's");
    request.as_object_mut().unwrap().remove("config");
    request["driver_args"] = json!({ "sudo": true });
    request["file_transfer"] =
        json!({ "operation": "upload", "local_path": "up.txt", "remote_path": there });
    bao.sshoal_as_root().request(&request).file("up.txt", "mine").status(0).run();
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "mine");
}

#[test]
fn a_value_is_never_taken_as_a_template() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let password = "x{{ 7 * 7 }}{% raw %}y";
    let user = lab.add_user("vtempl", UserOptions::default().password(password));
    bao.put("template-test/login", &login(&user));
    bao.put("template-test/text", &json!({ "text": "{{ inventory_hostname }}" }));
    let playbook = "
- hosts: all
  connection_args: { credential_ref: template-test/login, port: PORT }
  vars: { text: \"{{ vault('template-test/text').text }}\" }
  tasks:
    - command: printf %s \"$TEXT\" | sha256sum
      driver_args: { environment: { TEXT: \"{{ text }}\" } }
";
    let finished = bao
        .sshoal_as_root()
        .file("p.yml", playbook.replace("PORT", &lab.sshd().port().to_string()))
        .args(["run", "p.yml", "-i", "127.0.0.1,", "-o", "json"])
        .forbid(password)
        .status(0)
        .run();
    // The text itself would be masked.
    let sum = "75ab0dc15115c6fc39f2734b10605fa2c16e64d4353e637cfa8970e1e920e551  -\n";
    assert_eq!(finished.report().only_results()[0]["output"], sum);
}

/// A relay before a server, which keeps what the clients ask for.
struct Relay {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, log) = (client.unwrap(), Arc::clone(&log));
                let server = TcpStream::connect(server).unwrap();
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                thread::spawn(move || forward(client, server, &log));
            }
        });
        Self { address, asked }
    }

    /// The paths that were asked for, in alphabetical order.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

fn forward(mut client: TcpStream, mut server: TcpStream, log: &Mutex<Vec<String>>) {
    let mut buffer = [0; 16384];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..read]);
        // These requests have no body and fit into one packet.
        let lines = text.lines().filter_map(|line| line.strip_suffix(" HTTP/1.1"));
        log.lock().unwrap().extend(lines.map(str::to_owned));
        if server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// A port where nothing may connect.
struct Trap(TcpListener);

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    #[track_caller]
    fn expect_untouched(&self) {
        let waiting = self.0.accept();
        assert!(waiting.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it connected");
    }
}
