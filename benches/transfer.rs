//! How fast `sshoal` moves files beside OpenSSH's `scp` and `sftp`.
//!
//! `cargo bench --bench transfer` (as root, like the tests) moves 100 MB up, 100 MB
//! down and a directory of 2,000 small files up, over one OpenSSH server, plainly
//! and through a proxy that adds 50 ms to every round trip. In each round the three
//! programs take turns, each as a process of its own that connects and logs in.
//!
//! With `verify: false` sshoal is compared with the faster of the two; with `verify:
//! true` with that and, added to it, what `sha256sum` alone takes for the same files
//! on this machine, without the connection that it would need. A ratio above 1 means
//! that sshoal is faster. Whoever needs more than two minutes is stopped then, and
//! the ratio is a lower bound.
//!
//! Words after `--` select rows: `cargo bench --bench transfer -- up plain`.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::allow_attributes, reason = "a benchmark needs little of the lab")]
#[allow(dead_code, unused_imports, reason = "a benchmark needs little of the lab")]
#[path = "../tests/integration/lab/mod.rs"]
mod lab;

use lab::{Lab, SshdOptions, User};
use serde_json::json;

const BIG: usize = 100_000_000;
const FILES: usize = 2_000;
const ROUND_TRIP: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq)]
enum Job {
    Up,
    Down,
    Files,
}

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::Up => "100 MB up",
            Self::Down => "100 MB down",
            Self::Files => "2,000 files up",
        }
    }

    /// How often it is repeated; a program that takes minutes is not.
    fn rounds(self, delayed: bool) -> usize {
        match (self, delayed) {
            (Self::Files, true) => 1,
            (_, true) => 3,
            _ => 7,
        }
    }
}

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let bench = Bench::new();
    println!("medians in seconds; ratios above 1 mean that sshoal is faster\n");
    println!(
        "{:<16}{:<9}{:>8}{:>8}{:>11}{:>9}{:>7}{:>13}{:>9}{:>7}",
        "", "", "scp", "sftp", "sha256sum", "sshoal", "ratio", "+sha256sum", "verified", "ratio"
    );
    for delayed in [false, true] {
        for job in [Job::Up, Job::Down, Job::Files] {
            let line = if delayed { "50 ms" } else { "plain" };
            let label = format!("{} {line}", job.name());
            if words.iter().all(|word| label.contains(word.as_str())) {
                bench.row(job, line, delayed);
            }
        }
    }
}

struct Bench {
    lab: lab::LabHandle,
    server: lab::Sshd,
    scratch: tempfile::TempDir,
    delay: SocketAddr,
}

impl Bench {
    fn new() -> Self {
        let lab = Lab::get();
        let server = SshdOptions::default().line("LogLevel ERROR").start();
        let scratch = lab.scratch();
        let delay = delaying_proxy(server.socket_address());
        let known: String = server
            .known_hosts()
            .lines()
            .flat_map(|line| {
                let delayed = line.replace(&server.port().to_string(), &delay.port().to_string());
                [format!("{line}\n"), format!("{delayed}\n")]
            })
            .collect();
        fs::write(scratch.path().join("known_hosts"), known).unwrap();
        fs::write(scratch.path().join("big"), noise(BIG)).unwrap();
        fs::create_dir(scratch.path().join("files")).unwrap();
        for number in 0..FILES {
            let path = scratch.path().join(format!("files/{number}"));
            fs::write(path, noise(1000 + number)).unwrap();
        }
        let bench = Self { lab, server, scratch, delay };
        bench.user().write("big", fs::read(bench.here("big")).unwrap());
        bench
    }

    fn user(&self) -> &User {
        &self.lab.users.plain
    }

