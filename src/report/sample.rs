//! The events of a run in which most things happen, for the tests of every view.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use crate::event::*;
use crate::failure::{ErrorCode, Failure};

pub(super) fn run() -> RunStarted {
    RunStarted {
        run_id: "0197a000-0000-7000-8000-000000000001".into(),
        command: "run".into(),
        check_mode: false,
        started_at: at("2026-05-04T10:00:00Z"),
        source: Source {
            playbooks: vec![SourceFile { path: "site.yml".into(), sha256: "ab".repeat(32) }],
            inventory: vec!["hosts.yml".into()],
            git: Some(GitState {
                commit: "c".repeat(40),
                branch: Some("main".into()),
                dirty: false,
            }),
        },
    }
}

pub(super) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn record(id: &str, name: &str, outcome: Outcome) -> TaskRecord {
    TaskRecord {
        id: id.into(),
        name: name.into(),
        action: ActionKind::Command,
        outcome,
        ignored: false,
        attempts: 1,
        started_at: at("2026-05-04T10:00:00.1Z"),
        duration_seconds: 0.123456,
        expires_at: None,
        results: vec![],
        error: None,
        note: None,
    }
}

fn result(command: &str, output: &str, error: &str, exit_status: i32) -> CommandResult {
    CommandResult {
        command: command.into(),
        output: output.into(),
        error: error.into(),
        exit_status: Some(exit_status),
        duration_seconds: 0.1,
        ..CommandResult::default()
    }
}

fn kernel() -> TaskRecord {
    let results = vec![result("uname -r", "6.1.0-18-amd64\n", "", 0)];
    TaskRecord { results, ..record("1.1", "kernel", Outcome::Changed) }
}

fn site() -> TaskRecord {
    TaskRecord {
        action: ActionKind::FileTransfer,
        expires_at: Some(at("2026-05-04T10:10:00Z")),
        results: vec![CommandResult {
            transfer: Some(TransferRecord {
                operation: TransferOperation::Upload,
                local_path: "files/site.conf".into(),
                remote_path: "/etc/nginx/site.conf".into(),
                bytes_transferred: 1234,
                total_bytes: 1234,
                resumed: false,
                resume_note: None,
                verified: true,
                sha256: Some("ef".repeat(32)),
                diff: None,
            }),
            ..result("__FILE_TRANSFER__", "uploaded 1.2 kB to /etc/nginx/site.conf", "", 0)
        }],
        ..record("1.2", "site", Outcome::Changed)
    }
}

fn restart(outcome: Outcome, results: Vec<CommandResult>, error: Option<Failure>) -> TaskRecord {
    TaskRecord {
        action: ActionKind::Config,
        duration_seconds: 75.0,
        results,
        error,
        ..record("1.3", "restart nginx and look whether it answers", outcome)
    }
}

fn cancelled(id: &str, name: &str, because: &str) -> TaskRecord {
    let message = format!("not run, because `{because}` failed");
    TaskRecord {
        attempts: 0,
        duration_seconds: 0.0,
        error: Some(Failure::new(ErrorCode::Cancelled, message)),
        ..record(id, name, Outcome::Cancelled)
    }
}

