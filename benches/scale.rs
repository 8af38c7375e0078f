//! How `check` and `plan` grow with the fleet.
//!
//! `cargo bench --bench scale` writes inventories of 1,000, 3,000 and 10,000 hosts in
//! 40 groups, with `group_vars`, and a playbook of 30 tasks, and runs `sshoal check`,
//! `sshoal plan -o json` and `sshoal inventory list` over them; beside the last, in
//! the same turns, `ansible-inventory --list` over the same files, which
//! `tests/run --set-up` installs. The inventory is INI in one run and YAML in the next.
//! It prints medians of wall time, the largest memory seen, and both
//! per host, which should stay the same from row to row.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SIZES: [usize; 3] = [1_000, 3_000, 10_000];
const GROUPS: usize = 40;
const TASKS: usize = 30;
const ROUNDS: usize = 3;

fn main() {
    let ansible =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ansible/bin/ansible-inventory");
    if !ansible.exists() {
        eprintln!("{} is missing: install it with `tests/run --set-up`", ansible.display());
        std::process::exit(1);
    }
    println!("{TASKS} tasks, {GROUPS} groups, medians of {ROUNDS} rounds in turns\n");
    println!("command                     hosts       wall    memory   µs/host  KB/host");
    let forms = ["hosts.ini", "hosts.yml"];
    for (hosts, form) in SIZES.into_iter().flat_map(|hosts| forms.map(|form| (hosts, form))) {
        println!("{form}");
        let project = Project::new(hosts, form);
        let mut commands = vec![
            ("sshoal check", project.sshoal(&["check", "site.yml"])),
            ("sshoal plan -o json", project.sshoal(&["plan", "-o", "json", "site.yml"])),
            ("sshoal inventory list", project.sshoal(&["inventory", "list"])),
        ];
        let mut command = vec![ansible.display().to_string()];
        command.extend(["--list", "-i", form].map(str::to_owned));
        commands.push(("ansible-inventory --list", command));
        let mut runs: Vec<Vec<Run>> = commands.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for ((_, command), runs) in commands.iter().zip(&mut runs) {
                runs.push(project.time(command));
            }
        }
        for ((name, _), mut runs) in commands.into_iter().zip(runs) {
            runs.sort_by_key(|run| run.wall);
            let wall = runs[runs.len() / 2].wall.as_secs_f64();
            let memory = runs.iter().map(|run| run.kilobytes).max().unwrap();
            println!(
                "{name:<25} {hosts:>7} {wall:>8.2} s {:>6} MB {:>9.0} {:>8.1}",
                memory / 1024,
                wall * 1e6 / hosts as f64,
                memory as f64 / hosts as f64,
            );
        }
    }
}

/// An inventory with variables beside it, and a playbook.
struct Project {
    directory: tempfile::TempDir,
    /// The inventory's file.
    form: &'static str,
}

struct Run {
    wall: Duration,
    /// The largest resident set that was seen.
    kilobytes: u64,
}

impl Project {
    fn new(hosts: usize, form: &'static str) -> Self {
        let project = Self { directory: tempfile::tempdir().unwrap(), form };
        let is_yaml = form == "hosts.yml";
        let mut inventory = String::new();
        for group in 0..GROUPS {
            let _ = match is_yaml {
                true => writeln!(inventory, "group{group:02}:\n  hosts:"),
                false => writeln!(inventory, "[group{group:02}]"),
            };
            for host in (group..hosts).step_by(GROUPS) {
                let third = (host / 250, host % 250);
                let (name, rack) = (format!("host{host:05}"), host % 48);
                let address = format!("10.{group}.{}.{}", third.0, third.1);
                let _ = match is_yaml {
                    true => writeln!(
                        inventory,
                        "    {name}: {{ ansible_host: {address}, rack: {rack} }}"
                    ),
                    false => writeln!(inventory, "{name} ansible_host={address} rack={rack}"),
                };
            }
            let vars = format!(
                "service: app{group}\nservice_port: {}\nowner: team{}\n",
                8000 + group,
                group % 7
            );
            project.write(&format!("group_vars/group{group:02}.yml"), &vars);
        }
        project.write(form, &inventory);
        let all = "connection_args: { username: deploy, password: \"{{ env('PW', 'none') }}\" }\nregion: eu\n";
        project.write("group_vars/all.yml", all);
        let mut playbook = "- hosts: all\n  vars: { release: '1.27' }\n  tasks:\n".to_owned();
        for task in 0..TASKS {
            let _ = writeln!(
                playbook,
                "    - name: task {task} on {{{{ inventory_hostname }}}}\n      command: deploy --service {{{{ service }}}} --port {{{{ service_port + {task} }}}} --release {{{{ release }}}} --rack {{{{ rack }}}}\n      when: region == 'eu'"
            );
        }
        project.write("site.yml", &playbook);
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sshoal(&self, args: &[&str]) -> Vec<String> {
        let mut command = vec![env!("CARGO_BIN_EXE_sshoal").to_owned()];
        command.extend(args.iter().map(|arg| (*arg).to_owned()));
        command.extend(["-i", self.form].map(str::to_owned));
        command
    }

    fn time(&self, command: &[String]) -> Run {
        let began = Instant::now();
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .current_dir(self.directory.path())
            .env("HOME", self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut kilobytes = 0;
        let ended = loop {
            kilobytes = kilobytes.max(peak(&status).unwrap_or(0));
            if let Some(ended) = child.try_wait().unwrap() {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(ended.success(), "{command:?}");
        Run { wall: began.elapsed(), kilobytes }
    }
}

/// The largest resident set of a process so far.
fn peak(status: &Path) -> Option<u64> {
    let status = fs::read_to_string(status).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
