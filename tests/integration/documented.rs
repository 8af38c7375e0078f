//! The documented examples, as the documentation has them: each file in
//! `documented/` is one, to the letter. Put into them are only the host, the
//! port, names, secrets, paths, and commands for services that only some
//! machine has. Each is a request file for the real program, against real servers.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::lab::processes::tool;
use crate::lab::{
    Finished, KeyFormat, KeyPair, KeyType, Lab, OpenBao, Report, Sshd, SshdOptions, Sshoal, User,
    random_text,
};

macro_rules! examples {
    ($($name:literal),*) => {
        const EXAMPLES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("documented/", $name, ".json")))),*];
    };
}

examples!["01", "01a", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"];

/// A documented request, with this machine's values put in.
#[derive(Clone)]
struct Example(Value);

impl Example {
    /// The request as documented.
    fn documented(name: &str) -> Self {
        let (_, text) = EXAMPLES.iter().find(|(have, _)| *have == name).unwrap();
        Self(serde_json::from_str(text).unwrap())
    }

    /// The request for `server` as `user`, with the user's password where the
    /// example has one.
    fn of(name: &str, server: &Sshd, user: &User) -> Self {
        let mut example = Self::documented(name)
            .put("/connection_args/host", server.address())
            .put("/connection_args/username", user.name.as_str());
        example.0["connection_args"]["port"] = server.port().into();
        match example.0.pointer("/connection_args/password") {
            Some(_) => example.put("/connection_args/password", user.password.as_str()),
            None => example,
        }
    }

    /// Puts a value in the place of one that the example has.
    #[track_caller]
    fn put(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let place = self.0.pointer_mut(pointer);
        *place.unwrap_or_else(|| panic!("the example has no `{pointer}`")) = value.into();
        self
    }

    /// Puts this text in the place of a part of a text that the example has.
    #[track_caller]
    fn put_part(self, pointer: &str, old: &str, new: &str) -> Self {
        let text = self.0.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        assert!(text.contains(old), "`{pointer}` has no `{old}`");
        self.put(pointer, text.replace(old, new))
    }

    /// Every secret of the request.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        for (part, keys) in [
            ("connection_args", &["password", "pkey", "passphrase", "proxy_password"][..]),
            ("driver_args", &["sudo_password"]),
        ] {
            let args = &self.0[part];
            secrets.extend(keys.iter().filter_map(|key| args[key].as_str()).map(str::to_owned));
        }
        secrets
    }

    /// What `sshoal request FILE -o json` is given.
    fn invocation(&self) -> Sshoal {
        let text = serde_json::to_string_pretty(&self.0).unwrap();
        let sshoal = Sshoal::new().file("request.json", text).args([
            "request",
            "request.json",
            "-o",
            "json",
        ]);
        self.secrets().iter().fold(sshoal, |sshoal, secret| sshoal.forbid(secret))
    }

    /// Runs it; it must succeed.
    #[track_caller]
    fn run(&self) -> Finished {
        let finished = self.invocation().run();
        finished.expect_status(0);
        finished
    }
}

/// The report of a finished request, valid and of a run in which all went well.
#[track_caller]
fn good_report(finished: &Finished) -> Report {
    let report = valid_report(finished);
    assert_eq!(report.at("/command"), "request");
    assert_eq!(report.at("/outcome"), "ok", "{}", finished.transcript());
    assert_eq!(report.at("/exit_code"), 0);
    assert_eq!(report.only_task()["outcome"], "changed");
    assert_eq!(report.only_task()["error"], Value::Null);
    assert_eq!(report.only_task()["attempts"], 1);
    report
}

/// The report on stdout, which the program's own schema must accept.
#[track_caller]
fn valid_report(finished: &Finished) -> Report {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| schema("report"));
    let report = finished.report();
    let errors: Vec<_> = SCHEMA.iter_errors(&report.0).map(|error| error.to_string()).collect();
    assert_eq!(errors, [] as [String; 0], "{}", finished.transcript());
    report
}

fn schema(kind: &str) -> jsonschema::Validator {
    let printed = Sshoal::new().args(["schema", kind]).status(0).run().stdout;
    jsonschema::validator_for(&serde_json::from_str(&printed).unwrap()).unwrap()
}

/// What a command gives that prints `output` and succeeds.
#[track_caller]
fn assert_printed(result: &Value, command: &str, output: &str) {
    assert_eq!(result["command"], command);
    assert_eq!(result["output"], output);
    assert_eq!(result["error"], "");
    assert_eq!(result["exit_status"], 0);
    assert_eq!(result["signal"], Value::Null);
    assert_eq!(result["truncated"], false);
}

