//! How fast `sshoal` moves files beside OpenSSH's `scp` and `sftp`.
//!
//! `cargo bench --bench transfer` (as root, like the tests) moves 100 MB up, 100 MB
//! down, and a directory of 2,000 small files each way, over one OpenSSH server, plainly
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

mod programs;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::allow_attributes, reason = "a benchmark needs little of the lab")]
#[allow(dead_code, unused_imports, reason = "a benchmark needs little of the lab")]
#[path = "../../tests/integration/lab/mod.rs"]
mod lab;

use lab::{Lab, SshdOptions, User, delayed_line, noise};

const BIG: usize = 100_000_000;
const FILES: usize = 2_000;
const ROUND_TRIP: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq)]
enum Job {
    Up,
    Down,
    FilesUp,
    FilesDown,
}

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::Up => "100 MB up",
            Self::Down => "100 MB down",
            Self::FilesUp => "2,000 files up",
            Self::FilesDown => "2,000 files down",
        }
    }

    /// Whether it moves many files and not one.
    fn is_tree(self) -> bool {
        matches!(self, Self::FilesUp | Self::FilesDown)
    }

    /// How often it is repeated; a program that takes minutes is not.
    fn rounds(self, delayed: bool) -> usize {
        match (self, delayed) {
            (Self::FilesUp | Self::FilesDown, true) => 1,
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
        "{:<18}{:<9}{:>8}{:>8}{:>11}{:>9}{:>7}{:>13}{:>9}{:>7}",
        "", "", "scp", "sftp", "sha256sum", "sshoal", "ratio", "+sha256sum", "verified", "ratio"
    );
    for delayed in [false, true] {
        for job in [Job::Up, Job::Down, Job::FilesUp, Job::FilesDown] {
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
        let delay = delayed_line(server.socket_address(), ROUND_TRIP / 2);
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
        let bench = Self { lab, server, scratch, delay };
        fs::create_dir(bench.user().home.join("files")).unwrap();
        for number in 0..FILES {
            let (name, content) = (format!("files/{number}"), noise(1000 + number));
            fs::write(bench.here(&name), &content).unwrap();
            bench.user().write(&name, content);
        }
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
            "{:<18}{line:<9}{:>8}{:>8}{:>11}{:>9}{:>7}{:>13}{:>9}{:>7}",
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
            Job::FilesUp => {
                assert_eq!(fs::read_dir(self.user().home.join("up")).unwrap().count(), FILES)
            }
            Job::FilesDown => {
                assert_eq!(fs::read_dir(self.here("down")).unwrap().count(), FILES)
            }
        }
        took
    }

    fn sum(&self, job: Job) -> Duration {
        let files = match job {
            Job::FilesUp | Job::FilesDown => {
                fs::read_dir(self.here("files")).unwrap().map(|file| file.unwrap().path()).collect()
            }
            _ => vec![self.here("big")],
        };
        let began = Instant::now();
        let status = Command::new("sha256sum").args(files).stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
        began.elapsed()
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