    fn here(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn row(&self, job: Job, line: &str, delayed: bool) {
        let port = if delayed { self.delay.port() } else { self.server.port() };
        let sum = median((0..5).map(|_| self.sum(job)).collect());
        let mut times: [Vec<Duration>; 4] = Default::default();
        for round in 0..=job.rounds(delayed) {
            // The first round warms the caches, where it is worth it.
            let counts = round > 0 || job.rounds(delayed) == 1;
            let commands = [
                self.scp(job, port),
                self.sftp(job, port),
                self.sshoal(job, port, false),
                self.sshoal(job, port, true),
            ];
            for (command, times) in commands.into_iter().zip(&mut times) {
                let time = self.timed(job, command);
                if counts {
                    times.push(time);
                }
            }
            if job.rounds(delayed) == 1 {
                break;
            }
        }
        let [scp, sftp, plain, verified] = times.map(median);
        let best = scp.min(sftp);
        let capped = if best >= PATIENCE { ">" } else { "" };
        let ratio = |theirs: Duration, ours: Duration| {
            format!("{capped}{:.2}", theirs.as_secs_f64() / ours.as_secs_f64())
        };
        println!(
            "{:<16}{line:<9}{:>8}{:>8}{:>11}{:>9}{:>7}{:>13}{:>9}{:>7}",
            job.name(),
            shown(scp),
            shown(sftp),
            shown(sum),
            shown(plain),
            ratio(best, plain),
            shown(best + sum),
            shown(verified),
            ratio(best + sum, verified),
        );
    }

    /// Wall time of one transfer, which must leave what it is to leave.
    fn timed(&self, job: Job, mut command: Command) -> Duration {
        for path in [self.user().home.join("up"), self.here("down")] {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir_all(&path);
        }
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env("HOME", self.scratch.path())
            .spawn()
            .unwrap();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > PATIENCE => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    return PATIENCE;
                }
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        let took = began.elapsed();
        assert!(status.success(), "{command:?}");
        match job {
            Job::Up => {
                assert_eq!(fs::metadata(self.user().home.join("up")).unwrap().len(), BIG as u64)
            }
            Job::Down => assert_eq!(fs::metadata(self.here("down")).unwrap().len(), BIG as u64),
            Job::Files => {
                assert_eq!(fs::read_dir(self.user().home.join("up")).unwrap().count(), FILES)
            }
        }
        took
    }

    fn sum(&self, job: Job) -> Duration {
        let files = match job {
            Job::Files => {
                fs::read_dir(self.here("files")).unwrap().map(|file| file.unwrap().path()).collect()
            }
            _ => vec![self.here("big")],
        };
        let began = Instant::now();
        let status = Command::new("sha256sum").args(files).stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
        began.elapsed()
    }

    fn openssh(&self, program: &str, port: u16) -> Command {
        let mut command = Command::new(program);
        let known_hosts = self.here("known_hosts");
        command
            .args(["-q", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"])
            .arg(&self.user().key.path)
            .args(["-P", &port.to_string(), "-o"])
            .arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        command
    }

    fn scp(&self, job: Job, port: u16) -> Command {
        let mut command = self.openssh("scp", port);
        let there = |name: &str| format!("{}@127.0.0.1:{name}", self.user().name);
        match job {
            Job::Up => command.arg(self.here("big")).arg(there("up")),
            Job::Down => command.arg(there("big")).arg(self.here("down")),
            Job::Files => command.arg("-r").arg(self.here("files")).arg(there("up")),
        };
        command
    }

    fn sftp(&self, job: Job, port: u16) -> Command {
        let batch = match job {
            Job::Up => format!("put {} up\n", self.here("big").display()),
            Job::Down => format!("get big {}\n", self.here("down").display()),
            Job::Files => format!("mkdir up\nput -r {}/. up\n", self.here("files").display()),
        };
        fs::write(self.here("batch"), batch).unwrap();
        let mut command = self.openssh("sftp", port);
        command.arg("-b").arg(self.here("batch")).arg(format!("{}@127.0.0.1", self.user().name));
        command
    }

    fn sshoal(&self, job: Job, port: u16, verify: bool) -> Command {
        let (operation, local, remote) = match job {
            Job::Up => ("upload", "big", "up"),
            Job::Down => ("download", "down", "big"),
            Job::Files => ("upload", "files", "up"),
        };
        let request = json!({
            "connection_args": {
                "host": "127.0.0.1",
                "port": port,
                "username": self.user().name,
                "key_filename": self.user().key.path,
                "look_for_keys": false,
                "host_key_policy": "reject",
            },
            "file_transfer": {
                "operation": operation,
                "local_path": self.here(local),
                "remote_path": remote,
                "recursive": job == Job::Files,
                "verify": verify,
            },
        });
        let path = self.here("request.json");
        fs::write(&path, request.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sshoal"));
        command.arg("request").arg(path).arg("--known-hosts").arg(self.here("known_hosts"));
        command
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn shown(time: Duration) -> String {
    match time >= PATIENCE {
        true => format!("> {:.0}", PATIENCE.as_secs_f64()),
        false => format!("{:.3}", time.as_secs_f64()),
    }
}

/// Bytes that no compression makes smaller.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ count as u64;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// A line to `target` on which everything arrives half a round trip late, however
/// much of it there is.
fn delaying_proxy(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(target).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                from.set_nodelay(true).unwrap();
                carry(from.try_clone().unwrap(), to.try_clone().unwrap());
            }
        }
    });
    address
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let (sender, receiver) = sync_channel::<(Instant, Vec<u8>)>(16 * 1024);
    thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + ROUND_TRIP / 2;
            if sender.send((due, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