fn uname() -> String {
    tool("uname", &["-a"], "")
}

#[test]
fn every_example_is_what_the_request_schema_describes() {
    let schema = schema("request");
    for (name, text) in EXAMPLES {
        let request = serde_json::from_str(text).unwrap();
        let errors: Vec<_> = schema.iter_errors(&request).map(|error| error.to_string()).collect();
        assert_eq!(errors, [] as [String; 0], "example {name}");
    }
}

#[test]
fn example_1_runs_a_command_by_password() {
    let lab = Lab::get();
    let example = Example::of("01", lab.sshd(), &lab.users.plain);
    let finished = example.run();
    let report = good_report(&finished);
    assert_printed(&report.only_results()[0], "uname -a", &uname());
    assert_eq!(report.at("/stats/tasks/changed"), 1);
    assert_eq!(report.at("/plays/0/hosts/0/host"), "127.0.0.1");
    assert_eq!(
        report.at("/plays/0/hosts/0/address"),
        &json!(lab.sshd().socket_address().to_string())
    );
    assert_eq!(finished.stderr, "");
    // The documented default policy is to accept an unknown key, and to remember it.
    let known = fs::read_to_string(finished.home().join(".ssh/known_hosts")).unwrap();
    assert_eq!(known.lines().count(), 1, "{known}");
    assert!(lab.sshd().known_hosts().contains(known.trim_end()), "{known}");
}

#[test]
fn example_1_may_also_come_on_stdin_or_as_yaml() {
    let lab = Lab::get();
    let example = Example::of("01", lab.sshd(), &lab.users.plain);
    let yaml = serde_yaml::to_string(&example.0).unwrap();
    for sshoal in [
        Sshoal::new().request(&example.0),
        Sshoal::new().file("request.yml", &yaml).args(["request", "request.yml", "-o", "json"]),
    ] {
        let finished = sshoal.forbid(&lab.users.plain.password).status(0).run();
        assert_printed(&good_report(&finished).only_results()[0], "uname -a", &uname());
    }
}

#[test]
fn example_1a_logs_in_with_what_the_vault_has() {
    let (lab, bao) = (Lab::get(), OpenBao::get());
    let user = &lab.users.plain;
    let mut example = Example::documented("01a").put("/connection_args/host", lab.sshd().address());
    example.0["connection_args"]["port"] = lab.sshd().port().into();
    bao.put("servers/prod/admin", &json!({ "username": user.name, "password": user.password }));
    let token = bao.token("servers/prod");
    let finished = example
        .invocation()
        .env("VAULT_ADDR", bao.address())
        .env("VAULT_TOKEN", &token)
        .forbid(&token)
        .forbid(&user.password)
        .status(0)
        .run();
    assert_printed(&good_report(&finished).only_results()[0], "uname -a", &uname());
}

#[test]
fn example_2_runs_commands_in_order() {
    let lab = Lab::get();
    let report = good_report(&Example::of("02", lab.sshd(), &lab.users.plain).run());
    let results = report.only_results();
    assert_eq!(results.len(), 4);
    assert_printed(&results[0], "uname -a", &uname());
    for (result, (command, word)) in results.iter().skip(1).zip([
        ("df -h", "Filesystem"),
        ("free -m", "Mem:"),
        ("uptime", "load average"),
    ]) {
        let output = result["output"].as_str().unwrap();
        assert!(output.contains(word), "{command}: {output}");
        assert_printed(result, command, output);
    }
}

#[test]
fn example_3_logs_in_with_an_encrypted_key_file() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let scratch = lab.scratch();
    let passphrase = random_text(20);
    for (key_type, format) in
        [(KeyType::Ed25519, KeyFormat::OpenSsh), (KeyType::Rsa, KeyFormat::Pem)]
    {
        let path = scratch.path().join(key_type.name());
        let key = KeyPair::generate(&path, key_type, format, &passphrase);
        user.authorize(&key.public());
        let logged = lab.sshd().log_size();
        let example = Example::of("03", lab.sshd(), user)
            .put("/connection_args/key_filename", key.path.to_str().unwrap())
            .put("/connection_args/passphrase", passphrase.as_str());
        let report = good_report(&example.run());
        assert_eq!(report.only_results()[0]["command"], "df -h");
        assert!(report.only_results()[0]["output"].as_str().unwrap().contains("Filesystem"));
        let log = lab.sshd().log_since(logged);
        assert!(log.contains("Accepted publickey"), "{log}");

        // Without its passphrase the key is of no use, and that is known beforehand.
        let finished = example
            .put("/connection_args/passphrase", "another-passphrase")
            .invocation()
            .stdout("")
            .status(1)
            .run();
        assert!(finished.stderr.contains("passphrase"), "{}", finished.transcript());
    }
}

