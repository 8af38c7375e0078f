//! `cargo run --release --example demo`: a first look at `sshoal` without any
//! set-up.
//!
//! It starts six SSH servers within this process, writes an inventory of them,
//! and runs `playbooks/quickstart.yml` over it as the `sshoal` command would. The
//! servers run commands as you, each in a directory of its own; all of it lies in
//! one temporary directory, which is HOME for the run and goes at the end.
//!
//! With `--keep` the servers stay until Ctrl-C, for commands of your own.
#![expect(clippy::unwrap_used, reason = "the servers are those of the tests")]

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

#[expect(clippy::allow_attributes, reason = "whether all of the server is used varies")]
#[allow(dead_code, unused_imports, reason = "the demo needs no faults")]
#[path = "mod.rs"]
mod in_process;

use in_process::{Server, ServerOptions, loopback, random_bytes, runtime};

const PLAYBOOK: &str = "playbooks/quickstart.yml";
const USER: &str = "deploy";
/// Tells this program, started by itself, to be `sshoal`: the run gets an
/// environment of its own that way.
const RUN_MARK: &str = "SSHOAL_DEMO_RUN";

/// The hosts: group, service, port of the service, names.
const GROUPS: [(&str, &str, u16, &[&str]); 3] = [
    ("web", "nginx", 8080, &["web-01", "web-02", "web-03"]),
    ("app", "orders", 9000, &["app-01"]),
    ("db", "postgresql", 5432, &["db-01", "db-02"]),
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::var_os(RUN_MARK).is_some() {
        return Ok(sshoal::cli::main_with(std::env::args_os()).into());
    }
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => {
            eprintln!("error: `{other}` is unknown; the demo takes `--keep` or nothing");
            return Ok(ExitCode::from(2));
        }
    };
    let demo = Demo::start()?;
    runtime().block_on(demo.show(keep))
}

/// The servers and the directory that holds all of the demo.
struct Demo {
    servers: Vec<(&'static str, Server)>,
    inventory: PathBuf,
    /// Goes last.
    scratch: tempfile::TempDir,
}

impl Demo {
    fn start() -> Result<Self, Box<dyn Error>> {
        let scratch = tempfile::Builder::new().prefix("sshoal-demo-").tempdir()?;
        let home = scratch.path();
        let key = write_key(home)?;
        let password: String = random_bytes::<12>().iter().map(|b| format!("{b:02x}")).collect();
        let mut servers = Vec::new();
        for (group, _, _, names) in GROUPS {
            for name in names {
                let directory = home.join("hosts").join(name);
                prepare_host(&directory, group, name)?;
                let options =
                    ServerOptions::default().address(loopback(servers.len() + 1)).home(directory);
                // The databases are reached by password, to show both ways.
                let options = match group {
                    "db" => options.password(USER, &password),
                    _ => options.key(USER, &key),
                };
                servers.push((*name, options.start()));
            }
        }
        let known_hosts: String =
            servers.iter().map(|(_, server)| server.known_hosts_line()).collect();
        fs::write(home.join(".ssh/known_hosts"), known_hosts)?;
        let inventory = home.join("inventory.yml");
        write_private(&inventory, &inventory_of(&servers, &password)?)?;
        Ok(Self { servers, inventory, scratch })
    }

    async fn show(self, keep: bool) -> Result<ExitCode, Box<dyn Error>> {
        // From here on Ctrl-C reaches the run, and the demo cleans up after it.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let inventory = self.inventory.display();
        heading(&format!(
            "sshoal demo: one playbook, {} SSH hosts in three groups, on this machine",
            self.servers.len()
        ));
        println!("$ sshoal run -i {inventory} {PLAYBOOK}\n");
        std::io::stdout().flush()?;
        let status = self.run().spawn()?.wait().await?;
        let code = u8::try_from(status.code().unwrap_or(101)).unwrap_or(101);
        println!();
        match keep {
            false => {
                drop(self);
                say_where_to_go(code);
            }
            true => {
                self.say_how_to_try();
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                drop(self);
                println!("\nThe demo's hosts and files are gone.");
            }
        }
        Ok(code.into())
    }

