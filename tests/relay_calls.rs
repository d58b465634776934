//! What a hardened relay is for: tunnels that call each other there once they are paired, that meet there
//! to pair, and one that is put out while others talk.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::{Duration, Instant};

use common::hardened::{Server, met_at, relay_of};
use common::kiosk::{Kiosk, LIMIT, config, packet, send_until_one_arrives};
use common::pairing::{ask, compare, new_words, paired};
use twocan::frame::PacketKind;
use twocan::identity::Identity;
use twocan::meeting::MeetingPoint;
use twocan::pairing;
use twocan::queue::Received;
use twocan::tunnel::{self, Command as Ask, Event, RelayStatus, TunnelConfig};

fn tunnel_at(server: &Server, name: &str, who: &Identity) -> (Kiosk, MeetingPoint) {
    let kiosk = Kiosk::start(config(who, name));
    kiosk.tunnel.send(Ask::Enrol(server.add(name)));
    let point = kiosk.wait("the relay's word on the ticket", |event| match event {
        Event::Enrolled(taken) => Some(taken.clone().unwrap()),
        _ => None,
    });
    // As whoever keeps what the ticket brought does.
    kiosk.tunnel.send(Ask::SetRelay(Some(relay_of(&point))));
    kiosk.wait_relay(|status| *status == RelayStatus::Connected);
    (kiosk, point)
}

#[test]
fn kiosks_that_enrolled_call_each_other_once_they_are_paired_there() {
    let server = Server::hardened();
    let (anna, bert) = common::kiosk::two_identities();
    let (a, at_a) = tunnel_at(&server, "anna", &anna);
    let (b, at_b) = tunnel_at(&server, "bert", &bert);
    a.tunnel.send(Ask::SetContacts(vec![met_at(&at_b, &bert)]));
    b.tunnel.send(Ask::SetContacts(vec![met_at(&at_a, &anna)]));
    let sentence = a.wait_down(b.key);
    assert!(sentence.contains("is not there"), "{sentence}");
    server.relay(&["pair", "anna", "bert", "--yes"]);
    a.wait_up(b.key);
    b.wait_up(a.key);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    send_until_one_arrives(&to.voice_out, &from.voice_in, voice);
    send_until_one_arrives(&from.pictures_out, &to.pictures_in, picture);
    send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
    assert!(server.relay(&["check"]).contains("All is well; kiosks: 2."));
    // Without a relay they lose each other, and with it they come back.
    a.tunnel.send(Ask::SetRelay(None));
    a.wait_relay(|status| *status == RelayStatus::Disconnected);
    b.wait_down(a.key);
    a.tunnel.send(Ask::SetRelay(Some(relay_of(&at_a))));
    a.wait_up(b.key);
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
}

#[test]
fn two_that_the_relay_lets_no_calls_between_meet_there_to_pair_all_the_same() {
    let server = Server::hardened();
    let (anna, bert) = common::kiosk::two_identities();
    let (a, at_a) = tunnel_at(&server, "anna", &anna);
    let (b, _) = tunnel_at(&server, "bert", &bert);
    ask(&a, pairing::Ask::Offer);
    ask(&b, pairing::Ask::Join(new_words(&a)));
    for kiosk in [&a, &b] {
        compare(kiosk);
        ask(kiosk, pairing::Ask::Same(true));
    }
    assert_eq!(paired(&a).key, b.key);
    let card = paired(&b);
    assert_eq!((card.key, card.meeting), (a.key, vec![MeetingPoint { user: None, ..at_a }]));
}

fn enrolled_pair(server: &Server, names: [&str; 2]) -> (Kiosk, Kiosk) {
    let (one, two) = common::kiosk::two_identities();
    let at = [server.enrolled(names[0], &one), server.enrolled(names[1], &two)];
    server.relay(&["pair", names[0], names[1], "--yes"]);
    let kiosk = |who: &Identity, name: &str, own: usize, other: &Identity| {
        Kiosk::start(TunnelConfig {
            relay: Some(relay_of(&at[own])),
            contacts: vec![met_at(&at[1 - own], other)],
            ..config(who, name)
        })
    };
    let a = kiosk(&one, names[0], 0, &two);
    let b = kiosk(&two, names[1], 1, &one);
    a.wait_up(b.key);
    b.wait_up(a.key);
    (a, b)
}

