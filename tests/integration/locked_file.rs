//! A known_hosts file that another process keeps locked.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::lab::{Lab, SshdOptions, Sshoal};

#[test]
fn it_costs_a_warning_and_no_more_than_one_wait() {
    const HOSTS: usize = 8;
    let lab = Lab::get();
    let user = &lab.users.plain;
    let addresses: Vec<_> = (1..=HOSTS).map(|host| format!("127.0.8.{host}")).collect();
    let sshd = SshdOptions::default().addresses(addresses.iter().map(String::as_str)).start();
    let mut inventory = format!(
        "all:\n  vars:\n    connection_args: {{ username: {}, port: {}, key_filename: {}, \
         host_key_policy: auto_add, timeout: 15 }}\n  hosts:\n",
        user.name,
        sshd.port(),
        user.key.path.display()
    );
    for address in &addresses {
        writeln!(inventory, "    {address}:").unwrap();
    }
    let sshoal = Sshoal::new()
        .known_hosts("")
        .file("inventory.yml", inventory)
        .file("site.yml", "- hosts: all\n  tasks: [{ command: echo on }]\n")
        .args(["run", "-i", "inventory.yml", "site.yml", "-o", "json"]);
    let known_hosts = sshoal.home().join(".ssh/known_hosts");
    let lock = fs::File::open(&known_hosts).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let finished = sshoal.limit(Duration::from_secs(120)).run();
    finished.expect_status(0);
    // One wait after the other would take five seconds for each host.
    assert!(finished.duration < Duration::from_secs(30), "{}", finished.transcript());
    let warnings = finished.transcript().matches("cannot be saved").count();
    assert!(warnings > 0, "{}", finished.transcript());
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), "");
}