pub(super) fn events() -> Vec<Event> {
    let hosts = ["web-01", "web-02", "web-03", "db-primary.example.com", "db-02"];
    let start = |play, name: &str, tasks| {
        let hosts = hosts.iter().enumerate().map(|(index, host)| PlayHost {
            host: (*host).into(),
            address: format!("192.0.2.{}:22", index + 1).into(),
        });
        Event::PlayStarted(PlayStarted { play, name: name.into(), tasks, hosts: hosts.collect() })
    };
    let started = |play, host: &str, record: &TaskRecord| Event::TaskStarted {
        play,
        host: host.into(),
        task: record.id.clone(),
        name: record.name.clone(),
    };
    let mut events = vec![Event::RunStarted(run()), start(0, "roll out nginx", 3)];
    let mut host = |play: usize, host: &str, records: Vec<TaskRecord>| {
        let mut worst = Outcome::Skipped;
        for record in records {
            worst = worst.worst(if record.ignored { Outcome::Ok } else { record.outcome });
            if record.attempts > 0 {
                events.push(started(play, host, &record));
            }
            let record = Box::new(record);
            events.push(Event::TaskFinished { play, host: host.into(), record });
        }
        events.push(Event::HostFinished { play, host: host.into(), outcome: worst });
    };

    // All is well, with several commands, a loop and much output.
    let results = vec![
        CommandResult {
            item: Some(json!("nginx")),
            ..result("systemctl restart nginx", "", "", 0)
        },
        CommandResult {
            item: Some(json!({"name": "proxy"})),
            truncated: true,
            output_bytes: Some(2_000_000),
            error_bytes: Some(0),
            ..result("curl -sf localhost", "<html>\n<body>hello</body>\n</html>\n", "", 0)
        },
    ];
    host(0, "web-01", vec![kernel(), site(), restart(Outcome::Changed, results, None)]);

    // A failure, with advice, and a host that tries to drive the terminal.
    let noise: String = (1..=9).map(|line| format!("line {line} of the log\n")).collect();
    let results = vec![
        result("systemctl restart nginx", "", &format!("{noise}\x1b[2Jno such unit\n"), 5),
        result("curl -sf localhost", "", "", 7),
    ];
    let error = Failure::new(
        ErrorCode::CommandFailed,
        "`systemctl restart nginx` exited with status 5, `curl -sf localhost` exited with status 7",
    );
    host(0, "web-02", vec![kernel(), site(), restart(Outcome::Failed, results, Some(error))]);

    // Skipped, an ignored failure, and a change that is none.
    let skipped = TaskRecord { attempts: 0, ..record("1.1", "kernel", Outcome::Skipped) };
    let ignored = TaskRecord {
        ignored: true,
        error: Some(
            Failure::new(ErrorCode::TransferPermission, "no permission to write `/etc/nginx`")
                .with_help("log in as a user who may, or use `sudo`"),
        ),
        outcome: Outcome::Failed,
        results: vec![CommandResult {
            exit_status: None,
            error: "no permission to write `/etc/nginx`".into(),
            ..result("__FILE_TRANSFER__", "", "", 0)
        }],
        ..site()
    };
    let quiet = restart(Outcome::Ok, vec![result("true", "", "", 0)], None);
    host(0, "web-03", vec![skipped, ignored, quiet]);

    // Unreachable from the start.
    let unreachable = TaskRecord {
        error: Some(
            Failure::new(
                ErrorCode::ConnectTimeout,
                "no address of `db-primary.example.com` answered on port 22 within 5 s",
            )
            .with_help("check the address and the firewall, or raise `connection_args.timeout`"),
        ),
        duration_seconds: 5.004,
        ..record("1.1", "kernel", Outcome::Unreachable)
    };
    let later = || {
        vec![
            cancelled("1.2", "site", "kernel"),
            cancelled("1.3", "restart nginx and look whether it answers", "kernel"),
        ]
    };
    let mut records = vec![unreachable];
    records.extend(later());
    host(0, "db-primary.example.com", records);

    // A deadline, with what was said until then.
    let late = TaskRecord {
        results: vec![CommandResult {
            exit_status: None,
            ..result("uname -r", "waiting for a lock\n", "", 0)
        }],
        error: Some(
            Failure::new(ErrorCode::CommandTimeout, "`uname -r` ran longer than 60 s")
                .with_help("raise `driver_args.timeout`"),
        ),
        duration_seconds: 60.1,
        ..record("1.1", "kernel", Outcome::TimedOut)
    };
    let mut records = vec![late];
    records.extend(later());
    host(0, "db-02", records);

    let warning = Event::Warned {
        host: Some(Arc::from("web-01")),
        message: "the host key ssh-ed25519 SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA is \
                  not known; accepted under the policy `warning`"
            .into(),
    };
    events.insert(2, warning);
    events.push(Event::PlayFinished { play: 0 });
    events.push(Event::RunFinished { ended_at: at("2026-05-04T10:01:15.25Z"), cut_short: None });
    events
}