#[test]
fn a_revoked_kiosk_is_gone_within_five_seconds_and_others_talk_on() {
    let server = Server::hardened();
    let (a, b) = enrolled_pair(&server, ["anna", "bert"]);
    let (c, d) = enrolled_pair(&server, ["carla", "dora"]);
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let (_a_ports, _b_ports) = (a.attach(b.key), b.attach(a.key));
    let (from, to) = (c.attach(d.key), d.attach(c.key));
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    // It fails unless every session has ended within five seconds.
    let said = server.relay(&["revoke", "anna", "--yes"]);
    assert!(said.contains("anna has no login here any more"), "{said}");
    b.wait_down(a.key);
    let refused =
        |status: &RelayStatus| matches!(status, RelayStatus::Backoff { refused: true, .. });
    a.wait_relay(refused);
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    send_until_one_arrives(&to.voice_out, &from.voice_in, voice);
    assert!(c.losses().is_empty() && d.losses().is_empty(), "their call was not touched");
    assert!(server.relay(&["list"]).contains("anna: revoked; called by nobody\nbert: "));
    assert!(server.refused(&["pair", "anna", "bert", "--yes"], 1).contains("anna was revoked"));
    assert!(server.relay(&["check"]).contains("All is well; kiosks: 3."));
    // It comes back as a new one does.
    let again = Identity::generate();
    assert!(tunnel::enrol(&server.add("anna"), again.public()).is_ok());
}

/// Milliseconds that voice takes from one tunnel to another, for each pair of them, a packet every 20 ms:
/// half of them, 95 % of them. The pairs take turns, so that what else runs here meets all alike.
fn delays(pairs: &[(&Kiosk, &Kiosk)], packets: u32) -> Vec<[f64; 2]> {
    let voice = |n| packet(PacketKind::Voice, n, &[7; 60]);
    let ports: Vec<_> =
        pairs.iter().map(|(from, to)| (from.attach(to.key), to.attach(from.key))).collect();
    for (out, into) in &ports {
        send_until_one_arrives(&out.voice_out, &into.voice_in, voice);
    }
    let (_stopper, stop) = twocan::stop::stop_pair();
    let mut took = vec![Vec::new(); pairs.len()];
    let (begin, step) = (Instant::now(), Duration::from_millis(20) / ports.len() as u32);
    for n in 0..packets * ports.len() as u32 {
        let due = begin + step * n;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let turn = n as usize % ports.len();
        let (out, into) = &ports[turn];
        let sent = Instant::now();
        assert!(out.voice_out.send(voice(1_000_000 + n)).is_ok());
        while let Received::Item(came) = into.voice_in.receive(&stop, Some(LIMIT)) {
            if came.sequence == 1_000_000 + n {
                took[turn].push(sent.elapsed().as_secs_f64() * 1000.0);
                break;
            }
        }
    }
    let share = |mut took: Vec<f64>| {
        took.sort_by(f64::total_cmp);
        [took[took.len() / 2], took[took.len() * 95 / 100]]
    };
    took.into_iter().map(share).collect()
}

/// `cargo test --test relay_calls -- --ignored --nocapture`
#[test]
#[ignore = "it measures, and what runs beside it counts"]
fn what_the_hardened_relay_adds_to_voice() {
    let server = Server::hardened();
    let (a, b) = enrolled_pair(&server, ["anna", "bert"]);
    let (one, two) = common::kiosk::two_identities();
    let sshd = common::sshd::Sshd::start(&[one.public(), two.public()]);
    let (c, d) = common::kiosk::a_pair(sshd.relay(), &one, &two);
    for turn in 1..=5 {
        let found = delays(&[(&c, &d), (&a, &b)], 1000);
        let [[p50, p95], [hard50, hard95]] = found[..] else { unreachable!("two pairs") };
        println!(
            "{turn}: plain p50 {p50:.2} p95 {p95:.2} ms; hardened p50 {hard50:.2} p95 {hard95:.2} ms"
        );
    }
}
