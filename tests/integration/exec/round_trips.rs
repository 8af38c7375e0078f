//! How often a command waits for the network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sshoal::credential::PrivateKey;
use sshoal::plan::spec::Credentials;
use sshoal::transport::{Cancel, Ending};

use super::{connect_to, options, shown, spec};
use crate::lab::{Lab, delayed_line};

/// One way; a round trip takes twice as long.
const DELAY: Duration = Duration::from_millis(100);

/// Connecting, logging in by a key and running a first command, then ten more.
///
/// The best of several tries counts: a busy machine makes some of them slow, and
/// no machine makes one faster than the engine allows.
#[test]
fn a_first_command_and_further_ones_wait_seldom_for_the_network() {
    const MOST_TO_THE_FIRST: f64 = 9.0;
    const MOST_FOR_ANOTHER: f64 = 1.4;
    const CONNECTIONS: u32 = 6;
    const COMMANDS: u32 = 10;
    let lab = Lab::get();
    let user = &lab.users.plain;
    let key = PrivateKey::read(&user.key.path, None, "test").unwrap();
    let mut spec = spec(lab.sshd(), user);
    spec.credentials = Credentials { keys: vec![Arc::new(key)], ..Credentials::default() };
    let cancel = Cancel::default();
    let trips = |time: Duration| time.as_secs_f64() / (2.0 * DELAY.as_secs_f64());

    let (mut first, mut further) = (f64::MAX, f64::MAX);
    for _ in 0..CONNECTIONS {
        spec.port = delayed_line(lab.sshd().socket_address(), DELAY).port();
        let began = Instant::now();
        let mut connection = connect_to(&spec);
        let execution = connection.execute("echo x", &options(), true, &cancel);
        first = first.min(trips(began.elapsed()));
        assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
        for number in 0..COMMANDS {
            let more = number + 1 < COMMANDS;
            let execution = connection.execute("cat", &options(), more, &cancel);
            assert_eq!(execution.ending, Ending::Exited(0), "{}", shown(&execution));
            further = further.min(trips(execution.duration));
        }
        if first <= MOST_TO_THE_FIRST && further <= MOST_FOR_ANOTHER {
            println!("{first:.2} and {further:.2} round trips");
            return;
        }
    }
    panic!("the first command took {first:.2} round trips, each further one {further:.2}");
}
