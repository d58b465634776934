//! Stations and listeners that come through the tunnel: a kiosk hears what another one's microphone sends,
//! by way of the station server of both.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::f64::consts::TAU;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use common::kiosk::{self, Kiosk, LIMIT, config, packet};
use twocan::clock;
use twocan::codec::opus::VoiceDecoder;
use twocan::frame::PacketKind;
use twocan::identity::{Identity, PeerKey};
use twocan::queue::Received;
use twocan::station::server::{Server, Setup, Way};
use twocan::stop::stop_pair;
use twocan::tunnel::{MediaPorts, PeerConfig, TunnelConfig};
use twocan::wire::signal::{Hearing, Signal};
use twocan::wire::urtp::{BLOCK, Coding, DATAGRAM_LIMIT, Encoder};

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A kiosk with a door, to which the server finds.
fn kiosk(identity: &Identity, name: &str, server: PeerKey) -> (Kiosk, PeerConfig) {
    let contacts = vec![PeerConfig { key: server, direct: vec![], via_relay: false, place: None }];
    let kiosk = Kiosk::start(TunnelConfig { door: Some(HERE), contacts, ..config(identity, name) });
    let contact = kiosk::at_door(kiosk.key, kiosk.wait_door());
    (kiosk, contact)
}

#[track_caller]
fn wait_hearing(kiosk: &Kiosk, wanted: Hearing) {
    kiosk.wait(&format!("Hearing {wanted:?}"), |event| match event {
        twocan::tunnel::Event::Signal { signal: Signal::Hearing { state, .. }, .. }
            if *state == wanted =>
        {
            Some(())
        }
        _ => None,
    });
}

/// Send a tone of 1 kHz through the tunnel, in real time, until `ports` are closed.
fn microphone(ports: MediaPorts) {
    let (mut encoder, began) = (Encoder::new(Coding::Unicam, 12), Instant::now());
    let (_stopper, stop) = stop_pair();
    for block in 0_u32.. {
        let at = |i: usize| (block as usize * BLOCK + i) as f64 / 16_000.0;
        let sample = |i| ((at(i) * 1000.0 * TAU).sin() * 500_000.0) as i32;
        let mut datagram = [0; DATAGRAM_LIMIT];
        let length = encoder.encode(&std::array::from_fn(sample), block as u16, 0, &mut datagram);
        if ports.voice_out.send(packet(PacketKind::Station, block, &datagram[..length])).is_err() {
            return;
        }
        stop.sleep(
            Duration::from_millis(20 * u64::from(block + 1)).saturating_sub(began.elapsed()),
        );
    }
}

#[test]
fn a_kiosk_hears_a_station_that_comes_by_its_key_and_is_told_when_it_falls_silent() {
    let mut identities = [Identity::generate(), Identity::generate(), Identity::generate()];
    // The server has the smallest key: it dials.
    identities.sort_by_key(Identity::public);
    let [server, barn, anna] = identities;
    let (station, station_contact) = kiosk(&barn, "Barn", server.public());
    let (listener, listener_contact) = kiosk(&anna, "Anna", server.public());
    let contacts = vec![station_contact, listener_contact];
    let house = Server::start(Setup {
        listen: HERE,
        web: HERE,
        stations: vec![("Barn".to_owned(), Way::Key(barn.public()))],
        tunnel: Some(TunnelConfig { contacts, ..config(&server, "House") }),
    })
    .unwrap();
        names: vec![],
    assert_eq!(station.wait_up(server.public()), "House");
    listener.wait_up(server.public());

    let hear = |name: &str| Signal::Hear { station: name.to_owned() };
    listener.say(server.public(), hear("Cellar"));
    wait_hearing(&listener, Hearing::Unknown);
    listener.say(server.public(), hear("Barn"));
    wait_hearing(&listener, Hearing::Silent);
    let sent = station.attach(server.public());
    let (ports, heard) = (sent.clone(), listener.attach(server.public()));
    let microphone =
        std::thread::Builder::new().name("microphone".to_owned()).spawn(|| microphone(ports));
    wait_hearing(&listener, Hearing::Live);

    let (_stopper, stop) = stop_pair();
    let (mut decoder, mut sound, mut ages) = (VoiceDecoder::new().unwrap(), Vec::new(), Vec::new());
    while sound.len() < 2 * 48_000 {
        let Received::Item(packet) = heard.voice_in.receive(&stop, Some(LIMIT)) else {
            panic!("nothing is heard: {:#?}", house.status())
        };
        assert_eq!(packet.kind, PacketKind::Voice);
        ages.push(clock::now().since(packet.captured).as_millis());
        sound.extend_from_slice(decoder.decode(&packet.payload).unwrap());
    }
    let second = &sound[48_000..];
    let rises = second.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
    assert!((990..1010).contains(&rises), "{rises} Hz");
    ages.sort_unstable();
    println!("from the server's ear to the kiosk: {} ms in the middle", ages[ages.len() / 2]);
    assert_eq!(house.status().stations[0].kiosks, 1);

    // Ringing there is in vain.
    listener.say(server.public(), Signal::Invite { call: 7 });
    assert_eq!(listener.wait_signal(), Signal::Decline { call: 7 });
    sent.voice_out.close();
    microphone.unwrap().join().unwrap();
    wait_hearing(&listener, Hearing::Silent);
    listener.say(server.public(), hear(""));
    let limit = Instant::now() + LIMIT;
    while house.status().stations[0].kiosks > 0 {
        assert!(Instant::now() < limit, "it still has an ear");
        std::thread::sleep(Duration::from_millis(10));
    }
}
