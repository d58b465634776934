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
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::kiosk::{Kiosk, config};
use common::sshd::Sshd;
use nix::sys::stat::Mode;
use pulse::Running;
use station_common::server::Server;
use station_common::station::{SLACK, black_hole, loopback, nobody};
use twocan::contacts::{Contact, Contacts};
use twocan::identity::Identity;
use twocan::tunnel::{PeerConfig, TunnelConfig};

/// Where stations run, and how long each took to end.
struct Stage {
    folder: tempfile::TempDir,
    took: Vec<(&'static str, Duration)>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.s32"), vec![0; 8 * 16_000]).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        Self { folder, took: Vec::new() }
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

    fn ends(&mut self, what: &'static str, mut station: Running) {
        let began = Instant::now();
        assert_eq!(station.terminate(), Some(0), "{what}: {}", station.log());
        self.took.push((what, began.elapsed()));
    }

    #[track_caller]
    fn check(self) {
        eprintln!("from SIGTERM to the end: {:.2?}", self.took);
        let late = |took: &Duration| *took >= Duration::from_secs(1) + SLACK;
        assert!(!self.took.iter().any(|(_, took)| late(took)), "{:?}", self.took);
    }
}

#[test]
fn by_tcp_and_by_udp_in_every_state() {
    let mut stage = Stage::new();
    let server = Server::tcp(loopback());
    let station = stage.silent(&server.address.to_string());
    server.wait_more(60);
    stage.ends("streaming", station);

    let mute = Server::mute(loopback());
    let station = stage.silent(&mute.address.to_string());
    mute.wait_more(25);
    stage.ends("online", station);

    let mut station = stage.silent(&nobody().to_string());
    station.says("cannot reach");
    stage.ends("refused", station);

    let (_socket, hole, _queued) = black_hole();
    let mut station = stage.silent(&hole.to_string());
    station.says("did not answer in time");
    stage.ends("swallowed", station);

    // Its name service may say no, or nothing.
    let mut station = stage.silent("nobody.invalid:5000");
    station.says("no address for");
    stage.ends("nameless", station);

    let deaf = TcpListener::bind(loopback()).unwrap();
    let station = stage.silent(&deaf.local_addr().unwrap().to_string());
    let (_unread, _) = deaf.accept().unwrap();
    stage.ends("unread", station);

    let server = Server::udp(loopback());
    let station = stage.silent(&format!("udp:{}", server.address));
    server.wait_more(60);
    stage.ends("by UDP", station);
    stage.check();
}

#[test]
fn through_a_relay_that_swallows_us_refuses_us_and_takes_us() {
    let mut stage = Stage::new();
    let sshd = Sshd::start(&[Identity::generate().public()]);
    let server = Server::tcp(loopback());
    let (_socket, hole, _queued) = black_hole();
    let mut station = stage.relayed(&sshd, hole.port(), server.address);
    station.says("AUDIO_STREAMING_CONNECTION_START");
    stage.ends("dialling", station);

    let mut station = stage.relayed(&sshd, sshd.relay().port, server.address);
    station.says("refused the login");
    stage.ends("refused", station);

    sshd.authorize(&[stage.identity().public()]);
    let station = stage.relayed(&sshd, sshd.relay().port, server.address);
    server.wait_more(60);
    stage.ends("streaming", station);
    stage.check();
}

#[test]
fn to_a_contacts_kiosk_that_is_away_and_that_is_there() {
    let mut stage = Stage::new();
    let (own, bert, door) = (stage.identity().public(), Identity::generate(), nobody());
    let bert_here = Contact {
        direct: vec![door.to_string().parse().unwrap()],
        via_relay: false,
        ..Contact::new("Bert", bert.public())
    };
    Contacts::change(&stage.state(), |contacts| contacts.add(bert_here, None)).unwrap();
    let mut station = stage.silent("twocan:Bert");
    station.says("NETWORK_CONNECT_FAILURE");
    stage.ends("away", station);

    let knows = PeerConfig { key: own, direct: Vec::new(), via_relay: false, place: None };
    let kiosk = Kiosk::start(TunnelConfig {
        door: Some(door),
        contacts: vec![knows],
        ..config(&bert, "Bert")
    });
    let mut station = stage.silent("twocan:Bert");
    kiosk.wait_up(own);
    station.says("AUDIO_SERVER_CONNECTED");
    stage.ends("streaming", station);
    stage.check();
}

#[test]
fn with_a_microphone_that_hangs_while_it_is_opened() {
    let mut stage = Stage::new();
    // Nobody ever writes into it: opening it waits.
    nix::unistd::mkfifo(&stage.folder.path().join("stuck.s32"), Mode::S_IRWXU).unwrap();
    let server = Server::tcp(loopback());
    let server = server.address.to_string();
    let mut station = stage.station(&["--device", "stuck.s32", "--server", &server], "");
    station.says("SOCKET_CONNECTED");
    stage.ends("opening", station);
    stage.check();
}
