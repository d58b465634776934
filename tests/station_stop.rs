//! SIGTERM ends `twocan station` within a second, whatever it is doing: on every way to a server, and with
//! a microphone that does not open.
//!
//! ```text
//!  Stage: a folder, a configuration ──> twocan station ── a state is reached ──> SIGTERM ──> how long
//! ```
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[allow(dead_code, reason = "no sound server here")]
#[path = "common/pulse.rs"]
mod pulse;
mod station_common;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::kiosk::{Kiosk, config};
use common::sshd::Sshd;
use nix::sys::stat::Mode;
use pulse::Running;
use station_common::server::{LIMIT, Server};
use station_common::station::{SLACK, black_hole, loopback, nobody, takes_little};
use twocan::contacts::{Contact, Contacts};
use twocan::identity::Identity;
use twocan::tunnel::{PeerConfig, TunnelConfig};

/// The kernel takes no more of a station's once 4096 bytes are unsent, until so few are.
const FULL: u64 = 2048;

/// Where stations run.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.s32"), vec![0; 8 * 16_000]).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        Self { folder }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn identity(&self) -> Identity {
        Identity::load_or_create(&self.state()).unwrap()
    }

    /// `twocan station` with these words and this configuration.
    fn station(&self, words: &[&str], config: &str) -> Running {
        let folder = self.folder.path();
        fs::write(folder.join("twocan.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.arg("station").args(words).arg("--state").arg(self.state());
        command.arg("--config").arg(folder.join("twocan.toml"));
        Running::start(command, folder)
    }

    /// One with silence for a microphone.
    fn silent(&self, server: &str) -> Running {
        self.station(&["--device", "in.s32", "--server", server], "")
    }

    /// One that goes to `server` through the relay at `port`.
    fn relayed(&self, sshd: &Sshd, port: u16, server: SocketAddr) -> Running {
        let (user, key) = (sshd.relay().user, sshd.host_key().to_openssh().unwrap());
        let relay = format!(
            "[relay]\nhost = '127.0.0.1'\nport = {port}\nuser = '{user}'\nhost_key = '{key}'\n"
        );
        let server = server.to_string();
        let words = ["--device", "in.s32", "--server", &server, "--through", "relay"];
        self.station(&words, &relay)
    }

    /// That the station which `begin` brings to a state ends in time. On a busy machine one may be late.
    #[track_caller]
    fn ends(&self, what: &'static str, mut begin: impl FnMut(&Self) -> Running) {
        let mut took = Vec::new();
        while took.len() < 2 {
            let mut station = begin(self);
            let began = Instant::now();
            assert_eq!(station.terminate(), Some(0), "{what}: {}", station.log());
            took.push(began.elapsed());
            if began.elapsed() < Duration::from_secs(1) + SLACK {
                eprintln!("{what}: from SIGTERM to the end {took:.2?}");
                return;
            }
        }
        panic!("{what}: late each time, {took:.2?}");
    }
}

/// `station`, when it has said that.
#[track_caller]
fn says(mut station: Running, words: &str) -> Running {
    station.says(words);
    station
}

/// Wait until the kernel takes no more of what `stream`'s other end, a station here, has for it.
fn wait_full(stream: &TcpStream) {
    let [ours, theirs] = [stream.local_addr(), stream.peer_addr()].map(|at| at.unwrap().port());
    // `sl local_address rem_address st tx_queue:rx_queue`, in hexadecimal digits.
    let queued = || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let is_it = |row: &Vec<&str>| {
            row[1].ends_with(&format!(":{theirs:04X}")) && row[2].ends_with(&format!(":{ours:04X}"))
        };
        // While others come and go a row may be passed over.
        let row = rows.skip(1).find(is_it)?;
        Some(u64::from_str_radix(row[4].split_once(':').unwrap().0, 16).unwrap())
    };
    let began = Instant::now();
    let (mut before, mut same) = (0, 0);
    // A datagram is due every 20 ms.
    while same < 10 {
        assert!(began.elapsed() < LIMIT, "{before} bytes wait");
        std::thread::sleep(Duration::from_millis(50));
        let Some(now) = queued() else { continue };
        same = if now == before && now >= FULL { same + 1 } else { 0 };
        before = now;
    }
}

