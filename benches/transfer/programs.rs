//! The programs that take part, each told to do the same.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{Bench, Job};

impl Bench {
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

    pub(super) fn scp(&self, job: Job, port: u16) -> Command {
        let mut command = self.openssh("scp", port);
        let there = |name: &str| format!("{}@127.0.0.1:{name}", self.user().name);
        match job {
            Job::Up => command.arg(self.here("big")).arg(there("up")),
            Job::Down => command.arg(there("big")).arg(self.here("down")),
            Job::FilesUp => command.arg("-r").arg(self.here("files")).arg(there("up")),
            Job::FilesDown => command.arg("-r").arg(there("files")).arg(self.here("down")),
        };
        command
    }

    pub(super) fn sftp(&self, job: Job, port: u16) -> Command {
        let batch = match job {
            Job::Up => format!("put {} up\n", self.here("big").display()),
            Job::Down => format!("get big {}\n", self.here("down").display()),
            Job::FilesUp => format!("mkdir up\nput -r {}/. up\n", self.here("files").display()),
            Job::FilesDown => format!("get -r files {}\n", self.here("down").display()),
        };
        fs::write(self.here("batch"), batch).unwrap();
        let mut command = self.openssh("sftp", port);
        command.arg("-b").arg(self.here("batch")).arg(format!("{}@127.0.0.1", self.user().name));
        command
    }

    pub(super) fn sshoal(&self, job: Job, port: u16, verify: bool) -> Command {
        let (operation, local, remote) = match job {
            Job::Up => ("upload", "big", "up"),
            Job::Down => ("download", "down", "big"),
            Job::FilesUp => ("upload", "files", "up"),
            Job::FilesDown => ("download", "down", "files"),
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
                "recursive": job.is_tree(),
                "verify": verify,
            },
        });
        // The commands of a round are all made before the first of them runs.
        let path = self.here(&format!("request-{verify}.json"));
        fs::write(&path, request.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sshoal"));
        command.arg("request").arg(path).arg("--known-hosts").arg(self.here("known_hosts"));
        command
    }
}