#[test]
fn example_4_logs_in_with_an_encrypted_key_in_the_request() {
    let lab = Lab::get();
    let user = &lab.users.plain;
    let scratch = lab.scratch();
    let passphrase = random_text(20);
    let path = scratch.path().join("key");
    let key = KeyPair::generate(&path, KeyType::Rsa, KeyFormat::Pem, &passphrase);
    user.authorize(&key.public());
    let text = key.private();
    assert!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED"), "{text}");
    // Nothing but the request may be what logs in.
    fs::remove_file(&path).unwrap();
    let example = Example::of("04", lab.sshd(), user)
        .put("/connection_args/pkey", text.as_str())
        .put("/connection_args/passphrase", passphrase.as_str());
    let report = good_report(&example.run());
    assert_eq!(report.only_results()[0]["command"], "free -m");
    assert!(report.only_results()[0]["output"].as_str().unwrap().contains("Mem:"));
}

#[test]
fn example_5_reads_by_sudo_what_root_alone_may() {
    let lab = Lab::get();
    let scratch = lab.scratch();
    fs::write(scratch.path().join("of-root"), "").unwrap();
    let directory = scratch.path().to_str().unwrap();
    let (sudoer, plain) = (&lab.users.sudoer, &lab.users.plain);
    let example = |user: &User| {
        Example::of("05", lab.sshd(), user)
            .put_part("/config", "/root", directory)
            .put("/driver_args/sudo_password", user.password.as_str())
    };
    let report = good_report(&example(sudoer).run());
    assert_eq!(report.only_task()["action"], "config");
    assert_printed(&report.only_results()[0], &format!("ls {directory}"), "of-root\n");
    // The documented rule: sudo with a password gets a terminal.
    assert_eq!(report.only_results()[0]["pty"], true);

    let wrong = example(sudoer).put("/driver_args/sudo_password", "not-the-password");
    for (example, code) in [(wrong, "sudo_auth_failed"), (example(plain), "sudo_not_permitted")] {
        let finished = example.invocation().status(2).run();
        let report = valid_report(&finished);
        assert_eq!(report.only_task()["outcome"], "failed");
        assert_eq!(report.only_task()["error"]["code"], code, "{}", finished.transcript());
        assert!(!finished.stdout.contains("of-root"));
    }
}

#[test]
fn example_6_writes_a_file_of_roots_through_a_redirect() {
    let lab = Lab::get();
    let scratch = lab.scratch();
    let file = scratch.path().join("hostname");
    let restarted = scratch.path().join("restarted");
    let user = &lab.users.sudoer;
    let example = Example::of("06", lab.sshd(), user)
        .put_part("/config/0", "/etc/hostname", file.to_str().unwrap())
        .put("/config/1", format!("cp {} {}", file.display(), restarted.display()))
        .put_part("/config/2", "/etc/hostname", file.to_str().unwrap())
        .put("/driver_args/sudo_password", user.password.as_str());
    // The last command has something to do.
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let report = good_report(&example.run());
    let results = report.only_results();
    assert_eq!(results.len(), 3);
    for (result, command) in results.iter().zip(example.0["config"].as_array().unwrap()) {
        assert_printed(result, command.as_str().unwrap(), "");
    }
    let of = fs::metadata(&file).unwrap();
    assert_eq!((of.uid(), of.gid(), of.mode() & 0o7777), (0, 0, 0o644));
    for file in [&file, &restarted] {
        assert_eq!(fs::read_to_string(file).unwrap(), "server.example.com\n");
        assert_eq!(fs::metadata(file).unwrap().uid(), 0);
    }
}

/// A file of bytes that no text has, larger than several chunks.
fn content(seed: u8) -> Vec<u8> {
    (0..200_003u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8 ^ seed).collect()
}

/// A transfer example between `local` and `remote`.
fn transfer(name: &str, lab: &Lab, local: &Path, remote: &Path) -> Example {
    Example::of(name, lab.sshd(), &lab.users.plain)
        .put("/driver_args/file_transfer/local_path", local.to_str().unwrap())
        .put("/driver_args/file_transfer/remote_path", remote.to_str().unwrap())
}

