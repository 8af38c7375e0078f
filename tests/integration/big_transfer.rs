//! A transfer that takes long. It stands apart because tests begin in the order of their
//! names: what takes longest must not begin last.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use sshoal::failure::ErrorCode;
use sshoal::plan::spec::TransferSpec;
use sshoal::transport::Cancel;

use crate::lab::SshdOptions;
use crate::lab::processes::tool;
use crate::transfer::part_in;
use crate::transfer::rig::{Rig, connect, names, noise, upload};

#[test]
fn a_gibibyte_that_is_interrupted_goes_on_from_where_it_stopped() {
    const SIZE: u64 = 1 << 30;
    let mut rig = Rig::new();
    let source = rig.here.path().join("big");
    // Noise at places that differ, and holes between: cheap to make, and no block of
    // it may be lost or swapped.
    let file = fs::File::create(&source).unwrap();
    file.set_len(SIZE).unwrap();
    for place in 0..64 {
        std::os::unix::fs::FileExt::write_all_at(
            &file,
            &noise(10_000 + place),
            (place as u64) << 24,
        )
        .unwrap();
    }
    let target = rig.there.join("big");
    let server = SshdOptions::default().start();
    let address = server.socket_address();
    let mut connection = connect(&server, address, &rig.lab.users.plain);
    let timeout = Some(Duration::from_secs(300));
    let spec = TransferSpec { resume: true, timeout, ..upload(&source, &target) };
    let sending = spec.clone();
    let transfer = thread::spawn(move || connection.transfer(&sending, &Cancel::default()));
    let there = rig.there.clone();
    let sent =
        || part_in(&there).map_or(0, |name| fs::metadata(there.join(name)).map_or(0, |m| m.len()));
    while sent() < SIZE / 4 {
        thread::sleep(Duration::from_millis(5));
        assert!(!transfer.is_finished(), "it was too quick");
    }
    server.end_sessions();
    let failure = transfer.join().unwrap().unwrap_err();
    assert_eq!(failure.code, ErrorCode::ConnectionLost, "{failure:?}");
    assert!(!target.exists());
    let left = sent();

    let resumed = rig.ok(&spec);
    assert!(resumed.record.resumed && resumed.record.verified, "{resumed:?}");
    assert_eq!(resumed.record.bytes_transferred, SIZE - left);
    assert!(left >= SIZE / 4);
    tool("cmp", &[&source, &target], "");
    assert_eq!(names(&rig.there), BTreeSet::from(["big".to_owned()]));
}
