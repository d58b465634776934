//! Two ways to a peer: the one that leads there is used, and when it dies the call goes on by the other.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::TcpListener;

use common::kiosk::{
    Kiosk, a_pair, at_relay, config, packet, send_until_one_arrives, two_identities, wait_count,
};
use common::net::{Network, in_a_network};
use common::sshd::Sshd;
use twocan::frame::PacketKind;
use twocan::identity::Identity;
use twocan::tunnel::{Command, Event, MediaPorts, Path, PeerConfig, TunnelConfig};

/// Anna, who knows Bert's door at 10.77.0.2, and Bert; both also at the relay.
fn two_ways(net: &Network, sshd: &Sshd, anna: &Identity, bert: &Identity) -> (Kiosk, Kiosk) {
    net.interface("house", "10.77.0.2/24");
    let b = Kiosk::start(TunnelConfig {
        door: Some("10.77.0.2:0".parse().unwrap()),
        relay: Some(sshd.relay()),
        contacts: vec![at_relay(anna.public())],
        ..config(bert, "Bert")
    });
    let direct = vec![b.wait_door().to_string()];
    let contacts = vec![PeerConfig { direct, ..at_relay(b.key) }];
    let relay = Some(sshd.relay());
    let a = Kiosk::start(TunnelConfig { relay, contacts, ..config(anna, "Anna") });
    (a, b)
}

/// Both talk by the direct way, and have the relay besides.
fn a_direct_call(net: &Network) -> (Sshd, [Kiosk; 2], [MediaPorts; 2]) {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_ways(net, &sshd, &anna, &bert);
    a.wait_relay(|status| *status == twocan::tunnel::RelayStatus::Connected);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    talk(&from, &to);
    (sshd, [a, b], [from, to])
}

fn is_direct(path: &Path) -> bool {
    matches!(path, Path::Direct(address) if address.starts_with("10.77.0.2:"))
}

fn is_relay(path: &Path) -> bool {
    *path == Path::Relay
}

/// Voice and pictures get through, both ways.
fn talk(from: &MediaPorts, to: &MediaPorts) {
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    for (from, to) in [(from, to), (to, from)] {
        send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
        send_until_one_arrives(&from.pictures_out, &to.pictures_in, picture);
    }
}

#[test]
fn a_call_whose_direct_way_goes_dead_goes_on_through_the_relay_and_moves_back_after_it() {
    in_a_network(|net| {
        let (_sshd, [a, b], [from, to]) = a_direct_call(net);
        net.drop_packets("ip daddr 10.77.0.2");
        let sentence = a.wait_down(b.key);
        assert!(sentence.contains("silent for 1.4 s in a call"), "{sentence}");
        a.wait_path(b.key, is_relay);
        b.wait_path(a.key, is_relay);
        talk(&from, &to);
        // The direct way is well again: nothing moves while they talk.
        net.heal();
        net.run("ip", &["address", "add", "10.78.0.1/24", "dev", "house"]);
        let networks = &a.tunnel.counters().networks;
        wait_count("networks", networks, 1);
        talk(&from, &to);
        assert_eq!(a.losses(), [""; 0]);
        a.tunnel.send(Command::Detach { peer: b.key });
        b.tunnel.send(Command::Detach { peer: a.key });
        net.run("ip", &["address", "del", "10.78.0.1/24", "dev", "house"]);
        a.wait_path(b.key, is_direct);
        b.wait_path(a.key, is_direct);
        let (from, to) = (a.attach(b.key), b.attach(a.key));
        talk(&from, &to);
    });
}

#[test]
fn a_call_whose_address_vanishes_goes_on_through_the_relay() {
    in_a_network(|net| {
        let (_sshd, [a, b], [from, to]) = a_direct_call(net);
        net.run("ip", &["address", "del", "10.77.0.2/24", "dev", "house"]);
        let sentence = a.wait_down(b.key);
        assert!(sentence.contains("our address 10.77.0.2 is gone"), "{sentence}");
        a.wait_path(b.key, is_relay);
        talk(&from, &to);
    });
}

#[test]
fn a_call_whose_relay_dies_goes_on_directly() {
    in_a_network(|net| {
        let (anna, bert) = two_identities();
        let mut sshd = Sshd::start(&[anna.public(), bert.public()]);
        net.drop_packets("ip daddr 10.77.0.2");
        let (a, b) = two_ways(net, &sshd, &anna, &bert);
        a.wait_path(b.key, is_relay);
        let (from, to) = (a.attach(b.key), b.attach(a.key));
        talk(&from, &to);
        net.heal();
        sshd.kill_all();
        a.wait_path(b.key, is_direct);
        b.wait_path(a.key, |path| *path != Path::Relay);
        talk(&from, &to);
    });
}

