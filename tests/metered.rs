//! Whether the network is metered, asked of a NetworkManager of our own on a bus of our own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use twocan::device::metered::Watch;
use twocan::stop::Stop;
use twocan::supervisor::{Restart, Supervisor};
use zbus::blocking::{Connection, connection};

const LIMIT: Duration = Duration::from_secs(60);
/// The watch is over and gone; one that only says nothing is another thing.
const ENDED: Result<bool, RecvTimeoutError> = Err(RecvTimeoutError::Disconnected);
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";

/// As much of NetworkManager as is asked for.
struct Network {
    metered: u32,
}

#[zbus::interface(name = "org.freedesktop.NetworkManager")]
impl Network {
    #[zbus(property)]
    fn metered(&self) -> u32 {
        self.metered
    }
}

/// A bus that ends with the test.
struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start(folder: &Path) -> Option<Self> {
        let address = format!("unix:path={}", folder.join("bus").display());
        let spawned = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .args(["--address", &address])
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut daemon) = spawned else {
            eprintln!("skipped: there is no dbus-daemon (Debian: dbus-daemon)");
            return None;
        };
        let mut line = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { daemon, address })
    }

    fn network(&self, metered: u32) -> Connection {
        connection::Builder::address(self.address.as_str())
            .unwrap()
            .serve_at(PATH, Network { metered })
            .unwrap()
            .name(NETWORK_MANAGER)
            .unwrap()
            .build()
            .unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn becomes(network: &Connection, metered: u32) {
    let served = network.object_server().interface::<_, Network>(PATH).unwrap();
    served.get_mut().metered = metered;
    zbus::block_on(served.get().metered_changed(served.signal_emitter())).unwrap();
}

fn watch(supervisor: &mut Supervisor, bus: &str) -> Receiver<bool> {
    let (tell, told) = channel();
    let mut watch = Watch::at(bus.to_owned(), move |metered| {
        let _ = tell.send(metered);
    });
    let run = move |stop: &Stop| watch.run(stop).map_err(Into::into);
    supervisor.start("metered", Restart::Never, run).unwrap();
    told
}

#[test]
fn the_network_is_metered_when_network_manager_says_or_guesses_so() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:path={}", folder.path().join("nowhere").display());
    let mut supervisor = Supervisor::new();
    let told = watch(&mut supervisor, &nowhere);
    assert!(!told.recv_timeout(LIMIT).unwrap(), "no bus: not metered");
    assert_eq!(told.recv_timeout(LIMIT), ENDED, "and nothing to wait for");

    let Some(bus) = Bus::start(folder.path()) else { return };
    let told = watch(&mut supervisor, &bus.address);
    assert!(!told.recv_timeout(LIMIT).unwrap(), "no NetworkManager: not metered");
    // It comes, and knows that this is a telephone's network.
    let network = bus.network(1);
    assert!(told.recv_timeout(LIMIT).unwrap());
    // No; perhaps; perhaps not.
    becomes(&network, 2);
    assert!(!told.recv_timeout(LIMIT).unwrap());
    becomes(&network, 3);
    assert!(told.recv_timeout(LIMIT).unwrap());
    becomes(&network, 4);
    assert!(!told.recv_timeout(LIMIT).unwrap());
    // It goes: what it said last goes with it.
    becomes(&network, 1);
    assert!(told.recv_timeout(LIMIT).unwrap());
    drop(network);
    assert!(!told.recv_timeout(LIMIT).unwrap());
    // Nobody waits for news at the end.
    supervisor.stop();
    assert_eq!(told.recv_timeout(LIMIT), ENDED);
}