    /// This program as `sshoal run`, with the demo's directory as HOME and nothing
    /// of the user's SSH or sshoal settings.
    fn run(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let arguments: [OsString; 4] =
            ["run".into(), "-i".into(), self.inventory.clone().into(), PLAYBOOK.into()];
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["SSHOAL_", "SSH_", "XDG_", "VAULT_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.scratch.path()).env(RUN_MARK, "1").kill_on_drop(true);
        command
    }

    fn say_how_to_try(&self) {
        let (name, server) = &self.servers[0];
        let home = self.scratch.path().display();
        let inventory = self.inventory.display();
        let at = format!("-p {} {USER}@{}", server.port(), server.host());
        let ssh = "ssh -F none -i ~/.ssh/id_ed25519 -o UserKnownHostsFile=$HOME/.ssh/known_hosts";
        heading("the hosts stay until Ctrl-C; in another terminal, try");
        println!("  cargo install --path .        # unless `sshoal` is there already");
        println!("  export HOME={home}");
        println!("  sshoal exec web -i {inventory} -- cat /proc/loadavg");
        println!("  sshoal exec 'all:!db' -i {inventory} -- 'cat survey.txt'");
        println!("  sshoal run -i {inventory} --limit web-01 -o json {PLAYBOOK}");
        println!("  {ssh} \\");
        println!("      {at} cat site/conf/site.conf   # on {name}");
        println!("\nThe hosts' files are in {home}/hosts, what was fetched in {home}/quickstart.");
    }
}

fn say_where_to_go(code: u8) {
    heading(&format!("the run's exit code was {code}, and the demo's files are gone again"));
    println!("Next:");
    println!("  read    {PLAYBOOK}, which is what ran");
    println!("  try     cargo run --release --example demo -- --keep");
    println!("          keeps these hosts, for commands of your own");
    println!("  then    README.md: a first playbook against your own hosts");
}

fn heading(text: &str) {
    match std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        true => println!("\x1b[1m{text}\x1b[0m\n"),
        false => println!("{text}\n"),
    }
}

/// What the host has before the playbook comes.
fn prepare_host(directory: &Path, group: &str, name: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory.join("etc"))?;
    fs::write(directory.join("etc/hostname"), format!("{name}\n"))?;
    if group == "db" {
        let settings = "max_connections = 200\nshared_buffers = 4GB\nwal_level = replica\n";
        fs::write(directory.join("etc/database.conf"), settings)?;
    }
    Ok(())
}

fn inventory_of(servers: &[(&str, Server)], password: &str) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "# Written by the demo. Ansible's format; `connection_args` are sshoal's.\n\
         all:\n\
         \x20 vars:\n\
         \x20   connection_args: {{ username: {USER}, host_key_policy: reject, allow_agent: false }}\n\
         \x20 children:\n"
    );
    for (group, service, port, names) in GROUPS {
        let login = match group {
            "db" => format!("password: \"{password}\""),
            _ => "key_filename: ~/.ssh/id_ed25519".to_owned(),
        };
        writeln!(text, "    {group}:")?;
        writeln!(text, "      vars:")?;
        writeln!(text, "        service: {service}")?;
        writeln!(text, "        service_port: {port}")?;
        writeln!(text, "        connection_args: {{ {login} }}")?;
        writeln!(text, "      hosts:")?;
        for (name, server) in servers.iter().filter(|(name, _)| names.contains(name)) {
            let (host, port) = (server.host(), server.port());
            writeln!(
                text,
                "        {name}: {{ connection_args: {{ host: {host}, port: {port} }} }}"
            )?;
        }
    }
    Ok(text)
}

/// Makes the key pair of the demo's user, and returns its public half.
fn write_key(home: &Path) -> Result<String, Box<dyn Error>> {
    let directory = home.join(".ssh");
    fs::DirBuilder::new().mode(0o700).create(&directory)?;
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&random_bytes()));
    write_private(&directory.join("id_ed25519"), &key.to_openssh(LineEnding::LF)?)?;
    Ok(key.public_key().to_openssh()?)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}
