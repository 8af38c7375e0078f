//! `UserKnownHostsFile` of `~/.ssh/config`.

use std::fs;

use serde_json::json;

use crate::lab::{Lab, Sshoal};

#[test]
fn it_counts_for_its_host_in_place_of_the_users_file_unless_a_flag_names_one() {
    let lab = Lab::get();
    let (sshd, user) = (lab.sshd(), &lab.users.plain);
    let config = format!("Host {}\n  UserKnownHostsFile ~/.ssh/of_lab\n", sshd.address());
    let request = |policy: &str| {
        json!({
            "command": "true",
            "connection_args": {
                "host": sshd.address(), "port": sshd.port(), "username": user.name,
                "password": user.password, "host_key_policy": policy,
            },
        })
    };
    let sshoal = |policy: &str| {
        Sshoal::new().file(".ssh/config", &config).request(&request(policy)).forbid(&user.password)
    };
    let saved = sshoal("auto_add").status(0).run();
    let known = fs::read_to_string(saved.home().join(".ssh/of_lab")).unwrap();
    assert!(sshd.known_hosts().contains(known.trim_end()), "{known}");
    assert!(!saved.home().join(".ssh/known_hosts").exists());
    // Who is known to the user's file alone is not known, and the other way round.
    let of_user = || sshoal("reject").known_hosts(&sshd.known_hosts());
    let refused = of_user().status(4).run();
    assert!(refused.stdout.contains("host_key_unknown"), "{}", refused.transcript());
    assert!(refused.stdout.contains(".ssh/of_lab"), "{}", refused.transcript());
    sshoal("reject").file(".ssh/of_lab", sshd.known_hosts()).status(0).run();
    of_user().args(["--known-hosts", ".ssh/known_hosts"]).status(0).run();
    of_user().arg("--no-ssh-config").status(0).run();
}