#[test]
fn example_7_uploads_a_file() {
    let lab = Lab::get();
    let scratch = lab.scratch();
    let local = scratch.path().join("file.txt");
    let remote = lab.users.plain.home.join("example-7.txt");
    fs::write(&local, content(7)).unwrap();
    let example = transfer("07", &lab, &local, &remote);
    let report = good_report(&example.run());
    assert_eq!(report.only_task()["action"], "file_transfer");
    let result = &report.only_results()[0];
    let said = format!("uploaded 200.0 kB to {}", remote.display());
    assert_printed(result, "__FILE_TRANSFER__", &said);
    let record = &result["transfer"];
    assert_eq!(record["operation"], "upload");
    assert_eq!(record["local_path"], local.to_str().unwrap());
    assert_eq!(record["remote_path"], remote.to_str().unwrap());
    assert_eq!(record["bytes_transferred"], 200_003);
    assert_eq!(record["total_bytes"], 200_003);
    assert_eq!((&record["resumed"], &record["verified"]), (&json!(false), &json!(true)));
    assert_eq!(record["sha256"], sha256_of(&remote));
    assert!(fs::read(&remote).unwrap() == content(7), "the bytes differ");
    assert_eq!(fs::metadata(&remote).unwrap().uid(), lab.users.plain.uid);

    // What is there already is left as it is.
    let again = valid_report(&example.run());
    assert_eq!(again.only_task()["outcome"], "ok");
    assert_eq!(again.only_results()[0]["transfer"]["bytes_transferred"], 0);
}

#[test]
fn example_8_downloads_a_file_and_continues_a_part_of_it() {
    let lab = Lab::get();
    let scratch = lab.scratch();
    let local = scratch.path().join("file.txt");
    let remote = lab.users.plain.write("example-8.txt", content(8));
    let example = transfer("08", &lab, &local, &remote);

    let report = good_report(&example.run());
    let record = &report.only_results()[0]["transfer"];
    assert_eq!(
        (&record["resumed"], &record["bytes_transferred"]),
        (&json!(false), &json!(200_003))
    );
    assert!(fs::read(&local).unwrap() == content(8), "the bytes differ");

    // An honest part is continued; only the rest moves.
    fs::write(&local, &content(8)[..150_000]).unwrap();
    let report = good_report(&example.run());
    let record = &report.only_results()[0]["transfer"];
    assert_eq!((&record["resumed"], &record["bytes_transferred"]), (&json!(true), &json!(50_003)));
    assert_eq!(record["total_bytes"], 200_003);
    assert_eq!(record["sha256"], sha256_of(&remote));
    assert!(fs::read(&local).unwrap() == content(8), "the bytes differ");

    // A part of something else is not.
    fs::write(&local, &content(9)[..150_000]).unwrap();
    let report = good_report(&example.run());
    let record = &report.only_results()[0]["transfer"];
    assert_eq!(
        (&record["resumed"], &record["bytes_transferred"]),
        (&json!(false), &json!(200_003))
    );
    assert!(record["resume_note"].is_string(), "{record:#}");
    assert!(fs::read(&local).unwrap() == content(8), "the bytes differ");
}

fn sha256_of(path: &Path) -> String {
    tool("sha256sum", &[path], "").split_whitespace().next().unwrap().to_owned()
}

#[test]
fn example_9_goes_through_the_jump_host() {
    let lab = Lab::get();
    let target = SshdOptions::default().start();
    let (user, guide) = (&lab.users.plain, &lab.users.sh);
    let through = |bastion: &Sshd, password: &str| {
        Example::of("09", &target, user)
            .put("/connection_args/proxy_host", bastion.address())
            .put("/connection_args/proxy_port", bastion.port())
            .put("/connection_args/proxy_username", guide.name.as_str())
            .put("/connection_args/proxy_password", password)
    };
    let open = || SshdOptions::default().addresses(["127.0.0.2"]);

    let bastion = open().line("LogLevel DEBUG1").start();
    let report = good_report(&through(&bastion, &guide.password).run());
    assert_printed(&report.only_results()[0], "uname -a", &uname());
    let address = json!(target.socket_address().to_string());
    assert_eq!(report.at("/plays/0/hosts/0/address"), &address);
    // Each server saw its own user, and the jump host was asked for the target.
    let (before, behind) = (bastion.log(), target.log());
    assert!(before.contains(&format!("Accepted password for {}", guide.name)), "{before}");
    assert!(!before.contains(&user.name), "{before}");
    assert!(behind.contains(&format!("Accepted password for {}", user.name)), "{behind}");
    assert!(!behind.contains(&guide.name), "{behind}");
    let asked = format!("target 127.0.0.1 port {}", target.port());
    assert!(before.contains(&asked), "`{asked}` is not in\n{before}");

    // There is no other way: a jump host that lets nobody in or through keeps
    // the target from being seen at all.
    let closed = open().line("AllowTcpForwarding no").start();
    let connections = || target.log().matches("Connection from").count();
    let seen = connections();
    for example in [
        through(&bastion, "not-the-password"),
        through(&bastion, user.password.as_str()),
        through(&closed, &guide.password),
    ] {
        let finished = example.invocation().status(4).run();
        let task = valid_report(&finished).only_task().clone();
        assert_eq!(task["outcome"], "unreachable", "{}", finished.transcript());
        assert_eq!(task["error"]["code"], "proxy_failed", "{}", finished.transcript());
    }
    assert_eq!(connections(), seen);
}