#[test]
fn an_address_where_nobody_says_a_word_does_not_hold_up_the_relay() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let b = Kiosk::at_relay(&bert, "Bert", sshd.relay(), anna.public());
    b.wait_relay(|status| *status == twocan::tunnel::RelayStatus::Connected);
    let direct = vec![mute.local_addr().unwrap().to_string()];
    let contacts = vec![PeerConfig { direct, ..at_relay(b.key) }];
    let relay = Some(sshd.relay());
    let a = Kiosk::start(TunnelConfig { relay, contacts, ..config(&anna, "Anna") });
    // The relay comes up while the first attempt waits at the mute door, and is tried by that very
    // attempt: none of them fails.
    let first = a.wait("PeerUp or PeerDown", |event| match event {
        Event::PeerUp { path, .. } => Some(Ok(path.clone())),
        Event::PeerDown { sentence, .. } => Some(Err(sentence.clone())),
        _ => None,
    });
    assert_eq!(first, Ok(Path::Relay));
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    talk(&from, &to);
}

#[test]
fn ports_that_a_dead_session_still_holds_are_replaced_by_the_next() {
    let (anna, bert) = two_identities();
    let more = "AllowStreamLocalForwarding no";
    let sshd = Sshd::start_with(&[anna.public(), bert.public()], more);
    let a = Kiosk::at_relay(&anna, "Anna", sshd.relay(), bert.public());
    let b = Kiosk::at_relay(&bert, "Bert", sshd.relay(), anna.public());
    a.wait_up(b.key);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    for _ in 0..2 {
        talk(&from, &to);
        // They keep their listening ports, and nobody behind these answers.
        assert!(sshd.freeze_sessions() >= 4, "two outer sessions each");
        a.wait_down(b.key);
        a.wait_path(b.key, is_relay);
    }
    talk(&from, &to);
}

#[test]
fn a_relay_whose_packets_vanish_is_noticed_and_found_again_when_they_do_not() {
    in_a_network(|net| {
        let (anna, bert) = two_identities();
        let sshd = Sshd::start(&[anna.public(), bert.public()]);
        let (a, b) = a_pair(sshd.relay(), &anna, &bert);
        let (from, to) = (a.attach(b.key), b.attach(a.key));
        for _ in 0..2 {
            talk(&from, &to);
            let port = sshd.relay().port;
            net.drop_packets(&format!("meta l4proto tcp tcp dport {port}"));
            let silent = |status: &twocan::tunnel::RelayStatus| match status {
                twocan::tunnel::RelayStatus::Backoff { sentence, .. } => {
                    sentence.contains("silent for") || sentence.contains("no answer within")
                }
                _ => false,
            };
            a.wait_relay(silent);
            b.wait_relay(silent);
            net.heal();
            a.wait_relay(|status| *status == twocan::tunnel::RelayStatus::Connected);
            talk(&from, &to);
        }
    });
}

#[test]
fn a_call_in_which_nobody_speaks_and_nothing_moves_is_not_silent() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (_from, _to) = (a.attach(b.key), b.attach(a.key));
    // An answer every half second: three times as long as a silence may be.
    for _ in 0..9 {
        a.wait("pong, and nobody lost", |event| match event {
            Event::Clock { .. } => Some(()),
            Event::PeerDown { sentence, .. } => panic!("{sentence}"),
            _ => None,
        });
    }
    assert_eq!(b.losses(), [""; 0]);
}

#[test]
fn a_line_that_is_merely_thin_is_no_dead_one() {
    in_a_network(|net| {
        let (anna, bert) = two_identities();
        let sshd = Sshd::start(&[anna.public(), bert.public()]);
        let (a, b) = a_pair(sshd.relay(), &anna, &bert);
        let (from, to) = (a.attach(b.key), b.attach(a.key));
        talk(&from, &to);
        // Every byte crosses this line twice, and four connections share it.
        net.run("ip", &["link", "set", "lo", "mtu", "1500"]);
        let thin = ["rate", "300kbit", "burst", "3kb", "latency", "600ms"];
        let line = ["qdisc", "add", "dev", "lo", "root", "tbf"];
        net.run("tc", &[&line[..], &thin[..]].concat());
        while a.events.try_recv().is_ok() {}
        while b.events.try_recv().is_ok() {}
        // Stills that take well over a second each on such a line.
        let still: Vec<u8> = (0..20_000u32).map(|n| (n * 7919 % 251) as u8).collect();
        for (from, to) in [(&from, &to), (&to, &from)].into_iter().cycle().take(6) {
            let mut sent = false;
            send_until_one_arrives(&from.pictures_out, &to.pictures_in, |n| {
                // One at a time, as their sender does.
                let kind = if std::mem::replace(&mut sent, true) {
                    PacketKind::Same
                } else {
                    PacketKind::Picture
                };
                packet(kind, n, if kind == PacketKind::Picture { &still } else { b"" })
            });
        }
        assert_eq!((a.losses(), b.losses()), (Vec::new(), Vec::new()));
    });
}