#[test]
fn by_tcp_and_by_udp_in_every_state() {
    let stage = Stage::new();
    let server = Server::tcp(loopback());
    stage.ends("streaming", |stage| {
        let station = stage.silent(&server.address.to_string());
        server.wait_more(60);
        station
    });

    let mute = Server::mute(loopback());
    stage.ends("online", |stage| {
        let station = stage.silent(&mute.address.to_string());
        mute.wait_more(25);
        station
    });

    stage.ends("refused", |stage| says(stage.silent(&nobody().to_string()), "cannot reach"));

    let (_socket, hole, _queued) = black_hole();
    let swallowed = "did not answer in time";
    stage.ends("swallowed", |stage| says(stage.silent(&hole.to_string()), swallowed));

    // Its name service may say no, or nothing.
    stage.ends("nameless", |stage| says(stage.silent("nobody.invalid:5000"), "no address for"));

    let deaf = takes_little();
    let mut unread = Vec::new();
    stage.ends("unread", |stage| {
        let station = stage.silent(&deaf.local_addr().unwrap().to_string());
        unread.push(deaf.accept().unwrap().0);
        wait_full(&unread[unread.len() - 1]);
        station
    });

    let server = Server::udp(loopback());
    stage.ends("by UDP", |stage| {
        let station = stage.silent(&format!("udp:{}", server.address));
        server.wait_more(60);
        station
    });
}

#[test]
fn through_a_relay_that_swallows_us_refuses_us_and_takes_us() {
    let stage = Stage::new();
    let sshd = Sshd::start(&[Identity::generate().public()]);
    let server = Server::tcp(loopback());
    let (_socket, hole, _queued) = black_hole();
    stage.ends("dialling", |stage| {
        let station = stage.relayed(&sshd, hole.port(), server.address);
        says(station, "AUDIO_STREAMING_CONNECTION_START")
    });

    stage.ends("refused", |stage| {
        says(stage.relayed(&sshd, sshd.relay().port, server.address), "refused the login")
    });

    sshd.authorize(&[stage.identity().public()]);
    stage.ends("streaming", |stage| {
        let station = stage.relayed(&sshd, sshd.relay().port, server.address);
        server.wait_more(60);
        station
    });
}

#[test]
fn to_a_contacts_kiosk_that_is_away_and_that_is_there() {
    let stage = Stage::new();
    let (own, bert, door) = (stage.identity().public(), Identity::generate(), nobody());
    let bert_here = Contact {
        direct: vec![door.to_string().parse().unwrap()],
        via_relay: false,
        ..Contact::new("Bert", bert.public())
    };
    Contacts::change(&stage.state(), |contacts| contacts.add(bert_here, None)).unwrap();
    stage.ends("away", |stage| says(stage.silent("twocan:Bert"), "NETWORK_CONNECT_FAILURE"));

    let knows = PeerConfig { key: own, direct: Vec::new(), via_relay: false, place: None };
    let kiosk = Kiosk::start(TunnelConfig {
        door: Some(door),
        contacts: vec![knows],
        ..config(&bert, "Bert")
    });
    stage.ends("streaming", |stage| {
        let station = stage.silent("twocan:Bert");
        kiosk.wait_up(own);
        says(station, "AUDIO_SERVER_CONNECTED")
    });
}

#[test]
fn with_a_microphone_that_hangs_while_it_is_opened() {
    let stage = Stage::new();
    // Nobody ever writes into it: opening it waits.
    nix::unistd::mkfifo(&stage.folder.path().join("stuck.s32"), Mode::S_IRWXU).unwrap();
    let server = Server::tcp(loopback());
    let server = server.address.to_string();
    stage.ends("opening", |stage| {
        let station = stage.station(&["--device", "stuck.s32", "--server", &server], "");
        says(station, "SOCKET_CONNECTED")
    });
}