#[test]
fn example_10_sets_the_environment() {
    let lab = Lab::get();
    let report = good_report(&Example::of("10", lab.sshd(), &lab.users.plain).run());
    assert_printed(
        &report.only_results()[0],
        "echo $CUSTOM_VAR && echo $PATH",
        "custom_value\n/usr/local/bin:/usr/bin:/bin\n",
    );
}

#[test]
fn example_11_has_a_terminal() {
    let lab = Lab::get();
    let line = "sh -c 'id -un; tty; echo err >&2'";
    let example =
        Example::of("11", lab.sshd(), &lab.users.nopasswd).put_part("/command", "command", line);
    let report = good_report(&example.run());
    let result = &report.only_results()[0];
    let output = result["output"].as_str().unwrap().to_owned();
    assert_printed(result, &format!("sudo -S {line}"), &output);
    let lines: Vec<_> = output.split('\n').collect();
    assert!(
        matches!(lines[..], ["root", tty, "err", ""] if tty.starts_with("/dev/pts/")),
        "{output:?}"
    );
    assert_eq!(result["pty"], true);
}

#[test]
fn example_12_is_the_whole_of_it() {
    let lab = Lab::get();
    let scratch = lab.scratch();
    let user = &lab.users.sudoer;
    let path = scratch.path().join("key");
    let key = KeyPair::generate(&path, KeyType::Rsa, KeyFormat::Pem, "");
    user.authorize(&key.public());
    let text = key.private();
    fs::remove_file(&path).unwrap();
    let restarted = scratch.path().join("restarted");
    let example = Example::of("12", lab.sshd(), user)
        .put("/connection_args/pkey", text.as_str())
        .put("/config/0", format!("id -un > {}", restarted.display()))
        .put("/config/1", "printenv LANG; id -un; echo $SUDO_USER; tty; echo err >&2")
        .put("/driver_args/sudo_password", user.password.as_str());

    // The policy is to reject what is not known.
    let finished = example.invocation().status(4).run();
    let report = valid_report(&finished);
    assert_eq!(report.only_task()["outcome"], "unreachable");
    assert_eq!(report.only_task()["error"]["code"], "host_key_unknown");
    assert!(!restarted.exists());

    let logged = lab.sshd().log_size();
    let known = lab.sshd().known_hosts();
    let finished = example.invocation().known_hosts(&known).status(0).run();
    let report = good_report(&finished);
    let results = report.only_results();
    assert_printed(&results[0], example.0["config"][0].as_str().unwrap(), "");
    assert_eq!(fs::read_to_string(&restarted).unwrap(), "root\n");
    assert_eq!(fs::metadata(&restarted).unwrap().uid(), 0);
    let said = format!("en_US.UTF-8\nroot\n{}\nnot a tty\n", user.name);
    assert_eq!(results[1]["output"], said, "{}", finished.transcript());
    assert_eq!(results[1]["error"], "err\n", "without a terminal there are two streams");
    assert_eq!((&results[1]["pty"], &results[1]["exit_status"]), (&json!(false), &json!(0)));
    assert!(lab.sshd().log_since(logged).contains("Accepted publickey"));
    assert_eq!(fs::read_to_string(finished.home().join(".ssh/known_hosts")).unwrap(), known);

    // `ttl` says how long the result is kept, from when it was there.
    let seconds = |text: &Value| tool("date", &["-d", text.as_str().unwrap(), "+%s.%N"], "");
    let at = |text: &Value| seconds(text).trim().parse::<f64>().unwrap();
    let task = report.only_task();
    let kept = at(&task["expires_at"]) - at(&task["started_at"]);
    let took = task["duration_seconds"].as_f64().unwrap();
    assert!((600.0 + took - kept).abs() < 1.0, "kept for {kept} s after {took} s");
}
