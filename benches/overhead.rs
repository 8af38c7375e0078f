//! What `sshoal` costs beside the least that would do the same.
//!
//! `cargo bench --bench overhead` (as root, like the tests) runs 100 hosts with 1
//! and with 10 commands each against one OpenSSH server on several loopback
//! addresses, in turns: by `sshoal run`, and by a bare loop of ssh2 on a rayon
//! pool that checks no host key, sets no deadline and writes no report. It prints
//! the medians of CPU time (user and system) and of wall time, and their ratios.
//!
//! Both are processes of their own, as a user would start them; the server's own
//! CPU time is not counted.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[expect(clippy::allow_attributes, reason = "a benchmark needs little of the lab")]
#[allow(dead_code, unused_imports, reason = "a benchmark needs little of the lab")]
#[path = "../tests/integration/lab/mod.rs"]
mod lab;

use lab::{Lab, SshdOptions};
use rayon::prelude::*;

const HOSTS: usize = 100;
const FORKS: usize = 64;
const COMMANDS: [usize; 2] = [1, 10];
const ROUNDS: usize = 9;
const ADDRESSES: [&str; 8] = [
    "127.0.0.11",
    "127.0.0.12",
    "127.0.0.13",
    "127.0.0.14",
    "127.0.0.15",
    "127.0.0.16",
    "127.0.0.17",
    "127.0.0.18",
];
/// Turns this program, started by itself, into the bare loop.
const BARE: &str = "SSHOAL_BENCH_BARE";

fn main() {
    if let Ok(job) = std::env::var(BARE) {
        return bare(&job);
    }
    let lab = Lab::get();
    let server = SshdOptions::default()
        .addresses(ADDRESSES)
        .line("MaxStartups 1000")
        .line("LogLevel ERROR")
        .start();
    let user = &lab.users.plain;
    let scratch = lab.scratch();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    std::fs::write(path("known_hosts"), server.known_hosts()).unwrap();
    std::fs::write(
        path("inventory.yml"),
        inventory(server.port(), &user.name, &user.key.path.display().to_string()),
    )
    .unwrap();

    println!("{HOSTS} hosts, {FORKS} at a time, medians of {ROUNDS} rounds in turns\n");
    println!("commands              sshoal        bare   ratio");
    for commands in COMMANDS {
        std::fs::write(path("playbook.yml"), playbook(commands)).unwrap();
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for round in 0..=ROUNDS {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sshoal"));
            command
                .args(["run", "-o", "json", "-i", &path("inventory.yml"), &path("playbook.yml")])
                .args(["--known-hosts", &path("known_hosts"), "-f", &FORKS.to_string()])
                .env("HOME", scratch.path());
            let sshoal = timed(command);
            let mut command = Command::new(std::env::current_exe().unwrap());
            let key = user.key.path.display();
            command.env(BARE, format!("{} {} {key} {commands}", server.port(), user.name));
            let bare = timed(command);
            // The first round warms the caches.
            if round > 0 {
                ours.push(sshoal);
                theirs.push(bare);
            }
        }
        for (what, pick) in [("CPU", 0), ("wall", 1)] {
            let median = |runs: &[[Duration; 2]]| {
                let mut times: Vec<Duration> = runs.iter().map(|run| run[pick]).collect();
                times.sort();
                times[times.len() / 2].as_secs_f64() * 1000.0
            };
            let (ours, theirs) = (median(&ours), median(&theirs));
            println!(
                "{commands:>8} {what:>5} {ours:>9.0} ms {theirs:>8.0} ms {:>7.2}",
                ours / theirs
            );
        }
    }
}

/// CPU and wall time of a process that must succeed.
fn timed(mut command: Command) -> [Duration; 2] {
    let (before, began) = (children_cpu(), Instant::now());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let wall = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [children_cpu() - before, wall]
}

/// The CPU time of all children waited for so far, to the kernel's clock tick.
fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The fields after the command's name, which may hold blanks; cutime and
    // cstime are the 16th and 17th of all.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis(ticks * 1000 / per_second)
}

fn address(host: usize) -> &'static str {
    ADDRESSES[host % ADDRESSES.len()]
}

fn inventory(port: u16, user: &str, key: &str) -> String {
    let mut text = format!(
        "all:\n  vars:\n    connection_args: {{ username: {user}, key_filename: {key}, port: {port}, host_key_policy: reject, look_for_keys: false }}\n  hosts:\n"
    );
    for host in 0..HOSTS {
        let address = address(host);
        writeln!(text, "    host-{host}: {{ connection_args: {{ host: {address} }} }}").unwrap();
    }
    text
}

fn playbook(commands: usize) -> String {
    let mut text = "- hosts: all\n  tasks:\n    - name: bench\n      command:\n".to_owned();
    for number in 0..commands {
        writeln!(text, "        - echo {number}").unwrap();
    }
    text
}

/// The least that does the same work.
fn bare(job: &str) {
    let mut words = job.split(' ');
    let mut word = || words.next().unwrap();
    let (port, user, key, commands) = (word(), word(), word(), word());
    let (port, commands): (u16, usize) = (port.parse().unwrap(), commands.parse().unwrap());
    let key = std::path::Path::new(key);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(FORKS).build().unwrap();
    pool.install(|| {
        (0..HOSTS).into_par_iter().with_max_len(1).for_each(|host| {
            let tcp = TcpStream::connect((address(host), port)).unwrap();
            tcp.set_nodelay(true).unwrap();
            let mut session = ssh2::Session::new().unwrap();
            session.set_tcp_stream(tcp);
            session.handshake().unwrap();
            session.userauth_pubkey_file(user, None, key, None).unwrap();
            for number in 0..commands {
                let mut channel = session.channel_session().unwrap();
                channel.exec(&format!("echo {number}")).unwrap();
                let mut output = String::new();
                channel.read_to_string(&mut output).unwrap();
                channel.wait_close().unwrap();
                assert_eq!(channel.exit_status().unwrap(), 0);
            }
        });
    });
}
