//! The other ways of a station's sound: by UDP, through a relay, and through the tunnel to a contact's
//! kiosk.
//!
//! ```text
//!  Microphone ──> Ring ──> Sender ──┬── packets ──> Server             (an independent reader)
//!                                   ├── ssh -L, sshd ──> Server        (the same)
//!                                   └── Tunnel ──> Kiosk, MediaPorts.voice_in
//! ```
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod station_common;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::kiosk::{Kiosk, config, two_identities, wait_count};
use common::net::in_a_network;
use common::sshd::Sshd;
use station_common::decoder::read;
use station_common::server::{Got, LIMIT, Server};
use station_common::station::{Station, loopback, named, nobody};
use twocan::address::HostPort;
use twocan::frame::PacketKind;
use twocan::identity::{Identity, PeerKey};
use twocan::queue::Received;
use twocan::station::send::{Destination, LinkEvent};
use twocan::stop::stop_pair;
use twocan::tunnel::{PeerConfig, TunnelConfig};

/// Each once, and none left out.
#[track_caller]
fn check_whole(got: &[Got]) {
    let gap = got.windows(2).find(|pair| pair[1].sequence != pair[0].sequence + 1);
    assert!(gap.is_none(), "{gap:?}");
}

#[test]
fn a_server_by_udp_whose_answers_find_no_way_hears_everything_once() {
    let server = Server::udp(loopback());
    server.set_answers(false);
    let mut station = Station::start(Destination::Udp(named(server.address)));
    // Nine seconds: longer than any silence that a server which has answered gets.
    check_whole(&server.wait_more(450));
    let told: Vec<LinkEvent> = station.events.try_iter().collect();
    assert_eq!(told, [LinkEvent::Connecting, LinkEvent::Online]);
    station.stop();
}

#[test]
fn a_server_by_udp_that_falls_silent_is_sent_nothing_twice_and_stays_where_it_answered() {
    in_a_network(|network| {
        let folder = tempfile::tempdir().unwrap();
        // At the second one there is nobody.
        network.names(folder.path(), "127.0.0.2 chuffs.test\n127.0.0.3 chuffs.test\n");
        let server = Server::udp(SocketAddr::from(([127, 0, 0, 2], 0)));
        let to = HostPort { host: "chuffs.test".parse().unwrap(), port: server.address.port() };
        let mut station = Station::start(Destination::Udp(to));
        station.wait_streaming();
        server.set_answers(false);
        let sentence = station.wait_lost();
        assert!(sentence.contains("does not answer any more"), "{sentence}");
        server.wait_more(50);
        server.set_answers(true);
        station.wait_streaming();
        check_whole(&server.got());
        station.stop();
    });
}

#[test]
fn a_server_by_udp_that_never_answered_is_sent_nothing_twice_after_the_network_was_away() {
    in_a_network(|network| {
        let server = Server::udp(loopback());
        server.set_answers(false);
        let mut station = Station::start(Destination::Udp(named(server.address)));
        // Far more than the ring takes back.
        server.wait_more(200);
        network.run("ip", &["address", "del", "127.0.0.1/8", "dev", "lo"]);
        let sentence = station.wait_lost();
        assert!(sentence.contains("unreachable"), "{sentence}");
        network.run("ip", &["address", "add", "127.0.0.1/8", "dev", "lo"]);
        server.wait_more(100);
        let dropped = station.dropped();
        let got = server.wait_more(1);
        assert!(got.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "nothing twice");
        assert_eq!(station.stats().again.load(Ordering::Relaxed), 0);
        let missing = u64::from(got.last().unwrap().sequence) + 1 - got.len() as u64;
        assert!(dropped <= missing, "{dropped} let go and {missing} never came");
        station.stop();
    });
}

#[test]
fn through_a_relay_the_server_and_the_relay_may_go_and_come_back() {
    let identity = Identity::generate();
    let mut sshd = Sshd::start(&[identity.public()]);
    let mut server = Server::tcp(loopback());
    let address = server.address;
    let relayed = Destination::Relayed {
        server: named(address),
        relay: Box::new(sshd.relay()),
        identity: identity.clone(),
    };
    let mut station = Station::start(relayed);
    station.wait_streaming();
    server.wait_more(25);
    drop(server);
    station.wait_lost();
    let sentence = station.wait_failed();
    assert!(sentence.contains("through relay 127.0.0.1"), "{sentence}");
    server = Server::tcp(address);
    station.wait_streaming();
    server.wait_more(25);
    // Half-open, then killed, then gone for a while.
    assert!(sshd.freeze_sessions() > 0);
    station.wait_lost();
    station.wait_streaming();
    server.wait_more(25);
    assert!(sshd.kill_sessions() > 0);
    station.wait_lost();
    station.wait_streaming();
    sshd.kill_all();
    station.wait_failed();
    sshd.restart();
    station.wait_streaming();
    server.wait_more(25);
    station.stop();
}

#[test]
fn a_relay_that_refuses_our_login_is_not_asked_again_soon() {
    let sshd = Sshd::start(&[Identity::generate().public()]);
    let mut station = Station::start(Destination::Relayed {
        server: named(nobody()),
        relay: Box::new(sshd.relay()),
        identity: Identity::generate(),
    });
    let sentence = station.wait_failed();
    assert!(sentence.contains("refused the login"), "{sentence}");
    let again = station.events.recv_timeout(Duration::from_secs(5));
    assert!(again.is_err(), "{again:?}");
    station.stop();
}

/// The sequences of `count` datagrams of a station's that came to a kiosk.
#[track_caller]
fn stations_packets(kiosk: &Kiosk, from: PeerKey, count: usize) -> Vec<u16> {
    let ports = kiosk.attach(from);
    let (_stopper, stop) = stop_pair();
    let mut came = Vec::new();
    while came.len() < count {
        let Received::Item(packet) = ports.voice_in.receive(&stop, Some(LIMIT)) else {
            panic!("{} of {count} datagrams came", came.len());
        };
        assert_eq!(packet.kind, PacketKind::Station);
        let block = read(&packet.payload);
        assert_eq!(u32::from(block.sequence), packet.sequence);
        came.push(block.sequence);
    }
    came
}

#[test]
fn a_contacts_kiosk_gets_the_datagrams_as_they_are_and_again_when_it_is_back() {
    let (anna, bert) = two_identities();
    let door = nobody();
    let knows = |key| PeerConfig { key, direct: Vec::new(), via_relay: false, place: None };
    let at_home = || {
        let contacts = vec![knows(anna.public())];
        Kiosk::start(TunnelConfig { door: Some(door), contacts, ..config(&bert, "Server") })
    };
    let mut kiosk = at_home();
    let to = PeerConfig { direct: vec![door.to_string()], ..knows(bert.public()) };
    let tunnel = TunnelConfig { contacts: vec![to], ..config(&anna, "Garden") };
    let tunnel = Box::new(tunnel);
    let mut station = Station::start(Destination::Kiosk { tunnel, key: bert.public() });
    for _ in 0..2 {
        station.wait_streaming();
        kiosk.wait_up(anna.public());
        let came = stations_packets(&kiosk, anna.public(), 50);
        assert!(came.windows(2).all(|pair| pair[1] == pair[0] + 1), "{came:?}");
        drop(kiosk);
        station.wait_lost();
        kiosk = at_home();
    }
    wait_count("connected", &station.stats().connected, 3);
    station.stop();
}
